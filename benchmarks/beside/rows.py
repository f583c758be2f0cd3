"""The rows of the table, in its order."""

from __future__ import annotations

from collections.abc import Callable

from .models import elementwise, images, linear_algebra, movement, recurrent, resampling, text, training, trees
from .models.mlp import mlp
from .models.quantized import QuantizedImages, QuantizedTransformer
from .models.tiny import adds, branches
from .models.transformer import bert, gpt2
from .models.unet import unet
from .models.wide import inception, towers
from .names import LANGUAGES, OURS, OURS_IN_C, TRAINERS, parts
from .net import Training
from .row import Inference, Row


# As fast as that from C within 10 %.
AS_FAST = 1 / 1.1


# They compute in 8 bits what the model says in 8 bits. Each layer rounds, and a number that lies between two codes may
# go to the one or the other, so results are compared by their largest element.
INTEGER_PEERS = ("onnxruntime", "openvino")

# Those that read such models, and PyTorch, which writes them.
UNET_PEERS = ("onnxruntime", "openvino", "torch", "torch_compile")

# In PyTorch a transpose is another view of the same memory.
TRANSPOSING = ("onnxruntime", "openvino", "jax", "tensorflow", "litert")

# The others have no strings.
TEXT_PEERS = ("onnxruntime",)


def quantized(name: str, title: str, make: Callable[[], Inference], rtol: float) -> Row:
    return Row(name, title, make, goal=1, rtol=rtol, least=1, peers=INTEGER_PEERS)


def train_mlp() -> Training:
    return training.mlp(32)


def train_from(name: str) -> Row:
    """The smallest training, with Weft called from another language than Python."""
    language = parts(name)[1]
    title = f"train MLP 64-64-10, batch 32, Adam, from {LANGUAGES[language]}"
    return Row(f"train-mlp-{language}", title, train_mlp, goal=2, threads=(1,), ours=name, peers=TRAINERS)


def as_from_c(name: str) -> Row:
    """The same training beside the one from C."""
    language = parts(name)[1]
    title = f"train MLP 64-64-10, batch 32, Adam, from {LANGUAGES[language]}"
    return Row(f"{language}-as-c", title, train_mlp, goal=AS_FAST, threads=(1,), ours=name, peers=(OURS_IN_C,))


def add_from(language: str, goal: float) -> Row:
    """One Add, called from another language than Python as ONNX Runtime is."""
    return Row(
        f"add-{language}", f"one Add of 4 from {LANGUAGES[language]}, bound", lambda: adds(1), goal=goal, threads=(1,),
        ours=f"weft_{language}", peers=(f"onnxruntime_{language}",),
    )  # fmt: skip


