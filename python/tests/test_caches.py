"""Models that keep the keys and values of earlier tokens, from a cache without any on: as exporters write them, and as the
operator."""

from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import numpy_helper

import weft

HEADS, WIDTH = 2, 2  # each head's

MODEL = """
<ir_version: 10, opset_import: ["": 24]>
decode (double[n, new, 4] x, double[n, 2, past, 2] past_key, double[n, 2, past, 2] past_value)
    => (double[n, new, 4] y, double[n, 2, all, 2] present_key, double[n, 2, all, 2] present_value)
{
    product = MatMul (x, w)
    q_row, k_row, v_row = Split <axis = -1, num_outputs = 3> (product)
    split = Constant <value_ints = [0, -1, 2, 2]> ()
    joined = Constant <value_ints = [0, -1, 4]> ()
    q_parts = Reshape (q_row, split)
    k_parts = Reshape (k_row, split)
    v_parts = Reshape (v_row, split)
    q = Transpose <perm = [0, 2, 1, 3]> (q_parts)
    k = Transpose <perm = [0, 2, 1, 3]> (k_parts)
    v = Transpose <perm = [0, 2, 1, 3]> (v_parts)
    ATTENTION
    y_parts = Transpose <perm = [0, 2, 1, 3]> (heads)
    y = Reshape (y_parts, joined)
}
"""
OPERATOR = "heads, present_key, present_value = Attention <is_causal = 1> (q, k, v, , past_key, past_value)"
PIECES = """
    present_key = Concat <axis = 2> (past_key, k)
    present_value = Concat <axis = 2> (past_value, v)
    turned = Transpose <perm = [0, 1, 3, 2]> (present_key)
    products = MatMul (q, turned)
    scale = Constant <value = double {0.7071067811865476}> ()
    scaled = Mul (products, scale)
    zero = Constant <value = int64 {0}> ()
    one = Constant <value = int64 {1}> ()
    first = Constant <value_ints = [0]> ()
    second = Constant <value_ints = [1]> ()
    before = Shape <start = 2, end = 3> (past_key)
    new_axis = Shape <start = 2, end = 3> (q)
    all_axis = Shape <start = 2, end = 3> (present_key)
    new_count = Squeeze (new_axis, first)
    all_count = Squeeze (all_axis, first)
    keys = Range (zero, all_count, one)
    rows = Range (zero, new_count, one)
    places = Add (rows, before)
    column = Unsqueeze (places, second)
    allowed = LessOrEqual (keys, column)
    least = Constant <value = double {-1e30}> ()
    masked = Where (allowed, scaled, least)
    weights = Softmax <axis = -1> (masked)
    heads = MatMul (weights, present_value)
"""
FORMS = {"pieces": PIECES, "operator": OPERATOR}

Arrays = list[np.ndarray]


def model(form: str, w: np.ndarray) -> bytes:
    out = onnx.parser.parse_model(MODEL.replace("ATTENTION", FORMS[form]))
    out.graph.initializer.append(numpy_helper.from_array(w, "w"))
    onnx.checker.check_model(out)
    return bytes(out.SerializeToString())


def by_heads(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(*rows.shape[:2], HEADS, WIDTH).swapaxes(1, 2)


def decode(x: np.ndarray, past_key: np.ndarray, past_value: np.ndarray, w: np.ndarray) -> Arrays:
    """What the model is to give: y and the caches, longer by what is new."""
    q, k, v = (by_heads(part) for part in np.split(x @ w, 3, axis=-1))
    k, v = np.concatenate([past_key, k], axis=2), np.concatenate([past_value, v], axis=2)
    scores = q @ k.swapaxes(2, 3) / np.sqrt(WIDTH)
    last = past_key.shape[2] + np.arange(x.shape[1])[:, None]
    scores[..., np.arange(k.shape[2]) > last] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return [(weights @ v).swapaxes(1, 2).reshape(x.shape), k, v]


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Five tokens of two texts, and weights."""
    random = np.random.default_rng(3)
    return random.normal(size=(2, 5, 4)), random.normal(size=(4, 12)) / 2


def nothing() -> np.ndarray:
    return np.zeros((2, HEADS, 0, WIDTH))


@pytest.mark.parametrize("steps", [[1, 1, 1, 1, 1], [3, 2], [5]])
@pytest.mark.parametrize("form", FORMS)
def test_tokens_one_after_the_other_from_an_empty_cache(form: str, steps: list[int]) -> None:
    tokens, w = drawn()
    graph = weft.Graph.load(model(form, w))
    session = weft.Session(graph)
    judge = onnxruntime.InferenceSession(model("pieces", w))
    wanted = decode(tokens, nothing(), nothing(), w)
    key = value = nothing()
    at = 0
    for count in steps:
        feeds = {"x": tokens[:, at : at + count], "past_key": key, "past_value": value}
        y, key, value = session.run({graph.find(name): array for name, array in feeds.items()}, graph.outputs)
        at += count
        parts = [wanted[0][:, at - count : at], wanted[1][:, :, :at], wanted[2][:, :, :at]]
        for found, judged, part in zip([y, key, value], judge.run(None, feeds), parts, strict=True):
            np.testing.assert_allclose(found, part, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(judged, part, rtol=1e-12, atol=1e-14)
    assert at == 5


def slopes(loss: Any, at: np.ndarray) -> np.ndarray:
    """By central differences."""
    out = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        step = np.zeros(at.shape)
        step[place] = 1e-5
        out[place] = (loss(at + step) - loss(at - step)) / 2e-5
    return out


@pytest.mark.parametrize("past", [0, 2])
@pytest.mark.parametrize("form", FORMS)
def test_gradients_with_an_empty_cache(form: str, past: int) -> None:
    tokens, w = drawn()
    key, value = decode(tokens[:, :past], nothing(), nothing(), w)[1:] if past else (nothing(), nothing())
    x = tokens[:, past : past + 3]
    random = np.random.default_rng(5)
    factors = [random.normal(size=part.shape) for part in decode(x, key, value, w)]

    def loss(arrays: Arrays) -> float:
        return sum(float((part * factor).sum()) for part, factor in zip(decode(*arrays), factors, strict=True))

    graph = weft.Graph.load(model(form, w), trainable=["w"])
    at = [graph.find(name) for name in ("x", "past_key", "past_value", "w")]
    weights: list[weft.Value | None] = [graph.constant(factor) for factor in factors]
    gradients = graph.gradients(graph.outputs, at, weights)
    found = weft.Session(graph).run({at[0]: x, at[1]: key, at[2]: value}, [need for need in gradients if need is not None])
    given = [x, key, value, w]
    assert len(found) == 4
    for i, gradient in enumerate(found):
        wanted = slopes(lambda moved: loss([*given[:i], moved, *given[i + 1 :]]), given[i])
        assert gradient.shape == given[i].shape
        np.testing.assert_allclose(gradient, wanted, rtol=1e-7, atol=1e-8)
