"""What PyTorch, Keras and scikit-learn really write runs as the operators that it means, and computes what onnxruntime does."""

import collections
import json
import pathlib

import numpy as np
import onnxruntime
import pytest

import weft

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATTERNS, EXAMPLES = ROOT / "tests" / "exporters", ROOT / "examples" / "exported"
CONV, POOL = "weft.ChannelsLastConv", "weft.ChannelsLastMaxPool"
MATMUL, GEMM, ATTENTION = "weft.FusedMatMul", "weft.FusedGemm", "weft.FusedAttention"
# Batch normalization is in the weights, and Relu and its kin are in what makes their input; the channels go last once, and
# then stay there: the net of Keras has them there from the beginning.
IMAGE = {CONV: 6, "HardSwish": 1, "Swish": 1, "Mul": 1, "Add": 1, POOL: 1, "ReduceMean": 2}
TORCH_IMAGE = IMAGE | {"Transpose": 1, "HardSigmoid": 1, GEMM: 1, "Gemm": 1}
# The bias is in the product; behind it are only Gelu and what is added to the residual.
BERT = {MATMUL: 6, "Sub": 1, "Mul": 1, ATTENTION: 1, "Add": 2, "LayerNormalization": 2, "Gelu": 1}
GPT2 = {"LayerNormalization": 2, MATMUL: 4, "Split": 1, ATTENTION: 1, "Add": 2, "Gelu": 1}
# Rotary embeddings have the heads first, and so have the values and what comes of them.
LLAMA = {"RMSNormalization": 2, "weft.RotateHalves": 2, "Transpose": 4, ATTENTION: 1, "Swish": 1, "Mul": 1, "Add": 2}
SCALED = {CONV: 2, "weft.ChannelsLastGroupNormalization": 1, "Gelu": 1, "Transpose": 2, "Add": 1}
# How often each operator stands in the steps, elementwise ones that share a step with others counted by themselves.
WANTED = {
    EXAMPLES / "pytorch.onnx": {CONV: 2, POOL: 1, "ReduceMean": 1, "Gemm": 1},
    EXAMPLES / "torchscript.onnx": {
        **{MATMUL: 5, "LayerNormalization": 2, ATTENTION: 1, "Gelu": 1, "Add": 3},
        **{"Transpose": 2, "Split": 1, "ReduceMean": 1, "Gemm": 1},
    },
    EXAMPLES / "sklearn_mlp.onnx": {"Sub": 1, "Mul": 1, MATMUL: 2, "Softmax": 1, "ArgMax": 1, "Gather": 1, "Cast": 1},
    PATTERNS / "image_torchscript.onnx": TORCH_IMAGE,
    PATTERNS / "image_dynamo.onnx": TORCH_IMAGE,
    PATTERNS / "image_keras.onnx": IMAGE | {"Mul": 2, MATMUL: 2},
    PATTERNS / "scaled_torchscript.onnx": SCALED,
    PATTERNS / "scaled_dynamo.onnx": SCALED,
    PATTERNS / "bert_torchscript.onnx": BERT,
    PATTERNS / "bert_dynamo.onnx": BERT,
    PATTERNS / "gpt2_torchscript.onnx": GPT2,
    PATTERNS / "gpt2_dynamo.onnx": GPT2,
    PATTERNS / "llama_torchscript.onnx": LLAMA | {"MatMul": 7},
    PATTERNS / "llama_dynamo.onnx": LLAMA | {MATMUL: 7},
    # An einsum's images and heads are one axis, so attention does not read heads where they lie; biases are behind a reshape.
    PATTERNS / "transformer_keras.onnx": {
        **{"LayerNormalization": 1, "RMSNormalization": 1, ATTENTION: 1, "Gelu": 1},
        **{"MatMul": 5, MATMUL: 1, "Transpose": 5, "Add": 4},
    },
}


def feeds(graph: weft.Graph) -> dict[str, np.ndarray]:
    """Two rows where the file leaves open how many; tokens, which are 0 or 1, end before the words do."""
    random = np.random.default_rng(3)
    made = {}
    for value in graph.inputs:
        shape = [size if isinstance(size, int) else 2 for size in value.shape or ()]
        made[value.name] = random.normal(size=shape).astype("f4")
    if "tokens" in made:
        made["tokens"][:] = [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]]
    return made


def run(graph: weft.Graph, given: dict[str, np.ndarray], *disabled: str) -> tuple[np.ndarray, collections.Counter[str]]:
    """The last output, and the operators of the steps that made all of them."""
    trace = weft.Trace()
    with weft.Session(graph, disable_pass=disabled) as session:
        results = session.run({graph.find(name): array for name, array in given.items()}, graph.outputs, trace=trace)
    steps = [event["name"] for event in json.loads(trace.json())["traceEvents"]]
    return np.asarray(results[-1]), collections.Counter(op for step in steps for op in step.split("+"))


@pytest.mark.parametrize("file", WANTED, ids=lambda file: file.stem)
def test_exported_nets_run_as_what_they_mean(file: pathlib.Path) -> None:
    graph = weft.Graph.load(file)
    given = feeds(graph)
    fused, operators = run(graph, given)
    assert dict(operators) == WANTED[file]
    plain, plain_operators = run(graph, given, "*")
    assert plain_operators.total() > operators.total()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    judge = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    theirs = judge.run(None, given)[-1]
    for wanted in (plain, theirs):
        np.testing.assert_allclose(fused, wanted, rtol=2e-5, atol=1e-5)


def test_every_committed_file_is_looked_at() -> None:
    assert {file for file in PATTERNS.glob("*.onnx")} <= set(WANTED)
