"""Datasets and their batches."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Union, cast

from . import _native
from ._errors import FailedPreconditionError, InvalidArgumentError
from ._handle import Handle, Options, described, name_list
from ._tensor import Tensor, as_tensor
from ._types import Array, TensorLike

Batch = Union[Mapping[str, TensorLike], Sequence[TensorLike], TensorLike]
BatchFunction = Union[Callable[[int], Iterable[Batch]], Iterable[Batch]]


class Dataset(Handle):
    """Rows of tensors that have their first dimension in common; or the batches of a function: see `from_function`.

    Args:
        tensors: The tensors; their memory is shared.

    Examples:
        >>> data = weft.Dataset([[1.0], [2.0], [3.0]], [0, 1, 0])
        >>> len(data)
        3
        >>> [labels.tolist() for _, labels in data.batches(2)]
        [[0, 1], [0]]
    """

    _what = "dataset"
    _begin: Callable[[int], Iterator[Batch]] | None = None  # of the batches of a function

    def __init__(self, *tensors: TensorLike) -> None:
        if not tensors:
            raise TypeError("a dataset needs at least one tensor")
        made = [as_tensor(tensor) for tensor in tensors]
        self._owner = _native.weft_dataset_new([tensor._handle for tensor in made])

    @classmethod
    def _over(cls, pointer: Any) -> Dataset:
        dataset = cls.__new__(cls)
        dataset._owner = pointer
        return dataset

    @classmethod
    def load(cls, path: str | os.PathLike[str], names: Sequence[str] = (), *, map: bool = False) -> Dataset:
        """Reads tensors of a .safetensors, .npy or .csv file, in the order of `names`; all without names.

        A CSV file is one matrix of f32, "data" (its header, if it has one, is skipped), an .npy file one tensor, "data".
        """
        options = Options("load", map=int(map))
        return cls._over(_native.weft_dataset_load(os.fspath(path), name_list(names), options._handle))

    @classmethod
    def from_function(cls, function: BatchFunction, names: Sequence[str]) -> Dataset:
        """A dataset of the batches that a function gives.

        What a batch is and in which order they come is the function's to decide: a batch size, shuffling and dropping a
        short batch cannot be asked for. The first dimension of the first tensor counts the rows of a batch.

        Args:
            function: Called for every pass with its number (from 0), for something to iterate over; or an iterable that
                can be gone through again and again. Its items are the batches: dicts by name, or tuples or lists in the
                order of `names`, of whatever `Tensor` takes; or plain arrays if there is one name. It is called on the
                thread that wants the batch, between runs, so it may run and save the session. What it raises is raised
                by `fit` as it is.
            names: The names of the tensors; others in a dict are left out.

        Examples:
            >>> def squares(epoch):
            ...     for start in range(0, 5, 2):
            ...         x = numpy.arange(start, min(start + 2, 5), dtype="f4")
            ...         yield {"x": x, "y": x**2}
            >>> data = weft.Dataset.from_function(squares, ["x", "y"])
            >>> [y.tolist() for x, y in data.batches()]
            [[0.0, 1.0], [4.0, 9.0], [16.0]]
        """
        wanted = [str(name) for name in name_list(names)]
        begin = _begin(function)
        dataset = cls.__new__(cls)
        # What the library holds must not keep the dataset: the function may know it.
        holder = weakref.ref(dataset)

        def open_pass(epoch: int) -> Any:
            show, _opening.show = getattr(_opening, "show", None), None
            owner = holder()
            if owner is None or owner._begin is None:
                raise FailedPreconditionError("the dataset that the function belongs to is gone")
            begun = _Pass(owner._begin(epoch), wanted)
            if show is not None:
                show(begun)
            return _native.batches_new(wanted, begun)

        dataset._begin = begin
        dataset._owner = _native.dataset_new_function(len(wanted), open_pass)
        return dataset

    def rows(self, first: int, count: int) -> Dataset:
        """The rows first .. first + count - 1, sharing the memory."""
        return Dataset._over(_native.weft_dataset_new_rows(self._handle, first, count))

    def batches(
        self,
        batch_size: int | None = None,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        epoch: int = 0,
    ) -> Iterator[list[Array]]:
        """One pass, batch by batch: an array for each tensor. The order depends on `seed` and `epoch` alone.

        Args:
            batch_size: Rows of a batch, 32 if None; only the last may be short.
            shuffle: Whether each pass has another order.
            seed: Of the shuffling.
            drop_last: Whether a short last batch is left out.
            epoch: The number of the pass.
        """
        options = Options(
            "dataset", batch_size=batch_size, shuffle=int(shuffle), seed=seed, drop_last=int(drop_last)
        )
        return _Batches(self, options, epoch)

    def close(self) -> None:
        """Ends the dataset; later calls raise FailedPreconditionError. It waits for nobody: calls and passes that were
        begun go on, as do datasets of its rows. May be called again.
        """
        if self._owner is not None:
            _native.weft_dataset_close(self._owner)
            self._owner = None

    @property
    def width(self) -> int:
        """The number of tensors."""
        return int(_native.weft_dataset_width(self._handle))

    def __len__(self) -> int:
        count = int(_native.weft_dataset_count(self._handle))
        if count < 0:
            raise TypeError("the number of rows of a dataset whose batches a function gives is not known")
        return count

    def __getitem__(self, i: int) -> Array:
        """Tensor i, all rows of it."""
        return Tensor._over(_native.weft_dataset_at(self._handle, i)).numpy()

    def __repr__(self) -> str:
        if self.closed:
            return "Dataset (closed)"
        if self._begin is not None:
            return f"Dataset of batches of {self.width} tensors, given by a function"
        return f"Dataset of {len(self)} rows of {self.width} tensors"


class _Batches(Handle):
    """One pass over a dataset."""

    _what = "pass over a dataset"

    batches: Iterator[Batch] = iter(())  # of a function

    def __init__(self, dataset: Dataset, options: Options, epoch: int) -> None:
        self._dataset = dataset
        self._width = dataset.width
        _opening.show = self._adopt
        try:
            self._owner = _native.weft_dataset_open(dataset._handle, options._handle, epoch)
        finally:
            _opening.show = None

    def _adopt(self, begun: _Pass) -> None:
        # As with the dataset: what the library holds must not keep this pass, which the batches may know.
        self.batches, begun.batches = begun.batches, self.batches
        begun.owner = weakref.ref(self)

    def __repr__(self) -> str:
        return "Pass over a dataset (closed)" if self.closed else f"Pass over a {self._dataset!r}"

    def __iter__(self) -> Iterator[list[Array]]:
        return self

    def __next__(self) -> list[Array]:
        batch = _native.weft_batches_next(self._handle, self._width)
        if batch[0] is None:
            raise StopIteration
        return [Tensor._over(tensor).numpy() for tensor in batch]


_opening = threading.local()  # `show` is to be told of the next pass that a function begins on the thread


class _Pass:
    """Gives the batches of an iterator to the library."""

    def __init__(self, batches: Iterator[Batch], names: Sequence[str]) -> None:
        self.batches = batches
        self.owner: Callable[[], _Batches | None] | None = None  # has the batches instead
        self._names = names

    def __call__(self, out_batch: Any) -> None:
        owner = self if self.owner is None else self.owner()
        for batch in owner.batches if owner is not None else ():
            for name, value in self._named(batch):
                _native.weft_tensors_set(out_batch, name, as_tensor(value)._handle)
            return

    def _named(self, batch: Batch) -> Iterable[tuple[str, TensorLike]]:
        names = self._names
        if isinstance(batch, Mapping):
            for name in names:
                if name not in batch:
                    raise InvalidArgumentError(f"a batch has no '{name}'; it has {', '.join(map(str, batch))}")
            return [(name, batch[name]) for name in names]
        if not isinstance(batch, (tuple, list)):
            if len(names) > 1:
                wanted = f"a dict, tuple or list of {len(names)} tensors"
                raise InvalidArgumentError(f"a batch must be {wanted}, not {described(batch)}")
            return [(names[0], cast(TensorLike, batch))]
        if len(batch) != len(names):
            raise InvalidArgumentError(f"a batch has {len(batch)} tensors, not {len(names)}: {', '.join(names)}")
        return zip(names, batch)


def _begin(function: BatchFunction) -> Callable[[int], Iterator[Batch]]:
    """What begins a pass."""
    if isinstance(function, Iterator):
        once = iter([function])

        def begin_once(epoch: int) -> Iterator[Batch]:
            for batches in once:
                return batches
            raise InvalidArgumentError("an iterator can be gone through once only; give the function that makes it")

        return begin_once
    if isinstance(function, Iterable):
        again = function
        return lambda epoch: iter(again)
    if not callable(function):
        raise TypeError(f"batches come from a function or an iterable, not from {described(function)}")
    make = function
    return lambda epoch: iter(make(epoch))
