"""What fit reports: while it goes on, and when it is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import _native


class History:
    """The metrics of each epoch of a training.

    Attributes:
        names: The names of the metrics.
        epochs: One dict a trained epoch, by name.
        stopped: Whether the training ended before its last epoch.
    """

    def __init__(self, names: Sequence[str], epochs: list[dict[str, float]], stopped: bool) -> None:
        self.names = list(names)
        self.epochs = epochs
        self.stopped = stopped

    @classmethod
    def _take(cls, pointer: Any) -> History:
        width = _native.weft_history_width(pointer)
        names = [_native.weft_history_name(pointer, i) for i in range(width)]
        data = _native.history_data(pointer)
        rows = [
            dict(zip(names, data[i * width : (i + 1) * width])) for i in range(_native.weft_history_count(pointer))
        ]
        return cls(names, rows, bool(_native.weft_history_stopped(pointer)))

    def __getitem__(self, name: str) -> list[float]:
        """One metric over the epochs."""
        return [row[name] for row in self.epochs]

    def __len__(self) -> int:
        return len(self.epochs)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.epochs[-1].items()) if self.epochs else ""
        return f"History of {len(self)} epochs{': ' + last if last else ''}"


class FitEvent:
    """Where a training is; what callbacks of fit get.

    Attributes:
        kind: "batch" after a batch, "epoch" after an epoch.
        epoch, batch: Counted from 0.
        batch_count: Batches of an epoch; None while only the function that gives them can tell.
        metrics: Averages by name: so far in the epoch after a batch; with validation after an epoch.
    """

    def __init__(
        self, kind: str, epoch: int, batch: int, batch_count: int | None, metrics: dict[str, float]
    ) -> None:
        self.kind = kind
        self.epoch = epoch
        self.batch = batch
        self.batch_count = batch_count
        self.metrics = metrics

    def __repr__(self) -> str:
        of = "" if self.batch_count is None else f" of {self.batch_count}"
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        return f"FitEvent after {self.kind}: epoch {self.epoch}, batch {self.batch}{of}{': ' + metrics if metrics else ''}"


def watch(epochs: int, callback: Callable[[FitEvent], object] | None, show: bool | None) -> _Watch | None:
    """What the library calls; None if nobody wants to know."""
    bar = show if show is not None else sys.stderr is not None and sys.stderr.isatty()  # a daemon has none
    return _Watch(epochs, callback, bar) if bar or callback is not None else None


class _Watch:
    def __init__(self, epochs: int, callback: Callable[[FitEvent], object] | None, show: bool) -> None:
        self.epochs = epochs
        self.callback = callback
        self.show = show
        self.bar: Any = None

    def __call__(self, event: int, epoch: int, batch: int, batch_count: int, metrics: dict[str, float]) -> bool:
        known = batch_count if batch_count >= 0 else None
        if self.show:
            self._draw(event, epoch, known, metrics)
        if self.callback is None:
            return False
        return bool(self.callback(FitEvent("epoch" if event else "batch", epoch, batch, known, metrics)))

    def _draw(self, event: int, epoch: int, batch_count: int | None, metrics: dict[str, float]) -> None:
        from tqdm import tqdm

        if self.bar is None:
            self.bar = tqdm(total=batch_count, desc=f"epoch {epoch + 1}/{self.epochs}", unit="batch", leave=True)
        if metrics:
            self.bar.set_postfix({name: f"{value:.4g}" for name, value in metrics.items()}, refresh=bool(event))
        if event:
            self.close()
        else:
            self.bar.update()

    def close(self) -> None:
        bar, self.bar = self.bar, None
        if bar is not None:
            bar.close()
