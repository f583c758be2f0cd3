"""The library under the package: its own, of its own version."""

from __future__ import annotations

import os


def _explain(found: str, path: str, wanted: str) -> str:
    return (
        f"weft {wanted} for Python cannot use libweft {found} ({path}), which was loaded in place of its own. Take that"
        " library out of LD_PRELOAD, import weft before what else loads it, or install the same version of both"
    )


def _loaded() -> tuple[str, str]:
    """Version and file of a libweft that is loaded already; "" if there is none."""
    import ctypes

    with open("/proc/self/maps") as maps:
        path = next((line.split()[-1] for line in maps if os.path.basename(line.split()[-1]).startswith("libweft.so")), "")
    if not path:
        return "", ""
    version = ctypes.CDLL(path).weft_version
    version.restype = ctypes.c_char_p
    return version().decode(), path


try:
    from . import _native
except ImportError as error:  # a library that lacks what this one has
    _version, _path = _loaded()
    if not _version:
        raise
    from importlib import metadata  # as long to import as all of this package, so only here

    raise ImportError(_explain(_version, _path, metadata.version("weft"))) from error

if _native.weft_version() != _native.built_version():
    raise ImportError(_explain(_native.weft_version(), _native.library_path(), _native.built_version()))
