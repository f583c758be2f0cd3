"""The examples of the documentation do what they show."""

import doctest
import importlib
import inspect
import pathlib
import re

import numpy
import pytest

import weft

MODULES = ["weft", "weft._branch", "weft._data", "weft._graph", "weft._host", "weft._operator", "weft._optimizers", "weft._prepared", "weft._session", "weft._tensor", "weft.backend", "weft.layers", "weft.ops"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"weft": weft, "numpy": numpy})
    assert result.failed == 0


CLASSES = [name for name, item in vars(weft).items() if inspect.isclass(item) and not name.startswith("_")]


@pytest.mark.parametrize("name", CLASSES)
def test_examples_of_methods(name: str) -> None:
    """Those of a class, which doctest does not find by its module: classes say that they are of weft itself."""
    runner = doctest.DocTestRunner()
    globs = {"weft": weft, "numpy": numpy}
    for test in doctest.DocTestFinder().find(getattr(weft, name), name, module=False, globs=globs):  # type: ignore[arg-type]
        runner.run(test)
    assert runner.failures == 0


def test_the_readme() -> None:
    readme = pathlib.Path(__file__).parents[1] / "README.md"
    assert doctest.testfile(str(readme), module_relative=False).failed == 0


def test_there_are_examples() -> None:
    functions = [getattr(weft.ops, name) for name in weft.ops.__all__]
    documented = [weft.Graph, weft.Session, weft.Session.fit, weft.Prepared, weft.Dataset, weft.Tensor, weft.Optimizer]
    for item in [*documented, weft.if_, weft.host_call, weft.Graph.gradients, weft.from_dlpack]:
        assert ">>>" in (item.__doc__ or ""), item
    with_example = [function for function in functions if ">>>" in function.__doc__]
    assert len(with_example) > 0.6 * len(functions)


def test_every_public_object_is_documented() -> None:
    for name, item in vars(weft).items():
        if name.startswith("_") or not (inspect.isclass(item) or inspect.isroutine(item)):
            continue
        assert item.__doc__, name
        if isinstance(item, type) and item.__module__.startswith("weft"):
            for member, value in vars(item).items():
                if not member.startswith("_") and callable(value):
                    assert value.__doc__, f"{name}.{member}"


def test_every_argument_of_an_operator_is_explained() -> None:
    for name in weft.ops.__all__:
        function = getattr(weft.ops, name)
        text = inspect.getdoc(function) or ""
        for parameter in inspect.signature(function).parameters:
            assert re.search(rf"^    {parameter}(?: \(.*\))?: ", text, re.MULTILINE), f"{name}({parameter})"


def test_layers_say_what_their_variables_are() -> None:
    graph, layers = weft.Graph(), weft.layers
    made: list[tuple[weft.Layer, dict[str, tuple[int, ...]]]] = [
        (layers.Dense(graph, "dense", inputs=2, units=3), {"kernel": (2, 3), "bias": (3,)}),
        (layers.Conv2d(graph, "conv", inputs=2, filters=4, kernel=[3, 5], groups=2), {"kernel": (4, 1, 3, 5), "bias": (4,)}),
        (layers.BatchNorm(graph, "batch", channels=3), dict.fromkeys(["scale", "bias", "mean", "variance"], (3,))),
        (layers.LayerNorm(graph, "layer", units=3), dict.fromkeys(["scale", "bias"], (3,))),
        (layers.GroupNorm(graph, "group", channels=4, groups=2), dict.fromkeys(["scale", "bias"], (4,))),
        (layers.RMSNorm(graph, "rms", units=3), {"scale": (3,)}),
        (
            layers.LSTM(graph, "lstm", inputs=2, units=3, bidirectional=True),
            {"kernel": (2, 12, 2), "recurrent_kernel": (2, 12, 3), "bias": (2, 12)},
        ),
        (
            layers.GRU(graph, "gru", inputs=2, units=3),
            {"kernel": (1, 9, 2), "recurrent_kernel": (1, 9, 3), "bias": (1, 9), "recurrent_bias": (1, 9)},
        ),
        (
            layers.SelfAttention(graph, "attention", units=4, heads=2),
            {"kernel": (4, 12), "bias": (12,), "out_kernel": (4, 4), "out_bias": (4,)},
        ),
        (layers.Embedding(graph, "embedding", count=5, size=2), {"table": (5, 2)}),
        (layers.Dropout(graph, "dropout"), {"counter": ()}),
        (layers.Flatten(graph, "flatten"), {}),
    ]
    assert {type(layer).__name__ for layer, _ in made} == set(layers.__all__)
    for layer, variables in made:
        assert {value.name.rpartition("/")[2]: value.shape for value in layer.variables} == variables
        for name in variables:
            assert f"`{name}`" in (type(layer).__doc__ or ""), f"{type(layer).__name__}: {name}"


def test_every_argument_of_an_optimizer_is_explained() -> None:
    for kind in (weft.Sgd, weft.Momentum, weft.Adam, weft.AdamW):
        text = inspect.getdoc(kind) or ""
        for name, parameter in inspect.signature(kind).parameters.items():
            explained = re.search(rf"^    {name}: (.*(?:\n     .*)*)", text, re.MULTILINE)
            assert explained, f"{kind.__name__}({name})"
            assert len(re.findall(rf"^    {name}: ", text, re.MULTILINE)) == 1
            # The default is there too.
            assert str(parameter.default) in explained[1].replace("1e-8", "1e-08"), f"{kind.__name__}({name})"
