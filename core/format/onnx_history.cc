// What ONNX's own operators are like in each opset.
#include "core/format/onnx_history.h"

#include <algorithm>
#include <array>

#include "core/base/text.h"

namespace weft::onnx {

namespace {

#include "core/format/onnx_history.inc"

constexpr std::string_view kSpace = " ";

// Takes what stands before `end` off the text, and `end` with it; all of the text if there is none.
std::string_view take(std::string_view* text, std::string_view end) {
  const size_t at = text->find(end);
  const std::string_view taken = text->substr(0, at);
  *text = at == std::string_view::npos ? std::string_view() : text->substr(at + end.size());
  return taken;
}

// Calls `use` with each word of the text.
template <typename Use>
void for_each_word(std::string_view text, Use use) {
  while (!text.empty()) {
    const std::string_view word = take(&text, kSpace);
    if (!word.empty()) use(word);
  }
}

int number_of(std::string_view digits) {
  int number = 0;
  for (char digit : digits) number = 10 * number + (digit - '0');
  return number;
}

// Which of the four masks of a set speaks of such values; -1 if none does.
int mask_of(const ValueType& type) {
  switch (type.kind) {
    case Kind::kTensor: return 0;
    case Kind::kSequence: return type.holds == Kind::kTensor ? 1 : -1;
    case Kind::kOptional: return type.holds == Kind::kTensor ? 2 : type.holds == Kind::kSequence ? 3 : -1;
    case Kind::kMap: return -1;
  }
  return -1;
}

}  // namespace

// The types that the variables of a version have in a node.
class OpHistory::Types {
 public:
  explicit Types(const std::vector<int>& sets) : sets_(sets) {}

  bool take(const Parameter& parameter, const ValueType& type) {
    const int mask = mask_of(type);
    if (mask < 0) return false;
    const size_t variable = static_cast<size_t>(parameter.variable - 'a');
    const uint32_t allowed = kTypeSets[sets_[variable]][mask];
    if (type.dtype == DType::kNone) return allowed != 0;  // a sequence without items
    if (!contains(allowed, type.dtype)) return false;
    if (parameter.mixed) return true;
    Bound& bound = bound_[variable];
    if (bound.mask < 0) bound = {mask, type.dtype};
    return bound.mask == mask && bound.dtype == type.dtype;
  }

