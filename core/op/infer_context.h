// What a shape rule sees: types, shapes and known small integers of the inputs; where it writes those of the outputs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/op/attr.h"

namespace weft {

class OpDef;

// What is known of a value before it exists.
struct ValueType {
  Kind kind = Kind::kTensor;
  DType dtype = DType::kNone;  // of the elements, for sequences and optionals too
  bool has_rank = false;
  Dims dims;                         // valid if has_rank
  std::shared_ptr<const Dims> ints;  // the elements, flattened, of a small integer tensor of rank 0 or 1, when known
  Kind holds = Kind::kTensor;  // of an optional: a tensor or a sequence of tensors; of a sequence: a tensor or a map
  DType keys = DType::kNone;   // of a map, whose values have `dtype`, or of the maps of a sequence

  static ValueType tensor(DType dtype, Dims dims) {
    return {Kind::kTensor, dtype, true, std::move(dims), nullptr, Kind::kTensor, DType::kNone};
  }
  static ValueType unranked(DType dtype) {
    return {Kind::kTensor, dtype, false, {}, nullptr, Kind::kTensor, DType::kNone};
  }
  // "f32", "f32[batch, 3]", "seq(f32)", "optional(seq(f32))", "map(string, f32)", "seq(map(i64, f32))".
  static Result<ValueType> parse(std::string_view text);
  bool concrete() const { return kind == Kind::kTensor && has_rank && all_known(dims); }
  // Whether both are values of one kind, of elements of one type.
  bool alike(const ValueType& other) const {
    return kind == other.kind && dtype == other.dtype && holds == other.holds && keys == other.keys;
  }
  // What an optional holds, and what a sequence's items are.
  ValueType held() const;
  // The optional or sequence of such values.
  ValueType within(Kind around) const;
  std::string text() const;  // "f32[batch, 3]"
  bool operator==(const ValueType& other) const;
};

// More elements than this are not propagated with the shapes.
constexpr int64_t kMaxKnownInts = 1024;

// What the keys of maps may be.
bool is_map_key(DType dtype);

class InferContext {
 public:
  // `inputs` and `constants` have one entry an input; null for an omitted one, or one of unknown value.
  InferContext(const OpDef& op, const Attrs& attrs, std::vector<const ValueType*> inputs,
               std::vector<const Tensor*> constants, int output_count, std::string fresh_prefix);

  const OpDef& op() const { return op_; }
  const Attrs& attrs() const { return attrs_; }

  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has_input(int i) const { return i < input_count() && inputs_[i] != nullptr; }
  const ValueType& input(int i) const { return *inputs_[i]; }
  DType dtype(int i) const { return inputs_[i]->dtype; }
  bool has_rank(int i) const { return has_input(i) && inputs_[i]->has_rank; }
  const Dims& dims(int i) const { return inputs_[i]->dims; }
  int64_t rank(int i) const { return static_cast<int64_t>(inputs_[i]->dims.size()); }
  // Known elements of an integer input, or null.
  const Dims* ints(int i) const { return has_input(i) ? inputs_[i]->ints.get() : nullptr; }
  // The same if all are numbers; nothing otherwise.
  std::optional<std::vector<int64_t>> numbers(int i) const;
  const Tensor* constant(int i) const { return has_input(i) ? constants_[i] : nullptr; }

  // For rules that ask the rule of another operator about other types; `type` must live as long as that takes.
  void set_input(int i, const ValueType& type) { inputs_[i] = &type; }

  int output_count() const { return static_cast<int>(outputs_.size()); }
  ValueType& output(int i) { return outputs_[i]; }
  std::vector<ValueType>& outputs() { return outputs_; }
  void set_dims(int i, Dims dims) {
    outputs_[i].has_rank = true;
    outputs_[i].dims = std::move(dims);
  }
  void set_dtype(int i, DType dtype) { outputs_[i].dtype = dtype; }
  void set_ints(int i, Dims ints) { outputs_[i].ints = std::make_shared<const Dims>(std::move(ints)); }

  // What a schema cannot say of an input: that it is a list of numbers, a scalar, or one number of no or one dimension.
  // Of an input that is omitted or whose rank is not known they say nothing.
  Status check_vector(int i) const;
  Status check_scalar(int i) const;
  Status check_number(int i) const;
  // That its shape can be this; `whose` says what has it.
  Status check_shape(int i, const Dims& wanted, std::string_view whose) const;

  // A dimension that only a run will tell; its name is the node's own.
  Dim fresh();
  // Of a rank beyond what values may have, as many as are too many.
  Dims fresh_dims(int64_t rank);
  // Where an attribute's axis falls; negative counts from the end.
  static Result<int64_t> axis(int64_t axis, int64_t rank);

 private:
  const OpDef& op_;
  const Attrs& attrs_;
  std::vector<const ValueType*> inputs_;
  std::vector<const Tensor*> constants_;
  std::vector<ValueType> outputs_;
  std::string fresh_prefix_;
  int fresh_count_ = 0;
};

// Shape rules that many operators share.
Status infer_same_as_first(InferContext& c);  // every output has the shape of input 0
Status infer_broadcast(InferContext& c);      // output 0 has the broadcast shape of all inputs
// Known elements of output 0 from those of all inputs, each of which has one element or as many as the output; `fn`
// says nothing where it cannot tell. Truth values count as 0 and 1.
using IntsFn = std::optional<Dim> (*)(const std::vector<Dim>& operands);
void infer_ints(InferContext& c, IntsFn fn);

}  // namespace weft
