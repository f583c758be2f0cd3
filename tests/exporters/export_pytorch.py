"""Exports small nets with both of PyTorch's exporters: python tests/exporters/export_pytorch.py"""

import pathlib

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

FOLDER = pathlib.Path(__file__).parent
WIDTH, HEADS, WORDS = 16, 2, 6


class Image(nn.Module):
    """Like MobileNetV3 and EfficientNet: depthwise convolutions, squeeze and excitation, hard and soft swish, a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish())
        self.deep = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16), nn.SiLU())
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 8, 1), nn.ReLU(), nn.Conv2d(8, 16, 1), nn.Hardsigmoid())
        self.back = nn.Sequential(nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16))
        self.last = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(), nn.MaxPool2d(2))
        self.scores = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        deep = self.deep(x)
        x = self.last(x + self.back(deep * self.squeeze(deep)))
        return self.scores(x.mean((2, 3)))


class Scaled(nn.Module):
    """Like ConvNeXt: what a convolution gives times a factor for each channel, a normalization of groups, Gelu."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.back = nn.Conv2d(8, 16, 1), nn.Conv2d(16, 8, 3, padding=1)
        self.factor = nn.Parameter(torch.randn(8, 1, 1))
        self.norm = nn.GroupNorm(2, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.back(functional.gelu(self.norm(self.wide(x)))) * self.factor


class Bert(nn.Module):
    """A layer of BERT as transformers had it: scores over a root, an added mask made of the tokens' one."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.join, self.wider, self.narrower = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 32), nn.Linear(32, WIDTH)
        self.norm, self.norm_after = nn.LayerNorm(WIDTH, 1e-12), nn.LayerNorm(WIDTH, 1e-12)

    def heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], HEADS, -1).permute(0, 2, 1, 3)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        query, key, value = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        scores = query @ key.transpose(-1, -2) / (WIDTH / HEADS) ** 0.5
        scores = scores + (1 - tokens[:, None, None, :]) * torch.finfo(torch.float32).min
        mixed = (functional.softmax(scores, -1) @ value).permute(0, 2, 1, 3).contiguous()
        x = self.norm(x + self.join(mixed.view(*x.shape)))
        return self.norm_after(x + self.narrower(functional.gelu(self.wider(x))))


class Gpt2(nn.Module):
    """A layer of GPT-2 as transformers had it: the least number wherever a word would look ahead, and Gelu through tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.parts, self.join = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wider, self.narrower = nn.Linear(WIDTH, 32), nn.Linear(32, WIDTH)
        self.norm, self.norm_after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.register_buffer("ahead", torch.ones(WORDS, WORDS, dtype=torch.bool).tril()[None, None])

    def forward(self, x: Tensor) -> Tensor:
        parts = self.parts(self.norm(x)).split(WIDTH, 2)
        query, key, value = (part.view(*x.shape[:-1], HEADS, -1).permute(0, 2, 1, 3) for part in parts)
        scores = query @ key.transpose(-1, -2) / (WIDTH / HEADS) ** 0.5
        length = x.shape[1]
        scores = torch.where(self.ahead[:, :, :length, :length], scores, torch.finfo(torch.float32).min)
        mixed = (functional.softmax(scores, -1) @ value).permute(0, 2, 1, 3).contiguous()
        x = x + self.join(mixed.view(*x.shape))
        inner = self.wider(self.norm_after(x))
        bent = torch.tanh((2 / torch.pi) ** 0.5 * (inner + 0.044715 * inner.pow(3)))
        return x + self.narrower(0.5 * inner * (1 + bent))


class Llama(nn.Module):
    """A layer of Llama: RMSNormalization, rotary embeddings, scaled_dot_product_attention, a gate through Swish."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.join = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.gate, self.up, self.down = (nn.Linear(*sizes, bias=False) for sizes in ((WIDTH, 32), (WIDTH, 32), (32, WIDTH)))
        self.scale, self.scale_after = nn.Parameter(torch.ones(WIDTH)), nn.Parameter(torch.ones(WIDTH))
        angles = torch.outer(torch.arange(WORDS), 100.0 ** -(torch.arange(0, 8, 2) / 8)).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def norm(self, x: Tensor, scale: Tensor) -> Tensor:
        return scale * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))

    def turned(self, x: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        return x * self.cos + torch.cat((-x[..., half:], x[..., :half]), -1) * self.sin

    def forward(self, x: Tensor) -> Tensor:
        normal = self.norm(x, self.scale)
        query, key, value = (
            part(normal).view(*x.shape[:-1], HEADS, -1).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(self.turned(query), self.turned(key), value, is_causal=True)
        x = x + self.join(mixed.transpose(1, 2).reshape(x.shape))
        normal = self.norm(x, self.scale_after)
        return x + self.down(functional.silu(self.gate(normal)) * self.up(normal))


def spread(net: nn.Module) -> nn.Module:
    """Nothing is 0 or 1 any more, so that nothing is left out; averages are as after some training."""
    for tensor in [*net.parameters(), *net.buffers()]:
        if tensor.is_floating_point() and tensor.ndim < 2:
            tensor.data.add_(torch.rand_like(tensor), alpha=0.5)
    return net.eval()


def export(name: str, net: nn.Module, *inputs: Tensor) -> None:
    names = ["x", "tokens"][: len(inputs)]
    # Of these opsets normalizations, Gelu and HardSwish are in pieces; there was no scaled_dot_product_attention before 14.
    old, opset = FOLDER / f"{name}_torchscript.onnx", 14 if name == "llama" else 13
    torch.onnx.export(net, inputs, old, input_names=names, output_names=["y"], opset_version=opset, dynamo=False)
    # Without `optimize`, as for nets that are trained further, batch normalization stays by itself.
    new = FOLDER / f"{name}_dynamo.onnx"
    program = torch.onnx.export(
        net, inputs, input_names=names, output_names=["y"], opset_version=18, dynamo=True, optimize=False, verbose=False
    )
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces, longer than the rest
    program.save(new)
    for path in (old, new):
        onnx.checker.check_model(path, full_check=True)


torch.manual_seed(1)
words = torch.randn(2, WORDS, WIDTH)
export("image", spread(Image()), torch.randn(2, 3, 32, 32))
export("scaled", spread(Scaled()), torch.randn(2, 8, 16, 16))
export("bert", spread(Bert()), words, torch.tensor([[1.0] * 6, [1.0] * 4 + [0.0] * 2]))
export("gpt2", spread(Gpt2()), words)
export("llama", spread(Llama()), words)
