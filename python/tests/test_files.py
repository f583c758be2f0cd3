"""Files that cannot be read or written: errors that Python programs catch, and old files that stay."""

import errno
import json
import os
import pathlib
import pickle
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import weft


def model() -> tuple[weft.Graph, weft.Session]:
    graph = weft.Graph()
    graph.outputs = [graph.input("x", "f32", ["n", 100]) @ graph.variable("w", np.ones((100, 100), "f4"))]
    return graph, weft.Session(graph)


def readers() -> list[Callable[[Any], Any]]:
    return [weft.Graph.load, weft.load_tensors, weft.Dataset.load, model()[1].load]


def writers() -> list[Callable[[Any], Any]]:
    graph, session = model()
    tensors = {"a": np.zeros(10_000, "f4")}
    return [
        lambda path: graph.save(path, session=session),
        session.save,
        lambda path: weft.save_tensors(path, tensors),
    ]


def test_a_missing_file_or_folder(tmp_path: pathlib.Path) -> None:
    for read in readers():
        with pytest.raises(FileNotFoundError, match="none") as caught:
            read(tmp_path / "none.safetensors")
        assert isinstance(caught.value, weft.NotFoundError) and caught.value.errno == errno.ENOENT
    for write in writers():
        with pytest.raises(FileNotFoundError, match="none"):
            write(tmp_path / "none" / "file.safetensors")


