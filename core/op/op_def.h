// The definition of an operator: schema, documentation, shape rule, gradient or body, rewrites from and to old versions.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/op/attr_def.h"
#include "core/op/infer_context.h"
#include "core/op/opsets.h"

namespace weft {

class GradContext;
class BodyContext;
class UpgradeContext;
class DowngradeContext;

using InferFn = Status (*)(InferContext&);
using GradFn = Status (*)(GradContext&);
using BodyFn = Status (*)(BodyContext&);
// A body with a state of its own, as programs register them. Called on several threads at once.
using BodyFunction = std::function<Status(BodyContext&)>;
using UpgradeFn = Status (*)(UpgradeContext&);
using DowngradeFn = Status (*)(DowngradeContext&);

// What a sub-graph that runs again and again is given.
struct RepeatedTypes {
  std::vector<ValueType> inputs;  // before the first time
  // So many of them, from `first_input` on, are then its outputs from `first_output` on.
  size_t carried = 0, first_input = 0, first_output = 0;
};
using RepeatedTypesFn = Status (*)(InferContext&, RepeatedTypes*);

// An input or output of a schema.
struct Formal {
  std::string name;
  // A type variable declared with `types`, a dtype ("i64"), or seq(...), optional(...) or map(..., ...) of such.
  std::string type;
  std::string doc;
  bool optional = false;
  bool variadic = false;  // the last one only: any number from `min_count` on
  int min_count = 1;
  bool mixed = false;  // the items of a variadic one may differ in type
  // The shapes of the outputs depend on this input's values, not only on its shape.
  bool shapes_outputs = false;
  // Only this input's shape and type are looked at; its data need not be there.
  bool shape_only = false;
  // Its elements stand for real numbers even where they are integers: a gradient, of a floating type, flows from such an
  // input to the output that it comes from, if that is such a one too.
  bool quantized = false;
};

struct TypeVar {
  std::string name;
  DTypeSet set;
};

struct Upgrade {
  int version;  // nodes of opsets of the operator's domain below this one are rewritten
  UpgradeFn apply;
};

struct Downgrade {
  int version;  // for files of opsets below this one nodes are rewritten
  DowngradeFn apply;
};

class OpDef : public WithAttrs<OpDef> {
 public:
  OpDef(std::string_view domain, std::string_view name)
      : domain_(domain), name_(name), full_name_(domain.empty() ? std::string(name) : cat(domain, ".", name)) {}

  const std::string& domain() const { return domain_; }
  const std::string& name() const { return name_; }
  // Whether it is one of ONNX's, in whichever of its domains.
  bool is_onnx() const {
    return domain_ == kOnnxDomain || domain_ == kMlDomain || domain_ == kTrainingDomain || domain_ == kPreviewDomain;
  }
  const std::string& full_name() const { return full_name_; }
  const std::string& group_name() const { return group_; }
  const std::string& doc_text() const { return doc_; }
  int since_version() const { return since_; }
  // The same of a node whose first input is of that dtype.
  int since_version(DType first) const { return contains(later_types_, first) ? later_types_since_ : since_; }
  const std::vector<Formal>& inputs() const { return inputs_; }
  const std::vector<Formal>& outputs() const { return outputs_; }
  const std::vector<TypeVar>& type_vars() const { return type_vars_; }
  const std::vector<Upgrade>& upgrades() const { return upgrades_; }
  const std::vector<Downgrade>& downgrades() const { return downgrades_; }
  const TypeVar* find_type_var(std::string_view name) const;
  // The formal that the i-th actual input or output belongs to, or null if there are too many.
  const Formal* input_formal(int i) const;
  const Formal* output_formal(int i) const;
  int min_inputs() const;
  // An attribute as nodes hold it: ONNX files have floats as f32, and what is never saved must mean the same.
  AttrValue held(AttrValue value) const;
  InferFn infer_fn() const { return infer_; }
  GradFn grad_fn() const { return grad_; }
  const BodyFunction& body_fn() const { return body_; }
  const BodyFunction& gradient_body_fn() const { return gradient_body_ != nullptr ? gradient_body_ : body_; }
  const std::string& gradient_of_name() const { return gradient_of_; }
  bool has_body_by_shapes() const { return body_by_shapes_; }
  RepeatedTypesFn repeated_types_fn() const { return repeated_types_; }
  const std::string& no_gradient_reason() const { return no_gradient_; }
  // Whether something flows back through it.
  bool has_gradient() const {
    return grad_ != nullptr || !gradient_of_.empty() || (body_ != nullptr && no_gradient_.empty());
  }
  bool is_pure() const { return pure_; }
  bool sizes_own_outputs() const { return sizes_own_outputs_; }
  // The name of the attribute that `counts_outputs` declared, or "", and the input that may stand for it.
  const std::string& outputs_attr() const { return outputs_attr_; }
  int outputs_input() const { return outputs_input_; }
  bool is_view() const { return view_; }
  bool is_elementwise() const { return elementwise_; }
  bool is_internal() const { return internal_; }
  // The name of the flag that `outputs_together` declared, or "".
  const std::string& outputs_flag() const { return outputs_flag_; }
  // Whether languages have a function for it.
  bool is_listed() const { return !internal_ && !unlisted_; }
  bool is_added() const { return added_; }
  const std::vector<std::pair<int, int>>& inplace_pairs() const { return inplace_; }

