"""Functions of single elements, with their kinks where PyTorch takes the same side, and broadcasting ones."""

import torch
import torch.nn.functional as F

from golden.making import case, f32, real

UNARY = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": F.hardswish,
    "Identity": lambda x: x * 1,
    "Log": torch.log,
    "Mish": F.mish,
    "Neg": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Round": torch.round,
    "Selu": lambda x: SELU_GAMMA * torch.where(x > 0, x, SELU_ALPHA * torch.expm1(x)),
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Softplus": lambda x: F.softplus(x, threshold=100),
    "Softsign": F.softsign,
    "Sqrt": torch.sqrt,
    "Swish": F.silu,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
    "Gelu": F.gelu,
}
SELU_ALPHA, SELU_GAMMA = f32(1.67326319217681884765625), f32(1.05070102214813232421875)
RANGES = {
    "Acos": (-0.95, 0.95),
    "Acosh": (1.1, 5.0),
    "Asin": (-0.95, 0.95),
    "Atanh": (-0.95, 0.95),
    "Log": (0.1, 5.0),
    "Reciprocal": (0.2, 3.0),
    "Sqrt": (0.1, 5.0),
    "HardSwish": (-4.0, 4.0),
    "Mish": (-6.0, 6.0),
    "Softplus": (-30.0, 30.0),
    "Tan": (-1.3, 1.3),
}

for op, function in UNARY.items():
    low, high = RANGES.get(op, (-3.0, 3.0))
    case(op, [real(2, 5, low=low, high=high)], function, second=op != "HardSwish")
for op in ("Tanh", "Relu", "Exp", "Sigmoid"):
    case(op, [real()], UNARY[op], name="of a scalar", second=True)
    case(op, [real(2, 1, 2, 1, 2)], UNARY[op], name="of five axes")

# Kinks, and places far out.
case("Relu", [[-1.0, 0.0, 2.0]], torch.relu, name="at 0")
case("Abs", [[-1.0, 0.0, 2.0]], torch.abs, name="at 0")
case("HardSwish", [[-3.0, 3.0, 0.0, -4.0, 4.0]], F.hardswish, name="at its corners")
case("Sigmoid", [[-40.0, 40.0, -700.0, 700.0]], torch.sigmoid, name="far out", second=True)
case("Tanh", [[-25.0, 25.0, -1e-9]], torch.tanh, name="far out", second=True)
case("Mish", [[-90.0, 60.0]], F.mish, name="far out", second=True)
case("Erf", [[-5.5, 5.5, 1e-12]], torch.erf, name="far out")
case("Gelu", [[-9.0, 9.0, 0.0]], F.gelu, name="far out")
case(
    "Gelu", [real(2, 5, low=-4, high=4)], lambda x: F.gelu(x, approximate="tanh"), {"approximate": "tanh"}, "tanh", True
)
case("Gelu", [[-9.0, 9.0, 0.0]], lambda x: F.gelu(x, approximate="tanh"), {"approximate": "tanh"}, "tanh far out")

for alpha in (0.25, 1.5):
    x = real(2, 5, low=-3, high=3)
    case("Elu", [x], lambda x, a=alpha: F.elu(x, a), {"alpha": alpha}, f"alpha {alpha}", True)
    case("Celu", [x], lambda x, a=alpha: F.celu(x, a), {"alpha": alpha}, f"alpha {alpha}", True)
    case("LeakyRelu", [x], lambda x, a=alpha: F.leaky_relu(x, a), {"alpha": alpha}, f"alpha {alpha}", True)
    case("ThresholdedRelu", [x], lambda x, a=alpha: F.threshold(x, a, 0.0), {"alpha": alpha}, f"alpha {alpha}")
    case("Swish", [x], lambda x, a=alpha: x * torch.sigmoid(a * x), {"alpha": alpha}, f"alpha {alpha}", True)
    case("Shrink", [x], lambda x, a=alpha: F.hardshrink(x, a), {"lambd": alpha}, f"hard {alpha}")
    case("Shrink", [x], lambda x, a=alpha: F.softshrink(x, a), {"lambd": alpha, "bias": alpha}, f"soft {alpha}")
