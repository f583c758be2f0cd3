"""The types of what users give and get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex, Union

import numpy as np

Array = np.ndarray[Any, Any]

# What runs of a session give: arrays, or Tensors of one with `device_outputs`. That `Session` without brackets stands for
# arrays is told to type checkers alone, which have typing_extensions with them; Python itself knows such defaults from 3.13 on.
if TYPE_CHECKING:
    import os
    from types import EllipsisType
    from typing import TypedDict

    from typing_extensions import TypeVar

    from ._graph import Graph, Value
    from ._session import Session
    from ._tensor import Tensor

    Result = TypeVar("Result", bound="Array | Tensor", default=Array)

    class SessionOptions(TypedDict, total=False):
        """The keywords of `Session` that say nothing about the type of its results."""

        threads: int
        share: Session[Any] | None
        max_plans: int
        spin_after_run_us: int
        reference_kernels: bool
        disable_pass: Sequence[str]
        weight_dtype: str
        device: str
        device_only: bool
        weight_cache: str | os.PathLike[str]

else:
    from typing import TypeVar

    Result = TypeVar("Result")

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
