"""Running graphs: sessions and fit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Unpack, overload

from . import _native
from ._data import Dataset
from ._errors import InvalidArgumentError
from ._graph import Graph, Value, value_ids
from ._handle import Handle, Options, described, interruptible, name_list, need, number
from ._history import FitEvent, History, watch
from ._prepared import Prepared
from ._run import Cancel, Trace, fed, run_options
from ._tensor import Tensor
from ._types import Array, Feeds, Result, TensorLike

if TYPE_CHECKING:
    from ._types import SessionOptions

FitCallback = Callable[[FitEvent], object]


class Session(Handle, Generic[Result]):
    """Runs parts of a graph over variables of its own. Any number of threads may run one session.

    To type checkers it is a `Session[Tensor]` if it is made with `device_outputs=True`, and else gives arrays; functions that
    take any are annotated with `Session[Any]`.

    Args:
        graph: The graph; it may grow later.
        threads: The most threads of a run; 0 is all.
        share: A session whose variables this one uses too.
        max_plans: How many input shapes are kept ready for each set of fed and fetched values.
        spin_after_run_us: How long threads wait busily for the next run, 0 to 50 microseconds.
        reference_kernels: Use the plain kernels only.
        disable_pass: Names of optimizations to leave out; "*" is all.
        weight_dtype: "bf16" keeps large constant matrices of f32 that others are multiplied by as bf16, which halves what is
            read for a few rows; products are still computed in f32. Variables stay as they are.
        device: One of `weft.devices()`, which runs what it has kernels for; the CPU runs the rest.
        device_only: Whether an operator that the device has no kernel for is an UnimplementedError instead.
        device_outputs: Whether runs give Tensors, which stay on the device: `tensor.to("cpu").numpy()` gives the array. They
            may be fed in any session on the device, and are used there without a copy. They are Tensors whatever the device
            is, the CPU too, and also what no device has (strings, sequences, optionals and maps).
        weight_cache: A folder, made if there is none, that keeps large constant weights as kernels read them: the next
            session or process maps them from there, and needs neither to read nor to pack the originals. Processes may
            share it, and it may be emptied at any time; whoever writes to it decides what runs compute. None if empty.

    Examples:
        >>> graph = weft.Graph()
        >>> x = graph.input("x", "f32", ["batch", 2])
        >>> w = graph.variable("w", [[1.0], [10.0]])
        >>> session = weft.Session(graph)
        >>> session.run({x: [[1, 2], [3, 4]]}, x @ w)
        array([[21.],
               [43.]], dtype=float32)
        >>> session.set("w", [[0.0], [1.0]])
        >>> session.run({x: [[1, 2]]}, x @ w).tolist()
        [[2.0]]
    """

    _what = "session"

    @overload
    def __init__(
        self: Session[Array], graph: Graph, *, device_outputs: Literal[False] = False, **options: Unpack[SessionOptions]
    ) -> None: ...

    @overload
    def __init__(
        self: Session[Tensor], graph: Graph, *, device_outputs: Literal[True], **options: Unpack[SessionOptions]
    ) -> None: ...

    @overload
    def __init__(
        self: Session[Any], graph: Graph, *, device_outputs: bool, **options: Unpack[SessionOptions]
    ) -> None: ...

    def __init__(
        self,
        graph: Graph,
        *,
        threads: int = 0,
        share: Session[Any] | None = None,
        max_plans: int = 64,
        spin_after_run_us: int = 0,
        reference_kernels: bool = False,
        disable_pass: Sequence[str] = (),
        weight_dtype: str = "f32",
        device: str = "cpu",
        device_only: bool = False,
        device_outputs: bool = False,
        weight_cache: str | os.PathLike[str] = "",
    ) -> None:
        self.graph = need(graph, Graph, "the graph of a session")
        options = Options(
            "session",
            threads=threads,
            max_plans=max_plans,
            spin_after_run_us=spin_after_run_us,
            reference_kernels=int(reference_kernels),
            disable_pass=name_list(disable_pass),
            weight_dtype=weight_dtype,
            device=device,
            device_only=int(device_only),
            device_outputs=int(device_outputs),
            weight_cache=os.fspath(weight_cache),
        )
        other = None if share is None else need(share, Session, "share")._handle
        self._owner = _native.weft_session_new(graph._handle, options._handle, other)
        self._closed = False
        self._tensors = bool(device_outputs)
        self._plain = interruptible(Options("run"))._handle  # of runs that ask for nothing

    def close(self) -> None:
        """Ends the session: waits for running calls; later ones raise FailedPreconditionError."""
        _native.weft_session_close(self._handle)
        self._closed = True

    @property
    def closed(self) -> bool:
        return self._closed

    def __repr__(self) -> str:
        return "Session (closed)" if self._closed else f"Session of a {self.graph!r}"

    @overload
    def run(
        self,
        feeds: Feeds | None,
        fetches: Value,
        targets: Value | Sequence[Value] = (),
        *,
        timeout: float | None = None,
        cancel: Cancel | None = None,
        trace: Trace | None = None,
    ) -> Result: ...

    @overload
    def run(
        self,
        feeds: Feeds | None = None,
        *,
        fetches: Value,
        targets: Value | Sequence[Value] = (),
        timeout: float | None = None,
        cancel: Cancel | None = None,
        trace: Trace | None = None,
    ) -> Result: ...

    @overload
    def run(
        self,
        feeds: Feeds | None = None,
        fetches: Sequence[Value] = (),
        targets: Value | Sequence[Value] = (),
        *,
        timeout: float | None = None,
        cancel: Cancel | None = None,
        trace: Trace | None = None,
    ) -> list[Result]: ...

    def run(
        self,
        feeds: Feeds | None = None,
        fetches: Value | Sequence[Value] = (),
        targets: Value | Sequence[Value] = (),
        *,
        timeout: float | None = None,
        cancel: Cancel | None = None,
        trace: Trace | None = None,
    ) -> Result | list[Result]:
        """Computes `fetches`.

        Args:
            feeds: What inputs (or any other values) are, by Value.
            fetches: One value gives one result, a list a list of them.
            targets: Values that are computed for their effect alone, such as training steps.
            timeout: Seconds after which DeadlineExceededError is raised; None is no limit.
            cancel: A token to stop the run from another thread.
            trace: Collects what ran when.

        Returns:
            Arrays over the library's memory: of a sequence a list of them, of an optional what it holds or None, of a map a
            dict. Of a session with `device_outputs`, Tensors.
        """
        if timeout is None and cancel is None and trace is None:
            options = self._plain
        else:
            options = run_options("run", timeout, cancel, trace)._handle
        return _native.session_run(self._owner, options, feeds, fetches, targets, self._tensors)

    def prepare(
        self,
        feeds: Sequence[Value] = (),
        fetches: Sequence[Value] = (),
        targets: Sequence[Value] = (),
    ) -> Prepared[Result]:
        """Makes a run ready that is called often. Where the sizes of all that is fed are known it is also planned: the first
        run then takes no longer than the others, unless something is bound that lies on a device."""
        return Prepared(self, feeds, fetches, targets)

    def initialise(self) -> None:
        """Gives every variable its initial value now; runs do it by themselves."""
        _native.weft_session_initialise(self._handle)

    def get(self, variable: str | Value) -> Array:
        """A copy of a variable's value; fetching the variable gives one on the device, in a session with `device_outputs`."""
        name = self._own(variable).name if isinstance(variable, Value) else need(variable, str, "a variable")
        return Tensor._over(_native.weft_session_get(self._handle, name)).numpy()

    def set(self, variable: str | Value, tensor: TensorLike) -> None:
        """Gives a variable a value."""
        found = self._own(variable) if isinstance(variable, Value) else self.graph.find(variable)
        _native.weft_session_set(self._handle, found.name, fed(found, tensor)._handle)

    def _own(self, value: Value) -> Value:
        if value.graph._root is not self.graph._root:
            raise InvalidArgumentError(f"{value!r} belongs to another graph than the session's")
        return value

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a checkpoint of every variable; an old file of the name stays if that fails."""
        _native.weft_session_save(self._handle, os.fspath(path))

    def load(self, path: str | os.PathLike[str], *, partial: bool = False) -> None:
        """Sets every variable from a checkpoint: all, or none if one does not fit.

        Args:
            path: The file.
            partial: Set those that are both in the graph and in the file.
        """
        _native.weft_session_load(self._handle, os.fspath(path), Options("load", partial=int(partial))._handle)

    def describe(self) -> dict[str, Any]:
        """What the session keeps and has done.

        Returns:
            "runs" (begun so far), "threads" (of one run), "instruction_set" (of its kernels), "device", "weight_cache"
            ("found" and "made": how many packed weights its folder had and lacked), and "calls": an entry for each set of fed and fetched values that it keeps plans for, with "feeds", "fetches" and "assigns"
            (names) and "plans", the last used first, one for each signature of inputs that was seen: "inputs" (fed values,
            then variables that are read), "kernels" (how many steps run each), "on_cpu" (those that a device leaves to
            the CPU), "constant_bytes" (what kernels read as it is), "arena_bytes" (of each run at a time), "device_arena_bytes", "idle_arenas" (kept for the next runs) and
            "branch_groups" (stretches whose branches run side by side).

        Examples:
            >>> graph = weft.Graph()
            >>> x = graph.input("x", "f32", [None, 3])
            >>> session = weft.Session(graph)
            >>> result = session.run({x: [[1, 2, 3]]}, weft.exp(x))
            >>> [plan] = session.describe()["calls"][0]["plans"]
            >>> plan["inputs"], plan["kernels"]
            (['f32[1, 3]'], {'Exp: vectors': 1})
        """
        return dict(json.loads(_native.weft_session_inspect(self._handle)))

    def trim(self) -> None:
        """Lets go of memory that is kept for speed: plans, arenas and what kernels packed of constants, as far as no run
        and no prepared call uses it. What is needed again is made again."""
        _native.weft_session_trim(self._handle)

    def fit(
        self,
        data: Dataset,
        feeds: Sequence[Value | None],
        step: Value,
        metrics: Sequence[Value] = (),
        *,
        epochs: int = 1,
        batch_size: int | None = None,
        shuffle: bool | None = None,
        seed: int = 0,
        drop_last: bool = False,
        first_epoch: int = 0,
        validation: Dataset | None = None,
        validation_metrics: Sequence[Value] = (),
        monitor: str | None = None,
        patience: int = 0,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best: bool = False,
        callback: FitCallback | None = None,
        progress: bool | None = None,
        timeout: float | None = None,
        cancel: Cancel | None = None,
        trace: Trace | None = None,
    ) -> History:
        """Trains: runs `step` on every batch.

        Args:
            data: The rows, or the batches of a function (`Dataset.from_function`).
            feeds: What each tensor of the dataset is fed to; None for one that is not fed.
            step: The training step, as an optimizer's `minimize` gives it.
            metrics: Scalars of f32 or f64 to average over each epoch, such as the loss.
            epochs: The number of passes, with those before `first_epoch` counted in.
            batch_size: Rows of a batch, 32 if None; the last one may be short. A function decides by itself.
            shuffle: Whether each pass over rows has another order, which depends on `seed` and the epoch alone; True if
                None. The batches of a function cannot be shuffled.
            seed: Of the shuffling.
            drop_last: Whether a short last batch is left out.
            first_epoch: Where a resumed training goes on; below `epochs`.
            validation: Rows on which `validation_metrics` are evaluated after every epoch; the same tensors in the same
                order as `data`.
            validation_metrics: Their names in the history begin with "val_". Without any: `metrics`.
            monitor: The name in the history of what `patience` and `restore_best` watch. None: the first metric, that of
                the validation if there is one.
            patience: So many epochs in a row without progress end the training. 0: all epochs are trained.
            min_delta: The least progress.
            mode: "min" if a smaller value is better, "max" if a larger one is.
            restore_best: Whether the variables of the best epoch are put back.
            callback: Called with a FitEvent after every batch and every epoch; a true result ends the training.
            progress: Whether a bar is shown; None shows one on a terminal.
            timeout: Seconds for all of it; None is no limit.
            cancel: A token to stop it from another thread.
            trace: Collects what ran when, of all runs.

        Returns:
            The metrics of each epoch.

        Examples:
            >>> graph = weft.Graph()
            >>> x, y = graph.input("x", "f32", ["batch", 1]), graph.input("y", "f32", ["batch", 1])
            >>> guess = weft.layers.Dense(graph, "line", inputs=1, units=1)(x)
            >>> loss = weft.reduce_mean((guess - y) ** 2.0, keepdims=False, name="loss")
            >>> step = weft.Adam(0.1).minimize(loss)
            >>> xs = numpy.linspace(-1, 1, 64, dtype="f4").reshape(-1, 1)
            >>> session = weft.Session(graph)
            >>> history = session.fit(weft.Dataset(xs, 3 * xs + 1), [x, y], step, [loss], epochs=50)
            >>> len(history), history["loss"][-1] < 1e-2
            (50, True)
            >>> session.predict([[0.5]], [x], guess).round(1).tolist()
            [[2.5]]
        """
        options = run_options(
            "fit",
            timeout,
            cancel,
            trace,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=None if shuffle is None else int(shuffle),
            seed=seed,
            drop_last=int(drop_last),
            first_epoch=first_epoch,
            monitor=monitor,
            patience=patience,
            min_delta=number(min_delta, "min_delta"),
            mode=mode,
            restore_best=int(restore_best),
        )
        if validation is not None:
            ids = value_ids(validation_metrics, "a validation metric")
            _native.weft_options_set_validation(
                options._handle, need(validation, Dataset, "the validation")._handle, ids
            )
        metric_ids = value_ids(metrics, "a metric")
        watcher = watch(epochs, callback, progress)
        if watcher is not None:
            _native.options_callback(options._handle, watcher)
        try:
            pointer = _native.weft_session_fit(
                self._handle,
                need(data, Dataset, "the dataset")._handle,
                _feed_ids(feeds),
                need(step, Value, "the step").id,
                metric_ids,
                options._handle,
            )
        finally:
            if watcher is not None:
                watcher.close()
        return History._take(pointer)

    def evaluate(
        self,
        data: Dataset,
        feeds: Sequence[Value | None],
        metrics: Value | Sequence[Value],
        *,
        batch_size: int | None = None,
        timeout: float | None = None,
        cancel: Cancel | None = None,
        trace: Trace | None = None,
    ) -> dict[str, float]:
        """The average of each metric over the rows, by the names of the metrics.

        Args:
            data: What the metrics are computed on.
            feeds: For each tensor of the dataset the input that it is fed to, or None for one that is not fed.
            metrics: Scalars of f32 or f64, which are averaged over the rows.
            batch_size: Rows of a batch, 32 if None.
            timeout: Seconds for all of it; None is no limit.
            cancel: A token to stop it from another thread.
            trace: Collects what ran when, of all runs.
        """
        options = run_options("fit", timeout, cancel, trace, batch_size=batch_size)
        wanted: Value | Sequence[Value] = list(metrics) if isinstance(metrics, Iterator) else metrics
        ids = value_ids(wanted, "a metric")
        averages = _native.session_evaluate(
            self._handle, need(data, Dataset, "the dataset")._handle, _feed_ids(feeds), ids, options._handle, len(ids)
        )
        measured: Sequence[Value] = [wanted] if isinstance(wanted, Value) else wanted
        return {value.name: average for value, average in zip(measured, averages)}

    @overload
    def predict(
        self,
        data: Dataset | TensorLike,
        feeds: Sequence[Value | None],
        fetches: Value,
        *,
        batch_size: int | None = None,
        timeout: float | None = None,
        cancel: Cancel | None = None,
        trace: Trace | None = None,
    ) -> Array: ...

    @overload
    def predict(
        self,
        data: Dataset | TensorLike,
        feeds: Sequence[Value | None],
        fetches: Sequence[Value],
        *,
        batch_size: int | None = None,
        timeout: float | None = None,
        cancel: Cancel | None = None,
        trace: Trace | None = None,
    ) -> list[Array]: ...

    def predict(
        self,
        data: Dataset | TensorLike,
        feeds: Sequence[Value | None],
        fetches: Value | Sequence[Value],
        *,
        batch_size: int | None = None,
        timeout: float | None = None,
        cancel: Cancel | None = None,
        trace: Trace | None = None,
    ) -> Array | list[Array]:
        """Computes `fetches` for every row of a dataset, or of one array for one input. One value gives one array, a list
        a list of them.

        Args:
            data: The dataset, or an array whose first axis are the rows.
            feeds: For each tensor of the dataset the input that it is fed to, or None for one that is not fed; for an array
                a list of one input.
            fetches: What is computed; the first axis of each are the rows.
            batch_size: Rows of a batch, 32 if None.
            timeout: Seconds for all of it; None is no limit.
            cancel: A token to stop it from another thread.
            trace: Collects what ran when, of all runs.
        """
        ids = _feed_ids(feeds)
        if isinstance(data, Dataset):
            rows = data
        else:
            rows = Dataset(fed(feeds[0], data) if feeds and feeds[0] is not None else data)
        options = run_options("fit", timeout, cancel, trace, batch_size=batch_size)
        wanted = value_ids(fetches, "a fetch")
        made = _native.session_predict(
            self._handle, rows._handle, ids, wanted, options._handle, len(wanted)
        )
        results = [Tensor._over(pointer).numpy() for pointer in made]
        return results[0] if isinstance(fetches, Value) else results


def _feed_ids(feeds: Sequence[Value | None]) -> list[int]:
    if not isinstance(feeds, Sequence):
        raise TypeError(f"feeds must be a list of a Value or None for each tensor but is {described(feeds)}")
    return [0 if value is None else need(value, Value, "a feed").id for value in feeds]