case("Elu", [[0.0, -0.0, 1.0]], lambda x: F.elu(x, 0.5), {"alpha": 0.5}, "at 0")
case("LeakyRelu", [[0.0, -1.0, 1.0]], lambda x: F.leaky_relu(x, 0.5), {"alpha": 0.5}, "at 0")
case("ThresholdedRelu", [[0.5, 0.25, 1.0]], lambda x: F.threshold(x, 0.5, 0.0), {"alpha": 0.5}, "at the threshold")
case("Shrink", [[-0.5, 0.5, 1.0]], lambda x: F.hardshrink(x, 0.5), {"lambd": 0.5}, "at the threshold")
case(
    "Selu",
    [real(2, 3)],
    lambda x: 1.5 * torch.where(x > 0, x, 0.5 * torch.expm1(x)),
    {"alpha": 0.5, "gamma": 1.5},
    "alpha and gamma",
    True,
)


def hard_sigmoid(alpha: float, beta: float) -> object:
    return lambda x: torch.clamp(alpha * x + beta, 0.0, 1.0)


case(
    "HardSigmoid", [real(2, 5, low=-5, high=5)], hard_sigmoid(0.25, 0.5), {"alpha": 0.25, "beta": 0.5}, "alpha and beta"
)
case(
    "HardSigmoid",
    [real(2, 5, low=-4, high=4)],
    hard_sigmoid(0.5, 0.25),
    {"alpha": 0.5, "beta": 0.25},
    "not in the middle",
)

# Slopes broadcast to x in one direction.
for shape, slope in (((2, 3), (3,)), ((2, 3, 4), (3, 1)), ((2, 3), (2, 1)), ((2, 3), ()), ((2, 3, 2), (1, 3, 2))):
    case(
        "PRelu",
        [real(*shape), real(*slope)],
        lambda x, s: torch.where(x > 0, x, s * x),
        name=f"{shape} {slope}",
        second=True,
    )
case("PRelu", [[0.0, -1.0, 1.0], [0.5]], F.prelu, name="at 0")

# Two that broadcast.
SHAPES = (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1, 3), (4, 1)), ((), (2, 2)), ((1,), ()), ((3, 1), (1, 3)))
BINARY = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Pow": torch.pow}
for op, function in BINARY.items():
    for a, b in SHAPES:
        first = real(*a, low=0.3, high=3) if op == "Pow" else real(*a)
        other = real(*b, low=0.4, high=2.5) if op == "Div" else real(*b)
        case(op, [first, other], function, name=f"{a} {b}", second=op in ("Mul", "Div", "Pow"))
for op, function in (("Max", torch.maximum), ("Min", torch.minimum)):
    for a, b in SHAPES[:3]:
        case(op, [real(*a), real(*b)], function, name=f"{a} {b}")
    case(op, [[1.0, 2.0], [1.0, 3.0]], function, name="of equals")
case("Mod", [real(2, 3, low=-5, high=5), real(3, low=0.5, high=2)], torch.fmod, {"fmod": 1}, "(2, 3) (3,)")
case(
    "Mod", [real(2, 1, low=-5, high=5), real(1, 3, low=-2, high=-0.5)], torch.fmod, {"fmod": 1}, "of negative divisors"
)
case("Pow", [[-1.5, -2.0, 0.5, 3.0], 3], lambda x, y: x**y, name="to an integer", second=True)
case("Pow", [[-1.5, 0.0, 0.5, 3.0], 2], lambda x, y: x**y, name="to 2 with a 0", second=True)
case("Pow", [[0.0, 2.0], [0.0, 0.0]], torch.pow, name="0 to 0")
case("Pow", [[0.0, 0.0], [2.0, 1.0]], torch.pow, name="0 to positives")
case("Sum", [real(2, 3), real(3), real(2, 1)], lambda a, b, c: a + b + c, name="of three")
case("Mean", [real(2, 3), real(3), real(2, 1)], lambda a, b, c: (a + b + c) / 3, name="of three")
case("Max", [real(2, 3), real(3), real(2, 1)], lambda a, b, c: torch.maximum(torch.maximum(a, b), c), name="of three")
case("Clip", [real(2, 5), -0.5, 1.25], torch.clamp, name="both bounds")
case("Clip", [real(2, 5), None, 0.25], lambda x, _, high: torch.clamp(x, max=high), name="above")
case("Clip", [real(2, 5), 0.25], lambda x, low: torch.clamp(x, min=low), name="below")
case(
    "Where", [[[True, False, True], [False, False, True]], real(2, 3), real(3)], torch.where, name="(2, 3) (2, 3) (3,)"
)
case("Where", [[[True], [False]], real(3), real(2, 1)], torch.where, name="(2, 1) (3,) (2, 1)")
