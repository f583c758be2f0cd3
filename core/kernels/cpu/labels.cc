// Kernels of LabelEncoder and OneHotEncoder: the place of each element in a list.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"
#include "core/op/labels.h"

namespace weft {
namespace {

using LabelElements = Types<float, double, int16_t, int32_t, int64_t>;

// Where in a list each of its elements stands, the last of equal ones; `missing` for all others.
struct LabelPlaces {
  std::unordered_map<int64_t, int64_t> numbers;
  std::unordered_map<std::string, int64_t> strings;
  int64_t missing = 0;

  template <typename Map, typename Key>
  int64_t find(const Map& map, const Key& key) const {
    const auto found = map.find(key);
    return found == map.end() ? missing : found->second;
  }
};

// A number as one that is equal for equal ones of its type, all NaN being equal.
template <typename T>
int64_t number_key(T x) {
  if constexpr (std::is_integral_v<T>) {
    return x;
  } else {
    const double value = std::isnan(x) ? std::numeric_limits<double>::quiet_NaN()
                         : x == 0      ? 0.0
                                       : static_cast<double>(x);
    return std::bit_cast<int64_t>(value);
  }
}

LabelPlaces places_of(const Tensor& keys) {
  LabelPlaces places;
  places.missing = keys.count();
  if (keys.dtype() == DType::kString) {
    for (int64_t i = 0; i < keys.count(); ++i) places.strings[keys.strings()[static_cast<size_t>(i)]] = i;
  } else {
    with_type(LabelElements{}, keys.dtype(), [&]<typename T>() {
      for (int64_t i = 0; i < keys.count(); ++i) places.numbers[number_key(keys.as<T>()[i])] = i;
    });
  }
  return places;
}

struct EncodeLabels {
  LabelPlaces places;
  Tensor values;  // the default behind them
  int64_t bytes;  // of each, 0 for strings
  DType dtype;    // of the keys
  int64_t count;
  Shape shape;
};

template <typename T>
void find_labels(const LabelPlaces& places, const T* x, int64_t n, int64_t* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = places.find(places.numbers, number_key(x[i]));
}

template <typename T>
void copy_labels(const void* values, const int64_t* places, int64_t n, void* to) {
  for (int64_t i = 0; i < n; ++i) static_cast<T*>(to)[i] = static_cast<const T*>(values)[places[i]];
}

void copy_labels(const EncodeLabels& s, const int64_t* places, int64_t n, void* to) {
  if (s.bytes == 2) copy_labels<uint16_t>(s.values.data(), places, n, to);
  if (s.bytes == 4) copy_labels<uint32_t>(s.values.data(), places, n, to);
  if (s.bytes == 8) copy_labels<uint64_t>(s.values.data(), places, n, to);
}

constexpr int64_t kLabelBlock = 1024;
constexpr double kFindNs = 15;

template <typename T>
void encode_numbers(const EncodeLabels& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  char* y = args.output<char>(0);
  parallel_for(*args.parallel, s.count, kLabelBlock, kFindNs, [&](int64_t begin, int64_t end) {
    int64_t places[kLabelBlock];
    find_labels(s.places, x + begin, end - begin, places);
    copy_labels(s, places, end - begin, y + begin * s.bytes);
  });
}

// Where strings go in or come out.
Status encode_labels(const EncodeLabels& s, TensorArgs& args) {
  const Tensor& x = args.in[0];
  WEFT_TRY(Tensor places, Tensor::make(DType::kI64, s.shape));
  int64_t* to = places.as<int64_t>();
  if (s.dtype == DType::kString) {
    for (const std::string& text : x.strings()) *to++ = s.places.find(s.places.strings, text);
  } else {
    with_type(LabelElements{}, s.dtype, [&]<typename T>() { find_labels(s.places, x.as<T>(), s.count, to); });
  }
  WEFT_TRY(args.out[0], Tensor::make(s.values.dtype(), s.shape));
  if (s.bytes > 0) {
    copy_labels(s, places.as<int64_t>(), s.count, args.out[0].mutable_data());
    return {};
  }
  std::vector<std::string>& y = args.out[0].mutable_strings();
  for (size_t i = 0; i < y.size(); ++i) y[i] = s.values.strings()[static_cast<size_t>(places.as<int64_t>()[i])];
  return {};
}

Result<Tensor> with_default(const LabelMap& map) {
  const int64_t n = map.values.count();
  WEFT_TRY(Tensor all, Tensor::make(map.values.dtype(), {n + 1}));
  if (map.values.dtype() == DType::kString) {
    std::copy(map.values.strings().begin(), map.values.strings().end(), all.mutable_strings().begin());
    all.mutable_strings().back() = map.otherwise.strings()[0];
  } else {
    if (n > 0) std::memcpy(all.mutable_data(), map.values.data(), static_cast<size_t>(map.values.bytes()));
    std::memcpy(all.as<char>() + map.values.bytes(), map.otherwise.data(), static_cast<size_t>(map.otherwise.bytes()));
  }
  return all;
}

Status prepare_label_encoder(const KernelContext& c, PreparedKernel* prepared) {
  WEFT_TRY(LabelMap map, read_label_map(c.attrs()));
  EncodeLabels s;
  s.places = places_of(map.keys);
  WEFT_TRY(s.values, with_default(map));
  const bool to_strings = s.values.dtype() == DType::kString;
  s.bytes = to_strings ? 0 : dtype_bytes(s.values.dtype(), 1);
  s.dtype = c.dtype(0);
  s.count = c.count(0);
  s.shape = c.shape(0);
  prepared->cost_ns = kFindNs * static_cast<double>(s.count);
  if (to_strings || s.dtype == DType::kString) {
    prepared->use_tensors<&encode_labels>(std::move(s));
  } else {
    with_type(LabelElements{}, s.dtype, [&]<typename T>() { prepared->use<&encode_numbers<T>>(std::move(s)); });
  }
  return {};
}

struct EncodeOneHot {
  LabelPlaces places;
  int64_t count, categories;
  bool zeros;
  Shape shape;  // of the output
};

// Numbers without an integer are no category.
template <typename T>
int64_t category_of(const EncodeOneHot& s, const T& x) {
  if constexpr (std::is_same_v<T, std::string>) {
    return s.places.find(s.places.strings, x);
  } else if constexpr (std::is_integral_v<T>) {
    return s.places.find(s.places.numbers, int64_t{x});
  } else {
    const bool whole = x >= static_cast<T>(-0x1p63) && x < static_cast<T>(0x1p63);
    return whole ? s.places.find(s.places.numbers, static_cast<int64_t>(x)) : s.places.missing;
  }
}

// Returns the first element that has no category and must have one, or the count.
template <typename T>
int64_t encode_one_hot(const EncodeOneHot& s, const Parallel& parallel, const T* x, float* y) {
  std::atomic<int64_t> failed{s.count};
  const double cost_ns = kFindNs + 0.2 * static_cast<double>(s.categories);
  parallel_for(parallel, s.count, kLabelBlock, cost_ns, [&](int64_t begin, int64_t end) {
    std::fill(y + begin * s.categories, y + end * s.categories, 0.0f);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t place = category_of(s, x[i]);
      if (place != s.places.missing) {
        y[i * s.categories + place] = 1;
      } else if (!s.zeros) {
        int64_t first = failed.load();
        while (i < first && !failed.compare_exchange_weak(first, i)) {
        }
        return;
      }
    }
  });
  return failed.load();
}

template <typename T>
Status without_category(int64_t i, const T& x) {
  return invalid("element ", i, " of X, ", x, ", is in no category, and `zeros` is not set");
}

template <typename T>
void one_hot_numbers(const EncodeOneHot& s, const RunArgs& args) {
  const T* x = args.input<T>(0);
  const int64_t failed = encode_one_hot(s, *args.parallel, x, args.output<float>(0));
  if (failed < s.count) *args.status = without_category(failed, x[failed]);
}

Status one_hot_strings(const EncodeOneHot& s, TensorArgs& args) {
  WEFT_TRY(args.out[0], Tensor::make(DType::kF32, s.shape));
  const std::string* x = args.in[0].strings().data();
  const int64_t failed = encode_one_hot(s, *args.parallel, x, args.out[0].as<float>());
  return failed < s.count ? without_category(failed, cat('\'', x[failed], '\'')) : Status();
}

Status prepare_one_hot_encoder(const KernelContext& c, PreparedKernel* prepared) {
  EncodeOneHot s;
  if (c.dtype(0) == DType::kString) {
    const std::vector<std::string>& categories = c.attrs().strings("cats_strings");
    WEFT_TRY(Tensor keys, Tensor::from_strings({static_cast<int64_t>(categories.size())}, categories));
    s.places = places_of(keys);
  } else {
    s.places = places_of(Tensor::vector(c.attrs().ints("cats_int64s")));
  }
  s.count = c.count(0);
  s.categories = s.places.missing;
  s.zeros = c.attrs().b("zeros");
  s.shape = c.output_shape(0);
  prepared->cost_ns = (kFindNs + 0.2 * static_cast<double>(s.categories)) * static_cast<double>(s.count);
  if (c.dtype(0) == DType::kString) {
    prepared->use_tensors<&one_hot_strings>(std::move(s));
  } else {
    with_type(LabelElements{}, c.dtype(0), [&]<typename T>() { prepared->use<&one_hot_numbers<T>>(std::move(s)); });
  }
  return {};
}

}  // namespace

void add_cpu_labels(KernelRegistry& kernels) {
  kernels.add("ai.onnx.ml.LabelEncoder", {"plain", nullptr, prepare_label_encoder});
  kernels.add("ai.onnx.ml.OneHotEncoder", {"plain", nullptr, prepare_one_hot_encoder});
}

}  // namespace weft
