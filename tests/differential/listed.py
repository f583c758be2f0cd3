"""The form of entries of `differs.py` and `faults.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from case import Case

NOBODY = "nobody"  # stands for the judge where Weft gives a result, and each judge refuses or cannot
ANY = "any"


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where a difference is known."""

    ops: str  # names with spaces between them
    judge: str  # the one that Weft differs from
    when: Callable[[Case], object]  # whether a case is one of those
    why: str  # what is wrong, and what the standard says
    says: str = ""  # what stands in the text of the difference

    def fits(self, case: Case, judge: str, text: str) -> bool:
        about = case.op in self.ops.split() and self.judge in (judge, ANY) and self.says in text
        return about and bool(self.when(case))


def always(case: Case) -> bool:
    return True
