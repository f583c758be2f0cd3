"""The C ABI as the headers declare it: every function with its arguments and documentation."""

import dataclasses
import functools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = ROOT / "c_api" / "include" / "weft"


@dataclasses.dataclass
class Argument:
    type: str  # "const weft_graph*", "int64_t"
    name: str

    @property
    def is_pointer(self):
        return self.type.endswith("*") or self.is_callback

    @property
    def is_callback(self):
        return self.type.endswith("_fn") or self.type == "weft_drop"


@dataclasses.dataclass
class Function:
    name: str
    result: str
    arguments: list
    doc: str
    header: str

    @property
    def can_fail(self):
        return self.result == "weft_status*"

    @property
    def prototype(self):
        arguments = ", ".join(f"{a.type} {a.name}" for a in self.arguments) or "void"
        return f"{self.result} {self.name}({arguments})"


DECLARATION = re.compile(
    r"(?:/\*\*(?P<doc>(?:[^*]|\*(?!/))*)\*/\n)?WEFT_API\s+(?P<result>[\w ]+?\*?)\s*(?P<name>weft_\w+)\((?P<arguments>[^)]*)\)",
    re.S,
)
CALLBACK = re.compile(r"typedef\s+([\w ]+\*?)\s*\(\*(\w+)\)\(([^)]*)\);", re.S)
HANDLE = re.compile(r"typedef struct (weft_\w+) \1;")
CONSTANT = re.compile(r"\b(WEFT_[A-Z0-9_]+) = (\d+)")


def headers():
    """The headers in the order in which weft.h includes them."""
    names = re.findall(r'#include "weft/(\w+\.h)"', (HEADERS / "weft.h").read_text())
    return [HEADERS / name for name in names]


def clean_doc(text):
    lines = [line.strip().removeprefix("*").strip() for line in text.strip().splitlines()]
    return " ".join(line for line in lines if line)


def parse_argument(text):
    match = re.fullmatch(r"\s*(.*?[\s*])(\w+)\s*", text, re.S)
    return Argument(re.sub(r"\s+", " ", match.group(1)).strip().replace(" *", "*"), match.group(2))


def parse_arguments(text):
    return [] if text.strip() in ("", "void") else [parse_argument(part) for part in text.split(",")]


@functools.cache
def functions():
    found = []
    for header in headers():
        for match in DECLARATION.finditer(header.read_text()):
            result = re.sub(r"\s+", " ", match["result"]).strip().replace(" *", "*")
            arguments = parse_arguments(match["arguments"])
            if match["doc"] is None:
                sys.exit(f"{header.name}: {match['name']} has no comment (/** ... */) directly above it")
            found.append(Function(match["name"], result, arguments, clean_doc(match["doc"]), header.name))
    return found


def callbacks():
    """Callback types: name, result and arguments."""
    found = []
    for header in headers():
        for result, name, arguments in CALLBACK.findall(header.read_text()):
            found.append((name, result.strip(), parse_arguments(arguments)))
    return found


@functools.cache
def handles():
    return [name for header in headers() for name in HANDLE.findall(header.read_text())]


def constants():
    """The numbers of the enums, by name without WEFT_."""
    text = "".join(header.read_text() for header in headers())
    return {name.removeprefix("WEFT_"): int(value) for name, value in CONSTANT.findall(text)}
