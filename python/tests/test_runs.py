"""One run after another: nothing of a run stays for the next one, whatever was fed and fetched before."""

import collections
import copy
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft


def doubling() -> tuple[weft.Graph, weft.Value, weft.Value, weft.Session]:
    graph = weft.Graph()
    x = graph.input("x", "f32", ["n"])
    y = x * 2.0
    return graph, x, y, weft.Session(graph)


def test_the_graph_grows_between_runs() -> None:
    graph, x, y, session = doubling()
    a = np.array([1, 2], "f4")
    for i in range(5):
        assert session.run({x: a}, y).tolist() == [2 + i, 4 + i]
        y = y + 1.0
    other = graph.input("other", "f32", ["n"])
    total = y + other
    assert [made.tolist() for made in session.run({x: a, other: a}, [total, y])] == [[8, 11], [7, 9]]
    with pytest.raises(weft.InvalidArgumentError, match="'other'"):
        session.run({x: a}, total)


def test_a_value_is_found_by_name() -> None:
    graph, x, y, session = doubling()
    y.name = "y"
    a = np.array([1, 2], "f4")
    for _ in range(2):
        assert session.run({graph.find("x"): a}, graph.find("y")).tolist() == [2, 4]
    y.name = "z"
    assert session.run({x: a}, graph.find("z")).tolist() == [2, 4]
    with pytest.raises(weft.NotFoundError):
        graph.find("y")
    assert graph.find("x") == x and hash(graph.find("x")) == hash(x) == hash(x.id)
    assert {x: 1}[copy.copy(x)] == 1 and x != y and x != x.id


def test_sessions_and_graphs_are_told_apart() -> None:
    graph = weft.Graph()
    w = graph.variable("w", 1.0)
    step = weft.assign(w, w + 1.0)
    first, second = weft.Session(graph), weft.Session(graph)
    assert [first.run({}, step), first.run({}, step), second.run({}, step)] == [2, 3, 2]
    _, x, y, session = doubling()
    _, other_x, other_y, other = doubling()
    a = np.array([1, 2], "f4")
    for _ in range(2):
        assert session.run({x: a}, y).tolist() == other.run({other_x: a}, other_y).tolist() == [2, 4]
        with pytest.raises(weft.InvalidArgumentError, match=r"feed 0 is 'x' \(built at .*test_runs\.py:\d+\): it belongs to another graph"):
            session.run({other_x: a}, y)
        with pytest.raises(weft.InvalidArgumentError, match="fetch 1 is .* it belongs to another graph"):
            session.run({x: a}, [y, other_y])
        with pytest.raises(weft.InvalidArgumentError, match="target 0 is .* it belongs to another graph"):
            session.run({x: a}, y, other_y)


def test_another_shape_or_type_for_the_same_input() -> None:
    _, x, y, session = doubling()
    for count in (2, 3, 0, 1, 2):
        made = session.run({x: np.ones(count, "f4")}, y)
        assert made.tolist() == [2.0] * count and made.dtype == np.float32
        with pytest.raises(weft.InvalidArgumentError, match=rf"the tensor fed to 'x' is f64\[{count}\] but must be f32\[n\]"):
            session.run({x: np.ones(count)}, y)
        with pytest.raises(weft.InvalidArgumentError, match=rf"is f32\[1, {count}\] but must be f32\[n\]"):
            session.run({x: np.ones((1, count), "f4")}, y)
        assert session.run({x: [1] * count}, y).tolist() == [2.0] * count


def test_one_value_gives_an_array_and_several_a_list() -> None:
    _, x, y, session = doubling()
    feeds = {x: np.array([1], "f4")}
    assert session.run(feeds, y).tolist() == [2]
    several: list[Any] = [[y, x], (y, x), iter([y, x]), {y: 0, x: 1}]
    for fetches in several:
        assert [made.tolist() for made in session.run(feeds, fetches)] == [[2], [1]]
    assert session.run(feeds) == session.run(feeds, []) == session.run(feeds, targets=[y]) == session.run() == []
    odd: list[Any] = [[y, 3], "y", 3, [y, None]]
    for fetches, found in zip(odd, ["an int", "a str", "an int", "None"]):
        with pytest.raises(TypeError, match=f"a fetch must be a Value.* but is {found}"):
            session.run(feeds, fetches)
    with pytest.raises(TypeError, match="feeds must be a dict .* but is a list"):  # the first of two mistakes
        session.run([y], "x")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a target must be a Value but is None"):
        session.run(feeds, y, [None])  # type: ignore[list-item]


