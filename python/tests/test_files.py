"""Files that cannot be read or written: errors that Python programs catch, and old files that stay."""

import errno
import os
import pathlib
import pickle
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

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


def test_a_path_with_a_zero_byte() -> None:
    for use in [*readers(), *writers()]:
        with pytest.raises(ValueError, match="zero byte"):
            use("a\0b")


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
