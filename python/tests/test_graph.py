"""Building graphs: values, operators, indexing, names, gradients, errors."""

import pathlib

import numpy as np
import onnx
import pytest

import weft


def run(value: weft.Value, feeds: dict[weft.Value, object] | None = None) -> np.ndarray:
    return weft.Session(value.graph).run(feeds, value)


def test_shapes_are_inferred_with_symbols() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", 3])
    assert x.shape == ("batch", 3) and x.dtype == "f32" and x.rank == 2 and x.name == "x"
    assert weft.transpose(x).shape == (3, "batch")
    assert graph.input("any", "f32").shape is None
    assert repr(x) == "Value x: f32[batch, 3]"


def test_arithmetic_is_that_of_numpy() -> None:
    graph = weft.Graph()
    a = np.array([[1.5, -2.0, 3.0], [4.0, 5.0, -6.5]], "f4")
    x = graph.input("x", "f32", [2, 3])
    pairs = [
        (x + 1, a + 1),
        (2 - x, 2 - a),
        (x * x, a * a),
        (1 / x, 1 / a),
        (x**2, a**2),
        (-x, -a),
        (+x, +a),
        (x % 2, np.fmod(a, 2)),
        (5 % x, np.fmod(5, a)),
        (abs(x), abs(a)),
        (x @ a.T, a @ a.T),
        (a.T @ x, a.T @ a),
        (x < 2, a < 2),
        (x >= a, a >= a),
        ((x > 0) & (x < 4), (a > 0) & (a < 4)),
        (True & (x > 0), a > 0),
        (False | (x > 0), a > 0),
        (True ^ (x > 0), ~(a > 0)),
        (~(x > 0), ~(a > 0)),
        (x + [10.0, 20.0, 30.0], a + np.array([10, 20, 30], "f4")),
    ]
    found = weft.Session(graph).run({x: a}, [value for value, _ in pairs])
    for got, (_, wanted) in zip(found, pairs):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        slice(1, None),
        slice(0, 2**70),
        slice(-(2**70), 1),
        slice(2**70, None, -1),
        slice(np.int64(0), np.int8(1)),
        (slice(None), 1),
        (..., 0),
        (1, slice(None, None, -1)),
        (slice(None), slice(0, 3, 2), None),
        (None, 0),
        (-1, ..., slice(-2, None)),
    ],
)
def test_indexing_is_that_of_numpy(index: object) -> None:
    graph = weft.Graph()
    a = np.arange(24, dtype="f4").reshape(2, 3, 4)
    x = graph.input("x", "f32", a.shape)
    np.testing.assert_array_equal(run(x[index], {x: a}), a[index])


def test_wrong_indices_are_errors() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2, 3])
    with pytest.raises(IndexError, match="outside dimension 0"):
        x[2]
    with pytest.raises(IndexError, match="3 indices"):
        x[0, 0, 0]
    with pytest.raises(TypeError, match="str"):
        x["a"]


def test_an_error_shows_the_line_and_the_shapes() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2, 3])
    with pytest.raises(ValueError, match=r"test_graph\.py:\d+") as caught:
        x @ x
    assert isinstance(caught.value, weft.InvalidArgumentError)
    assert caught.value.op == "MatMul" and "f32[2, 3]" in str(caught.value)
    assert caught.value.origin.endswith("test_graph.py:" + str(caught.traceback[0].lineno + 1))


def test_errors_are_what_python_users_catch() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    with pytest.raises(LookupError, match="Relu"):
        graph.add("Rellu", [x])
    with pytest.raises(ValueError, match="axis"):
        weft.softmax(x, axis=5)
    with pytest.raises(ValueError, match="f99"):
        graph.input("y", "f99", [1])
    with pytest.raises(TypeError, match="truth value"):
        bool(x)
    with pytest.raises(TypeError):
        list(x)
    with pytest.raises(FileNotFoundError):
        weft.Graph.load("nowhere.onnx")
    with pytest.raises(TypeError, match="'str'"):
        x + "text"
    with pytest.raises(ValueError, match="cast"):
        weft.cast(x, to="i32") + 0.5


def test_values_of_another_graph_are_refused() -> None:
    x = weft.Graph().input("x", "f32", [2])
    other = weft.Graph()
    y = other.input("y", "f32", [2])
    with pytest.raises(ValueError, match="graph"):
        x + y
    with pytest.raises(ValueError, match="graph"):
        weft.Session(other).run({}, x)


