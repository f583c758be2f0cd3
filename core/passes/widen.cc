// Types that no kernel takes.
#include "core/passes/widen.h"

#include <algorithm>
#include <bit>
#include <span>

#include "core/passes/rewrite.h"

namespace weft {

namespace {

// Types that hold every value of a narrow one, nearest first. Integers that are computed in one of these and cast back
// have the bits of narrow arithmetic that wraps around; floats are rounded once.
std::span<const DType> wider_types(DType dtype) {
  static constexpr DType kFloats[] = {DType::kF32, DType::kF64};
  static constexpr DType kOfBool[] = {DType::kU8, DType::kI32, DType::kI64};
  static constexpr DType kOfPackedInts[] = {DType::kI8, DType::kI32, DType::kI64};
  static constexpr DType kOfUnsigned[] = {DType::kI32, DType::kU32, DType::kI64, DType::kU64};
  static constexpr DType kInts[] = {DType::kI32, DType::kI64}, kLong[] = {DType::kI64};
  static constexpr DType kOfU32[] = {DType::kI64, DType::kU64};
  switch (dtype) {
    case DType::kF16:
    case DType::kBF16:
    case DType::kF8E4M3FN:
    case DType::kF8E4M3FNUZ:
    case DType::kF8E5M2:
    case DType::kF8E5M2FNUZ:
    case DType::kF8E8M0:
    case DType::kF4E2M1: return kFloats;
    // Or as the sum and the greater of truth values, and as the product and the less.
    case DType::kBool: return kOfBool;
    case DType::kI2:
    case DType::kI4: return kOfPackedInts;
    case DType::kU2:
    case DType::kU4: return kOfBool;
    case DType::kI8:
    case DType::kI16: return kInts;
    case DType::kU8:
    case DType::kU16: return kOfUnsigned;
    case DType::kU32: return kOfU32;
    case DType::kI32: return kLong;
    default: return {};
  }
}

// A type variable of a node, and what else it may be.
struct Variable {
  const TypeVar* declared;
  DType dtype = DType::kNone;
  const AttrDef* attr = nullptr;  // that says the type, if no input does
  std::vector<DType> wider = {};
};

class Search {
 public:
  Search(const Graph& graph, const Node& node) : graph_(graph), node_(node) {
    for (const TypeVar& declared : node.op->type_vars()) add(declared);
  }

  const std::vector<Variable>& variables() const { return variables_; }

  // Variable v as `chosen[v]`, kNone for what stays.
  Widening widening(const std::vector<DType>& chosen) const {
    Widening out;
    out.attrs = node_.attrs;
    for (size_t i = 0; i < node_.inputs.size(); ++i) {
      const Formal* formal = formal_of_input(i);
      const bool given = formal != nullptr && node_.inputs[i] != kNoValue;
      out.inputs.push_back(given ? chosen_for(*formal, chosen) : DType::kNone);
    }
    for (int i = 0; i < node_.output_count; ++i) {
      out.outputs.push_back(chosen_for(*node_.op->output_formal(i), chosen));
    }
    for (size_t v = 0; v < variables_.size(); ++v) {
      if (chosen[v] == DType::kNone || variables_[v].attr == nullptr) continue;
      out.attrs.set(variables_[v].attr->name, static_cast<int64_t>(chosen[v]));
    }
    return out;
  }

 private:
  const Formal* formal_of_input(size_t i) const {
    return static_cast<int32_t>(i) < node_.schema_inputs ? node_.op->input_formal(static_cast<int>(i)) : nullptr;
  }

  DType chosen_for(const Formal& formal, const std::vector<DType>& chosen) const {
    for (size_t v = 0; v < variables_.size(); ++v) {
      if (variables_[v].declared->name == formal.type) return chosen[v];
    }
    return DType::kNone;
  }

  // Whether the text of the type of a sequence or map has the variable in it: seq(T), map(K, T).
  static bool mentions(const std::string& type, const std::string& name) {
    for (const char* around : {"()", "(,", " )"}) {
      if (type.find(around[0] + name + around[1]) != std::string::npos) return true;
    }
    return false;
  }

  void add(const TypeVar& declared) {
    Variable variable{&declared};
    bool by_input = false;
    auto meet = [&](const Formal& formal, ValueId id) {
      const bool tensor = formal.type == declared.name && graph_.type(id).kind == Kind::kTensor && !formal.mixed;
      if (tensor && variable.dtype == DType::kNone) variable.dtype = graph_.type(id).dtype;
      return tensor || formal.type == declared.name || !mentions(formal.type, declared.name);
    };
    for (size_t i = 0; i < node_.inputs.size(); ++i) {
      const Formal* formal = formal_of_input(i);
      if (formal == nullptr || node_.inputs[i] == kNoValue) continue;
      if (!meet(*formal, node_.inputs[i])) return;
      by_input = variable.dtype != DType::kNone;
    }
    for (int i = 0; i < node_.output_count; ++i) {
      if (!meet(*node_.op->output_formal(i), node_.output(i))) return;
    }
    if (variable.dtype == DType::kNone) return;
    if (!by_input && !find_attr(&variable)) return;
    for (DType wider : wider_types(variable.dtype)) {
      if (contains(declared.set, wider)) variable.wider.push_back(wider);
    }
    if (!variable.wider.empty()) variables_.push_back(std::move(variable));
  }

