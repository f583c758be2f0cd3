"""Datasets and their batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from . import _native
from ._handle import Handle, Options
from ._tensor import Tensor, as_tensor, path_text
from ._types import Array, TensorLike


class Dataset(Handle):
    """Rows of tensors that have their first dimension in common.

    Args:
        tensors: The tensors; their memory is shared.

    Examples:
        >>> data = Dataset([[1.0], [2.0], [3.0]], [0, 1, 0])
        >>> len(data)
        3
        >>> [labels.tolist() for _, labels in data.batches(2)]
        [[0, 1], [0]]
    """

    _free = _native.weft_dataset_free
    _what = "dataset"

    def __init__(self, *tensors: TensorLike) -> None:
        made = [as_tensor(tensor) for tensor in tensors]
        self._own(_native.weft_dataset_new([tensor._handle for tensor in made]))

    @classmethod
    def _over(cls, pointer: Any) -> Dataset:
        dataset = cls.__new__(cls)
        dataset._own(pointer)
        return dataset

    @classmethod
    def load(cls, path: str | os.PathLike[str], names: Sequence[str] = (), *, map: bool = False) -> Dataset:
        """Reads tensors of a .safetensors, .npy or .csv file, in the order of `names`; all without names."""
        options = Options("load", map=int(map))
        return cls._over(_native.weft_dataset_load(path_text(path), list(names), options._handle))

    def rows(self, first: int, count: int) -> Dataset:
        """The rows first .. first + count - 1, sharing the memory."""
        return Dataset._over(_native.weft_dataset_new_rows(self._handle, first, count))

    def batches(
        self, batch_size: int = 32, *, shuffle: bool = False, seed: int = 0, drop_last: bool = False, epoch: int = 0
    ) -> Iterator[list[Array]]:
        """One pass, batch by batch: an array for each tensor. The order depends on `seed` and `epoch` alone."""
        options = Options(
            "dataset", batch_size=batch_size, shuffle=int(shuffle), seed=seed, drop_last=int(drop_last)
        )
        return self._pass(_native.weft_dataset_open(self._handle, options._handle, epoch), self.width)

    @staticmethod
    def _pass(pointer: Any, width: int) -> Iterator[list[Array]]:
        try:
            while True:
                batch = _native.weft_batches_next(pointer, width)
                if batch[0] is None:
                    return
                yield [Tensor._over(tensor).numpy() for tensor in batch]
        finally:
            _native.weft_batches_free(pointer)

    @property
    def width(self) -> int:
        """The number of tensors."""
        return int(_native.weft_dataset_width(self._handle))

    def __len__(self) -> int:
        return int(_native.weft_dataset_count(self._handle))

    def __getitem__(self, i: int) -> Array:
        """Tensor i, all rows of it."""
        return Tensor._over(_native.weft_dataset_at(self._handle, i)).numpy()

    def __repr__(self) -> str:
        return "Dataset (closed)" if self.closed else f"Dataset of {len(self)} rows of {self.width} tensors"
