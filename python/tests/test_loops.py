"""Loops and scans built by functions of Python."""

from __future__ import annotations

import pathlib

import numpy as np
import onnx
import pytest

import weft


def test_a_loop_carries_and_stacks() -> None:
    graph = weft.Graph()
    x, n = graph.input("x", "f32", []), graph.input("n", "i64", [])
    for recompute in (False, True):
        last, powers = weft.loop(lambda i, go_on, y: (go_on, y * x, y), [x], count=n, recompute=recompute)
        session = weft.Session(graph)
        found = session.run({x: 2.0, n: 3}, [last, powers, *graph.gradients([last], [x])])
        assert [value.tolist() for value in found] == [16.0, [2.0, 4.0, 8.0], 32.0]
        none = session.run({x: 2.0, n: 0}, [last, powers])
        assert [value.tolist() for value in none] == [2.0, []]


@pytest.mark.parametrize("opset", [0, 20])
def test_what_a_gradient_keeps_is_saved_as_metadata(opset: int, tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    x, n = graph.input("x", "f32", []), graph.input("n", "i64", [])
    xs = graph.input("xs", "f32", ["k"])
    (power,) = weft.loop(lambda i, go_on, y: (go_on, y * x), [x], count=n, recompute=True)
    (total,) = weft.scan(lambda y, item: y * item, [power], [xs], recompute=True)
    path = tmp_path / "kept.onnx"
    graph.save(path, outputs=[total], opset=opset)
    model = onnx.load(path)
    onnx.checker.check_model(model)
    loops = [node for node in model.graph.node if node.op_type in ("Loop", "Scan")]
    assert len(loops) == 2
    for node in loops:
        assert "recompute" not in [attribute.name for attribute in node.attribute]
        # Nodes have metadata since version 10 of the format, which came with opset 21.
        wanted = [("weft.recompute", "1")] if opset == 0 else []
        assert [(entry.key, entry.value) for entry in node.metadata_props] == wanted
    again = weft.Graph.load(path)
    gradient = again.gradients([again.outputs[0]], [again.find("x")])[0]
    feeds = {again.find("x"): 2.0, again.find("n"): 3, again.find("xs"): [3.0, 5.0]}
    out = weft.Session(again).run(feeds, [again.outputs[0], gradient])
    assert [float(value) for value in out] == [16.0 * 15.0, 32.0 * 15.0]  # x^4 times 15, and 4 x^3 times 15


def test_a_condition_ends_a_loop() -> None:
    graph = weft.Graph()
    x, begin = graph.input("x", "f32", []), graph.input("begin", "bool", [])
    (big,) = weft.loop(lambda i, go_on, y: (y * y < 100.0, y * y), [x], condition=begin)
    session = weft.Session(graph)
    assert float(session.run({x: 2.0, begin: True}, big)) == 256.0
    assert float(session.run({x: 2.0, begin: False}, big)) == 2.0


def test_a_scan_goes_along_axes_from_either_end() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2, "n"])
    total, sums = weft.scan(
        lambda total, column: (total + column, total + column),
        [graph.constant(np.zeros(2, np.float32))],
        [x],
        axes=[1],
        backward=[True],
        output_axes=[1],
        output_backward=[True],
    )
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = weft.Session(graph).run({x: values}, [total, sums])
    assert found[0].tolist() == [3.0, 12.0]
    assert found[1].tolist() == np.cumsum(values[:, ::-1], 1)[:, ::-1].tolist()


def test_loops_nest_and_are_saved(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])

    def outer(i: weft.Value, go_on: weft.Value, y: weft.Value) -> tuple[weft.Value, ...]:
        (inner,) = weft.loop(lambda j, go, z: (go, z + y * x), [y], count=2)
        return go_on, weft.if_(i > 0, lambda: inner, lambda: -inner)

    (y,) = weft.loop(outer, [x], count=2)
    want = weft.Session(graph).run({x: [1.0, 2.0]}, y)
    assert want.tolist() == [-9.0, -50.0]
    graph.save(tmp_path / "loops.onnx", outputs=[y])
    again = weft.Graph.load(tmp_path / "loops.onnx")
    found = weft.Session(again).run({again.find("x"): [1.0, 2.0]}, again.outputs[0])
    assert found.tolist() == want.tolist()


def test_values_of_a_body_are_told_of_by_name() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [])
    leaked: list[weft.Value] = []

    def body(i: weft.Value, go_on: weft.Value, y: weft.Value) -> tuple[weft.Value, ...]:
        leaked.append(weft.neg(y, name="inside"))
        return go_on, y

    weft.loop(body, [x], count=2)
    (inside,) = leaked
    words = (
        r" is 'inside' \(built at .*test_loops\.py:\d+\): it belongs to the body of a sub-graph "
        r"\(a loop, a scan or a branch\), which is finished; what the body is to give outside must be one of its results"
    )
    with pytest.raises(weft.InvalidArgumentError, match="input 1" + words):
        x + inside
    with pytest.raises(weft.FailedPreconditionError, match="input 0" + words):
        weft.relu(inside)
    with pytest.raises(weft.InvalidArgumentError, match="fetch 0" + words):
        weft.Session(graph).run({x: 1.0}, inside)
    with pytest.raises(weft.FailedPreconditionError, match="which is finished and can no longer change"):
        inside * 2.0