def test_a_closed_graph_says_so() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    session = weft.Session(graph)
    y = x + 1
    graph.close()
    graph.close()
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        x + 1
    with pytest.raises(weft.FailedPreconditionError, match="closed"):
        weft.Session(graph)
    np.testing.assert_array_equal(session.run({x: np.array([1, 2], "f4")}, y), [2, 3])


def test_gradients() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f64", [2])
    y = graph.input("y", "f64", [2])
    dx, dy, none = graph.gradients(x * x * y, [x, y, graph.input("z", "f64", [1])])
    assert none is None
    (second,) = weft.gradients(dx, [x])
    found = weft.Session(graph).run({x: [3.0, 4.0], y: [5.0, 6.0]}, [dx, dy, second])
    np.testing.assert_allclose(found, [[30, 48], [9, 16], [10, 12]])


def test_the_weight_of_a_gradient_has_the_shape_of_what_is_differentiated() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [3])
    y = -x
    for size in (1, 5):
        weight = graph.input(f"weight{size}", "f32", [size])
        with pytest.raises(weft.InvalidArgumentError, match=rf"is f32\[{size}\] but must be like it, f32\[3\]"):
            graph.gradients(y, [x], [weight])
    assert graph.gradients(y, [x], [graph.input("open", "f32", ["n"])])[0] is not None


def test_names_and_scopes() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    with graph.scope("block"):
        y = weft.relu(x, name="act")
    assert y.name == "block/act"
    assert graph.find("block/act") == y
    y.name = "out"
    assert graph.find("out") == y
    with pytest.raises(LookupError):
        graph.find("nothing")
    graph.outputs = [y]
    assert graph.outputs == [y] and graph.inputs == [x] and graph.variables == []


def test_scopes_in_branches() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [])
    names = []

    def then() -> weft.Value:
        with graph.scope("a"):
            y = weft.sqrt(x, name="root")
        names.extend([y.name, weft.exp(y, name="after").name])
        return y

    weft.if_(x > 0.0, then, lambda: x)
    assert names == ["a/root", "after"]
    assert weft.relu(x, name="outside").name == "outside"


def test_pictures() -> None:
    graph = weft.Graph()
    weft.relu(graph.input("x", "f32", ["n"]))
    assert "Relu" in str(graph) and "test_graph.py" in str(graph)
    assert graph.dot().startswith("digraph")
    svg = graph.svg()
    assert "<svg" in svg and "Relu" in svg
    assert graph._repr_svg_() == svg


def test_a_drawing_needs_graphviz(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    weft.relu(graph.input("x", "f32", ["n"]))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(weft.UnavailableError, match="needs the program 'dot' of Graphviz; install the package graphviz"):
        graph.svg()
    assert graph._repr_svg_() is None


def test_methods_are_those_of_numpy() -> None:
    graph = weft.Graph()
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]], "f4")
    x = graph.input("x", "f32", ["n", 3])
    pairs = [
        (x.sum(), 22),
        (x.sum(0), [5, 7, 10]),
        (x.sum(axes=[0, 1]), 22),
        (x.mean(1), [2, 16 / 3]),
        (x.mean(-1, keepdims=True), [[2], [16 / 3]]),
        (x.max(0), [4, 5, 7]),
        (x.min((0,)), [1, 2, 3]),
        (x.prod(), 840),
        (x.prod(1, True), [[6], [140]]),
        (x.T, [[1, 4], [2, 5], [3, 7]]),
        (x.transpose(1, 0), [[1, 4], [2, 5], [3, 7]]),
        (x[None].transpose(0, 2, 1), [[[1, 4], [2, 5], [3, 7]]]),
        (x[None].transpose([2, 1, 0]), [[[1], [4]], [[2], [5]], [[3], [7]]]),
        (x.reshape(3, 2), [[1, 2], [3, 4], [5, 7]]),
        (x.reshape([-1]), [1, 2, 3, 4, 5, 7]),
        (x[0, 0].reshape(), 1),
        (x.cast("i32"), [[1, 2, 3], [4, 5, 7]]),
        (x.cast(bool).cast(float), [[1, 1, 1], [1, 1, 1]]),
        (x[0].exp(), [2.7182817, 7.389056, 20.085537]),
        (x[0].log(), [0, 0.6931472, 1.0986123]),
        (x[0].sqrt(), [1, 1.4142135, 1.7320508]),
        ((x[0] - 2).relu(), [0, 0, 1]),
        ((x[0] - 2).sigmoid(), [0.26894143, 0.5, 0.7310586]),
        ((x[0] - 2).tanh(), [-0.7615942, 0, 0.7615942]),
        ((x[0] - 2).abs(), [1, 0, 1]),
        (x[0].softmax(), [0.09003057, 0.24472848, 0.66524094]),
        (x.softmax(axis=0), [[0.04742587, 0.04742587, 0.01798621], [0.95257413, 0.95257413, 0.98201379]]),
        (x.equal(5), [[False, False, False], [False, True, False]]),
    ]
    found = weft.Session(graph).run({x: a}, [value for value, _ in pairs])
    for got, (value, wanted) in zip(found, pairs):
        np.testing.assert_allclose(got, wanted, rtol=2e-6)
        assert got.shape == np.shape(wanted), value
    assert x.sum().shape == () and x.T.shape == (3, "n")