 private:
  struct Bound {
    int mask = -1;
    DType dtype = DType::kNone;
  };
  const std::vector<int>& sets_;
  std::array<Bound, 26> bound_;
};

OpHistory::OpHistory() {
  std::string_view text = kVersions;
  while (!text.empty()) {
    std::string_view line = take(&text, "\n");
    const std::string_view op = take(&line, kSpace);
    versions_[op].push_back(read_version(line));
  }
}

OpHistory::Version OpHistory::read_version(std::string_view line) {
  Version version;
  version.since = number_of(take(&line, kSpace));
  version.is_gone = line == "-";
  if (version.is_gone) return version;
  version.newest = std::count(line.begin(), line.end(), '|') == 1;
  version.inputs = read_parameters(take(&line, ">"));
  version.outputs = read_parameters(take(&line, "|"));
  for_each_word(take(&line, "|"), [&](std::string_view word) { version.sets.push_back(number_of(word)); });
  for_each_word(line, [&](std::string_view word) {
    const bool required = word.front() == '!';
    if (required) word.remove_prefix(1);
    version.attrs.push_back(word);
    if (required) version.required.push_back(word);
  });
  return version;
}

std::vector<OpHistory::Parameter> OpHistory::read_parameters(std::string_view text) {
  std::vector<Parameter> parameters;
  for_each_word(text, [&](std::string_view word) {
    Parameter parameter;
    parameter.variable = word.back();
    parameter.optional = word.front() == '?';
    parameter.mixed = word.front() == '+';
    parameter.variadic = parameter.mixed || word.front() == '*';
    if (parameter.variadic) parameter.min_count = number_of(word.substr(1, 1));
    parameters.push_back(parameter);
  });
  return parameters;
}

const std::vector<OpHistory::Version>* OpHistory::versions(std::string_view op) const {
  const auto at = versions_.find(op);
  return at == versions_.end() ? nullptr : &at->second;
}

const OpHistory::Version* OpHistory::version_at(const std::vector<Version>& versions, int opset) {
  const Version* found = nullptr;
  for (const Version& version : versions) {
    if (version.since <= opset) found = &version;
  }
  return found;
}

std::string OpHistory::misfit_of_values(const char* what, const std::vector<const ValueType*>& values,
                                        const std::vector<Parameter>& parameters, Types* types) {
  const auto nth = [&](size_t i) { return cat("its ", what, " ", i); };
  for (size_t i = 0; i < values.size(); ++i) {
    const bool is_more = i >= parameters.size();
    if (is_more && (parameters.empty() || !parameters.back().variadic)) return cat(nth(i), " came later");
    const Parameter& parameter = is_more ? parameters.back() : parameters[i];
    if (values[i] == nullptr) {
      if (!parameter.optional) return cat(nth(i), " had to be given");
    } else if (!types->take(parameter, *values[i])) {
      return cat(nth(i), " could not be ", values[i]->text());
    }
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    const size_t least = parameter.optional ? 0 : parameter.variadic ? static_cast<size_t>(parameter.min_count) : 1;
    if (least > 0 && values.size() < i + least) return cat(nth(values.size()), " had to be given");
  }
  return {};
}

std::string OpHistory::misfit_of_attrs(const NodeForm& node, const Version& version) {
  const auto among = [](const std::vector<std::string_view>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto& [name, value] : node.attrs) {
    if (among(version.attrs, name)) continue;
    const AttrDef* def = node.def.find_attr(name);
    if (def != nullptr && def->is_hint) continue;
    if (def != nullptr && def->default_value && node.def.held(*def->default_value) == value) continue;
    return cat("its attribute '", name, "' came later");
  }
  for (std::string_view name : version.required) {
    if (!node.attrs.has(name)) return cat("its attribute '", name, "' had to be given");
  }
  return {};
}

std::string OpHistory::misfit(const NodeForm& node, const Version& version) {
  if (version.is_gone) return "it is no longer in use";
  std::string why = version.newest ? std::string() : misfit_of_attrs(node, version);
  Types types(version.sets);
  if (why.empty()) why = misfit_of_values("input", node.inputs, version.inputs, &types);
  if (why.empty()) why = misfit_of_values("output", node.outputs, version.outputs, &types);
  return why;
}

std::string OpHistory::misfit(const NodeForm& node, int opset) const {
  const std::vector<Version>* all = versions(node.op);
  if (all == nullptr) return {};
  const Version* version = version_at(*all, opset);
  return version == nullptr ? "there was no such operator" : misfit(node, *version);
}

bool OpHistory::has_attr(std::string_view op, std::string_view name, int opset) const {
  const std::vector<Version>* all = versions(op);
  if (all == nullptr) return true;
  const Version* version = version_at(*all, opset);
  if (version == nullptr || version->is_gone) return false;
  return version->newest || std::find(version->attrs.begin(), version->attrs.end(), name) != version->attrs.end();
}

bool OpHistory::is_newest(std::string_view op, int opset) const {
  const std::vector<Version>* all = versions(op);
  if (all == nullptr) return true;
  const Version* version = version_at(*all, opset);
  return version != nullptr && version->newest;
}

int ir_version_of(int opset) {
  constexpr int kOfOpsets[] = {3, 3, 4, 5, 6, 7, 7, 7, 8, 8, 8, 8, 9, 9};  // 7 to 20
  const size_t at = static_cast<size_t>(opset - kOldestSavedOpset);
  return at < std::size(kOfOpsets) ? kOfOpsets[at] : kIrVersion;
}

}  // namespace weft::onnx
