#!/usr/bin/env python3
"""Writes everything that is generated from the C headers, the operators, their cases and the programs of examples/tour.

    bindings/gen/generate.py            writes the files, and the tests made from tests/ops/*.case
    bindings/gen/generate.py --check    says which files are out of date, and fails if any is

bindings/ops.json is made first, from the library that WEFT_LIBRARY names (build/dev/c_api/libweft.so).
Each module named in LANGUAGES has `files()`, which yields paths under the root with their text; these are committed.
It may have `tests()` too, which are not: tools/test has them written.
"""

import importlib
import os
import pathlib
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
LANGUAGES = ("c", "fuzz", "cpp", "python_ops", "java", "go", "pages", "reference", "conformance")


def write(path, text, check):
    """True if the file was as it should be."""
    target = ROOT / path
    if target.exists() and target.read_text() == text:
        return True
    if not check:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    print(f"{path} {'is out of date' if check else 'written'}")
    return False


def main():
    check = sys.argv[1:] == ["--check"]
    library = os.environ.get("WEFT_LIBRARY") or ROOT / "build" / "dev" / "c_api" / "libweft.so"
    import describe

    fresh = write("bindings/ops.json", describe.describe(library), check)
    count = 1
    for language in LANGUAGES:
        if not (pathlib.Path(__file__).parent / f"{language}.py").exists():
            continue
        module = importlib.import_module(language)
        for path, text in module.files():
            fresh = write(path, text, check) and fresh
            count += 1
        if not check and hasattr(module, "tests"):
            for path, text in module.tests():
                write(path, text, check)
    if check and not fresh:
        sys.exit("run bindings/gen/generate.py and commit what it writes")
    print(f"{count} generated files are up to date" if fresh else "done")


if __name__ == "__main__":
    main()
