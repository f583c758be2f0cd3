"""ONNX models as TensorFlow functions. Images are channel-last, the only order that TensorFlow computes on every CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ..row import Array, Inference
from .onnx_graph import Operators, evaluate, weights


def _layer_norm(attributes: Mapping[str, Any], x: Any, scale: Any, bias: Any) -> Any:
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + attributes["epsilon"]) * scale + bias


OPERATORS: Operators = {
    "Add": lambda attributes, a, b: a + b,
    "Mul": lambda attributes, a, b: a * b,
    "Relu": lambda attributes, x: tf.nn.relu(x),
    "Concat": lambda attributes, *parts: tf.concat(parts, attributes["axis"]),
    "Gemm": lambda attributes, x, kernel, bias: tf.nn.bias_add(tf.matmul(x, kernel), bias),
    "Softmax": lambda attributes, x: tf.nn.softmax(x, attributes["axis"]),
    "LayerNormalization": _layer_norm,
}


def channel_last(values: Array) -> Array:
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1)) if values.ndim == 4 else values


def feeds(problem: Inference) -> list[Array]:
    return [channel_last(values) for values in problem.feeds.values()]


def function(problem: Inference) -> Any:
    """A concrete function that takes `feeds` in their order."""
    constants = {name: tf.constant(values) for name, values in weights(problem.model).items()}

    def compute(*inputs: Any) -> list[Any]:
        return evaluate(problem.model, OPERATORS, {**constants, **dict(zip(problem.feeds, inputs))})

    signature = [tf.TensorSpec(values.shape, values.dtype) for values in feeds(problem)]
    return tf.function(compute, autograph=False).get_concrete_function(*signature)
