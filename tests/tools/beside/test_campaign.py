"""Real processes of pretended contenders: turns, checks, and going on after an interruption."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import re
import sys
from collections.abc import Sequence

import pytest
from benchmarks.beside import programs
from benchmarks.beside.campaign import Campaign
from benchmarks.beside.protocol import Pair, Side
from benchmarks.beside.results import OtherSubject, Outcome, Results
from benchmarks.beside.rows import named


class Fakes:
    """A campaign over one row with contenders of the folder `fakes`."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.peak = folder / "peak"
        self.peak.write_text("#!/bin/sh\necho 100\n")
        self.peak.chmod(0o755)

    def results(self, library: str = "a", older: bool = False) -> Results:
        kept = self.folder / "results.json"
        return Results.open(kept, {"library": library}, kept if kept.exists() else None, older)

    def run(self, *peers: str, pairs: int = 1) -> list[Outcome]:
        return self.compare("fakes.ours", *(f"fakes.{peer}" for peer in peers), pairs=pairs)

    def run_after(self, results: Results, *peers: str, pairs: int = 1, again: Sequence[str] = ()) -> list[Outcome]:
        return self.campaign(results, "fakes.ours", [f"fakes.{peer}" for peer in peers], pairs, again)

    def compare(self, ours: str, *peers: str, pairs: int = 1) -> list[Outcome]:
        return self.campaign(self.results(), ours, peers, pairs)

    def campaign(
        self, results: Results, ours: str, peers: Sequence[str], pairs: int, again: Sequence[str] = ()
    ) -> list[Outcome]:
        campaign = Campaign(results, sys.executable, self.folder, self.peak, pairs=pairs, rounds=2, again=again)
        row = dataclasses.replace(named("add-bound"), ours=ours, peers=tuple(peers))
        return list(campaign.run([row], peers, [1]))

    def turns(self) -> Sequence[str]:
        return (self.folder / "turns").read_text().split()

    def started(self) -> Sequence[str]:
        return sorted((self.folder / "started").read_text().split())


@pytest.fixture
def fakes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    monkeypatch.setenv("FAKES", str(tmp_path))
    return Fakes(tmp_path)


def test_processes_compute_in_turn_and_a_finished_pair_is_not_made_again(fakes: Fakes) -> None:
    (outcome,) = fakes.run("peer")
    assert outcome.failed == "" and outcome.version == "1.0"
    assert outcome.pair is not None and len(outcome.pair.ratios) == 2 and outcome.pair.peak == 100
    # Two rounds, in the middle of each of which the peer has its turns.
    assert [name for name, _ in itertools.groupby(fakes.turns())] == ["ours", "peer", "ours", "peer", "ours"]

    assert fakes.run("peer") == []
    (second,) = fakes.run("peer", pairs=2)
    assert fakes.results().outcomes == [outcome, second]
    assert fakes.started() == ["ours", "ours", "peer", "peer"]


def test_wrong_results_are_an_error_of_that_pair_alone_and_tried_again(fakes: Fakes) -> None:
    wrong, missing, dies, right = fakes.run("wrong", "missing", "dies", "peer")
    # x is 1.1176 at first, the first normal number of f32 of numpy's default_rng(0), and other 0.6014, its fifth: their
    # difference, where their sum is wanted.
    assert re.search(r"fakes\.wrong: WrongResults: 4 of 4 .* first is 0\.51.* at \(0,\), where 1\.71", wrong.failed)
    assert wrong.pair is None
    assert missing.unsupported == "it cannot add" and not missing.failed
    assert re.search(r"fakes\.dies ended with 3; see .*\.log", dies.failed)
    assert right.pair is not None
    assert fakes.started() == ["ours", "peer"]  # one of ours for all
    assert [outcome.peer for outcome in fakes.run("wrong", "missing", "peer")] == ["fakes.wrong"]


