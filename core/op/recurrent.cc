#include "core/op/recurrent.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/base/text.h"

namespace weft {
namespace {

using Kind = Activation::Kind;

struct ActivationRow {
  const char* name;  // in small letters: writers of files differ in that
  Kind kind;
  bool has_alpha, has_beta;
  double alpha, beta;  // NaN: must be given
};
constexpr ActivationRow kActivations[] = {
    {"relu", Kind::kRelu, false, false, 0, 0},
    {"tanh", Kind::kTanh, false, false, 0, 0},
    {"sigmoid", Kind::kSigmoid, false, false, 0, 0},
    {"affine", Kind::kAffine, true, true, 1, 0},
    {"leakyrelu", Kind::kLeakyRelu, true, false, 0.01, 0},
    {"thresholdedrelu", Kind::kThresholdedRelu, true, false, 1, 0},
    {"scaledtanh", Kind::kScaledTanh, true, true, NAN, NAN},
    {"hardsigmoid", Kind::kHardSigmoid, true, true, 0.2, 0.5},
    {"elu", Kind::kElu, true, false, 1, 0},
    {"softsign", Kind::kSoftsign, false, false, 0, 0},
    {"softplus", Kind::kSoftplus, false, false, 0, 0},
};

// A list of numbers that functions take theirs from, in turn.
class Numbers {
 public:
  Numbers(const Attrs& attrs, const char* name) : name_(name) {
    if (const AttrValue* value = attrs.find(name)) values_ = value->floats();
  }
  Status take(const std::string& function, double otherwise, double* to) {
    if (used_ < values_.size()) {
      *to = values_[used_++];
    } else if (std::isnan(otherwise)) {
      return invalid("activation '", function, "' needs a number of '", name_, "', which has ", values_.size());
    } else {
      *to = static_cast<double>(static_cast<float>(otherwise));  // as attributes are held
    }
    return {};
  }
  Status check_all_used() const {
    if (used_ == values_.size()) return {};
    return invalid("attribute '", name_, "' has ", values_.size(), " numbers but the activations take ", used_);
  }

 private:
  const char* name_;
  std::vector<double> values_;
  size_t used_ = 0;
};

Result<std::vector<Activation>> read_activations(const Recurrent& form, const Attrs& attrs) {
  std::vector<std::string> names;
  if (const AttrValue* value = attrs.find("activations")) names = value->strings();
  if (names.empty()) {
    static const char* const kDefaults[3][3] = {{"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
    for (int64_t i = 0; i < form.directions * form.functions(); ++i) {
      names.emplace_back(kDefaults[static_cast<int>(form.cell)][i % form.functions()]);
    }
  }
  const int64_t wanted = form.directions * form.functions();
  if (static_cast<int64_t>(names.size()) != wanted) {
    return invalid("attribute 'activations' has ", names.size(), " names but must have ", wanted);
  }
  Numbers alphas(attrs, "activation_alpha"), betas(attrs, "activation_beta");
  std::vector<Activation> out;
  for (const std::string& name : names) {
    std::string small = name;
    for (char& letter : small) {
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    }
    const auto* row = std::find_if(std::begin(kActivations), std::end(kActivations),
                                   [&](const ActivationRow& row) { return small == row.name; });
    if (row == std::end(kActivations)) {
      return invalid("attribute 'activations' has '", name,
                     "' but must have Relu, Tanh, Sigmoid, Affine, LeakyRelu, ThresholdedRelu, ScaledTanh, "
                     "HardSigmoid, Elu, Softsign or Softplus");
    }
    Activation activation{row->kind, 0, 0};
    if (row->has_alpha) WEFT_CHECK(alphas.take(name, row->alpha, &activation.alpha));
    if (row->has_beta) WEFT_CHECK(betas.take(name, row->beta, &activation.beta));
    out.push_back(activation);
  }
  WEFT_CHECK(alphas.check_all_used());
  WEFT_CHECK(betas.check_all_used());
  return out;
}

}  // namespace

Result<Recurrent> read_recurrent(CellKind cell, const Attrs& attrs) {
  Recurrent form;
  form.cell = cell;
  const std::string& direction = attrs.s("direction");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return invalid("attribute 'direction' is '", direction, "' but must be forward, reverse or bidirectional");
  }
  form.directions = direction == "bidirectional" ? 2 : 1;
  form.backwards = direction == "reverse";
  const int64_t layout = attrs.i("layout");
  if (layout != 0 && layout != 1) return invalid("attribute 'layout' is ", layout, " but must be 0 or 1");
  form.batch_first = layout == 1;
  if (cell == CellKind::kGru) form.linear_before_reset = attrs.b("linear_before_reset");
  if (cell == CellKind::kLstm) form.input_forget = attrs.b("input_forget");
  if (const AttrValue* clip = attrs.find("clip")) {
    form.clip = clip->f();
    if (!(form.clip > 0)) return invalid("attribute 'clip' is ", form.clip, " but must be positive");
  }
  WEFT_TRY(form.activations, read_activations(form, attrs));
  return form;
}

}  // namespace weft
