"""docs/operators.md and docs/layers.md: every operator and layer with what it takes and gives."""

import dataclasses
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

A layer is called for training or not (`training`); the default is not, in which Dropout passes its input on and BatchNorm uses its running averages.
Build the loss with training and what predicts without, over the same layers, as [examples/digits_cnn](../examples/digits_cnn) does.

What has no variables of its own is an operator and no layer, but for Flatten: pools, activations, losses ([operators.md](operators.md)). Where an operator takes more than
its layer offers (lengths of sequences, states to begin with, masks, caches), make variables for its weights and add it: `weft.InitialValue` draws what they begin with.
"""
INITIAL = "Initial value: "
# What stands above the operators of a chapter.
GROUPS = {"gradient": "Operators that gradients are made of; programs have no need to add them."}


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


def contents(groups):
    """A line of links for each group. GitHub's anchors are headings in lower case without dots, numbered where one was there."""
    taken = {}

    def link(heading):
        anchor = heading.lower().replace(".", "")
        taken[anchor] = number = taken.get(anchor, -1) + 1
        return f"[{heading}](#{anchor}{f'-{number}' if number else ''})"

    for group, ops in groups.items():
        yield f"- {link(group)}: {', '.join([link(op.full_name) for op in ops])}"


def layer_attribute(attr):
    """The kinds of initial values are listed once, above the layers."""
    return attribute(dataclasses.replace(attr, doc="Initial value.") if attr.doc.startswith(INITIAL) else attr)


def initial_values(layers):
    (text,) = {attr.doc for each in layers for attr in each.attrs if attr.doc.startswith(INITIAL)}
    return f"Initial values are {text.removeprefix(INITIAL)}"


def layer(each):
    lines = [f"## {each.name}", "", each.doc, "", f"- Input: {each.input}", f"- Output: {each.output}"]
    return lines + listed("Attributes", [layer_attribute(attr) for attr in each.attrs]) + [""]


def files():
    ops, layers = model.load()
    groups = {chapter: [] for chapter in sorted({op.chapter for op in ops})}
    for op in sorted(ops, key=lambda op: (op.domain, op.name)):
        groups[op.chapter].append(op)
    lines = [OPERATORS, *contents(groups), ""]
    for group, members in groups.items():
        lines += [f"## {group}", ""] + ([GROUPS[group], ""] if group in GROUPS else [])
        for op in members:
            lines += operator(op)
    yield "docs/operators.md", "\n".join(lines).rstrip("\n") + "\n"
    lines = [LAYERS, initial_values(layers), ""]
    for each in layers:
        lines += layer(each)
    yield "docs/layers.md", "\n".join(lines).rstrip("\n") + "\n"
