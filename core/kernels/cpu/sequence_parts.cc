// Kernels that cut tensors into sequences and put them together.
#include <algorithm>
#include <cstring>

#include "core/kernel/registry.h"
#include "core/op/infer_context.h"

namespace weft {
namespace {

struct PartsState {
  int64_t axis;
  bool new_axis = false;
};

// A tensor as stretches along an axis: of strings, `inner` counts elements, else bytes.
struct Stretches {
  int64_t outer = 1, inner = 1;
};

Result<Stretches> stretches(const Shape& shape, int64_t axis, DType dtype) {
  Stretches s;
  for (int64_t d = 0; d < axis; ++d) s.outer *= shape[d];
  for (size_t d = axis + 1; d < shape.size(); ++d) s.inner *= shape[d];
  if (dtype == DType::kString) return s;
  if (dtype_bits(dtype) % 8 != 0) return unimplemented("elements of ", dtype_name(dtype), " share bytes");
  s.inner = dtype_bytes(dtype, s.inner);
  return s;
}

// `size` places of the axis, of `all` from `begin` on, into or out of the part.
template <bool kOut>
void move_part(const Stretches& s, Tensor& whole, int64_t all, int64_t begin, Tensor& part, int64_t size) {
  const int64_t length = size * s.inner;
  if (length == 0) return;
  for (int64_t o = 0; o < s.outer; ++o) {
    const int64_t in_whole = (o * all + begin) * s.inner, in_part = o * length;
    if (whole.dtype() == DType::kString) {
      const Tensor& from = kOut ? whole : part;
      Tensor& to = kOut ? part : whole;
      std::copy_n(from.strings().begin() + (kOut ? in_whole : in_part), length,
                  to.mutable_strings().begin() + (kOut ? in_part : in_whole));
    } else {
      char *at = whole.as<char>() + in_whole, *own = part.as<char>() + in_part;
      std::memcpy(kOut ? own : at, kOut ? at : own, static_cast<size_t>(length));
    }
  }
}

// The shape that an item has while the axis is there.
Shape with_axis(Shape item, int64_t axis, bool new_axis) {
  if (new_axis) item.insert(item.begin() + axis, 1);
  return item;
}

// Whether an item is a part of what has the shape, by all axes but this one.
bool is_part(const Tensor& item, const Shape& whole, int64_t axis, bool new_axis) {
  if (item.rank() + new_axis != static_cast<int64_t>(whole.size())) return false;
  const Shape shape = with_axis(item.shape(), axis, new_axis);
  for (size_t d = 0; d < shape.size(); ++d) {
    if (static_cast<int64_t>(d) != axis && shape[d] != whole[d]) return false;
  }
  return true;
}

Result<std::vector<Tensor>> cut(Tensor whole, int64_t axis, const std::vector<Shape>& shapes, bool new_axis) {
  WEFT_TRY(const Stretches s, stretches(whole.shape(), axis, whole.dtype()));
  std::vector<Tensor> items;
  int64_t begin = 0;
  for (const Shape& shape : shapes) {
    const int64_t size = new_axis ? 1 : shape[axis];
    WEFT_TRY(Tensor item, Tensor::make(whole.dtype(), shape));
    move_part<true>(s, whole, whole.shape()[axis], begin, item, size);
    items.push_back(std::move(item));
    begin += size;
  }
  return items;
}

Status split(const PartsState& state, TensorArgs& args) {
  const Tensor& whole = args.in[0];
  WEFT_TRY(const int64_t axis, InferContext::axis(state.axis, whole.rank()));
  const int64_t all = whole.shape()[axis];
  const bool given = args.in.size() > 1 && !args.in[1].empty();
  std::vector<int64_t> sizes;
  if (!given) {
    sizes.assign(all, 1);
  } else {
    WEFT_TRY(sizes, args.in[1].to_ints());
    if (args.in[1].rank() == 0) {
      const int64_t size = sizes[0];
      if (size < 1) return invalid("'split' is ", size, ", which is no size");
      sizes.clear();
      for (int64_t begin = 0; begin < all; begin += size) sizes.push_back(std::min(size, all - begin));
    }
  }
  int64_t left = all;
  for (int64_t size : sizes) {
    if (size < 0) return invalid("'split' has ", size, ", which is no size");
    if (size > left) return invalid("the sizes of 'split' make more than axis ", axis, " has, ", all);
    left -= size;
  }
  if (left > 0) return invalid("the sizes of 'split' make ", all - left, " but axis ", axis, " has ", all);
  std::vector<Shape> shapes;
  const bool drop = !given && state.new_axis;
  for (int64_t size : sizes) {
    Shape shape = whole.shape();
    shape[axis] = size;
    if (drop) shape.erase(shape.begin() + axis);
    shapes.push_back(std::move(shape));
  }
  WEFT_TRY(std::vector<Tensor> items, cut(whole, axis, shapes, drop));
  args.out[0] = Tensor::sequence(std::move(items));
  return {};
}

Result<Tensor> join(const std::vector<Tensor>& items, DType dtype, const Shape& shape, int64_t axis, bool new_axis) {
  WEFT_TRY(const Stretches s, stretches(shape, axis, dtype));
  WEFT_TRY(Tensor whole, Tensor::make(dtype, shape));
  int64_t begin = 0;
  for (Tensor item : items) {
    const int64_t size = new_axis ? 1 : item.shape()[axis];
    move_part<false>(s, whole, shape[axis], begin, item, size);
    begin += size;
  }
  return whole;
}

Status concat_items(const PartsState& state, TensorArgs& args) {
  const std::vector<Tensor>& items = args.in[0].items();
  if (items.empty()) return invalid("the sequence has no items that could be put together");
  WEFT_TRY(const int64_t axis, InferContext::axis(state.axis, items[0].rank() + state.new_axis));
  Shape shape = with_axis(items[0].shape(), axis, state.new_axis);
  int64_t all = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].dtype() != items[0].dtype() || !is_part(items[i], shape, axis, state.new_axis)) {
      return invalid("item ", i, " of the sequence is ", items[i].summary(), " and does not fit item 0, which is ",
                     items[0].summary());
    }
    all += state.new_axis ? 1 : items[i].shape()[axis];
  }
  shape[axis] = all;
  WEFT_TRY(args.out[0], join(items, items[0].dtype(), shape, axis, state.new_axis));
  return {};
}

