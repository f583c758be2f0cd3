"""Training in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..row import STEPS, Array, Conv, Dense, Flatten, Layer, MaxPool, Training


def _layers(layer: Layer) -> list[nn.Module]:
    match layer:
        case Dense():
            made: nn.Module = nn.Linear(*layer.kernel.shape)
            kernel = layer.kernel.T
        case Conv():
            made = nn.Conv2d(layer.kernel.shape[1], layer.kernel.shape[0], tuple(layer.kernel.shape[2:]))
            kernel = layer.kernel
        case MaxPool():
            return [nn.MaxPool2d(layer.size)]
        case Flatten():
            return [nn.Flatten()]
    made.load_state_dict({"weight": torch.tensor(kernel), "bias": torch.tensor(layer.bias)})
    return [made, nn.ReLU()] if layer.relu else [made]


class Trainer:
    """A net, its batch and its optimizer; `compile` may make something faster of the function that gives the loss."""

    def __init__(
        self, problem: Training, dtype: torch.dtype, compile: Callable[[Any], Any] = lambda function: function
    ) -> None:
        net = nn.Sequential(*(made for layer in problem.layers for made in _layers(layer))).to(dtype)
        self.inputs, self.labels = torch.tensor(problem.inputs, dtype=dtype), torch.tensor(problem.labels)
        self.loss = compile(lambda inputs, labels: F.cross_entropy(net(inputs), labels))
        if problem.optimizer == "adam":
            self.optimizer: Any = torch.optim.Adam(net.parameters(), problem.learning_rate, eps=1e-8, fused=True)
        else:
            self.optimizer = torch.optim.SGD(net.parameters(), problem.learning_rate, fused=True)

    def step(self) -> torch.Tensor:
        """The loss before the step."""
        loss = self.loss(self.inputs, self.labels)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def losses(self) -> Array:
        return np.array([self.step().item() for _ in range(STEPS)])
