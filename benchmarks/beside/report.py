"""The table for people (Markdown), for programs (JSON) and at a glance (PNG)."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .figures import FIGURES
from .names import OURS_IN_C, parts, title
from .protocol import DISTURBED, ROUNDS, ROUNDS_OF_FAR
from .results import Results
from .summary import PAIRS, SHORT, Line

MET = {True: "yes", False: "no", None: "open"}


def duration(seconds: float) -> str:
    """Three digits with the unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if seconds >= size:
            break
    value = seconds / size
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


def _head(contenders: Sequence[str]) -> list[str]:
    cells = ["", "threads", *contenders, "ratio (95 %)", "goal", "met"]
    return [f"| {' | '.join(cells)} |", f"|{'---|' * len(cells)}"]


def _row(line: Line, peers: Sequence[str]) -> str:
    """A peer has one column, from whichever language it is called."""
    columns = {
        parts(peer)[0]: f"**{duration(seconds)}**" if peer == line.best else duration(seconds)
        for peer, seconds in line.peers.items()
    }
    times = [columns.get(peer, "–") for peer in peers]
    ratio = "–"
    if line.ratio is not None:
        ratio = f"{line.ratio.median:.2f} ({line.ratio.low:.2f} to {line.ratio.high:.2f})"
    ours = duration(line.ours) if line.peers else "–"
    goal = ["–", "–"] if line.goal is None else [f"{line.goal:.3g}", MET[line.met]]
    cells = [line.title, str(line.threads), ours, *times, ratio, *goal]
    return f"| {' | '.join(cells)} |"


def _beside_c(line: Line) -> bool:
    return OURS_IN_C in {*line.peers, *line.reasons}


def _from_c(lines: Sequence[Line]) -> list[str]:
    """The table of the languages beside C."""
    rows = [_row(line, [parts(OURS_IN_C)[0]]) for line in lines]
    return ["", *_head(["Weft", "Weft from C"]), *rows] if rows else []


def _figures(results: Results) -> list[str]:
    """The table of what is measured without a peer."""
    rows = [
        f"| {figure.title} | {results.figures[figure.name]:.3g} {figure.unit} | "
        f"at {'most' if figure.most else 'least'} {figure.limit:g} {figure.unit} | {MET[figure.met(results.figures[figure.name])]} |"
        for figure in FIGURES if figure.name in results.figures
    ]  # fmt: skip
    return ["", "| | Weft | goal | met |", "|---|---|---|---|", *rows] if rows else []


def _reasons(lines: Sequence[Line]) -> list[str]:
    """Which rows a peer has no time for, by the reason."""
    rows: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        for peer, reason in line.reasons.items():
            titles = rows.setdefault((peer, reason), [])
            if line.title not in titles:
                titles.append(line.title)
    return [f"- {title(peer)}: {reason} ({'; '.join(titles)})" for (peer, reason), titles in rows.items()]


def _conditions(results: Results) -> list[str]:
    pairs = [(outcome.threads, outcome.pair) for outcome in results.outcomes if outcome.pair is not None]
    versions = {one.peer: one.version for one in results.outcomes if one.version and one.peer != OURS_IN_C}
    peaks = []
    for threads in sorted({count for count, _ in pairs}):
        found = [pair.peak for count, pair in pairs if count == threads]
        peaks.append(f"{min(found):.0f} to {max(found):.0f} GFLOP/s with {threads} thread{'s' if threads > 1 else ''}")
    dropped = sum(pair.dropped for _, pair in pairs)
    rounds = dropped + sum(len(pair.ratios) for _, pair in pairs)
    described = [f"{name} {value}" for name, value in results.subject["machine"].items()]
    systems = dict.fromkeys(one.system for one in results.outcomes if one.system)
    return [
        f"- Machine: {', '.join([*described, *systems])}",
        f"- Library: {results.subject['library']} (the beginning of the SHA-256 of libweft.so)",
        f"- Peers: {', '.join(f'{title(peer)} {version}' for peer, version in versions.items())}",
        f"- The processor's peak beside the rounds: {'; '.join(peaks)}",
        f"- {dropped} of {rounds} rounds were dropped since the peak was over {DISTURBED:.0%} off",
    ]


