"""Operators of ai.onnx.ml."""

import numpy as np

import values
from case import tensor
from maker import Maker, rule

ML = "ai.onnx.ml."
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def table(m: Maker) -> tuple[int, int]:
    """An input of examples in rows."""
    shape = (m.dim(1), m.dim(1))
    m.input("X", shape)
    return shape


def reals(m: Maker, count: int) -> list[float]:
    return [m.real(-2, 2) for _ in range(count)]


@rule(ML + "ArrayFeatureExtractor")
def extractor(m: Maker) -> None:
    shape = m.shape(1, 3, least=1)
    m.input("X", shape)
    m.input("Y", (m.dim(1),), 0, shape[-1] - 1)


@rule(ML + "Binarizer")
def binarizer(m: Maker) -> None:
    m.input("X", m.shape())
    m.attr("threshold", m.choose([0.0, 1.0, m.real(-3, 3)]))


@rule(ML + "CategoryMapper")
def categories(m: Maker) -> None:
    m.omit("default_int64")
    m.omit("default_string")
    words = m.some(values.WORDS, 1)
    m.attr("cats_strings", words)
    m.attr("cats_int64s", [int(n) for n in m.rng.permutation(12)[: len(words)] - 4])
    to_text = values.is_integer(m.type("T1"))
    m.bind("T2", "tensor(string)" if to_text else "tensor(int64)")
    if m.chance(0.5):
        m.attr("default_string", "none") if to_text else m.attr("default_int64", -7)
    m.input("X", m.shape())


@rule(ML + "FeatureVectorizer")
def vectorizer(m: Maker) -> None:
    rows = m.dim(1)
    widths = [m.dim(1, 4) for _ in range(m.integer(1, 3))]
    for width in widths:
        m.input("X", (rows, width))
    m.attr("inputdimensions", widths)


@rule(ML + "Imputer")
def imputer(m: Maker) -> None:
    array = m.input("X", (m.dim(1), m.dim(1)), -2, 2)
    width = array.shape[1]
    count = m.choose([1, width])
    m.omit("replaced_value_float")
    m.omit("replaced_value_int64")
    if values.is_integer(m.type("X")):
        m.attr("replaced_value_int64", m.integer(-2, 2))
        m.attr("imputed_value_int64s", [m.integer(-9, 9) for _ in range(count)])
        return
    missing = m.choose([float("nan"), 0.0, 1.0])
    m.attr("replaced_value_float", missing)
    m.attr("imputed_value_floats", reals(m, count))
    array[m.rng.random(array.shape) < 0.3] = missing


@rule(ML + "LabelEncoder")
def labels(m: Maker) -> None:
    names = {"string": "strings", "int64": "int64s", "float": "floats"}
    m.allow("T1", lambda t: values.element(t) in names)
    m.allow("T2", lambda t: values.element(t) in names)
    source, target = values.element(m.type("T1")), values.element(m.type("T2"))
    count = m.integer(1, 6)
    order = m.rng.permutation(9)[:count]

    def listed(kind: str, numbers: list[int]) -> list[object]:
        return [values.WORDS[n] if kind == "string" else float(n) if kind == "float" else n for n in numbers]

    m.attr(f"keys_{names[source]}", listed(source, [int(n) for n in order]))
    m.attr(f"values_{names[target]}", listed(target, [m.integer(0, 8) for _ in range(count)]))
    for name in ("default_int64", "default_float", "default_string"):
        m.omit(name)
    if m.chance(0.5):
        m.attr(f"default_{target}", {"string": "none", "int64": -7, "float": 2.5}[target])
    shape = m.shape()
    drawn = m.rng.integers(0, 9, size=shape)
    found = np.empty(shape, object)
    found.ravel()[:] = listed(source, drawn.ravel().tolist())
    m.give("X", found)


def classes(m: Maker, count: int, integers: str, strings: str) -> None:
    if m.chance(0.5):
        m.attr(integers, [int(n) for n in m.rng.permutation(20)[:count]])
        m.bind("T2", "tensor(int64)")
    else:
        m.attr(strings, [f"class {n}" for n in range(count)])
        m.bind("T2", "tensor(string)")


@rule(ML + "LinearClassifier")
def linear_classifier(m: Maker) -> None:
    m.sums(3)
    _, width = table(m)
    count = m.integer(2, 4)
    rows = 1 if count == 2 and m.chance(0.4) else count
    classes(m, count, "classlabels_ints", "classlabels_strings")
    m.attr("coefficients", reals(m, rows * width))
    m.attr("intercepts", reals(m, rows))
    m.one_of("post_transform", *TRANSFORMS[:4])
    m.omit("multi_class")


@rule(ML + "LinearRegressor")
def linear_regressor(m: Maker) -> None:
    m.sums(3)
    _, width = table(m)
    count = m.attr("targets", m.integer(1, 3))
    m.attr("coefficients", reals(m, count * width))
    m.maybe("intercepts", reals(m, count))
    m.one_of("post_transform", *TRANSFORMS[:4])


@rule(ML + "Normalizer")
def normalizer(m: Maker) -> None:
    m.one_of("norm", "MAX", "L1", "L2")
    m.sums()
    m.input("X", (m.dim(1),) if m.chance(0.3) else (m.dim(1), m.dim(1)))


@rule(ML + "OneHotEncoder")
def one_hot(m: Maker) -> None:
    m.attr("zeros", 1)
    if values.element(m.type("T")) == "string":
        m.attr("cats_strings", m.some(values.WORDS, 1))
        m.input("X", m.shape(1, 2, least=1))
    else:
        m.attr("cats_int64s", [int(n) for n in m.rng.permutation(9)[: m.integer(1, 6)]])
        m.give("X", m.rng.integers(0, 9, size=m.shape(1, 2, least=1)))


