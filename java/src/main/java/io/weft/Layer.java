// Layers: variables made once, used as often as needed.
package io.weft;

import java.util.ArrayList;
import java.util.List;

/** A layer of a graph, which {@link Layers} makes. Calling it again uses the same variables. */
public final class Layer extends Handle {
  private final Graph graph;
  private final String type;
  private final String name;

  Layer(Graph graph, String type, String name, long pointer) {
    super(pointer, Native::layerFree);
    this.graph = graph;
    this.type = type;
    this.name = name;
  }

  @Override
  String what() {
    return "layer";
  }

  /**
   * Adds one use of the layer for prediction.
   *
   * @param input its input
   * @return its output
   */
  public Value call(Value input) {
    return call(input, false);
  }

  /**
   * Adds one use of the layer.
   *
   * @param input its input
   * @param training whether dropout drops, and batch normalization uses the batch and moves its running averages; so give
   *     the values of a loss to train by true, those to predict by false
   * @return its output
   */
  public Value call(Value input, boolean training) {
    return call(List.of(Check.notNull(input, "input")), training);
  }

  /**
   * Adds one use of the layer.
   *
   * @param inputs its inputs
   * @param training as for one input
   * @return its output
   */
  public Value call(List<Value> inputs, boolean training) {
    long[] ids = graph.ids(inputs, "inputs", false);
    long[] made = new long[1];
    long layer = acquire();
    try {
      graph.with(
          pointer -> {
            Native.layerCall(layer, ids, training ? 1 : 0, Origin.here(), made);
            return null;
          });
    } finally {
      release();
    }
    return graph.value(made[0]);
  }

  /**
   * The variables of the layer.
   *
   * @return the variables
   */
  public List<Value> variables() {
    long layer = acquire();
    try {
      List<Value> values = new ArrayList<>();
      int count = Native.layerVariableCount(layer);
      for (int i = 0; i < count; ++i) values.add(graph.value(Native.layerVariable(layer, i)));
      return values;
    } finally {
      release();
    }
  }

  /**
   * Kind and name of the layer.
   *
   * @return such as "Dense layer 'hidden'"
   */
  @Override
  public String toString() {
    return type + " layer '" + name + "'";
  }
}
