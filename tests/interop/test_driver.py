"""What is said when a step of the demo fails: in one line, which step it was, why, and what to do."""

import os
import pathlib
import subprocess

import driver
import pytest


def failure(command: list, cwd: pathlib.Path, **more: dict) -> str:
    with pytest.raises(driver.StepFailed) as caught:
        driver.run("boiling the egg", command, cwd, **more)
    return str(caught.value)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    monkeypatch.setattr(driver, "ROOT", tmp_path)
    return tmp_path / "build" / "logs" / "boiling-the-egg.log"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo first; echo 'egg.c:1: error: it is raw'; echo 'error: 1 egg'; echo last; exit 1", "egg.c:1: error: it is raw"),
        ("echo out; printf 'no egg\\n  no water\\n\\n' >&2; exit 1", "no water"),
        ("echo no fire; exit 1", "no fire"),
        ("exit 7", "exit code 7"),
        (r"printf 'a bad byte \377'; exit 1", "a bad byte \ufffd"),
        ("echo an error >&2; kill -KILL $$", "ended by signal 9 (Killed)"),
    ],
)
def test_a_command_fails(script: str, why: str, log: pathlib.Path, tmp_path: pathlib.Path) -> None:
    told = f"boiling the egg failed: {why}; see {log} for all that it said and the command to try again"
    assert failure(["sh", "-c", script], tmp_path) == told


def test_the_log_has_the_command_and_all_that_it_said(log: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALT", "some")
    kitchen = log.parents[2] / "the kitchen"
    kitchen.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "SALT"} | {"EGG": "a large one"}
    failure(["sh", "-c", 'echo "${SALT-none}, $EGG"; pwd; echo "too cold" >&2; exit 3'], kitchen, env=environment)
    command, *said = log.read_text().splitlines()
    assert said == ["none, a large one", str(kitchen), "too cold"]
    again = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (again.returncode, again.stdout + again.stderr) == (3, "\n".join([*said, ""]))


def test_a_program_is_missing(log: pathlib.Path, tmp_path: pathlib.Path) -> None:
    told = "boiling the egg failed: no-such-pot: No such file or directory; tools/setup says what to install"
    assert failure(["no-such-pot", "egg"], tmp_path) == told
    assert not log.exists()


def test_what_succeeds_gives_its_output(log: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert driver.run("boiling the egg", ["sh", "-c", "echo done; echo hot >&2"], tmp_path) == "done\n"
    assert not log.exists()
