"""Trains a convolutional network with PyTorch and exports it: python examples/exported/export_pytorch.py"""

import pathlib

import torch
from safetensors.torch import load_file
from torch import nn

folder = pathlib.Path(__file__).parent
digits = load_file(folder.parent / "data" / "digits.safetensors")
images, labels = digits["images"][:300], digits["labels"][:300]

torch.manual_seed(1)
net = nn.Sequential(
    nn.Unflatten(1, (1, 8, 8)),
    *[nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)],
    *[nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1)],
    *[nn.Flatten(), nn.Linear(16, 10)],
)
optimizer = torch.optim.Adam(net.parameters(), 0.005)
for _ in range(300):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(images), labels).backward()
    optimizer.step()

# With `optimize=False` weights are what they are in the module, under their names: normalization is not folded into
# convolutions, nothing is transposed, and the file says which are parameters. So what is trained further is what PyTorch
# would train.
program = torch.onnx.export(
    net.eval(),
    (images,),
    input_names=["images"],
    output_names=["scores"],
    dynamic_shapes=({0: torch.export.Dim("batch")},),
    dynamo=True,
    optimize=False,
)
for node in program.model.graph:
    node.metadata_props.clear()  # stack traces, longer than the rest
program.save(folder / "pytorch.onnx")
