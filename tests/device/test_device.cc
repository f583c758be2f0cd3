// Test devices: the CPU's kernels on memory of their own.
#include "tests/device/test_device.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>

#include "core/runtime/builtin.h"

namespace weft {

namespace {

struct Counters {
  std::atomic<int64_t> copies_in{0}, copies_out{0}, copies_within{0}, kernels{0}, waits{0}, bytes_held{0};
  std::atomic<int64_t> fused{0}, recordings{0}, replays{0}, waits_for_others{0};
  std::atomic<bool> fail_allocation{false}, fail_recording{false};
};
Counters counters;

// Each block is mapped twice: where the device says that it lies, nobody may read or write; the device itself goes to the
// other place. So whoever follows an address of the device on the processor ends with a fault, as on a real one.
class TestMemory {
 public:
  Result<void*> allocate(int64_t bytes) {
    if (counters.fail_allocation.exchange(false)) {
      return make_error(Code::kResourceExhausted, "the test device has no more memory");
    }
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t size = (static_cast<size_t>(bytes) + page - 1) / page * page;
    const int file = memfd_create("weft test device", 0);
    if (file < 0) return make_error(Code::kResourceExhausted, "memfd_create failed: ", std::strerror(errno));
    void *seen = MAP_FAILED, *own = MAP_FAILED;
    if (ftruncate(file, static_cast<off_t>(size)) == 0) {
      seen = mmap(nullptr, size, PROT_NONE, MAP_SHARED, file, 0);
      own = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    ::close(file);
    if (seen == MAP_FAILED || own == MAP_FAILED) {
      if (seen != MAP_FAILED) munmap(seen, size);
      if (own != MAP_FAILED) munmap(own, size);
      return make_error(Code::kResourceExhausted, "the test device cannot map ", bytes, " bytes");
    }
    std::memset(own, 0xff, size);  // NaN, -1: what nobody has written shows
    std::lock_guard lock(mutex_);
    blocks_[static_cast<char*>(seen)] = {static_cast<char*>(own), size};
    counters.bytes_held += static_cast<int64_t>(size);
    return seen;
  }

  void free(void* data) {
    Block block;
    {
      std::lock_guard lock(mutex_);
      auto at = blocks_.find(static_cast<char*>(data));
      block = at->second;
      blocks_.erase(at);
    }
    counters.bytes_held -= static_cast<int64_t>(block.size);
    munmap(block.own, block.size);
    munmap(data, block.size);
  }

  // Where the device finds what lies at an address of it; null for one that is none.
  void* own(const void* address) {
    if (address == nullptr) return nullptr;
    std::lock_guard lock(mutex_);
    char* at = static_cast<char*>(const_cast<void*>(address));
    auto block = blocks_.upper_bound(at);
    if (block == blocks_.begin()) return nullptr;
    --block;
    const size_t offset = static_cast<size_t>(at - block->first);
    return offset <= block->second.size ? block->second.own + offset : nullptr;
  }

 private:
  struct Block {
    char* own = nullptr;
    size_t size = 0;
  };
  std::mutex mutex_;
  std::map<char*, Block> blocks_;
};

Status not_ours(const char* what) {
  return internal_error(what, " was given an address that is none of the test device");
}

struct Work {
  int32_t step;
  std::function<Status()> run;
};

struct TestRecording : Recording {
  std::vector<Work> work;
};

class TestStream : public Stream {
 public:
  TestStream(TestMemory& memory, bool late) : memory_(memory), late_(late) {}
  ~TestStream() override {
    int32_t step;
    (void)wait(&step);
  }

  Status copy_in(void* to, const void* from, int64_t bytes, int32_t step) override {
    ++counters.copies_in;
    if (recording_ != nullptr) return internal_error("a copy from the process's memory is being recorded");
    return put_copy(memory_.own(to), from, bytes, step);
  }
  Status copy_out(void* to, const void* from, int64_t bytes, int32_t step) override {
    ++counters.copies_out;
    if (recording_ != nullptr) return internal_error("a copy to the process's memory is being recorded");
    return put_copy(to, memory_.own(from), bytes, step);
  }
  Status copy(void* to, const void* from, int64_t bytes, int32_t step) override {
    ++counters.copies_within;
    return put_copy(memory_.own(to), memory_.own(from), bytes, step);
  }
  Status wait(int32_t* step) override {
    ++counters.waits;
    if (recording_ != nullptr) return internal_error("a stream is waited for that is being recorded");
    for (Work& work : queue_) carry_out(work);
    queue_.clear();
    *step = failed_step_;
    failed_step_ = -1;
    return std::exchange(error_, Status());
  }

