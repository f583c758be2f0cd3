// Gradients of operators whose inputs have no shapes before the run, beside those with shapes. Expected values: numpy's, by
// central differences.
#include <gtest/gtest.h>

#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct Given {
  DType dtype;
  Shape shape;
  std::vector<double> values;  // whole numbers where they are integers
};

struct Graded {
  const char* name;
  const char* op;
  Attrs attrs;
  int outputs;
  std::vector<Given> inputs;
  std::pair<Shape, std::vector<double>> cotangent;  // of the first output
  std::vector<std::vector<double>> gradients;       // by the inputs of f64
  int known = -1;                                   // the input that has its shape in any case
};

Tensor tensor_of(const Given& given) {
  if (given.dtype == DType::kF64) return *Tensor::vector<double>(given.values).reshaped(given.shape);
  if (given.dtype == DType::kI32) {
    return *Tensor::vector<int32_t>({given.values.begin(), given.values.end()}).reshaped(given.shape);
  }
  return *Tensor::vector<int64_t>({given.values.begin(), given.values.end()}).reshaped(given.shape);
}

// The gradients by the inputs of f64, in their order, with zeros for those to which none flows.
Result<std::vector<Tensor>> gradients_of(const Graded& g, bool with_shapes) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  std::vector<Expr> inputs;
  std::vector<ValueId> feeds, moved;
  std::vector<Tensor> values;
  const auto add = [&](const Given& given, bool with_shape) {
    const ValueType type =
        with_shape ? ValueType::tensor(given.dtype, to_dims(given.shape)) : ValueType::unranked(given.dtype);
    feeds.push_back(*graph->add_input(cat("x", feeds.size()), type));
    values.push_back(tensor_of(given));
    return feeds.back();
  };
  for (const Given& given : g.inputs) {
    const ValueId id = add(given, with_shapes || static_cast<int>(inputs.size()) == g.known);
    inputs.emplace_back(scope, id);
    if (given.dtype == DType::kF64) moved.push_back(id);
  }
  const Expr y = make_all(scope, g.op, inputs, g.attrs, g.outputs)[0];
  WEFT_CHECK(scope.status());
  const ValueId cotangent = add({DType::kF64, g.cotangent.first, g.cotangent.second}, with_shapes);
  WEFT_TRY(std::vector<ValueId> found, differentiate(*graph, {y.id()}, moved, {cotangent}));
  for (size_t k = 0; k < found.size(); ++k) {
    if (found[k] == kNoValue) found[k] = fill_like(Expr(scope, moved[k]), 0).id();
  }
  WEFT_TRY(auto session, Session::make(graph, {}));
  std::vector<Tensor> outputs;
  WEFT_CHECK(session->run({feeds, found, {}}, values, {}, &outputs));
  return outputs;
}

