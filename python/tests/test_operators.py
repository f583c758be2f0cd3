"""Operators that Python programs add."""

import gc
import os
import pathlib
import threading
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import weft

T = {"T": ["f32", "f64"]}


def simple(name: str, **settings: Any) -> weft.Operator:
    """An operator with one input and one output of one type."""
    return weft.Operator(f"com.acme.py.{name}", [weft.Formal("x", "T")], [weft.Formal("y", "T")], T, **settings)


@weft.add_operator(
    weft.Operator(
        "com.acme.py.Gelu",
        inputs=[weft.Formal("x", "T", doc="Any shape."), weft.Formal("bias", "T", optional=True)],
        outputs=[weft.Formal("y", "T"), weft.Formal("gate", "T", optional=True)],
        types=T,
        attributes=[weft.Attribute("slope", "float", 1.702), weft.Attribute("mode", "string", required=True)],
        version=3,
        doc="x sigmoid(slope x).",
    )
)
def gelu(graph: weft.Graph, x: Any, bias: Any, *, slope: float, mode: str) -> Any:
    """A smooth gate."""
    assert mode in ("fast", "slow")
    x = x if bias is None else x + bias
    gate = (x * slope).sigmoid()
    return x * gate, gate


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


X = np.array([-2.0, -0.5, 0.0, 0.25, 3.0])


def test_it_is_added_and_run() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f64", ["n"])
    y, gate = graph.add("com.acme.py.Gelu", [x], {"mode": "fast", "slope": 2.0}, outputs=2)
    z = graph.add("com.acme.py.Gelu", [x, [1.0]], {"mode": "slow"})
    assert (y.shape, y.dtype, gate.shape) == (("n",), "f64", ("n",))
    found = weft.Session(graph).run({x: X}, [y, gate, z])
    np.testing.assert_allclose(found[0], X * sigmoid(2 * X), rtol=1e-14)
    np.testing.assert_allclose(found[1], sigmoid(2 * X), rtol=1e-14)
    slope = float(np.float32(1.702))  # attributes are f32, as files have them
    np.testing.assert_allclose(found[2], (X + 1) * sigmoid(slope * (X + 1)), rtol=1e-14)


def test_gradients_go_through_the_body() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f64", ["n"])
    y = graph.add("com.acme.py.Gelu", [x], {"mode": "fast", "slope": 2.0})
    (dx,) = graph.gradients(y, [x])
    (ddx,) = graph.gradients(dx, [x])
    first, second = weft.Session(graph).run({x: X}, [dx, ddx])
    s = sigmoid(2 * X)
    np.testing.assert_allclose(first, s + 2 * X * s * (1 - s), rtol=1e-13, atol=1e-14)
    step = 1e-5
    slope = lambda at: sigmoid(2 * at) + 2 * at * sigmoid(2 * at) * (1 - sigmoid(2 * at))  # noqa: E731
    np.testing.assert_allclose(second, (slope(X + step) - slope(X - step)) / (2 * step), rtol=1e-7, atol=1e-8)


def test_it_trains() -> None:
    graph = weft.Graph()
    w = graph.variable("w", [2.0, -1.0], dtype="f64")
    y = graph.add("com.acme.py.Gelu", [w], {"mode": "fast", "slope": 0.0})  # w / 2
    step = weft.Sgd(1.0).minimize((y * y).sum())  # by w / 2
    session = weft.Session(graph)
    session.run({}, step)
    assert session.get("w").tolist() == [1.0, -0.5]


def test_what_it_is_like_is_told() -> None:
    assert "com.acme.py.Gelu" in weft.operators()
    known = weft.describe_operator("com.acme.py.Gelu")
    assert known["doc"] == "x sigmoid(slope x)." and known["since"] == 3
    assert [formal["name"] for formal in known["inputs"]] == ["x", "bias"]
    assert known["inputs"][1]["optional"] and known["types"] == {"T": "f32, f64"}
    assert [(attr["name"], attr["kind"], attr["required"]) for attr in known["attrs"]] == [
        ("slope", "float", False),
        ("mode", "string", True),
    ]