  bool can_record() const override { return true; }
  Status record() override {
    recording_ = std::make_unique<TestRecording>();
    return {};
  }
  Result<std::unique_ptr<Recording>> recorded() override {
    std::unique_ptr<Recording> made = std::move(recording_);
    if (counters.fail_recording.exchange(false)) return internal_error("the test device records nothing now");
    ++counters.recordings;
    return made;
  }
  Status replay(Recording& recording) override {
    ++counters.replays;
    for (const Work& work : static_cast<TestRecording&>(recording).work) put(work.step, work.run);
    return {};
  }

  void* own(const void* address) { return memory_.own(address); }
  void put(int32_t step, std::function<Status()> work) {
    if (recording_ != nullptr) {
      recording_->work.push_back({step, std::move(work)});
      return;
    }
    queue_.push_back({step, std::move(work)});
    if (late_) return;
    carry_out(queue_.back());
    queue_.pop_back();
  }

 private:
  Status put_copy(void* to, const void* from, int64_t bytes, int32_t step) {
    if (to == nullptr || from == nullptr) return not_ours("a copy");
    put(step, [=] {
      std::memcpy(to, from, static_cast<size_t>(bytes));
      return Status();
    });
    return {};
  }

  // After an error nothing more is done until somebody has been told.
  void carry_out(Work& work) {
    if (!error_.ok()) return;
    error_ = work.run();
    if (!error_.ok()) failed_step_ = work.step;
  }

  TestMemory& memory_;
  const bool late_;
  std::vector<Work> queue_;
  std::unique_ptr<TestRecording> recording_;
  Status error_;
  int32_t failed_step_ = -1;
};

class TestDevice : public Device {
 public:
  TestDevice(std::string name, bool late) : name_(std::move(name)), late_(late) {
    static std::atomic<int32_t> made{0};
    number_ = made++;
  }

  const std::string& name() const override { return name_; }
  Result<void*> allocate(int64_t bytes) override { return memory_.allocate(bytes); }
  void free(void* data) override { memory_.free(data); }
  Status copy_in(void* to, const void* from, int64_t bytes) override {
    ++counters.copies_in;
    return copy_bytes(memory_.own(to), from, bytes);
  }
  Status copy_out(void* to, const void* from, int64_t bytes) override {
    ++counters.copies_out;
    return copy_bytes(to, memory_.own(from), bytes);
  }
  Status copy(void* to, const void* from, int64_t bytes) override {
    ++counters.copies_within;
    return copy_bytes(memory_.own(to), memory_.own(from), bytes);
  }
  dlpack::DLDevice dlpack_device() const override { return {dlpack::kDLExtDev, number_}; }
  Status wait_for_others() override {
    ++counters.waits_for_others;
    return {};
  }
  Result<std::unique_ptr<Stream>> make_stream() override {
    return std::unique_ptr<Stream>(std::make_unique<TestStream>(memory_, late_));
  }

 private:
  static Status copy_bytes(void* to, const void* from, int64_t bytes) {
    if (bytes == 0) return {};
    if (to == nullptr || from == nullptr) return not_ours("a copy");
    std::memcpy(to, from, static_cast<size_t>(bytes));
    return {};
  }

