"""Trains a transformer with PyTorch and exports it through TorchScript: python examples/exported/export_torchscript.py"""

import pathlib

import torch
from safetensors.torch import load_file
from torch import nn

folder = pathlib.Path(__file__).parent
digits = load_file(folder.parent / "data" / "digits.safetensors")
images, labels = digits["images"][:300], digits["labels"][:300]


class Transformer(nn.Module):
    """The rows of an image are its words."""

    def __init__(self, width: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Linear(8, width)
        self.places = nn.Parameter(torch.randn(8, width) / 4)
        self.norm, self.norm_after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.heads_of, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wider, self.narrower = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.scores = nn.Linear(width, 10)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.embed(pixels.unflatten(1, (8, 8))) + self.places
        query, key, value = self.heads_of(self.norm(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        x = x + self.join(mixed.transpose(1, 2).flatten(2))
        x = x + self.narrower(nn.functional.gelu(self.wider(self.norm_after(x))))
        return self.scores(x.mean(1))


torch.manual_seed(1)
net = Transformer()
optimizer = torch.optim.Adam(net.parameters(), 0.01)
for _ in range(80):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(images), labels).backward()
    optimizer.step()

torch.onnx.export(
    net.eval(),
    (images,),
    folder / "torchscript.onnx",
    input_names=["images"],
    output_names=["scores"],
    dynamic_axes={"images": {0: "batch"}, "scores": {0: "batch"}},
    dynamo=False,
)
