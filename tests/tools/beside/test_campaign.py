"""Real processes of pretended contenders: turns, checks, and going on after an interruption."""

from __future__ import annotations

import itertools
import pathlib
import re
import sys
from collections.abc import Sequence

import pytest
from benchmarks.beside.campaign import Campaign
from benchmarks.beside.results import OtherSubject, Outcome, Results
from benchmarks.beside.rows import named


class Fakes:
    """A campaign over one row with contenders of the folder `fakes`."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.peak = folder / "peak"
        self.peak.write_text("#!/bin/sh\necho 100\n")
        self.peak.chmod(0o755)

    def results(self, library: str = "a", fresh: bool = False) -> Results:
        return Results.open(self.folder / "results.json", {"library": library}, fresh=fresh)

    def run(self, *peers: str, pairs: int = 1) -> list[Outcome]:
        campaign = Campaign(
            self.results(), sys.executable, self.folder, self.peak, ours="fakes.ours", pairs=pairs, rounds=2
        )
        return list(campaign.run([named("add-bound")], [f"fakes.{peer}" for peer in peers], [1]))

    def turns(self) -> Sequence[str]:
        return (self.folder / "turns").read_text().split()


@pytest.fixture
def fakes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    monkeypatch.setenv("FAKES", str(tmp_path))
    return Fakes(tmp_path)


def test_processes_compute_in_turn_and_a_finished_pair_is_not_made_again(fakes: Fakes) -> None:
    (outcome,) = fakes.run("peer")
    assert outcome.failed == "" and outcome.version == "1.0"
    assert outcome.pair is not None and len(outcome.pair.ratios) == 2 and outcome.pair.peak == 100
    # The peer gets ready, then ours, whose turn the first round begins with.
    assert [name for name, _ in itertools.groupby(fakes.turns())] == ["peer", "ours"] * 3

    assert fakes.run("peer") == []
    (second,) = fakes.run("peer", pairs=2)
    assert fakes.results().outcomes == [outcome, second]


def test_wrong_results_are_an_error_of_that_pair_alone_and_tried_again(fakes: Fakes) -> None:
    wrong, missing, dies, right = fakes.run("wrong", "missing", "dies", "peer")
    # x is 1.764 at first, the first normal number of RandomState(0), and other 1.868, its fifth.
    assert re.search(r"fakes\.wrong: WrongResults: 4 of 4 .* first is -0\.10.* at \(0,\), where 3\.63", wrong.failed)
    assert wrong.pair is None
    assert missing.unsupported == "it cannot add" and not missing.failed
    assert re.search(r"fakes\.dies ended with 3; see .*\.log", dies.failed)
    assert right.pair is not None
    assert [outcome.peer for outcome in fakes.run("wrong", "missing", "peer")] == ["fakes.wrong"]


def test_results_of_another_library_are_not_mixed(fakes: Fakes) -> None:
    fakes.results().add(Outcome("add-bound", 1, "fakes.missing", unsupported="it cannot add"))
    with pytest.raises(OtherSubject, match="was measured with another library: --fresh drops it"):
        fakes.results(library="b")
    assert len(fakes.results().outcomes) == 1
    assert fakes.results(library="b", fresh=True).outcomes == []
