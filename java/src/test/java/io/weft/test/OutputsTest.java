// One value as several outputs, an input and a weight as an output; maps and optionals through their functions.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.weft.DataType;
import io.weft.Graph;
import io.weft.Ops;
import io.weft.Results;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutputsTest {
  private final Graph graph = new Graph();

  @AfterEach
  void close() {
    graph.close();
  }

  private static final float[][] WANTED = {{11, 18}, {1, -2}, {11, 18}, {10, 20}, {1, -2}, {10, 20}};

  private static void check(Graph graph, Value x, List<Value> outputs) {
    try (Session session = new Session(graph);
        Tensor fed = Tensor.of(new float[] {1, -2});
        Results results = session.run(Map.of(x, fed), outputs, List.of())) {
      assertEquals(WANTED.length, outputs.size());
      for (int i = 0; i < WANTED.length; ++i) {
        assertArrayEquals(WANTED[i], results.get(i).toFloatArray());
        results.get(i).close(); // the others stay
      }
      assertArrayEquals(new float[] {1, -2}, fed.toFloatArray());
    }
  }

  @Test
  void oneValueIsSeveralOutputs(@TempDir Path folder) {
    Value x = graph.input("x", DataType.F32, "2");
    Value w = graph.constant(new float[] {10, 20}, 2);
    Value y = x.plus(w);
    List<Value> outputs = List.of(y, x, y, w, x, w);
    check(graph, x, outputs);
    Path file = folder.resolve("outputs.onnx");
    graph.save(file, outputs, null, null);
    try (Graph loaded = Graph.load(file)) {
      check(loaded, loaded.inputs().get(0), loaded.outputs());
    }
  }

  /** CastMap of x, a map from i64 to f32: no function makes an input that is a map. Written with onnx. */
  private static final String CAST_MAP =
      "08083a460a1b0a01781201792207436173744d61703a0a61692e6f6e6e782e6d6c1201675a110a0178120c2a0a080712060a"
          + "040801120062110a0179120c0a0a080112060a0208010a00420e0a0a61692e6f6e6e782e6d6c100142040a001014";

  @Test
  void mapsGoThroughFunctions() {
    try (Graph loaded = Graph.load(HexFormat.of().parseHex(CAST_MAP), null, null)) {
      Ops ops = loaded.ops();
      Value x = loaded.find("x");
      Ops.MapItemsOutputs items = ops.mapItems(x);
      Value row = ops.mlCastMap(x, o -> o.castTo("TO_INT64"));
      Value places = ops.mlDictVectorizer(x, o -> o.int64Vocabulary(3, 7, 5));
      Value rows = ops.mlZipMap(places, o -> o.classlabelsStrings(List.of("a", "b", "c")));
      try (Session session = new Session(loaded);
          Tensor fed = Tensor.map(Map.of(5L, 1.5f, 1L, 2.75f, 3L, -0.5f));
          Results results = session.run(Map.of(x, fed), items.keys(), items.values(), row, places, rows)) {
        assertArrayEquals(new long[] {1, 3, 5}, results.get(0).toLongArray());
        assertArrayEquals(new float[] {2.75f, -0.5f, 1.5f}, results.get(1).toFloatArray());
        assertArrayEquals(new long[] {2, 0, 1}, results.get(2).toLongArray());
        assertArrayEquals(new float[] {-0.5f, 0, 1.5f}, results.get(3).toFloatArray());
        assertEquals(
            List.of(Map.of("a", -0.5f, "b", 0f, "c", 1.5f)), results.get(4).toMaps(String.class, Float.class));
      }
    }
  }

  @Test
  void optionalsGoThroughFunctions() {
    Ops ops = graph.ops();
    Value x = graph.input("x", DataType.F32, "2");
    Value held = ops.optional(o -> o.input(x));
    Value none = ops.optional(o -> o.type("f32[2]"));
    Value twice = ops.optionalGetElement(ops.optionalAdd(held, held));
    Value once = ops.optionalGetElement(ops.optionalAdd(none, held));
    Value same = ops.optionalElementOrZeros(held, x);
    Value zeros = ops.optionalElementOrZeros(none, x);
    try (Session session = new Session(graph);
        Tensor fed = Tensor.of(new float[] {3, -1});
        Results results = session.run(Map.of(x, fed), twice, once, same, zeros)) {
      assertArrayEquals(new float[] {6, -2}, results.get(0).toFloatArray());
      assertArrayEquals(new float[] {3, -1}, results.get(1).toFloatArray());
      assertArrayEquals(new float[] {3, -1}, results.get(2).toFloatArray());
      assertArrayEquals(new float[] {0, 0}, results.get(3).toFloatArray());
    }
  }
}
