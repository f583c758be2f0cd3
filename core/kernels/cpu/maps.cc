// Kernels of operators on maps.
#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/types_common.h"

namespace weft {
namespace {

using MapElements = Types<int64_t, float, double>;

// Calls `fn` with an element of each tensor, or with a string of each.
template <typename Fn>
void with_elements(const Tensor& from, Tensor* to, Fn fn) {
  if (from.dtype() == DType::kString) {
    fn(from.strings().data(), to->mutable_strings().data());
  } else {
    with_type(MapElements{}, from.dtype(), [&]<typename T>() { fn(from.as<T>(), to->as<T>()); });
  }
}

// -- ZipMap.

struct ZippedKeys {
  Tensor keys;  // which all maps share
};

Status zip_map(const ZippedKeys& s, TensorArgs& args) {
  // The shape rule has not seen a width that only a kernel before this one tells.
  const Tensor& x = args.in[0];
  const int64_t width = s.keys.count();
  if (x.rank() != 1 && x.rank() != 2) return invalid("X must be [N, C] or [C] but is ", x.summary());
  if (x.shape().back() != width) {
    return invalid("X is ", x.summary(), " but there are ", width, " keys: one for each column");
  }
  const int64_t rows = x.count() / width;
  WEFT_TRY(Tensor values, x.copy());
  std::vector<Tensor> maps;
  maps.reserve(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t at = values.offset() + row * width * dtype_size(DType::kF32);
    WEFT_TRY(Tensor own, Tensor::over(DType::kF32, {width}, values.buffer(), at));
    maps.push_back(Tensor::map(s.keys, std::move(own)));
  }
  args.out[0] = Tensor::sequence(std::move(maps));
  return {};
}

Status prepare_zip_map(const KernelContext& c, PreparedKernel* prepared) {
  ZippedKeys state;
  const AttrValue* strings = c.attrs().find("classlabels_strings");
  if (strings != nullptr && !strings->strings().empty()) {
    const std::vector<std::string>& labels = strings->strings();
    WEFT_TRY(state.keys, Tensor::from_strings({static_cast<int64_t>(labels.size())}, labels));
  } else {
    state.keys = Tensor::vector<int64_t>(c.attrs().ints("classlabels_int64s")).read_only();
  }
  prepared->use_tensors<&zip_map>(std::move(state));
  return {};
}

// -- MapItems.

Result<Tensor> values_in_order(const Tensor& from, const std::vector<int64_t>& order) {
  WEFT_TRY(Tensor out, Tensor::make(from.dtype(), from.shape()));
  with_elements(from, &out, [&](const auto* x, auto* y) {
    for (size_t i = 0; i < order.size(); ++i) y[i] = x[order[i]];
  });
  return out;
}

struct NoState {};

Status map_items(const NoState&, TensorArgs& args) {
  const Tensor &keys = args.in[0].items()[0], &values = args.in[0].items()[1];
  std::vector<int64_t> order(static_cast<size_t>(keys.count()));
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto sort_by = [&](const auto* x) {
    std::stable_sort(order.begin(), order.end(), [x](int64_t a, int64_t b) { return x[a] < x[b]; });
  };
  if (keys.dtype() == DType::kString)
    sort_by(keys.strings().data());
  else
    sort_by(keys.as<int64_t>());
  WEFT_TRY(args.out[0], values_in_order(keys, order));
  WEFT_TRY(args.out[1], values_in_order(values, order));
  return {};
}

Status prepare_map_items(const KernelContext&, PreparedKernel* prepared) {
  prepared->use_tensors<&map_items>(NoState{});
  return {};
}

// -- PlaceByKey.

struct Places {
  std::unordered_map<int64_t, int64_t> of_ints;
  std::unordered_map<std::string, int64_t> of_strings;
  int64_t count = 0;
  bool are_keys = false;
};

constexpr int64_t kNoPlace = -1;

template <typename Key>
int64_t place_of(const std::unordered_map<Key, int64_t>& places, const Key& key) {
  const auto found = places.find(key);
  return found == places.end() ? kNoPlace : found->second;
}

// Of each key; kNoPlace for those that have none.
Result<std::vector<int64_t>> key_places(const Places& s, const Tensor& keys) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < keys.count(); ++i) {
    if (keys.dtype() == DType::kString) {
      places.push_back(place_of(s.of_strings, keys.strings()[static_cast<size_t>(i)]));
    } else if (!s.are_keys) {
      places.push_back(place_of(s.of_ints, keys.as<int64_t>()[i]));
    } else if (const int64_t key = keys.as<int64_t>()[i]; key >= 0 && key < s.count) {
      places.push_back(key);
    } else {
      return invalid("the key ", key, " is outside the ", s.count, " places from 0 on");
    }
  }
  return places;
}

Status place_by_key(const Places& s, TensorArgs& args) {
  WEFT_TRY(const std::vector<int64_t> places, key_places(s, args.in[0]));
  WEFT_TRY(Tensor row, Tensor::make(args.in[1].dtype(), {1, s.count}));
  with_elements(args.in[1], &row, [&]<typename T>(const T* x, T* y) {
    std::fill_n(y, s.count, T());
    for (size_t i = 0; i < places.size(); ++i) {
      if (places[i] != kNoPlace) y[places[i]] = x[i];
    }
  });
  args.out[0] = std::move(row);
  return {};
}

Status prepare_place_by_key(const KernelContext& c, PreparedKernel* prepared) {
  Places state;
  state.count = c.attrs().i("size");
  state.are_keys = state.count > 0;
  const auto list = [&](const auto& keys, auto* places) {
    for (const auto& key : keys) (*places)[key] = state.count++;
  };
  if (!state.are_keys && c.dtype(0) == DType::kString)
    list(c.attrs().find("string_vocabulary")->strings(), &state.of_strings);
  if (!state.are_keys && c.dtype(0) == DType::kI64) list(c.attrs().ints("int64_vocabulary"), &state.of_ints);
  prepared->use_tensors<&place_by_key>(std::move(state));
  return {};
}

}  // namespace

void add_cpu_maps(KernelRegistry& kernels) {
  kernels.add("ai.onnx.ml.ZipMap", {"plain", nullptr, prepare_zip_map});
  kernels.add("weft.MapItems", {"plain", nullptr, prepare_map_items});
  kernels.add("weft.PlaceByKey", {"plain", nullptr, prepare_place_by_key});
}

}  // namespace weft
