"""JAX: functions compiled by XLA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..row import Array, Inference, Problem
from . import Contender
from .jax_training import Trainer
from .onnx_graph import Operators, evaluate, weights


def _layer_norm(attributes: Mapping[str, Any], x: Any, scale: Any, bias: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + attributes["epsilon"]) * scale + bias


OPERATORS: Operators = {
    "Add": lambda attributes, a, b: a + b,
    "Mul": lambda attributes, a, b: a * b,
    "Relu": lambda attributes, x: jax.nn.relu(x),
    "Concat": lambda attributes, *parts: jnp.concatenate(parts, attributes["axis"]),
    "Gemm": lambda attributes, x, kernel, bias: x @ kernel + bias,
    "Softmax": lambda attributes, x: jax.nn.softmax(x, attributes["axis"]),
    "LayerNormalization": _layer_norm,
}


def _inference(problem: Inference) -> Contender:
    constants = weights(problem.model)

    def compute(*inputs: Any) -> list[Any]:
        return evaluate(problem.model, OPERATORS, {**constants, **dict(zip(problem.feeds, inputs))})

    net = jax.jit(compute)
    values = tuple(problem.feeds.values())
    bound = tuple(jax.device_put(array) for array in values)

    def results() -> list[Array]:
        return [np.asarray(output) for output in net(*values)]

    call = results if problem.arrays else lambda: jax.block_until_ready(net(*bound))
    return Contender(jax.__version__, call, results)


def prepare(problem: Problem, threads: int) -> Contender:
    if isinstance(problem, Inference):
        return _inference(problem)
    trainer = Trainer(problem)
    # Steps are begun one after the other as they are in a training, and waited for at the end.
    return Contender(jax.__version__, trainer.step, lambda: [trainer.losses()], trainer.finish)
