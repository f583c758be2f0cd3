"""Everything generated for Java: Native with its forwards, Ops, Layers, and the tests of the operators' cases."""

import html
import json
import re
import textwrap

import java_cases
import java_native
import model
from java_native import HEADER

OPSET = 26  # the operators' version that the methods are for
KEYWORDS = {"default", "float", "int", "long", "double", "boolean", "byte", "short", "char", "if", "else", "for", "do",
            "switch", "case", "new", "this", "super", "class", "return", "true", "false", "null", "final", "static",
            "options", "name", "graph",
            "settings", "given", "made"}
TYPES = {"int": "long", "bool": "boolean", "dtype": "DataType", "float": "double", "string": "String", "ints": "long...", "floats": "double...",
         "strings": "List<String>", "tensor": "Tensor", "graph": "Graph"}


def identifier(name):
    name = model.camel(name)
    return name + "Value" if name in KEYWORDS else name


def attr_type(attr):
    return TYPES[attr.kind]


def attr_value(attr, variable):
    return f"{variable}.number()" if attr.kind == "dtype" else variable


def doc_text(text):
    """A doc of an operator as Javadoc."""
    parts = re.split(r"`([^`]*)`", text.replace("*/", "*&#47;"))
    for i, part in enumerate(parts):
        if i % 2 == 0 or part.count("{") != part.count("}"):
            parts[i] = html.escape(part, quote=False).replace("@", "&#64;")
            if i % 2:
                parts[i] = f"<code>{parts[i]}</code>"
        else:
            parts[i] = "{@code " + part.replace("\n", " ") + "}"
    return " ".join("".join(parts).split()).replace("\\", "&#92;")


def lower_first(text):
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def default_text(attr):
    if attr.default is None or attr.default in ("", []):
        return ""
    return f" Default: {json.dumps(attr.default) if attr.kind == 'bool' else attr.default}."


