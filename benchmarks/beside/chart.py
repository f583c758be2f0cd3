"""The picture of the table: how many times as fast as the best peer each row is, and where its goal lies."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

from .summary import Line  # noqa: E402

COLOURS = {True: "#2a9d5c", False: "#c8553d", None: "#8a8f98"}


def draw(lines: Sequence[Line], path: pathlib.Path) -> None:
    shown = [line for line in lines if line.ratio is not None]
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.28 * len(shown)), layout="constrained")
    for i, line in enumerate(shown):
        ratio = line.ratio
        assert ratio is not None
        error = [[ratio.median - ratio.low], [ratio.high - ratio.median]]
        axes.barh(i, ratio.median - 1, left=1, color=COLOURS[line.met], xerr=error, error_kw={"elinewidth": 0.8})
        if line.goal is not None:
            axes.plot([line.goal] * 2, [i - 0.4, i + 0.4], color="black", linewidth=1.5)
    titles = [f"{line.title}, {line.threads} thread{'s' if line.threads > 1 else ''}" for line in shown]
    axes.set_yticks(range(len(shown)), titles, fontsize=8)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xlabel("times as fast as the best peer (black: the goal)")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
