"""LiteRT: models that TensorFlow has converted, in the interpreter with its XNNPACK kernels."""

from __future__ import annotations

import re
from importlib import metadata

import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python.convert_phase import ConverterError

from ..net import Array, Training
from ..row import Eigen, Problem
from . import Contender, Unsupported
from .tensorflow_graph import channel_first, feeds, function


def prepare(problem: Problem, threads: int) -> Contender:
    if isinstance(problem, Training):
        raise Unsupported("it does not train")
    if isinstance(problem, Eigen):
        raise Unsupported("it has no eigenvalues")
    net = function(problem)
    try:
        text = tf.lite.TFLiteConverter.from_concrete_functions([net]).convert()
    except ConverterError as error:
        needed = re.search(r"TF Select ops: (.+)", str(error))
        if needed is None:
            raise
        raise Unsupported(f"it has no {needed[1]}") from None
    interpreter = Interpreter(model_content=text, num_threads=threads)
    interpreter.allocate_tensors()
    inputs = [one["index"] for one in interpreter.get_input_details()]
    outputs = [one["index"] for one in interpreter.get_output_details()]
    values = feeds(problem)
    for index, array in zip(inputs, values):
        interpreter.set_tensor(index, array)

    def results() -> list[Array]:
        for index, array in zip(inputs, values):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return channel_first(problem, (interpreter.get_tensor(index) for index in outputs))

    # Functions that were converted by themselves have no signature to be called by name.
    return Contender(metadata.version("ai-edge-litert"), results if problem.arrays else interpreter.invoke, results)