Status split_like(const PartsState& state, TensorArgs& args) {
  const std::vector<Tensor>& like = args.in[1].items();
  WEFT_TRY(const int64_t axis, InferContext::axis(state.axis, args.in[0].rank()));
  std::vector<Shape> shapes;
  const Shape& whole = args.in[0].shape();
  int64_t all = 0;
  for (const Tensor& item : like) {
    if (!is_part(item, whole, axis, state.new_axis)) {
      return invalid("no item that is ", item.summary(), " can be cut from ", args.in[0].summary());
    }
    all += state.new_axis ? 1 : item.shape()[axis];
    shapes.push_back(item.shape());
  }
  if (all != whole[axis]) return invalid("the items have ", all, " along axis ", axis, " of ", args.in[0].summary());
  WEFT_TRY(std::vector<Tensor> items, cut(args.in[0], axis, shapes, state.new_axis));
  args.out[0] = Tensor::sequence(std::move(items));
  return {};
}

Status join_like(const PartsState& state, TensorArgs& args) {
  const Tensor& like = args.in[1];
  WEFT_TRY(const int64_t axis, InferContext::axis(state.axis, like.rank()));
  int64_t all = 0;
  for (const Tensor& item : args.in[0].items()) {
    if (item.dtype() != like.dtype() || !is_part(item, like.shape(), axis, state.new_axis)) {
      return invalid("an item that is ", item.summary(), " is no part of ", like.summary());
    }
    all += state.new_axis ? 1 : item.shape()[axis];
  }
  if (all != like.shape()[axis]) return invalid("the items have ", all, " along axis ", axis, " of ", like.summary());
  WEFT_TRY(args.out[0], join(args.in[0].items(), like.dtype(), like.shape(), axis, state.new_axis));
  return {};
}

template <auto Run>
Status prepare_parts(const KernelContext& context, PreparedKernel* prepared) {
  PartsState state{context.attrs().i("axis")};
  const AttrValue* keep = context.attrs().find("keepdims");
  state.new_axis = keep != nullptr ? keep->i() == 0 : context.attrs().b("new_axis");
  prepared->use_tensors<Run>(state);
  return {};
}

}  // namespace

void add_cpu_sequence_parts(KernelRegistry& kernels) {
  kernels.add("SplitToSequence", {"plain", nullptr, prepare_parts<&split>});
  kernels.add("ConcatFromSequence", {"plain", nullptr, prepare_parts<&concat_items>});
  kernels.add("weft.SplitLike", {"plain", nullptr, prepare_parts<&split_like>});
  kernels.add("weft.JoinLike", {"plain", nullptr, prepare_parts<&join_like>});
}

}  // namespace weft
