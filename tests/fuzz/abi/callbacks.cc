// What programs give the C ABI as callbacks. The `how` of their token says what they do; most go on with the program, as far
// as the headers let them call the library.
#include "tests/fuzz/abi/machine.h"

#include <cstring>

namespace weft::abi_fuzz {

namespace {

constexpr int kMostBatches = 2;

Token& token_of(void* user) { return *static_cast<Token*>(user); }

weft_status* failure() { return weft_status_new(WEFT_ABORTED, "the callback ends it", nullptr, nullptr, nullptr); }

}  // namespace

void on_drop(void* user) {
  Token& token = token_of(user);
  token.memory.reset();  // so that whoever reads it is seen
  ++token.drops;
}

weft_status* on_poll(void* user) { return token_of(user).how % 8 == 7 ? failure() : nullptr; }

void on_log(void*, int32_t level, const char* text) { must(level >= 0 && level <= 3 && std::strlen(text) > 0); }

weft_status* on_host(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                     int32_t output_count) {
  Token& token = token_of(user);
  token.machine->run_nested();
  if (token.how % 8 == 7) return failure();
  for (int32_t i = 0; i < output_count; ++i) {
    if (token.how % 8 == 6) continue;  // left empty
    if (input_count == 0) {
      if (weft_status* status = weft_tensor_new(WEFT_F32, nullptr, 0, &out_tensors[i]); status != nullptr)
        return status;
      continue;
    }
    const weft_tensor* input = inputs[i % input_count];
    if (token.how % 2 == 0) {
      out_tensors[i] = const_cast<weft_tensor*>(input);  // given back
    } else if (weft_status* status = weft_tensor_copy(input, &out_tensors[i]); status != nullptr) {
      return status;
    }
  }
  return nullptr;
}

weft_status* on_batch(void* user, weft_tensors* out_batch) {
  Token& token = token_of(user);
  token.machine->run_nested();
  if (token.how % 8 == 7) return failure();
  const std::vector<weft_tensor*>& tensors = token.machine->pool<weft_tensor>();
  if (++token.calls > kMostBatches || tensors.empty()) return nullptr;
  for (const char* name : {"x", "y"}) {
    if (weft_status* status = weft_tensors_set(out_batch, name, tensors.back()); status != nullptr) return status;
  }
  return nullptr;
}

weft_status* on_pass(void* user, int64_t epoch, weft_batches** out_batches) {
  Token& token = token_of(user);
  must(epoch >= 0 && *out_batches == nullptr);
  token.machine->run_nested();
  if (token.how % 8 == 7) return failure();
  if (token.how % 8 == 6) return nullptr;  // no pass
  std::vector<weft_batches*>& passes = token.machine->pool<weft_batches>();
  if (token.how % 8 == 5 && !passes.empty()) {
    *out_batches = passes.back();  // the library takes it over
    passes.pop_back();
    return nullptr;
  }
  const char* const names[] = {"x", "y"};
  return weft_batches_new(names, 1 + token.how % 2, out_batches, on_batch, token.machine->token(token.how), on_drop);
}

weft_status* on_fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                    const char* const* names, const double* averages, int32_t metric_count, int32_t* out_stop) {
  Token& token = token_of(user);
  must((event == WEFT_FIT_BATCH || event == WEFT_FIT_EPOCH) && epoch >= 0 && batch >= 0 && batch_count >= -1);
  double sum = 0;
  for (int32_t i = 0; i < metric_count; ++i) sum += averages[i] + static_cast<double>(std::strlen(names[i]));
  token.machine->run_nested();
  if (token.how % 8 == 7) return failure();
  if (token.how % 8 == 6 || sum < 0) *out_stop = 1;
  return nullptr;
}

// y = x + x.
weft_status* on_body(void*, weft_graph* graph, const int64_t* inputs, int32_t input_count, const weft_attrs*,
                     int64_t* out_values, int32_t output_count) {
  must(input_count == 1 && output_count == 1);
  const int64_t both[] = {inputs[0], inputs[0]};
  weft_status* status = weft_graph_add(graph, "Add", both, 2, nullptr, nullptr, nullptr, out_values, 1);
  weft_graph_free(graph);
  return status;
}

}  // namespace weft::abi_fuzz
