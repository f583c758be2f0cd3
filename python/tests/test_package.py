"""The package as it is installed: its library, its files, what it shows of itself."""

import builtins
import os
import pathlib
import pydoc
import subprocess
import sys
import traceback
from importlib import metadata

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


def test_the_licenses_are_inside() -> None:
    files = {file.name: file for file in metadata.files("weft") or [] if file.parent.name == "licenses"}
    for name in ("LICENSE", "NOTICE"):
        if (ROOT / name).exists():
            assert files[name].read_text() == (ROOT / name).read_text()


def test_help_shows_everything() -> None:
    text = pydoc.render_doc(weft, renderer=pydoc.plaintext)
    for wanted in (
        "class Session(",
        "class Graph(",
        "class InvalidArgumentError(",
        "\n    relu(x",
        "\n    if_(",
        "\n    set_log(",
        ">>> session.run({x: [[1, 2], [3, 4]]}, x @ w)",
        "\n    layers\n",
    ):
        assert wanted in text, wanted


def test_importing_everything_hides_no_builtin() -> None:
    names: dict[str, object] = {}
    exec("from weft import *", names)
    assert names["Session"] is weft.Session and names["relu"] is weft.relu
    assert not (set(names) - {"__builtins__", "__version__"}) & set(dir(builtins))
    assert weft.max is weft.ops.max and weft.sum is weft.ops.sum


def test_names_are_those_that_users_write() -> None:
    for name in weft.__all__:
        item = getattr(weft, name)
        assert not getattr(item, "__module__", "weft").startswith("weft._"), name
    error = weft.InvalidArgumentError("no")
    assert traceback.format_exception_only(error) == ["weft.InvalidArgumentError: no\n"]


def checked(program: str, folder: pathlib.Path) -> list[str]:
    """What mypy says of a program, by line."""
    pytest.importorskip("mypy")
    path = folder / "program.py"
    path.write_text("import numpy as np\nimport weft\n" + program)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder / "cache", path.name],
        cwd=folder,
        env=dict(os.environ, MYPYPATH=str(FOLDER.parent)) if "site-packages" not in str(FOLDER) else None,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line.startswith("program.py")]


RIGHT = """\
graph = weft.Graph()
x = graph.input("x", "f32", ["n", 2])
y = weft.relu(x @ [[1, 2.5], [3, 4]] + np.float32(3) + np.ones(2, "f4") + weft.Tensor(1.0))
first, second = weft.split(y, outputs=2)
loss = weft.softmax_cross_entropy_loss(y, graph.input("labels", "i64", ["n"]))
step = weft.Adam(1e-3).minimize(loss, graph.variables)
low = weft.if_(weft.reduce_sum(y) > 0, lambda: y, lambda: -y)
with weft.Session(graph) as session:
    print(session.run({x: [[1, 2]]}, y).sum(), session.run({x: np.ones((1, 2))}, [first, y[..., 0]])[1].sum())
    print(session.predict([[1, 2]], [x], y).argmax(axis=1), session.get("w").shape)
    session.run(targets=step)
for rows, labels in weft.Dataset([[1.0]], ["a"]).batches():
    print(rows.shape, labels.tolist())
dtype: weft.DTypeLike = float
"""
WRONG = """\
x = weft.Graph().input("x")
weft.relu("nonsense")
x + "nonsense"
weft.Session(x.graph).run(x)
weft.Session(x.graph).run({x: object()}, x)
weft.softmax(x, axis="last")
weft.Session(x).close()
"""


def test_right_programs_type_check_and_wrong_ones_do_not(tmp_path: pathlib.Path) -> None:
    assert checked(RIGHT, tmp_path) == []
    lines = {int(line.split(":")[1]) for line in checked(WRONG, tmp_path) if ": error:" in line}
    assert lines == {4, 5, 6, 7, 8, 9}
