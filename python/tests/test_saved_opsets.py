"""Nets saved for each opset from 7 to 26, checked by onnx and run by onnxruntime, or by the reference of onnx."""

import pathlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

import weft
from weft.layers import BatchNorm, Conv2d, Dense, Flatten, LayerNorm

from test_onnx_cases import UNSUPPORTED

ROOT = pathlib.Path(__file__).resolve().parents[2]


def mlp(x: weft.Value) -> list[weft.Value]:
    hidden = Dense(x.graph, "hidden", inputs=6, units=5, activation="relu", seed=1)(x)
    scores = Dense(x.graph, "scores", inputs=5, units=4, seed=2)(weft.dropout(hidden))
    return [weft.softmax(scores), weft.log_softmax(scores, axis=0), weft.top_k(scores, [2])[0]]


def cnn(x: weft.Value) -> list[weft.Value]:
    graph = x.graph
    images = weft.reshape(x, [4, 1, 2, 3])
    y = Conv2d(graph, "conv", inputs=1, filters=2, kernel=2, same=True, seed=3)(images)
    y = weft.relu(BatchNorm(graph, "norm", channels=2)(y))
    y = weft.max_pool(y, [1, 2], dilations=[1, 1])
    return [Flatten(graph, "flat")(y), weft.squeeze(weft.global_average_pool(y), [-1, -2])]


def reductions(x: weft.Value) -> list[weft.Value]:
    kinds = [weft.reduce_sum, weft.reduce_mean, weft.reduce_max, weft.reduce_l2, weft.reduce_log_sum_exp]
    found = [kind(x, [-1], keepdims=False) for kind in kinds]
    return [*found, weft.reduce_mean(x), weft.reduce_sum(x, noop_with_empty_axes=True), weft.arg_max(x, axis=-1)]


def pieces(x: weft.Value) -> list[weft.Value]:
    first, second = weft.split(x, axis=-1, num_outputs=2, outputs=2)
    third = weft.split(x, [1, 5], axis=1, outputs=2)[0]
    padded = weft.pad(first, [1, 2], 0.5, [-1])
    cut = weft.slice(weft.clip(second, -0.5, None), [1], [-1], [0])
    gathered = weft.gather(weft.unsqueeze(x, [-1]), np.array([-1, 0]), axis=1)
    return [weft.concat(first, third, axis=-1), padded, cut, gathered, weft.gemm(x, np.ones((6, 2), "f4"))]


def transformer(x: weft.Value) -> list[weft.Value]:
    y = LayerNorm(x.graph, "norm", units=6)(x)
    return [weft.gelu(y), weft.gelu(y, approximate="tanh"), weft.swish(y), weft.mish(y)]


# With the first opset that there is a form for.
NETS: dict[Callable[[weft.Value], list[weft.Value]], int] = {mlp: 7, cnn: 7, reductions: 7, pieces: 7, transformer: 9}


def evaluate(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception as error:
        assert any(text in str(error) for text in UNSUPPORTED), str(error)
        return list(ReferenceEvaluator(model).run(None, {"x": x}))
    return list(session.run(None, {"x": x}))


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.__name__)
def test_a_net_is_the_same_in_every_opset(
    net: Callable[[weft.Value], list[weft.Value]], tmp_path: pathlib.Path
) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [4, 6])
    outputs = net(x)
    values = np.random.default_rng(7).normal(size=(4, 6)).astype("f4")
    wanted = weft.Session(graph).run({x: values}, outputs)
    path = tmp_path / "net.onnx"
    for opset in range(7, 27):
        if opset < NETS[net]:
            with pytest.raises(weft.UnimplementedError, match=rf"needs opset \d+, but opset {opset} was asked for"):
                graph.save(path, outputs, opset=opset)
            assert not path.exists()
            continue
        graph.save(path, outputs, opset=opset)
        model = onnx.load(path)
        assert [(of.domain, of.version) for of in model.opset_import] == [("", opset)]
        assert model.ir_version == min(helper.find_min_ir_version_for(model.opset_import), 10)
        onnx.checker.check_model(model, full_check=True)
        again = weft.Graph.load(path)
        for found in (weft.Session(again).run({again.inputs[0]: values}, again.outputs), evaluate(model, values)):
            for i, (got, expected) in enumerate(zip(found, wanted, strict=True)):
                assert got.dtype == expected.dtype and got.shape == expected.shape, f"opset {opset}, output {i}"
                np.testing.assert_allclose(got, expected, 1e-4, 1e-5, err_msg=f"opset {opset}, output {i}")


def test_what_has_no_form_there_is_an_error_that_says_why(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [3, 3])
    whole = weft.round(x, name="whole")
    with pytest.raises(weft.UnimplementedError, match="Round needs opset 11, but opset 10 was asked for") as raised:
        graph.save(tmp_path / "m.onnx", whole, opset=10)
    assert "'whole'" in str(raised.value)
    for opset in (-1, 6, 28):
        with pytest.raises(weft.InvalidArgumentError, match="must be 7 to 27, or 0"):
            graph.save(tmp_path / "m.onnx", whole, opset=opset)
    with pytest.raises(weft.InvalidArgumentError, match="'training' and 'opset'"):
        graph.save(tmp_path / "m.onnx", whole, opset=17, training=True)


def test_weights_stand_beside_a_file_of_an_older_opset(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2, 40])
    y = Dense(graph, "dense", inputs=40, units=40, seed=1)(x)
    values = np.random.default_rng(7).normal(size=(2, 40)).astype("f4")
    wanted = weft.Session(graph).run({x: values}, y)
    for opset in (7, 13):
        graph.save(tmp_path / "m.onnx", y, weights="m.bin", opset=opset)
        onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
        session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(None, {"x": values})[0], wanted, 1e-5, 1e-5)


def test_the_table_of_schemas_is_that_of_onnx() -> None:
    tool = ROOT / "tools" / "write_op_history"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("opset", [0, 13, 25])
def test_no_node_is_of_types_that_onnx_does_not_have_it_with(opset: int, tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [4])
    halves = weft.celu(weft.cast(x, "f16"), alpha=2.0)
    doubles = weft.celu(weft.cast(x, "f64"), alpha=2.0)
    different = weft.unique(weft.cast(x, "bf16"))
    outputs = [weft.cast(value, "f32") for value in (halves, doubles, different)]
    values = np.array([2, -1, -1, 0.5], "f4")
    path = tmp_path / "model.onnx"
    graph.save(path, outputs, opset=opset)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node if node.op_type in ("Celu", "Unique")] == ["Celu", "Unique"]
    # 2 (e^-0.5 - 1), to the digits that f16 has of it, and to those of f32.
    wanted = ([2, -0.787109375, -0.787109375, 0.5], [2, -0.7869387, -0.7869387, 0.5], [-1, 0.5, 2])
    again = weft.Graph.load(path)
    for found in (weft.Session(again).run({again.inputs[0]: values}, again.outputs), evaluate(model, values)):
        for got, expected in zip(found, wanted, strict=True):
            np.testing.assert_allclose(got, expected, 1e-6)
