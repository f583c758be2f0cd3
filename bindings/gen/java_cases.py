"""Java tests of every operator's cases, through the generated methods."""

import json
import math
import re
import textwrap

import cases
import java
import model
from java_native import HEADER

# Methods that every object has.
OF_OBJECTS = {"clone", "equals", "finalize", "getClass", "hashCode", "notify", "notifyAll", "toString", "wait"}


def literal_text(value):
    if isinstance(value, float) and (math.isnan(value) or math.isinf(value)):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return ("true" if value else "false") if isinstance(value, bool) else repr(value)


def number_java(value):
    text = literal_text(value)
    names = {"NaN": "NaN", "Infinity": "POSITIVE_INFINITY", "-Infinity": "NEGATIVE_INFINITY"}
    return f"Double.{names[text]}" if text in names else text


def quote(text):
    """A Java string literal."""
    return json.dumps(text)


def tensor(literal):
    """The Java that makes a tensor, or says what one should be."""
    shape = f"{literal.dtype}[{','.join(map(str, literal.shape))}]"
    if literal.dtype == "string":
        return f"Cases.tensor({', '.join([quote(shape)] + [quote(v) for v in literal.values])})"
    lines = textwrap.wrap(" ".join(literal_text(v) for v in literal.values), 90) or [""]
    values = " \"\n                + \"".join(lines)
    return f'Cases.tensor({quote(shape)}, "{values}")'


def value(given):
    """The Java that makes a tensor or a sequence, or says that there is none."""
    if isinstance(given, list):
        return f"Cases.sequence({', '.join(map(tensor, given))})"
    return "(Tensor) null" if given is None else tensor(given)


def number_list(values, kind):
    return ", ".join(f"{v}L" if kind == "ints" else number_java(float(v)) for v in values)


def attr_java(attr, value):
    """The attribute as an argument; None if its type does not fit."""
    fits = {"int": int, "bool": int, "dtype": int, "float": (int, float), "string": str, "ints": list, "floats": list, "strings": list,
            "tensor": cases.Literal}
    if attr.kind not in fits or not isinstance(value, fits[attr.kind]):
        return None
    if attr.kind == "bool":
        return json.dumps(bool(value))
    if attr.kind == "dtype":
        names = list(DTYPES)
        return f"DataType.{names[value - 1]}" if 1 <= value <= len(names) else None
    if attr.kind == "int":
        return f"{value}L"
    if attr.kind == "float":
        return number_java(float(value))
    if attr.kind == "string":
        return quote(value)
    if attr.kind == "strings":
        return f"List.of({', '.join(map(quote, value))})"
    if attr.kind == "tensor":
        return tensor(value)
    if any(not isinstance(v, (int, float)) or (attr.kind == "ints" and not isinstance(v, int)) for v in value):
        return None
    return f"new {'long' if attr.kind == 'ints' else 'double'}[] {{{number_list(value, attr.kind)}}}"


DTYPES = ("F32 U8 I8 U16 I16 I32 I64 STRING BOOL F16 F64 U32 U64 C64 C128 BF16 F8E4M3FN F8E4M3FNUZ F8E5M2 F8E5M2FNUZ "
          "U4 I4 F4E2M1 F8E8M0 U2 I2").split()


def plain_attr(name, value):
    """An attribute of the call by the operator's name, which may be of any type."""
    if isinstance(value, list):
        if value and isinstance(value[0], str):
            return f".set({quote(name)}, List.of({', '.join(map(quote, value))}))"
        kind = "ints" if all(isinstance(v, int) for v in value) else "floats"
        return f".set({quote(name)}, new {'long' if kind == 'ints' else 'double'}[] {{{number_list(value, kind)}}})"
    if isinstance(value, cases.Literal):
        return f".set({quote(name)}, {tensor(value)})"
    if isinstance(value, str):
        return f".set({quote(name)}, {quote(value)})"
    return f".set({quote(name)}, {value}L)" if isinstance(value, int) else f".set({quote(name)}, {number_java(value)})"


def by_name(op, case):
    attrs = "".join(plain_attr(name, value) for name, value in case.attrs.items())
    return f'g.add({quote(op)}, x, new Attrs(){attrs}, null, {max(1, len(case.outputs))})'


