"""Weights beyond 2 and 4 GB of a file. It has holes, which take no room on the disk, and a run reads a few of its rows."""

import os
import pathlib
import resource
from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import weft

COLUMNS = 1024
LOW_ROWS = 700_000  # of f32: 2,867,200,000 bytes, more than 2^31
HIGH_ROWS = 400_000  # behind them, past 2^32 = 4,294,967,296
HIGH = LOW_ROWS * COLUMNS * 4
BIAS = HIGH + HIGH_ROWS * COLUMNS * 4
END = BIAS + COLUMNS * 4
BYTES = 2_200_000_000  # elements of one byte from the beginning of the file, more than 2^31

LOW_AT = [0, 524_287, 524_288, LOW_ROWS - 1]  # the row at 2^31 and the one before it among them
HIGH_AT = [0, 348_575, 348_576, HIGH_ROWS - 1]  # the same of 2^32

MOST = 64 << 20  # bytes that a mapped model may take


def row(number: int) -> np.ndarray:
    """Numbers that tell which row it is, and where in it one stands."""
    return (number + np.arange(COLUMNS) / COLUMNS).astype("f4")


@pytest.fixture(name="folder")
def folder_with_weights(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    with open(tmp_path / "weights", "wb") as file:
        os.ftruncate(file.fileno(), END)
        for at in LOW_AT:
            os.pwrite(file.fileno(), row(at).tobytes(), at * COLUMNS * 4)
        for at in HIGH_AT:
            os.pwrite(file.fileno(), row(1_000_000 + at).tobytes(), HIGH + at * COLUMNS * 4)
        os.pwrite(file.fileno(), row(-1).tobytes(), BIAS)
    assert os.stat(tmp_path / "weights").st_blocks * 512 < 1 << 20
    yield tmp_path
    os.unlink(tmp_path / "weights")


def outside(name: str, dtype: int, dims: list[int], offset: int) -> TensorProto:
    tensor = TensorProto(name=name, data_type=dtype, dims=dims, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights")
    tensor.external_data.add(key="offset", value=str(offset))
    return tensor


def info(name: str, dtype: int, dims: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, dims)


def saved(folder: pathlib.Path, nodes: list[onnx.NodeProto], inputs: list[str], weights: list[TensorProto]) -> pathlib.Path:
    """A model whose inputs are indices and whose outputs are what the nodes give."""
    outputs = [helper.make_empty_tensor_value_info(node.output[0]) for node in nodes]
    graph = helper.make_graph(nodes, "g", [info(name, TensorProto.INT64, [f"of_{name}"]) for name in inputs], outputs, weights)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]), folder / "model.onnx")
    return folder / "model.onnx"


def rows_of_all(folder: pathlib.Path) -> pathlib.Path:
    return saved(
        folder,
        [
            helper.make_node("Gather", ["low", "i"], ["of_low"]),
            helper.make_node("Gather", ["high", "j"], ["of_high"]),
            helper.make_node("Gather", ["bytes", "k"], ["of_bytes"]),
            helper.make_node("Add", ["of_high", "bias"], ["sum"]),
        ],
        ["i", "j", "k"],
        [
            outside("low", TensorProto.FLOAT, [LOW_ROWS, COLUMNS], 0),
            outside("high", TensorProto.FLOAT, [HIGH_ROWS, COLUMNS], HIGH),
            outside("bytes", TensorProto.UINT8, [BYTES], 0),
            outside("bias", TensorProto.FLOAT, [COLUMNS], BIAS),
        ],
    )


@pytest.fixture(name="little_memory")
def at_most_a_little_memory() -> Iterator[None]:
    weft.set_memory_limit(weft.memory_bytes() + MOST)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    weft.set_memory_limit(0)
    # What is mapped counts where it was touched.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 * MOST >> 10


@pytest.mark.usefixtures("little_memory")
def test_rows_of_a_mapped_file(folder: pathlib.Path) -> None:
    graph = weft.Graph.load(rows_of_all(folder), map=True)
    session = weft.Session(graph)
    # The bytes from 2^31 on are those of the row that begins there; the last is in a hole.
    wanted_bytes = row(524_288).view("u1")[:8]
    places = [*range(2**31, 2**31 + 8), BYTES - 1]
    for sign in (0, -1):  # from the beginning, and from the end
        feeds = {
            graph.find("i"): np.array(LOW_AT) + sign * LOW_ROWS,
            graph.find("j"): np.array(HIGH_AT) + sign * HIGH_ROWS,
            graph.find("k"): np.array(places) + sign * BYTES,
        }
        low, high, bytes_, sums = session.run(feeds, graph.outputs)
        np.testing.assert_array_equal(low, np.stack([row(at) for at in LOW_AT]))
        np.testing.assert_array_equal(high, np.stack([row(1_000_000 + at) for at in HIGH_AT]))
        np.testing.assert_array_equal(sums, high + row(-1))
        np.testing.assert_array_equal(bytes_, [*wanted_bytes, 0])


@pytest.mark.usefixtures("little_memory")
def test_a_row_outside_of_a_large_weight_is_an_error(folder: pathlib.Path) -> None:
    graph = weft.Graph.load(rows_of_all(folder), map=True)
    with pytest.raises(weft.WeftError, match=f"index {2**32} is outside axis 0 of size {BYTES}"):
        weft.Session(graph).run({graph.find("k"): [2**32]}, graph.find("of_bytes"))


@pytest.mark.usefixtures("little_memory")
def test_what_is_not_mapped_is_read_from_where_it_lies(folder: pathlib.Path) -> None:
    """Or would pass the limit of memory, which is an error before anything is read."""
    node = helper.make_node("Gather", ["bias", "i"], ["y"])
    graph = weft.Graph.load(saved(folder, [node], ["i"], [outside("bias", TensorProto.FLOAT, [COLUMNS], BIAS)]))
    assert weft.Session(graph).run({graph.find("i"): [0, 1023]}, graph.outputs[0]).tolist() == [-1, -1 / 1024]
    with pytest.raises(weft.ResourceExhaustedError, match=f"the weight 'low': allocating {HIGH} bytes"):
        weft.Graph.load(rows_of_all(folder))


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("map", [False, True])
def test_what_lies_beyond_the_end_of_a_large_file_is_damage(folder: pathlib.Path, map: bool) -> None:
    node = helper.make_node("Gather", ["bias", "i"], ["y"])
    for offset in (END - COLUMNS * 4 + 1, END, 2**33, 2**63 - 1):
        path = saved(folder, [node], ["i"], [outside("bias", TensorProto.FLOAT, [COLUMNS], offset)])
        with pytest.raises(weft.DataLossError, match="the weight 'bias': its data lies beyond the end of .*weights'"):
            weft.Graph.load(path, map=map)


@pytest.mark.usefixtures("little_memory")
def test_a_file_that_protobuf_could_not_hold_is_not_written(folder: pathlib.Path) -> None:
    graph = weft.Graph.load(rows_of_all(folder), map=True)
    with pytest.raises(ValueError, match=r"the model would hold 28672\d{5} bytes or more, .*give the option 'weights' a file name"):
        graph.save(folder / "again.onnx", graph.find("of_low"))
    assert not (folder / "again.onnx").exists()