@rule(ML + "Scaler")
def scaler(m: Maker) -> None:
    _, width = table(m)
    count = m.choose([1, width])
    m.attr("scale", reals(m, count))
    m.attr("offset", reals(m, count))


class Forest:
    """Random trees: lists of nodes, each a dictionary, inner ones first in each tree."""

    def __init__(self, m: Maker, features: int) -> None:
        self.trees: list[list[dict[str, float]]] = []
        for _ in range(m.integer(1, 3)):
            nodes: list[dict[str, float]] = []
            self._grow(m, nodes, features, m.integer(0, 3))
            self.trees.append(nodes)

    def _grow(self, m: Maker, nodes: list[dict[str, float]], features: int, depth: int) -> int:
        at = len(nodes)
        nodes.append({})
        if depth == 0 or (depth < 3 and m.chance(0.2)):
            nodes[at] = {"leaf": 1}
            return at
        split = float(m.integer(-6, 6)) / 2
        node = {"leaf": 0, "feature": m.integer(0, features - 1), "split": split, "mode": m.integer(0, 5)}
        nodes[at] = node
        node["true"] = self._grow(m, nodes, features, depth - 1)
        node["false"] = self._grow(m, nodes, features, depth - 1)
        return at


MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")


def old_forest(m: Maker, kind: str, results: int) -> None:
    """The attributes of the deprecated tree ensembles: nodes by tree and number, votes at leaves."""
    forest = Forest(m, table(m)[1])
    rows = [(t, i, node) for t, nodes in enumerate(forest.trees) for i, node in enumerate(nodes)]
    leaves = [(t, i) for t, i, node in rows if node["leaf"]]
    votes = [(t, i, r) for t, i in leaves for r in m.some(range(results), 1)]
    m.attr("nodes_treeids", [t for t, _, _ in rows])
    m.attr("nodes_nodeids", [i for _, i, _ in rows])
    m.attr("nodes_featureids", [int(node.get("feature", 0)) for *_, node in rows])
    m.attr("nodes_values", [float(node.get("split", 0)) for *_, node in rows])
    m.attr("nodes_modes", ["LEAF" if node["leaf"] else MODES[int(node["mode"])] for *_, node in rows])
    m.attr("nodes_truenodeids", [int(node.get("true", 0)) for *_, node in rows])
    m.attr("nodes_falsenodeids", [int(node.get("false", 0)) for *_, node in rows])
    m.maybe("nodes_missing_value_tracks_true", [m.integer(0, 1) for _ in rows])
    m.attr(f"{kind}_treeids", [t for t, _, _ in votes])
    m.attr(f"{kind}_nodeids", [i for _, i, _ in votes])
    m.attr(f"{kind}_ids", [r for *_, r in votes])
    m.attr(f"{kind}_weights", reals(m, len(votes)))
    m.maybe("base_values", reals(m, results))
    m.one_of("post_transform", *TRANSFORMS[:4])


@rule(ML + "TreeEnsembleRegressor")
def tree_regressor(m: Maker) -> None:
    m.sums(3)
    results = m.attr("n_targets", m.integer(1, 3))
    m.one_of("aggregate_function", "SUM", "AVERAGE", "MIN", "MAX")
    old_forest(m, "target", results)


@rule(ML + "TreeEnsembleClassifier")
def tree_classifier(m: Maker) -> None:
    m.sums(3)
    results = m.integer(2, 4)
    classes(m, results, "classlabels_int64s", "classlabels_strings")
    old_forest(m, "class", results)


@rule(ML + "TreeEnsemble")
def tree_ensemble(m: Maker) -> None:
    m.sums(3)
    results = m.attr("n_targets", m.integer(1, 3))
    forest = Forest(m, table(m)[1])
    inner: list[dict[str, int | float]] = []
    roots, leaves = [], 0
    for nodes in forest.trees:
        places: dict[int, int] = {}
        if nodes[0]["leaf"]:  # a node both of whose branches are the leaf
            roots.append(len(inner))
            inner.append({"feature": 0, "split": 0.0, "mode": 0, "true": leaves, "false": leaves, "tl": 1, "fl": 1})
            leaves += 1
            continue
        for i, node in enumerate(nodes):
            places[i] = leaves if node["leaf"] else len(inner) + sum(not n["leaf"] for n in nodes[:i])
            leaves += int(node["leaf"])
        roots.append(len(inner))
        for node in nodes:
            if not node["leaf"]:
                t, f = int(node["true"]), int(node["false"])
                ends = {"true": places[t], "false": places[f], "tl": int(nodes[t]["leaf"]), "fl": int(nodes[f]["leaf"])}
                inner.append({**node, **ends})
    type_ = m.type("T")
    m.attr("tree_roots", roots)
    m.attr("nodes_featureids", [int(node["feature"]) for node in inner])
    m.attr("nodes_splits", tensor(np.array([node["split"] for node in inner], values.dtype(type_)), type_))
    m.attr("nodes_modes", tensor(np.array([node["mode"] for node in inner], np.uint8), "tensor(uint8)"))
    m.attr("nodes_truenodeids", [int(node["true"]) for node in inner])
    m.attr("nodes_falsenodeids", [int(node["false"]) for node in inner])
    m.attr("nodes_trueleafs", [int(node["tl"]) for node in inner])
    m.attr("nodes_falseleafs", [int(node["fl"]) for node in inner])
    m.attr("leaf_targetids", [m.integer(0, results - 1) for _ in range(leaves)])
    m.attr("leaf_weights", tensor(np.array(reals(m, leaves), values.dtype(type_)), type_))
    m.attr("aggregate_function", m.integer(0, 3))
    m.attr("post_transform", m.integer(0, 3))
