"""Every test leaves nothing of the library alive."""

import gc
from collections.abc import Iterator

import pytest

import weft


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    gc.collect()
    before = weft.live_objects()
    yield
    gc.collect()
    assert weft.live_objects() <= before
