// An operator of the program's.
package io.weft;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An operator of the program's own, for {@link Weft#addOperator}: what it is called, takes and gives. */
public final class Operator {
  private final String name;
  private List<Formal> inputs = List.of();
  private List<Formal> outputs = List.of();
  private Map<String, List<DataType>> types = Map.of();
  private List<Attribute> attributes = List.of();
  private int version = 1;
  private String doc = "";

  /**
   * An operator without inputs, outputs and attributes.
   *
   * @param name a domain, a dot and an identifier: "com.acme.FastGelu"
   */
  public Operator(String name) {
    this.name = Check.notNull(name, "name");
  }

  /**
   * Says what it takes.
   *
   * @param inputs its inputs, in their order
   * @return this
   */
  public Operator inputs(Formal... inputs) {
    this.inputs = Check.items(Arrays.asList(Check.notNull(inputs, "inputs")), "inputs");
    return this;
  }

  /**
   * Says what it gives.
   *
   * @param outputs its outputs, in their order, at least one
   * @return this
   */
  public Operator outputs(Formal... outputs) {
    this.outputs = Check.items(Arrays.asList(Check.notNull(outputs, "outputs")), "outputs");
    return this;
  }

  /**
   * Declares type variables.
   *
   * @param types by their names, such as "T"; what is of one has one of these element types
   * @return this
   */
  public Operator types(Map<String, List<DataType>> types) {
    Map<String, List<DataType>> copy = new LinkedHashMap<>();
    for (Map.Entry<?, ?> entry : Check.notNull(types, "types").entrySet()) { // of a raw Map they may be anything
      String variable = Check.type(entry.getKey(), String.class, "a type variable");
      List<?> dtypes = Check.type(entry.getValue(), List.class, "types[" + variable + "]");
      copy.put(
          variable,
          dtypes.stream().map(each -> Check.type(each, DataType.class, "types[" + variable + "]")).toList());
    }
    this.types = copy;
    return this;
  }

  /**
   * Says which attributes it has.
   *
   * @param attributes the attributes
   * @return this
   */
  public Operator attributes(Attribute... attributes) {
    this.attributes = Check.items(Arrays.asList(Check.notNull(attributes, "attributes")), "attributes");
    return this;
  }

  /**
   * Sets the version of its domain, which saved files name.
   *
   * @param version 1, the default, or more
   * @return this
   */
  public Operator version(int version) {
    this.version = version;
    return this;
  }

  /**
   * Says what it computes, for people.
   *
   * @param doc the text
   * @return this
   */
  public Operator doc(String doc) {
    this.doc = Check.notNull(doc, "doc");
    return this;
  }

  List<Formal> outputs() {
    return outputs;
  }

  List<Attribute> attributes() {
    return attributes;
  }

  /** The native schema, which the caller frees. */
  long open() {
    long schema = Native.schemaNew(name, version, doc);
    try {
      for (Map.Entry<String, List<DataType>> entry : types.entrySet()) {
        List<String> dtypes = entry.getValue().stream().map(DataType::toString).toList();
        Native.schemaAddType(schema, entry.getKey(), String.join(", ", dtypes));
      }
      for (Formal each : inputs) Native.schemaAddInput(schema, each.name(), each.type(), each.form(), each.doc());
      for (Formal each : outputs) Native.schemaAddOutput(schema, each.name(), each.type(), each.form(), each.doc());
      for (Attribute each : attributes) each.addTo(schema);
      return schema;
    } catch (RuntimeException | Error e) {
      Native.schemaFree(schema);
      throw e;
    }
  }
}
