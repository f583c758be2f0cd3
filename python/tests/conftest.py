"""Every test leaves nothing of the library alive."""

import gc
import signal
from collections.abc import Iterator

import pytest

import weft

# A shell that starts the tests in the background has them ignore Ctrl-C, for which some of them wait.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-opsets", action="store_true", help="test_saved_cases.py: every case, saved for every opset")


def pytest_collection_finish() -> None:
    """What there is before the first test is no test's: to go through it after each takes longer than most tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    gc.collect()
    before = weft.live_objects()
    yield
    gc.collect()
    assert weft.live_objects() <= before


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing outlives the whole suite."""
    gc.unfreeze()
    gc.collect()
    if session.exitstatus == pytest.ExitCode.OK and weft.live_objects() != 0:
        pytest.exit(f"{weft.live_objects()} objects of the library are alive after all tests", 1)