class Items(collections.UserDict[Any, Any]):
    pass


@pytest.mark.parametrize("kind", [dict, collections.OrderedDict, types.MappingProxyType, collections.ChainMap, Items])
def test_what_is_fed_is_any_mapping(kind: Callable[[Any], Any]) -> None:
    _, x, y, session = doubling()
    assert session.run(kind({x: np.array([3], "f4")}), y).tolist() == [6]


NUMPY = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16", np.longlong, np.ulonglong]


@pytest.mark.parametrize("dtype", NUMPY)
def test_arrays_of_every_type_go_in_and_out(dtype: Any) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    graph = weft.Graph()
    x = graph.input("x", array.dtype, None)
    y = weft.identity(x)
    session = weft.Session(graph)
    many = np.zeros((4, 6), dtype)
    many[::2, ::2] = array
    odd = np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(dtype).reshape(2, 3)
    frozen = array.copy()
    frozen.flags.writeable = False
    swapped = array.astype(array.dtype.newbyteorder())
    for fed in (array, many[::2, ::2], odd, frozen, swapped, np.asfortranarray(array), array.view(np.recarray)):
        made = session.run({x: fed}, y)
        assert type(made) is np.ndarray and made.dtype == array.dtype and made.shape == (2, 3)
        assert made.tolist() == array.tolist()
        assert made.flags.c_contiguous and made.flags.aligned and made.flags.writeable
    for scalar in (array[0, 1], np.array(1).astype(dtype), array.reshape(6)[1:2].reshape(())):
        made = session.run({x: scalar}, y)
        assert type(made) is np.ndarray and made.shape == () and made.dtype == array.dtype and made == 1
    for shape in ((0,), (2, 0, 3)):
        made = session.run({x: np.zeros(shape, dtype)}, y)
        assert made.shape == shape and made.dtype == array.dtype


def test_results_are_the_callers_own() -> None:
    graph = weft.Graph()
    x, n = graph.input("x", "f32", [2]), graph.input("n", "i64", [])
    v, c = graph.variable("v", [1.0, 2.0]), graph.constant([3.0, 4.0], dtype="f32")
    pair, same = weft.ops.sequence_construct(v, c), weft.ops.optional_get_element(v)
    (last,) = weft.loop(lambda i, go_on, y: (go_on, y * 2.0), [x], count=n)
    session = weft.Session(graph)
    for part in session.run({}, pair):
        part[:] = 0
    session.run({}, same)[:] = 7
    assert [part.tolist() for part in session.run({}, pair)] == [[1, 2], [3, 4]]
    mine = np.array([5, 6], "f4")
    kept = session.run({x: mine, n: 0}, last)
    mine[:] = -1  # the next batch
    assert kept.tolist() == [5, 6]


def test_what_is_no_array_goes_in_too() -> None:
    graph = weft.Graph()
    names, flags, numbers = graph.input("s", "string", None), graph.input("b", "bool", None), graph.input("f", "f32", None)
    outs = [weft.identity(value) for value in (names, flags, numbers)]
    session = weft.Session(graph)

    class Foreign:
        def __dlpack__(self, **settings: Any) -> Any:
            return np.array([1.5, 2.5], "f4").__dlpack__(**settings)

        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

    tensor = weft.Tensor([1.5, 2.5])
    fed: Any
    for fed in (tensor, Foreign(), [1.5, 2.5], (1.5, 2.5), np.ma.array([1.5, 2.5], "f4").data):
        made = session.run({names: ["a", "b"], flags: [True, False], numbers: fed}, outs)
        assert [array.tolist() for array in made] == [["a", "b"], [True, False], [1.5, 2.5]]
        assert [array.dtype for array in made] == [object, bool, np.float32]
    together = weft.ops.sequence_construct(numbers, numbers)
    assert [[1.5, 2.5]] * 2 == [part.tolist() for part in session.run({numbers: tensor}, together)]
    tensor.close()
    with pytest.raises(weft.FailedPreconditionError, match="^the tensor that is fed to 'f' is closed$"):
        session.run({numbers: tensor}, together)
    with pytest.raises(weft.InvalidArgumentError, match="mask"):
        session.run({numbers: np.ma.array([1.5], "f4")}, together)


