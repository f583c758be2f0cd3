// Kernels of operators on sequences.
#include "core/kernel/registry.h"
#include "core/kernels/cpu/sequence_common.h"

namespace weft {
namespace {

struct State {};

Status construct(const State&, TensorArgs& args) {
  args.out[0] = Tensor::sequence(args.in);
  return {};
}

// The item that a position names, or an error; `ends` more may be named than there are.
Result<size_t> place(const Tensor& sequence, const Tensor& position, int64_t ends = 0) {
  if (position.count() != 1) return invalid("the position must be one number but is ", position.summary());
  int64_t given = position.dtype() == DType::kI64 ? *position.as<int64_t>() : *position.as<int32_t>();
  int64_t count = sequence.count();
  if (given < -count || given >= count + ends) {
    return out_of_range("position ", given, " is outside the sequence, which has ", count, " items");
  }
  return static_cast<size_t>(given < 0 ? given + count : given);
}

Status empty(const State&, TensorArgs& args) {
  args.out[0] = Tensor::sequence({});
  return {};
}

Status insert(const State&, TensorArgs& args) {
  std::vector<Tensor> items = args.in[0].items();
  size_t i = items.size();
  if (args.in.size() > 2 && !args.in[2].empty()) {
    WEFT_TRY(i, place(args.in[0], args.in[2], 1));
  }
  items.insert(items.begin() + static_cast<std::ptrdiff_t>(i), args.in[1]);
  args.out[0] = Tensor::sequence(std::move(items));
  return {};
}

Status erase(const State&, TensorArgs& args) {
  std::vector<Tensor> items = args.in[0].items();
  if (items.empty()) return out_of_range("the sequence has no item that could be taken out");
  size_t i = items.size() - 1;
  if (args.in.size() > 1 && !args.in[1].empty()) {
    WEFT_TRY(i, place(args.in[0], args.in[1]));
  }
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
  args.out[0] = Tensor::sequence(std::move(items));
  return {};
}

Status concat_sequences(const State&, TensorArgs& args) {
  std::vector<Tensor> items = args.in[0].items();
  const std::vector<Tensor>& more = args.in[1].items();
  items.insert(items.end(), more.begin(), more.end());
  args.out[0] = Tensor::sequence(std::move(items));
  return {};
}

Status slice_sequence(const State&, TensorArgs& args) {
  const std::vector<Tensor>& items = args.in[0].items();
  for (int i : {1, 2}) {
    if (args.in[i].count() == 1) continue;
    return invalid("the ", i == 1 ? "begin" : "length", " must be one number but is ", args.in[i].summary());
  }
  const int64_t begin = *args.in[1].as<int64_t>(), length = *args.in[2].as<int64_t>();
  const int64_t count = static_cast<int64_t>(items.size());
  if (begin < 0 || length < 0 || begin > count || length > count - begin) {
    return out_of_range(length, " items from item ", begin, " on are not in the sequence, which has ", count);
  }
  args.out[0] = Tensor::sequence(std::vector<Tensor>(items.begin() + begin, items.begin() + begin + length));
  return {};
}

Status length(const State&, TensorArgs& args) {
  args.out[0] = Tensor::scalar<int64_t>(args.in[0].count());
  return {};
}

Status at(const State&, TensorArgs& args) {
  WEFT_TRY(size_t i, place(args.in[0], args.in[1]));
  args.out[0] = args.in[0].items()[i];
  return {};
}

// Zeros like each item but the one at `but`.
Result<std::vector<Tensor>> zeros_like_all(const std::vector<Tensor>& items, size_t but) {
  std::vector<Tensor> out(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    if (i == but) continue;
    WEFT_TRY(out[i], zeros_like(items[i]));
  }
  return out;
}

Status zeros(const State&, TensorArgs& args) {
  WEFT_TRY(args.out[0], zeros_like(args.in[0]));
  return {};
}

Status at_grad(const State&, TensorArgs& args) {
  const Tensor& gradient = args.in[0];
  const std::vector<Tensor>& items = args.in[1].items();
  WEFT_TRY(size_t i, place(args.in[1], args.in[2]));
  if (gradient.shape() != items[i].shape()) {
    return invalid("the gradient is ", gradient.summary(), " but the item is ", items[i].summary());
  }
  WEFT_TRY(std::vector<Tensor> out, zeros_like_all(items, i));
  out[i] = gradient;
  args.out[0] = Tensor::sequence(std::move(out));
  return {};
}

Status add(const State&, TensorArgs& args) {
  WEFT_TRY(args.out[0], sum_of(args.in[0], args.in[1]));
  return {};
}

Status common_length(const State&, TensorArgs& args) {
  const int64_t length = args.in[0].count();
  for (size_t i = 1; i < args.in.size(); ++i) {
    if (args.in[i].count() == length) continue;
    return invalid("the sequences must be of one length, but the first has ", length, " items and number ", i, " has ",
                   args.in[i].count());
  }
  args.out[0] = Tensor::scalar<int64_t>(length);
  return {};
}

template <auto Run>
Status prepare(const KernelContext&, PreparedKernel* prepared) {
  prepared->use_tensors<Run>(State{});
  return {};
}

}  // namespace

void add_cpu_sequence(KernelRegistry& kernels) {
  kernels.add("SequenceConstruct", {"plain", nullptr, prepare<&construct>});
  kernels.add("SequenceAt", {"plain", nullptr, prepare<&at>});
  kernels.add("SequenceEmpty", {"plain", nullptr, prepare<&empty>});
  kernels.add("SequenceInsert", {"plain", nullptr, prepare<&insert>});
  kernels.add("SequenceErase", {"plain", nullptr, prepare<&erase>});
  kernels.add("SequenceLength", {"plain", nullptr, prepare<&length>});
  kernels.add("weft.SequenceConcat", {"plain", nullptr, prepare<&concat_sequences>});
  kernels.add("weft.SequenceSlice", {"plain", nullptr, prepare<&slice_sequence>});
  kernels.add("weft.SequenceAtGrad", {"plain", nullptr, prepare<&at_grad>});
  kernels.add("weft.SequenceZeros", {"plain", nullptr, prepare<&zeros>});
  kernels.add("weft.SequenceAdd", {"plain", nullptr, prepare<&add>});
  kernels.add("weft.SequencesLength", {"plain", nullptr, prepare<&common_length>});
}

}  // namespace weft
