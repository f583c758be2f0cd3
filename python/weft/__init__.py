"""Weft: a dataflow-graph runtime for machine learning that every language can use.

Build a graph, differentiate it, train, save, load and serve it; the same graph gives the same bits from C, C++, Python,
Java and Go.

    >>> import weft
    >>> graph = weft.Graph()
    >>> x = graph.input("x", "f32", ["batch", 2])
    >>> w = graph.variable("w", [[1.0], [2.0]])
    >>> loss = weft.reduce_mean((x @ w) ** 2.0, keepdims=0)
    >>> step = weft.Sgd(0.1).minimize(loss)
    >>> session = weft.Session(graph)
    >>> float(session.run(loss, {x: [[1, 1]]}, targets=step))
    9.0
"""

from . import _native
from . import layers as layers
from . import ops as ops
from ._data import Dataset as Dataset
from ._errors import *  # noqa: F403
from ._errors import MissingFileError as MissingFileError
from ._graph import Graph as Graph
from ._graph import Layer as Layer
from ._graph import Value as Value
from ._graph import assign as assign
from ._graph import cond as cond
from ._graph import gradients as gradients
from ._history import History as History
from ._history import Progress as Progress
from ._host import host_call as host_call
from ._host import register_host_function as register_host_function
from ._optimizers import Adam as Adam
from ._optimizers import AdamW as AdamW
from ._optimizers import Momentum as Momentum
from ._optimizers import Optimizer as Optimizer
from ._optimizers import Sgd as Sgd
from ._process import describe_layer as describe_layer
from ._process import describe_operator as describe_operator
from ._process import devices as devices
from ._process import layer_kinds as layer_kinds
from ._process import live_objects as live_objects
from ._process import memory_bytes as memory_bytes
from ._process import memory_limit as memory_limit
from ._process import memory_peak as memory_peak
from ._process import operators as operators
from ._process import set_log as set_log
from ._process import set_memory_limit as set_memory_limit
from ._process import threads as threads
from ._session import Cancel as Cancel
from ._session import Prepared as Prepared
from ._session import Session as Session
from ._session import Trace as Trace
from ._tensor import Tensor as Tensor
from ._tensor import load_tensors as load_tensors
from ._tensor import save_tensors as save_tensors
from .ops import *  # noqa: F403
from ._graph import assign as assign  # noqa: F811  the one with a plain signature

__version__: str = _native.weft_version()