def made_by_onnx(op: str, domain: str = "com.acme.py", version: int = 1, **attributes: Any) -> bytes:
    """A model of another program's: a node of the operator between two of ONNX's."""
    nodes = [
        helper.make_node("Neg", ["x"], ["negative"]),
        helper.make_node(op, ["negative", ""], ["z"], "custom", domain=domain, **attributes),
        helper.make_node("Neg", ["z"], ["y"]),
    ]
    shape = ["n"]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(domain, version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def test_files_of_other_programs_are_loaded(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph.load(made_by_onnx("Gelu", version=7, mode="fast", slope=2))
    x, y = graph.inputs[0], graph.outputs[0]
    wanted = -(-X * sigmoid(-2 * X))
    np.testing.assert_allclose(weft.Session(graph).run({x: X.astype("f4")}, y), wanted, rtol=1e-6, atol=1e-7)
    path = tmp_path / "saved.onnx"
    graph.save(path)
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "Gelu")
    assert node.domain == "com.acme.py" and len(node.input) == 1
    assert {a.name: helper.get_attribute_value(a) for a in node.attribute} == {"slope": 2.0, "mode": b"fast"}
    assert {opset.domain: opset.version for opset in model.opset_import}["com.acme.py"] == 3
    again = weft.Graph.load(path)
    found = weft.Session(again).run({again.inputs[0]: X.astype("f4")}, again.outputs[0])
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


def test_inspect_lists_what_is_missing_until_it_is_added() -> None:
    model = made_by_onnx("Late", alpha=3.0)
    assert weft.inspect(model)["unsupported"] == ["the operator com.acme.py.Late is not known (the node 'custom')"]
    with pytest.raises(weft.UnimplementedError, match=r"com\.acme\.py\.Late is not known"):
        weft.Graph.load(model)
    op = weft.Operator(
        "com.acme.py.Late",
        [weft.Formal("x", "f32"), weft.Formal("more", "f32", optional=True)],
        [weft.Formal("y", "f32")],
        attributes=[weft.Attribute("alpha", "float", 1.0)],
    )
    weft.add_operator(op, lambda graph, x, more, *, alpha: x * alpha)
    assert weft.inspect(model)["unsupported"] == []
    graph = weft.Graph.load(model)
    assert weft.Session(graph).run({graph.inputs[0]: [1.0, 2.0]}, graph.outputs[0]).tolist() == [3.0, 6.0]
    wrong = made_by_onnx("Late", beta=3.0)
    assert "'beta'" in weft.inspect(wrong)["unsupported"][0]
    with pytest.raises(weft.InvalidArgumentError, match=r"there is no attribute 'beta'; com\.acme\.py\.Late has alpha"):
        weft.Graph.load(wrong)


def test_a_function_of_the_model_goes_before() -> None:
    model = onnx.load_from_string(made_by_onnx("Gelu"))
    body = [helper.make_node("Abs", ["a"], ["b"])]
    model.functions.append(
        helper.make_function("com.acme.py", "Gelu", ["a", "unused"], ["b"], body, [helper.make_opsetid("", 21)])
    )
    graph = weft.Graph.load(model.SerializeToString())
    assert weft.Session(graph).run({graph.inputs[0]: [1.0, -2.0]}, graph.outputs[0]).tolist() == [-1.0, -2.0]


def test_kinds_of_attributes() -> None:
    seen: dict[str, Any] = {}
    kinds = {
        "i": ("int", 7),
        "f": ("float", 0.5),
        "s": ("string", "two words"),
        "t": ("tensor", np.array([1.0, 2.0], "f4")),
        "b": ("bool", True),
        "d": ("dtype", "i64"),
        "ii": ("ints", [1, 2]),
        "ff": ("floats", [0.5, 1]),
        "ss": ("strings", ["a", "b"]),
        "none": ("int", None),
    }
    attributes = [weft.Attribute(name, kind, value) for name, (kind, value) in kinds.items()]

    def body(graph: weft.Graph, x: Any, **given: Any) -> Any:
        seen.update({name: value.numpy().tolist() if name == "t" else value for name, value in given.items()})
        return x

    weft.add_operator(simple("Kinds", attributes=attributes), body)
    graph = weft.Graph()
    x = graph.input("x", "f32", [])
    graph.add("com.acme.py.Kinds", [x])
    wanted = {name: value for name, (_, value) in kinds.items()} | {"t": [1.0, 2.0], "ff": [0.5, 1.0]}
    assert seen == wanted and isinstance(seen["b"], bool)
    graph.add("com.acme.py.Kinds", [x], {"d": np.float32, "ii": [], "b": False, "none": 3})
    assert (seen["d"], seen["ii"], seen["b"], seen["none"]) == ("f32", [], False, 3)


def test_many_inputs_and_outputs() -> None:
    op = weft.Operator(
        "com.acme.py.Shift",
        [weft.Formal("first", "i64"), weft.Formal("others", "i64", variadic=True)],
        [weft.Formal("moved", "i64", variadic=True)],
    )
    weft.add_operator(op, lambda graph, first, *others: [*others, first])
    graph = weft.Graph()
    a, b, c = (graph.constant(i, dtype="i64") for i in range(3))
    moved = graph.add("com.acme.py.Shift", [a, b, c], outputs=3)
    assert [int(value) for value in weft.Session(graph).run({}, list(moved))] == [1, 2, 0]
    assert int(weft.Session(graph).run({}, graph.add("com.acme.py.Shift", [a, b, c]))) == 1
    with pytest.raises(weft.InvalidArgumentError, match="gave 3 values, but the node has 4 outputs"):
        graph.add("com.acme.py.Shift", [a, b, c], outputs=4)


def cubed(x: Any) -> Any:
    """A function that is found by its name."""
    return x**3


def slope_of_cubed(x: Any, gradient: Any) -> Any:
    """Its derivative."""
    return 3 * x * x * gradient


def test_a_body_may_call_python_when_it_runs() -> None:
    def body(graph: weft.Graph, x: Any) -> Any:
        return weft.host_call(cubed, [x], [x.dtype], [x.shape], gradient=slope_of_cubed) + 1.0

    weft.add_operator(simple("Cubed"), body)
    graph = weft.Graph()
    x = graph.input("x", "f64", ["n"])
    y = graph.add("com.acme.py.Cubed", [x])
    (dx,) = graph.gradients(y, [x])
    found = weft.Session(graph).run({x: [1.0, 2.0]}, [y, dx])
    assert [array.tolist() for array in found] == [[2.0, 9.0], [3.0, 12.0]]


def test_what_a_body_calls_outlives_its_graph() -> None:
    def body(graph: weft.Graph, x: Any, *, named: bool) -> Any:
        return weft.host_call("tests/halved" if named else lambda x: x / 2, [x], [x.dtype], [x.shape])

    weft.add_operator(simple("Halved", attributes=[weft.Attribute("named", "bool", True)]), body)
    weft.set_host_function("tests/halved", lambda x: x / 2)
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])
    with pytest.raises(weft.InvalidArgumentError, match=r"Halved calls .*<lambda>.*use one of a module"):
        graph.add("com.acme.py.Halved", [x], {"named": False})
    y = graph.add("com.acme.py.Halved", [x])
    assert weft.Session(graph).run({x: [1.0, 2.0]}, y).tolist() == [0.5, 1.0]
    weft.set_host_function("tests/halved", None)


