"""The file of what has been measured: a run that was interrupted goes on from there."""

from __future__ import annotations

import json
import os
import pathlib
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .protocol import Pair, Side

Subject = dict[str, Any]


class OtherSubject(Exception):
    """The file tells of something else than what is to be measured; the message says what to do."""


@dataclass(frozen=True)
class Outcome:
    """A finished pair, or why there is none."""

    row: str
    threads: int
    peer: str
    version: str = ""  # of the peer
    system: str = ""  # that both ran on
    memory: tuple[float, float] = (0, 0)  # MiB at most of ours and of the peer, before anything was timed
    pair: Pair | None = None
    unsupported: str = ""
    failed: str = ""
    older: str = ""  # the library that was measured, if it is not that of the results

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Outcome:
        pair = fields.pop("pair")
        if pair is not None:
            pair = Pair(**{**pair, "ours": Side(**pair["ours"]), "theirs": Side(**pair["theirs"])})
        return cls(**{**fields, "memory": tuple(fields["memory"])}, pair=pair)


@dataclass
class Results:
    path: pathlib.Path
    subject: Subject  # the machine, the library and the peers' versions
    outcomes: list[Outcome] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    @classmethod
    def open(
        cls, path: pathlib.Path, subject: Subject, begun: pathlib.Path | None = None, older: bool = False
    ) -> Results:
        """Goes on from what was begun, without what failed, and keeps it and what is added in the file of the path. What is
        about another subject is not mixed with this one; `older`: but for what other builds of the library gave, figures
        apart."""
        if begun is None:
            return cls(path, subject)
        read = json.loads(begun.read_text(encoding="utf-8"))
        other = [name for name in subject if read["subject"].get(name) != subject[name]]
        if other and not (older and other == ["library"]):
            ways = "--fresh leaves it and begins anew"
            if other == ["library"]:
                ways += ", --older keeps the rows that are whole"
            raise OtherSubject(f"{begun} was measured with another {' and another '.join(other)}: {ways}")
        outcomes = [one for one in map(Outcome.read, read["outcomes"]) if not one.failed]
        if not other:
            return cls(path, subject, outcomes, read["figures"])
        before, now = read["subject"]["library"], subject["library"]
        named = [replace(one, older=one.older or before) for one in outcomes]
        return cls(path, subject, [replace(one, older="") if one.older == now else one for one in named])

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._write()

    def add_figure(self, name: str, value: float) -> None:
        self.figures[name] = value
        self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_suffix(".new")
        written.write_text(self.text(), encoding="utf-8")
        os.replace(written, self.path)

    def text(self) -> str:
        """A line for each outcome."""
        outcomes = ",\n".join(json.dumps(asdict(outcome)) for outcome in self.outcomes)
        subject, figures = json.dumps(self.subject), json.dumps(self.figures)
        return f'{{"subject": {subject},\n"figures": {figures},\n"outcomes": [\n{outcomes}\n]}}\n'

    def drop_older(self, row: str, threads: int) -> None:
        """What other builds of the library gave for it."""
        self.outcomes = [one for one in self.outcomes if (one.row, one.threads) != (row, threads) or not one.older]

    def of(self, row: str, threads: int, peer: str) -> list[Outcome]:
        return [one for one in self.outcomes if (one.row, one.threads, one.peer) == (row, threads, peer)]

    def ratios(self, row: str, threads: int, peer: str) -> list[list[float]]:
        """Of each finished pair."""
        return [one.pair.ratios for one in self.of(row, threads, peer) if one.pair is not None]

    def peaks(self, threads: int) -> list[float]:
        """What the processor gave beside each finished pair of so many threads, in GFLOP/s."""
        return [one.pair.peak for one in self.outcomes if one.pair is not None and one.threads == threads]
