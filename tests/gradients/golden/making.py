"""What a golden case is made of: inputs that are drawn, and PyTorch's function of them."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from golden_file import salt_of_gradient, weights

Draw = Callable[[np.random.Generator], np.ndarray]
MADE: dict[str, dict[str, Any]] = {}


@dataclasses.dataclass
class Typed:
    """An input that no gradient is taken by, of a dtype that its numbers do not show: `kind` as in the file."""

    kind: str
    value: Any


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> Draw:
    """Numbers of two decimals, so that the file is small."""
    return lambda rng: np.round(rng.uniform(low, high, shape), 2)


def apart(*shape: int) -> Draw:
    """Numbers of which no two are close, so that an extreme stays the one that it is."""
    count = int(np.prod(shape))
    return lambda rng: np.round((rng.permutation(count).reshape(shape) - count / 2 + 0.3) * 0.17, 2)


def symmetric(*shape: int, add: float = 0.0) -> Draw:
    def draw(rng: np.random.Generator) -> np.ndarray:
        a = rng.uniform(-1, 1, shape)
        return np.round((a + a.swapaxes(-1, -2)) / 2, 2) + add * np.eye(shape[-1])

    return draw


def steep(*shape: int, add: float = 2.0) -> Draw:
    """Matrices that are far from singular: `add` on the diagonal."""
    return lambda rng: np.round(rng.uniform(-1, 1, shape), 2) + add * np.eye(*shape[-2:])


def f32(number: float) -> float:
    """What an attribute of f32 holds."""
    return float(np.float32(number))


def case(
    op: str,
    inputs: Sequence[Any],
    function: Callable[..., Any],
    attrs: Mapping[str, Any] | None = None,
    name: str = "",
    second: bool = False,
    tolerance: float | None = None,
    why: str = "",
) -> None:
    """One case: inputs are functions that draw, arrays or lists of floats as they are (gradients are taken by these),
    integers and truth values, `Typed`, or None. `function` takes them as tensors and gives the outputs."""
    attrs = dict(attrs or {})
    key = f"{op} {name}".strip() or op
    if key in MADE:
        raise ValueError(f"there are two cases {key!r}")
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    tensors, written, moved = [], [], []
    for item in inputs:
        if item is None:
            tensors.append(None)
            written.append(None)
            continue
        value = item.value if isinstance(item, Typed) else item
        array = np.asarray(value(rng) if callable(value) else value)
        tensor = torch.tensor(array)
        if isinstance(item, Typed):
            written.append({item.kind: array.tolist()})
        else:
            written.append(array.tolist())
            if array.dtype == np.float64:
                moved.append(tensor.requires_grad_())
        tensors.append(tensor)
    with torch.enable_grad():
        found = function(*tensors)
        outputs = list(found) if isinstance(found, (tuple, list)) else [found]
        gradients = gradient([(y, k) for k, y in enumerate(outputs)], moved, second)
    entry: dict[str, Any] = {"op": op, "name": name, "attrs": attrs, "inputs": written}
    entry["outputs"] = [numbers(y) for y in outputs]
    entry["gradients"] = [numbers(g, zeros=True) for g in gradients]
    if second:
        again = gradient([(g, salt_of_gradient(i)) for i, g in enumerate(gradients)], moved, False)
        entry["second"] = [numbers(g, zeros=True) for g in again]
    if tolerance is not None:
        entry["tolerance"], entry["why"] = tolerance, why
    MADE[key] = entry


def gradient(ys: list[tuple[torch.Tensor, int]], xs: list[torch.Tensor], again: bool) -> list[torch.Tensor]:
    parts = [(y * torch.tensor(weights(tuple(y.shape), salt))).sum() for y, salt in ys if y.requires_grad]
    if not parts:
        return [torch.zeros_like(x) for x in xs]
    return list(torch.autograd.grad(sum(parts), xs, create_graph=again, materialize_grads=True))


def numbers(tensor: torch.Tensor, zeros: bool = False) -> Any:
    """Ten digits, which is what comparisons look at; None for zeros only."""
    array = tensor.detach().numpy(force=True)
    if not np.isfinite(array).all():
        raise ValueError(f"there are no such numbers in the file: {array}")
    if zeros and not array.any():
        return None
    if array.dtype != np.float64:
        return array.tolist()
    return nested([short(x) for x in array.ravel().tolist()], array.shape)


def short(x: float) -> float:
    """Rounding's traces around 0 are none."""
    return 0.0 if abs(x) < 1e-15 else float(f"{x:.10g}")


def nested(flat: list[float], shape: tuple[int, ...]) -> Any:
    if not shape:
        return flat[0]
    size = len(flat) // shape[0] if shape[0] else 0
    return [nested(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]
