"""The rows of the table, in its order."""

from __future__ import annotations

from .models import training
from .models.mlp import mlp
from .models.tiny import adds, branches
from .row import Row

ROWS = (
    Row("add-bound", "one Add of 4, bound", lambda: adds(1), goal=4, threads=(1,)),
    Row("add-arrays", "one Add of 4, by name, arrays out", lambda: adds(1, arrays=True), goal=3, threads=(1,)),
    Row("chain-100", "chain of 100 Adds of 4", lambda: adds(100), goal=2),
    Row("chain-1000", "chain of 1,000 Adds of 4", lambda: adds(1000), goal=1),
    Row("branches-100", "100 branches of Add and Relu of 4", lambda: branches(100), goal=2),
    Row("mlp-64-b1", "MLP 64-64-10, batch 1", lambda: mlp(64, 64, 10, batch=1), goal=1.3),
    Row("mlp-64-3-b1", "MLP 64-64-64-10, batch 1", lambda: mlp(64, 64, 64, 10, batch=1), goal=1.3),
    Row("mlp-784-b1", "MLP 784-512-10, batch 1", lambda: mlp(784, 512, 10, batch=1), goal=1.1),
    Row("mlp-784-b8", "MLP 784-512-10, batch 8", lambda: mlp(784, 512, 10, batch=8), goal=1.1),
    Row("mlp-784-b64", "MLP 784-512-10, batch 64", lambda: mlp(784, 512, 10, batch=64), goal=1),
    Row("train-mlp", "train MLP 64-64-10, batch 32, Adam", lambda: training.mlp(32), goal=2),
    Row("train-lenet", "train LeNet, batch 32, SGD", lambda: training.lenet(32), goal=1.5),
)


def named(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)