  const std::string name_;
  const bool late_;
  int32_t number_;  // as DLPack has it: the first that the process makes is 0
  TestMemory memory_;
};

// The CPU's kernel for a node, run on the device's memory when its turn comes.
struct TestKernel {
  PreparedKernel kernel;
  size_t inputs, outputs;
};

void run_test_kernel(const TestKernel& state, const RunArgs& args) {
  ++counters.kernels;
  auto& stream = static_cast<TestStream&>(*args.stream);
  std::vector<const void*> in;
  std::vector<void*> out;
  bool ours = true;
  auto own = [&](const void* address) {
    void* found = stream.own(address);
    ours = ours && (address == nullptr || found != nullptr);
    return found;
  };
  for (size_t i = 0; i < state.inputs; ++i) in.push_back(own(args.in[i]));
  for (size_t i = 0; i < state.outputs; ++i) out.push_back(own(args.out[i]));
  void* scratch = own(args.scratch);
  if (!ours) {
    *args.status = not_ours("a kernel");
    return;
  }
  stream.put(args.step, [&kernel = state.kernel, in = std::move(in), out = std::move(out), scratch] {
    Status status;
    Parallel parallel;
    parallel.max_threads = 1;
    kernel.run(kernel.state.get(), RunArgs{in.data(), out.data(), scratch, &parallel, &status});
    return status;
  });
}

class TestKernels : public KernelSource {
 public:
  explicit TestKernels(std::string op) : op_(std::move(op)) {}

  bool accepts(const KernelContext& context) const override {
    PreparedKernel prepared;
    return cpu_kernels().prepare(op_, context, false, &prepared).ok() && prepared.run != nullptr;
  }
  Status prepare(const KernelContext& context, PreparedKernel* prepared) const override {
    TestKernel state;
    WEFT_CHECK(cpu_kernels().prepare(op_, context, false, &state.kernel));
    state.inputs = static_cast<size_t>(context.input_count());
    state.outputs = static_cast<size_t>(context.output_count());
    prepared->scratch_bytes = state.kernel.scratch_bytes;
    prepared->unused_inputs = state.kernel.unused_inputs;
    prepared->cost_ns = state.kernel.cost_ns;
    prepared->fuses = state.kernel.run_span != nullptr;
    prepared->use<&run_test_kernel>(std::move(state));
    return {};
  }

 private:
  const std::string op_;
};

Result<PreparedKernel> fuse_test_kernels(FusedGroup group) {
  ++counters.fused;
  TestKernel state;
  state.inputs = group.inputs.size();
  state.outputs = group.outputs.size();
  for (FusedGroup::Member& member : group.members) {
    member.kernel = PreparedKernel(static_cast<const TestKernel*>(member.kernel.state.get())->kernel);
  }
  WEFT_TRY(state.kernel, cpu_kernels().fuse(std::move(group)));
  PreparedKernel prepared;
  prepared.name = "test";
  prepared.scratch_bytes = state.kernel.scratch_bytes;
  prepared.cost_ns = state.kernel.cost_ns;
  prepared.use<&run_test_kernel>(std::move(state));
  return prepared;
}

}  // namespace

DeviceEntry make_test_device(const std::string& name, bool late, const HasKernels& has) {
  auto kernels = std::make_shared<KernelRegistry>();
  for (const std::string& op : cpu_kernels().ops()) {
    if (has(op)) kernels->add(op, "test", std::make_shared<TestKernels>(op));
  }
  kernels->set_fuse(&fuse_test_kernels);
  return {std::make_shared<TestDevice>(name, late), std::move(kernels)};
}

void add_test_devices() {
  static const Status added = [] {
    const HasKernels all = [](const std::string&) { return true; };
    bool odd = false;
    // What has a body is kept: its parts would give other bits.
    const HasKernels half = [&odd](const std::string& op) {
      auto [domain, base] = split_op_name(op);
      const OpDef* def = builtin_ops().find(domain, base);
      odd = !odd;
      return odd || (def != nullptr && def->body_fn() != nullptr);
    };
    return add_devices({make_test_device("test:early", false, all), make_test_device("test:late", true, all),
                        make_test_device("test:partial", true, half)});
  }();
}

std::vector<std::string> test_devices() { return {"test:early", "test:late", "test:partial"}; }

TestDeviceCounts test_device_counts() {
  return {counters.copies_in, counters.copies_out,      counters.copies_within, counters.kernels,
          counters.waits,     counters.bytes_held,      counters.fused,         counters.recordings,
          counters.replays,   counters.waits_for_others};
}

void fail_next_allocation() { counters.fail_allocation = true; }
void fail_next_recording() { counters.fail_recording = true; }

}  // namespace weft