def test_it_works_inside_branches_loops_and_other_operators() -> None:
    weft.add_operator(simple("Double"), lambda graph, x: x + x)

    def body(graph: weft.Graph, x: Any) -> Any:
        doubled = lambda: graph.add("com.acme.py.Double", [x])  # noqa: E731
        return weft.if_(x.sum() > 0.0, lambda: weft.add(x, 0.0), doubled)

    weft.add_operator(simple("DoubleNegative"), body)
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])
    (last,) = weft.loop(lambda i, go_on, y: (go_on, graph.add("com.acme.py.DoubleNegative", [y])), [x], count=3)
    (dx,) = graph.gradients(last, [x])
    session = weft.Session(graph)
    assert session.run({x: [1.0, 2.0]}, last).tolist() == [1.0, 2.0]
    assert session.run({x: [-1.0, -2.0]}, last).tolist() == [-8.0, -16.0]
    assert session.run({x: [-1.0, -2.0]}, dx).tolist() == [8.0, 8.0]


class Odd(Exception):
    pass


def test_exceptions_come_out_as_they_are() -> None:
    fails = True

    def body(graph: weft.Graph, x: Any) -> Any:
        if fails:
            raise Odd("not today")
        return x.sum(axes=[7])

    weft.add_operator(simple("Fails"), body)
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    with pytest.raises(Odd, match="not today") as odd:
        graph.add("com.acme.py.Fails", [x], name="mine")
    assert "com.acme.py.Fails 'mine'" in odd.value.__notes__[0] and "test_operators.py:" in odd.value.__notes__[0]
    fails = False
    with pytest.raises(weft.InvalidArgumentError, match="axis 7") as inside:
        graph.add("com.acme.py.Fails", [x], name="mine")
    assert inside.value.op == "ReduceSum" and "com.acme.py.Fails 'mine'" in inside.value.__notes__[0]
    assert graph.node_count == 1


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (lambda graph, x: None, ValueError, "nothing as output 0, 'y'"),
        (lambda graph, x: [x, x], ValueError, "gave 2 values, but the node has 1 outputs"),
        (lambda graph, x: 3, TypeError, "must be a Value but is an int"),
        (lambda graph, x: x.cast("i64"), ValueError, r"gives i64\[2\] as output 0, 'y', which must be f32"),
        (lambda graph, x: weft.Graph().constant(1.0, dtype="f32"), ValueError, "belongs to another graph"),
        (lambda graph, x: graph.variable("w", x * 0.0), ValueError, "depends on an input"),
        (lambda graph, x: graph.variable("w", [1.0, 2.0], dtype="f32"), ValueError, "adds the variable"),
        (lambda graph, x: graph.input("more", "f32", [2]), ValueError, "adds an input"),
        (lambda graph: 3, TypeError, "positional argument"),
    ],
)
def test_what_bodies_do_wrong(result: Any, error: type[Exception], text: str) -> None:
    name = f"Wrong{abs(hash((text, os.getpid())))}"
    weft.add_operator(simple(name), result)
    graph = weft.Graph()
    with pytest.raises(error, match=text) as found:
        graph.add(f"com.acme.py.{name}", [graph.input("x", "f32", [2])], name="mine")
    told = f"{found.value} {getattr(found.value, '__notes__', '')}"
    assert name in told and "mine" in told


