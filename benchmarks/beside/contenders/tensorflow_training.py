"""Training in TensorFlow: a Keras model and optimizer in one function."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..row import STEPS, Array, Conv, Dense, Flatten, Layer, MaxPool, Training
from .tensorflow_graph import channel_last


def _layer(layer: Layer) -> Any:
    match layer:
        case Dense():
            return keras.layers.Dense(layer.kernel.shape[1], "relu" if layer.relu else None)
        case Conv():
            return keras.layers.Conv2D(
                layer.kernel.shape[0], layer.kernel.shape[2:], activation="relu" if layer.relu else None
            )
        case MaxPool():
            return keras.layers.MaxPool2D(layer.size)
        case Flatten():
            return keras.layers.Flatten()


class Trainer:
    def __init__(self, problem: Training) -> None:
        inputs = channel_last(problem.inputs)
        self.batch = (tf.constant(inputs), tf.constant(problem.labels))
        layers: list[Any] = [keras.Input(inputs.shape[1:], len(inputs))]
        for layer in problem.layers:
            if isinstance(layer, Flatten):
                # The weights that follow are of elements in ONNX's order.
                layers.append(keras.layers.Permute((3, 1, 2)))
            layers.append(_layer(layer))
        model = keras.Sequential(layers)
        weights = [array for layer in problem.layers if isinstance(layer, (Dense, Conv)) for array in _weights(layer)]
        model.set_weights(weights)
        kind = {"adam": lambda rate: keras.optimizers.Adam(rate, epsilon=1e-8), "sgd": keras.optimizers.SGD}
        optimizer = kind[problem.optimizer](problem.learning_rate)
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


def _weights(layer: Dense | Conv) -> tuple[Array, Array]:
    kernel = layer.kernel if isinstance(layer, Dense) else layer.kernel.transpose(2, 3, 1, 0)
    return kernel, layer.bias
