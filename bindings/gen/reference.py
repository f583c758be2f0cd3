"""docs/operators.md and docs/layers.md: every operator and layer with what it takes and gives."""

import json

import model

OPERATORS = """# Operators

Generated from the library's own definitions. An operator without a domain is ONNX's, with its names and meaning, and so are
those of the domain `ai.onnx.ml`, classical machine learning; those of the domain `weft` are the library's own. Every language has a function for each; by name they are added with `weft_graph_add`
in C and `graph.add` elsewhere. A type variable, such as `T`, stands for one type throughout a node. Attributes without a
default must be given unless they are called optional. Every language takes its own bool for an attribute of the kind bool, and
its own element type for one of the kind dtype; in C they are integers: 1 or 0, and a number such as `WEFT_F32`.

Names follow the casing of the language: `Gemm(transA)` is `gemm(trans_a=…)` in Python and C++, `gemm(a, b, o -> o.transA(…))` in
Java, `ops.Gemm` with `GemmOptions{TransA: …}` in Go. Where an operator of the domain `weft` has the name of one of ONNX's, it
keeps the domain in front: `weft_dropout`, `weftDropout`, `WeftDropout`. Those of the domain `ai.onnx.ml` always have `ml` in front:
`ml_scaler`, `mlScaler`, `MlScaler`.

The types are those that an operator is defined for, and it computes with all of them. f16, bf16 and the smaller floats are computed
as f32 and rounded once, at the end of each operator; integers of 8 and 16 bits as i32, u32 as i64, and wrap around. What only moves elements
takes packed types, complex numbers and strings too.
"""
LAYERS = """# Layers

Generated from the library's own definitions. A layer makes variables once, named `<layer>/<variable>`, and is used as often as
it is called; `weft_layer_new` and `weft_layer_call` in C, a class or function for each elsewhere. Every language takes its own bool
for an attribute of the kind bool, and its own element type for one of the kind dtype; in C they are integers: 1 or 0, and a
number such as `WEFT_F32`. The output has a name of its own, that of the layer's last node; it can be renamed.
"""


def formal(item):
    notes = [item.type, *(["optional"] if item.optional else []), *(["any number"] if item.variadic else [])]
    return f"  - `{item.name}` ({', '.join(notes)}): {item.doc}"


def attribute(attr):
    if attr.required:
        note = "required"
    elif attr.default is None:
        note = "optional"
    else:
        note = f"default `{json.dumps(attr.default)}`"
    return f"  - `{attr.name}` ({attr.kind}, {note}): {attr.doc}"


def listed(title, lines):
    return [f"- {title}", *lines] if lines else []


def operator(op):
    lines = [f"### {op.full_name}", "", op.doc, ""]
    lines += listed("Inputs", [formal(each) for each in op.inputs])
    lines += listed("Outputs", [formal(each) for each in op.outputs])
    lines += listed("Attributes", [attribute(each) for each in op.attrs])
    lines += listed("Types", [f"  - `{name}`: {types}" for name, types in op.types.items()])
    if not op.differentiable:
        lines.append(f"- No gradient: {op.no_gradient}.")
    return lines + [""]


def layer(each):
    lines = [f"## {each.name}", "", each.doc, "", f"- Input: {each.input}", f"- Output: {each.output}"]
    return lines + listed("Attributes", [attribute(attr) for attr in each.attrs]) + [""]


def files():
    ops, layers = model.load()
    lines = [OPERATORS]
    for group in sorted({op.group for op in ops}):
        lines += [f"## {group}", ""]
        for op in sorted((op for op in ops if op.group == group), key=lambda op: (op.domain, op.name)):
            lines += operator(op)
    yield "docs/operators.md", "\n".join(lines).rstrip("\n") + "\n"
    lines = [LAYERS]
    for each in layers:
        lines += layer(each)
    yield "docs/layers.md", "\n".join(lines).rstrip("\n") + "\n"