def test_the_graph_of_a_body_is_closed_after_it() -> None:
    kept: list[Any] = []

    def body(graph: weft.Graph, x: Any) -> Any:
        kept.extend([graph, x])
        return x

    weft.add_operator(simple("Keeps"), body)
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    y = graph.add("com.acme.py.Keeps", [x])
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        kept[1] + 1.0
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        kept[0].add("Neg", [kept[1]])
    assert weft.Session(graph).run({x: [1.0, 2.0]}, y).tolist() == [1.0, 2.0]


def test_the_graph_around_is_not_to_be_built_by_a_body() -> None:
    graph = weft.Graph()
    outside = [graph.input("x", "f32", [2])]
    weft.add_operator(simple("Outside"), lambda inner, y: outside[0] * 2.0)
    with pytest.raises(weft.FailedPreconditionError, match="the graph that it is given"):
        graph.add("com.acme.py.Outside", outside)
    outside.clear()  # the body stays, and would keep the graph


def test_a_body_may_be_wrong_when_it_is_run() -> None:
    """An error that it makes in a graph which was there before leaves that graph as it was."""
    older = weft.Graph()
    v = older.input("v", "f32", ["n"])
    outside: list[weft.Value] = []  # empty in the end: the body stays, and would keep the graph

    def body(graph: weft.Graph, x: Any) -> Any:
        for value in outside:
            value.sum()
        return x * 3.0

    weft.add_operator(simple("Meddles"), body)
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])
    y = graph.add("com.acme.py.Meddles", [x])
    session = weft.Session(graph)
    for meddled in (v, x):
        outside.append(meddled)
        with pytest.raises(weft.FailedPreconditionError, match="the graph that it is given"):
            session.run({x: [1.0]}, y)
        outside.clear()
    assert session.run({x: [1.0]}, y).tolist() == [3.0]
    assert older.node_count == 1  # v
    assert weft.Session(older).run({v: [1.0]}, v * 2.0).tolist() == [2.0]


