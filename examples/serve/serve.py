"""Answers requests on many threads with one session: python examples/serve/serve.py"""

from concurrent.futures import ThreadPoolExecutor

import weft

# Load the model once, and plan for the shape of requests before the first one comes.
graph = weft.Graph.load("examples/exported/pytorch.onnx", map=True)
x, digit = graph.inputs[0], weft.arg_max(graph.outputs[0], axis=1, keepdims=False)
session = weft.Session(graph, threads=1)
session.run({x: [[0.0] * 64]}, digit)


# Answer a request, on any thread.
def answer(row: list[float]) -> int:
    return int(session.run({x: [row]}, digit, timeout=5)[0])


# Here requests are digits that the model was not trained on, and four threads answer them.
digits = weft.load_tensors("examples/data/digits.safetensors")
rows, labels = digits["images"].numpy()[1500:].tolist(), digits["labels"].numpy()[1500:].tolist()
with ThreadPoolExecutor(4) as threads:
    answers = list(threads.map(answer, rows))
right = sum(found == label for found, label in zip(answers, labels))
print(f"{right} of {len(labels)} digits are right")
session.close()  # would wait for runs under way
