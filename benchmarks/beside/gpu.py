"""Times Weft on a GPU beside PyTorch, both in one process, taking turns: python -m benchmarks.beside.gpu [rows...]
[--compile] [--out FILE]. Needs libweft_cuda, PyTorch for CUDA, and a GPU with nobody else on it.

What is fed are arrays in the process's memory, and so are results, for both: each call copies them. In training PyTorch's batch
is copied to the GPU in each step, as Weft's is; PyTorch need not wait for a step before it begins the next one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import weft

from .contenders.torch_graph import module
from .contenders.torch_training import Trainer as TorchTrainer
from .contenders.weft_training import Trainer
from .models import elementwise, images, training
from .models.graph import Builder
from .models.mlp import mlp
from .models.transformer import bert, gpt2
from .net import Array, Training
from .row import Inference, Problem

ROUNDS, SAMPLE_SECONDS = 7, 0.1


@dataclass(frozen=True)
class Row:
    title: str
    make: Callable[[], Problem]
    rtol: float = 1e-3


def product(size: int) -> Inference:
    model = Builder()
    x = model.input("x", size, size)
    return model.problem(model.node("MatMul", x, model.weight(model.normal(size, size, scale=size**-0.5))))


ROWS = {
    "affine-16m": Row("relu(x * a + b) * c + x of 16 M", lambda: elementwise.affine_twice(4096, 4096)),
    "softmax": Row("softmax of 4096 x 1024", lambda: elementwise.softmax(4096, 1024)),
    "layer-norm": Row("layer normalization of 4096 x 768", lambda: elementwise.layer_norm(4096, 768)),
    "matmul-4096": Row("product of 4096 x 4096", lambda: product(4096)),
    "mlp-784-b64": Row("MLP 784-512-10, batch 64", lambda: mlp(784, 512, 10, batch=64)),
    "bert-128": Row("BERT-base, 128 tokens", lambda: bert(128)),
    "gpt2-decode": Row("GPT-2 small, one token, 128 cached", lambda: gpt2(128)),
    "resnet50-b1": Row("ResNet-50, batch 1", lambda: images.resnet50(1)),
    "resnet50-b32": Row("ResNet-50, batch 32", lambda: images.resnet50(32)),
    "train-mlp": Row("train MLP 64-64-10, batch 32, Adam", lambda: training.mlp(32)),
    "train-lenet": Row("train LeNet, batch 32, SGD", lambda: training.lenet(32)),
    "train-resnet18": Row("train ResNet-18 on 32 x 32, batch 32, SGD", lambda: training.resnet18(32), rtol=0.02),
    "train-transformer": Row(
        "train a transformer 4 x 256, 64 tokens, batch 16, AdamW", lambda: training.transformer(16), rtol=0.01
    ),
}


@dataclass(frozen=True)
class Contender:
    call: Callable[[], object]
    finish: Callable[[], object]
    results: Callable[[], list[Array]]


def of_weft(problem: Problem) -> tuple[Contender, weft.Session]:
    if isinstance(problem, Training):
        graph = weft.Graph()
        session = weft.Session(graph, device="cuda:0")
        trainer = Trainer(problem, graph, session)
        return Contender(trainer.step, lambda: None, lambda: [trainer.losses()]), session
    assert isinstance(problem, Inference)
    graph = weft.Graph.load(problem.model.SerializeToString())
    session = weft.Session(graph, device="cuda:0")
    feeds = {graph.find(name): values for name, values in problem.feeds.items()}
    prepared = session.prepare(list(feeds), graph.outputs)
    for i, values in enumerate(feeds.values()):
        prepared.bind_input(i, values)
    prepared.run()
    outputs = [np.empty_like(prepared.output(i)) for i in range(len(graph.outputs))]
    for i, output in enumerate(outputs):
        prepared.bind_output(i, output)

    def results() -> list[Array]:
        prepared.run()
        return outputs

    return Contender(prepared.run, lambda: None, results), session


def of_torch(problem: Problem, compile: Callable[[Any], Any]) -> Contender:
    torch.set_grad_enabled(isinstance(problem, Training))
    if isinstance(problem, Training):
        with torch.device("cuda"):
            trainer = TorchTrainer(problem, torch.float32, compile)
        inputs, labels = trainer.inputs.cpu(), trainer.labels.cpu()

        def step() -> torch.Tensor:
            trainer.inputs, trainer.labels = inputs.cuda(), labels.cuda()
            return trainer.step()

        return Contender(step, torch.cuda.synchronize, lambda: [trainer.losses()])
    assert isinstance(problem, Inference)
    net = compile(module(problem.model).eval().cuda())
    fed = [torch.from_numpy(values) for values in problem.feeds.values()]

    def call() -> list[Array]:
        return [output.cpu().numpy() for output in net(*(values.cuda() for values in fed))]

    return Contender(call, torch.cuda.synchronize, call)


def timed(contender: Contender, calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        contender.call()
    contender.finish()
    return (time.perf_counter() - begin) / calls


def calls_of(contender: Contender) -> int:
    timed(contender, 5)
    return max(1, round(SAMPLE_SECONDS / timed(contender, 5)))


def difference(found: list[Array], wanted: list[Array]) -> float:
    """The largest one, of the largest element."""
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)) for a, b in zip(found, wanted))


def measure(row: Row, compiled: bool) -> dict[str, Any]:
    problem = row.make()
    ours, session = of_weft(problem)
    found = ours.results()
    peers = {"eager": of_torch(problem, lambda net: net)}
    wanted = peers["eager"].results()
    out: dict[str, Any] = {"difference": difference(found, wanted)}
    out["right"] = out["difference"] <= row.rtol
    if compiled:
        peers["compiled"] = of_torch(problem, lambda net: torch.compile(net, mode="reduce-overhead"))
    kernels = session.describe()["calls"][0]["plans"][0]["kernels"]
    out["on_cpu"] = sorted(name for name in kernels if name.endswith((": plain", ": vectors", ": numbers", ": reference")))
    contenders = {"weft": ours, **peers}
    calls = {name: calls_of(contender) for name, contender in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            samples[name].append(timed(contender, calls[name]))
    out.update({name: statistics.median(times) * 1e6 for name, times in samples.items()})
    return out


# -- What stays on the GPU: how near kernels come to what the memory and the multipliers give.


def seconds_of(call: Callable[[], object], finish: Callable[[], object]) -> float:
    contender = Contender(call, finish, list)
    calls = calls_of(contender)
    return statistics.median(timed(contender, calls) for _ in range(ROUNDS))


def assigned(shape: tuple[int, int], compute: Callable[[weft.Graph, weft.Value], weft.Value]) -> Callable[[], object]:
    """A run that computes from one variable what becomes another one."""
    graph = weft.Graph()
    x = graph.variable("x", np.random.default_rng(0).standard_normal(shape, np.float32))
    made = compute(graph, x)
    target = graph.variable("target", np.zeros(made.shape, np.float32))
    session = weft.Session(graph, device="cuda:0")
    return session.prepare([], [], [weft.assign(target, made)]).run


def memory_bound() -> dict[str, float]:
    """Bytes read and written in a second, in TB/s, of 1 GiB in and 1 GiB out."""
    shape = (262144, 1024)
    moved = 2 * 4 * shape[0] * shape[1] / 1e12
    ones = np.ones(shape[1], np.float32)
    rows: dict[str, Callable[[weft.Graph, weft.Value], weft.Value]] = {
        "elementwise": lambda graph, x: weft.relu(x * 2.0 + 1.0) * 3.0 + x,
        "softmax": lambda graph, x: weft.softmax(x),
        "layer normalization": lambda graph, x: weft.layer_normalization(x, graph.constant(ones), graph.constant(ones)),
        "transpose": lambda graph, x: weft.transpose(x),
    }
    found = {name: moved / seconds_of(assigned(shape, compute), lambda: None) for name, compute in rows.items()}
    a = torch.randn(shape, device="cuda")
    b = torch.empty_like(a)
    found["copy of PyTorch"] = moved / seconds_of(lambda: b.copy_(a), torch.cuda.synchronize)
    found["softmax of PyTorch"] = moved / seconds_of(lambda: torch.softmax(a, 1), torch.cuda.synchronize)
    weights = torch.ones(shape[1], device="cuda")
    norm = torch.nn.functional.layer_norm
    found["layer normalization of PyTorch"] = moved / seconds_of(
        lambda: norm(a, (shape[1],), weights, weights), torch.cuda.synchronize
    )
    return found


def arithmetic_bound() -> dict[str, float]:
    """Of a product of f32 matrices, in TFLOP/s."""
    size = 8192
    work = 2 * size**3 / 1e12
    other = np.random.default_rng(1).standard_normal((size, size), np.float32)
    ours = assigned((size, size), lambda graph, x: x @ graph.constant(other))
    a = torch.randn((size, size), device="cuda")
    return {
        "product": work / seconds_of(ours, lambda: None),
        "product of PyTorch": work / seconds_of(lambda: a @ a, torch.cuda.synchronize),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", default=list(ROWS))
    parser.add_argument("--compile", action="store_true", help="PyTorch compiled, too, with CUDA graphs")
    parser.add_argument("--plugin", default="libweft_cuda.so", help="the plug-in's file")
    parser.add_argument("--out", help="a JSON file for the figures")
    given = parser.parse_args()
    weft.load_devices(given.plugin)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    figures: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "rows": {}}
    for name, kinds in (("memory", memory_bound), ("arithmetic", arithmetic_bound)) if given.rows == list(ROWS) else ():
        figures[name] = kinds()
        print(name, json.dumps(figures[name]), flush=True)
    for name in given.rows:
        try:
            found = measure(ROWS[name], given.compile)
        except Exception as error:  # the others are measured all the same
            found = {"failed": f"{type(error).__name__}: {error}"}
        figures["rows"][name] = found
        print(name, json.dumps(found), flush=True)
        if given.out:
            with open(given.out, "w") as file:
                json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
