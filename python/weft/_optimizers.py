"""Optimizers: training steps as part of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from . import _native
from ._graph import Value
from ._handle import Options, caller, need, number

Rate = Union[float, Value]


class Optimizer:
    """Lowers a loss. `learning_rate` is a number, or a value of the graph such as a schedule over the variable
    "optimizer/step"; `clip_norm` scales all gradients down to that common norm, 0 does not. `lazy` leaves rows of a
    variable that is only looked up (an embedding), and their state, as they are in steps that do not look them up.

    Examples:
        >>> graph = weft.Graph()
        >>> w = graph.variable("w", [2.0, 4.0])
        >>> step = weft.Sgd(0.25).minimize(weft.reduce_sum(w * w, keepdims=0))
        >>> session = weft.Session(graph)
        >>> _ = session.run({}, step)
        >>> session.get("w").tolist()
        [1.0, 2.0]
    """

    def __init__(self, learning_rate: Rate, clip_norm: float, **settings: Any) -> None:
        if not isinstance(learning_rate, Value):
            number(learning_rate, "learning_rate")
        self.learning_rate = learning_rate
        self.settings = dict(settings, clip_norm=number(clip_norm, "clip_norm"))

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.settings.items())
        return f"{type(self).__name__}({self.learning_rate!r}{settings})"

    def minimize(self, loss: Value, variables: Sequence[Value] = ()) -> Value:
        """Adds one training step: gradients, clipping, updates.

        Args:
            loss: A scalar.
            variables: What is trained; without any, all trainable variables that the loss depends on.

        Returns:
            The target to run: the number of the step.
        """
        graph = need(loss, Value, "the loss").graph
        options = Options("optimizer", **self.settings)
        rate = 0
        if isinstance(self.learning_rate, Value):
            rate = self.learning_rate.id
        else:
            options.set("learning_rate", number(self.learning_rate, "learning_rate"))
        ids = [need(variable, Value, "a variable").id for variable in variables]
        target = _native.weft_optimizer_add(
            graph._handle, type(self).__name__, options._handle, loss.id, ids, rate, caller()
        )
        return Value(graph, target)


class Sgd(Optimizer):
    """Gradient descent: w -= learning_rate * g."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        *,
        weight_decay: float = 0.0,
        clip_norm: float = 0.0,
        lazy: bool = False,
    ) -> None:
        super().__init__(learning_rate, clip_norm, weight_decay=number(weight_decay, "weight_decay"), lazy=int(lazy))


class Momentum(Optimizer):
    """Gradient descent with momentum, and Nesterov's on request."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float = 0.0,
        lazy: bool = False,
    ) -> None:
        super().__init__(
            learning_rate,
            clip_norm,
            momentum=number(momentum, "momentum"),
            nesterov=int(nesterov),
            weight_decay=number(weight_decay, "weight_decay"),
            lazy=int(lazy),
        )


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015)."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float = 0.0,
        lazy: bool = False,
    ) -> None:
        super().__init__(
            learning_rate,
            clip_norm,
            beta1=number(beta1, "beta1"),
            beta2=number(beta2, "beta2"),
            epsilon=number(epsilon, "epsilon"),
            weight_decay=number(weight_decay, "weight_decay"),
            lazy=int(lazy),
        )


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        clip_norm: float = 0.0,
        lazy: bool = False,
    ) -> None:
        super().__init__(
            learning_rate,
            clip_norm,
            beta1=number(beta1, "beta1"),
            beta2=number(beta2, "beta2"),
            epsilon=number(epsilon, "epsilon"),
            weight_decay=number(weight_decay, "weight_decay"),
            lazy=int(lazy),
        )