def _older(results: Results, lines: Sequence[Line]) -> list[str]:
    """Which rows another build of the library was measured for."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        for library in {one.older for one in results.outcomes if (one.row, one.threads) == (line.row, line.threads)}:
            threads = f"{line.threads} thread{'s' if line.threads > 1 else ''}"
            rows.setdefault(library, []).append(f"{line.title} ({threads})")
    return [f"- The library of {library}: {'; '.join(titles)}" for library, titles in rows.items() if library]


def markdown(
    results: Results, lines: Sequence[Line], peers: Sequence[str], command: str, missing: Sequence[str] = ()
) -> str:
    reasons = _reasons(lines)
    older = _older(results, lines)
    return "\n".join([
        "# Weft beside its peers",
        "",
        f"Generated by `{command}`; do not edit.",
        "",
        "Times of a call, or of a step of a training; medians. All are called from Python unless the row names another",
        "language: from that Weft is called then, and ONNX Runtime where one Add is made. The ratio is the time of the best",
        "peer (in bold) over Weft's, so more is better, with its 95 % interval from bootstrap over pairs of processes and",
        "their rounds. Every contender computes the same function with the same weights and was shown to do so before it was",
        "timed. Each has a process of its own that rests while another is timed; ours and the peer's take turns. A peer that is",
        f"far slower than the best of a row has one pair of processes and {ROUNDS_OF_FAR} rounds, the others {ROUNDS} or more, and those",
        f"near the best {PAIRS} pairs; in the first pairs of a row ours is one process. A goal is met",
        f"when the median over at least {PAIRS} pairs of processes reaches it, or is at most {SHORT:.0%} below while the goal is",
        "in the interval; it is open with fewer pairs. Goals are ratios that were set beforehand; – stands for none, or for",
        "no time. In the table of other languages the ratio is that of the time from C over the time from the language.",
        "",
        *_conditions(results),
        "",
        *_head(["Weft", *map(title, peers)]),
        *(_row(line, peers) for line in lines if not _beside_c(line)),
        *_from_c([line for line in lines if _beside_c(line)]),
        *_figures(results),
        *(["", "Measured with an earlier build of Weft:", "", *older] if older else []),
        *(["", "Without a time:", "", *reasons] if reasons else []),
        *(["", f"Not measured: {'; '.join(missing)}."] if missing else []),
        "",
    ])  # fmt: skip


def numbers(results: Results, lines: Sequence[Line], command: str) -> dict[str, Any]:
    versions = {outcome.peer: outcome.version for outcome in results.outcomes if outcome.version}
    return {
        "command": command,
        **results.subject,
        "versions": versions,
        "rows": [{**asdict(line), "met": line.met} for line in lines],
        "figures": results.figures,
    }


def write(
    results: Results, lines: Sequence[Line], peers: Sequence[str], command: str, folder: pathlib.Path,
    missing: Sequence[str] = (),
) -> None:  # fmt: skip
    """benchmarks.md, .json and .png, and benchmarks_pairs.json, which holds all that they were made of and which a run can go on
    from; `missing` are the titles of rows and figures that nobody has measured."""
    # Imported here because it takes a second, which who only reads the help needs not wait.
    from . import chart

    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(results, lines, peers, command, missing)
    (folder / "benchmarks.md").write_text(text, encoding="utf-8")
    made = json.dumps(numbers(results, lines, command), indent=1, ensure_ascii=False)
    (folder / "benchmarks.json").write_text(made + "\n", encoding="utf-8")
    (folder / "benchmarks_pairs.json").write_text(results.text(), encoding="utf-8")
    chart.draw([line for line in lines if not _beside_c(line)], folder / "benchmarks.png")
