// Operators that Java programs add.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Attribute;
import io.weft.Attrs;
import io.weft.BodyFunction;
import io.weft.DataType;
import io.weft.Formal;
import io.weft.Graph;
import io.weft.Operator;
import io.weft.Results;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OperatorTest {
  @TempDir Path folder;

  private final Graph graph = new Graph();

  @AfterEach
  void close() {
    graph.close();
  }

  private static Operator simple(String name) {
    return new Operator("com.acme.java." + name).inputs(new Formal("x", "f32")).outputs(new Formal("y", "f32"));
  }

  /** scale x + bias, where the bias may be left out. */
  @BeforeAll
  static void addAffine() {
    Operator affine =
        new Operator("com.acme.java.Affine")
            .types(Map.of("T", List.of(DataType.F32, DataType.F64)))
            .inputs(new Formal("x", "T").doc("Any shape."), new Formal("bias", "T").optional())
            .outputs(new Formal("y", "T"))
            .attributes(new Attribute("scale", "float").defaultValue(1.0), new Attribute("mode", "string").required())
            .version(2)
            .doc("scale x + bias.");
    Weft.addOperator(
        affine,
        (graph, in, attrs) -> {
          assertEquals("plain", attrs.getString("mode"));
          Value scale = graph.ops().castLike(graph.constant(attrs.getDouble("scale")), in.get(0));
          Value y = in.get(0).times(scale);
          return List.of(in.get(1) == null ? y : y.plus(in.get(1)));
        });
  }

  private float[] run(Value x, Value y) {
    try (Session session = new Session(graph);
        Tensor xs = Tensor.of(new float[] {1, -2, 3});
        Results results = session.run(Map.of(x, xs), y)) {
      return results.get(0).toFloatArray();
    }
  }

  @Test
  void operatorsAreAddedRunAndDifferentiated() {
    Value x = graph.input("x", DataType.F32, "n");
    Attrs attrs = new Attrs().set("scale", 2.0).set("mode", "plain");
    Value y = graph.add("com.acme.java.Affine", List.of(x, x.times(x)), attrs, "mine", 1).get(0); // 2 x + x x
    assertArrayEquals(new float[] {3, 0, 15}, run(x, y));
    assertArrayEquals(new float[] {4, -2, 8}, run(x, graph.gradients(y, List.of(x)).get(0))); // 2 + 2 x
    assertTrue(Weft.operators().contains("com.acme.java.Affine"));
    assertTrue(Weft.describeOperator("com.acme.java.Affine").contains("\"T\": \"f32, f64\""));
  }

  @Test
  void filesWithNodesOfThemAreSavedAndLoaded() {
    Value x = graph.input("x", DataType.F32, "n");
    Attrs attrs = new Attrs().set("scale", 0.5).set("mode", "plain");
    Path file = folder.resolve("operator.onnx");
    graph.save(file, graph.add("com.acme.java.Affine", List.of(x), attrs, null, 1), null, null);
    String told = Weft.inspect(file);
    assertTrue(told.contains("\"unsupported\": []") && told.contains("\"com.acme.java\": 2"), told);
    try (Graph loaded = Graph.load(file);
        Session session = new Session(loaded);
        Tensor xs = Tensor.of(new float[] {1, -2});
        Results results = session.run(Map.of(loaded.inputs().get(0), xs), loaded.outputs().get(0))) {
      assertArrayEquals(new float[] {0.5f, -1}, results.get(0).toFloatArray());
    }
  }

  @Test
  void attributesComeInTheirKinds() {
    AtomicReference<Tensor> kept = new AtomicReference<>();
    AtomicReference<Value> keptValue = new AtomicReference<>();
    try (Tensor table = Tensor.of(new float[] {1, 2})) {
      Operator kinds =
          simple("Kinds")
              .attributes(
                  new Attribute("i", "int").defaultValue(7),
                  new Attribute("b", "bool").defaultValue(true),
                  new Attribute("d", "dtype").defaultValue(DataType.I64),
                  new Attribute("t", "tensor").defaultValue(table),
                  new Attribute("ii", "ints").defaultValue(new long[] {1, 2}),
                  new Attribute("ff", "floats").defaultValue(new double[] {0.5}),
                  new Attribute("ss", "strings").defaultValue(List.of("a", "b")),
                  new Attribute("absent", "int"));
      Weft.addOperator(
          kinds,
          (graph, in, attrs) -> {
            assertEquals(7, attrs.getLong("i"));
            assertTrue(attrs.getBoolean("b"));
            assertEquals(DataType.I64, attrs.getDataType("d"));
            assertArrayEquals(new float[] {1, 2}, attrs.getTensor("t").toFloatArray());
            assertArrayEquals(new long[] {1, 2}, attrs.getLongs("ii"));
            assertArrayEquals(new double[] {0.5}, attrs.getDoubles("ff"));
            assertEquals(List.of("a", "b"), attrs.getStrings("ss"));
            assertFalse(attrs.has("absent"));
            assertThrows(IllegalArgumentException.class, () -> attrs.getLong("absent"));
            assertThrows(IllegalArgumentException.class, () -> attrs.getLong("ff"));
            kept.set(attrs.getTensor("t"));
            keptValue.set(in.get(0));
            return in;
          });
    }
    graph.add("com.acme.java.Kinds", List.of(graph.input("x", DataType.F32, "")), null, null, 1);
    assertThrows(IllegalStateException.class, () -> kept.get().toFloatArray());
    assertThrows(IllegalStateException.class, () -> keptValue.get().relu());
  }

  @Test
  void manyInputsAndHostFunctionsInside() {
    Operator shift =
        new Operator("com.acme.java.Shift")
            .inputs(new Formal("first", "f32"), new Formal("others", "f32").variadic())
            .outputs(new Formal("moved", "f32").variadic());
    Weft.addOperator(
        shift,
        (graph, in, attrs) -> {
          List<Value> moved = new ArrayList<>(in.subList(1, in.size()));
          moved.add(in.get(0));
          return moved;
        });
    Weft.setHostFunction(
        "java.doubled", in -> List.of(Tensor.of(new float[] {in.get(0).toFloatArray()[0] * 2, 0, 0})));
    Weft.addOperator(
        simple("Doubled"),
        (graph, in, attrs) -> graph.hostCall("java.doubled", in, List.of(DataType.F32), List.of("n")));
    Value x = graph.input("x", DataType.F32, "n");
    List<Value> moved = graph.add("com.acme.java.Shift", List.of(x, x.unaryMinus(), x.abs()), null, null, 3);
    assertArrayEquals(new float[] {1, 2, 3}, run(x, moved.get(1)));
    assertArrayEquals(new float[] {1, -2, 3}, run(x, moved.get(2)));
    assertArrayEquals(new float[] {2, 0, 0}, run(x, graph.add("com.acme.java.Doubled", List.of(x), null, null, 1).get(0)));
    Weft.setHostFunction("java.doubled", null);
  }

  @Test
  void errorsNameTheNodeAndHaveTheirCause() {
    AtomicReference<BodyFunction> body = new AtomicReference<>();
    Weft.addOperator(simple("Wrong"), (graph, in, attrs) -> body.get().build(graph, in, attrs));
    Value x = graph.input("x", DataType.F32, "2,3");
    IOException mine = new IOException("no file");
    Map<String, BodyFunction> wrong =
        Map.of(
            "no file",
            (graph, in, attrs) -> {
              throw mine;
            },
            "what the body gives is null",
            (graph, in, attrs) -> null,
            "the body gave 0 values, but the node has 1 outputs",
            (graph, in, attrs) -> List.of(),
            "nothing as output 0",
            (graph, in, attrs) -> Arrays.asList((Value) null),
            "belongs to another graph",
            (graph, in, attrs) -> List.of(x),
            "MatMul",
            (graph, in, attrs) -> List.of(in.get(0).matMul(in.get(0))),
            "the graph that it is given",
            (graph, in, attrs) -> List.of(x.unaryMinus()));
    for (Map.Entry<String, BodyFunction> entry : wrong.entrySet()) {
      body.set(entry.getValue());
      WeftException e =
          assertThrows(
              WeftException.class, () -> graph.add("com.acme.java.Wrong", List.of(x), null, "mine", 1));
      assertTrue(e.getMessage().contains(entry.getKey()), e.getMessage());
      assertEquals("com.acme.java.Wrong", e.op());
      assertEquals("mine", e.node());
      assertTrue(e.origin().startsWith("OperatorTest.java:"), e.origin());
      if (entry.getKey().equals("no file")) assertSame(mine, e.getCause());
      if (entry.getKey().equals("nothing as output 0")) assertNull(e.getCause());
    }
    assertEquals(1, graph.nodeCount());
  }

  /** Also of a body that is good when its node is added and fails when it is run. */
  @Test
  void anErrorOfJavaGoesOnAsItIs() {
    AtomicReference<Error> fatal = new AtomicReference<>();
    Weft.addOperator(
        simple("Fatal"),
        (graph, in, attrs) -> {
          if (fatal.get() != null) throw fatal.get();
          return in;
        });
    Value x = graph.input("x", DataType.F32, "n");
    Value y = graph.add("com.acme.java.Fatal", List.of(x), null, null, 1).get(0);
    fatal.set(new LinkageError("not today"));
    Error added =
        assertThrows(LinkageError.class, () -> graph.add("com.acme.java.Fatal", List.of(x), null, null, 1));
    assertSame(fatal.get(), added);
    assertSame(fatal.get(), assertThrows(LinkageError.class, () -> run(x, y)));
    fatal.set(null);
    assertArrayEquals(new float[] {1, -2, 3}, run(x, y));
  }

  @Test
  void whatCannotBeAdded() {
    BodyFunction identity = (graph, in, attrs) -> in;
    assertThrows(WeftException.AlreadyExists.class, () -> Weft.addOperator(simple("Affine"), identity));
    assertThrows(WeftException.InvalidArgument.class, () -> Weft.addOperator(new Operator("Affine"), identity));
    assertThrows(WeftException.InvalidArgument.class, () -> Weft.addOperator(new Operator("weft.Mine"), identity));
    Operator none = new Operator("com.acme.java.None");
    WeftException e = assertThrows(WeftException.InvalidArgument.class, () -> Weft.addOperator(none, identity));
    assertTrue(e.getMessage().contains("no output"), e.getMessage());
    Operator kind = simple("Kind").attributes(new Attribute("a", "number"));
    assertThrows(WeftException.InvalidArgument.class, () -> Weft.addOperator(kind, identity));
    assertThrows(IllegalStateException.class, () -> new Formal("x", "f32").optional().variadic());
    assertThrows(NullPointerException.class, () -> Weft.addOperator(none, null));
    Weft.addOperator(simple("Self"), (graph, in, attrs) -> graph.add("com.acme.java.Self", in, null, null, 1));
    Value x = graph.input("x", DataType.F32, "");
    WeftException self =
        assertThrows(WeftException.class, () -> graph.add("com.acme.java.Self", List.of(x), null, null, 1));
    assertTrue(self.getMessage().contains("com.acme.java.Self is made of com.acme.java.Self"), self.getMessage());
  }
}