  // The one that has the number of the type.
  bool find_attr(Variable* variable) const {
    for (const AttrDef& def : node_.op->attrs()) {
      const AttrValue* value = node_.attrs.find(def.name);
      if (def.use != AttrUse::kDType || value == nullptr || value->i() != static_cast<int64_t>(variable->dtype))
        continue;
      if (variable->attr != nullptr) return false;
      variable->attr = &def;
    }
    return variable->attr != nullptr;
  }

  const Graph& graph_;
  const Node& node_;
  std::vector<Variable> variables_;
};

KernelContext widened_context(const KernelContext& as_it_is, const Widening& widening) {
  std::vector<KernelContext::Slot> inputs, outputs;
  for (int i = 0; i < as_it_is.input_count(); ++i) {
    inputs.push_back(as_it_is.input(i));
    if (widening.inputs[i] == DType::kNone) continue;
    inputs[i].dtype = widening.inputs[i];
    inputs[i].constant = nullptr;
  }
  for (int i = 0; i < as_it_is.output_count(); ++i) {
    outputs.push_back(as_it_is.output(i));
    if (widening.outputs[i] != DType::kNone) outputs[i].dtype = widening.outputs[i];
  }
  return KernelContext(widening.attrs, std::move(inputs), std::move(outputs));
}

template <typename Fits>
std::optional<Widening> first_widening(const Search& search, const Fits& fits) {
  const std::vector<Variable>& variables = search.variables();
  const uint32_t all = (1u << variables.size()) - 1;
  for (int changed = 1; changed <= static_cast<int>(variables.size()); ++changed) {
    for (uint32_t subset = 1; subset <= all; ++subset) {
      if (std::popcount(subset) != changed) continue;
      // Counts through the types of the variables in the subset, the last one fastest.
      std::vector<size_t> at(variables.size(), 0);
      for (bool more = true; more;) {
        std::vector<DType> chosen(variables.size(), DType::kNone);
        for (size_t v = 0; v < variables.size(); ++v) {
          if ((subset >> v & 1) != 0) chosen[v] = variables[v].wider[at[v]];
        }
        Widening widening = search.widening(chosen);
        if (fits(widening)) return widening;
        more = false;
        for (size_t v = variables.size(); v-- > 0 && !more;) {
          if ((subset >> v & 1) == 0) continue;
          more = ++at[v] < variables[v].wider.size();
          if (!more) at[v] = 0;
        }
      }
    }
  }
  return std::nullopt;
}

}  // namespace

bool may_widen(const Graph& graph, const Node& node) {
  auto has_wider = [&](ValueId id) { return id != kNoValue && !wider_types(graph.type(id).dtype).empty(); };
  if (std::any_of(node.inputs.begin(), node.inputs.end(), has_wider)) return true;
  for (int i = 0; i < node.output_count; ++i) {
    if (has_wider(node.output(i))) return true;
  }
  return false;
}

std::optional<Widening> find_widening(const Graph& graph, const Node& node,
                                      const std::function<bool(const KernelContext&)>& accepts) {
  const KernelContext as_it_is = kernel_context(graph, node);
  return first_widening(Search(graph, node),
                        [&](const Widening& widening) { return accepts(widened_context(as_it_is, widening)); });
}

std::optional<Widening> widening_that_fits(const Graph& graph, const Node& node,
                                           const std::function<bool(const Widening&)>& fits) {
  return first_widening(Search(graph, node), fits);
}

std::optional<Widening> widen_halves(const Graph& graph, const Node& node) {
  for (const AttrDef& def : node.op->attrs()) {
    if (def.use == AttrUse::kDType) return std::nullopt;
  }
  const Search search(graph, node);
  std::vector<DType> chosen;
  bool any = false;
  for (const Variable& variable : search.variables()) {
    const bool half = variable.dtype == DType::kF16 || variable.dtype == DType::kBF16;
    const bool widens = half && variable.wider[0] == DType::kF32;
    chosen.push_back(widens ? DType::kF32 : DType::kNone);
    any = any || widens;
  }
  return any ? std::optional<Widening>(search.widening(chosen)) : std::nullopt;
}

}  // namespace weft
