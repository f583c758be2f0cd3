// Calls of the C ABI whose arguments hang together, or whose results are not to be kept as they come: those that
// bindings/gen/fuzz.py calls special.
#include <algorithm>
#include <cstring>

#include "core/tensor/dlpack_abi.h"
#include "tests/fuzz/abi/machine.h"

namespace weft::abi_fuzz {

namespace {

constexpr int64_t kMostElements = 256;  // of a tensor that a program writes out
constexpr uint8_t kAsItShouldBe = 0;    // of a size

// The bytes of a tensor of that type and shape; none of one that there is not, or that is too large to be written out.
int64_t bytes_of(int32_t dtype, const int64_t* dims, int32_t rank) {
  const int32_t bits = weft_dtype_bits(dtype);
  int64_t count = 1;
  for (int32_t i = 0; i < rank; ++i) {
    if (dims[i] < 0 || dims[i] > kMostElements) return 0;
    count = std::min(count * dims[i], kMostElements + 1);
  }
  return bits <= 0 || count > kMostElements ? 0 : (count * bits + 7) / 8;
}

// How many bytes the program says that they are: mostly those.
int64_t stated(Call& c, int64_t bytes) {
  const uint8_t how = c.machine().byte();
  return how == kAsItShouldBe ? bytes : std::min<int64_t>(how, bytes);
}

template <typename T>
void put_number(char* to, int8_t number, double scale) {
  const T value = static_cast<T>(static_cast<double>(number) * scale);
  std::memcpy(to, &value, sizeof value);
}

// The elements: sixteen numbers over and over, or, where the first byte says so, any bits.
void fill(Call& c, int32_t dtype, char* to, int64_t bytes) {
  constexpr uint8_t kBits = 200;
  Machine& m = c.machine();
  if (m.byte() >= kBits) {
    for (int64_t i = 0; i < bytes; ++i) to[i] = static_cast<char>(m.byte());
    return;
  }
  int8_t numbers[16];
  for (int8_t& number : numbers) number = static_cast<int8_t>(m.byte());
  const int64_t size = std::max(1, weft_dtype_bits(dtype) / 8);
  for (int64_t i = 0; (i + 1) * size <= bytes; ++i) {
    const int8_t number = numbers[i % 16];
    char* const at = to + i * size;
    if (dtype == WEFT_F32) {
      put_number<float>(at, number, 0.25);
    } else if (dtype == WEFT_F64) {
      put_number<double>(at, number, 0.25);
    } else if (size == 8) {
      put_number<int64_t>(at, number, 1);
    } else if (size == 4) {
      put_number<int32_t>(at, number, 1);
    } else if (size == 2) {
      put_number<int16_t>(at, number, 1);
    } else {
      *at = static_cast<char>(number);
    }
  }
}

}  // namespace

void special_status_new(Call& c) {
  const int32_t code = c.number32();
  const char* message = c.text();
  weft_status* made = weft_status_new(code, message, &c, c.token(), on_drop);
  must(made != nullptr && weft_status_code(made) != WEFT_OK);
  c.keep<weft_status>(nullptr, made);
  c.done();
}

void special_memory_set_limit(Call& c) {
  constexpr int64_t kLimits[] = {Machine::kMemory, 65536, 1, -1};  // never none
  c.done(weft_memory_set_limit(kLimits[c.machine().byte() % 4]));
}

// Where packed weights are kept is a folder that is made: never but in the program's own.
void special_options_set_string(Call& c) {
  auto* options = c.handle<weft_options>();
  const char* key = c.text();
  const char* value = c.option_text();
  const bool is_folder = key != nullptr && std::strcmp(key, "weight_cache") == 0;
  if (is_folder && value != nullptr && *value != '\0') value = c.cache();
  c.done(weft_options_set_string(options, key, value));
}

void special_tensor_new_copy(Call& c) {
  const int32_t dtype = c.dtype();
  const int32_t rank = c.count();
  const int64_t* dims = c.dims(rank);
  const int64_t whole = bytes_of(dtype, dims, rank), bytes = stated(c, whole);
  char* data = c.room<char>(bytes);
  fill(c, dtype, data, bytes);
  weft_tensor* out_tensor = nullptr;
  weft_status* status = weft_tensor_new_copy(dtype, dims, rank, data, static_cast<size_t>(bytes), &out_tensor);
  c.keep(status, out_tensor);
  c.done(status);
}

void special_tensor_new_strings(Call& c) {
  const int32_t rank = c.count();
  const int64_t* dims = c.dims(rank);
  const int32_t count = c.count();
  const char* const* strings = c.texts(count);
  auto* sizes = c.room<int64_t>(count);
  const uint8_t how = c.machine().byte();
  for (int32_t i = 0; i < count; ++i) {
    const int64_t length = strings[i] == nullptr ? 0 : static_cast<int64_t>(std::strlen(strings[i]));
    sizes[i] = how == 2 ? -1 : how == 3 ? length / 2 : length;
  }
  weft_tensor* out_tensor = nullptr;
  weft_status* status = weft_tensor_new_strings(dims, rank, strings, how == 0 ? nullptr : sizes, count, &out_tensor);
  c.keep(status, out_tensor);
  c.done(status);
}

void special_tensor_borrow(Call& c) {
  const int32_t dtype = c.dtype();
  const int32_t rank = c.count();
  const int64_t* dims = c.dims(rank);
  const int64_t whole = bytes_of(dtype, dims, rank), bytes = stated(c, whole);
  auto memory = std::make_unique<uint64_t[]>(static_cast<size_t>(bytes) / 8 + 1);
  fill(c, dtype, reinterpret_cast<char*>(memory.get()), bytes);
  const int32_t writable = c.number32();
  Token* token = c.machine().token(c.machine().byte());
  // One byte further on is where no element of more than a byte may lie.
  char* const data = reinterpret_cast<char*>(memory.get()) + (token->how == 1 ? 1 : 0);
  token->memory = std::move(memory);
  weft_tensor* out_tensor = nullptr;
  weft_status* status =
      weft_tensor_borrow(dtype, dims, rank, data, static_cast<size_t>(bytes), writable, &out_tensor, token, on_drop);
  c.keep(status, out_tensor);
  c.done(status);
}

void special_tensor_dlpack(Call& c) {
  const weft_tensor* tensor = c.handle<weft_tensor>();
  const int32_t versioned = c.machine().byte() % 2;
  void* managed = nullptr;
  weft_status* status = weft_tensor_dlpack(tensor, versioned, &managed);
  must((status == nullptr) == (managed != nullptr));
  if (managed != nullptr) c.machine().managed.emplace_back(managed, versioned);
  c.done(status);
}

void special_tensor_borrow_dlpack(Call& c) {
  auto& all = c.machine().managed;
  const uint8_t which = c.machine().byte();
  std::pair<void*, int32_t> given{nullptr, which % 2};
  if (which != Machine::kNull && !all.empty()) {
    const auto at = all.begin() + static_cast<std::ptrdiff_t>(which % all.size());
    given = *at;
    all.erase(at);
  }
  weft_tensor* out_tensor = nullptr;
  weft_status* status = weft_tensor_borrow_dlpack(given.first, given.second, &out_tensor);
  if (status != nullptr && given.first != nullptr) all.push_back(given);  // still the caller's
  c.keep(status, out_tensor);
  c.done(status);
}

// Runs write to it, so it is a tensor that nobody else has.
void special_prepared_bind_output(Call& c) {
  auto* prepared = c.handle<weft_prepared>();
  const int32_t i = c.number32();
  const weft_tensor* like = c.handle<weft_tensor>();
  weft_tensor* own = nullptr;
  if (like != nullptr) {
    if (weft_status* status = weft_tensor_copy(like, &own); status != nullptr) return c.done(status);
  }
  c.done(weft_prepared_bind_output(prepared, i, own));
  weft_tensor_free(own);
}

// What is bound is written to by the next run: what is kept is a copy.
void special_prepared_output(Call& c) {
  auto* prepared = c.handle<weft_prepared>();
  const int32_t i = c.number32();
  weft_tensor *made = nullptr, *copy = nullptr;
  weft_status* status = weft_prepared_output(prepared, i, &made);
  if (status == nullptr) status = weft_tensor_copy(made, &copy);
  weft_tensor_free(made);
  c.keep(status, copy);
  c.done(status);
}

}  // namespace weft::abi_fuzz