def test_results_of_another_library_are_not_mixed(fakes: Fakes) -> None:
    fakes.results().add(Outcome("add-bound", 1, "fakes.missing", unsupported="it cannot add"))
    with pytest.raises(OtherSubject, match="was measured with another library: --fresh leaves it .*, --older keeps"):
        fakes.results(library="b")
    assert len(fakes.results().outcomes) == 1
    assert Results.open(fakes.folder / "results.json", {"library": "b"}).outcomes == []


def test_whole_rows_of_another_library_are_kept_where_that_is_asked_for(fakes: Fakes) -> None:
    (first,) = fakes.run("peer")
    kept = fakes.results(library="b", older=True)
    assert kept.outcomes == [dataclasses.replace(first, older="a")]
    assert fakes.run_after(kept, "peer") == []
    # A row that lacks a pair or a peer is measured anew as a whole, as is one that is named.
    one, two = fakes.run_after(fakes.results(library="b", older=True), "peer", pairs=2)
    assert (one.older, two.older) == ("", "") and fakes.results(library="b").outcomes == [one, two]
    assert [two.peer for two in fakes.run_after(fakes.results(library="c", older=True), "peer", "missing")] == [
        "fakes.peer", "fakes.missing",
    ]  # fmt: skip
    (named_one,) = fakes.run_after(fakes.results(library="d", older=True), "peer", again=["add-bound"])
    assert fakes.results(library="d").outcomes == [named_one]
    # What was measured with the library that it is again counts as its own.
    fakes.results(library="e", older=True).add_figure("unrest", 1)
    assert [one.older for one in fakes.results(library="d", older=True).outcomes] == [""]
    assert fakes.results(library="d", older=True).figures == {}


def test_another_machine_is_another_subject_in_any_case(fakes: Fakes) -> None:
    fakes.run("peer")
    kept = fakes.folder / "results.json"
    with pytest.raises(OtherSubject, match="another machine and another library: --fresh leaves it and begins anew$"):
        Results.open(kept, {"machine": "other", "library": "b"}, kept, older=True)


def test_the_best_has_all_pairs_even_if_its_first_was_unlucky(fakes: Fakes) -> None:
    side = Side(1e-6, 1e-6, 1e-6)
    for peer, ratio in (("dies", 0.5), ("dies", 3.0), ("peer", 0.7)):
        fakes.results().add(Outcome("add-bound", 1, f"fakes.{peer}", pair=Pair(side, side, [ratio] * 15, 0, 100)))
    # By the first pairs "peer" is not near; by all it is the best, and gets its second. "dies" is not started again.
    (outcome,) = fakes.run("dies", "peer", pairs=2)
    assert outcome.peer == "fakes.peer" and not outcome.failed


def test_a_peer_is_asked_only_for_the_rows_that_it_belongs_to(fakes: Fakes) -> None:
    campaign = Campaign(fakes.results(), sys.executable, fakes.folder, fakes.peak)
    assert list(campaign.run([named("add-java")], ["onnxruntime", "onnxruntime_go"], [1])) == []


def test_programs_are_told_what_to_build_and_their_results_are_checked(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = pathlib.Path(__file__).parent / "fakes" / "program.py"
    monkeypatch.setattr(programs, "_start", lambda name: [sys.executable, str(program), name])
    right, wrong = fakes.compare("weft_c", "onnxruntime_c", "onnxruntime_go")
    assert right.failed == "" and right.version == "2.0"
    assert right.pair is not None and right.pair.ratios == [1, 1]
    assert all(mebibytes > 1 for mebibytes in right.memory)
    assert re.search(r"onnxruntime_go: WrongResults: 4 of 4 .* first is 0\.51.* at \(0,\)", wrong.failed)


def test_a_program_that_is_missing_fails_its_rows_alone(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "BUILT", fakes.folder)
    missing, right = fakes.compare("fakes.ours", "onnxruntime_java", "fakes.peer")
    assert re.search(r"onnxruntime_java is not built: there is no .*/java/OnnxRuntime\.class; ", missing.failed)
    assert right.pair is not None
