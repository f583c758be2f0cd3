"""The optimizers of ai.onnx.preview.training, whose lists of tensors are alike."""

import numpy as np

from maker import Maker, rule

DOMAIN = "ai.onnx.preview.training."


@rule(DOMAIN + "Adagrad", DOMAIN + "Adam", DOMAIN + "Momentum")
def optimizer(m: Maker) -> None:
    states, least = 1, 1
    if m.op.endswith("Adam"):  # onnx.reference gives several tensors as f32, and one in whatever it was computed in
        m.bind("T3", "tensor(float)")
        states, least = 2, 2
    m.bind("T1", m.type("T3"))  # it gives the wider of the two
    m.input("R", (), 0.001, 0.5)
    m.give("T", m.integer(0, 20))
    shapes = [m.shape(high=2) for _ in range(m.integer(least, 3))]
    for _ in range(2 + states - 1):
        for shape in shapes:
            m.input("inputs", shape, -2, 2)
    for shape in shapes:  # squares, where the operator takes a root of it
        m.input("inputs", shape, 0, 4)
    m.outputs((1 + states) * len(shapes))
    if m.op.endswith("Momentum"):
        m.one_of("mode", "standard", "nesterov")
        for name in ("alpha", "beta", "norm_coefficient"):
            m.attr(name, m.real(0, 1))
    else:
        m.attr("epsilon", float(np.float32(m.choose([1e-6, 1e-3]))))
        m.maybe("norm_coefficient", m.real(0, 0.5))
    if m.op.endswith("Adam"):
        m.attr("alpha", m.choose([0.9, 0.5]))
        m.attr("beta", m.choose([0.999, 0.75]))
        m.maybe("norm_coefficient_post", m.real(0, 0.5))
    elif m.op.endswith("Adagrad"):
        m.maybe("decay_factor", m.real(0, 0.5))