const std::vector<Graded> kGraded = {
    {"products of matrices that broadcast",
     "MatMul",
     {},
     1,
     {{DType::kF64, {2, 1, 2, 2}, {-1.49, 0, 0.41, -1.89, -1.41, 1.71, -1.72, -1.48}},
      {DType::kF64, {2, 3}, {1.79, 0.49, -0.52, 0.05, 0.65, -0.9}}},
     {{2, 1, 2, 3}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93, 0.23, -0.99, 0.02, 0.99}},
     {{1.9546, 0.54, 1.8821, 1.2025, -0.5231, 0.3735, -2.2771, -0.9275},
      {1.2075, -0.4411, -1.0927, -0.5463, 0.2755, 0.459}}},
    {"a vector times matrices",
     "MatMul",
     {},
     1,
     {{DType::kF64, {2}, {-1.45, 1.15}}, {DType::kF64, {2, 2, 2}, {0.68, 0.05, 1.27, 0.2, 1.92, -1.18, 0.21, -0.07}}},
     {{2, 2}, {0.96, -0.42, -0.85, 0.63}},
     {{-1.7436, 0.9126}, {-1.392, 0.609, 1.104, -0.483, 1.2325, -0.9135, -0.9775, 0.7245}}},
    {"matrices times a vector",
     "MatMul",
     {},
     1,
     {{DType::kF64, {2, 2, 3}, {-0.59, 0.37, -1.06, 1.21, 1.47, -1.48, -0.13, -0.89, -1.67, 1.58, -0.28, -1.41}},
      {DType::kF64, {3}, {0.69, -1.19, 1.61}}},
     {{2, 2}, {0.96, -0.42, -0.85, 0.63}},
     {{0.6624, -1.1424, 1.5456, -0.2898, 0.4998, -0.6762, -0.5865, 1.0115, -1.3685, 0.4347, -0.7497, 1.0143},
      {0.0313, 0.3179, 0.1352}}},
    {"two vectors",
     "MatMul",
     {},
     1,
     {{DType::kF64, {3}, {-1.13, -1.87, -1.2}}, {DType::kF64, {3}, {-0.62, -0.12, 1.62}}},
     {{}, {0.96}},
     {{-0.5952, -0.1152, 1.5552}, {-1.0848, -1.7952, -1.152}}},
    {"tiles",
     "Tile",
     {},
     1,
     {{DType::kF64, {2, 3}, {0.79, -0.64, -1.93, -1.36, 1.99, -0.16}}, {DType::kI64, {2}, {2, 1}}},
     {{4, 3}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93, 0.23, -0.99, 0.02, 0.99}},
     {{0.48, 0.51, -0.62, -0.36, 0.7, 0.18}}},
    {"tiles of a scalar", "Tile", {}, 1, {{DType::kF64, {}, {1.5}}, {DType::kI64, {0}, {}}}, {{}, {0.96}}, {{0.96}}},
    {"largest along the first axis",
     "TopK",
     {{"axis", int64_t{0}}},
     2,
     {{DType::kF64, {3, 2}, {0.76, -1.78, -1.86, 1.38, 0.35, -0.77}}, {DType::kI64, {1}, {2}}},
     {{2, 2}, {0.96, -0.42, -0.85, 0.63}},
     {{0.96, 0, 0, -0.42, -0.85, 0.63}}},
    {"largest along the last axis",
     "TopK",
     {{"axis", int64_t{-1}}},
     2,
     {{DType::kF64, {2, 3}, {-0.73, -1.64, -1.31, -1.9, 1.36, -0.13}}, {DType::kI64, {1}, {2}}},
     {{2, 2}, {0.96, -0.42, -0.85, 0.63}},
     {{0.96, 0, -0.42, 0, -0.85, 0.63}}},
    {"a convolution with a bias",
     "Conv",
     {},
     1,
     {{DType::kF64, {2, 1, 3}, {-1.49, 0.96, -1.22, -1.75, 0.39, 1.58}},
      {DType::kF64, {2, 1, 2}, {-1.89, 1.22, -1.24, -1.63}},
      {DType::kF64, {2}, {-1.93, -0.83}}},
     {{2, 2, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93}},
     {{-0.7604, 2.5693, -1.5393, -0.69, 1.9897, -2.5041}, {-3.3395, 0.4194, 3.074, -0.3024}, {0.41, 0.23}}},
    {"a transposed convolution with a bias",
     "ConvTranspose",
     {},
     1,
     {{DType::kF64, {1, 2, 2}, {0.91, -0.03, 1.41, -1.13}},
      {DType::kF64, {2, 1, 2}, {-0.74, -0.97, 1.91, 1.76}},
      {DType::kF64, {1}, {-0.64}}},
     {{1, 1, 3}, {0.96, -0.42, -0.85}},
     {{-0.303, 1.1353, 1.0944, -2.2982}, {0.8862, -0.3567, 1.8282, 0.3683}, {-0.31}}},
    {"places of each sample",
     "GatherND",
     {{"batch_dims", int64_t{1}}},
     1,
     {{DType::kF64, {2, 3, 2}, {-0.26, -0.74, 0.99, -1.84, -1.73, -0.38, -1.02, 1.38, 0.97, 0.18, 0.65, 0.77}},
      {DType::kI64, {2, 2, 1}, {1, 1, 0, 2}}},
     {{2, 2, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93}},
     {{0, 0, 0.11, 0.21, 0, 0, 0.68, -0.81, 0, 0, -0.48, 0.93}}},
    {"elements that are replaced",
     "ScatterElements",
     {{"axis", int64_t{0}}},
     1,
     {{DType::kF64, {3, 3}, {1.12, 1.71, -1.4, 0.5, -1.43, -0.23, 1.15, 1.58, 1.04}},
      {DType::kI64, {2, 2}, {1, -1, 1, 0}},
      {DType::kF64, {2, 2}, {-1.86, -0.56, -1.35, 2}}},
     {{3, 3}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93, 0.23}},
     {{0.96, 0, -0.85, 0, 0.68, -0.81, -0.48, 0, 0.23}, {0, 0.93, 0.63, -0.42}}},
    {"elements that are multiplied",
     "ScatterElements",
     {{"axis", int64_t{-1}}, {"reduction", "mul"}},
     1,
     {{DType::kF64, {3, 3}, {-1.42, -1.02, -0.57, -1.76, 1.48, 0.55, -1.36, -0.01, -1.69}},
      {DType::kI64, {2, 2}, {1, -1, 1, 0}},
      {DType::kF64, {2, 2}, {0.44, -1.07, -1.85, -1.54}}},
     {{3, 3}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93, 0.23}},
     {{0.96, -0.1848, 0.9095, -0.9702, -1.258, -0.81, -0.48, 0.93, 0.23}, {0.4284, 0.4845, 1.0064, -1.1088}}},
    {"the greatest of elements",
     "ScatterElements",
     {{"axis", int64_t{1}}, {"reduction", "max"}},
     1,
     {{DType::kF64, {2, 3}, {0.22, 0.55, -0.7, 0.57, -0.59, -1.48}},
      {DType::kI64, {2, 2}, {1, -1, 1, 0}},
      {DType::kF64, {2, 2}, {-0.74, -0.42, 1.65, -1.54}}},
     {{2, 3}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81}},
     {{0.96, -0.42, 0, 0.63, 0, -0.81}, {0, -0.85, 0.68, 0}}},
    {"entries of a cache",
     "TensorScatter",
     {{"axis", int64_t{1}}},
     1,
     {{DType::kF64, {2, 3, 2}, {-1.66, 0.25, 1.85, 1.63, 0.8, -1.73, 1.23, 0.73, -1.42, -0.14, -1.8, 1.21}},
      {DType::kF64, {2, 1, 2}, {0.87, 1.22, 1.04, -0.93}},
      {DType::kI64, {2}, {2, 0}}},
     {{2, 3, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93, 0.23, -0.99, 0.02, 0.99}},
     {{0.96, -0.42, -0.85, 0.63, 0, 0, 0, 0, 0.23, -0.99, 0.02, 0.99}, {0.68, -0.81, -0.48, 0.93}}},
    {"entries along the last axis but one",
     "TensorScatter",
     {},
     1,
     {{DType::kF64, {2, 3, 2}, {1.16, -1, -1.45, -0.44, -0.01, -0.86, 0.42, 0.41, -1.04, 0.49, -0.57, 0.94}},
      {DType::kF64, {2, 2, 2}, {-0.84, 1.2, -0.34, 0.21, 0.69, 0.07, -0.97, 1.92}},
      {DType::kI64, {2}, {1, 0}}},
     {{2, 3, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93, 0.23, -0.99, 0.02, 0.99}},
     {{0.96, -0.42, 0, 0, 0, 0, 0, 0, 0, 0, 0.02, 0.99}, {-0.85, 0.63, 0.68, -0.81, -0.48, 0.93, 0.23, -0.99}}},
    {"the mean loss of log-probabilities",
     "NegativeLogLikelihoodLoss",
     {{"ignore_index", int64_t{2}}},
     1,
     {{DType::kF64, {2, 3, 2}, {-1.62, -0.7, 0.2, -1.89, -1.38, 1.2, 1.14, 0.55, 1.61, 1.02, -0.8, 0.58}},
      {DType::kI64, {2, 2}, {0, 1, 2, 1}},
      {DType::kF64, {3}, {0.5, 1.25, 2}}},
     {{}, {0.96}},
     {{-0.16, 0, 0, -0.4, 0, 0, 0, 0, 0, -0.4, 0, 0}, {0.316, -0.1264, 0}}},
    {"the loss of scores",
     "SoftmaxCrossEntropyLoss",
     {{"reduction", "sum"}, {"ignore_index", int64_t{2}}},
     1,
     {{DType::kF64, {2, 3, 2}, {-0.64, 1, -0.46, -1.39, 1.51, 0.76, 0.98, 0.24, 1.13, -0.21, 0.26, -1.75}},
      {DType::kI64, {2, 2}, {0, 1, 2, 1}},
      {DType::kF64, {3}, {0.5, 1.25, 2}}},
     {{}, {0.96}},
     {{-0.43548167, 0.63889002, 0.05329812, -1.14145871, 0.38218355, 0.50256869, 0, 0.67631407, 0, -0.76876311, 0,
       0.09244904},
      {2.2827697, 3.88201323, 0}}},
    {"half a spectrum",
     "DFT",
     {{"onesided", int64_t{1}}},
     1,
     {{DType::kF64, {1, 4, 1}, {0.22, 1.26, 0.82, 1.21}}},
     {{1, 3, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81}},
     {{0.79, -0.35, 2.49, 0.91}}},
    {"what half a spectrum is of",
     "DFT",
     {{"onesided", int64_t{1}}, {"inverse", int64_t{1}}},
     1,
     {{DType::kF64, {1, 3, 2}, {-0.02, 1.53, -1.57, 1.5, -0.51, -1.64}}},
     {{1, 4, 1}, {0.96, -0.42, -0.85, 0.63}},
     {{0.08, 0, 0.905, 0.525, -0.025, 0}}},
    {"the means of planes",
     "GlobalAveragePool",
     {},
     1,
     {{DType::kF64, {1, 2, 2, 2}, {0.48, -0.18, -0.29, 1.41, -1.45, 0.47, -0.34, 0.11}}},
     {{1, 2, 1, 1}, {0.96, -0.42}},
     {{0.24, 0.24, 0.24, 0.24, -0.105, -0.105, -0.105, -0.105}}},
    {"the greatest of planes",
     "GlobalMaxPool",
     {},
     1,
     {{DType::kF64, {1, 2, 2, 2}, {0, -1.46, 0.05, 1.45, -1.32, -1.95, -1.73, -0.16}}},
     {{1, 2, 1, 1}, {0.96, -0.42}},
     {{0, 0, 0, 0.96, 0, 0, 0, -0.42}}},
    {"the norms of lines",
     "GlobalLpPool",
     {},
     1,
     {{DType::kF64, {1, 2, 3}, {1.9, -1.82, 1.96, 0.14, -1.52, -0.33}}},
     {{1, 2, 1}, {0.96, -0.42}},
     {{0.55595289, -0.53254434, 0.57350929, -0.03765133, 0.40878588, 0.08874957}}},
    {"orthonormal columns",
     "weft.Qr",
     {},
     2,
     {{DType::kF64, {3, 2}, {-1.17, 0.86, 0.17, -0.85, -0.98, 1.47}}},
     {{3, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81}},
     {{0.24173313, -0.03995034, 0.04793105, 0.06009337, -0.28028519, 0.05812017}}},
    {"inverses",
     "weft.Inverse",
     {},
     1,
     {{DType::kF64, {2, 2, 2}, {1.06, -0.26, -0.38, 0.95, 1.88, -1.68, -1.36, -0.55}}},
     {{2, 2, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93}},
     {{-0.62807577, -0.06624902, 0.57417357, -0.41776506, -0.31213989, -0.16513932, -0.04713524, -0.0957914}}},
    {"solutions",
     "weft.Solve",
     {},
     1,
     {{DType::kF64, {2, 2}, {0.03, -1.71, -1.79, -1.12}}, {DType::kF64, {2, 1}, {-0.46, 0.96}}},
     {{2, 1}, {0.96, -0.42}},
     {{0.41149773, -0.15160242, -0.36690192, 0.1351726}, {0.59040233, -0.52641784}}},
    {"a product by an equation",
     "Einsum",
     {{"equation", "ij,jk->ki"}},
     1,
     {{DType::kF64, {2, 3}, {0.44, -1.88, -1.82, -0.19, 1.5, 1.66}},
      {DType::kF64, {3, 2}, {-0.54, 1.55, 1.72, -0.37, 0.98, -0.54}}},
     {{2, 2}, {0.96, -0.42, -0.85, 0.63}},
     {{-1.8359, 1.9657, 1.3998, 1.2033, -0.9555, -0.7518}, {0.5022, -0.4937, -2.4348, 2.543, -2.4444, 2.5928}}},
    {"maxima put back",
     "MaxUnpool",
     {{"kernel_shape", std::vector<int64_t>{2}}, {"strides", std::vector<int64_t>{2}}},
     1,
     {{DType::kF64, {1, 1, 2}, {-1.39, 0.3}}, {DType::kI64, {1, 1, 2}, {1, 2}}},
     {{1, 1, 4}, {0.96, -0.42, -0.85, 0.63}},
     {{-0.42, -0.85}}},
    {"places between pixels",
     "GridSample",
     {{"align_corners", int64_t{1}}},
     1,
     {{DType::kF64, {1, 1, 3, 3}, {-1.65, 0.65, 1.24, 1.66, -0.21, -1.53, 1.61, 1.48, 1.87}},
      {DType::kF64, {1, 1, 2, 2}, {0.3, -0.4, -0.7, 0.6}}},
     {{1, 1, 1, 2}, {0.96, -0.42}},
     {{0, 0.2688, 0.1152, -0.1176, 0.3528, 0.1728, -0.1764, -0.0756, 0}, {-0.53376, -1.37568, 0.34692, -0.19824}},
     1},
    {"channels by given statistics",
     "BatchNormalization",
     {},
     1,
     {{DType::kF64, {2, 2, 2}, {0.38, 0.69, -0.51, -1.27, -0.83, 0.88, -0.7, 0.77}},
      {DType::kF64, {2}, {0.01, -0.2}},
      {DType::kF64, {2}, {1.87, -1.34}},
      {DType::kF64, {2}, {-0.05, -1.36}},
      {DType::kF64, {2}, {1.91, 1.23}}},
     {{2, 2, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93}},
     {{0.0069463, -0.00303901, 0.15328321, -0.11360991, 0.00492029, -0.00586094, 0.08655993, -0.16770987},
      {-0.85504587, 0.90013314},
      {0.41, 0.23},
      {-0.00296665, 0.04147663},
      {0.00223833, 0.07318096}}},
    {"channels by those of the batch",
     "BatchNormalization",
     {{"training_mode", int64_t{1}}},
     1,
     {{DType::kF64, {2, 2, 2}, {-0.67, -1.33, 0.38, -0.4, -1.49, -1.87, -0.43, 0.33}},
      {DType::kF64, {2}, {0.08, 1.6}},
      {DType::kF64, {2}, {1.65, 1.75}},
      {DType::kF64, {2}, {1.2, -0.09}},
      {DType::kF64, {2}, {1.29, 1.1}}},
     {{2, 2, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93}},
     {{-0.00054021, -0.0987451, -3.6091113, 2.23423901, 0.14205285, -0.04276754, -2.38346677, 3.75833906},
      {2.22795307, -0.14212926},
      {0.41, 0.23},
      {0, 0},
      {0, 0}}},
    {"planes of images",
     "InstanceNormalization",
     {},
     1,
     {{DType::kF64, {1, 2, 2, 2}, {-0.4, -1.83, 1.2, -1.02, -1.88, -0.13, 0.87, -0.26}},
      {DType::kF64, {2}, {-0.54, 0.63}},
      {DType::kF64, {2}, {-1.35, -1.95}}},
     {{1, 2, 2, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93}},
     {{-0.439993, 0.38741284, 0.26423624, -0.21165608, -0.04948904, -0.506615, -0.01267577, 0.56877981},
      {-1.00255499, -1.74558988},
      {0.32, 0.32}}},
    {"groups of channels",
     "GroupNormalization",
     {{"num_groups", int64_t{1}}},
     1,
     {{DType::kF64, {1, 2, 3}, {0.37, 0.12, 1.46, -0.34, 1.14, -1.93}},
      {DType::kF64, {2}, {-1.89, 0.39}},
      {DType::kF64, {2}, {-1.1, -1.73}}},
     {{1, 2, 3}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81}},
     {{-1.83362331, 0.6063552, 0.92895512, 0.25181806, -0.18736959, 0.2338645},
      {-0.80973699, 1.86253096},
      {-0.31, 0.5}}},
    {"all axes but the first",
     "LayerNormalization",
     {{"axis", int64_t{1}}},
     1,
     {{DType::kF64, {2, 2, 2}, {-1.49, -0.5, -0.65, 0.26, 1.55, -0.54, -1.26, 0.31}},
      {DType::kF64, {2, 2}, {-1.99, -0.46, -0.73, -0.45}}},
     {{2, 2, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93}},
     {{-1.16520657, 0.72256294, 1.6372562, -1.19461257, -0.0860967, 0.2608494, -0.20920826, 0.03445556},
      {-0.38502615, 0.36553833, 0.6602976, 1.12921918}}},
    {"all axes but the first by their squares",
     "RMSNormalization",
     {{"axis", int64_t{1}}},
     1,
     {{DType::kF64, {2, 2, 2}, {-1.8, 0.22, 0.5, 1, 1.83, -0.58, 0.63, -0.23}},
      {DType::kF64, {2, 2}, {-1.14, 1.56, 0.98, 1.77}}},
     {{2, 2, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81, -0.48, 0.93}},
     {{-0.08749882, -0.72998751, -1.04311926, 0.5246799, -0.17018088, -1.43048734, -0.25876137, 1.54454319},
      {-0.39836285, 0.37531365, -0.69641093, 0.38107318}}},
    {"neighbouring channels",
     "LRN",
     {{"size", int64_t{3}}, {"alpha", 0.5}, {"bias", 1.5}},
     1,
     {{DType::kF64, {1, 3, 2}, {1.29, 1.67, -1.49, -1.94, -1.21, -0.35}}},
     {{1, 3, 2}, {0.96, -0.42, -0.85, 0.63, 0.68, -0.81}},
     {{0.34751554, -0.05524397, -0.30101436, 0.16801056, 0.40401521, -0.46998005}}},
    {"integers by a scale along an axis",
     "DequantizeLinear",
     {{"axis", int64_t{0}}},
     1,
     {{DType::kI32, {2, 2}, {1, -2, 3, 4}}, {DType::kF64, {2}, {0.75, -0.25}}},
     {{2, 2}, {0.96, -0.42, -0.85, 0.63}},
     {{1.8, -0.03}},
     1},
};

