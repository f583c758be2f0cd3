"""TensorFlow: functions in graph mode."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ..net import Array, Training
from ..row import Eigen, Problem
from . import Contender
from .tensorflow_graph import channel_first, feeds, function
from .tensorflow_training import Trainer


def _eigen(problem: Eigen) -> Contender:
    find = tf.linalg.eigh if problem.symmetric else tf.linalg.eig
    a = tf.constant(problem.a)
    made = tf.function(lambda a: find(tf.matmul(a, a, transpose_b=True)), autograph=False).get_concrete_function(a)
    return Contender(tf.__version__, lambda: made(a), lambda: [np.sort(made(a)[0].numpy().real)])


def prepare(problem: Problem, threads: int) -> Contender:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if isinstance(problem, Training):
        trainer = Trainer(problem)
        return Contender(tf.__version__, trainer.step, lambda: [trainer.losses()])
    if isinstance(problem, Eigen):
        return _eigen(problem)
    net = function(problem)
    values = feeds(problem)
    bound = [tf.constant(array) for array in values]

    def results() -> list[Array]:
        return channel_first(problem, (output.numpy() for output in net(*map(tf.constant, values))))

    return Contender(tf.__version__, results if problem.arrays else lambda: net(*bound), results)