def by_method(method, case):
    """The call of the generated method; None if it cannot say what the case says."""
    from java import identifier

    op, given = method.op, case.inputs
    required, settings = [], []
    attrs = {attr.name: attr for attr in op.attrs}
    if any(name not in attrs for name in case.attrs):
        return None
    at = 0
    for formal in op.inputs:
        if formal.variadic:
            rest = range(at, len(given))
            if formal.optional or any(given[i][1] is None for i in rest):
                return None
            required.append(f"x.subList({at}, {len(given)})")
            at = len(given)
        elif formal.optional:
            if at < len(given) and given[at][1] is not None:
                settings.append(f".{identifier(formal.name)}(x.get({at}))")
            at += 1
        else:
            if at >= len(given) or given[at][1] is None:
                return None
            required.append(f"x.get({at})")
            at += 1
    if at < len(given):
        return None
    count = len(case.outputs)
    if op.variadic_output:
        required.append(str(max(1, count)))
    for attr in op.attrs:
        value = attr_java(attr, case.attrs[attr.name]) if attr.name in case.attrs else None
        if attr.required:
            if value is None:
                return None
            required.append(value)
        elif attr.name in case.attrs:
            if value is None:
                return None
            settings.append(f".{method.attr_name(attr)}({value})")
    if settings:
        required.append("o -> o" + "".join(settings))
    arguments = ", ".join(required)
    if op.variadic_output:
        return f"g.ops().{method.name}({arguments})"
    if len(op.outputs) == 1:
        return f"List.of(g.ops().{method.name}({arguments}))" if count < 2 else None
    if count > len(op.outputs):
        return None
    if op.required_outputs == 1 and count < 2:
        return f"List.of(g.ops().{method.name}({arguments}))"
    name = method.name + ("Outputs" if op.required_outputs == 1 else "")
    outputs = ", ".join(f"y.{identifier(o.name)}()" for o in op.outputs[:max(1, count)])
    return f"{{\n          var y = g.ops().{name}({arguments});\n          return List.of({outputs});\n        }}"


def test_name(name, taken):
    name = re.sub(r"\W", "_", name)
    name = model.camel(name) if "_" in name else name
    name = name if name[0].isalpha() else "case" + name
    while name in taken or name in java.KEYWORDS or name in OF_OBJECTS:
        name += "Case"
    taken.add(name)
    return name


def items(values):
    return "Arrays.asList(" + ",\n            ".join(value(v) for _, v in values) + ")"


def test_java(file, method, case, taken):
    built = by_method(method, case) if method else None
    build = f"(g, x) -> {built or by_name(file.op, case)}"
    lines = [f"  @Test\n  void {test_name(case.name, taken)}() {{"]
    if case.fails:
        code, message = case.fails
        lines.append(f"    Cases.fails(\n        {build},\n        {items(case.inputs)},\n"
                     f"        ErrorCode.{code},\n        {quote(message)});")
    else:
        relative, absolute = case.bounds
        lines.append(f"    Cases.check(\n        {build},\n        {items(case.inputs)},\n"
                     f"        {items(case.outputs)},\n        {relative}, {absolute});")
    return "\n".join(lines + ["  }"])


def tests(ops):
    methods = {method.op.full_name: method for method in java.methods(ops)}
    for file in cases.load():
        found = [case for case in file.cases if not case.opset]  # graphs are of the newest operators
        if not found:
            continue
        name = model.test_name(file.op) + "CasesTest"
        used = set()
        tests = "\n\n".join(test_java(file, methods.get(file.op), case, used) for case in found)
        imports = [f"io.weft.{type}" for type in ("Attrs", "DataType", "ErrorCode", "Tensor")
                   if re.search(rf"\b{type}\b", tests)]
        imports += ["io.weft.test.Cases", "java.util.Arrays"] + (["java.util.List"] if "List.of" in tests else [])
        head = "".join(f"import {i};\n" for i in imports + ["org.junit.jupiter.api.Test"])
        yield (f"java/src/test/java/io/weft/cases/{name}.java",
               f"// The cases of {file.op}; {HEADER}.\npackage io.weft.cases;\n\n{head}\n"
               f"class {name} {{\n{tests}\n}}\n")
