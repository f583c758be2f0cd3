"""Layers: variables made once, used as often as it is called."""

from __future__ import annotations

from collections.abc import Mapping

from . import _native
from ._graph import Graph, Value, in_kind, make_attrs
from ._handle import Handle, caller, need
from ._types import AttrLike


class Layer(Handle):
    """A layer: variables made once, used as often as it is called. `weft.layers` has a class for each kind.

    Args:
        graph: The graph.
        type: The kind, such as "Dense".
        attrs: Its attributes by name.
        name: The beginning of its variables' names.
    """

    _what = "layer"

    def __init__(self, graph: Graph, type: str, attrs: Mapping[str, AttrLike], name: str) -> None:
        need(graph, Graph, "the first argument of a layer")
        self.graph = graph
        self.name = name
        self._kind = type
        handle = make_attrs(in_kind(attrs, _native.weft_layer_inspect, type))
        self._owner = _native.weft_layer_new(graph._handle, type, handle, name, caller())

    def __repr__(self) -> str:
        return f"{self._kind} '{self.name}'" + (" (closed)" if self.closed else "")

    def __call__(self, *inputs: Value, training: bool = False) -> Value:
        """Adds one use of the layer.

        Args:
            inputs: Its inputs; the layers of today have one.
            training: Whether dropout drops and batch normalization uses the batch. Give the loss that is trained
                values made by training, and predictions values made without.
        """
        ids = [need(value, Value, "the input of a layer").id for value in inputs]
        return Value(self.graph, _native.weft_layer_call(self._handle, ids, int(training), caller(), 1)[0])

    @property
    def variables(self) -> list[Value]:
        """Its variables."""
        count = _native.weft_layer_variable_count(self._handle)
        return [Value(self.graph, _native.weft_layer_variable(self._handle, i)) for i in range(count)]
