"""Training in JAX: one compiled function is a step, which takes over the memory of what it changes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..row import STEPS, Array, Conv, Dense, Flatten, Layer, MaxPool, Training

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def _layer(layer: Layer, weights: list[Any], x: Any) -> Any:
    match layer:
        case Dense():
            y = x @ weights[0] + weights[1]
        case Conv():
            numbers = ("NCHW", "OIHW", "NCHW")
            y = jax.lax.conv_general_dilated(x, weights[0], (1, 1), "VALID", dimension_numbers=numbers)
            y += weights[1][:, None, None]
        case MaxPool():
            window = (1, 1, layer.size, layer.size)
            return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
        case Flatten():
            return x.reshape(x.shape[0], -1)
    return jax.nn.relu(y) if layer.relu else y


def _adam(rate: float, count: Any, gradient: Any, weight: Any, mean: Any, square: Any) -> tuple[Any, Any, Any]:
    mean = BETA1 * mean + (1 - BETA1) * gradient
    square = BETA2 * square + (1 - BETA2) * gradient * gradient
    root = jnp.sqrt(square / (1 - BETA2**count)) + EPSILON
    return weight - rate * mean / (1 - BETA1**count) / root, mean, square


class Trainer:
    def __init__(self, problem: Training) -> None:
        self.batch = (jax.device_put(problem.inputs), jax.device_put(problem.labels.astype(np.int32)))
        rate = problem.learning_rate

        def loss(weights: list[list[Any]], inputs: Any, labels: Any) -> Any:
            y = inputs
            for layer, own in zip(problem.layers, weights):
                y = _layer(layer, own, y)
            return -jnp.take_along_axis(jax.nn.log_softmax(y), labels[:, None], 1).mean()

        def sgd(weights: Any, state: Any, *batch: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(weights, *batch)
            return jax.tree.map(lambda weight, gradient: weight - rate * gradient, weights, gradients), state, value

        def adam(weights: Any, state: Any, *batch: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(weights, *batch)
            count, means, squares = state
            count += 1
            moved = jax.tree.map(lambda *one: _adam(rate, count, *one), gradients, weights, means, squares)
            new = [jax.tree.map(lambda one: one[i], moved, is_leaf=lambda one: isinstance(one, tuple)) for i in range(3)]
            return new[0], (count, new[1], new[2]), value

        self.weights = [
            [jax.device_put(layer.kernel), jax.device_put(layer.bias)] if isinstance(layer, (Dense, Conv)) else []
            for layer in problem.layers
        ]
        self.state: Any = ()
        if problem.optimizer == "adam":
            zeros = jax.tree.map(jnp.zeros_like, self.weights)
            self.state = (jnp.float32(0), zeros, jax.tree.map(jnp.copy, zeros))
        self.make = jax.jit(adam if problem.optimizer == "adam" else sgd, donate_argnums=(0, 1))

    def step(self) -> Any:
        """The loss before the step."""
        self.weights, self.state, loss = self.make(self.weights, self.state, *self.batch)
        return loss

    def losses(self) -> Array:
        return np.array([float(self.step()) for _ in range(STEPS)])

    def finish(self) -> None:
        jax.block_until_ready(self.weights)
