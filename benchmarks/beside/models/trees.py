"""Ensembles of decision trees as skl2onnx writes them, grown from drawn rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from ..net import Array
from ..row import Inference
from .graph import Builder

CLASSES = 3
# Rows that trees are grown from, and how many a node has at least that is no leaf.
ROWS, LEAST = 1000, 4
LEARNING_RATE = 0.1
# Votes of a forest are multiples of 1 / VOTES. Sums of those are exact in f32, in any order: with rounded ones the label of
# a row with as many votes for two classes would be either.
VOTES = 2**22


@dataclass
class Node:
    """A row whose feature is at most the threshold goes to the child `below`, others to the one `above`."""

    feature: int = 0
    threshold: float = 0.0
    below: int = 0  # children, by their places in the tree
    above: int = 0
    mean: Array | None = None  # of a leaf, which has no children


def grown(random: np.random.RandomState, x: Array, y: Array, depth: int) -> tuple[list[Node], Array]:
    """A tree, its root first, and what it gives for the rows of x: the mean of y over the rows that come to the same leaf.
    Nodes look at any feature, and divide their rows by the median of three of them."""
    nodes: list[Node] = []
    found = np.empty_like(y)

    def add(rows: Array, left: int) -> int:
        place = len(nodes)
        mean = y[rows].mean(0)
        nodes.append(Node(mean=mean))
        found[rows] = mean
        if left == 0 or len(rows) < LEAST:
            return place
        feature = random.randint(x.shape[1])
        values = x[rows, feature]
        threshold = sorted(values[random.randint(len(rows), size=3)].tolist())[1]
        low = values <= threshold
        if not low.all():
            nodes[place] = Node(feature, threshold, add(rows[low], left - 1), add(rows[~low], left - 1))
        return place

    add(np.arange(len(x)), depth)
    return nodes, found


def attributes(trees: Sequence[Sequence[Node]], of: str, vote: Callable[[Array], Array]) -> dict[str, Any]:
    """What describes trees whose leaves vote for every class, or target (`of`), given the mean of a leaf."""
    nodes = [(tree, place, node) for tree, made in enumerate(trees) for place, node in enumerate(made)]
    votes = [
        (tree, place, target, float(weight))
        for tree, place, node in nodes
        if node.mean is not None
        for target, weight in enumerate(vote(node.mean))
    ]
    return {
        "nodes_treeids": [tree for tree, _, _ in nodes],
        "nodes_nodeids": [place for _, place, _ in nodes],
        "nodes_featureids": [node.feature for _, _, node in nodes],
        "nodes_values": [node.threshold for _, _, node in nodes],
        "nodes_hitrates": [1.0] * len(nodes),
        "nodes_modes": ["BRANCH_LEQ" if node.mean is None else "LEAF" for _, _, node in nodes],
        "nodes_truenodeids": [node.below for _, _, node in nodes],
        "nodes_falsenodeids": [node.above for _, _, node in nodes],
        "nodes_missing_value_tracks_true": [0] * len(nodes),
        f"{of}_treeids": [tree for tree, _, _, _ in votes],
        f"{of}_nodeids": [place for _, place, _, _ in votes],
        f"{of}_ids": [target for _, _, target, _ in votes],
        f"{of}_weights": [weight for _, _, _, weight in votes],
        "post_transform": "NONE",
    }


def forest(trees: int, depth: int, features: int, rows: int) -> Inference:
    """A random forest: the class of each row, and the shares of classes in its leaves."""
    graph = Builder()
    x = graph.input("x", rows, features)
    known = graph.normal(ROWS, features)
    classes = np.eye(CLASSES)[np.argmax(known @ graph.normal(features, CLASSES), 1)]
    made = [grown(graph.random, known, classes, depth)[0] for _ in range(trees)]
    labels, scores = graph.split(
        "TreeEnsembleClassifier", 2, x, domain="ai.onnx.ml", classlabels_int64s=list(range(CLASSES)),
        **attributes(made, "class", lambda mean: np.rint(mean / trees * VOTES) / VOTES),
    )  # fmt: skip
    return graph.problem(
        graph.output(labels, TensorProto.INT64, rows), graph.output(scores, TensorProto.FLOAT, rows, CLASSES)
    )


def boosting(trees: int, depth: int, features: int, rows: int) -> Inference:
    """Gradient boosting: each tree is grown from what those before it have left of a function of the features."""
    graph = Builder()
    x = graph.input("x", rows, features)
    known = graph.normal(ROWS, features)
    left = np.sin(known.astype(np.float64)).sum(1, keepdims=True)
    base = float(left.mean())
    left -= base
    made = []
    for _ in range(trees):
        nodes, found = grown(graph.random, known, left, depth)
        left -= LEARNING_RATE * found
        made.append(nodes)
    y = graph.node(
        "TreeEnsembleRegressor", x, domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM", base_values=[base],
        **attributes(made, "target", lambda mean: LEARNING_RATE * mean),
    )  # fmt: skip
    return graph.problem(graph.output(y, TensorProto.FLOAT, rows, 1))
