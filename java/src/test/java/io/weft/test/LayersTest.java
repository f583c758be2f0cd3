// What each layer gives for a few numbers, with weights of ones.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.weft.Graph;
import io.weft.Layer;
import io.weft.Results;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LayersTest {
  private final Graph graph = new Graph();

  @AfterEach
  void close() {
    graph.close();
  }

  private Value floats(float[] values, long... shape) {
    try (Tensor tensor = Tensor.of(values, shape)) {
      return graph.constant(tensor);
    }
  }

  private void gives(Value y, float[] wanted, long... shape) {
    try (Session session = new Session(graph);
        Results results = session.run(Map.of(), y)) {
      assertArrayEquals(shape, results.get(0).shape());
      assertArrayEquals(wanted, results.get(0).toFloatArray(), 1e-5f);
    }
  }

  @Test
  void sumsOfWhatIsUnderTheKernel() {
    Layer conv = graph.layers().conv2d("conv", 1, 1, new long[] {2}, o -> o.kernelInit("ones"));
    gives(conv.call(floats(new float[] {1, 2, 3, 4, 5, 6, 7, 8, 9}, 1, 1, 3, 3)), new float[] {12, 16, 24, 28}, 1, 1, 2, 2);
  }

  /** Numbers whose variance, or mean square, is that of a square with what is added to it. */
  @Test
  void normalizations() {
    // By the running ones, a mean of 0 and a variance of 1.
    Layer batch = graph.layers().batchNorm("batch", 2, o -> o.epsilon(3));
    gives(batch.call(floats(new float[] {2, 4, -6, 0}, 2, 2)), new float[] {1, 2, -3, 0}, 2, 2);
    Layer layer = graph.layers().layerNorm("layer", 2, o -> o.epsilon(3));
    gives(layer.call(floats(new float[] {1, 3, 7, 5}, 2, 2)), new float[] {-0.5f, 0.5f, 0.5f, -0.5f}, 2, 2);
    Layer group = graph.layers().groupNorm("group", 4, 2, o -> o.epsilon(3));
    gives(group.call(floats(new float[] {1, 3, 7, 5}, 1, 4, 1)), new float[] {-0.5f, 0.5f, 0.5f, -0.5f}, 1, 4, 1);
    Layer rms = graph.layers().rmsNorm("rms", 2, o -> o.epsilon(75));
    gives(rms.call(floats(new float[] {1, 7}, 1, 2)), new float[] {0.1f, 0.7f}, 1, 2);
  }

  @Test
  void rowsOfATable() {
    Layer words = graph.layers().embedding("words", 3, 2);
    try (Tensor indices = Tensor.of(new long[] {2, 0});
        Tensor table = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 3, 2)) {
      Value y = words.call(graph.constant(indices));
      try (Session session = new Session(graph)) {
        session.set("words/table", table);
        try (Results results = session.run(Map.of(), y)) {
          assertArrayEquals(new float[] {5, 6, 1, 2}, results.get(0).toFloatArray());
        }
      }
    }
  }

  @Test
  void whatHasNoWeights() {
    Layer flat = graph.layers().flatten("flat");
    Layer drop = graph.layers().dropout("drop");
    gives(drop.call(flat.call(floats(new float[] {1, 2, 3, 4}, 2, 1, 2))), new float[] {1, 2, 3, 4}, 2, 2);
    float[] threes = new float[1000];
    Arrays.fill(threes, 3);
    Value y = drop.call(floats(threes, 1000), true);
    try (Session session = new Session(graph);
        Results results = session.run(Map.of(), y)) {
      int kept = 0;
      for (float x : results.get(0).toFloatArray()) {
        if (x != 0) {
          assertEquals(6, x);
          ++kept;
        }
      }
      assertEquals(500, kept, 100);
    }
  }

  /** By the formulas of torch.nn.LSTM and torch.nn.GRU in f64. */
  @Test
  void recurrences() {
    Value x = floats(new float[] {1, 0}, 1, 2, 1);
    Layer all = graph.layers().lstm("all", 1, 1, o -> o.kernelInit("ones").recurrentInit("ones"));
    gives(all.call(x), new float[] {0.36960635f, 0.29081304f}, 1, 2, 1);
    Layer last = graph.layers().gru("last", 1, 1, o -> o.kernelInit("ones").recurrentInit("ones").sequences(false));
    gives(last.call(x), new float[] {0.16332249f}, 1, 1);
  }

  /**
   * The sums of the positions, 1 and 2, are queries, keys and values: the second position weighs them by the exponentials
   * of 2 sqrt(2) and 4 sqrt(2). Its result in f64.
   */
  @Test
  void positionsThatLookBack() {
    Layer look = graph.layers().selfAttention("look", 2, 1, o -> o.kernelInit("ones").causal(true));
    Value y = look.call(floats(new float[] {1, 0, 0, 2}, 1, 2, 2));
    gives(y, new float[] {2, 2, 3.8883856f, 3.8883856f}, 1, 2, 2);
  }
}
