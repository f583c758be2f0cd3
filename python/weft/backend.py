"""Weft as a backend of ONNX's own interface, `onnx.backend.base`; needs the package onnx, which `import weft` does not.

    >>> import onnx, weft.backend
    >>> node = onnx.helper.make_node("Add", ["a", "b"], ["sum"])
    >>> weft.backend.run_node(node, [numpy.float32([1, 2]), numpy.float32([10, 20])]).sum
    array([11., 22.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, defs, helper
from onnx.backend import base

from . import devices
from ._errors import InvalidArgumentError
from ._graph import Graph
from ._session import Session
from ._tensor import Tensor, dtype_number
from ._types import TensorLike

__all__ = ["WeftBackend", "WeftModel", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]


def _device(name: str) -> str:
    """The library's name of one of ONNX's devices, such as "CPU" or "CUDA:1"."""
    kind, _, number = name.lower().partition(":")
    return kind if kind == "cpu" else f"{kind}:{number or 0}"


def _value(value: Any, kind: str) -> TensorLike:
    """A list is a sequence here: what is a tensor comes as an array. What is optional comes as what it holds, or None."""
    if kind == "optional":
        return Tensor.optional(None if value is None else _value(value, "tensor"))
    return Tensor.sequence([_value(item, "tensor") for item in value]) if isinstance(value, list) else value


class WeftModel(base.BackendRep):
    """A model that is ready to run; `session` is the session of its graph."""

    def __init__(self, session: Session[Any]) -> None:
        self.session = session
        self._inputs = session.graph.inputs
        self._outputs = session.graph.outputs
        self._result = base.namedtupledict("Outputs", [output.name for output in self._outputs])

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Computes the outputs, a tuple whose items have their names too.

        Args:
            inputs: What the model's inputs are, in their order or by name: arrays, lists of them for sequences, and None for
                optionals that are empty.
            kwargs: What `Session.run` takes: `timeout`, `cancel`, `trace`.
        """
        if isinstance(inputs, Mapping):
            named = {self.session.graph.find(name): value for name, value in inputs.items()}
        else:
            if len(inputs) > len(self._inputs):
                raise InvalidArgumentError(f"{len(inputs)} values are given but the model has {len(self._inputs)} inputs")
            named = dict(zip(self._inputs, inputs))
        feeds = {value: _value(given, value.kind) for value, given in named.items()}
        return self._result(*self.session.run(feeds, self._outputs, **kwargs))


class WeftBackend(base.Backend):
    """Backend of ONNX. The module's functions are its methods, so module and class can be given as one."""

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> WeftModel:
        """Makes a model ready.

        Args:
            model: The model.
            device: Where it runs: "CPU", or as `weft.devices()` calls it.
            kwargs: What `Session` takes: `threads`, `disable_pass`, and so on.
        """
        return WeftModel(Session(Graph.load(model.SerializeToString()), device=_device(device), **kwargs))

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype[Any], tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Computes one operator.

        Args:
            node: The operator.
            inputs: Its inputs that have a name, as arrays, in their order.
            device: As for `prepare`.
            outputs_info: Not needed: types and shapes of the outputs are found.
            kwargs: `opset_version`, of the node's domain, and what `Session` takes.
        """
        newest = 5 if node.domain == "ai.onnx.ml" else min(defs.onnx_opset_version(), 26)  # the newest of Graph
        opset = kwargs.pop("opset_version", newest)
        names = list(dict.fromkeys(name for name in node.input if name))
        arrays = [np.asarray(value) for value in inputs]
        if len(arrays) != len(names):
            raise InvalidArgumentError(f"{len(arrays)} values are given but the node has {len(names)} inputs")
        infos = [
            helper.make_tensor_value_info(name, dtype_number(array.dtype if array.dtype != object else "string"), array.shape)
            for name, array in zip(names, arrays)
        ]
        results = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = helper.make_graph([node], "node", infos, results)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(node.domain, opset)])
        return cls.prepare(model, device, **kwargs).run(arrays)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether `weft.devices()` has it."""
        return _device(device) in devices()


is_compatible = WeftBackend.is_compatible
prepare = WeftBackend.prepare
run_model = WeftBackend.run_model
run_node = WeftBackend.run_node
supports_device = WeftBackend.supports_device
