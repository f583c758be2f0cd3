// Values of graphs.
package io.weft;

/**
 * A value of a graph: an input, a constant, a variable or an output of a node. Equal if it is the same value of the same
 * graph. The methods for operators have the names that Kotlin calls for its operators.
 */
public final class Value {
  private final Graph graph;
  private final long id;

  Value(Graph graph, long id) {
    this.graph = graph;
    this.id = id;
  }

  long id() {
    return id;
  }

  /**
   * The graph of this value.
   *
   * @return the graph
   */
  public Graph graph() {
    return graph;
  }

  /**
   * The name of this value.
   *
   * @return the name, which no other value of the graph has
   */
  public String name() {
    String[] name = new String[1];
    return graph.with(
        pointer -> {
          Native.graphValue(pointer, id, name, null, null, null);
          return name[0];
        });
  }

  /**
   * Renames this value.
   *
   * @param name the new name
   * @return this
   */
  public Value named(String name) {
    Check.notNull(name, "name");
    return graph.with(
        pointer -> {
          Native.graphSetName(pointer, id, name);
          return this;
        });
  }

  /**
   * The type of the elements.
   *
   * @return the type, or null if it is not known
   */
  public DataType dtype() {
    int[] dtype = new int[1];
    return graph.with(
        pointer -> {
          Native.graphValue(pointer, id, null, null, dtype, null);
          return DataType.of(dtype[0]);
        });
  }

  /**
   * The dimensions.
   *
   * @return the numbers, -1 for what is no number; null if the rank is not known
   */
  public long[] dims() {
    int[] rank = new int[1];
    return graph.with(
        pointer -> {
          Native.graphValue(pointer, id, null, null, null, rank);
          if (rank[0] < 0) return null;
          long[] dims = new long[rank[0]];
          Native.graphValueDims(pointer, id, dims);
          return dims;
        });
  }

  /**
   * The shape as text.
   *
   * @return such as "[batch, 3]", or "[...]" if the rank is not known
   */
  public String shape() {
    return graph.with(pointer -> Memory.text(Native.graphValueShape(pointer, id)));
  }

  // A number as a constant of this value's type.
  private Value like(double number) {
    DataType dtype = dtype();
    if (dtype == DataType.F32) return graph.constant((float) number);
    if (dtype == DataType.F64) return graph.constant(number);
    Check.argument(
        dtype == null || dtype.toString().contains("f") || number == Math.rint(number),
        number + " is no " + dtype + ", the type of " + this);
    return graph.ops().cast(graph.constant(number), dtype);
  }

  /**
   * Adds.
   *
   * @param other what to add
   * @return the sum
   */
  public Value plus(Value other) {
    return graph.ops().add(this, other);
  }

  /**
   * Adds a number.
   *
   * @param number what to add
   * @return the sum
   */
  public Value plus(double number) {
    return plus(like(number));
  }

  /**
   * Subtracts.
   *
   * @param other what to subtract
   * @return the difference
   */
  public Value minus(Value other) {
    return graph.ops().sub(this, other);
  }

  /**
   * Subtracts a number.
   *
   * @param number what to subtract
   * @return the difference
   */
  public Value minus(double number) {
    return minus(like(number));
  }

  /**
   * Multiplies element by element.
   *
   * @param other the factor
   * @return the product
   */
  public Value times(Value other) {
    return graph.ops().mul(this, other);
  }

  /**
   * Multiplies with a number.
   *
   * @param number the factor
   * @return the product
   */
  public Value times(double number) {
    return times(like(number));
  }

  /**
   * Divides element by element.
   *
   * @param other the divisor
   * @return the quotient
   */
  public Value div(Value other) {
    return graph.ops().div(this, other);
  }

  /**
   * Divides by a number.
   *
   * @param number the divisor
   * @return the quotient
   */
  public Value div(double number) {
    return div(like(number));
  }

  /**
   * Changes the sign.
   *
   * @return the negative
   */
  public Value unaryMinus() {
    return graph.ops().neg(this);
  }

  /**
   * Multiplies matrices.
   *
   * @param other the right factor
   * @return the product
   */
  public Value matMul(Value other) {
    return graph.ops().matMul(this, other);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Value value && value.id == id;
  }

  @Override
  public int hashCode() {
    return Long.hashCode(id);
  }

  /**
   * Name, type and shape.
   *
   * @return such as "x f32[batch, 3]"
   */
  @Override
  public String toString() {
    return graph.isOpen() ? name() + " " + dtype() + shape() : "value of a closed graph";
  }
}
