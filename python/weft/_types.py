"""The types of what users give and get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex, Union

import numpy as np

if TYPE_CHECKING:
    from types import EllipsisType

    from ._graph import Graph, Value
    from ._tensor import Tensor

Array = np.ndarray[Any, Any]
DTypeLike = Union[str, int, type, "np.dtype[Any]"]
Dimension = Union[int, str, None]
ShapeLike = Union[str, Sequence[Dimension]]


class SupportsDLPack(Protocol):
    """What has DLPack."""

    def __dlpack__(self, *args: Any, **settings: Any) -> Any: ...

    def __dlpack_device__(self) -> tuple[Any, int]: ...


class SupportsArray(Protocol):
    """What numpy can make an array of."""

    def __array__(self, *args: Any, **settings: Any) -> Array: ...


# Numbers and lists of them. complex stands for int, float and bool too; what lists hold is not said, as mypy takes
# [[1, 2.5], [3, 4]] for a list of objects.
_Numbers = Union[complex, Sequence[Union[complex, np.generic]], list[Any], tuple[Any, ...]]

# What a tensor is made of: an array, numbers, strings, an object with __dlpack__, a Tensor; and a dict, which is a map.
TensorLike = Union["Tensor", SupportsDLPack, SupportsArray, _Numbers, str, bytes, Mapping[Any, Any]]
# A Value, or what becomes a constant; a string is none, as it is more often a mistake.
ValueLike = Union["Value", "Tensor", SupportsDLPack, SupportsArray, _Numbers]
Feeds = Mapping["Value", TensorLike]
AttrLike = Union[TensorLike, DTypeLike, "Graph", None]
Index = Union[SupportsIndex, slice, "EllipsisType", None]
