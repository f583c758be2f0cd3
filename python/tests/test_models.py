"""ONNX models and checkpoints: what we write others read, what others write we read, and training goes on."""

import pathlib

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import weft
from weft.layers import Dense


def mlp() -> tuple[weft.Graph, weft.Value, weft.Value, weft.Value, weft.Value]:
    """The graph, its inputs, logits and a training step."""
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", 8])
    labels = graph.input("labels", "i64", ["batch"])
    hidden = Dense(graph, "hidden", inputs=8, units=16, activation="relu", seed=1)(x)
    logits = Dense(graph, "scores", inputs=16, units=3, seed=2)(hidden)
    logits.name = "logits"
    loss = weft.softmax_cross_entropy_loss(logits, labels, name="loss")
    step = weft.Adam(0.01).minimize(loss)
    step.name = "step"
    return graph, x, labels, loss, step


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(10, 8)).astype("f4"), "labels": rng.integers(0, 3, 10)}


def fed(graph: weft.Graph) -> dict[weft.Value, np.ndarray]:
    return {graph.find(name): value for name, value in data().items()}


def runs_in_onnxruntime(path: object, feeds: dict[str, np.ndarray], wanted: list[np.ndarray]) -> None:
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for found, value in zip(session.run(None, feeds), wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weights", [None, "weights.safetensors"])
def test_a_trained_model_runs_in_onnxruntime(tmp_path, weights) -> None:  # type: ignore[no-untyped-def]
    graph, x, labels, loss, step = mlp()
    session = weft.Session(graph)
    for _ in range(5):
        session.run(fed(graph), targets=step)
    logits = graph.find("logits")
    path = tmp_path / "model.onnx"
    graph.save(path, [logits, weft.softmax(logits)], session=session, weights=weights)
    feeds = {"x": data()["x"]}
    wanted = session.run({x: feeds["x"]}, [logits, weft.softmax(logits)])
    runs_in_onnxruntime(path, feeds, wanted)
    for map in (False, True):
        again = weft.Graph.load(path, map=map)
        found = weft.Session(again).run({again.find("x"): feeds["x"]}, again.outputs)
        assert (found[0] == wanted[0]).all() and (found[1] == wanted[1]).all()
    assert again.inputs[0].shape == ("batch", 8)
    if weights is None:
        from_bytes = weft.Graph.load(path.read_bytes())
        assert (weft.Session(from_bytes).run({from_bytes.find("x"): feeds["x"]}, from_bytes.outputs[0]) == wanted[0]).all()
    else:
        loaded = weft.load_tensors(tmp_path / "weights.safetensors")
        assert all(tensor.numpy().nbytes >= 1024 or name for name, tensor in loaded.items())


def test_training_goes_on_where_the_whole_graph_was_saved(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph, _, _, loss, step = mlp()
    session = weft.Session(graph)
    for _ in range(3):
        session.run(fed(graph), targets=step)
    path = tmp_path / "training.onnx"
    graph.save(path, session=session, training=True)
    again = weft.Graph.load(path)
    assert len(again.variables) == len(graph.variables)
    other = weft.Session(again)
    for _ in range(4):
        a = session.run(fed(graph), loss, targets=step)
        b = other.run(fed(again), again.find("loss"), targets=again.find("step"))
        assert a == b
    fresh = tmp_path / "fresh.onnx"
    graph.save(fresh, training=True)
    start = weft.Graph.load(fresh)
    assert weft.Session(start).run(fed(start), start.find("loss")) == weft.Session(graph).run(fed(graph), loss)


def test_a_checkpoint_continues_bit_for_bit(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph, _, _, loss, step = mlp()
    session = weft.Session(graph)
    for _ in range(3):
        session.run(fed(graph), targets=step)
    session.save(tmp_path / "at3.safetensors")
    wanted = [session.run(fed(graph), loss, targets=step) for _ in range(4)]
    graph2, _, _, loss2, step2 = mlp()
    other = weft.Session(graph2)
    other.load(tmp_path / "at3.safetensors")
    assert [other.run(fed(graph2), loss2, targets=step2) for _ in range(4)] == wanted


def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph, *_ = mlp()
    session = weft.Session(graph)
    before = session.get("hidden/kernel")
    path = tmp_path / "other.safetensors"
    weft.save_tensors(path, {"hidden/bias": np.ones(16, "f4")})
    with pytest.raises(ValueError, match="partial"):
        session.load(path)
    session.load(path, partial=True)
    assert (session.get("hidden/bias") == 1).all() and (session.get("hidden/kernel") == before).all()
    weft.save_tensors(path, {"hidden/bias": np.ones(17, "f4")})
    with pytest.raises(ValueError, match=r"f32\[17\]"):
        session.load(path, partial=True)
    with pytest.raises(FileNotFoundError):
        session.load(tmp_path / "none.safetensors")


def test_a_foreign_model_is_fine_tuned(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    w = rng.normal(size=(4, 2)).astype("f4")
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"], name="act")],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
            [onnx.numpy_helper.from_array(w, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 13)],
    )
    path = tmp_path / "foreign.onnx"
    onnx.save(model, path)
    graph = weft.Graph.load(path, trainable=["w"])
    loss = weft.reduce_sum(graph.outputs[0] ** 2, keepdims=False)
    step = weft.Sgd(0.05).minimize(loss)
    session = weft.Session(graph)
    x = np.abs(rng.normal(size=(5, 4))).astype("f4")
    losses = [float(session.run({graph.find("x"): x}, loss, targets=step)) for _ in range(5)]
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(losses[0], (np.maximum(x @ w, 0) ** 2).sum(), rtol=1e-5)
    assert [value.name for value in weft.Graph.load(path, trainable="w").variables] == ["w"]
    with pytest.raises(LookupError, match="'v'"):
        weft.Graph.load(path, trainable=["v"])


def test_a_negative_dimension_stands_for_any() -> None:
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [-1, 3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [-1, 3])],
        ),
        opset_imports=[helper.make_opsetid("", 11)],
        ir_version=7,
    )
    data = model.SerializeToString()
    x, wanted = np.array([[-1, 2, -3], [4, -5, 6]], "f4"), [[0, 2, 0], [4, 0, 6]]
    (theirs,) = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    assert theirs.tolist() == wanted
    graph = weft.Graph.load(data)
    assert weft.Session(graph).run({graph.inputs[0]: x}, graph.outputs[0]).tolist() == wanted


