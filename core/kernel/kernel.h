// What a kernel is: `prepare` once for dtypes, shapes, attributes and constants; then `run` on raw addresses.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/finish.h"
#include "core/base/status.h"
#include "core/base/thread_pool.h"
#include "core/device/device.h"
#include "core/op/attr.h"
#include "core/simd/chain.h"

namespace weft {

// What a flat kernel gets in a run. Addresses are aligned to the dtype, no more; an omitted optional input or
// output is null. Inputs and outputs overlap only where the operator's `inplace` pairs allow it, and then wholly.
struct RunArgs {
  const void* const* in;
  void* const* out;
  void* scratch;  // 64-byte aligned, of the size asked for in prepare; not initialised
  const Parallel* parallel;
  Status* status;                  // set on failure, by the calling thread alone; outputs are then thrown away
  const Finish* finish = nullptr;  // given to kernels that say `finishes` alone
  // Of the device, for its kernels: addresses are the device's, and the kernel puts its work on the stream and returns.
  Stream* stream = nullptr;
  int32_t step = 0;  // of the plan: what an error that comes later is known by

  // Elements [begin, end) of the output are final, and may be overwritten from now on.
  void finished(int64_t begin, int64_t end) const {
    if (finish != nullptr && begin < end) finish->call(finish->self, begin, end);
  }
  // What finishing adds to the time of `elements`.
  double finish_cost_ns(int64_t elements) const {
    return finish != nullptr ? finish->cost_ns * static_cast<double>(elements) : 0;
  }

  template <typename T>
  const T* input(int i) const {
    return static_cast<const T*>(in[i]);
  }
  template <typename T>
  T* output(int i) const {
    return static_cast<T*>(out[i]);
  }
};
using RunFn = void (*)(const void* state, const RunArgs& args);

// What a tensor kernel gets: for values that are no plain memory (strings, sequences) or whose shape only the
// kernel finds (NonZero). It fills the outputs with tensors of its own.
struct TensorArgs {
  const std::vector<Tensor>& in;  // an omitted one is empty()
  std::vector<Tensor>& out;
  const Parallel* parallel;
};
using RunTensorsFn = Status (*)(const void* state, TensorArgs& args);

// What an elementwise kernel that cannot fail offers beside `run`, so that a group of them can go over one tile of memory
// after another: the same on `n` elements, at least one, that lie side by side in every input and in the one output,
// with the bits that `run` gives. The output may be the place of an input of its size.
using RunSpanFn = void (*)(const void* state, const void* const* in, void* out, int64_t n);

// A kernel ready for one node: one of `run` and `run_tensors`, with what it needs to know.
struct PreparedKernel {
  RunFn run = nullptr;
  RunTensorsFn run_tensors = nullptr;
  RunSpanFn run_span = nullptr;  // beside `run`, of the same state
  // Elementwise, and may become a member of the groups that its device makes.
  bool fuses = false;
  bool elementwise() const { return fuses || run_span != nullptr; }
  // `run` calls args.finished() for every element of its one output, once, in stretches of kLeastStretch or more where
  // there are so many, so that the elementwise nodes behind it can go over them while they are in the cache.
  bool finishes = false;
  // What `run_span` does with the elements of its first input (and of its second), which are of the output's type, where a
  // chain of such operations has it.
  ChainOp chain_op = ChainOp::kNone;
  std::shared_ptr<const void> state;
  int64_t scratch_bytes = 0;
  double cost_ns = 0;              // a guess of one run at one thread
  int64_t most_threads = 0;        // that find something to do in one run; 0: as many as its cost is worth
  std::vector<int> unused_inputs;  // constants whose own form the kernel no longer needs
  const char* name = "";

  // prepared->use<&add>(State{...}) for `void add(const State&, const RunArgs&)`.
  template <auto Fn, typename State>
  void use(State value) {
    state = std::make_shared<const State>(std::move(value));
    run = [](const void* state, const RunArgs& args) { Fn(*static_cast<const State*>(state), args); };
  }
  template <auto Fn, typename State>
  void use_tensors(State value) {
    state = std::make_shared<const State>(std::move(value));
    run_tensors = [](const void* state, TensorArgs& args) { return Fn(*static_cast<const State*>(state), args); };
  }
  // After use<>, with the same State: prepared->use_span<&add_span, State>() for
  // `void add_span(const State&, const void* const* in, void* out, int64_t n)`.
  template <auto Fn, typename State>
  void use_span() {
    run_span = [](const void* state, const void* const* in, void* out, int64_t n) {
      Fn(*static_cast<const State*>(state), in, out, n);
    };
  }
};

// What `accepts` and `prepare` see. All shapes are numbers.
class KernelContext {
 public:
  struct Slot {
    bool given = false;
    Kind kind = Kind::kTensor;
    DType dtype = DType::kNone;
    Shape shape;        // of an output that the kernel sizes itself: empty
    bool sized = true;  // false for such an output
    const Tensor* constant = nullptr;
    std::shared_ptr<const Tensor> known;  // holds `constant` where no node of the graph does
  };

  KernelContext(const Attrs& attrs, std::vector<Slot> inputs, std::vector<Slot> outputs)
      : attrs_(attrs), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  // What kernels may store constant matrices of f32 as that they pack: f32 or bf16.
  DType weight_dtype() const { return weight_dtype_; }
  void set_weight_dtype(DType dtype) { weight_dtype_ = dtype; }

  const Attrs& attrs() const { return attrs_; }
  int input_count() const { return static_cast<int>(inputs_.size()); }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  bool has_input(int i) const { return i < input_count() && inputs_[i].given; }
  bool has_output(int i) const { return i < output_count() && outputs_[i].given; }
  DType dtype(int i) const { return inputs_[i].dtype; }
  const Shape& shape(int i) const { return inputs_[i].shape; }
  int64_t rank(int i) const { return static_cast<int64_t>(inputs_[i].shape.size()); }
  int64_t count(int i) const { return product(inputs_[i].shape); }
  const Tensor* constant(int i) const { return has_input(i) ? inputs_[i].constant : nullptr; }
  const Slot& input(int i) const { return inputs_[i]; }
  const Slot& output(int i) const { return outputs_[i]; }
  DType output_dtype(int i) const { return outputs_[i].dtype; }
  const Shape& output_shape(int i) const { return outputs_[i].shape; }
  int64_t output_count_of(int i) const { return product(outputs_[i].shape); }
  // Where forms of constants outlive the process; null for nowhere.
  FormCache* form_cache() const { return form_cache_; }
  void set_form_cache(FormCache* cache) { form_cache_ = cache; }

 private:
  static int64_t product(const Shape& shape) {
    int64_t count = 1;
    for (int64_t dim : shape) count *= dim;
    return count;
  }

  const Attrs& attrs_;
  std::vector<Slot> inputs_, outputs_;
  FormCache* form_cache_ = nullptr;
  DType weight_dtype_ = DType::kF32;
};

struct KernelImpl {
  const char* name;                               // "simd", "reference"
  bool (*accepts)(const KernelContext& context);  // null: everything
  Status (*prepare)(const KernelContext& context, PreparedKernel* prepared);
};

// The same as an object, for kernels that are not known when this library is built. What it prepares has a `run`.
class KernelSource {
 public:
  virtual ~KernelSource() = default;
  virtual bool accepts(const KernelContext& context) const = 0;
  virtual Status prepare(const KernelContext& context, PreparedKernel* prepared) const = 0;
};

}  // namespace weft