def test_a_method_that_fails_names_the_line() -> None:
    x = weft.Graph().input("x", "f32", ["n", 3])
    for use in (lambda: x.sum(2), lambda: x.reshape(2.5), lambda: x.cast("f99")):
        with pytest.raises(weft.InvalidArgumentError):
            use()
    with pytest.raises(weft.InvalidArgumentError, match=r"test_graph\.py:\d+"):
        x.sum(2)


def test_functions_over_several_values_say_what_is_over_axes() -> None:
    for name in ("sum", "mean", "max", "min"):
        lines = getattr(weft, name).__doc__.splitlines()
        assert "elementwise" in lines[0]
        assert f"`reduce_{name}`" in " ".join(lines[:3]) and f"`Value.{name}`" in " ".join(lines[:3])


def test_strings_and_other_types() -> None:
    graph = weft.Graph()
    x = graph.input("x", "string", [2])
    assert weft.Session(graph).run({x: ["a", "bä"]}, weft.identity(x)).tolist() == ["a", "bä"]
    n = graph.input("n", "u8", [2])
    assert weft.Session(graph).run({n: np.array([1, 255], "u1")}, n + 1).tolist() == [2, 0]


def test_every_operator_has_a_documented_function() -> None:
    for name in weft.ops.__all__:
        assert "Returns:" in getattr(weft.ops, name).__doc__


def test_a_shape_may_be_text() -> None:
    graph = weft.Graph()
    assert graph.input("x", "f32", "batch,3").shape == ("batch", 3)
    assert graph.input("y", "f32", " 2 , ? ").shape == (2, "?y.1")
    assert graph.input("z", "f32", "[batch, 3]").shape == ("batch", 3)
    assert graph.input("scalar", "f32", "").shape == ()
    twice = weft.host_call(lambda v: v * 2, [graph.find("x")], ["f32"], ["batch,3"])
    assert twice.shape == ("batch", 3)
    with pytest.raises(ValueError, match="empty dimension"):
        graph.input("w", "f32", "2,,3")


def test_required_attributes_may_be_given_in_their_order() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1, 1, 4])
    assert weft.cast(x, "i32").dtype == "i32" and weft.cast(x, to="i32").dtype == "i32"
    assert weft.cast(x, np.float64).dtype == "f64"
    assert weft.max_pool(x, [2]).shape == (1, 1, 3) and weft.average_pool(x, 3).shape == (1, 1, 2)
    assert weft.initial_value("ones", [2, 3], graph=graph).shape == (2, 3)
    assert weft.concat(x, x, axis=2).shape == (1, 1, 8)
    with pytest.raises(TypeError, match="positional"):
        weft.softmax(x, 1)  # type: ignore[misc]


def test_a_notebook_draws_graphs_of_up_to_300_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    for _ in range(299):
        x = weft.tanh(x)
    monkeypatch.setattr(weft.Graph, "svg", lambda self: f"<svg of {self.node_count}>")
    assert graph._repr_svg_() == "<svg of 300>"
    weft.tanh(x)
    assert graph._repr_svg_() is None and repr(graph) == "Graph with 301 nodes"
    assert graph.svg() == "<svg of 301>"