def test_weights_that_safetensors_cannot_name_are_bytes_there(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph = weft.Graph()
    numbers = np.resize(np.arange(-8, 8), (64, 64))
    w = graph.constant(numbers.astype(ml_dtypes.int4), name="w")
    x = graph.input("x", "f32", ["n", 64])
    path, weights = tmp_path / "model.onnx", tmp_path / "model.safetensors"
    graph.save(path, x @ weft.ops.dequantize_linear(w, np.array(1, "f4")), weights=weights.name)
    assert weft.load_tensors(weights)["w"].numpy().nbytes == 2048
    feeds = {"x": np.eye(64, dtype="f4")}
    runs_in_onnxruntime(path, feeds, [numbers.astype("f4")])
    for map in (False, True):
        again = weft.Graph.load(path, map=map)
        found = weft.Session(again).run({again.inputs[0]: feeds["x"]}, again.outputs[0])
        assert (found == numbers).all()


def test_branches_are_saved(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph = weft.Graph()
    x = graph.input("x", "f32", [3])
    flag = graph.input("flag", "bool", [])
    y = weft.if_(flag, lambda: x * 2.0, lambda: weft.exp(x) + 1.0)
    path = tmp_path / "if.onnx"
    graph.save(path, y)
    values = np.array([1, 2, 3], "f4")
    session = weft.Session(graph)
    for choice in (True, False):
        feeds = {"x": values, "flag": np.array(choice)}
        wanted = session.run({x: values, flag: choice}, y)
        runs_in_onnxruntime(path, feeds, [wanted])
        again = weft.Graph.load(path)
        found = weft.Session(again).run({again.find(name): value for name, value in feeds.items()}, again.outputs[0])
        assert (found == wanted).all()


def test_what_onnx_cannot_say_is_an_error_that_names_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph, x, labels, loss, step = mlp()
    with pytest.raises(NotImplementedError, match="weft.Assign"):
        graph.save(tmp_path / "step.onnx", step)
    with pytest.raises(ValueError, match="nothing to save"):
        graph.save(tmp_path / "none.onnx")
    with pytest.raises((OSError, ValueError, LookupError, RuntimeError)):
        graph.save(tmp_path / "no" / "folder.onnx", loss)
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Frobnicate", ["x"], ["y"], name="odd")],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        )
    )
    with pytest.raises(NotImplementedError, match="Frobnicate"):
        weft.Graph.load(model.SerializeToString())


def test_operators_of_ours_are_expanded_for_others(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n", 3])
    (slope,) = weft.gradients(x * weft.exp(x), [x])
    path = tmp_path / "slope.onnx"
    graph.save(path, slope)
    assert all(node.domain == "" for node in onnx.load(path).graph.node)
    values = np.array([[0, 1, 2], [-1, 0, 0.5]], "f4")
    runs_in_onnxruntime(path, {"x": values}, [(1 + values) * np.exp(values)])


def test_operators_that_onnx_lacks_stay_ours(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph = weft.Graph()
    x = graph.input("x", "f32", [2, 2])
    path = tmp_path / "inverse.onnx"
    graph.save(path, weft.inverse(x) * 2.0)
    onnx.checker.check_model(str(path))
    assert {entry.domain for entry in onnx.load(path).opset_import} == {"", "weft"}
    again = weft.Graph.load(path)
    found = weft.Session(again).run({again.find("x"): np.array([[2, 0], [0, 4]], "f4")}, again.outputs[0])
    np.testing.assert_allclose(found, [[1, 0], [0, 0.5]])


def test_damaged_files_are_errors(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph, x, *_ = mlp()
    path = tmp_path / "model.onnx"
    graph.save(path, graph.find("logits"))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for cut in range(0, len(whole), max(1, len(whole) // 97)):
        try:
            weft.Graph.load(whole[:cut])
        except weft.WeftError:
            pass
    for _ in range(400):
        bytes_ = bytearray(whole)
        for at in rng.integers(0, len(bytes_), 3):
            bytes_[at] = rng.integers(0, 256)
        try:
            weft.Graph.load(bytes(bytes_))
        except weft.WeftError:
            pass
    with pytest.raises(weft.DataLossError):
        weft.Graph.load(b"\xff" * 50)
    with pytest.raises(weft.WeftError):
        weft.Graph.load(tmp_path)


def test_damaged_safetensors_are_data_loss(tmp_path) -> None:  # type: ignore[no-untyped-def]
    graph, *_ = mlp()
    session = weft.Session(graph)
    path = tmp_path / "all.safetensors"
    session.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + b"x" + whole[9:])
    for read in (session.load, weft.load_tensors, weft.Dataset.load):
        with pytest.raises(weft.DataLossError):
            read(path)


def test_weights_cannot_come_from_elsewhere(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "secret").write_bytes(b"\0" * 64)
    for location in ("../secret", "/etc/passwd", "a/../../secret"):
        tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=1)
        tensor.external_data.add(key="location", value=location)
        model = helper.make_model(
            helper.make_graph(
                [helper.make_node("Relu", ["w"], ["y"])],
                "g",
                [],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
                [tensor],
            )
        )
        with pytest.raises(ValueError, match="outside"):
            weft.Graph.load(model.SerializeToString(), folder=tmp_path / "inside")


def test_onnxruntime_runs_what_layers_compute(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", "steps", 3])
    h = weft.layers.LSTM(graph, "lstm", inputs=3, units=8, bidirectional=True, seed=1)(x)
    h = weft.layers.SelfAttention(graph, "attention", units=16, heads=2, causal=True, seed=2)(h)
    h = weft.layers.LayerNorm(graph, "layer_norm", units=16)(weft.layers.RMSNorm(graph, "rms_norm", units=16)(h))
    last = weft.layers.GRU(graph, "gru", inputs=16, units=6, sequences=False, seed=3)(h)
    image = weft.reshape(last, [-1, 6, 1, 1])
    image = weft.layers.Conv2d(graph, "conv", inputs=6, filters=4, kernel=1, seed=4)(image)
    image = weft.layers.BatchNorm(graph, "batch_norm", channels=4)(image)
    image = weft.layers.GroupNorm(graph, "group_norm", channels=4, groups=2)(image)
    y = weft.layers.Dense(graph, "dense", inputs=4, units=2, seed=5)(weft.layers.Flatten(graph, "flatten")(image))
    session = weft.Session(graph)
    graph.save(tmp_path / "layers.onnx", [h, last, y], session=session)
    rows = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("f4")
    judge = onnxruntime.InferenceSession(tmp_path / "layers.onnx")
    for ours, theirs in zip(session.run({x: rows}, [h, last, y]), judge.run(None, {"x": rows}), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
