// Values of graphs.
package io.weft;

import java.util.List;
import java.util.Locale;

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
   * What a run gives for the value.
   *
   * @return the kind
   */
  public Tensor.Kind kind() {
    int[] kind = new int[1];
    return graph.with(
        pointer -> {
          Native.graphValue(pointer, id, null, kind, null, null);
          return Tensor.Kind.values()[kind[0]];
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
        dtype == null || dtype.holds(number),
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
   * Divides element by element and keeps what is left, with the sign of this value as {@code %} has it.
   *
   * @param other the divisor
   * @return the remainder
   */
  public Value rem(Value other) {
    return graph.ops().mod(this, other, o -> o.fmod(true));
  }

  /**
   * Divides by a number and keeps what is left, with the sign of this value as {@code %} has it.
   *
   * @param number the divisor
   * @return the remainder
   */
  public Value rem(double number) {
    return rem(like(number));
  }

  /**
   * Raises to a power, element by element.
   *
   * @param other the exponent
   * @return the power
   */
  public Value pow(Value other) {
    return graph.ops().pow(this, other);
  }

  /**
   * Raises to a power.
   *
   * @param number the exponent
   * @return the power
   */
  public Value pow(double number) {
    return pow(like(number));
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
   * Takes the sign away.
   *
   * @return the absolute value
   */
  public Value abs() {
    return graph.ops().abs(this);
  }

  /**
   * Takes an element of the first dimension, such as a row of a matrix; of the second dimension for the second index, and
   * so on.
   *
   * @param indices from 0; negative ones count from the end
   * @return what is there, with as many dimensions less
   */
  public Value get(long... indices) {
    Check.argument(Check.notNull(indices, "indices").length > 0, "there is no index");
    Value found = this;
    for (long i : indices) found = found.get(graph.constant(i));
    return found;
  }

  /**
   * Takes elements of the first dimension.
   *
   * @param indices integers from 0; negative ones count from the end
   * @return what is there: the dimensions of the indices, then those of this value without the first
   */
  public Value get(Value indices) {
    return graph.ops().gather(this, indices);
  }

  /**
   * Whether each element is less than that of another value.
   *
   * @param other what to compare with
   * @return a bool value
   */
  public Value less(Value other) {
    return graph.ops().less(this, other);
  }

  /**
   * Whether each element is less than a number.
   *
   * @param number what to compare with
   * @return a bool value
   */
  public Value less(double number) {
    return less(like(number));
  }

  /**
   * Whether each element is less than or equal to that of another value.
   *
   * @param other what to compare with
   * @return a bool value
   */
  public Value lessOrEqual(Value other) {
    return graph.ops().lessOrEqual(this, other);
  }

  /**
   * Whether each element is less than or equal to a number.
   *
   * @param number what to compare with
   * @return a bool value
   */
  public Value lessOrEqual(double number) {
    return lessOrEqual(like(number));
  }

  /**
   * Whether each element is greater than that of another value.
   *
   * @param other what to compare with
   * @return a bool value
   */
  public Value greater(Value other) {
    return graph.ops().greater(this, other);
  }

  /**
   * Whether each element is greater than a number.
   *
   * @param number what to compare with
   * @return a bool value
   */
  public Value greater(double number) {
    return greater(like(number));
  }

  /**
   * Whether each element is greater than or equal to that of another value.
   *
   * @param other what to compare with
   * @return a bool value
   */
  public Value greaterOrEqual(Value other) {
    return graph.ops().greaterOrEqual(this, other);
  }

  /**
   * Whether each element is greater than or equal to a number.
   *
   * @param number what to compare with
   * @return a bool value
   */
  public Value greaterOrEqual(double number) {
    return greaterOrEqual(like(number));
  }

  /**
   * Whether each element is equal to that of another value.
   *
   * @param other what to compare with
   * @return a bool value
   */
  public Value equal(Value other) {
    return graph.ops().equal(this, other);
  }

  /**
   * Whether each element is equal to a number.
   *
   * @param number what to compare with
   * @return a bool value
   */
  public Value equal(double number) {
    return equal(like(number));
  }

  /**
   * Whether each element is other than that of another value.
   *
   * @param other what to compare with
   * @return a bool value
   */
  public Value notEqual(Value other) {
    return graph.ops().not(equal(other));
  }

  /**
   * Whether each element is other than a number.
   *
   * @param number what to compare with
   * @return a bool value
   */
  public Value notEqual(double number) {
    return notEqual(like(number));
  }

  /**
   * Whether both are true, element by element.
   *
   * @param other a bool value, as this is
   * @return a bool value
   */
  public Value and(Value other) {
    return graph.ops().and(this, other);
  }

  /**
   * Whether at least one is true, element by element.
   *
   * @param other a bool value, as this is
   * @return a bool value
   */
  public Value or(Value other) {
    return graph.ops().or(this, other);
  }

  /**
   * Whether just one is true, element by element.
   *
   * @param other a bool value, as this is
   * @return a bool value
   */
  public Value xor(Value other) {
    return graph.ops().xor(this, other);
  }

  /**
   * Whether each element is false.
   *
   * @return a bool value
   */
  public Value not() {
    return graph.ops().not(this);
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

  /**
   * Adds up the elements over axes, which go.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @return the sum
   */
  public Value sum(long... axes) {
    return sum(axes, false);
  }

  /**
   * Adds up the elements over axes.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @param keepdims whether the axes stay, with the size 1
   * @return the sum
   */
  public Value sum(long[] axes, boolean keepdims) {
    return reduced("ReduceSum", axes, keepdims);
  }

  /**
   * Takes the mean over axes, which go.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @return the mean
   */
  public Value mean(long... axes) {
    return mean(axes, false);
  }

  /**
   * Takes the mean over axes.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @param keepdims whether the axes stay, with the size 1
   * @return the mean
   */
  public Value mean(long[] axes, boolean keepdims) {
    return reduced("ReduceMean", axes, keepdims);
  }

  /**
   * Takes the largest element over axes, which go.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @return the largest
   */
  public Value max(long... axes) {
    return max(axes, false);
  }

  /**
   * Takes the largest element over axes.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @param keepdims whether the axes stay, with the size 1
   * @return the largest
   */
  public Value max(long[] axes, boolean keepdims) {
    return reduced("ReduceMax", axes, keepdims);
  }

  /**
   * Takes the smallest element over axes, which go.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @return the smallest
   */
  public Value min(long... axes) {
    return min(axes, false);
  }

  /**
   * Takes the smallest element over axes.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @param keepdims whether the axes stay, with the size 1
   * @return the smallest
   */
  public Value min(long[] axes, boolean keepdims) {
    return reduced("ReduceMin", axes, keepdims);
  }

  /**
   * Multiplies the elements over axes, which go.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @return the product
   */
  public Value prod(long... axes) {
    return prod(axes, false);
  }

  /**
   * Multiplies the elements over axes.
   *
   * @param axes from 0, negative ones from the end; none: over all elements
   * @param keepdims whether the axes stay, with the size 1
   * @return the product
   */
  public Value prod(long[] axes, boolean keepdims) {
    return reduced("ReduceProd", axes, keepdims);
  }

  private Value reduced(String op, long[] axes, boolean keepdims) {
    Check.notNull(axes, "axes");
    List<Value> inputs = axes.length == 0 ? List.of(this) : List.of(this, graph.constant(axes));
    return graph.add(op, inputs, new Attrs().set("keepdims", keepdims), null, 1).get(0);
  }

  /**
   * Gives the elements another shape.
   *
   * @param dims the dimensions: one may be -1, and 0 is that of this value
   * @return the same elements
   */
  public Value reshape(long... dims) {
    return graph.ops().reshape(this, graph.constant(Check.notNull(dims, "dims")));
  }

  /**
   * Puts the axes in another order.
   *
   * @param perm the axes in that order; none: they are reversed
   * @return the same elements
   */
  public Value transpose(long... perm) {
    Check.notNull(perm, "perm");
    return graph.ops().transpose(this, o -> {
      if (perm.length > 0) o.perm(perm);
    });
  }

  /**
   * Reverses the axes.
   *
   * @return the transposed matrix, of a matrix
   */
  public Value t() {
    return transpose();
  }

  /**
   * Converts the elements.
   *
   * @param to the new type
   * @return the elements of that type
   */
  public Value cast(DataType to) {
    return graph.ops().cast(this, to);
  }

  /**
   * Raises e to the power of each element.
   *
   * @return the powers
   */
  public Value exp() {
    return graph.ops().exp(this);
  }

  /**
   * Takes the natural logarithm.
   *
   * @return the logarithms
   */
  public Value log() {
    return graph.ops().log(this);
  }

  /**
   * Takes the square root.
   *
   * @return the roots
   */
  public Value sqrt() {
    return graph.ops().sqrt(this);
  }

  /**
   * Takes the elements where they are positive, else 0.
   *
   * @return the larger of each element and 0
   */
  public Value relu() {
    return graph.ops().relu(this);
  }

  /**
   * Takes 1 / (1 + e^-x) of each element x.
   *
   * @return numbers from 0 to 1
   */
  public Value sigmoid() {
    return graph.ops().sigmoid(this);
  }

  /**
   * Takes the hyperbolic tangent.
   *
   * @return numbers from -1 to 1
   */
  public Value tanh() {
    return graph.ops().tanh(this);
  }

  /**
   * Makes probabilities of scores along the last axis.
   *
   * @return the probabilities
   */
  public Value softmax() {
    return softmax(-1);
  }

  /**
   * Makes probabilities of scores along an axis.
   *
   * @param axis from 0, negative ones from the end
   * @return the probabilities
   */
  public Value softmax(long axis) {
    return graph.ops().softmax(this, o -> o.axis(axis));
  }

  /**
   * Takes a part of the first axis.
   *
   * @param first the first index; a negative one counts from the end
   * @param last the index that it ends before; a negative one counts from the end, and one past it is the end
   * @return the part, with as many dimensions
   */
  public Value slice(long first, long last) {
    return slice(first, last, 0, 1);
  }

  /**
   * Takes the parts first, first + step, ... before last along an axis.
   *
   * @param first the first index; a negative one counts from the end
   * @param last the index that it ends before; Long.MAX_VALUE is the end, and Long.MIN_VALUE, with a negative step, the start
   * @param axis from 0, negative ones from the end
   * @param step not 0
   * @return the part, with as many dimensions
   */
  public Value slice(long first, long last, long axis, long step) {
    return graph
        .ops()
        .slice(
            this, list(first), list(last), o -> o.axes(list(axis)).steps(list(step)));
  }

  private Value list(long number) {
    return graph.constant(new long[] {number});
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
   * Type, shape and name; of what is no tensor, kind and name.
   *
   * @return such as "f32[batch, 3] x"
   */
  @Override
  public String toString() {
    try {
      if (kind() != Tensor.Kind.TENSOR) return kind().name().toLowerCase(Locale.ROOT) + " " + name();
      DataType dtype = dtype();
      return (dtype == null ? "?" : dtype) + shape() + " " + name();
    } catch (IllegalStateException closed) {
      return "value of a closed graph";
    }
  }
}
