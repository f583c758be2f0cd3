"""ONNX models as TensorFlow functions. Images are channel-last, the only order that TensorFlow computes on every CPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ..net import Array
from ..row import Inference
from .onnx_graph import Operators, evaluate, numbers, weights


def _layer_norm(attributes: Mapping[str, Any], x: Any, scale: Any, bias: Any) -> Any:
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + attributes["epsilon"]) * scale + bias


def _pads(attributes: Mapping[str, Any]) -> list[list[int]]:
    top, left, bottom, right = attributes["pads"]
    return [[0, 0], [top, bottom], [left, right], [0, 0]]


def _conv(attributes: Mapping[str, Any], x: Any, kernel: Any) -> Any:
    """Every channel by itself, or all together: the models of this benchmark have no other groups."""
    strides = [1, *attributes["strides"], 1]
    if attributes["group"] == 1:
        return tf.nn.conv2d(x, tf.transpose(kernel, (2, 3, 1, 0)), strides, _pads(attributes))
    return tf.nn.depthwise_conv2d(x, tf.transpose(kernel, (2, 3, 0, 1)), strides, _pads(attributes))


def _max_pool(attributes: Mapping[str, Any], x: Any) -> Any:
    padded = tf.pad(x, _pads(attributes), constant_values=x.dtype.min)
    return tf.nn.max_pool2d(padded, attributes["kernel_shape"], attributes["strides"], "VALID")


def _concat(attributes: Mapping[str, Any], *parts: Any) -> Any:
    """Axis 1 of rank 4 are channels: nothing else is put together along it in the models of this benchmark."""
    of_channels = attributes["axis"] == 1 and len(parts[0].shape) == 4
    return tf.concat(parts, -1 if of_channels else attributes["axis"])


def _batch_norm(attributes: Mapping[str, Any], x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    return tf.compat.v1.nn.fused_batch_norm(
        x, scale, bias, mean, variance, epsilon=attributes["epsilon"], is_training=False
    )[0]


def _resize(attributes: Mapping[str, Any], x: Any, roi: None, scales: None, sizes: list[int]) -> Any:
    """Linear, to sizes: the models of this benchmark resize in no other way."""
    return tf.image.resize(x, sizes[2:], "bilinear")


OPERATORS: Operators = {
    "Add": lambda attributes, a, b: a + b,
    "Mul": lambda attributes, a, b: a * b,
    # Into three parts, which is what the models of this benchmark ask for.
    "Split": lambda attributes, x: tf.split(x, 3, attributes["axis"]),
    "Pow": lambda attributes, x, power: x**power,
    "Tanh": lambda attributes, x: tf.tanh(x),
    "Div": lambda attributes, a, b: a / b,
    "MatMul": lambda attributes, a, b: tf.matmul(a, b),
    "Erf": lambda attributes, x: tf.math.erf(x),
    "Gather": lambda attributes, table, ids: tf.gather(table, ids),
    "Reshape": lambda attributes, x, shape: tf.reshape(x, shape),
    "Transpose": lambda attributes, x: tf.transpose(x, attributes["perm"]),
    "Relu": lambda attributes, x: tf.nn.relu(x),
    "Concat": _concat,
    "Gemm": lambda attributes, x, kernel, bias: tf.nn.bias_add(tf.matmul(x, kernel), bias),
    "Clip": lambda attributes, x, low, high: tf.nn.relu6(x) if (low, high) == (0, 6) else tf.clip_by_value(x, low, high),
    "Conv": _conv,
    "BatchNormalization": _batch_norm,
    "MaxPool": _max_pool,
    "GlobalAveragePool": lambda attributes, x: tf.reduce_mean(x, (1, 2), keepdims=True),
    # Only where there is one row and one column, whose order says nothing.
    "Flatten": lambda attributes, x: tf.reshape(x, (x.shape[0], -1)),
    "Softmax": lambda attributes, x: tf.nn.softmax(x, attributes["axis"]),
    "LayerNormalization": _layer_norm,
    "Resize": _resize,
}


def channel_last(values: Array) -> Array:
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1)) if values.ndim == 4 else values


def _of_images(problem: Inference) -> bool:
    """Tensors of rank 4 are images in a net with these alone."""
    return any(node.op_type in ("Conv", "Resize") for node in problem.model.graph.node)


def feeds(problem: Inference) -> list[Array]:
    of_images = _of_images(problem)
    return [channel_last(values) if of_images else values for values in problem.feeds.values()]


def channel_first(problem: Inference, outputs: Iterable[Array]) -> list[Array]:
    """The outputs as ONNX has them."""
    of_images = _of_images(problem)
    return [values.transpose(0, 3, 1, 2) if of_images and values.ndim == 4 else values for values in outputs]


def function(problem: Inference) -> Any:
    """A concrete function that takes `feeds` in their order."""
    constants: dict[str, Any] = dict(numbers(problem.model))
    constants.update((name, tf.constant(values)) for name, values in weights(problem.model).items())

    def compute(*inputs: Any) -> list[Any]:
        return evaluate(problem.model, OPERATORS, {**constants, **dict(zip(problem.feeds, inputs))})

    signature = [tf.TensorSpec(values.shape, values.dtype) for values in feeds(problem)]
    return tf.function(compute, autograph=False).get_concrete_function(*signature)
