// Runs programs of calls of the C ABI.
#include "tests/fuzz/abi/machine.h"

#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "core/tensor/dlpack_abi.h"
#include "tests/test_folder.h"

namespace weft::abi_fuzz {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostCalls = 256;
constexpr int kMostNested = 2;  // calls inside calls

// The one folder of the process.
const TestFolder& scratch() {
  static const TestFolder folder;
  return folder;
}

void succeed(weft_status* status) { must(status == nullptr); }

template <typename Managed>
void delete_managed(void* managed) {
  auto* self = static_cast<Managed*>(managed);
  self->deleter(self);
}

}  // namespace

std::vector<Tally>& tallies() {
  static std::vector<Tally> all(entries().size());
  return all;
}

void start() {
  setenv("WEFT_THREADS", "1", 0);  // one after the other, and the same way each time
  succeed(weft_memory_set_limit(Machine::kMemory));
  static Token& forever = *new Token(nullptr, 0);  // as the operator is
  weft_schema* schema = nullptr;
  succeed(weft_schema_new(kOperator, 1, "Twice x.", &schema));
  succeed(weft_schema_add_type(schema, "T", "f32, f64, i64"));
  succeed(weft_schema_add_input(schema, "x", "T", WEFT_FORM_ONE, nullptr));
  succeed(weft_schema_add_output(schema, "y", "T", WEFT_FORM_ONE, nullptr));
  succeed(weft_schema_add_attribute(schema, "k", "int", 0, nullptr, nullptr));
  succeed(weft_op_add(schema, 0, on_body, &forever, on_drop));
  weft_schema_free(schema);
}

Machine::~Machine() {
  weft_log_set(nullptr, 0, nullptr, nullptr);
  succeed(weft_host_function_set("h", nullptr, nullptr, nullptr));
  succeed(weft_memory_set_limit(kMemory));
  for (const auto& [tensor, versioned] : managed) {
    if (versioned != 0)
      delete_managed<dlpack::DLManagedTensorVersioned>(tensor);
    else
      delete_managed<dlpack::DLManagedTensor>(tensor);
  }
  const auto free_all = [](const auto& pool) {
    for (auto* object : pool) let_go(object);
  };
  std::apply([&](const auto&... pools) { (free_all(pools), ...); }, pools_);
  weft_options_free(run_options_);
  weft_options_free(fit_options_);
  for (const Token& token : tokens_) must(token.drops == 1);
  if (!has_files_) return;
  for (const auto& entry : std::filesystem::directory_iterator(scratch().path())) {
    std::filesystem::remove_all(entry.path());
  }
}

void Machine::run() {
  const auto begin = Clock::now();
  const auto in_time = [&] {
    return std::chrono::duration<double>(Clock::now() - begin).count() < seconds_of_a_program;
  };
  for (int calls = 0; calls < kMostCalls && !rest_.empty() && in_time(); ++calls) call_one();
}

void Machine::run_nested() {
  if (depth_ >= kMostNested) return;
  ++depth_;
  for (int calls = byte() % 3; calls > 0 && !rest_.empty(); --calls) call_one();
  --depth_;
}

void Machine::call_one() {
  const std::span<const Entry> all = entries();
  const uint16_t id = short_number();
  // Every number stands for a function: those in between for the next.
  size_t i =
      static_cast<size_t>(std::lower_bound(all.begin(), all.end(), id,
                                           [](const Entry& entry, uint16_t wanted) { return entry.id < wanted; }) -
                          all.begin());
  while (i == all.size() || (nested() && !all[i].nested)) i = i == all.size() ? 0 : i + 1;
  Call call(*this, i);
  all[i].call(call);
}

uint8_t Machine::byte() {
  if (rest_.empty()) return 0;
  const auto next = static_cast<uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return next;
}

uint16_t Machine::short_number() {
  const uint16_t low = byte();
  return static_cast<uint16_t>(low | byte() << 8);
}

int64_t Machine::long_number() {
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number |= uint64_t{byte()} << (8 * i);
  return static_cast<int64_t>(number);
}