TEST(UnrankedGradient, IsThatWithShapes) {
  for (const Graded& g : kGraded) {
    for (bool with_shapes : {true, false}) {
      SCOPED_TRACE(cat(g.op, ": ", g.name, with_shapes ? ", with shapes" : ""));
      const Result<std::vector<Tensor>> found = gradients_of(g, with_shapes);
      EXPECT_TRUE(found.ok()) << found.status().text();
      if (!found.ok()) continue;
      ASSERT_EQ(found->size(), g.gradients.size());
      size_t input = 0;
      for (size_t k = 0; k < found->size(); ++k, ++input) {
        while (g.inputs[input].dtype != DType::kF64) ++input;
        const Tensor& gradient = (*found)[k];
        EXPECT_EQ(gradient.shape(), g.inputs[input].shape);
        if (gradient.shape() != g.inputs[input].shape) continue;
        for (int64_t i = 0; i < gradient.count(); ++i) {
          EXPECT_NEAR(gradient.as<double>()[i], g.gradients[k][static_cast<size_t>(i)], 1e-7)
              << "input " << input << " element " << i;
        }
      }
    }
  }
}

// Of all axes together there is one number, so that what wants its rank can be added: DynamicQuantizeLinear is made of such.
TEST(UnrankedValues, HaveOneSumOfAll) {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  const Expr x(scope, *graph->add_input("x", ValueType::unranked(DType::kF32)));
  const auto rank = [&](std::vector<Expr> inputs, const Attrs& attrs) {
    const Expr y = make(scope, "ReduceSum", std::move(inputs), attrs);
    return y.has_rank() ? y.rank() : -1;
  };
  EXPECT_EQ(rank({x}, {{"keepdims", int64_t{0}}}), 0);
  EXPECT_EQ(rank({x, constant_ints(scope, {})}, {{"keepdims", int64_t{0}}}), 0);
  EXPECT_EQ(rank({x, constant_ints(scope, {0})}, {{"keepdims", int64_t{0}}}), -1);
  EXPECT_EQ(rank({x}, {}), -1);
  EXPECT_EQ(rank({x}, {{"keepdims", int64_t{0}}, {"noop_with_empty_axes", int64_t{1}}}), -1);
  make_all(scope, "DynamicQuantizeLinear", {x}, {}, 3);
  EXPECT_TRUE(scope.status().ok()) << scope.status().text();
}

}  // namespace
}  // namespace weft
