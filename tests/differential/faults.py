"""Where Weft is wrong and is to be mended. An entry that nothing fits any more fails a full run."""

from __future__ import annotations

from listed import Entry

FAULTS: list[Entry] = []