std::string Machine::raw(size_t bytes) {
  const std::string_view next = rest_.substr(0, bytes);
  rest_.remove_prefix(next.size());
  return std::string(next);
}

weft_options* Machine::default_options(const char* kind) {
  weft_options*& options = std::strcmp(kind, "run") == 0 ? run_options_ : fit_options_;
  if (options == nullptr) {
    succeed(weft_options_new(kind, &options));
    succeed(weft_options_set_float(options, "timeout_s", seconds_of_a_run));
  }
  return options;
}

const std::string& Machine::folder() {
  has_files_ = true;
  return scratch().path();
}

Call::Call(Machine& machine, size_t entry) : machine_(machine), entry_(entry) { ++tallies()[entry].calls; }

const weft_options* Call::limited(const char* kind) {
  // A callback must not change the options of the call that it is part of.
  weft_options* const options = machine_.nested() ? nullptr : handle<weft_options>();
  if (options == nullptr) return machine_.default_options(kind);
  // Those of another kind have none, and are refused by the call.
  weft_status_free(weft_options_set_float(options, "timeout_s", Machine::seconds_of_a_run));
  return options;
}

int64_t Call::number() {
  constexpr int64_t kExtremes[] = {INT64_MIN,        INT64_MAX,        INT32_MIN,        INT32_MAX,
                                   int64_t{1} << 31, int64_t{1} << 32, int64_t{1} << 62, -(int64_t{1} << 62)};
  const uint8_t how = machine_.byte();
  if (how < 240) return int64_t{how} - 8;
  return how < 248 ? kExtremes[how - 240] : machine_.long_number();
}

double Call::real() {
  constexpr double kExtremes[] = {
      1e9, 1e-3, 1e300, -1e300, 1e-300, __builtin_inf(), -__builtin_inf(), __builtin_nan("")};
  const uint8_t how = machine_.byte();
  if (how < 240) return (how - 120) / 8.0;
  if (how < 248) return kExtremes[how - 240];
  const int64_t bits = machine_.long_number();
  double out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

int32_t Call::dtype() {
  const uint8_t how = machine_.byte();
  return how < 30 ? how : number32();
}

int32_t Call::count() {
  const uint8_t how = machine_.byte();
  return how < 250 ? how % 9 : -1;
}

int64_t Call::value() {
  const uint8_t back = machine_.byte();
  if (back == 255) return number();
  if (back == 254 || machine_.values.empty()) return 0;
  return machine_.values[machine_.values.size() - 1 - back % machine_.values.size()];
}

const char* Call::copied(std::string_view text) {
  char* const copy = room<char>(static_cast<int64_t>(text.size()) + 1);
  std::copy(text.begin(), text.end(), copy);
  return copy;
}

const char* Call::one_of(std::span<const char* const> texts) {
  const uint8_t which = machine_.byte();
  return which == Machine::kNull ? nullptr : texts[which % texts.size()];
}

const char* Call::text() {
  const uint8_t how = machine_.byte();
  if (how == Machine::kNull) return nullptr;
  if (how < 64) return copied(machine_.raw(how));
  const std::span<const char* const> known = words();
  return how - 64u < known.size() ? known[how - 64u] : "";
}

const char* Call::op_name() {
  const uint8_t how = machine_.byte();
  if (how == Machine::kNull) return nullptr;
  std::string name;
  if (how < 64) {
    name = machine_.raw(how);
  } else {
    name = weft_op_name(machine_.short_number() % weft_op_count());
  }
  // Up to the first zero byte, which is where the name ends for the library.
  if (std::strcmp(name.c_str(), "Loop") == 0) machine_.endless = true;
  return copied(name);
}

const char* Call::path() {
  constexpr const char* kNames[] = {"a.onnx", "b.onnx", "a.safetensors", "b.safetensors",
                                    "a.npy",  "a.csv",  "none/a.onnx",   ""};
  const char* const name = one_of(kNames);
  return name == nullptr ? nullptr : copied(machine_.folder() + "/" + name);
}

const char* Call::folder() { return machine_.byte() == Machine::kNull ? nullptr : copied(machine_.folder()); }

const char* Call::format() {
  // Not "svg", which starts a program.
  constexpr const char* kFormats[] = {"text", "dot", "png", ""};
  return one_of(kFormats);
}

const char* Call::host_name() { return machine_.byte() == Machine::kNull ? nullptr : "h"; }

const char* Call::option_text() {
  // Names of files are of ones beside a model.
  constexpr const char* kTexts[] = {"",    "f32",       "bf16",          "cpu",  "min",
                                    "max", "optimizer", "w.safetensors", "loss", "val_loss"};
  const uint8_t how = machine_.byte();
  if (how == Machine::kNull) return nullptr;
  return how < std::size(kTexts) ? kTexts[how] : cache();
}

const char* Call::cache() { return copied(machine_.folder() + "/cache"); }

const char* Call::schema_name() {
  // None that could be registered: that would be for good.
  constexpr const char* kNames[] = {kOperator, "fuzz", "fuzz.", "fuzz..Twice", ".Twice", "ai.onnx.Add", "weft.Add", ""};
  return one_of(kNames);
}

const void* Call::bytes(size_t* size) {
  const uint8_t how = machine_.byte();
  if (how == Machine::kNull) return nullptr;
  const std::string text = machine_.raw(how);
  // A model may have loops too.
  if (text.find("Loop") != std::string::npos) machine_.endless = true;
  *size = text.size();
  char* const copy = room<char>(static_cast<int64_t>(text.size()));
  std::copy(text.begin(), text.end(), copy);
  return copy;
}

const int64_t* Call::dims(int64_t count) {
  auto* out = room<int64_t>(count);
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t how = machine_.byte();
    out[i] = how < 240 ? how % 5 : number();
  }
  return out;
}

