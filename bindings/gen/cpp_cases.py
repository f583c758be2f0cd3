"""C++ tests of every operator's cases, through the generated functions: cpp_cases.py <folder> writes them there.

The build calls it, so what it writes is never older than the cases.
"""

import math
import pathlib
import sys

import cases
import cpp
import model


def quote(text):
    """A C++ string literal of the text's bytes."""
    plain = {ord('"'): '\\"', ord("\\"): "\\\\"}
    return '"' + "".join(plain.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in text.encode()) + '"'


def word(value):
    """An element, as cases.h reads it."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, float) and (math.isnan(value) or math.isinf(value)):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return ("true" if value else "false") if isinstance(value, bool) else repr(value)


def type_text(tensor):
    return f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]"


def words(tensor):
    return " ".join(word(value) for value in tensor.values)


def literal(value):
    """A tensor, a sequence or nothing as the two strings of cases.h's Literal."""
    if value is None:
        return "{}"
    if isinstance(value, list):
        return f'{{"seq", {quote(" ".join(f"{type_text(item)}{{{words(item)}}}" for item in value))}}}'
    return f"{{{quote(type_text(value))}, {quote(words(value))}}}"


def literals(values):
    return f"{{{', '.join(literal(value) for _, value in values)}}}"


def plain(value, kind):
    """An attribute's value in C++; None if it is not of the kind."""
    if kind == "tensor":
        if not isinstance(value, cases.Literal):
            return None
        return f"tensor({quote(type_text(value))}, {quote(words(value))})"
    if kind == "string":
        return f"std::string({quote(value)})" if isinstance(value, str) else None
    if kind in ("int", "bool", "dtype") and not isinstance(value, int):
        return None
    if kind == "dtype" and not cases.fits_dtype(value):
        return None
    if kind == "bool":
        return "true" if value != 0 else "false"
    if kind in ("int", "dtype"):
        number = "INT64_MIN" if value == -(2**63) else str(value)  # whose digits alone are too many
        return f"int64_t{{{number}}}" if kind == "int" else f"static_cast<weft::DType>({number})"
    if kind == "float":
        if not isinstance(value, (int, float)):
            return None
        return repr(float(value)) if math.isfinite(value) else f'number("{word(float(value))}")'
    if not isinstance(value, list):
        return None
    items = [plain(item, kind[:-1]) for item in value]
    return None if None in items else f"{cpp.TYPES[kind]}{{{', '.join(items)}}}"


def any_attr(value):
    """The value as an attribute of Graph::add, which takes any kind."""
    kinds = ("tensor", "string", "int", "float", "ints", "floats", "strings")
    return next(text for text in (plain(value, kind) for kind in kinds) if text is not None)


def by_name(op, case):
    attrs = "".join(f".set({quote(name)}, {any_attr(value)})" for name, value in case.attrs.items())
    return ["c.line = __LINE__ + 1;",
            f'return c.graph.add("{op}", c.x, weft::Attrs(){attrs}, "", {max(1, len(case.outputs))});']


def attrs_of(function, case):
    """The statements that make the attributes; None if the struct cannot say what the case says."""
    op = function.op
    if any(name not in {attr.name for attr in op.attrs} for name in case.attrs):
        return None
    required, others = [], []
    for attr in op.attrs:
        if attr.name in case.attrs:
            value = plain(case.attrs[attr.name], attr.kind)
            if value is None:
                return None
            if attr.required:
                required.append(value)
            else:
                others.append(f"attrs.{cpp.cpp_name(attr.name)} = {value};")
        elif attr.required:
            return None
    return [f"weft::{function.attrs} attrs{{{', '.join(required)}}};", *others] if op.attrs else []


def by_function(function, case):
    """The statements that call the generated function; None if it cannot say what the case says."""
    op, given = function.op, case.inputs
    count = max(1, len(case.outputs))
    before = attrs_of(function, case)
    result = next((result for result in function.results if result[2] in (count, "outputs")), None)
    if before is None or result is None:
        return None
    needed, optional, at = ["c.graph"] if function.needs_graph else [], [], 0
    for formal in op.inputs:
        if formal.variadic:
            if any(value is None for _, value in given[at:]):
                return None
            needed.append(f"c.from({at})")
            at = len(given)
            continue
        present = at < len(given) and given[at][1] is not None
        if not present and not formal.optional:
            return None
        (optional if formal.optional else needed).append(f"c.x[{at}]" if present else "weft::Value()")
        at += 1
    if at < len(given):
        return None
    name, kind, made = result
    counts = [str(count)] if made == "outputs" else []
    attrs = ["attrs"] if op.attrs else []
    rest = attrs + optional if function.needs_attrs else optional + attrs
    call = f"weft::{name}({', '.join(needed + counts + rest)})"
    before.append("c.line = __LINE__ + 1;")
    if kind == function.outputs:
        return before + [f"auto made = {call};", f"return Values{{{', '.join(f'made.{field}' for field in function.fields)}}};"]
    return before + [f"return {f'Values{{{call}}}' if kind == 'Value' else call};"]


def test(file, function, case):
    body = (by_function(function, case) if function and not case.opset else None) or by_name(file.op, case)
    name = f"{{{quote(case.name)}, {case.opset}}}" if case.opset else quote(case.name)
    lines = [f"  {'fails' if case.fails else 'gives'}({name}, {literals(case.inputs)},", "    [](Case& c) {"]
    lines += [f"      {line}" for line in body]
    if case.fails:
        code, message = case.fails
        return lines + [f"    }}, WEFT_{code}, {quote(message)});"]
    relative, absolute = case.bounds
    return lines + [f"    }}, {literals(case.outputs)}, {relative}, {absolute});"]


def tests():
    """Each file's name and text."""
    functions = {function.op.full_name: function for function in cpp.functions(model.load()[0])}
    for path in cases.paths():
        file = cases.parse(path)
        lines = [f"// The cases of {file.op}: {cpp.NOTE}.", '#include "cases.h"', "", "namespace weft_cases {", "",
                 f"TEST_F(Cases, {model.test_name(file.op)}) {{"]
        lines += [line for case in file.buildable for line in test(file, functions.get(file.op), case)]
        yield f"{path.stem}.cc", "\n".join(lines + ["}", "", "}  // namespace weft_cases", ""])


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, text in tests():
        target = folder / name
        if not target.exists() or target.read_text() != text:
            target.write_text(text)


if __name__ == "__main__":
    main()
