"""Elements that numpy lacks, through the package ml_dtypes."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import weft

TYPES = {
    "bf16": ml_dtypes.bfloat16,
    "f8e4m3fn": ml_dtypes.float8_e4m3fn,
    "f8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "f8e5m2": ml_dtypes.float8_e5m2,
    "f8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "f4e2m1": ml_dtypes.float4_e2m1fn,
    "i4": ml_dtypes.int4,
    "u4": ml_dtypes.uint4,
    "i2": ml_dtypes.int2,
    "u2": ml_dtypes.uint2,
}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 3)])
def test_arrays_in_and_out(name: str, shape: tuple[int, ...]) -> None:
    numbers = np.resize([0, 1] if name == "u2" else [1, 0, -2] if name == "i2" else [0, 1, 3, 2], shape)
    array = numbers.astype(TYPES[name])
    tensor = weft.Tensor(array)
    assert (tensor.dtype, tensor.shape) == (name, shape)
    back = tensor.numpy()
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back.astype("f4"), numbers.astype("f4"))


def test_powers_of_two() -> None:
    array = np.array([0.5, 4], ml_dtypes.float8_e8m0fnu)
    assert weft.Tensor(array).numpy().astype("f4").tolist() == [0.5, 4]


def test_known_bytes() -> None:
    """The first element of a byte lies in its lowest bits, as in ONNX's files; Cast reads them."""
    graph = weft.Graph()
    x = graph.input("x", "i4", [3])
    assert weft.Session(graph).run({x: np.array([-8, 7, -1], ml_dtypes.int4)}, weft.cast(x, to="f32")).tolist() == [-8, 7, -1]


@pytest.mark.parametrize(("value", "dtype", "back"), [([1.5, -2.0], "bf16", [1.5, -2]), (3, "i4", 3)])
def test_numbers_become_them(value: Any, dtype: str, back: Any) -> None:
    tensor = weft.Tensor(value, dtype)
    assert tensor.dtype == dtype
    assert tensor.numpy().astype("f4").tolist() == back


def test_bf16_through_a_session() -> None:
    graph = weft.Graph()
    x = graph.input("x", ml_dtypes.bfloat16, [2])
    y = weft.Session(graph).run({x: np.array([[1.0, 2.0]], ml_dtypes.bfloat16)[0]}, weft.transpose(x))
    assert y.dtype == ml_dtypes.bfloat16
    assert y.tolist() == [1, 2]


def test_numbers_beside_bf16_are_rounded() -> None:
    graph = weft.Graph()
    x = graph.input("x", "bf16", [2])
    feeds = {x: np.array([1, 2], ml_dtypes.bfloat16)}
    for y, wanted in ((x * 0.5, [0.5, 1.0]), (3 - x, [2.0, 1.0]), (weft.max(x, 1.5), [1.5, 2.0])):
        found = weft.Session(graph).run(feeds, y)
        assert found.dtype == ml_dtypes.bfloat16
        assert found.astype("f4").tolist() == wanted


@pytest.mark.parametrize("name", TYPES)
def test_arrays_of_them_are_not_bound_as_they_are_copied(name: str) -> None:
    graph = weft.Graph()
    x = graph.input("x", name, [2])
    prepared = weft.Session(graph).prepare([x], [weft.identity(x)])
    for bind, what in ((prepared.bind_input, "an input"), (prepared.bind_output, "an output")):
        with pytest.raises(ValueError, match=f"^{what} is bound to the memory of an array, but .* are copied"):
            bind(0, np.zeros(2, TYPES[name]))


def test_tensors_of_bf16_are_bound() -> None:
    graph = weft.Graph()
    x = graph.input("x", "bf16", [2])
    prepared = weft.Session(graph).prepare([x], [weft.neg(x)])
    given, out = (weft.Tensor(np.array(values, ml_dtypes.bfloat16)) for values in ([1, 2], [0, 0]))
    prepared.bind_input(0, given)
    prepared.bind_output(0, out)
    prepared.run()
    assert out.numpy().astype("f4").tolist() == [-1, -2]
    given.numpy()[:] = 5
    prepared.run()
    assert out.numpy().astype("f4").tolist() == [-5, -5]


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = weft.Tensor(np.array([1], ml_dtypes.bfloat16))
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(weft.UnimplementedError, match="install the package ml_dtypes"):
        tensor.numpy()
