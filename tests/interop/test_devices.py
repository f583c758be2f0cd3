"""The test devices, which a plug-in brings: training has the bits of the CPU, and tensors may lie there."""

import os
import pathlib
import pickle
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
import weft

PLUGIN = pathlib.Path(__file__).resolve().parents[2] / "build" / "dev" / "tests" / "libweft_test_device.so"


def held_waits(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The file that waits of the test devices last as long as; `waits` counts them."""
    monkeypatch.setenv("WEFT_TEST_WAITS", str(folder))
    return folder / "hold"


def waits(folder: pathlib.Path) -> int:
    path = folder / "waits"
    return path.stat().st_size if path.exists() else 0


def losses(device: str) -> list[bytes]:
    """Of ten steps of a small classifier."""
    graph = weft.Graph()
    x = graph.input("x", "f32", ["batch", 5])
    labels = graph.input("labels", "i64", ["batch"])
    hidden = weft.layers.Dense(graph, "hidden", inputs=5, units=16, seed=1)
    out = weft.layers.Dense(graph, "out", inputs=16, units=3, seed=2)
    loss = weft.softmax_cross_entropy_loss(out(weft.relu(hidden(x))), labels)
    step = weft.Adam(0.01).minimize(loss)
    session = weft.Session(graph, device=device)
    made = np.random.default_rng(0)
    found = []
    for _ in range(10):
        batch = made.normal(size=(8, 5)).astype(np.float32)
        classes = made.integers(0, 3, size=8)
        found.append(np.asarray(session.run({x: batch, labels: classes}, loss, targets=step)).tobytes())
    return found


DEVICES = ["test:0", "test:1"]


@pytest.mark.parametrize("device", DEVICES)
def test_training_has_the_bits_of_the_cpu(device: str) -> None:
    weft.load_devices(PLUGIN)
    assert device in weft.devices()
    assert losses(device) == losses("cpu")


class Doubled:
    """2 x on a device, where results stay, and w, which each run of `step` makes larger by one."""

    def __init__(self, device: str) -> None:
        weft.load_devices(PLUGIN)
        graph = weft.Graph()
        self.x = graph.input("x", "f32", ["batch", 2])
        self.y = self.x * 2.0
        self.w = graph.variable("w", [1.0])
        self.step = weft.assign(self.w, self.w + 1.0)
        self.session = weft.Session(graph, device=device, device_outputs=True)
        self.there = weft.Tensor([[1.0, 2.0], [3.0, 4.0]]).to(device)


@pytest.mark.parametrize("device", DEVICES)
def test_results_stay_on_the_device(device: str) -> None:
    made = Doubled(device)
    first = made.session.run({made.x: made.there}, made.y)
    assert (first.device, first.shape, repr(first)) == (device, (2, 2), f"Tensor f32[2, 2] on {device}")
    second, w = made.session.run({made.x: first}, [made.y, made.w], targets=made.step)
    assert second.to("cpu").numpy().tolist() == [[4.0, 8.0], [12.0, 16.0]]
    assert (w.device, w.to("cpu").numpy().tolist()) == (device, [1.0])
    assert made.session.get("w").tolist() == [2.0]  # an array
    made.session.set("w", w)
    assert made.session.get("w").tolist() == [1.0]
    # What no device has is as ever.
    assert made.session.run({made.x: [[1, 2]]}, [made.y])[0].device == device
    data = weft.Dataset(made.there)
    assert made.session.predict(data, [made.x], made.y).tolist() == [[2.0, 4.0], [6.0, 8.0]]
    assert made.session.evaluate(data, [made.x], [weft.reduce_mean(made.y, keepdims=False, name="mean")]) == {"mean": 5.0}


@pytest.mark.parametrize("device", DEVICES)
def test_prepared_calls_are_bound_on_both_sides(device: str) -> None:
    made = Doubled(device)
    prepared = made.session.prepare([made.x], [made.y])
    prepared.bind_input(0, made.there)
    for _ in range(4):
        prepared.run()
        assert prepared.output(0).to("cpu").numpy().tolist() == [[2.0, 4.0], [6.0, 8.0]]
    host = np.zeros((2, 2), "f4")
    prepared.bind_output(0, host)
    prepared.run()
    assert host.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    prepared.bind_output(0, made.there.to("cpu").to(device))
    prepared.run()
    assert prepared.output(0).device == device


@pytest.mark.parametrize("device", DEVICES)
def test_dlpack_of_a_device(device: str) -> None:
    made = Doubled(device)
    there, number = made.there, int(device[-1])
    assert there.__dlpack_device__() == (12, number)  # kDLExtDev
    taken = weft.from_dlpack(there)
    assert (taken.device, weft.Tensor(there).device) == (device, device)
    assert taken.to("cpu").numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert weft.from_dlpack(there, device=device, copy=False).device == device
    assert weft.from_dlpack(there, device="cpu").numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert weft.from_dlpack(np.ones(2, "f4"), device=device).device == device
    for refused in (
        lambda: weft.from_dlpack(there, device="cpu", copy=False),
        lambda: weft.from_dlpack(there, device=DEVICES[1 - number], copy=False),
        lambda: there.__dlpack__(dl_device=(12, 1 - number)),
        lambda: np.from_dlpack(there),
        lambda: memoryview(there),
    ):
        with pytest.raises((BufferError, RuntimeError)):
            refused()
    assert not hasattr(there, "__cuda_array_interface__")

    class Handed:
        """An array of another library that lies there."""

        def __dlpack__(self, **named: Any) -> Any:
            assert "stream" not in named
            return there.__dlpack__(max_version=(1, 0))

        def __dlpack_device__(self) -> tuple[int, int]:
            return there.__dlpack_device__()

    class Older:
        """The same of a library that cannot copy it elsewhere."""

        def __dlpack__(self, *, max_version: Any = None) -> Any:
            return there.__dlpack__(max_version=max_version)

        def __dlpack_device__(self) -> tuple[int, int]:
            return there.__dlpack_device__()

    assert weft.from_dlpack(Older(), device="cpu").numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(BufferError, match="does not know copy, dl_device"):
        weft.from_dlpack(Older(), device="cpu", copy=False)
    assert made.session.run({made.x: Handed()}, made.y).to("cpu").numpy().tolist() == [[2.0, 4.0], [6.0, 8.0]]


def test_a_capsule_of_a_device_is_taken_over_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Doubled("test:0")

    class Same:
        """Gives one capsule to whoever asks."""

        capsule = made.there.__dlpack__(max_version=(1, 0))

        def __dlpack__(self, **_: Any) -> Any:
            return self.capsule

    found: list[Any] = []

    def take() -> None:
        try:
            found.append(weft.Tensor(Same()))
        except ValueError as error:
            found.append(error)

    hold = held_waits(tmp_path, monkeypatch)
    hold.touch()
    first = threading.Thread(target=take)
    first.start()
    while first.is_alive() and waits(tmp_path) == 0:
        time.sleep(0.001)
    take()  # while the first one waits
    hold.unlink()
    first.join()
    [taken] = [value for value in found if isinstance(value, weft.Tensor)]
    assert len(found) == 2
    assert taken.to("cpu").numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_others_go_on_while_a_device_is_waited_for(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Doubled("test:0")
    call = made.session.prepare([made.x], [made.y])
    ended = threading.Event()

    def release() -> None:
        """Ends each wait as it comes."""
        seen = 0
        while not ended.wait(0.001):
            if waits(tmp_path) > seen:
                seen = waits(tmp_path)
                hold.unlink(missing_ok=True)

    borrowed = weft.from_dlpack(made.there)
    call.bind_input(0, weft.from_dlpack(made.there))
    hold = held_waits(tmp_path, monkeypatch)
    thread = threading.Thread(target=release)
    thread.start()
    try:
        for let_go in (
            borrowed.close,
            [made.there.__dlpack__(max_version=(1, 0))].clear,
            [made.there.__dlpack__()].clear,
            lambda: call.bind_input(0, made.there),
        ):
            hold.touch()
            before = waits(tmp_path)
            let_go()
            assert waits(tmp_path) > before and not hold.exists()
    finally:
        ended.set()
        thread.join()


def run_with(environment: dict[str, str], program: str) -> None:
    """Runs a program in a process of its own, where the plug-in `PLUGIN` is what the environment makes of it."""
    start = f"import os, pathlib, pytest, tempfile, weft\nPLUGIN = {str(PLUGIN)!r}\n"
    environment = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", start + program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_interface_of_cuda() -> None:
    run_with(
        {"WEFT_TEST_DLPACK_TYPE": "2"},
        """
weft.load_devices(PLUGIN)
there = weft.Tensor([[1.0, 2.0], [3.0, 4.0]]).to("test:0")
assert there.__dlpack_device__() == (2, 0)
found = there.__cuda_array_interface__
address, read_only = found["data"]
assert address != 0 and read_only is False
assert (found["shape"], found["typestr"], found["version"]) == ((2, 2), "<f4", 3)
assert found["strides"] is None and found["stream"] is None
assert there.__cuda_array_interface__ == found
assert there.to("cpu").numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
assert weft.from_dlpack(there).__cuda_array_interface__["data"] == found["data"]  # taken with stream=1
with pytest.raises(BufferError, match="no stream of CUDA"):
    there.__dlpack__(stream=0)
graph = weft.Graph()
x = graph.input("x", "f32", ["n"])
session = weft.Session(graph, device="test:0", device_outputs=True)
call = session.prepare([x], [x * 2.0])
call.bind_input(0, weft.Tensor([1.0, 2.0]).to("test:0"))
call.run()
result = call.output(0)
place = result.__cuda_array_interface__["data"][0]
call.run()
assert call.output(0).__cuda_array_interface__["data"][0] != place  # somebody looks at it
assert result.to("cpu").numpy().tolist() == [2.0, 4.0]
folder = tempfile.TemporaryDirectory()
os.environ["WEFT_TEST_WAITS"] = folder.name
waits = pathlib.Path(folder.name, "waits")
assert hasattr(result, "__cuda_array_interface__") and not waits.exists()  # nobody has let go of anything
result.close()
assert result.closed and not waits.exists()  # others may hold the object, and have the address
del result
assert waits.stat().st_size == 1
""",
    )


def test_devices_that_dlpack_has_no_number_for() -> None:
    run_with(
        {"WEFT_TEST_DLPACK_TYPE": "0"},
        """
weft.load_devices(PLUGIN)
there = weft.Tensor([1.0]).to("test:0")
for refused in (there.__dlpack_device__, there.__dlpack__, lambda: weft.from_dlpack(there)):
    with pytest.raises(BufferError, match="DLPack has no number for the device 'test:0'"):
        refused()
assert not hasattr(there, "__cuda_array_interface__")
assert there.to("cpu").numpy().tolist() == [1.0]
""",
    )


def test_a_plugin_may_be_older_than_tensors_on_devices() -> None:
    run_with(
        {"WEFT_TEST_TABLE_BYTES": "152"},  # up to `recording_free`, on 64 bits
        """
weft.load_devices(PLUGIN)
there = weft.Tensor([1.0, 2.0]).to("test:1")
assert there.to("cpu").numpy().tolist() == [1.0, 2.0]
with pytest.raises(BufferError, match="DLPack has no number for the device 'test:1'"):
    there.__dlpack__()
""",
    )
    run_with(
        {"WEFT_TEST_TABLE_BYTES": "144"},
        """
with pytest.raises(weft.FailedPreconditionError, match="has a table of 144 bytes, but at least 152 are wanted"):
    weft.load_devices(PLUGIN)
assert weft.devices() == ["cpu"]
""",
    )


def test_what_needs_elements_here_says_how_to_have_them(tmp_path: pathlib.Path) -> None:
    there = Doubled("test:0").there
    for refused in (
        lambda: there.numpy(),
        lambda: there[0],
        lambda: np.asarray(there),
        lambda: pickle.dumps(there),
        lambda: weft.Tensor(there, "f64"),
    ):
        with pytest.raises(weft.FailedPreconditionError, match="'to' with the device 'cpu' copies them"):
            refused()
    with pytest.raises(weft.NotFoundError, match="there is no device 'cuda:0'; the devices are cpu, test:0, test:1"):
        there.to("cuda:0")
    # What keeps values takes them here.
    weft.save_tensors(tmp_path / "saved.safetensors", {"there": there})
    assert weft.load_tensors(tmp_path / "saved.safetensors")["there"].numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    graph = weft.Graph()
    assert weft.Session(graph).run(fetches=graph.constant(there) + 1.0).tolist() == [[2.0, 3.0], [4.0, 5.0]]
    assert weft.Tensor.sequence([there])[0].device == "cpu"


def test_host_functions_may_give_tensors_of_a_device() -> None:
    made = Doubled("test:1")
    seen = []

    def elsewhere(x: Any) -> weft.Tensor:
        seen.append(type(x).__name__)
        return made.there.to("cpu").to("test:0")

    called = weft.host_call(elsewhere, [made.x], ["f32"], [[2, 2]])
    result = made.session.run({made.x: made.there}, called * 3.0)
    assert (result.device, seen) == ("test:1", ["ndarray"])
    assert result.to("cpu").numpy().tolist() == [[3.0, 6.0], [9.0, 12.0]]
