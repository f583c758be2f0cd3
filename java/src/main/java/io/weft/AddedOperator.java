// What the library holds of an operator of the program's.
package io.weft;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

final class AddedOperator {
  private record Kind(String name, String kind) {}

  private final List<Kind> attributes = new ArrayList<>();
  private final int mostOutputs;
  private final BodyFunction body;

  AddedOperator(Operator op, BodyFunction body) {
    for (Attribute each : op.attributes()) attributes.add(new Kind(each.name(), each.kind()));
    List<Formal> outputs = op.outputs();
    boolean anyNumber = !outputs.isEmpty() && outputs.get(outputs.size() - 1).form() == Formal.VARIADIC;
    mostOutputs = anyNumber ? Integer.MAX_VALUE : outputs.size();
    this.body = body;
  }

  void build(long pointer, long[] inputs, long attrs, long[] outputs) throws Exception {
    List<Tensor> tensors = new ArrayList<>();
    try (Graph graph = Graph.over(pointer)) {
      List<Value> given = Collections.unmodifiableList(graph.values(inputs));
      List<Value> made = Check.notNull(body.build(graph, given, read(attrs, tensors)), "what the body gives");
      if (made.size() < outputs.length || made.size() > mostOutputs) {
        throw new IllegalArgumentException(
            "the body gave " + made.size() + " values, but the node has " + outputs.length + " outputs");
      }
      long[] ids = graph.ids(made, "what the body gives", true);
      System.arraycopy(ids, 0, outputs, 0, outputs.length);
    } finally {
      for (Tensor tensor : tensors) tensor.close();
    }
  }

  /** The attributes of a node; those that are tensors are added to a list, to be closed. */
  private Attrs read(long from, List<Tensor> tensors) {
    Attrs attrs = new Attrs();
    for (Kind each : attributes) {
      long found = Native.attrsGet(from, each.name());
      if (found == 0) continue;
      Tensor tensor = new Tensor(found);
      if (each.kind().equals("tensor")) {
        tensors.add(tensor);
        attrs.set(each.name(), tensor);
        continue;
      }
      try (tensor) {
        set(attrs, each, tensor);
      }
    }
    return attrs;
  }

  private static void set(Attrs attrs, Kind to, Tensor value) {
    switch (to.kind()) {
      case "float" -> attrs.set(to.name(), value.toDouble());
      case "string" -> attrs.set(to.name(), value.toStringArray()[0]);
      case "dtype" -> attrs.set(to.name(), DataType.of((int) value.toLong()));
      case "ints" -> attrs.set(to.name(), value.toLongArray());
      case "floats" -> attrs.set(to.name(), value.toDoubleArray());
      case "strings" -> attrs.set(to.name(), List.of(value.toStringArray()));
      default -> attrs.set(to.name(), value.toLong());
    }
  }
}
