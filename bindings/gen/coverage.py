"""Where each operator is: the languages that have a function of it, and the devices that have a kernel."""

import functools
import importlib.machinery
import importlib.util
import re

import cpp
import go_ops
import java
import model
import python_ops

LANGUAGES = ("C++", "Python", "Java", "Go")
CUDA = model.ROOT / "plugins" / "cuda"
# A family's kernel is put in the list with the operator's name, or by a template that gets the list and the name.
KERNEL = re.compile(r'\ball(?:\.push_back\(\s*\{|,)\s*"([\w.]+)"')
# Elementwise ones are the rows of a table.
TABLE = re.compile(r"^const Row kRows\[\] = \{$(.*?)^\};$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r'^    \{\s*"([\w.]+)",', re.MULTILINE)


@functools.cache
def generated():
    """For each language the full names of the operators that a function is generated for."""
    ops, _ = model.load()
    return {
        "C++": {function.op.full_name for function in cpp.functions(ops)},
        "Python": {op.full_name for op, _ in python_ops.function_names(ops)},
        "Java": {method.op.full_name for method in java.methods(ops)},
        "Go": set(go_ops.functions()),
    }


@functools.cache
def by_hand():
    """For each function that is written by hand the languages that have it, as tools/check_names reads them."""
    path = str(model.ROOT / "tools" / "check_names")
    loader = importlib.machinery.SourceFileLoader("check_names", path)
    names = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_names", loader))
    loader.exec_module(names)
    return {member: set(calls) for member, calls in names.surfaces().items()}


def languages(op):
    """Of these four those with a function that makes the operator."""
    written = by_hand().get(f"Graph.{model.snake(op.name)}", set()) if not op.is_plain else set()
    return [language for language in LANGUAGES if language in written or op.full_name in generated()[language]]


@functools.cache
def cuda():
    """The operators that libweft_cuda has a kernel of, as its sources list them."""
    found = set()
    for family in re.findall(r"^void define_(\w+)\(Definitions& all\);$", (CUDA / "kernels.h").read_text(), re.MULTILINE):
        text = next(CUDA.glob(f"{family}.c[cu]")).read_text()
        ops = KERNEL.findall(text) + [op for table in TABLE.findall(text) for op in ROW.findall(table)]
        if not ops:
            raise ValueError(f"plugins/cuda/{family} defines kernels in a way that is not known here")
        found.update(ops)
    ops, _ = model.load()
    if unknown := {op for op in found if "." not in op} - {op.name for op in ops if not op.domain}:
        raise ValueError(f"plugins/cuda has kernels of no operator: {', '.join(sorted(unknown))}")
    return found


def devices(op):
    return ["cpu", *(["cuda"] if op.full_name in cuda() else [])]
