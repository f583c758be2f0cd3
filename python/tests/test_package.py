"""The package as it is installed: its library, its files, what it shows of itself."""

import os
import pathlib
import subprocess
import sys

import pytest

import weft

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = pathlib.Path(weft.__file__).parent


@pytest.fixture
def other_library(tmp_path: pathlib.Path) -> pathlib.Path:
    """A libweft of version 9.9.9 that has nothing but its version."""
    library = tmp_path / "libweft.so.0"
    source = tmp_path / "other.c"
    source.write_text('const char* weft_version(void) { return "9.9.9"; }\n')
    script = f"-Wl,-soname,libweft.so.0,--version-script={ROOT / 'c_api' / 'weft.map'}"
    subprocess.run(["cc", "-shared", "-fPIC", script, "-o", library, source], check=True)
    return library


def imported(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import weft; print(weft.__version__)"],
        env=dict(os.environ, **environment),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_library_beside_the_package_comes_first(other_library: pathlib.Path) -> None:
    done = imported(LD_LIBRARY_PATH=str(other_library.parent))
    assert (done.stdout, done.stderr) == (weft.__version__ + "\n", "")


def test_a_library_of_another_version_is_refused(other_library: pathlib.Path, tmp_path: pathlib.Path) -> None:
    whole = imported(LD_PRELOAD=str(other_library))  # lacks every other function
    renamed = tmp_path / "other.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", renamed, tmp_path / "other.c"], check=True)
    for done in (whole, imported(LD_PRELOAD=str(renamed))):
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith("ImportError: weft 0.1.0 for Python cannot use libweft 9.9.9 (" + str(tmp_path)), done.stderr
        assert "LD_PRELOAD" in last