def javadoc(indent, *paragraphs, tags=()):
    """A comment of paragraphs and tags."""
    width = 118 - indent
    lines = []
    for i, paragraph in enumerate(paragraphs):
        if i:
            lines.append("")
        lines += textwrap.wrap(("<p>" if i else "") + paragraph, width, break_long_words=False, break_on_hyphens=False)
    if tags:
        lines.append("")
    for tag in tags:
        lines += textwrap.wrap(tag, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    pad = " " * indent
    return "\n".join([f"{pad}/**"] + [f"{pad} * {line}".rstrip() for line in lines] + [f"{pad} */"])


class Method:
    """What the method of an operator is made of."""

    def __init__(self, op, taken):
        self.op = op
        prefix = op.prefix(model.camel(op.name) in taken)
        self.name = prefix + op.name if prefix else model.camel(op.name)
        taken.add(self.name)
        self.pascal = self.name[0].upper() + self.name[1:]
        self.required_inputs = [formal for formal in op.inputs if not formal.optional]
        self.optional_inputs = [formal for formal in op.inputs if formal.optional]
        self.required_attrs = [attr for attr in op.attrs if attr.required]
        self.optional_attrs = [attr for attr in op.attrs if not attr.required]
        names = [identifier(x.name) for x in op.inputs + op.attrs]
        self.clash = {name for name in names if names.count(name) > 1}

    @property
    def has_settings(self):
        return bool(self.optional_inputs or self.optional_attrs)

    @property
    def options(self):
        return self.pascal + "Options" if self.has_settings else "NodeOptions"

    @property
    def results(self):
        """The Java type of the result with all outputs."""
        if self.op.variadic_output:
            return "List<Value>"
        return "Value" if len(self.op.outputs) == 1 else self.pascal + "Outputs"

    def attr_name(self, attr):
        name = identifier(attr.name)
        return name + "Attr" if name in self.clash else name

    def parameters(self):
        found = []
        for formal in self.required_inputs:
            kind = "List<Value>" if formal.variadic else "Value"
            found.append((kind, identifier(formal.name), doc_text(formal.doc)))
        if self.op.variadic_output:
            found.append(("int", "outputCount", "how many outputs to take"))
        for attr in self.required_attrs:
            kind = attr_type(attr).replace("...", "[]")
            found.append((kind, self.attr_name(attr), doc_text(attr.doc)))
        return found

    def doc(self, returns, parameters):
        op = self.op
        facts = ", ".join(f"{name}: {types}" for name, types in op.types.items())
        notes = [f"Operator {op.full_name}." + (f" Element types: {facts}." if facts else "")]
        if op.no_gradient:
            notes[0] += f" Not differentiable: {doc_text(op.no_gradient)}."
        tags = [f"@param {name} {lower_first(doc)}" for _, name, doc in parameters] + [f"@return {lower_first(returns)}"]
        return javadoc(2, doc_text(op.doc), *notes, tags=tags)

    def returns(self):
        op = self.op
        return doc_text(op.outputs[0].doc) if len(op.outputs) == 1 else "the outputs"

    def java(self):
        parts = []
        op = self.op
        if self.has_settings:
            parts.append(self.options_java())
        if self.results.endswith("Outputs"):
            parts.append(self.outputs_java())
        if op.required_outputs == 1 and len(op.outputs) > 1:
            parts += self.overloads(self.name, "Value", doc_text(op.outputs[0].doc), 1)
            parts += self.overloads(self.name + "Outputs", self.results, "all outputs", len(op.outputs))
        else:
            parts += self.overloads(self.name, self.results, self.returns(), len(op.outputs))
        return "\n\n".join(parts)

    def overloads(self, name, result, returns, outputs):
        plain = self.parameters()
        names = ", ".join([n for _, n, _ in plain] + ["options -> {}"])
        short = (self.doc(returns, plain) + "\n"
                 + signature(result, name, plain) + f"\n    return {name}({names});\n  }}")
        full = plain + [(f"Consumer<{self.options}>", "options", "sets the rest")]
        return [short, self.doc(returns, full) + "\n" + signature(result, name, full) + "\n" + self.body(result, outputs)]

    def body(self, result, outputs):
        lines = [f"{self.options} settings = new {self.options}();", 'Check.notNull(options, "options").accept(settings);']
        for attr in self.required_attrs:
            variable = self.attr_name(attr)
            if attr.kind not in ("int", "bool", "float"):
                lines.append(f'Check.notNull({variable}, "{variable}");')
            lines.append(f'settings.attrs.set("{attr.name}", {attr_value(attr, variable)});')
        inputs = []
        for formal in self.op.inputs:
            variable = identifier(formal.name)
            inputs.append(f"settings.{variable}" if formal.optional else variable)
            if not formal.optional:
                lines.append(f'Check.notNull({variable}, "{variable}");')
        if self.op.inputs and self.op.inputs[-1].variadic:
            last = inputs.pop()
            fixed = f"Arrays.<Value>asList({', '.join(inputs)})" if inputs else "List.of()"
            lines.append(f"List<Value> given = new ArrayList<>({fixed});")
            lines.append(f'given.addAll(Check.items({last}, "{last}"));' if not self.op.inputs[-1].optional
                         else f"if ({last} != null) given.addAll({last});")
            given = "given"
        else:
            given = f"Arrays.<Value>asList({', '.join(inputs)})"
        count = "outputCount" if self.op.variadic_output else outputs
        call = f'add("{self.op.full_name}", {given}, settings, {count})'
        if result == "Value":
            lines.append(f"return {call}.get(0);")
        elif result == "List<Value>":
            lines.append(f"return {call};")
        else:
            lines.append(f"List<Value> made = {call};")
            lines.append(f"return new {result}({', '.join(f'made.get({i})' for i in range(outputs))});")
        return "\n".join("    " + line for line in lines) + "\n  }"

    def outputs_java(self):
        tags = [f"@param {identifier(o.name)} {lower_first(doc_text(o.doc))}" for o in self.op.outputs]
        head = ", ".join(f"Value {identifier(o.name)}" for o in self.op.outputs)
        return (javadoc(2, f"The outputs of {self.op.full_name}.", tags=tags)
                + f"\n  public record {self.pascal}Outputs({head}) {{}}")

    def options_java(self):
        owner = self.options
        parts = [javadoc(2, f"What can be set at {self.op.full_name}.")
                 + f"\n  public static final class {owner} extends NodeOptions {{\n    private {owner}() {{}}"]
        for formal in self.optional_inputs:
            kind = "List<Value>" if formal.variadic else "Value"
            variable = identifier(formal.name)
            parts[0] = parts[0].replace(f"    private {owner}() {{}}", f"    private {kind} {variable};\n\n    private {owner}() {{}}")
            doc = javadoc(4, doc_text(formal.doc),
                          tags=["@param value the input; null leaves it out", "@return this"])
            parts.append(f"{doc}\n    public {owner} {variable}({kind} value) {{\n      {variable} = value;\n"
                         f"      return this;\n    }}")
        parts += [setter(attr, self.attr_name(attr), owner) for attr in self.optional_attrs]
        parts.append(f"    @Override\n    public {owner} name(String name) {{\n      super.name(name);\n      return this;\n    }}")
        return "\n\n".join(parts) + "\n  }"


def setter(attr, name, owner):
    kind = attr_type(attr)
    doc = javadoc(4, doc_text(attr.doc) + html.escape(default_text(attr), quote=False),
                  tags=["@param value the value", "@return this"])
    check = '      Check.notNull(value, "value");\n' if attr.kind == "dtype" else ""
    return (f"{doc}\n    public {owner} {name}({kind} value) {{\n{check}"
            f'      attrs.set("{attr.name}", {attr_value(attr, "value")});\n      return this;\n    }}')


def signature(result, name, parameters):
    arguments = [f"{kind} {variable}" for kind, variable, _ in parameters]
    line = f"  public {result} {name}({', '.join(arguments)}) {{"
    if len(line) <= 120:
        return line
    return f"  public {result} {name}(\n      " + ",\n      ".join(arguments) + ") {"


def methods(ops):
    taken = set()
    return [Method(op, taken) for op in ops if op.is_plain]


def ops_java(ops):
    head = f"""// The operators as methods; {HEADER}.
package io.weft;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/** Adds operators to a graph: one method for each, as {{@code graph.ops().matMul(a, b)}}. */
public final class Ops {{
  /** The version of ONNX's operators that the methods are for. */
  static final int OPSET = {OPSET};

  private final Graph graph;

  Ops(Graph graph) {{
    this.graph = graph;
  }}

  private List<Value> add(String op, List<Value> inputs, NodeOptions settings, int outputs) {{
    int given = inputs.size();
    while (given > 0 && inputs.get(given - 1) == null) --given;
    return graph.add(op, inputs.subList(0, given), settings.attrs, settings.name, outputs);
  }}

"""
    return head + "\n\n".join(method.java() for method in methods(ops)) + "\n}\n"


def layer_java(layer):
    name, owner = model.camel(layer.name), layer.name + "Options"
    required = [attr for attr in layer.attrs if attr.required]
    optional = [attr for attr in layer.attrs if not attr.required]
    parts = []
    options = owner if optional else ""
    if optional:
        body = "\n\n".join([f"    private {owner}() {{}}"] + [setter(attr, identifier(attr.name), owner) for attr in optional])
        parts.append(javadoc(2, f"What can be set at a {layer.name} layer.")
                     + f"\n  public static final class {owner} {{\n    private final Attrs attrs = new Attrs();\n\n{body}\n  }}")
    parameters = [("String", "name", "the layer's name, with which the names of its variables begin")]
    parameters += [(attr_type(a).replace("...", "[]"), identifier(a.name), doc_text(a.doc)) for a in required]
    io = f"Input: {doc_text(layer.input)} Output: {doc_text(layer.output)}"

    def doc(parameters):
        tags = [f"@param {variable} {lower_first(text)}" for _, variable, text in parameters] + ["@return the layer"]
        return javadoc(2, doc_text(layer.doc), io, tags=tags)

    def body(attrs):
        lines = [f'{attrs}.set("{a.name}", {attr_value(a, identifier(a.name))});' for a in required]
        return lines + [f'return graph.layer("{layer.name}", {attrs}, name);']

    if optional:
        names = ", ".join([variable for _, variable, _ in parameters] + ["options -> {}"])
        parts.append(doc(parameters) + "\n" + signature("Layer", name, parameters)
                     + f"\n    return {name}({names});\n  }}")
        full = parameters + [(f"Consumer<{options}>", "options", "sets the rest")]
        lines = [f"{owner} settings = new {owner}();", 'Check.notNull(options, "options").accept(settings);']
        lines += body("settings.attrs")
    else:
        full = parameters
        lines = ["Attrs attrs = new Attrs();"] + body("attrs")
    parts.append(doc(full) + "\n" + signature("Layer", name, full) + "\n"
                 + "\n".join("    " + line for line in lines) + "\n  }")
    return "\n\n".join(parts)


def layers_java(layers):
    head = f"""// The layers as methods; {HEADER}.
package io.weft;

import java.util.function.Consumer;

/** Makes layers in a graph: one method for each kind, as {{@code graph.layers().dense("hidden", 64, 32)}}. */
public final class Layers {{
  private final Graph graph;

  Layers(Graph graph) {{
    this.graph = graph;
  }}

"""
    return head + "\n\n".join(layer_java(layer) for layer in layers) + "\n}\n"


def files():
    ops, layers = model.load()
    base = "java/src/main/java/io/weft/"
    yield base + "Native.java", java_native.native_java()
    yield from java_native.native_cc()
    yield base + "Ops.java", ops_java(ops)
    yield base + "Layers.java", layers_java(layers)


def tests():
    return java_cases.tests(model.load()[0])
