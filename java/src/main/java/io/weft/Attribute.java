// An attribute of an operator of the program's.
package io.weft;

import java.util.List;

/** An attribute of an {@link Operator}. Without a default a node may lack it. */
public final class Attribute {
  private final String name;
  private final String kind;
  private Attrs defaults;
  private boolean required;
  private String doc = "";

  /**
   * An attribute that a node may lack.
   *
   * @param name an identifier
   * @param kind "int", "float", "string", "tensor", "bool", "dtype", "ints", "floats" or "strings"
   */
  public Attribute(String name, String kind) {
    this.name = Check.notNull(name, "name");
    this.kind = Check.notNull(kind, "kind");
  }

  /**
   * Gives it a default: an integer.
   *
   * @param value what it is where a node does not say
   * @return this
   */
  public Attribute defaultValue(long value) {
    defaults = new Attrs().set(name, value);
    return this;
  }

  /**
   * Gives it a default: a number.
   *
   * @param value what it is where a node does not say
   * @return this
   */
  public Attribute defaultValue(double value) {
    defaults = new Attrs().set(name, value);
    return this;
  }

  /**
   * Gives it a default: what is on or off.
   *
   * @param value what it is where a node does not say
   * @return this
   */
  public Attribute defaultValue(boolean value) {
    defaults = new Attrs().set(name, value);
    return this;
  }

  /**
   * Gives it a default: a string.
   *
   * @param value what it is where a node does not say
   * @return this
   */
  public Attribute defaultValue(String value) {
    defaults = new Attrs().set(name, value);
    return this;
  }

  /**
   * Gives it a default: an element type.
   *
   * @param value what it is where a node does not say
   * @return this
   */
  public Attribute defaultValue(DataType value) {
    defaults = new Attrs().set(name, value);
    return this;
  }

  /**
   * Gives it a default: a list of integers.
   *
   * @param value what it is where a node does not say
   * @return this
   */
  public Attribute defaultValue(long[] value) {
    defaults = new Attrs().set(name, value);
    return this;
  }

  /**
   * Gives it a default: a list of numbers.
   *
   * @param value what it is where a node does not say
   * @return this
   */
  public Attribute defaultValue(double[] value) {
    defaults = new Attrs().set(name, value);
    return this;
  }

  /**
   * Gives it a default: a list of strings.
   *
   * @param value what it is where a node does not say
   * @return this
   */
  public Attribute defaultValue(List<String> value) {
    defaults = new Attrs().set(name, value);
    return this;
  }

  /**
   * Gives it a default: a tensor, which must stay open until the operator is added.
   *
   * @param value what it is where a node does not say
   * @return this
   */
  public Attribute defaultValue(Tensor value) {
    defaults = new Attrs().set(name, value);
    return this;
  }

  /**
   * Makes it one that a node must have.
   *
   * @return this
   */
  public Attribute required() {
    required = true;
    return this;
  }

  /**
   * Says what it is, for people.
   *
   * @param doc the text
   * @return this
   */
  public Attribute doc(String doc) {
    this.doc = Check.notNull(doc, "doc");
    return this;
  }

  String name() {
    return name;
  }

  String kind() {
    return kind;
  }

  /** Declares it in a native schema. */
  void addTo(long schema) {
    long settings = Attrs.open(defaults);
    try {
      Native.schemaAddAttribute(schema, name, kind, required ? 1 : 0, settings, doc);
    } finally {
      Attrs.free(settings);
    }
  }
}
