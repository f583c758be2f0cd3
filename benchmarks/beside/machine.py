"""What is measured, and where: the machine, and the library's very bytes."""

from __future__ import annotations

import hashlib
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Callable

# Of the processor's features, those that decide how fast kernels can be.
VECTORS = ("sse4_2", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")


def digest(*paths: pathlib.Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def description() -> dict[str, str]:
    text = pathlib.Path("/proc/cpuinfo").read_text()

    def field(name: str) -> str:
        found = re.search(rf"^{name}\s*: (.*)$", text, re.MULTILINE)
        return found[1] if found else ""

    flags = set((field("flags") or field("Features")).split())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": field("model name") or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "vectors": " ".join(name for name in VECTORS if name in flags),
        "memory": f"{memory / 2**30:.0f} GiB",
        "python": platform.python_version(),
    }


def system() -> str:
    """Apart from the description: one kind of machine has many releases of it, and who goes on elsewhere meets another."""
    return f"{platform.system()} {platform.release()}"


def peak(program: pathlib.Path, threads: int) -> Callable[[], float]:
    """GFLOP/s of multiplications and additions in registers at the moment of the call."""
    return lambda: float(subprocess.run([program, str(threads)], check=True, capture_output=True).stdout)
