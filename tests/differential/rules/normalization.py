"""Normalization and losses."""

import numpy as np

from maker import Maker, rule


@rule("BatchNormalization")
def batch(m: Maker) -> None:
    m.sums()
    channels = m.dim(1)
    training = m.flag("training_mode")
    # Of one element no variance is to be seen.
    m.input("X", (m.dim(2 if training else 0), channels, *m.shape(0, 3, least=1)))
    for name in ("scale", "B", "input_mean"):
        m.input(name, (channels,))
    m.input("input_var", (channels,), 0.5, 3)
    if not training:
        m.unwanted |= {"running_mean", "running_var"}


@rule("InstanceNormalization")
def instance(m: Maker) -> None:
    m.sums(3)
    channels = m.dim(1)
    m.input("input", (m.dim(), channels, *m.shape(1, 3, least=2)))
    m.input("scale", (channels,))
    m.input("B", (channels,))


@rule("GroupNormalization")
def group(m: Maker) -> None:
    m.sums(3)
    groups = m.attr("num_groups", m.integer(1, 3))
    channels = groups * m.integer(1, 3)
    m.attr("stash_type", 1)
    m.input("X", (m.dim(1), channels, *m.shape(1, 3, least=2)))
    m.input("scale", (channels,))
    m.input("bias", (channels,))


@rule("LayerNormalization", "RMSNormalization")
def layer(m: Maker) -> None:
    m.sums(3)
    shape = m.shape(1)
    axis = m.attr("axis", m.axis(len(shape)))
    m.attr("stash_type", 1)
    m.input("X", shape)
    inner = shape[axis:]
    if m.op == "RMSNormalization":
        m.bind("V", m.type("T"))
        m.input("scale", m.broadcast_to(inner) if m.chance(0.3) else inner)
        return
    m.bind("U", "tensor(float)")
    m.input("Scale", m.broadcast_to(inner) if m.chance(0.3) else inner)
    m.optional("B", inner)


@rule("MeanVarianceNormalization")
def mean_variance(m: Maker) -> None:
    m.sums(3)
    shape = m.shape(2, 4, least=2)
    m.attr("axes", [0, 2, 3] if len(shape) == 4 and m.chance(0.4) else m.axes(len(shape), 1))
    m.input("X", shape)


@rule("LRN")
def lrn(m: Maker) -> None:
    m.sums()
    m.attr("size", m.integer(1, 5))
    m.input("X", (m.dim(), m.dim(), *m.shape(1, 2)))


@rule("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(m: Maker) -> None:
    m.sums()
    scores, labels, weights = m.schema.inputs[0].name, m.schema.inputs[1].name, m.schema.inputs[2].name
    m.one_of("reduction", "mean", "sum", "none")
    classes, n, inner = m.dim(2), m.dim(1), m.shape(0, 2, least=1)
    m.input(scores, (n, classes, *inner))
    found = m.rng.integers(classes, size=(n, *inner))
    if m.chance(0.5):
        ignored = m.attr("ignore_index", m.choose([-1, 0, classes - 1]))
        found = np.where(m.rng.random(found.shape) < 0.2, ignored, found)
        found.ravel()[0] = (ignored + 1) % classes if ignored >= 0 else 0  # one is left
    m.give(labels, found)
    m.optional(weights, (classes,), 0.2, 2)
