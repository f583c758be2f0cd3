"""TensorFlow: functions in graph mode."""

from __future__ import annotations

import tensorflow as tf

from ..row import Array, Problem, Training
from . import Contender
from .tensorflow_graph import feeds, function
from .tensorflow_training import Trainer


def prepare(problem: Problem, threads: int) -> Contender:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if isinstance(problem, Training):
        trainer = Trainer(problem)
        return Contender(tf.__version__, trainer.step, lambda: [trainer.losses()])
    net = function(problem)
    values = feeds(problem)
    bound = [tf.constant(array) for array in values]

    def results() -> list[Array]:
        return [output.numpy() for output in net(*map(tf.constant, values))]

    return Contender(tf.__version__, results if problem.arrays else lambda: net(*bound), results)