ROWS = (
    Row("add-bound", "one Add of 4, bound", lambda: adds(1), goal=4, threads=(1,)),
    Row("add-arrays", "one Add of 4, by name, arrays out", lambda: adds(1, arrays=True), goal=3, threads=(1,)),
    add_from("c", goal=2),
    Row(
        "add-c-named", "one Add of 4 from C, by name, new results", lambda: adds(1, arrays=True), goal=2, threads=(1,),
        ours=OURS_IN_C, peers=("onnxruntime_c",),
    ),  # fmt: skip
    add_from("java", goal=8),
    add_from("go", goal=6),
    Row("chain-100", "chain of 100 Adds of 4", lambda: adds(100), goal=2),
    Row("chain-1000", "chain of 1,000 Adds of 4", lambda: adds(1000), goal=1),
    Row("branches-100", "100 branches of Add and Relu of 4", lambda: branches(100), goal=2),
    Row("branches-towers", "8 towers of 6 layers 256 x 256, batch 1", lambda: towers(8, 6, 256), goal=None),
    Row(
        "branches-inception", "4 inception blocks, 7 x 7 x 128, batch 1",
        lambda: inception(4, 7, 128, 48, 32, 48, 8, 16, 16), goal=None,
    ),  # fmt: skip
    Row("mlp-64-b1", "MLP 64-64-10, batch 1", lambda: mlp(64, 64, 10, batch=1), goal=1.3),
    Row("mlp-64-3-b1", "MLP 64-64-64-10, batch 1", lambda: mlp(64, 64, 64, 10, batch=1), goal=1.3),
    Row("mlp-784-b1", "MLP 784-512-10, batch 1", lambda: mlp(784, 512, 10, batch=1), goal=1.1),
    Row("mlp-784-b8", "MLP 784-512-10, batch 8", lambda: mlp(784, 512, 10, batch=8), goal=1.1),
    Row("mlp-784-b64", "MLP 784-512-10, batch 64", lambda: mlp(784, 512, 10, batch=64), goal=1),
    Row("affine-16k", "relu(x * a + b) * c + x of 16 K", lambda: elementwise.affine_twice(16384), goal=1.2),
    Row("affine-16m", "relu(x * a + b) * c + x of 16 M", lambda: elementwise.affine_twice(4096, 4096), goal=1),
    Row("softmax", "softmax of 4096 x 1024", lambda: elementwise.softmax(4096, 1024), goal=1.1),
    Row("layer-norm", "layer normalization of 4096 x 768", lambda: elementwise.layer_norm(4096, 768), goal=1.1),
    Row(
        "transpose", "8 images of 64 x 56 x 56, channels made last",
        lambda: movement.transpose((8, 64, 56, 56), (0, 2, 3, 1)), goal=1, peers=TRANSPOSING,
    ),  # fmt: skip
    Row("gather", "4,096 of 30,522 rows of 256", lambda: movement.gather(30522, 256, 4096), goal=1),
    Row("top-k", "the 10 largest of 4096 x 1024", lambda: movement.top_k(4096, 1024, 10), goal=1, peers=UNET_PEERS),
    Row("bert-128", "BERT-base, 128 tokens", lambda: bert(128), goal=1.05),
    Row("bert-16", "BERT-base, 16 tokens", lambda: bert(16), goal=None),
    Row("gpt2-decode", "GPT-2 small, one token, 128 cached", lambda: gpt2(128), goal=1),
    Row(
        "gpt2-decode-bf16", "the same, its matrices kept as bf16 by Weft", lambda: gpt2(128, weight_dtype="bf16"), goal=1.7,
    ),  # fmt: skip
    Row("mobilenet-b1", "MobileNetV2, batch 1", lambda: images.mobilenet_v2(1), goal=1.1),
    Row("mobilenet-b8", "MobileNetV2, batch 8", lambda: images.mobilenet_v2(8), goal=None),
    Row("resnet50-b1", "ResNet-50, batch 1", lambda: images.resnet50(1), goal=1.1),
    Row("resnet50-b8", "ResNet-50, batch 8", lambda: images.resnet50(8), goal=1.1),
    Row(
        "unet", "U-Net of two levels, 64 x 64, 64 to 256 channels", lambda: unet(64, 64), goal=None, peers=UNET_PEERS,
    ),  # fmt: skip
    quantized(
        "bert-128-int8", "BERT-base in 8 bits, 128 tokens", lambda: bert(128, kind=QuantizedTransformer), rtol=0.1
    ),
    quantized(
        "resnet50-b1-int8", "ResNet-50 in 8 bits, batch 1", lambda: images.resnet50(1, QuantizedImages), rtol=0.03
    ),
    Row("lstm", "LSTM 2 x 256, 64 steps, batch 1", lambda: recurrent.lstm(2, 256, 64, batch=1), goal=1.2),
    Row("lstm-b32", "LSTM 2 x 256, 64 steps, batch 32", lambda: recurrent.lstm(2, 256, 64, batch=32), goal=None),
    Row("gru", "GRU 2 x 256, 64 steps, batch 1", lambda: recurrent.gru(2, 256, 64, batch=1), goal=1.2),
    Row("resize", "Resize of 64 x 128 x 128 to twice that, linear", lambda: resampling.resize(64, 128, 2), goal=1),
    Row("gridsample", "GridSample of 64 x 128 x 128, bilinear", lambda: resampling.grid_sample(64, 128), goal=1),
    Row(
        "forest", "forest of 100 trees 12 deep, 30 features, 1,000 rows",
        lambda: trees.forest(100, 12, features=30, rows=1000), goal=1.2,
    ),  # fmt: skip
    Row(
        "boosting", "boosting, 100 trees 6 deep, 30 features, 1,000 rows",
        lambda: trees.boosting(100, 6, features=30, rows=1000), goal=1.2,
    ),  # fmt: skip
    Row(
        "text", "classes of 256 texts by 4,000 words, arrays out", lambda: text.classes(256, words=4000), goal=1,
        peers=TEXT_PEERS,
    ),  # fmt: skip
    Row("train-mlp", "train MLP 64-64-10, batch 32, Adam", train_mlp, goal=2),
    *map(train_from, (OURS_IN_C, "weft_cpp", "weft_java", "weft_go")),
    *map(as_from_c, ("weft_cpp", OURS, "weft_java", "weft_go")),
    Row("train-lenet", "train LeNet, batch 32, SGD", lambda: training.lenet(32), goal=1.5),
    Row("train-resnet18", "train ResNet-18 on 32 x 32, batch 32, SGD", lambda: training.resnet18(32), goal=1.1),
    Row(
        "train-transformer", "train a transformer 4 x 256, 64 tokens, batch 16, AdamW",
        lambda: training.transformer(16), goal=1.1,
    ),  # fmt: skip
    Row("eig", "eigenvalues and vectors of A A^T, 256 x 256", lambda: linear_algebra.eigen(256, False), goal=0.3),
    Row("eigh", "the same, told that it is symmetric", lambda: linear_algebra.eigen(256, True), goal=1),
)


def named(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)