def test_a_folder_in_place_of_a_file_and_the_other_way_round(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    file = tmp_path / "file"
    file.write_text("")
    for use in [*readers(), *writers()]:
        with pytest.raises(IsADirectoryError) as caught:
            use(folder)
        assert isinstance(caught.value, weft.InvalidArgumentError)
        with pytest.raises(NotADirectoryError):
            use(file / "x.safetensors")
        with pytest.raises(weft.PathError):
            use(tmp_path / ("x" * 5000 + ".safetensors"))
    assert folder.is_dir() and list(folder.iterdir()) == []


@contextmanager
def small_files() -> Iterator[None]:
    """No file may have more than 1000 bytes, as if the disk were full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_full_disk_leaves_the_old_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file.safetensors"
    path.write_text("old")
    for write in writers():
        with small_files(), pytest.raises(OSError, match="limit") as caught:
            write(path)
        assert isinstance(caught.value, weft.NoSpaceError) and caught.value.errno == errno.EFBIG
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["file.safetensors"]


@contextmanager
def nobody() -> Iterator[None]:
    """As a user who may not do everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_is_not_permitted(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file.safetensors"
    path.write_text("old")
    path.chmod(0)
    tmp_path.chmod(0o500)
    uses = [*readers(), *writers()]
    for use in uses:
        with nobody(), pytest.raises(PermissionError, match="permission denied") as caught:
            use(path)
        assert isinstance(caught.value, weft.PermissionDeniedError) and caught.value.errno == errno.EACCES
    tmp_path.chmod(0o700)
    path.chmod(0o600)
    assert path.read_text() == "old"


def test_a_path_with_a_nul_character() -> None:
    for use in [*readers(), *writers()]:
        with pytest.raises(ValueError, match="NUL character"):
            use("a\0b")


def flipped(whole: bytes, bit: int) -> bytes:
    """The bytes with one bit turned."""
    return whole[: bit // 8] + bytes([whole[bit // 8] ^ (1 << bit % 8)]) + whole[bit // 8 + 1 :]


def code_of(data: bytes) -> str:
    """Loads and runs a model. What a file brings about is never INTERNAL or UNKNOWN: those are our own mistakes."""
    try:
        graph = weft.Graph.load(data)
        feeds = {value: np.ones(2, "f4") for value in graph.inputs}
        weft.Session(graph).run(feeds, graph.outputs, timeout=1)
    except weft.WeftError as error:
        assert error.code not in ("INTERNAL", "UNKNOWN"), str(error)
        return error.code
    return "OK"


def test_damaged_models_give_results_or_errors(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    x = graph.input("x", "f32", [2])
    y = weft.concat(x * graph.variable("w", np.full(2, 3, "f4")), x, axis=0)
    graph.save(tmp_path / "a.onnx", weft.reshape(y, np.array([2, -1])))
    whole = (tmp_path / "a.onnx").read_bytes()
    assert code_of(whole) == "OK"
    weft.set_memory_limit(2**26)  # a flipped bit may ask for any size
    try:
        cut = [code_of(whole[:size]) for size in range(len(whole))]
        codes = {code_of(flipped(whole, bit)) for bit in range(8 * len(whole))}
    finally:
        weft.set_memory_limit(0)
    # The last field says the version of the operators; without it the rest is a model.
    assert set(cut) <= {"DATA_LOSS", "OK"} and cut.count("OK") <= 1
    assert {"OK", "DATA_LOSS", "INVALID_ARGUMENT"} <= codes


def test_damaged_checkpoints_change_nothing(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    graph.variable("w", [2.0, 2.0])
    session = weft.Session(graph)
    session.set("w", [3.0, 3.0])
    path = tmp_path / "a.safetensors"
    session.save(path)
    whole = path.read_bytes()
    # The size of the header and its brace are never right with a bit flipped.
    for data in [whole[:size] for size in range(len(whole))] + [flipped(whole, bit) for bit in range(8 * 9)]:
        path.write_bytes(data)
        with pytest.raises(weft.DataLossError):
            session.load(path)
        assert session.get("w").tolist() == [3, 3]
    path.write_bytes(whole)
    session.load(path)


def safetensors(shape: str, offsets: str) -> bytes:
    """A file with that entry and 8 bytes of data."""
    header = f'{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}'.encode()
    return len(header).to_bytes(8, "little") + header + b"\1" * 8


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,  # a header of 2**64 - 1 bytes
        b"\xff" * 7 + b"\x7f{}",  # of 2**63 - 1
        safetensors("[3]", "[0,8]"),
        safetensors("[2]", "[8,16]"),
        safetensors("[2]", "[8,0]"),
        safetensors("[2]", "[-8,0]"),
        safetensors(f"[{2**62 + 2}]", "[0,8]"),
        safetensors(f"[{2**32},{2**32}]", "[0,8]"),
        safetensors("[2]", f"[0,{2**64 + 8}]"),
    ],
)
def test_sizes_that_lie_are_errors(tmp_path: pathlib.Path, data: bytes) -> None:
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(data)
    for read in (weft.load_tensors, lambda path: weft.load_tensors(path, map=True), weft.Dataset.load):
        with pytest.raises(weft.DataLossError):
            read(path)


def test_an_error_names_file_and_tensor(tmp_path: pathlib.Path) -> None:
    for name, dtype, shape, data in (("deep", "F32", [1] * 65, bytes(4)), ("mask", "BOOL", [1], b"\2")):
        entry = {name: {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}
        header = json.dumps(entry).encode()
        path = tmp_path / f"{name}s.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + data)
        for read in (weft.load_tensors, weft.Dataset.load):
            with pytest.raises(weft.WeftError, match=f"cannot load .*{name}s.safetensors.: tensor .{name}. "):
                read(path)


def test_models_whose_weights_are_elsewhere(tmp_path: pathlib.Path) -> None:
    graph = weft.Graph()
    path, weights = tmp_path / "a.onnx", tmp_path / "weights.bin"
    graph.save(path, graph.variable("w", np.ones(1000, "f4")), weights="weights.bin")
    whole, data = path.read_bytes(), weights.read_bytes()
    for old, new, error in (
        (b"weights.bin", b"../weights.", weft.InvalidArgumentError),
        (b"weights.bin", b"/etc/passwd", weft.InvalidArgumentError),
        (b"weights.bin", b"weights.nan", FileNotFoundError),
        (b"4000", b"9999", weft.DataLossError),  # the length
        (b"4000", b"-400", weft.DataLossError),
        (b"4000", b"4e00", weft.DataLossError),
    ):
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(error):
            weft.Graph.load(path)
    path.write_bytes(whole)
    weights.write_bytes(data[:-1])
    with pytest.raises(weft.DataLossError, match=f"lies beyond the end of '{weights}'"):
        weft.Graph.load(path)
    weights.write_bytes(data)
    weft.Graph.load(path)


@contextmanager
def few_open_files() -> Iterator[None]:
    """No more than some 16 files may be opened at once."""
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 16, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)


def test_a_model_with_a_file_for_each_weight(tmp_path: pathlib.Path) -> None:
    names = [f"w{i}" for i in range(40)]
    weights = [numpy_helper.from_array(np.ones(300, "f4"), name) for name in names]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [300]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Sum", ["x", *names], ["y"])], "g", [x], [y], weights)
    path = tmp_path / "m.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save_model(made, path, save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0)
    assert len(list(tmp_path.iterdir())) == 41
    for map_weights in (False, True):
        with few_open_files():
            loaded = weft.Graph.load(path, map=map_weights)
        found = weft.Session(loaded).run({loaded.inputs[0]: np.zeros(300, "f4")}, loaded.outputs[0])
        assert (found == 40).all()


def test_errors_are_pickled(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OSError) as caught:
        weft.load_tensors(tmp_path / "none.npy")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is weft.MissingFileError
    assert str(again) == str(caught.value) and again.errno == errno.ENOENT
    x = weft.Graph().input("x", "f32", [2, 3])
    with pytest.raises(ValueError) as wrong:
        x @ x
    again = pickle.loads(pickle.dumps(wrong.value))
    assert (str(again), again.op, again.origin, again.errno) == (str(wrong.value), "MatMul", wrong.value.origin, None)
