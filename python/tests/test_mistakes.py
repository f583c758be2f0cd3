"""Mistakes: each is an error that names what was given and what was wanted."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft

BIG = 10**30


def made() -> tuple[weft.Value, weft.Session]:
    x = weft.Graph().input("x", "f32", [2])
    return x, weft.Session(x.graph)


def test_what_is_no_dict_of_feeds() -> None:
    x, session = made()
    for feeds, kind in (([x], "list"), (x, "Value"), ("x", "str")):
        with pytest.raises(TypeError, match=f"feeds must be a dict .* is a {kind}$"):
            session.run(feeds, x)
    with pytest.raises(TypeError, match="what is fed must be a Value but is the name 'x'; Graph.find gives the Value of a name"):
        session.run({"x": [1, 2]}, x)
    with pytest.raises(ValueError, match=r"Value x: f32\[2\] is fed None"):
        session.run({x: None}, x)


def test_what_is_no_list_of_values() -> None:
    x, session = made()
    data = weft.Dataset([[1.0, 2.0]])
    for use, match in (
        (lambda: session.run({}, None), "a fetch must be a Value, or a list of them, but is None"),
        (lambda: session.run({}, [3]), "a fetch must be a Value but is an int"),
        (lambda: session.fit(data, x, x, [x]), "feeds must be a list"),
        (lambda: session.fit(data, [x], x, 3), "a metric must be a Value, or a list"),
        (lambda: weft.gradients([], [x]), "what is differentiated must be a Value"),
        (lambda: session.prepare({x: [1.0, 2.0]}, [x]), "feeds must be a list of Values: bind_input binds their tensors"),
        (lambda: weft.gradients(x, x), r"xs is a Value but must be a list of them: gradients\(ys, \[x\]\)"),
        (lambda: weft.loop(lambda i, c, h: (c, h), x, count=2), "initial is a Value but must be a list of them"),
        (lambda: weft.scan(lambda h, item: h, [x], x), "scanned is a Value but must be a list of them"),
        (lambda: weft.if_(x > 0.0, x, lambda: x), "then must be a function that builds a branch but is Value"),
        (lambda: session.get(3), "a variable must be a str but is an int"),
        (lambda: x.graph.find(3), "the name of a value must be a str"),
        (lambda: weft.if_(True, lambda: x, lambda: x), "the condition must be a Value but is a bool"),
        (lambda: weft.set_log(3), "the log goes to a function, not to an int"),
    ):
        with pytest.raises(TypeError, match=match):
            use()


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda x: x.graph.input(5), "'name' must be a str but is an int"),
        (lambda x: x.graph.variable(5, 1.0), "'name' must be a str but is an int"),
        (lambda x: x.graph.constant(1.0, name=[]), "'name' must be a str but is a list"),
        (lambda x: x.graph.add(5, [x]), "'op' must be a str but is an int"),
        (lambda x: x.graph.add("Relu", [x], name=object()), "'name' must be a str but is an object"),
        (lambda x: weft.relu(x, name=5), "'name' must be a str but is an int"),
        (lambda x: setattr(x, "name", 5), "'name' must be a str but is an int"),
        (lambda x: x.graph.scope(5).__enter__(), "'name' must be a str but is an int"),
        (lambda x: weft.Graph("a"), "'opset' must be a whole number but is a str"),
        (lambda x: weft.Dataset([1.0]).rows(None, 1), "'first' must be a whole number but is None"),
        (lambda x: weft.Dataset(), "a dataset needs at least one tensor"),
        (lambda x: weft.Sgd("a"), "'learning_rate' must be a number but is a str"),
        (lambda x: weft.Adam(beta1="a"), "'beta1' must be a number but is a str"),
        (lambda x: weft.Momentum(clip_norm=None), "'clip_norm' must be a number but is None"),
        (lambda x: weft.Session(x.graph).run({x: [1, 2]}, x, timeout="a"), "'timeout' must be a number but is a str"),
        (
            lambda x: weft.Session(x.graph).fit(weft.Dataset([1.0]), [x], x, min_delta=[]),
            "'min_delta' must be a number but is a list",
        ),
        (lambda x: weft.transpose(x, perm=[1, None]), "attribute 'perm' must be made of whole numbers but has None"),
        (lambda x: weft.transpose(x, perm=[0, "1"]), "attribute 'perm' must be made of whole numbers but has a str"),
    ],
)
def test_what_is_of_another_type_is_named(use: Callable[[weft.Value], Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        use(made()[0])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("use", "named"),
    [
        (lambda x: weft.softmax(x, axis=BIG), "attribute 'axis'"),
        (lambda x: weft.softmax(x, axis=2**63), "attribute 'axis' is 9223372036854775808"),
        (lambda x: weft.transpose(x, perm=[BIG]), "attribute 'perm'"),
        (lambda x: weft.reshape(x, [BIG]), "1000000000000000000000000000000"),
        (lambda x: weft.Session(x.graph, threads=BIG), "option 'threads'"),
        (lambda x: weft.set_memory_limit(BIG), "'bytes'"),
        (lambda x: weft.Dataset([1.0]).rows(BIG, 1), "'first'"),
        (lambda x: weft.Dataset([1.0])[2**31], "'i' is 2147483648, which does not fit into 32 bits"),
        (lambda x: weft.Session(x.graph).prepare([x], [x]).output(BIG), "'i'"),
        (lambda x: weft.Graph(BIG), "'opset'"),
        (lambda x: x.graph.add("Split", [x], outputs=BIG), "the number of results"),
        (lambda x: x.graph.add("Relu", [x], outputs=2**31 - 1), "the number of results is 2147483647, which no node has"),
        (lambda x: x.graph.input("big", "f32", [BIG]), "1000000000000000000000000000000"),
    ],
)
def test_numbers_that_are_too_large_are_named(use: Callable[[weft.Value], Any], named: str) -> None:
    with pytest.raises(weft.InvalidArgumentError) as caught:
        use(made()[0])
    assert named in str(caught.value)


def test_metrics_that_are_not_there() -> None:
    graph = weft.Graph()
    loss = weft.reduce_mean(graph.input("x", "f32", ["n"]) * graph.variable("w", 1.0), keepdims=False, name="loss")
    step = weft.Sgd(0.1).minimize(loss)
    data = weft.Dataset([1.0], [2.0])
    with pytest.raises(ValueError, match="'zz' but the metrics are loss$"):
        weft.Session(graph).fit(data, [graph.inputs[0], None], step, [loss], monitor="zz", patience=1)
    with pytest.raises(ValueError, match="'zz' but there are no metrics$"):
        weft.Session(graph).fit(data, [graph.inputs[0], None], step, monitor="zz", patience=1)
    with pytest.raises(ValueError, match="2 tensors but 1 feeds .* an empty one for a tensor that is not fed$"):
        weft.Session(graph).fit(data, [graph.inputs[0]], step, [loss])


def test_node_and_origin_have_one_form() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2, 3])
    with pytest.raises(ValueError, match=r" \[MatMul 'bad'\] \(built at .*test_mistakes\.py:\d+\)$"):
        weft.matmul(x, x, name="bad")
    assert str(weft.WeftError("no")) == "no"
    assert str(weft.WeftError("no", op="Relu", origin="a.py:3")) == "no [Relu] (built at a.py:3)"


def closed(thing: Any) -> Any:
    thing.close()
    return thing


def test_closed_arguments_are_errors(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n", 2])
    w = graph.variable("w", [[1.0], [1.0]])
    loss = weft.reduce_mean(x @ w, keepdims=False)
    step = weft.Sgd(0.1).minimize(loss)
    live = weft.Session(graph)
    data = weft.Dataset([[1.0, 2.0]])
    tensor = closed(weft.Tensor([[1.0, 2.0]]))
    gone = closed(weft.Dataset([[1.0, 2.0]]))
    cancel, trace = closed(weft.Cancel()), closed(weft.Trace())
    prepared = live.prepare([x], [x])
    other = weft.Graph()
    layer = closed(weft.layers.Dense(graph, "dense", inputs=2, units=1))
    uses: list[Callable[[], Any]] = [
        lambda: live.run({x: tensor}, x),
        lambda: live.run({x: [[1, 2]]}, x, cancel=cancel),
        lambda: live.run({x: [[1, 2]]}, x, trace=trace),
        lambda: prepared.run(cancel=cancel),
        lambda: prepared.bind_input(0, tensor),
        lambda: prepared.bind_output(0, tensor),
        lambda: live.set("w", tensor),
        lambda: live.fit(gone, [x], step, [loss]),
        lambda: live.fit(data, [x], step, [loss], cancel=cancel),
        lambda: live.fit(data, [x], step, [loss], validation=gone, validation_metrics=[loss]),
        lambda: live.evaluate(gone, [x], [loss]),
        lambda: live.predict(gone, [x], x),
        lambda: weft.Session(closed(weft.Graph())),
        lambda: weft.Session(graph, share=closed(weft.Session(graph))).run(targets=step),
        lambda: graph.constant(tensor),
        lambda: x + tensor,
        lambda: graph.add("Constant", [], {"value": tensor}),
        lambda: weft.Tensor(tensor),
        lambda: weft.Tensor.sequence([tensor]),
        lambda: weft.Dataset(tensor),
        lambda: weft.save_tensors(tmp_path / "never", {"a": tensor}),
        lambda: layer(x),
        lambda: weft.layers.Dense(closed(other), "d", inputs=1, units=1),
        lambda: graph.save(tmp_path / "never", [x @ w], session=closed(weft.Session(graph))),
        lambda: closed(weft.Session(graph)).prepare([x], [x]),
    ]
    for i, use in enumerate(uses):
        with pytest.raises(weft.FailedPreconditionError, match="closed"):
            use()
            raise AssertionError(f"use {i} raised nothing")
    assert list(tmp_path.iterdir()) == []


def test_devices_that_there_are_not() -> None:
    with pytest.raises(weft.NotFoundError, match="there is no device 'cuda:0'; the devices are cpu"):
        weft.Session(weft.Graph(), device="cuda:0")
    with pytest.raises(weft.NotFoundError, match="'/nowhere/libweft_none.so' cannot be loaded"):
        weft.load_devices("/nowhere/libweft_none.so")
    with pytest.raises(weft.InvalidArgumentError, match="'libm.so.6' is no device plug-in"):
        weft.load_devices("libm.so.6")
    assert weft.devices() == ["cpu"]


def test_what_the_library_has_is_listed() -> None:
    assert weft.version_number() == 1000 and weft.__version__ == "0.1.0"
    assert weft.devices() == ["cpu"]
    assert {"MatMul", "Relu", "weft.Assign"} <= set(weft.operators())
    assert weft.describe_operator("MatMul")["name"] == "MatMul"
    assert weft.layer_types() == sorted(weft.layers.__all__)
    assert [attr["name"] for attr in weft.describe_layer("Flatten")["attrs"]] == []
    with pytest.raises(LookupError, match="Relu"):
        weft.describe_operator("Rellu")
    with pytest.raises(LookupError):
        weft.describe_layer("Dens")
    bits = {"f32": 32, "f64": 64, "bool": 8, "bf16": 16, "i4": 4, "c128": 128}
    assert {name: weft.dtype_bits(name) for name in bits} == bits
    weft.set_memory_limit(10**12)
    assert weft.memory_limit() == 10**12
    weft.set_memory_limit(0)
    assert weft.memory_limit() == 0


def test_the_mask_of_an_array_is_not_lost() -> None:
    x, session = made()
    masked = np.ma.masked_array(np.array([1, 2], "f4"), [True, False])
    for use in (
        lambda: session.run({x: masked}, x),
        lambda: x + masked,
        lambda: x.graph.constant(masked),
        lambda: weft.Tensor(masked, "f64"),
        lambda: weft.Dataset(masked),
        lambda: weft.from_dlpack(masked),
    ):
        with pytest.raises(ValueError, match=r"no mask.*array.filled\(...\), or array.data"):
            use()
    assert session.run({x: masked.filled(3)}, x).tolist() == [3.0, 2.0]


def test_what_cannot_be_an_element_is_named() -> None:
    x, session = made()
    for fed, match in (
        ([1.0, None], "None cannot be an element of a tensor of f32"),
        ([1.0, "a"], "a str cannot be an element of a tensor of f32"),
        ([1, BIG], f"{BIG}, which does not fit into 64 bits, cannot be an element of a tensor of f32"),
        ([1.0, 2j], "complex numbers cannot be elements of a tensor of f32"),
        ([[1.0], [2.0, 3.0]], "a list is no tensor: .*inhomogeneous shape"),
    ):
        with pytest.raises(weft.InvalidArgumentError, match=match):
            session.run({x: fed}, x)
    with pytest.raises(weft.InvalidArgumentError, match="an int cannot be an element of a tensor"):
        weft.Tensor(["a", 1])


def test_feeds_of_predict_are_a_list() -> None:
    x, session = made()
    with pytest.raises(TypeError, match="feeds must be a list of a Value or None for each tensor but is a Value"):
        session.predict(np.zeros((3, 2), "f4"), x, x)  # type: ignore[call-overload]


def test_numbers_that_an_input_cannot_have_are_named() -> None:
    graph = weft.Graph()
    i, u, b = graph.input("i", "i64", [1]), graph.input("u", "u8", [2]), graph.input("b", "bool", [])
    n = graph.variable("n", 1, dtype="i32")
    session = weft.Session(graph)
    called = weft.host_call(lambda x: [0.5], [i], ["i64"], [[1]])
    for use, match in (
        (lambda: session.run({i: [1.5]}, i), r"^1\.5 is no i64, the dtype of Value i: i64\[1\]$"),
        (lambda: session.run({i: [float("nan")]}, i), "^nan is no i64"),
        (lambda: session.run({u: [7, 300]}, u), "^300 is no u8"),
        (lambda: session.run({u: [-1, 0]}, u), "^-1 is no u8"),
        (lambda: session.run({b: 2}, b), "^2 is no bool"),
        (lambda: session.set("n", 2**31), "^2147483648 is no i32, the dtype of Value n"),
        (lambda: session.set(n, 0.5), r"^0\.5 is no i32"),
        (lambda: session.run({i: [1]}, called), r"gave what is no tensor: 0\.5 is no i64, the dtype of output 0"),
    ):
        with pytest.raises(weft.InvalidArgumentError, match=match):
            use()
    found = session.run({i: [2.0], u: (0, 255), b: 1}, [i, u, b])
    assert [array.tolist() for array in found] == [[2], [0, 255], True]
    session.set("n", 2**31 - 1)
    assert session.get("n") == 2**31 - 1


def test_variables_of_another_graph() -> None:
    graphs = [weft.Graph(), weft.Graph()]
    mine, other = (graph.variable("w", 1.0) for graph in graphs)
    session = weft.Session(graphs[0])
    for use in (lambda: session.get(other), lambda: session.set(other, 2.0)):
        with pytest.raises(weft.InvalidArgumentError, match=r"^Value w: f32\[\] belongs to another graph than the session's$"):
            use()
    assert session.get(mine) == 1.0


def test_one_name_is_a_list_of_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "two.safetensors"
    weft.save_tensors(path, {"images": [[1.0]], "labels": [3]})
    assert weft.Dataset.load(path, "labels")[0].tolist() == [3]
    (batch,) = weft.Dataset.from_function([[[1.0]]], "images").batches()
    assert [array.tolist() for array in batch] == [[1.0]]
    x, _ = made()
    assert weft.Session(x.graph, disable_pass="*").run({x: [1, 2]}, x).tolist() == [1.0, 2.0]