def test_a_run_lets_go_of_what_it_was_fed() -> None:
    _, x, y, session = doubling()
    _, _, other, _ = doubling()
    a = np.ones(2, "f4")
    count = sys.getrefcount(a)
    for _ in range(3):
        session.run({x: a}, y)
        assert sys.getrefcount(a) == count
        with pytest.raises(weft.InvalidArgumentError, match="it belongs to another graph"):
            session.run({x: a}, other)
        assert sys.getrefcount(a) == count


def test_feeds_that_change_while_they_are_read() -> None:
    _, x, y, session = doubling()
    feeds: dict[weft.Value, Any] = {}

    class Emptying:
        def __array__(self, *_: Any, **__: Any) -> Any:
            feeds.clear()
            return np.ones(2, "f4")

    feeds[x] = Emptying()
    with pytest.raises(RuntimeError, match="dictionary changed size during iteration"):
        session.run(feeds, y)

    class Running:
        """Runs the session while another run reads what it is fed."""

        def __array__(self, *_: Any, **__: Any) -> Any:
            return np.asarray(session.run({x: np.array([5], "f4")}, y))

    assert session.run({x: Running()}, y).tolist() == [20]


def test_errors_and_results_in_turns() -> None:
    graph = weft.Graph()
    index = graph.input("i", "i64", [])
    picked = weft.gather(graph.constant([10.0, 20.0]), index, name="pick")
    session = weft.Session(graph)
    for _ in range(3):
        assert session.run({index: np.array(1)}, picked) == 20
        with pytest.raises(weft.OutOfRangeError, match="pick"):
            session.run({index: np.array(7)}, picked)
        with pytest.raises(weft.InvalidArgumentError, match="'i'"):
            session.run({}, picked)
        assert session.run({index: np.array(0)}, [picked]) == [10]
    session.close()
    with pytest.raises(weft.FailedPreconditionError, match="this session is closed"):
        session.run({index: np.array(1)}, picked)


def test_threads_run_with_other_shapes_and_fetches() -> None:
    graph, x, y, session = doubling()
    wrong: list[Any] = []

    building = threading.Lock()

    def work(count: int) -> None:
        with building:
            mine = y + float(count)  # the graph grows under the others' runs
        for i in range(200):
            fetches = [mine, y] if i % 2 else [y, mine]
            found = [array.tolist() for array in session.run({x: np.full(count, i, "f4")}, fetches)]
            wanted = [[2 * i + count] * count, [2 * i] * count]
            if found != (wanted if i % 2 else wanted[::-1]):
                wrong.append((count, i, found))

    def guarded(count: int) -> None:
        try:
            work(count)
        except Exception as error:
            wrong.append(error)

    workers = [threading.Thread(target=guarded, args=(count,)) for count in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_lengths_that_are_computed_count_without_folding() -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [1, "n", 1])
    y = weft.dft(x, weft.cast(weft.shape(x, start=1, end=2) * 2, "i32"), onesided=True)
    fed = np.array([1, 2, 3, 4], "f4").reshape(1, 4, 1)
    # np.fft.rfft([1, 2, 3, 4], 8)
    wanted = [[10, 0], [-0.41421356, -7.24264069], [-2, 2], [2.41421356, -1.24264069], [-2, 0]]
    disabled: list[list[str]] = [[], ["fold_constants"], ["*"]]
    for names in disabled:
        found = weft.Session(graph, disable_pass=names).run({x: fed}, y)
        np.testing.assert_allclose(found[0], wanted, atol=1e-5)
