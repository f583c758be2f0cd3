"""Training in TensorFlow: a Keras model and optimizer in one function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .. import net
from ..net import WEIGHT_DECAY, Array, Training
from ..row import STEPS
from .tensorflow_graph import channel_last


def _with(made: Any, x: Any, *weights: Array) -> Any:
    """What a layer gives of x with these as its weights."""
    y = made(x)
    made.set_weights(weights)
    return y


def _conv(layer: net.Conv, x: Any) -> Any:
    filters, _, *size = layer.kernel.shape
    if layer.pad:
        x = keras.layers.ZeroPadding2D(layer.pad)(x)
    made = keras.layers.Conv2D(filters, size, layer.stride, use_bias=layer.bias is not None)
    biases = [] if layer.bias is None else [layer.bias]
    return _with(made, x, layer.kernel.transpose(2, 3, 1, 0), *biases)


def _embedding(layer: net.Embedding, x: Any) -> Any:
    words = _with(keras.layers.Embedding(*layer.words.shape), x, layer.words)
    place = keras.ops.cumsum(keras.ops.ones_like(x), 1) - 1
    return words + _with(keras.layers.Embedding(*layer.places.shape), place, layer.places)


def _attention(layer: net.CausalAttention, x: Any) -> Any:
    width = layer.out.kernel.shape[0]
    each = (layer.heads, width // layer.heads)
    made = keras.layers.MultiHeadAttention(layer.heads, each[1])
    kernels, biases = np.split(layer.joined.kernel, 3, 1), np.split(layer.joined.bias, 3)
    joined = [part for kernel, bias in zip(kernels, biases) for part in (kernel.reshape(width, *each), bias.reshape(each))]
    y = made(x, x, use_causal_mask=True)
    made.set_weights([*joined, layer.out.kernel.reshape(*each, width), layer.out.bias])
    return y


def _layer(layer: net.Layer, x: Any) -> Any:
    match layer:
        case net.Dense():
            return _with(keras.layers.Dense(layer.kernel.shape[1]), x, layer.kernel, layer.bias)
        case net.Conv():
            return _conv(layer, x)
        case net.MaxPool():
            return keras.layers.MaxPool2D(layer.size)(x)
        case net.GlobalAveragePool():
            return keras.layers.GlobalAveragePooling2D()(x)
        case net.Flatten():
            # The weights that follow are of elements in ONNX's order.
            return keras.layers.Flatten()(keras.layers.Permute((3, 1, 2))(x))
        case net.Relu():
            return keras.layers.ReLU()(x)
        case net.Gelu():
            return keras.layers.Activation(lambda y: keras.activations.gelu(y, approximate=False))(x)
        case net.BatchNorm():
            return keras.layers.BatchNormalization(momentum=0.9, epsilon=layer.epsilon)(x)
        case net.LayerNorm():
            return keras.layers.LayerNormalization(epsilon=layer.epsilon)(x)
        case net.Embedding():
            return _embedding(layer, x)
        case net.CausalAttention():
            return _attention(layer, x)
        case net.Residual():
            return _layers(layer.body, x) + _layers(layer.shortcut, x)


def _layers(layers: Sequence[net.Layer], x: Any) -> Any:
    for layer in layers:
        x = _layer(layer, x)
    return x


OPTIMIZERS: dict[str, Any] = {
    "sgd": keras.optimizers.SGD,
    "adam": lambda rate: keras.optimizers.Adam(rate, epsilon=1e-8),
    "adamw": lambda rate: keras.optimizers.AdamW(rate, WEIGHT_DECAY, epsilon=1e-8),
}


class Trainer:
    def __init__(self, problem: Training) -> None:
        inputs = channel_last(problem.inputs)
        self.batch = (tf.constant(inputs), tf.constant(problem.labels))
        first = keras.Input(inputs.shape[1:], len(inputs), inputs.dtype.name)
        model = keras.Model(first, _layers(problem.layers, first))
        optimizer = OPTIMIZERS[problem.optimizer](problem.learning_rate)
        variables = model.trainable_variables
        optimizer.build(variables)

        def step(inputs: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                scores = model(inputs, training=True)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
                loss = tf.reduce_mean(losses)
            optimizer.apply(tape.gradient(loss, variables), variables)
            return loss

        self.make = tf.function(step, autograph=False).get_concrete_function(*self.batch)
        self.keep = model, optimizer

    def step(self) -> Any:
        """The loss before the step."""
        return self.make(*self.batch)

    def losses(self) -> Array:
        return np.array([self.step().numpy() for _ in range(STEPS)])
