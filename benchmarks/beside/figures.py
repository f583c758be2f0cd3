"""What a session costs before its first run, beside its runs and after them, and what kernels make of the processor:
python -m benchmarks.beside.figures <name> <model> measures one figure in a process of its own, and prints it."""

from __future__ import annotations

import functools
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .process import ROOT, Failed, environment
from .shares import SHARES, measured as share_of_peak

PROCESSES = 5
SECONDS = 1.0


def _loaded(model: str, threads: int = 1, map: bool = False) -> Any:
    """A prepared call with zeros bound to its inputs. What it needs is imported here, since importing is a part of a figure."""
    import weft

    graph = weft.Graph.load(model, map=map)
    prepared = weft.Session(graph, threads=threads).prepare(graph.inputs, graph.outputs)
    for i, value in enumerate(graph.inputs):
        prepared.bind_input(i, _zeros(value))
    return prepared


def _zeros(value: Any) -> Any:
    """What an input of a model with known sizes may be fed."""
    import numpy as np

    return np.zeros(value.shape, {"f32": np.float32, "i64": np.int64}[value.dtype])


def creation(model: str, map: bool = False, weight_cache: str = "") -> float:
    """Milliseconds from a file to a session that is ready to run."""
    import weft

    begin = time.perf_counter()
    graph = weft.Graph.load(model, map=map)
    prepared = weft.Session(graph, threads=1, weight_cache=weight_cache).prepare(graph.inputs, graph.outputs)
    taken = time.perf_counter() - begin
    del prepared
    return taken * 1e3


def creation_cached(model: str) -> float:
    """The same with the file mapped, by a process that finds what another has packed."""
    with tempfile.TemporaryDirectory() as folder:
        fill = f"from benchmarks.beside import figures; figures.creation({model!r}, True, {folder!r})"
        subprocess.run([sys.executable, "-c", fill], check=True)
        return creation(model, True, folder)


def memory(model: str, map: bool = False) -> float:
    """The most MB that the process had until it had run twice."""
    prepared = _loaded(model, map=map)
    prepared.run()
    prepared.run()
    status = pathlib.Path("/proc/self/status").read_text()
    kib = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    return kib * 1024 / 1e6


def memory_mapped(model: str) -> float:
    """The same with the weights left in their file."""
    return memory(model, map=True)


def four_threads(model: str) -> float:
    """Runs of four threads that share a session, for each that one of them makes alone, in the same time."""
    import weft

    graph = weft.Graph.load(model)
    session = weft.Session(graph, threads=1)
    feeds = {value: _zeros(value) for value in graph.inputs}

    def runs(count: int) -> int:
        made = [0] * count
        end = time.perf_counter() + SECONDS

        def work(i: int) -> None:
            while time.perf_counter() < end:
                session.run(feeds, graph.outputs)
                made[i] += 1

        workers = [threading.Thread(target=work, args=(i,)) for i in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sum(made)

    runs(1)
    return runs(4) / runs(1)


def unrest(model: str) -> float:
    """Milliseconds of processor time in a tenth of a second that begins 1 ms after a run on two threads."""
    prepared = _loaded(model, threads=2)
    for _ in range(20):
        prepared.run()
    time.sleep(1e-3)
    begin = time.process_time()
    time.sleep(0.1)
    return (time.process_time() - begin) * 1e3


@dataclass(frozen=True)
class Figure:
    name: str
    title: str
    unit: str
    limit: float
    measure: Callable[[str], float] | None  # None: the milliseconds that the program `first_result` takes from end to end
    row: str  # whose model it is; "" for one that is measured beside the peak, with whose program in place of a model
    most: bool = True  # else the limit is the least

    def met(self, value: float) -> bool:
        return value <= self.limit if self.most else value >= self.limit


FIGURES = (
    Figure("resnet50-creation", "ResNet-50: a session from a file", "ms", 150, creation, "resnet50-b1"),
    Figure("bert-creation", "BERT-base: a session from a file", "ms", 300, creation, "bert-128"),
    Figure("resnet50-cached", "ResNet-50: a session from a mapped file and the cache of packed weights", "ms", 30,
           creation_cached, "resnet50-b1"),
    Figure("bert-cached", "BERT-base: a session from a mapped file and the cache of packed weights", "ms", 60,
           creation_cached, "bert-128"),
    Figure("resnet50-memory", "ResNet-50, batch 1: most memory of the process", "MB", 150, memory, "resnet50-b1"),
    Figure("bert-memory", "BERT-base, 128 tokens: most memory of the process", "MB", 480, memory, "bert-128"),
    Figure("resnet50-mapped", "The same, ResNet-50's file mapped", "MB", 150, memory_mapped, "resnet50-b1"),
    Figure("bert-mapped", "The same, BERT's file mapped", "MB", 480, memory_mapped, "bert-128"),
    Figure(
        "first-result", "A Python process that imports, loads and runs the MLP 784-512-10 once", "ms", 120, None, "mlp-784-b1",
    ),
    Figure(
        "four-threads", "Runs of four threads with one session on two processors, for each of one thread", "", 1,
        four_threads, "mlp-784-b64", most=False,
    ),
    Figure("unrest", "Processor time in the 0.1 s that begin 1 ms after a run", "ms", 1, unrest, "resnet50-b1"),
    *(
        Figure(f"share-{share.name}", f"{share.title}: of the processor's peak", "%", share.least,
               functools.partial(share_of_peak, share), "", most=False)
        for share in SHARES
    ),
)  # fmt: skip


def measured(figure: Figure, python: str, model: pathlib.Path) -> float:
    """The median of some processes."""
    command = [python, "-m", "benchmarks.beside.figures", figure.name, str(model)]
    if figure.measure is None:
        command = [python, "-m", "benchmarks.beside.first_result", str(model)]
    found = []
    for _ in range(PROCESSES):
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env=environment(1), capture_output=True, text=True)
        taken = time.perf_counter() - begin
        if done.returncode != 0:
            raise Failed(f"{figure.name} could not be measured: {done.stderr.strip()}")
        found.append(taken * 1e3 if figure.measure is None else float(done.stdout))
    return statistics.median(found)


def main() -> None:
    name, model = sys.argv[1:]
    figure = next(figure for figure in FIGURES if figure.name == name)
    assert figure.measure is not None
    print(figure.measure(model))


if __name__ == "__main__":
    main()
