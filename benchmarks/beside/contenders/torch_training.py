"""Training in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .. import net
from ..net import WEIGHT_DECAY, Array, Training
from ..row import STEPS


class Embedding(nn.Module):  # type: ignore[misc]
    def __init__(self, words: Array, places: Array) -> None:
        super().__init__()
        self.words = nn.Embedding.from_pretrained(torch.tensor(words), freeze=False)
        self.places = nn.Parameter(torch.tensor(places))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.words(ids) + self.places


class CausalAttention(nn.Module):  # type: ignore[misc]
    def __init__(self, heads: int, joined: nn.Module, out: nn.Module) -> None:
        super().__init__()
        self.heads, self.joined, self.out = heads, joined, out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        parts = (part.view(batch, tokens, self.heads, -1).transpose(1, 2) for part in self.joined(x).split(width, -1))
        seen = F.scaled_dot_product_attention(*parts, is_causal=True)
        return self.out(seen.transpose(1, 2).reshape(x.shape))


class Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + self.shortcut(x)


def _with(module: nn.Module, weight: Array, bias: Array | None) -> nn.Module:
    values = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    module.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    return module


def _module(layer: net.Layer) -> nn.Module:
    match layer:
        case net.Dense():
            return _with(nn.Linear(*layer.kernel.shape), layer.kernel.T, layer.bias)
        case net.Conv():
            filters, channels, *size = layer.kernel.shape
            made = nn.Conv2d(channels, filters, tuple(size), layer.stride, layer.pad, bias=layer.bias is not None)
            return _with(made, layer.kernel, layer.bias)
        case net.MaxPool():
            return nn.MaxPool2d(layer.size)
        case net.GlobalAveragePool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case net.Flatten():
            return nn.Flatten()
        case net.Relu():
            return nn.ReLU()
        case net.Gelu():
            return nn.GELU()
        case net.BatchNorm():
            return nn.BatchNorm2d(layer.channels, layer.epsilon, momentum=0.1)  # of the new value
        case net.LayerNorm():
            return nn.LayerNorm(layer.width, layer.epsilon)
        case net.Embedding():
            return Embedding(layer.words, layer.places)
        case net.CausalAttention():
            return CausalAttention(layer.heads, _module(layer.joined), _module(layer.out))
        case net.Residual():
            return Residual(_sequence(layer.body), _sequence(layer.shortcut))


def _sequence(layers: Sequence[net.Layer]) -> nn.Module:
    return nn.Sequential(*map(_module, layers))


class Trainer:
    """A net, its batch and its optimizer; `compile` may make something faster of the function that gives the loss."""

    def __init__(
        self, problem: Training, dtype: torch.dtype, compile: Callable[[Any], Any] = lambda function: function
    ) -> None:
        module = _sequence(problem.layers).to(dtype)
        inputs = torch.tensor(problem.inputs)
        self.inputs = inputs.to(dtype) if inputs.is_floating_point() else inputs
        self.labels = torch.tensor(problem.labels).flatten()
        self.loss = compile(lambda inputs, labels: F.cross_entropy(module(inputs).flatten(0, -2), labels))
        make: Any = {
            "sgd": torch.optim.SGD,
            "adam": lambda *given, **options: torch.optim.Adam(*given, eps=1e-8, **options),
            "adamw": lambda *given, **options: torch.optim.AdamW(
                *given, eps=1e-8, weight_decay=WEIGHT_DECAY, **options
            ),
        }
        self.optimizer = make[problem.optimizer](module.parameters(), problem.learning_rate, fused=True)

    def step(self) -> torch.Tensor:
        """The loss before the step."""
        loss = self.loss(self.inputs, self.labels)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def losses(self) -> Array:
        return np.array([self.step().item() for _ in range(STEPS)])