def test_a_value_of_one_branch_is_none_of_the_other() -> None:
    graph = weft.Graph()
    x, yes = graph.input("x", "f32", []), graph.input("yes", "bool", [])
    leaked: list[weft.Value] = []

    def then() -> weft.Value:
        leaked.append(weft.neg(x, name="inside"))
        return leaked[0]

    with pytest.raises(weft.InvalidArgumentError, match="'inside' .* it belongs to the body of a sub-graph"):
        weft.if_(yes, then, lambda: leaked[0])


def test_what_does_not_fit() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    with pytest.raises(weft.InvalidArgumentError, match="place 0 is f32"):
        weft.loop(lambda i, go_on, y: (go_on, weft.cast(y, to="i64")), [x], count=3)
    with pytest.raises(weft.InvalidArgumentError, match="needs a count, a condition"):
        weft.loop(lambda i, go_on: go_on)
    with pytest.raises(weft.InvalidArgumentError, match="no condition"):
        weft.loop(lambda i, go_on, y: (), [x], count=3)
    with pytest.raises(ZeroDivisionError):
        weft.loop(lambda i, go_on, y: 1 // 0, [x], count=3)  # type: ignore[arg-type, return-value]
    with pytest.raises(weft.InvalidArgumentError, match="something to go through"):
        weft.scan(lambda y: y, [x], [])
    with pytest.raises(weft.InvalidArgumentError, match="'scan_input_axes'"):
        weft.scan(lambda item: item, [], [x], axes=[3])
    with pytest.raises(weft.InvalidArgumentError, match="'recompute' is 2 but must be 0 or 1"):
        weft.loop(lambda i, go_on, y: (go_on, y), [x], count=3, recompute=2)  # type: ignore[arg-type]
    assert weft.relu(x).graph is graph  # the bodies that failed are over


def test_a_sequence_is_mapped() -> None:
    graph = weft.Graph()
    x, w = graph.input("x", "f32", ["n"]), graph.input("w", "f32", [])
    parts = weft.split_to_sequence(x, graph.constant(np.int64([1, 2])))
    scaled, sizes = weft.sequence_map(lambda item, factor: (item * factor * w, weft.shape(item)), parts, w)
    gradient = graph.gradients(weft.sequence_at(scaled, 1), [w])[0]
    assert (parts.kind, scaled.kind, x.kind) == ("sequence", "sequence", "tensor")
    session = weft.Session(graph)
    out = session.run({x: [1.0, 2.0, 3.0], w: 2.0}, [scaled, sizes, gradient])
    assert [item.tolist() for item in out[0]] == [[4.0], [8.0, 12.0]]
    assert [item.tolist() for item in out[1]] == [[1], [2]]
    assert float(out[2]) == 20.0
    with pytest.raises(TypeError, match="the sequence"):
        weft.sequence_map(lambda item: item, 1.0)  # type: ignore[arg-type]


def test_attention_goes_through_functions() -> None:
    graph = weft.Graph()
    q, k = graph.input("q", "f32", [1, 1, 1, 1]), graph.input("k", "f32", [1, 1, "n", 1])
    w = graph.input("w", "f32", [])
    plain = weft.flex_attention(q, k, k)
    y = weft.flex_attention(
        q, k, k, score_mod=lambda scores: scores * 0.0, prob_mod=lambda weights: weights * w, scale=2.0, softmax_precision="f32"
    )
    gradient = graph.gradients(y, [w])[0]
    feeds = {q: np.zeros((1, 1, 1, 1), "f4"), k: np.float32([1, 3]).reshape(1, 1, 2, 1), w: 5.0}
    out = weft.Session(graph).run(feeds, [plain, gradient])
    assert [float(value.item()) for value in out] == [2.0, 2.0]
    with pytest.raises(weft.InvalidArgumentError, match="'score_mod' gives f32"):
        weft.flex_attention(q, k, k, score_mod=lambda scores: w)


def test_attention_of_no_images() -> None:
    graph = weft.Graph()
    q, k = graph.input("q", "f32", ["n", 4, 3, 5]), graph.input("k", "f32", ["n", 2, 6, 5])
    y = weft.flex_attention(q, k, k)
    assert y.shape == ("n", 4, 3, 5)
    out = weft.Session(graph).run({q: np.zeros((0, 4, 3, 5), "f4"), k: np.zeros((0, 2, 6, 5), "f4")}, y)
    assert out.shape == (0, 4, 3, 5)