def test_an_operator_cannot_be_made_of_itself() -> None:
    weft.add_operator(simple("Self"), lambda graph, x: graph.add("com.acme.py.Self", [x]))
    graph = weft.Graph()
    with pytest.raises(weft.InvalidArgumentError, match=r"com\.acme\.py\.Self is made of com\.acme\.py\.Self"):
        graph.add("com.acme.py.Self", [graph.input("x", "f32", [])])


def test_what_cannot_be_added() -> None:
    identity = lambda graph, x: x  # noqa: E731
    with pytest.raises(weft.AlreadyExistsError, match=r"com\.acme\.py\.Gelu"):
        weft.add_operator(simple("Gelu"), identity)
    for name in ("Gelu", "ai.onnx.Mine", "weft.Mine", "com.acme.py.2"):
        with pytest.raises(weft.InvalidArgumentError):
            weft.add_operator(weft.Operator(name, [weft.Formal("x", "f32")], [weft.Formal("y", "f32")]), identity)
    with pytest.raises(weft.InvalidArgumentError, match="'U'"):
        weft.add_operator(weft.Operator("com.acme.py.No", [weft.Formal("x", "U")], [weft.Formal("y", "f32")]), identity)
    with pytest.raises(weft.InvalidArgumentError, match="no output"):
        weft.add_operator(weft.Operator("com.acme.py.No", [], []), identity)
    for version in (0, 2**40):
        with pytest.raises(weft.InvalidArgumentError, match=f"version is {version} but"):
            weft.add_operator(simple("No", version=version), identity)
    with pytest.raises(weft.InvalidArgumentError, match="both optional and variadic"):
        weft.add_operator(weft.Operator("com.acme.py.No", [weft.Formal("x", "f32", True, True)], []), identity)
    with pytest.raises(ValueError, match="f33"):
        weft.add_operator(weft.Operator("com.acme.py.No", [], [weft.Formal("y", "T")], {"T": ["f33"]}), identity)
    with pytest.raises(weft.InvalidArgumentError, match="kind"):
        weft.add_operator(simple("No", attributes=[weft.Attribute("a", "number")]), identity)
    with pytest.raises(weft.InvalidArgumentError, match="required"):
        weft.add_operator(simple("No", attributes=[weft.Attribute("a", "int", 1, required=True)]), identity)
    with pytest.raises(TypeError, match="Operator"):
        weft.add_operator("com.acme.py.No", identity)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="Operator"):
        weft.add_operator(identity)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="Formal"):
        weft.add_operator(weft.Operator("com.acme.py.No", ["x"], []), identity)  # type: ignore[list-item]
    with pytest.raises(TypeError, match="function"):
        weft.add_operator(simple("No"), 3)  # type: ignore[call-overload]
    assert "com.acme.py.No" not in weft.operators()


def test_threads_build_read_and_run() -> None:
    """A body needs the interpreter's lock while the thread that needs it has the graph."""
    weft.add_operator(simple("Busy"), lambda graph, x: (x + 1.0) * 2.0)
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])
    values = [x]
    session = weft.Session(graph)
    done = threading.Event()
    problems: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                assert graph.node_count >= 1 and values[-1].dtype == "f32"
                session.run({x: [1.0]}, values[-1])
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        values.append(graph.add("com.acme.py.Busy", [x]))
    done.set()
    for thread in threads:
        thread.join()
    assert not problems
    assert session.run({x: [1.0, 2.0]}, values[-1]).tolist() == [4.0, 6.0]


def test_nothing_is_kept_of_nodes() -> None:
    gc.collect()
    before = weft.live_objects()
    attributes = [weft.Attribute("table", "tensor", np.ones(3, "f4"))]
    weft.add_operator(simple("Table", attributes=attributes), lambda graph, x, *, table: x)
    graph = weft.Graph()
    graph.add("com.acme.py.Table", [graph.input("x", "f32", [])])
    graph.close()
    del graph
    gc.collect()
    assert weft.live_objects() == before
