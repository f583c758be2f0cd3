"""Numbers and lists as inputs of operators: their element type is what a user of numpy means."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft


class Given:
    """Inputs of many types, with what is fed to them."""

    def __init__(self) -> None:
        self.graph = weft.Graph()
        self.feeds: dict[weft.Value, Any] = {}
        self.x = self.input("x", [-1.0, 2.0], "f4")
        self.d = self.input("d", [-1.5, 2.5], "f8")
        self.i = self.input("i", [0, 2], "i4")
        self.u = self.input("u", [1, 255], "u1")
        self.b = self.input("b", [True, False], "?")
        self.m = self.input("m", [[1, 2, 3], [4, 5, 7]], "f4")

    def input(self, name: str, values: Any, dtype: str) -> weft.Value:
        array = np.array(values, dtype)
        value = self.graph.input(name, array.dtype, array.shape)
        self.feeds[value] = array
        return value

    def run(self, value: weft.Value) -> np.ndarray:
        result = weft.Session(self.graph).run(self.feeds, value)
        assert isinstance(result, np.ndarray)
        return result


# What numpy gives, but that its floats without a type are f64 and those of weft f32.
@pytest.mark.parametrize(
    ("use", "dtype", "wanted"),
    [
        (lambda g: weft.where(g.x > 0, 5, 3), "i8", [3, 5]),
        (lambda g: weft.where(g.x > 0, 5, 3.5), "f4", [3.5, 5]),
        (lambda g: weft.where(g.x > 0, True, False), "?", [False, True]),
        (lambda g: weft.where(g.x > 0, g.x, 0), "f4", [0, 2]),
        (lambda g: weft.where(g.x > 0, g.x, 0.0), "f4", [0, 2]),
        (lambda g: weft.where(g.x > 0, 0.5, g.d), "f8", [-1.5, 0.5]),
        (lambda g: weft.where(g.b, np.array([1, 2], "i4"), 0), "i4", [1, 0]),
        (lambda g: weft.where(g.b, weft.Tensor([1, 2], "f16"), 0.5), "f2", [1, 0.5]),
        (lambda g: weft.where([False, True], g.x, 0), "f4", [0, 2]),
        (lambda g: weft.where(np.True_, g.x, 0), "f4", [-1, 2]),
        (lambda g: weft.one_hot(g.i, 3, [0.0, 1.0]), "f4", [[1, 0, 0], [0, 0, 1]]),
        (lambda g: weft.one_hot(g.i, 3, [0, 1]), "i8", [[1, 0, 0], [0, 0, 1]]),
        (lambda g: weft.one_hot(g.i, np.int32(3), [False, True]), "?", [[True, False, False], [False, False, True]]),
        (lambda g: weft.gather([0.5, 0.25, 0.125], g.i), "f4", [0.5, 0.125]),
        (lambda g: weft.gather([10, 20, 30], g.i), "i8", [10, 30]),
        (lambda g: weft.gather(g.m, 1, axis=1), "f4", [2, 5]),
        (lambda g: weft.gather_nd(g.m, [[0, 1], [1, 2]]), "f4", [2, 7]),
        (lambda g: weft.reduce_mean(g.m, [1]), "f4", [[2], [16 / 3]]),
        (lambda g: weft.reduce_mean(g.m, 1, keepdims=False), "f4", [2, 16 / 3]),
        (lambda g: weft.reduce_max(g.m, axes=-2, keepdims=False), "f4", [4, 5, 7]),
        (lambda g: weft.reduce_sum(g.m, np.int64(0), keepdims=False), "f4", [5, 7, 10]),
        (lambda g: weft.reduce_sum(g.m, (0, 1), keepdims=False), "f4", 22),
        (lambda g: weft.reshape(g.m, -1), "f4", [1, 2, 3, 4, 5, 7]),
        (lambda g: weft.reshape(g.x[:1], []), "f4", -1),
        (lambda g: weft.unsqueeze(g.x, 0), "f4", [[-1, 2]]),
        (lambda g: weft.squeeze(weft.unsqueeze(g.x, 1), 1), "f4", [-1, 2]),
        (lambda g: weft.slice(g.m, 1, 3, 1, 1), "f4", [[2, 3], [5, 7]]),
        (lambda g: weft.tile(g.x, 2), "f4", [-1, 2, -1, 2]),
        (lambda g: weft.expand(g.x, [2, 2]), "f4", [[-1, 2], [-1, 2]]),
        (lambda g: weft.top_k(g.m, 1)[0], "f4", [[3], [7]]),
        (lambda g: weft.cum_sum(g.m, 1), "f4", [[1, 3, 6], [4, 9, 16]]),
        (lambda g: weft.clip(g.x, 0, 1), "f4", [0, 1]),
        (lambda g: weft.pad(g.x, [1, 1], 9), "f4", [9, -1, 2, 9]),
        (lambda g: weft.dropout(g.x, 0.5, False), "f4", [-1, 2]),
        (lambda g: weft.dropout(g.x, 0, True), "f4", [-1, 2]),
        (lambda g: weft.dropout(g.x, 0, np.True_), "f4", [-1, 2]),
        (lambda g: weft.softmax_cross_entropy_loss(g.m, [2, 0]), "f4", (0.40760597 + 3.16984602) / 2),
        (lambda g: weft.accuracy(g.m, [2, 0]), "f4", 0.5),
        (lambda g: weft.max(g.x, 0.5), "f4", [0.5, 2]),
        (lambda g: weft.pow(2, g.x), "f4", [0.5, 4]),
        (lambda g: weft.pow(g.x, 2), "f4", [1, 4]),
        (lambda g: g.graph.add("Where", [g.b, 5, 3]), "i8", [5, 3]),
        (lambda g: g.x * 2, "f4", [-2, 4]),
        (lambda g: 2 * g.d, "f8", [-3, 5]),
        (lambda g: 2**g.x, "f4", [0.5, 4]),
        (lambda g: g.x > 0, "?", [False, True]),
        (lambda g: g.i + 1, "i4", [1, 3]),
        (lambda g: g.u + 1, "u1", [2, 0]),
        (lambda g: g.b & True, "?", [True, False]),
        (lambda g: g.x + [0.5, 1], "f4", [-0.5, 3]),
        (lambda g: g.d + np.float32(0.5), "f8", [-1, 3]),
    ],
)
def test_numbers_are_what_a_user_of_numpy_means(
    use: Callable[[Given], weft.Value], dtype: str, wanted: Any
) -> None:
    given = Given()
    found = given.run(use(given))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert found.shape == np.shape(wanted)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda g: g.i + 0.5, r"0\.5 is no i32, the dtype of Value i: i32\[2\]; cast one of them"),
        (lambda g: weft.where(g.b, g.i, [0, 0.5]), r"\[0, 0\.5\] is no i32, the dtype of Value i: i32\[2\]"),
        (lambda g: g.u + 256, r"256 is no u8, the dtype of Value u: u8\[2\]"),
        (lambda g: g.u - -1, r"-1 is no u8"),
        (lambda g: g.b | 2, "2 is no bool, the dtype of Value b"),
        (lambda g: weft.reshape(g.m, [2.0, 3]), r"\[2\.0, 3\] is no i64, which 'shape' of Reshape is"),
        (lambda g: g.x * (g.x == g.x), "True is no 'B'; elements are compared by weft.equal"),
        (lambda g: weft.where(g.x != g.x, g.x, 0.0), "False is no 'condition'; elements are compared by weft.equal"),
        (lambda g: weft.where(2, g.x, g.x), "2 is no bool, which 'condition' of Where is"),
        (lambda g: weft.dropout(g.x, True), "True is bool, but 'ratio' of Dropout takes f32, f16, f64, bf16"),
        (lambda g: weft.gather(g.x, 0.5), r"0\.5 is f32, but 'indices' of Gather takes i32, i64"),
        (lambda g: weft.softmax_cross_entropy_loss(g.m, [1.0, 2.0]), "'labels' of SoftmaxCrossEntropyLoss takes i32, i64"),
    ],
)
def test_numbers_that_cannot_be_meant_are_errors(use: Callable[[Given], weft.Value], message: str) -> None:
    with pytest.raises(weft.InvalidArgumentError, match=message) as caught:
        use(Given())
    assert "test_operands.py" in str(caught.value)  # the line that is wrong


def test_arrays_keep_their_type() -> None:
    given = Given()
    assert weft.gather(np.array([1.5, 2.5, 3.5]), given.i).dtype == "f64"
    with pytest.raises(ValueError, match=r"f64"):
        given.x + np.zeros(2)


def test_an_operator_that_is_not_there_is_named_whatever_its_inputs_are() -> None:
    given = Given()
    with pytest.raises(LookupError, match="Relu"):
        given.graph.add("Rellu", [given.x, 3])


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        (lambda a, b: weft.concat([a, b], axis=0), [1, 4, 3, 2]),
        (lambda a, b: weft.concat((a, [7.0]), axis=0), [1, 4, 7]),
        (lambda a, b: weft.concat(a, [7.0], axis=0), [1, 4, 7]),
        (lambda a, b: weft.concat([a], axis=0), [1, 4]),
        (lambda a, b: weft.sum([a, b]), [4, 6]),
        (lambda a, b: weft.mean((a, b)), [2, 3]),
        (lambda a, b: weft.max([a, b]), [3, 4]),
        (lambda a, b: weft.min([a, b, 2.0]), [1, 2]),
        (lambda a, b: weft.sequence_at(weft.sequence_construct([a, b]), 1), [3, 2]),
    ],
)
def test_several_inputs_may_be_one_list(use: Callable[[weft.Value, weft.Value], weft.Value], wanted: Any) -> None:
    graph = weft.Graph()
    a, b = graph.input("a", "f32", [2]), graph.input("b", "f32", [2])
    found = weft.Session(graph).run({a: [1, 4], b: [3, 2]}, use(a, b))
    assert isinstance(found, np.ndarray) and found.tolist() == wanted


def test_a_list_without_a_value_names_no_graph() -> None:
    for use in (lambda: weft.concat([[1.0]], axis=0), lambda: weft.sum([]), lambda: weft.max()):
        with pytest.raises(TypeError, match="needs at least one Value"):
            use()


def test_attributes_that_are_tensors_may_be_numbers_and_lists() -> None:
    graph = weft.Graph()
    shape = graph.constant([2, 2])
    for value in (7, [7], np.int64(7), np.array([7]), weft.Tensor([7])):
        found = weft.Session(graph).run({}, weft.ops.constant_of_shape(shape, value=value))
        assert found.dtype == np.int64
        assert found.tolist() == [[7, 7], [7, 7]]
    assert weft.Session(graph).run({}, weft.ops.constant_of_shape(shape, value=0.5)).dtype == np.float32
    constant = graph.add("Constant", [], {"value": [1.5, 2]})
    assert weft.Session(graph).run({}, constant).tolist() == [1.5, 2.0]
    with pytest.raises(weft.InvalidArgumentError, match="'value' must have one element"):
        weft.ops.constant_of_shape(shape, value=[7, 8])


def test_attributes_that_are_lists_of_floats_may_be_numpys() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1, 2])
    y = graph.add("ai.onnx.ml.Scaler", [x], {"offset": list(np.float32([0.5, 1.5])), "scale": [1.0, 1.0]})
    assert weft.Session(graph).run({x: [[1.0, 2.0]]}, y).tolist() == [[0.5, 0.5]]