def test_remainders_of_integers_have_the_sign_of_the_divisor() -> None:
    graph = weft.Graph()
    i = graph.input("i", "i32", [4])
    a = np.array([-3, 2, 5, -7], "i4")
    found = weft.Session(graph).run({i: a}, [i % 4, 10 % i])
    assert [part.tolist() for part in found] == [[1, 2, 1, 1], [-2, 0, 0, -4]]


def test_the_smallest_integer_over_a_length_with_a_minus() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])
    minus = weft.ops.shape(x) * graph.constant(np.array([-1]))
    found = run(weft.ops.div(graph.constant(np.array([-(2**63)])), minus), {x: np.zeros(1, "f4")})
    assert found.tolist() == [-(2**63)]


@pytest.mark.parametrize("other", [None, "a", {}, object(), lambda: 0])
def test_operators_are_for_numbers(other: object) -> None:
    x = weft.Graph().input("x", "f32", [2])
    for use in (
        lambda: x + other,
        lambda: other - x,
        lambda: x * other,
        lambda: x / other,
        lambda: x**other,
        lambda: x % other,
        lambda: x @ other,
        lambda: x < other,
        lambda: x & other,
        lambda: other | x,
    ):
        with pytest.raises(TypeError, match="not supported between|unsupported operand|can't multiply"):
            use()
    if not isinstance(other, str):  # whose own % formats
        with pytest.raises(TypeError, match="unsupported operand"):
            other % x  # type: ignore[operator]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (slice(1.5), "a slice is made of integers and None, not of a float"),
        (slice("a", None), "a slice is made of integers and None, not of a str"),
        (slice(0, 1, object()), "a slice is made of integers and None, not of an object"),
        (1.5, "a Value is indexed by integers, slices, None and ..., not by a float"),
    ],
)
def test_indices_are_integers(index: object, message: str) -> None:
    x = weft.Graph().input("x", "f32", [2])
    with pytest.raises(TypeError) as caught:
        x[index]
    assert str(caught.value) == message


def test_shapes_of_expressions() -> None:
    graph = weft.Graph()
    a, b, c = (graph.input(name, "f32", [f"{name}0", "m"]) for name in "abc")
    assert (a + b).shape == ("broadcast(a0, b0)", "m")
    assert (a + b + c).shape == ("broadcast(broadcast(a0, b0), c0)", "m")
    assert len((a + b + c).shape or ()) == (a + b + c).rank == 2


def test_the_parts_of_a_split_may_be_very_many() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1026])
    sizes = np.ones(1025, "i8")
    sizes[7] = 2
    parts = weft.split(x, graph.constant(sizes), outputs=1025)
    assert parts[7].shape == (2,)
    np.testing.assert_array_equal(run(parts[1024], {x: np.arange(1026, dtype="f4")}), [1025.0])


def test_names_of_dimensions_have_any_letters() -> None:
    """Those that a file gives, and those that inputs have of their own names."""
    names = ["7", "\u00b2", "max(a, b)", "batch size"]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", ["x"], ["y"])],
            "g",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [*names, 3])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    (x,) = weft.Graph.load(model.SerializeToString()).inputs
    assert x.shape == (*names, 3)
    for name in ("u,v", "(u", "u)", "u, 3"):
        named = weft.Graph().input(name, "f32", [None, 3])
        assert named.shape == (f"?{name}.0", 3)
        assert repr(named) == f"Value {name}: f32[?{name}.0, 3]"


def test_numpy_flags_and_element_types_are_attributes() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2, 3])
    assert weft.reduce_sum(x, 1, keepdims=np.bool_(False)).shape == (2,)
    assert weft.cast(x, to=np.float64).dtype == "f64"
    assert weft.layers.Dense(graph, "d", inputs=3, units=2, dtype=np.float32, bias=np.True_)(x).shape == (2, 2)
    with pytest.raises(weft.InvalidArgumentError, match="attribute 'to': there is no dtype 99"):
        weft.cast(x, to=99)
    with pytest.raises(weft.InvalidArgumentError, match="attribute 'keepdims' must be of kind bool but is string"):
        graph.add("ReduceSum", [x], {"keepdims": "no"})