const int64_t* Call::numbers(int64_t count) {
  auto* out = room<int64_t>(count);
  for (int64_t i = 0; i < count; ++i) out[i] = number();
  return out;
}

const int64_t* Call::values(int64_t count) {
  auto* out = room<int64_t>(count);
  for (int64_t i = 0; i < count; ++i) out[i] = value();
  return out;
}

const double* Call::reals(int64_t count) {
  auto* out = room<double>(count);
  for (int64_t i = 0; i < count; ++i) out[i] = real();
  return out;
}

const char* const* Call::texts(int64_t count) {
  auto* out = room<const char*>(count);
  for (int64_t i = 0; i < count; ++i) out[i] = text();
  return out;
}

const weft_tensor* const* Call::tensors(int64_t count) {
  auto* out = room<const weft_tensor*>(count);
  for (int64_t i = 0; i < count; ++i) out[i] = handle<weft_tensor>();
  return out;
}

void Call::keep_all(weft_status* status, weft_tensor* const* made, int64_t count) {
  for (int64_t i = 0; i < count; ++i) keep(status, made[i]);
}

void Call::keep_values(weft_status* status, const int64_t* made, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    must(status == nullptr || made[i] == 0);
    if (made[i] != 0) machine_.values.push_back(made[i]);
  }
}

void Call::read(const char* text) {
  if (text != nullptr) read(text, std::strlen(text));
}

void Call::read(const void* data, size_t bytes) {
  constexpr size_t kMost = 65536;
  if (data == nullptr || bytes == 0) return;
  const auto* from = static_cast<const volatile unsigned char*>(data);
  for (size_t i = 0; i < std::min(bytes, kMost); ++i) (void)from[i];
  (void)from[bytes - 1];
}

void Call::done(weft_status* status) {
  if (status == nullptr) {
    ++tallies()[entry_].successes;
    return;
  }
  const int32_t code = weft_status_code(status);
  must(code > WEFT_UNKNOWN || code == WEFT_CANCELLED);
  must(code != WEFT_INTERNAL && code <= WEFT_DATA_LOSS);
  must(weft_status_message(status)[0] != '\0');
  machine_.keep(status);
}

}  // namespace weft::abi_fuzz