  // -- Building; each returns *this.
  // The chapter of the documentation; "nn/conv" where one has several subjects, which have files of their own in Go.
  OpDef& group(std::string_view group) {
    group_ = group;
    return *this;
  }
  OpDef& doc(std::string_view doc) {
    doc_ = doc;
    return *this;
  }
  // First opset of its domain with today's meaning and schema.
  OpDef& since(int version) {
    since_ = version;
    return *this;
  }
  // It took first inputs of these dtypes later.
  OpDef& since_for(DTypeSet types, int version) {
    later_types_ = types;
    later_types_since_ = version;
    return *this;
  }
  OpDef& types(std::string_view name, DTypeSet set);
  OpDef& input(std::string_view name, std::string_view type, std::string_view doc);
  OpDef& optional_input(std::string_view name, std::string_view type, std::string_view doc);
  OpDef& variadic_input(std::string_view name, std::string_view type, std::string_view doc, int min_count = 1);
  OpDef& output(std::string_view name, std::string_view type, std::string_view doc);
  OpDef& optional_output(std::string_view name, std::string_view type, std::string_view doc);
  OpDef& variadic_output(std::string_view name, std::string_view type, std::string_view doc, int min_count = 1);
  // These six speak of the input or output that was declared last.
  OpDef& shapes_outputs() {
    inputs_.back().shapes_outputs = true;
    return *this;
  }
  OpDef& shape_only() {
    inputs_.back().shape_only = true;
    return *this;
  }
  OpDef& mixed_inputs() {
    inputs_.back().mixed = true;
    return *this;
  }
  OpDef& mixed_outputs() {
    outputs_.back().mixed = true;
    return *this;
  }
  OpDef& quantized_input();
  OpDef& quantized_output();
  OpDef& infer(InferFn fn) {
    infer_ = fn;
    return *this;
  }
  OpDef& grad(GradFn fn) {
    grad_ = fn;
    return *this;
  }
  // This is the gradient of an operator of ONNX, with its attributes: the inputs are those of that operator and then the
  // gradients to its outputs, the output "dX" is the gradient by its input "X". Its own gradient comes of that operator's
  // body.
  OpDef& gradient_of(std::string_view name) {
    gradient_of_ = name;
    return *this;
  }
  OpDef& no_gradient(std::string_view reason) {
    no_gradient_ = reason;
    return *this;
  }
  // Made of other operators: runs, differentiates and infers through them.
  OpDef& body(BodyFn fn) {
    body_ = fn;
    return *this;
  }
  // What gradients flow through in place of the body, which goes in steps. What it gives is never computed; its outputs are of
  // a floating type, whatever those of the node are.
  OpDef& gradient_body(BodyFn fn) {
    gradient_body_ = fn;
    return *this;
  }
  OpDef& body_function(BodyFunction function) {
    body_ = std::move(function);
    return *this;
  }
  // The body is built once the shapes of all inputs are numbers, and the values of those that shape outputs known: it is made
  // for them. The shape rule sees them first; without one the body says what is wrong with them.
  OpDef& body_by_shapes(BodyFn fn) {
    body_by_shapes_ = true;
    return body(fn);
  }
  // Its sub-graphs have inputs, all of these types. A node's sub-graph is made again where they are others.
  OpDef& repeats(RepeatedTypesFn fn) {
    repeated_types_ = fn;
    return *this;
  }
  // Two nodes with equal inputs and attributes are not the same, and it must not be folded.
  OpDef& impure() {
    pure_ = false;
    return *this;
  }
  // Its kernel finds the output shapes (NonZero).
  OpDef& sizes_outputs() {
    sizes_own_outputs_ = true;
    return *this;
  }
  // A node has this attribute or that input, as ONNX wants one of them; the attribute is the number of its outputs, and is
  // added to a node that was given neither.
  OpDef& counts_outputs(std::string_view attr, int input) {
    outputs_attr_ = attr;
    outputs_input_ = input;
    return *this;
  }
  // ONNX wants all of the outputs of a node whose flag of that name is set; those that were not asked for have no names in a
  // file.
  OpDef& outputs_together(std::string_view flag) {
    outputs_flag_ = flag;
    return *this;
  }
  // Made by passes only; not offered to users, not saved.
  OpDef& internal() {
    internal_ = true;
    return *this;
  }
  // Files may have it, and it may be added by name, but no language has a function for it: an operator of the library's own
  // says the same.
  OpDef& unlisted() {
    unlisted_ = true;
    return *this;
  }
  // A program's own, registered at run time.
  OpDef& added() {
    added_ = true;
    return *this;
  }
  // Output `out` may overwrite input `in` if nobody else needs it and both have the same bytes.
  OpDef& inplace(int out, int in) {
    inplace_.emplace_back(out, in);
    return *this;
  }
  // Output 0 has the bytes of input 0, whatever its shape: the plan gives both one place and runs nothing.
  OpDef& view() {
    view_ = true;
    return *this;
  }
  // Each element of the output depends on those at its index in the inputs, which broadcast, and no attribute names an axis.
  OpDef& elementwise() {
    elementwise_ = true;
    return *this;
  }
  OpDef& upgrade(int version, UpgradeFn fn) {
    upgrades_.push_back({version, fn});
    return *this;
  }
  // How a node is written for opsets below `version`, where what it means depends on that or its form is another; what the
  // schemas of ONNX say (types, attributes, numbers of inputs and outputs) is checked without it. Given from the highest
  // version to the lowest, which is the order in which they are applied.
  OpDef& downgrade(int version, DowngradeFn fn) {
    downgrades_.push_back({version, fn});
    return *this;
  }

 private:
  std::string domain_, name_, full_name_, group_ = "other", doc_, gradient_of_, no_gradient_;
  std::string outputs_attr_, outputs_flag_;
  int since_ = 1, later_types_since_ = 1, outputs_input_ = 0;
  DTypeSet later_types_ = {};
  std::vector<Formal> inputs_, outputs_;
  std::vector<TypeVar> type_vars_;
  std::vector<Upgrade> upgrades_;
  std::vector<Downgrade> downgrades_;
  InferFn infer_ = nullptr;
  GradFn grad_ = nullptr;
  BodyFunction body_, gradient_body_;
  RepeatedTypesFn repeated_types_ = nullptr;
  bool pure_ = true;
  bool sizes_own_outputs_ = false;
  bool internal_ = false;
  bool unlisted_ = false;
  bool added_ = false;
  bool view_ = false;
  bool elementwise_ = false;
  bool body_by_shapes_ = false;
  std::vector<std::pair<int, int>> inplace_;
};

}  // namespace weft
