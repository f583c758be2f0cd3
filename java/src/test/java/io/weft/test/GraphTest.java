// Building graphs, and the errors of building them.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Attrs;
import io.weft.DataType;
import io.weft.ErrorCode;
import io.weft.Graph;
import io.weft.Layer;
import io.weft.Optimizer;
import io.weft.Results;
import io.weft.RunOptions;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Trace;
import io.weft.Value;
import io.weft.WeftException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class GraphTest {
  private final Graph graph = new Graph();

  @AfterEach
  void close() {
    graph.close();
  }

  @Test
  void valuesKnowWhatTheyAre() {
    Value x = graph.input("x", DataType.F32, "batch,3,?");
    assertEquals("x", x.name());
    assertEquals(DataType.F32, x.dtype());
    assertArrayEquals(new long[] {-1, 3, -1}, x.dims());
    assertTrue(x.shape().startsWith("[batch, 3, "), x.shape());
    assertNull(graph.input("any", DataType.I64, null).dims());
    assertEquals(0, graph.input("scalar", DataType.I64, "").dims().length);
    assertEquals(graph.find("x"), x);
    assertEquals(x.hashCode(), graph.find("x").hashCode());
    assertEquals(List.of("x", "any", "scalar"), graph.inputs().stream().map(Value::name).toList());
    assertThrows(WeftException.NotFound.class, () -> graph.find("y"));
    assertEquals("renamed", x.named("renamed").name());
    assertThrows(WeftException.AlreadyExists.class, () -> x.named("any"));
  }

  @Test
  void errorsNameShapesOperatorAndTheLineThatBuilt() {
    Value a = graph.input("a", DataType.F32, "32,63");
    Value b = graph.input("b", DataType.F32, "64,10");
    int line = StackWalker.getInstance().walk(f -> f.findFirst().orElseThrow().getLineNumber()) + 1;
    WeftException e = assertThrows(WeftException.InvalidArgument.class, () -> graph.ops().matMul(a, b));
    assertEquals(ErrorCode.INVALID_ARGUMENT, e.code());
    assertEquals("MatMul", e.op());
    assertEquals("GraphTest.java:" + line, e.origin());
    assertTrue(e.getMessage().contains("63") && e.getMessage().contains("64"), e.getMessage());
    assertTrue(e.getMessage().endsWith(" [MatMul] (built at GraphTest.java:" + line + ")"), e.getMessage());
  }

  @Test
  void runErrorsNameNodeAndTheLineThatBuilt() {
    Value x = graph.input("x", DataType.F32, "n");
    Value y = graph.input("y", DataType.F32, "m");
    int line = StackWalker.getInstance().walk(f -> f.findFirst().orElseThrow().getLineNumber()) + 1;
    Value sum = graph.ops().add(x, y, o -> o.name("total"));
    Value product = graph.ops().mul(x, y); // a node that has the name of its operator
    try (Session session = new Session(graph);
        Tensor two = Tensor.of(new float[2]);
        Tensor three = Tensor.of(new float[3])) {
      WeftException e = assertThrows(WeftException.class, () -> session.run(Map.of(x, two, y, three), sum));
      assertEquals("total", e.node());
      assertEquals("GraphTest.java:" + line, e.origin());
      assertTrue(e.getMessage().endsWith(" [Add 'total'] (built at GraphTest.java:" + line + ")"), e.getMessage());
      e = assertThrows(WeftException.class, () -> session.run(Map.of(x, two, y, three), product));
      assertEquals("Mul", e.node());
      assertTrue(e.getMessage().endsWith(" [Mul] (built at GraphTest.java:" + (line + 1) + ")"), e.getMessage());
    }
  }

  @Test
  void unknownOperatorAndAttribute() {
    Value x = graph.input("x", DataType.F32, "2");
    WeftException e =
        assertThrows(WeftException.NotFound.class, () -> graph.add("MatMull", List.of(x, x), null, null, 1));
    assertTrue(e.getMessage().contains("MatMul"), e.getMessage());
    assertThrows(
        WeftException.InvalidArgument.class,
        () -> graph.add("Relu", List.of(x), new Attrs().set("alpha", 1), null, 1));
  }

  @Test
  void foreignValuesAreRefused() {
    Value mine = graph.input("x", DataType.F32, "2");
    try (Graph other = new Graph();
        Session session = new Session(graph);
        Tensor tensor = Tensor.of(new float[2])) {
      int line = StackWalker.getInstance().walk(f -> f.findFirst().orElseThrow().getLineNumber()) + 1;
      Value foreign = other.input("x", DataType.F32, "2");
      String message =
          assertThrows(IllegalArgumentException.class, () -> graph.ops().add(mine, foreign)).getMessage();
      assertEquals(
          "inputs[1] is 'x' (built at GraphTest.java:" + line + "): it belongs to another graph", message);
      assertThrows(IllegalArgumentException.class, () -> mine.plus(foreign));
      assertThrows(IllegalArgumentException.class, () -> graph.variable("v", foreign));
      assertThrows(IllegalArgumentException.class, () -> graph.gradients(foreign, List.of(mine)));
      assertThrows(IllegalArgumentException.class, () -> graph.setOutputs(List.of(foreign)));
      assertThrows(IllegalArgumentException.class, () -> session.run(Map.of(foreign, tensor), mine));
      assertThrows(IllegalArgumentException.class, () -> session.run(Map.of(mine, tensor), foreign));
      assertThrows(IllegalArgumentException.class, () -> session.prepare(List.of(foreign), List.of()));
    }
  }

  @Test
  void operatorsOnValues() {
    Value x = graph.input("x", DataType.F32, "2");
    Value y = x.plus(1).times(3).minus(x).div(2).unaryMinus();
    Value i = graph.input("i", DataType.I64, "2");
    assertThrows(IllegalArgumentException.class, () -> i.plus(0.5));
    assertThrows(IllegalArgumentException.class, () -> i.plus(Double.POSITIVE_INFINITY));
    assertThrows(IllegalArgumentException.class, () -> i.plus(0x1p63));
    Value u = graph.input("u", DataType.U8, "2");
    assertThrows(IllegalArgumentException.class, () -> u.plus(-1));
    assertEquals(
        "300.0 is no u8, the type of u8[2] u",
        assertThrows(IllegalArgumentException.class, () -> u.plus(300)).getMessage());
    assertEquals(DataType.U8, u.plus(255).dtype());
    Value mask = graph.input("mask", DataType.BOOL, "2");
    assertThrows(IllegalArgumentException.class, () -> mask.equal(2));
    assertEquals(DataType.BOOL, mask.equal(1).dtype());
    assertEquals(DataType.I64, i.plus(-0x1p63).dtype());
    try (Session session = new Session(graph);
        Tensor xs = Tensor.of(new float[] {1, 2});
        Tensor is = Tensor.of(new long[] {1, 2});
        var results = session.run(Map.of(x, xs, i, is), y, i.times(2).plus(i))) {
      assertArrayEquals(new float[] {-2.5f, -3.5f}, results.get(0).toFloatArray());
      assertArrayEquals(new long[] {3, 6}, results.get(1).toLongArray());
    }
  }

  @Test
  void methodsOfValues() {
    Value x = graph.constant(new float[] {1, -2, 3, 4}, 2, 2);
    List<Value> values =
        List.of(
            x.sum(), x.sum(0), x.sum(new long[] {1}, true), x.mean(-1), x.max(0), x.min(0, 1), x.prod(), x.reshape(-1),
            x.t(), x.reshape(1, 2, 2).transpose(2, 0, 1), x.relu(), x.exp().get(0), x.get(1).log(), x.get(1).sqrt(),
            x.get(0).sigmoid(), x.get(0).tanh(), x.softmax().get(0), x.softmax(0).get(0), x.slice(1, Long.MAX_VALUE),
            x.slice(-1, Long.MIN_VALUE, 1, -1));
    String[] shapes = {
      "[]", "[2]", "[2, 1]", "[2]", "[2]", "[]", "[]", "[4]", "[2, 2]", "[2, 1, 2]", "[2, 2]", "[2]", "[2]", "[2]",
      "[2]", "[2]", "[2]", "[2]", "[1, 2]", "[2, 2]"
    };
    float[][] numbers = {
      {6}, {4, 2}, {-1, 7}, {-0.5f, 3.5f}, {3, 4}, {-2}, {-24}, {1, -2, 3, 4}, {1, 3, -2, 4}, {1, 3, -2, 4},
      {1, 0, 3, 4}, {2.71828183f, 0.13533528f}, {1.09861229f, 1.38629436f}, {1.73205081f, 2},
      {0.73105858f, 0.11920292f}, {0.76159416f, -0.96402758f}, {0.95257413f, 0.04742587f},
      {0.11920292f, 0.00247262f}, {3, 4}, {-2, 1, 4, 3}
    };
    Value one = x.greater(0).xor(x.less(4));
    try (Session session = new Session(graph);
        var results = session.run(Map.of(), values, List.of());
        var others = session.run(Map.of(), one, x.cast(DataType.I32))) {
      for (int k = 0; k < numbers.length; ++k) {
        assertEquals(shapes[k], values.get(k).shape(), "shape " + k);
        assertArrayEquals(numbers[k], results.get(k).toFloatArray(), 1e-6f, "value " + k);
      }
      assertArrayEquals(new boolean[] {false, true, false, true}, others.get(0).toBooleanArray());
      assertArrayEquals(new int[] {1, -2, 3, 4}, others.get(1).toIntArray());
    }
  }

  @Test
  void moreOperatorsOnValues() {
    Value x = graph.input("x", DataType.F32, "2,2");
    Value i = graph.input("i", DataType.I64, "2");
    Value row = x.get(0);
    List<Value> floats = List.of(x.rem(3), x.rem(row), x.pow(2), x.abs(), x.get(-1, 0), x.get(i));
    float[][] numbers = {
      {2.5f, -1.25f, 2, 0}, {0, -0f, 2, 0}, {30.25f, 52.5625f, 4, 0}, {5.5f, 7.25f, 2, 0}, {2}, {2, 0, 5.5f, -7.25f}
    };
    List<Value> bools =
        List.of(
            x.less(2), x.lessOrEqual(2), x.greater(2), x.greaterOrEqual(2), x.equal(2), x.notEqual(2), x.less(x.abs()),
            x.less(1).or(x.equal(2)), x.greater(1).and(x.less(3)), x.less(1).not());
    boolean[][] truths = {
      {false, true, false, true}, {false, true, true, true}, {true, false, false, false}, {true, false, true, false},
      {false, false, true, false}, {true, true, false, true}, {false, true, false, false},
      {false, true, true, true}, {false, false, true, false}, {true, false, true, false}
    };
    try (Session session = new Session(graph);
        Tensor xs = Tensor.of(new float[] {5.5f, -7.25f, 2, 0}, 2, 2);
        Tensor is = Tensor.of(new long[] {1, -2});
        var fs = session.run(Map.of(x, xs, i, is), floats, List.of());
        var bs = session.run(Map.of(x, xs), bools, List.of());
        var ls = session.run(Map.of(i, is), i.times(7).rem(3), i.pow(3))) {
      for (int k = 0; k < numbers.length; ++k) assertArrayEquals(numbers[k], fs.get(k).toFloatArray(), "float " + k);
      for (int k = 0; k < truths.length; ++k) assertArrayEquals(truths[k], bs.get(k).toBooleanArray(), "bool " + k);
      assertArrayEquals(new long[] {1, -2}, ls.get(0).toLongArray());
      assertArrayEquals(new long[] {1, -8}, ls.get(1).toLongArray());
      assertArrayEquals(new long[] {2, 2}, fs.get(5).shape());
      assertEquals(0, fs.get(4).rank());
    }
    assertThrows(IllegalArgumentException.class, () -> i.less(0.5));
    assertEquals("there is no index", assertThrows(IllegalArgumentException.class, x::get).getMessage());
  }

  @Test
  void olderOpsetsTakeTheirOperators() {
    Attrs axes = new Attrs().set("axes", new long[] {1});
    try (Graph old = new Graph(11);
        Graph newest = new Graph(0);
        Session session = new Session(old);
        Tensor xs = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2)) {
      Value x = old.input("x", DataType.F32, "2,2");
      Value y = old.add("ReduceSum", List.of(x), axes, null, 1).get(0); // the axes are an input from 13 on
      try (var results = session.run(Map.of(x, xs), y)) {
        assertArrayEquals(new float[] {3, 7}, results.get(0).toFloatArray());
      }
      Value z = newest.input("x", DataType.F32, "2,2");
      assertThrows(WeftException.InvalidArgument.class, () -> newest.add("ReduceSum", List.of(z), axes, null, 1));
    }
    assertThrows(WeftException.InvalidArgument.class, () -> new Graph(-1));
    assertThrows(WeftException.InvalidArgument.class, () -> new Graph(1000));
  }

  @Test
  void elementTypesAreAttributes() {
    Attrs to = new Attrs().set("to", DataType.I64);
    assertEquals("{to=i64}", to.toString());
    try (Session session = new Session(graph);
        Tensor xs = Tensor.of(new float[] {-2.5f, 3})) {
      Value x = graph.input("x", DataType.F32, "2");
      Value y = graph.add("Cast", List.of(x), to, null, 1).get(0);
      assertEquals(DataType.I64, y.dtype());
      try (Results results = session.run(Map.of(x, xs), y)) {
        assertArrayEquals(new long[] {-2, 3}, results.get(0).toLongArray()); // Cast truncates
      }
    }
    assertThrows(NullPointerException.class, () -> to.set("to", (DataType) null));
  }

  @Test
  void everythingHasWords() {
    Value x = graph.input("x", DataType.F32, "batch,2");
    assertEquals("f32[batch, 2] x", x.toString());
    assertEquals("f32[...] any", graph.input("any", DataType.F32, null).toString());
    Layer layer = graph.layers().dense("d", 2, 2);
    assertEquals("Dense layer 'd'", layer.toString());
    assertEquals("Adam {learning_rate=0.5, nesterov=true}", Optimizer.adam().learningRate(0.5).nesterov(true).toString());
    RunOptions options = new RunOptions().timeout(Duration.ofMillis(1500)).interruptible();
    assertEquals("RunOptions {timeout_s=1.5, poll=interrupts}", options.toString());
    assertEquals(
        "{axes=[1], keepdims=0, mode=a, s=[b, c]}",
        new Attrs().set("axes", new long[] {1}).set("keepdims", 0).set("mode", "a").set("s", List.of("b", "c")).toString());
    graph.ops().softmax(x, o -> assertEquals("{axis=1}", o.axis(1).toString()));
    Session session = new Session(graph);
    try (session;
        Trace trace = new Trace();
        Tensor xs = Tensor.of(new float[2], 1, 2);
        Results results = session.run(Map.of(x, xs), x)) {
      assertEquals("trace", trace.toString());
      assertEquals("[f32[1, 2]]", results.toString());
      assertEquals("session", session.toString());
    }
    assertEquals("closed session", session.toString());
  }

  @Test
  void gradients() {
    Value x = graph.input("x", DataType.F32, "3");
    Value other = graph.input("other", DataType.F32, "3");
    List<Value> found = graph.gradients(x.times(x), List.of(x, other));
    assertNull(found.get(1));
    try (Session session = new Session(graph);
        Tensor xs = Tensor.of(new float[] {1, -2, 3});
        var results = session.run(Map.of(x, xs), found.get(0))) {
      assertArrayEquals(new float[] {2, -4, 6}, results.get(0).toFloatArray());
    }
  }

  @Test
  void valuesOfABodyAreToldOfByName() {
    Value x = graph.input("x", DataType.F32, "");
    List<Value> leaked = new ArrayList<>();
    graph.loop(
        graph.constant(2L),
        null,
        List.of(x),
        (g, in) -> {
          leaked.add(g.ops().neg(in.get(2)).named("inside"));
          return in.subList(1, 3);
        });
    Value inside = leaked.get(0);
    assertEquals("inside", inside.name());
    String words =
        "): it belongs to the body of a sub-graph (a loop, a scan or a branch), which is finished; "
            + "what the body is to give outside must be one of its results";
    String foreign = assertThrows(IllegalArgumentException.class, () -> x.plus(inside)).getMessage();
    assertTrue(foreign.startsWith("inputs[1] is 'inside' (built at GraphTest.java:"), foreign);
    assertTrue(foreign.endsWith(words), foreign);
    String own = assertThrows(WeftException.FailedPrecondition.class, () -> inside.abs()).getMessage();
    assertTrue(own.startsWith("input 0 is 'inside' (built at GraphTest.java:"), own);
    assertTrue(own.contains(words), own);
    try (Session session = new Session(graph)) {
      String fetched =
          assertThrows(IllegalArgumentException.class, () -> session.run(Map.of(), inside)).getMessage();
      assertTrue(fetched.startsWith("fetches[0] is 'inside' (built at GraphTest.java:"), fetched);
      assertTrue(fetched.endsWith(words), fetched);
    }
  }

  @Test
  void loopsCarryAndStack() {
    Value x = graph.input("x", DataType.F32, "");
    Value n = graph.input("n", DataType.I64, "");
    List<Value> powers =
        graph.loop(
            n,
            null,
            List.of(x),
            (g, in) -> List.of(in.get(1), g.ops().mul(in.get(2), x), in.get(2)),
            new Attrs().set("recompute", true));
    List<Value> sums =
        graph.scan(
            List.of(x),
            List.of(powers.get(1)),
            (g, in) -> {
              Value sum = g.ops().add(in.get(0), in.get(1));
              return List.of(sum, sum);
            },
            new Attrs().set("scan_input_directions", new long[] {1}));
    Value gradient = graph.gradients(powers.get(0), List.of(x)).get(0);
    try (Session session = new Session(graph);
        Tensor at = Tensor.scalar(2f);
        Tensor count = Tensor.scalar(3L);
        var results =
            session.run(Map.of(x, at, n, count), powers.get(0), powers.get(1), sums.get(1), gradient)) {
      assertArrayEquals(new float[] {16}, results.get(0).toFloatArray());
      assertArrayEquals(new float[] {2, 4, 8}, results.get(1).toFloatArray());
      assertArrayEquals(new float[] {10, 14, 16}, results.get(2).toFloatArray());
      assertArrayEquals(new float[] {32}, results.get(3).toFloatArray());
    }
    assertThrows(
        WeftException.InvalidArgument.class, () -> graph.loop(n, null, List.of(x), (g, in) -> List.of()));
    assertThrows(
        WeftException.InvalidArgument.class, () -> graph.scan(List.of(x), List.of(n), (g, in) -> in, null));
  }

  @Test
  void sequencesAreMapped() {
    Value x = graph.input("x", DataType.F32, "2");
    Value pair = graph.ops().sequenceConstruct(List.of(x, x));
    Value mapped =
        graph.sequenceMap(List.of(pair, x), (g, in) -> List.of(g.ops().mul(in.get(0), in.get(1)))).get(0);
    try (Session session = new Session(graph);
        Tensor at = Tensor.of(new float[] {2, 3});
        var results = session.run(Map.of(x, at), mapped);
        Tensor second = results.get(0).at(1)) {
      assertEquals(2, results.get(0).count());
      assertArrayEquals(new float[] {4, 9}, second.toFloatArray());
    }
    assertThrows(WeftException.InvalidArgument.class, () -> graph.sequenceMap(List.of(x), (g, in) -> in));
    assertThrows(NullPointerException.class, () -> graph.sequenceMap(null, (g, in) -> in));
  }

  /** DictVectorizer with the vocabulary a, b, c: x, a map from strings to f32, gives y, f32[1, 3]. Written with onnx. */
  private static final String DICT_VECTORIZER =
      "080812003a700a430a0178120179220e44696374566563746f72697a65722a1f0a11737472696e675f766f636162756c6172"
          + "794a01614a01624a0163a001083a0a61692e6f6e6e782e6d6c1201675a110a0178120c2a0a080812060a040801120062130a"
          + "0179120e0a0c080112080a0208010a020803420e0a0a61692e6f6e6e782e6d6c100142040a001014";

  @Test
  void mapsAreFedAndFetched() {
    Map<String, Float> given = Map.of("c", 2f, "a", 1.5f);
    try (Graph loaded = Graph.load(HexFormat.of().parseHex(DICT_VECTORIZER), null, null);
        Session session = new Session(loaded);
        Tensor fed = Tensor.map(given)) {
      Value y = loaded.find("y");
      Value zipped =
          loaded.add("ai.onnx.ml.ZipMap", List.of(y), new Attrs().set("classlabels_int64s", new long[] {7, 8, 9}), null, 1).get(0);
      assertEquals(Tensor.Kind.MAP, loaded.find("x").kind());
      assertEquals("map x", loaded.find("x").toString());
      assertEquals("sequence " + zipped.name(), zipped.toString());
      try (var results = session.run(Map.of(loaded.find("x"), fed), y, zipped)) {
        assertArrayEquals(new float[] {1.5f, 0, 2}, results.get(0).toFloatArray());
        assertEquals(
            List.of(Map.of(7L, 1.5f, 8L, 0f, 9L, 2f)), results.get(1).toMaps(Long.class, Float.class));
        assertThrows(IllegalArgumentException.class, () -> results.get(1).toMaps(String.class, Float.class));
        assertThrows(IllegalArgumentException.class, () -> results.get(0).toMaps(String.class, Float.class));
        assertThrows(IllegalArgumentException.class, () -> results.get(0).toMap(String.class, Float.class));
        assertThrows(WeftException.InvalidArgument.class, () -> Tensor.map(results.get(0), results.get(0)));
      }
      assertEquals(Tensor.Kind.MAP, fed.kind());
      assertEquals(given, fed.toMap(String.class, Float.class));
      assertThrows(IllegalArgumentException.class, () -> fed.toMap(String.class, Double.class));
      assertThrows(IllegalArgumentException.class, () -> fed.toMap(String.class, Integer.class));
    }
    assertThrows(IllegalArgumentException.class, () -> Tensor.map(Map.of()));
    assertThrows(IllegalArgumentException.class, () -> Tensor.map(Map.of("a", 1f, "b", 2.0)));
    assertThrows(WeftException.InvalidArgument.class, () -> Tensor.map(Map.of(1f, 1f)).close());
    assertThrows(NullPointerException.class, () -> Tensor.map(null));
  }

  @Test
  void attentionGoesThroughFunctions() {
    Value q = graph.input("q", DataType.F32, "1, 1, 1, 1");
    Value k = graph.input("k", DataType.F32, "1, 1, 2, 1");
    Value w = graph.input("w", DataType.F32, "");
    Value plain = graph.flexAttention(q, k, k, null, null, null);
    Value y =
        graph.flexAttention(
            q,
            k,
            k,
            (g, scores) -> g.ops().sub(scores, scores),
            (g, weights) -> g.ops().mul(weights, w),
            new Attrs().set("scale", 2.0));
    try (Session session = new Session(graph);
        Tensor query = Tensor.of(new float[] {0}, 1, 1, 1, 1);
        Tensor keys = Tensor.of(new float[] {1, 3}, 1, 1, 2, 1);
        Tensor factor = Tensor.scalar(5f);
        var results = session.run(Map.of(q, query, k, keys, w, factor), plain, y)) {
      assertArrayEquals(new float[] {2}, results.get(0).toFloatArray());
      assertArrayEquals(new float[] {10}, results.get(1).toFloatArray());
    }
    assertThrows(
        WeftException.InvalidArgument.class, () -> graph.flexAttention(q, k, k, (g, scores) -> w, null, null));
  }

  @Test
  void optionalsHoldATensorOrNothing() {
    try (Tensor two = Tensor.scalar(2f);
        Tensor held = Tensor.optional(two);
        Tensor element = held.at(0);
        Tensor none = Tensor.optional(null)) {
      assertEquals(Tensor.Kind.OPTIONAL, none.kind());
      assertEquals(0, none.count());
      assertEquals(1, held.count());
      assertArrayEquals(new float[] {2}, element.toFloatArray());
      assertThrows(WeftException.InvalidArgument.class, () -> Tensor.optional(held));
    }
  }

  @Test
  void ifTakesOneBranch() {
    Value x = graph.input("x", DataType.F32, "batch");
    Value yes = graph.input("yes", DataType.BOOL, "");
    Value y = graph.if_(yes, g -> List.of(g.ops().mul(x, x)), g -> List.of(g.ops().neg(x))).get(0);
    assertEquals("[batch]", y.shape());
    Value gradient = graph.gradients(y, List.of(x)).get(0);
    try (Session session = new Session(graph);
        Tensor xs = Tensor.of(new float[] {2, 3})) {
      for (boolean which : new boolean[] {true, false}) {
        try (Tensor condition = Tensor.scalar(which);
            var results = session.run(Map.of(x, xs, yes, condition), y, gradient)) {
          assertArrayEquals(which ? new float[] {4, 9} : new float[] {-2, -3}, results.get(0).toFloatArray());
          assertArrayEquals(which ? new float[] {4, 6} : new float[] {-1, -1}, results.get(1).toFloatArray());
        }
      }
    }
    assertEquals("[batch]", graph.if_(yes, g -> List.of(x), g -> List.of(y)).get(0).shape());
    assertThrows(
        WeftException.InvalidArgument.class,
        () -> graph.if_(yes, g -> List.of(x), g -> List.of(g.ops().cast(x, DataType.F64))));
    assertThrows(
        WeftException.InvalidArgument.class, () -> graph.if_(yes, g -> List.of(x, x), g -> List.of(x)));
    graph.setOutputs(List.of(y));
    Attrs itself = new Attrs().set("then_branch", graph).set("else_branch", graph);
    WeftException e =
        assertThrows(
            WeftException.InvalidArgument.class, () -> graph.add("If", List.of(yes), itself, null, 1));
    assertTrue(e.getMessage().contains("itself"), e.getMessage());
    assertThrows(
        WeftException.InvalidArgument.class,
        () -> graph.if_(yes, g -> g.add("If", List.of(yes), itself, null, 1), g -> List.of(x)));
    assertThrows(
        IllegalStateException.class,
        () ->
            graph.if_(
                yes,
                g -> {
                  throw new IllegalStateException("mine");
                },
                g -> List.of(x)));
  }

  @Test
  void scopesPrefixNames() {
    Value v;
    try (Graph.Scope scope = graph.scope("outer");
        Graph.Scope inner = graph.scope("inner")) {
      v = graph.variable("v", graph.constant(1f));
      inner.close();
    }
    assertEquals("outer/inner/v", v.name());
    assertEquals(List.of(v), graph.variables());
    assertEquals("w", graph.variable("w", graph.constant(1f)).name());
  }

  @Test
  void layersShareVariables() {
    Value x = graph.input("x", DataType.F32, "batch,4");
    Layer dense = graph.layers().dense("d", 4, 4, o -> o.activation("relu"));
    Value twice = dense.call(dense.call(x));
    assertEquals(List.of("d/kernel", "d/bias"), dense.variables().stream().map(Value::name).toList());
    assertEquals(2, graph.variables().size());
    assertArrayEquals(new long[] {-1, 4}, twice.dims());
    assertThrows(WeftException.class, () -> graph.layers().dense("bad", 4, 4, o -> o.activation("swosh")).call(x));
    assertEquals("Dense layer 'd'", dense.toString());
  }

  @Test
  void textDotAndOutputs() {
    Value x = graph.input("x", DataType.F32, "2");
    Value y = graph.ops().relu(x);
    graph.setOutputs(List.of(y));
    assertEquals(List.of(y), graph.outputs());
    assertTrue(graph.text().contains("Relu"), graph.text());
    assertTrue(graph.dot().startsWith("digraph"), graph.dot());
    assertTrue(graph.nodeCount() >= 1);
  }

  @Test
  void nullsAreNamed() {
    Value x = graph.input("x", DataType.F32, "2");
    assertNamesNull(() -> graph.ops().add(null, x), "a is null");
    assertNamesNull(() -> graph.input(null, DataType.F32, ""), "name is null");
    assertNamesNull(() -> graph.input("y", null, ""), "dtype is null");
    assertNamesNull(() -> graph.ops().softmax(x, null), "options is null");
    assertNamesNull(() -> graph.ops().concat(Arrays.asList(x, null), 0), "inputs[1] is null");
    assertNamesNull(() -> new Session(null), "graph is null");
    assertNamesNull(() -> graph.constant((Tensor) null), "value is null");
  }

  private static void assertNamesNull(org.junit.jupiter.api.function.Executable call, String message) {
    assertEquals(message, assertThrows(NullPointerException.class, call).getMessage());
  }

  @Test
  void closedGraph() {
    Graph closed = new Graph();
    Value x = closed.input("x", DataType.F32, "2");
    Layer layer = closed.layers().dense("d", 2, 2);
    closed.close();
    closed.close();
    assertEquals("the graph is closed", assertThrows(IllegalStateException.class, () -> closed.ops().relu(x)).getMessage());
    assertThrows(IllegalStateException.class, x::name);
    assertThrows(IllegalStateException.class, () -> x.plus(1));
    assertThrows(IllegalStateException.class, () -> layer.call(x));
    assertThrows(IllegalStateException.class, () -> new Session(closed));
    assertEquals("value of a closed graph", x.toString());
  }

  @Test
  void twoWritersAreToldApart() throws Exception {
    Value x = graph.input("x", DataType.F32, "2");
    Runnable build =
        () -> {
          for (int i = 0; i < 2000; ++i) {
            try {
              graph.ops().relu(x);
            } catch (WeftException.FailedPrecondition e) {
              return;
            }
          }
        };
    Thread[] threads = {new Thread(build), new Thread(build)};
    for (Thread thread : threads) thread.start();
    for (Thread thread : threads) thread.join();
    graph.ops().relu(x);
  }
}
