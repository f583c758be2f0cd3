"""Optimizers: training steps as part of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from . import _native
from ._graph import Value
from ._handle import Options, caller, need, number

Rate = Union[float, Value]


class Optimizer:
    """Lowers a loss: what `Sgd`, `Momentum`, `Adam` and `AdamW` have in common.

    Args:
        learning_rate: The size of a step: a number of at least 0, or a scalar Value of the graph, such as a schedule
            over `Graph.optimizer_step`, which counts the steps that were made.
        clip_norm: The longest that all gradients together, as one vector, may be; longer ones are scaled down. At
            least 0; 0 leaves them.
        name: The optimizer's own, under which its state is kept in variables; a second optimizer of a graph needs
            another.
        settings: What the kind of optimizer has beside these, by name.

    Examples:
        >>> graph = weft.Graph()
        >>> w = graph.variable("w", [2.0, 4.0])
        >>> step = weft.Sgd(0.25).minimize(weft.reduce_sum(w * w, keepdims=False))
        >>> session = weft.Session(graph)
        >>> _ = session.run({}, step)
        >>> session.get("w").tolist()
        [1.0, 2.0]
    """

    def __init__(self, learning_rate: Rate, clip_norm: float, name: str, **settings: Any) -> None:
        if not isinstance(learning_rate, Value):
            number(learning_rate, "learning_rate")
        self.learning_rate = learning_rate
        self.name = need(name, str, "the name of an optimizer")
        self.settings = dict(settings, clip_norm=number(clip_norm, "clip_norm"))

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self.settings.items())
        if self.name != "optimizer":
            settings += f", name={self.name!r}"
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
        options = Options("optimizer", name=self.name, **self.settings)
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
    """Gradient descent: w -= learning_rate * g, where g is gradient + weight_decay * w.

    Args:
        learning_rate: The size of a step: a number of at least 0 (0.001), or a scalar Value of the graph, such as
            a schedule over `Graph.optimizer_step`.
        weight_decay: How strongly variables are drawn to 0: their factor in what is added to the gradient. At least 0
            (0.0, not at all).
        clip_norm: The longest that all gradients together, as one vector, may be; longer ones are scaled down. At
            least 0 (0.0, which leaves them).
        lazy: Whether rows of a variable that is only looked up (an embedding) stay as they are in steps that do not
            look them up (False).
        name: The optimizer\'s own, under which its state is kept: the variables "name/step" and "name/variable/...". A
            second optimizer of a graph needs another ("optimizer").
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        *,
        weight_decay: float = 0.0,
        clip_norm: float = 0.0,
        lazy: bool = False,
        name: str = "optimizer",
    ) -> None:
        decay = number(weight_decay, "weight_decay")
        super().__init__(learning_rate, clip_norm, name, weight_decay=decay, lazy=bool(lazy))


class Momentum(Optimizer):
    """Gradient descent with momentum: v = momentum * v + g; w -= learning_rate * v, where g is
    gradient + weight_decay * w. v has the shape of w and starts as zeros.

    Args:
        learning_rate: The size of a step: a number of at least 0 (0.001), or a scalar Value of the graph, such as
            a schedule over `Graph.optimizer_step`.
        momentum: How much of v a step keeps, from 0 up to but not including 1 (0.9).
        nesterov: Whether to look ahead along v: w -= learning_rate * (g + momentum * v) (False).
        weight_decay: How strongly variables are drawn to 0: their factor in what is added to the gradient. At least 0
            (0.0, not at all).
        clip_norm: The longest that all gradients together, as one vector, may be; longer ones are scaled down. At
            least 0 (0.0, which leaves them).
        lazy: Whether rows of a variable that is only looked up (an embedding), and of v, stay as they are in steps
            that do not look them up (False).
        name: The optimizer\'s own, under which its state is kept: the variables "name/step" and "name/variable/...". A
            second optimizer of a graph needs another ("optimizer").
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float = 0.0,
        lazy: bool = False,
        name: str = "optimizer",
    ) -> None:
        super().__init__(
            learning_rate,
            clip_norm,
            name,
            momentum=number(momentum, "momentum"),
            nesterov=bool(nesterov),
            weight_decay=number(weight_decay, "weight_decay"),
            lazy=bool(lazy),
        )


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): steps along the running mean of the gradient, divided by the root of the running mean
    of its square. Both have the shape of the variable, start as zeros and are corrected for that.

    Args:
        learning_rate: The size of a step: a number of at least 0 (0.001), or a scalar Value of the graph, such as
            a schedule over `Graph.optimizer_step`.
        beta1: How much of the mean gradient a step keeps, from 0 up to but not including 1 (0.9).
        beta2: How much of the mean square a step keeps, from 0 up to but not including 1 (0.999).
        epsilon: What is added to the root, so that nothing is divided by 0. At least 0 (1e-8).
        weight_decay: How strongly variables are drawn to 0: their factor in what is added to the gradient. At least 0
            (0.0, not at all).
        clip_norm: The longest that all gradients together, as one vector, may be; longer ones are scaled down. At
            least 0 (0.0, which leaves them).
        lazy: Whether rows of a variable that is only looked up (an embedding), and of the means, stay as they are in
            steps that do not look them up (False).
        name: The optimizer\'s own, under which its state is kept: the variables "name/step" and "name/variable/...". A
            second optimizer of a graph needs another ("optimizer").
    """

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
        name: str = "optimizer",
    ) -> None:
        super().__init__(
            learning_rate,
            clip_norm,
            name,
            beta1=number(beta1, "beta1"),
            beta2=number(beta2, "beta2"),
            epsilon=number(epsilon, "epsilon"),
            weight_decay=number(weight_decay, "weight_decay"),
            lazy=bool(lazy),
        )


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): the variable is multiplied by
    1 - learning_rate * weight_decay, then changed as Adam does.

    Args:
        learning_rate: The size of a step: a number of at least 0 (0.001), or a scalar Value of the graph, such as
            a schedule over `Graph.optimizer_step`.
        beta1: How much of the mean gradient a step keeps, from 0 up to but not including 1 (0.9).
        beta2: How much of the mean square a step keeps, from 0 up to but not including 1 (0.999).
        epsilon: What is added to the root, so that nothing is divided by 0. At least 0 (1e-8).
        weight_decay: The share of a variable that a step takes away, times the learning rate. At least 0 (0.01).
        clip_norm: The longest that all gradients together, as one vector, may be; longer ones are scaled down. At
            least 0 (0.0, which leaves them).
        lazy: Whether rows of a variable that is only looked up (an embedding), and of the means, stay as they are in
            steps that do not look them up (False).
        name: The optimizer\'s own, under which its state is kept: the variables "name/step" and "name/variable/...". A
            second optimizer of a graph needs another ("optimizer").
    """

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
        name: str = "optimizer",
    ) -> None:
        super().__init__(
            learning_rate,
            clip_norm,
            name,
            beta1=number(beta1, "beta1"),
            beta2=number(beta2, "beta2"),
            epsilon=number(epsilon, "epsilon"),
            weight_decay=number(weight_decay, "weight_decay"),
            lazy=bool(lazy),
        )
