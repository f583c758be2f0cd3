"""JAX: functions compiled by XLA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..net import Array
from ..row import Eigen, Inference, Problem
from . import Contender
from .jax_training import Trainer
from .onnx_graph import Operators, evaluate, numbers, weights


def _layer_norm(attributes: Mapping[str, Any], x: Any, scale: Any, bias: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + attributes["epsilon"]) * scale + bias


def _pads(attributes: Mapping[str, Any]) -> list[tuple[int, int]]:
    top, left, bottom, right = attributes["pads"]
    return [(top, bottom), (left, right)]


def _conv(attributes: Mapping[str, Any], x: Any, kernel: Any) -> Any:
    return jax.lax.conv_general_dilated(
        x, kernel, attributes["strides"], _pads(attributes), dimension_numbers=("NCHW", "OIHW", "NCHW"),
        feature_group_count=attributes["group"],
    )  # fmt: skip


def _max_pool(attributes: Mapping[str, Any], x: Any) -> Any:
    window, strides = (1, 1, *attributes["kernel_shape"]), (1, 1, *attributes["strides"])
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, [(0, 0), (0, 0), *_pads(attributes)])


def _batch_norm(attributes: Mapping[str, Any], x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    factor = scale / np.sqrt(variance + attributes["epsilon"])
    return x * factor[:, None, None] + (bias - mean * factor)[:, None, None]


def _resize(attributes: Mapping[str, Any], x: Any, roi: None, scales: None, sizes: list[int]) -> Any:
    """Linear, to sizes: the models of this benchmark resize in no other way."""
    return jax.image.resize(x, tuple(sizes), "linear")


def _lstm(attributes: Mapping[str, Any], x: Any, w: Any, r: Any, b: Any) -> Any:
    """Of one direction: products of all steps with their inputs at once, then a loop."""
    hidden = attributes["hidden_size"]

    def step(state: Any, inputs: Any) -> Any:
        h, c = state
        i, o, f, new = jnp.split(inputs + h @ r[0].T, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(new)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    begin = jnp.zeros((x.shape[1], hidden), x.dtype)
    y = jax.lax.scan(step, (begin, begin), x @ w[0].T + b[0, : 4 * hidden] + b[0, 4 * hidden :])[1]
    return y[:, None]


def _gru(attributes: Mapping[str, Any], x: Any, w: Any, r: Any, b: Any) -> Any:
    """The same, with the reset behind the product: the models of this benchmark ask for that."""
    hidden = attributes["hidden_size"]

    def step(h: Any, inputs: Any) -> Any:
        products = h @ r[0].T + b[0, 3 * hidden :]
        update, reset = jnp.split(jax.nn.sigmoid(inputs[:, : 2 * hidden] + products[:, : 2 * hidden]), 2, -1)
        new = jnp.tanh(inputs[:, 2 * hidden :] + reset * products[:, 2 * hidden :])
        h = (1 - update) * new + update * h
        return h, h

    begin = jnp.zeros((x.shape[1], hidden), x.dtype)
    return jax.lax.scan(step, begin, x @ w[0].T + b[0, : 3 * hidden])[1][:, None]


OPERATORS: Operators = {
    "Add": lambda attributes, a, b: a + b,
    "Mul": lambda attributes, a, b: a * b,
    # Into three parts, which is what the models of this benchmark ask for.
    "Split": lambda attributes, x: jnp.split(x, 3, attributes["axis"]),
    "Pow": lambda attributes, x, power: x**power,
    "Tanh": lambda attributes, x: jnp.tanh(x),
    "Div": lambda attributes, a, b: a / b,
    "MatMul": lambda attributes, a, b: a @ b,
    "Erf": lambda attributes, x: jax.lax.erf(x),
    "Gather": lambda attributes, table, ids: jnp.take(table, ids, 0),
    "Reshape": lambda attributes, x, shape: x.reshape(shape),
    "Transpose": lambda attributes, x: x.transpose(attributes["perm"]),
    "Relu": lambda attributes, x: jax.nn.relu(x),
    "Concat": lambda attributes, *parts: jnp.concatenate(parts, attributes["axis"]),
    "Gemm": lambda attributes, x, kernel, bias: x @ kernel + bias,
    "Clip": lambda attributes, x, low, high: jnp.clip(x, low, high),
    "Conv": _conv,
    "BatchNormalization": _batch_norm,
    "MaxPool": _max_pool,
    "GlobalAveragePool": lambda attributes, x: x.mean((2, 3), keepdims=True),
    "Flatten": lambda attributes, x: x.reshape(x.shape[0], -1),
    "Softmax": lambda attributes, x: jax.nn.softmax(x, attributes["axis"]),
    "LayerNormalization": _layer_norm,
    "Squeeze": lambda attributes, x, axes: jnp.squeeze(x, tuple(axes)),
    "Resize": _resize,
    "LSTM": _lstm,
    "GRU": _gru,
}


def _inference(problem: Inference) -> Contender:
    constants = {**numbers(problem.model), **weights(problem.model)}

    def compute(*inputs: Any) -> list[Any]:
        return evaluate(problem.model, OPERATORS, {**constants, **dict(zip(problem.feeds, inputs))})

    net = jax.jit(compute)
    values = tuple(problem.feeds.values())
    bound = tuple(jax.device_put(array) for array in values)

    def results() -> list[Array]:
        return [np.asarray(output) for output in net(*values)]

    call = results if problem.arrays else lambda: jax.block_until_ready(net(*bound))
    return Contender(jax.__version__, call, results)


def _eigen(problem: Eigen) -> Contender:
    find = jnp.linalg.eigh if problem.symmetric else jnp.linalg.eig
    made = jax.jit(lambda a: find(a @ a.T))
    a = jax.device_put(problem.a)
    return Contender(
        jax.__version__, lambda: jax.block_until_ready(made(a)), lambda: [np.sort(np.asarray(made(a)[0]).real)]
    )


def prepare(problem: Problem, threads: int) -> Contender:
    if isinstance(problem, Inference):
        return _inference(problem)
    if isinstance(problem, Eigen):
        return _eigen(problem)
    trainer = Trainer(problem)
    # Steps are begun one after the other as they are in a training, and waited for at the end.
    return Contender(jax.__version__, trainer.step, lambda: [trainer.losses()], trainer.finish)
