"""Every test leaves nothing of the library alive."""

import gc
from collections.abc import Iterator

import pytest

import weft
from weft import _session


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    _session._Defaults.handle()  # lives as long as the process
    gc.collect()
    before = weft.live_objects()
    yield
    gc.collect()
    assert weft.live_objects() <= before
