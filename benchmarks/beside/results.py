"""The file of what has been measured: a run that was interrupted goes on from there."""

from __future__ import annotations

import json
import os
import pathlib
from dataclasses import asdict, dataclass, field
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
    def open(cls, path: pathlib.Path, subject: Subject, begun: pathlib.Path | None = None) -> Results:
        """Goes on from what was begun, without what failed, and keeps it and what is added in the file of the path. What is
        about another subject is not mixed with this one."""
        if begun is None:
            return cls(path, subject)
        read = json.loads(begun.read_text(encoding="utf-8"))
        other = [name for name in subject if read["subject"].get(name) != subject[name]]
        if other:
            raise OtherSubject(
                f"{begun} was measured with another {' and another '.join(other)}: --fresh leaves it and begins anew"
            )
        outcomes = [Outcome.read(fields) for fields in read["outcomes"]]
        return cls(path, subject, [outcome for outcome in outcomes if not outcome.failed], read["figures"])

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

    def of(self, row: str, threads: int, peer: str) -> list[Outcome]:
        return [one for one in self.outcomes if (one.row, one.threads, one.peer) == (row, threads, peer)]

    def ratios(self, row: str, threads: int, peer: str) -> list[list[float]]:
        """Of each finished pair."""
        return [one.pair.ratios for one in self.of(row, threads, peer) if one.pair is not None]

    def peaks(self, threads: int) -> list[float]:
        """What the processor gave beside each finished pair of so many threads, in GFLOP/s."""
        return [one.pair.peak for one in self.outcomes if one.pair is not None and one.threads == threads]
