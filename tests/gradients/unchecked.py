"""What random cases do not check, and why."""

OPTIONAL = "an optional has no elements to move; tests/core/runtime/optional_test.cc has it"
F32 = "its outputs are f32, too coarse for differences; tests/core/ops/model_gradient_test.cc has it"

# Operators that have a gradient.
UNCHECKED = {
    "DynamicQuantizeLinear": "its scale is f32, too coarse for differences; "
    "tests/core/ops/gradient_conventions_test.cc has it",
    "Optional": OPTIONAL,
    "OptionalGetElement": OPTIONAL,
    "QuantizeLinear": "it goes in steps; tests/core/ops/quantize_gradient_test.cc has it",
    "Range": "random limits are where the number of numbers changes; tests/ops/Range.case has others",
    "Unique": "equal elements move together or part",
    "ai.onnx.ml.Imputer": "elements that equal what is replaced are at a step",
    "ai.onnx.ml.FeatureVectorizer": F32,
    "ai.onnx.ml.LinearClassifier": F32,
    "ai.onnx.ml.LinearRegressor": F32,
    "ai.onnx.ml.Normalizer": F32,
    "ai.onnx.ml.SVMClassifier": F32,
    "ai.onnx.ml.SVMRegressor": F32,
    "ai.onnx.ml.Scaler": F32,
}

# Operators whose gradients, or those of these, need sizes of inputs: steps, channels.
SIZED = ("CausalConvWithState", "GRU", "LSTM", "RNN")

# Inputs of floats that no gradient flows to, as each operator's text says, and regions, of which random ones lie on kinks:
# those of the cases in tests/ops lie beside them.
STILL = {
    "MaxRoiPool": ("rois",),
    "Resize": ("roi",),
    "RoiAlign": ("rois",),
}
