"""Host functions and branches."""

import threading

import numpy as np
import pytest

import weft


def called(function, x_value, dtype="f32", **named):  # type: ignore[no-untyped-def]
    graph = weft.Graph()
    x = graph.input("x", dtype, [None])
    y = weft.host_call(function, [x], [dtype], [["n"]], **named)
    return weft.Session(graph).run({x: x_value}, y)


def test_a_function_gets_and_gives_arrays() -> None:
    seen = []

    def double(x):  # type: ignore[no-untyped-def]
        seen.append((x.dtype, x.tolist(), threading.current_thread()))
        return x * 2

    assert called(double, [1.0, 2.5]).tolist() == [2.0, 5.0]
    assert seen == [(np.dtype("f4"), [1.0, 2.5], threading.current_thread())]


def test_lists_take_the_declared_dtype() -> None:
    assert called(lambda x: [1, 2, 3], [0.0]).dtype == np.float32


def one(x: np.ndarray) -> list[float]:
    """A function that is found by its name."""
    return [1.0]


def test_one_function_gives_each_node_its_types() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1])
    values = [weft.host_call(one, [x], [dtype], [[1]]) for dtype in ("f32", "f64", "i64")]
    values.append(weft.host_call("identity", [x], ["f32"], [[1]], gradient=one))
    found = weft.Session(graph).run({x: [0.0]}, values[:3])
    assert [array.dtype for array in found] == [np.float32, np.float64, np.int64]
    assert [array.tolist() for array in found] == [[1.0], [1.0], [1]]


def test_strings_go_through() -> None:
    assert called(lambda x: np.array([s.upper() for s in x], object), ["ä", "b"], "string").tolist() == ["Ä", "B"]


def test_inputs_are_read_only() -> None:
    seen = []

    def spoil(a):  # type: ignore[no-untyped-def]
        with pytest.raises(ValueError, match="read-only"):
            a[:] = -99
        with pytest.raises(ValueError):
            a.flags.writeable = True
        assert memoryview(a.base).readonly
        seen.append(a)
        return a

    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    variable = graph.variable("v", [1.0, 2.0])
    constant = graph.constant([1.0, 2.0])
    session = weft.Session(graph)
    mine = np.array([1, 2], "f4")
    for value in (x, variable, constant, x * 1.0):
        y = weft.host_call(spoil, [value], ["f32"], [[2]])
        given = session.run({x: mine}, y)
        given[:] = 5.0  # what a function gives is the caller's
        assert session.run({x: mine}, [y, value])[1].tolist() == [1.0, 2.0]
    assert len(seen) == 8
    assert mine.tolist() == [1.0, 2.0]


class Odd(Exception):
    pass


def test_an_exception_is_raised_as_it_is() -> None:
    thrown = Odd("no luck")

    def fail(x):  # type: ignore[no-untyped-def]
        raise thrown

    with pytest.raises(Odd, match="no luck") as caught:
        called(fail, [1.0])
    assert caught.value is thrown
    names = [frame.name for frame in caught.traceback]
    assert "fail" in names  # the line that raised it is there to see


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: (x, x), "gave 2 results; 1 is expected"),  # a tuple is one for each output
        (lambda x: (1.0, 2.0), "gave 2 results; 1 is expected"),
        (lambda x: x.astype("f8"), r"f64\[1\] but must be f32\[n\]"),
        (lambda x: x.reshape(-1, 1), r"f32\[1, 1\] but must be f32\[n\]"),
        (lambda x: object(), "gave what is no tensor: an object cannot be an element"),
        (lambda x: None, "gave None; an array for each output is expected"),
        (lambda x: "text", "gave what is no tensor: a str cannot be an element of a tensor of f32"),
        (lambda x: [[1], [1, 2]], "gave what is no tensor: .*inhomogeneous"),
    ],
)
def test_wrong_results_are_errors(function, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message) as caught:
        called(function, [1.0], name="mine")
    assert isinstance(caught.value, weft.InvalidArgumentError)
    assert "host function 'python/" in caught.value.message and "<lambda>/" in caught.value.message
    assert (caught.value.op, caught.value.node) == ("weft.HostCall", "mine")
    assert "test_host.py:" in caught.value.origin


def test_several_results_are_counted() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    for result, message in ((None, "gave None; an array for each of 2 outputs"), ((1.0,), "gave 1 results; 2 are")):
        first, _ = weft.host_call(lambda v, result=result: result, [x], ["f32", "f32"], [[], []], name="two")
        with pytest.raises(weft.InvalidArgumentError, match=message) as caught:
            weft.Session(graph).run({x: [1, 2]}, first)
        assert caught.value.node.startswith("two")


def test_an_exception_says_which_node_it_came_from() -> None:
    with pytest.raises(TypeError, match="missing 1 required") as caught:
        called(lambda x, y: x, [1.0], name="mine")
    (note,) = caught.value.__notes__
    assert note.startswith("raised in a node of the graph [weft.HostCall 'mine'] (built at ")
    assert "test_host.py:" in note
    again = ValueError("always the same")

    def fail(x):  # type: ignore[no-untyped-def]
        raise again

    graph = weft.Graph()
    x = graph.input("x", "f32", [1])
    session = weft.Session(graph)
    y = weft.host_call(fail, [x], ["f32"], [[1]])
    for _ in range(2):
        with pytest.raises(ValueError, match="same"):
            session.run({x: [1]}, y)
    assert len(again.__notes__) == 1


