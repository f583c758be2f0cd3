"""Training in JAX: one compiled function is a step, which takes over the memory of what it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import net
from ..net import WEIGHT_DECAY, Array, Training
from ..row import STEPS

BETA1, BETA2, EPSILON, MOMENTUM = 0.9, 0.999, 1e-8, 0.9


def _weights(layer: net.Layer) -> Any:
    """A tree of a layer's weights."""
    match layer:
        case net.Dense():
            return [layer.kernel, layer.bias]
        case net.Conv():
            return [layer.kernel] if layer.bias is None else [layer.kernel, layer.bias]
        case net.BatchNorm():
            return [np.ones(layer.channels, np.float32), np.zeros(layer.channels, np.float32)]
        case net.LayerNorm():
            return [np.ones(layer.width, np.float32), np.zeros(layer.width, np.float32)]
        case net.Embedding():
            return [layer.words, layer.places]
        case net.CausalAttention():
            return [_weights(layer.joined), _weights(layer.out)]
        case net.Residual():
            return [[_weights(one) for one in part] for part in (layer.body, layer.shortcut)]
    return []


def _running(layer: net.Layer) -> Any:
    """A tree of the running statistics, which no gradient flows to."""
    match layer:
        case net.BatchNorm():
            return [np.zeros(layer.channels, np.float32), np.ones(layer.channels, np.float32)]
        case net.Residual():
            return [[_running(one) for one in part] for part in (layer.body, layer.shortcut)]
    return []


def _normalized(x: Any, axes: tuple[int, ...], epsilon: float) -> tuple[Any, Any, Any]:
    mean = x.mean(axes, keepdims=True)
    variance = jnp.square(x - mean).mean(axes, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + epsilon), mean, variance


def _batch_norm(layer: net.BatchNorm, weights: Any, running: Any, x: Any) -> tuple[Any, Any]:
    y, *batch = _normalized(x, (0, 2, 3), layer.epsilon)
    scale, bias = (one[:, None, None] for one in weights)
    moved = [MOMENTUM * old + (1 - MOMENTUM) * new.reshape(-1) for old, new in zip(running, batch)]
    return y * scale + bias, moved


def _attention(layer: net.CausalAttention, weights: Any, x: Any) -> Any:
    (kernel, bias), (out_kernel, out_bias) = weights
    parts = (x @ kernel + bias).reshape(*x.shape[:2], 3, layer.heads, -1)
    seen = jax.nn.dot_product_attention(parts[:, :, 0], parts[:, :, 1], parts[:, :, 2], is_causal=True)
    return seen.reshape(x.shape) @ out_kernel + out_bias


def _layer(layer: net.Layer, weights: Any, running: Any, x: Any) -> tuple[Any, Any]:
    """What a layer gives, and its running statistics after that."""
    match layer:
        case net.BatchNorm():
            return _batch_norm(layer, weights, running, x)
        case net.Residual():
            body, moved = _layers(layer.body, weights[0], running[0], x)
            shortcut, moved_too = _layers(layer.shortcut, weights[1], running[1], x)
            return body + shortcut, [moved, moved_too]
    return _plain(layer, weights, x), running


def _plain(layer: net.Layer, weights: Any, x: Any) -> Any:
    match layer:
        case net.Dense():
            return x @ weights[0] + weights[1]
        case net.Conv():
            numbers = ("NCHW", "OIHW", "NCHW")
            pads = [(layer.pad, layer.pad)] * 2
            y = jax.lax.conv_general_dilated(x, weights[0], [layer.stride] * 2, pads, dimension_numbers=numbers)
            return y if layer.bias is None else y + weights[1][:, None, None]
        case net.MaxPool():
            window = (1, 1, layer.size, layer.size)
            return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
        case net.GlobalAveragePool():
            return x.mean((2, 3))
        case net.Flatten():
            return x.reshape(x.shape[0], -1)
        case net.Relu():
            return jax.nn.relu(x)
        case net.Gelu():
            return jax.nn.gelu(x, approximate=False)
        case net.LayerNorm():
            return _normalized(x, (-1,), layer.epsilon)[0] * weights[0] + weights[1]
        case net.Embedding():
            return jnp.take(weights[0], x, 0) + weights[1]
        case net.CausalAttention():
            return _attention(layer, weights, x)
    raise AssertionError(layer)


def _layers(layers: Sequence[net.Layer], weights: Any, running: Any, x: Any) -> tuple[Any, Any]:
    moved = []
    for layer, own, old in zip(layers, weights, running):
        x, new = _layer(layer, own, old, x)
        moved.append(new)
    return x, moved


def _adam(rate: float, decay: float, count: Any, gradient: Any, weight: Any, mean: Any, square: Any) -> tuple[Any, ...]:
    mean = BETA1 * mean + (1 - BETA1) * gradient
    square = BETA2 * square + (1 - BETA2) * gradient * gradient
    root = jnp.sqrt(square / (1 - BETA2**count)) + EPSILON
    return weight * (1 - rate * decay) - rate * mean / (1 - BETA1**count) / root, mean, square


class Trainer:
    def __init__(self, problem: Training) -> None:
        inputs = problem.inputs.astype(np.int32) if problem.inputs.dtype == np.int64 else problem.inputs
        self.batch = (jax.device_put(inputs), jax.device_put(problem.labels.astype(np.int32)))
        rate, decay = problem.learning_rate, WEIGHT_DECAY if problem.optimizer == "adamw" else 0.0

        def loss(weights: Any, running: Any, inputs: Any, labels: Any) -> Any:
            scores, moved = _layers(problem.layers, weights, running, inputs)
            return -jnp.take_along_axis(jax.nn.log_softmax(scores), labels[..., None], -1).mean(), moved

        def sgd(weights: Any, running: Any, state: Any, *batch: Any) -> Any:
            (value, moved), gradients = jax.value_and_grad(loss, has_aux=True)(weights, running, *batch)
            new = jax.tree.map(lambda weight, gradient: weight - rate * gradient, weights, gradients)
            return new, moved, state, value

        def adam(weights: Any, running: Any, state: Any, *batch: Any) -> Any:
            (value, moved), gradients = jax.value_and_grad(loss, has_aux=True)(weights, running, *batch)
            count, means, squares = state
            count += 1
            made = jax.tree.map(lambda *one: _adam(rate, decay, count, *one), gradients, weights, means, squares)
            new = [jax.tree.map(lambda one: one[i], made, is_leaf=lambda one: isinstance(one, tuple)) for i in range(3)]
            return new[0], moved, (count, new[1], new[2]), value

        self.weights = jax.device_put([_weights(layer) for layer in problem.layers])
        self.running = jax.device_put([_running(layer) for layer in problem.layers])
        self.state: Any = ()
        if problem.optimizer != "sgd":
            zeros = jax.tree.map(jnp.zeros_like, self.weights)
            self.state = (jnp.float32(0), zeros, jax.tree.map(jnp.copy, zeros))
        self.make = jax.jit(sgd if problem.optimizer == "sgd" else adam, donate_argnums=(0, 1, 2))

    def step(self) -> Any:
        """The loss before the step."""
        self.weights, self.running, self.state, loss = self.make(self.weights, self.running, self.state, *self.batch)
        return loss

    def losses(self) -> Array:
        return np.array([float(self.step()) for _ in range(STEPS)])

    def finish(self) -> None:
        jax.block_until_ready(self.weights)
