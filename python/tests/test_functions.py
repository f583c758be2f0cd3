"""Models with functions of their own: what they give is what onnxruntime gives once onnx has put their nodes in place."""

import numpy as np
import onnx
import onnx.inliner
import onnx.parser
import onnxruntime

import weft.backend

MODEL = """
<ir_version: 10, opset_import: ["": 21, "own": 1]>
net (float[2, 3] x, float[3] s) => (float[2, 3] y, float[2, 3] z)
{
    h = own.Block <axis = 1, alpha = 0.5> (x, s)
    y = own.Block <alpha = 0.25> (h)
    z = own.Old (y)
}
<domain: "own", opset_import: ["": 21]>
Bend <alpha> (a) => (b)
{
    half = Constant <value: tensor = float {0.3}> ()
    low = Sub (a, half)
    b = LeakyRelu <alpha: float = @alpha> (low)
}
<domain: "own", opset_import: ["": 11]>
Old (a) => (b)
{
    h = Unsqueeze <axes: ints = [0]> (a)
    b = Squeeze <axes: ints = [0]> (h)
}
<domain: "own", opset_import: ["": 21, "own": 1]>
Block <axis, alpha> (a, scale) => (b)
{
    n = Softmax <axis: int = @axis> (a)
    e = own.Bend <alpha: float = @alpha> (n)
    b = Add (e, a)
}
"""


def test_functions_give_what_onnx_says() -> None:
    model = onnx.parser.parse_model(MODEL)
    inputs = {"x": np.arange(6, dtype="f4").reshape(2, 3) / 3 - 1, "s": np.ones(3, "f4")}
    inlined = onnx.inliner.inline_local_functions(model, convert_version=True)
    expected = onnxruntime.InferenceSession(inlined.SerializeToString()).run(["y"], inputs)[0]
    result = weft.backend.run_model(model, inputs)
    np.testing.assert_allclose(result.y, expected, rtol=1e-5)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(result.z, result.y)  # type: ignore[attr-defined]