def test_a_function_that_is_not_registered_is_an_error() -> None:
    with pytest.raises(weft.WeftError, match="nowhere"):
        called("nowhere", [1.0])


def test_a_function_registered_by_name_can_be_replaced_and_taken_away() -> None:
    weft.set_host_function("step", lambda x: x + 1)
    assert called("step", [1.0]).tolist() == [2.0]
    weft.set_host_function("step", lambda x: x + 2)
    assert called("step", [1.0]).tolist() == [3.0]
    weft.set_host_function("step", None)
    with pytest.raises(weft.WeftError, match="step"):
        called("step", [1.0])


def test_a_gradient_by_a_function() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    y = weft.host_call(lambda v: v**3, [x], ["f32"], [[2]], gradient=lambda v, dy: 3 * v**2 * dy)
    (dx,) = graph.gradients(y, [x])
    assert dx is not None
    assert weft.Session(graph).run({x: [2.0, 3.0]}, dx).tolist() == [12.0, 27.0]


def test_a_loop_and_its_gradient_are_of_the_same_calls() -> None:
    calls: list[object] = []

    def factor(y):  # type: ignore[no-untyped-def]
        calls.append(len(calls))
        return np.full_like(y, len(calls))

    def times_factor(y: weft.Value) -> weft.Value:
        return w * weft.host_call(factor, [y], ["f32"], [[]], gradient=lambda y, dy: np.zeros_like(y))

    graph = weft.Graph()
    w = graph.input("w", "f32", [])
    (y,) = weft.loop(lambda i, go_on, y: (go_on, y + times_factor(y)), [graph.constant(np.float32(0))], count=2)
    (dw,) = graph.gradients(y, [w])
    assert dw is not None
    found = weft.Session(graph).run({w: 5.0}, [y, dw])
    assert [value.tolist() for value in found] == [15.0, 3.0]  # 5 * (1 + 2) and 1 + 2
    assert len(calls) == 2


def test_a_function_may_not_run_the_session_that_calls_it() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1])
    v = graph.variable("v", [1.0])
    session = weft.Session(graph)
    y = weft.host_call(lambda a: session.run({}, v + 1.0), [x], ["f32"], [[1]])
    new = weft.assign(v, y)
    with pytest.raises(weft.FailedPreconditionError):
        session.run({x: [1.0]}, new)


@pytest.mark.parametrize(
    "ask",
    [
        lambda session, v: session.get("v"),
        lambda session, v: session.run({}, v),
        lambda session, v: session.initialise(),
        lambda session, v: session.close(),
    ],
)
def test_a_function_of_an_initial_value_may_not_ask_for_it(ask) -> None:  # type: ignore[no-untyped-def]
    graph = weft.Graph()
    calls = []

    def first(shape):  # type: ignore[no-untyped-def]
        calls.append(1)
        ask(session, v)
        return np.ones(2, "f4")

    v = graph.variable("v", weft.host_call(first, [graph.constant([2])], ["f32"], [[2]]))
    session = weft.Session(graph)
    with pytest.raises(weft.FailedPreconditionError):
        session.get("v")
    assert len(calls) == 1


def test_if_runs_one_branch() -> None:
    ran = []

    def log(name):  # type: ignore[no-untyped-def]
        def note(x):  # type: ignore[no-untyped-def]
            ran.append(name)
            return x

        return note

    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    y = weft.if_(
        weft.reduce_sum(x, keepdims=False) > 0.0,
        lambda: weft.host_call(log("then"), [x * 2.0], ["f32"], [[2]]),
        lambda: weft.host_call(log("else"), [x - 1.0], ["f32"], [[2]]),
    )
    session = weft.Session(graph)
    assert session.run({x: [1.0, 2.0]}, y).tolist() == [2.0, 4.0]
    assert session.run({x: [-1.0, -2.0]}, y).tolist() == [-2.0, -3.0]
    assert ran == ["then", "else"]


def test_if_has_a_gradient_and_nests() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f64", [])
    y = weft.if_(
        x > 0.0,
        lambda: weft.if_(x > 1.0, lambda: x * x, lambda: x * 5.0),
        lambda: weft.exp(x),
    )
    (dx,) = graph.gradients(y, [x])
    session = weft.Session(graph)
    for value, wanted in [(3.0, 6.0), (0.5, 5.0), (0.0, 1.0)]:
        assert session.run({x: value}, dx) == pytest.approx(wanted)


def test_branches_that_do_not_match_are_errors() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    flag = graph.input("flag", "bool", [])
    with pytest.raises(ValueError, match="1 and 2 values"):
        weft.if_(flag, lambda: x, lambda: [x, x])
    with pytest.raises(ValueError):
        weft.if_(flag, lambda: x, lambda: weft.cast(x, to="i64"))
    with pytest.raises(ZeroDivisionError):
        weft.if_(flag, lambda: 1 // 0, lambda: x)  # type: ignore[arg-type, return-value]
    assert weft.Session(graph).run({x: [1, 2]}, x + 1.0).tolist() == [2.0, 3.0]  # the graph is as it was


def test_a_value_of_a_branch_is_not_one_of_the_graph() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    flag = graph.input("flag", "bool", [])
    inside = []

    def then() -> weft.Value:
        inside.append(x + 1.0)
        return inside[0]

    weft.if_(flag, then, lambda: x)
    with pytest.raises(weft.FailedPreconditionError, match="it belongs to the body of a sub-graph"):
        inside[0] + x  # noqa: B018
