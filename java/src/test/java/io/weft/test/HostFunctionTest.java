// Host functions: functions of the program as nodes.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.DataType;
import io.weft.Graph;
import io.weft.Results;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.io.IOException;
import java.nio.ReadOnlyBufferException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class HostFunctionTest {
  private final Graph graph = new Graph();
  private final Session session = new Session(graph);

  @AfterEach
  void close() {
    session.close();
    graph.close();
  }

  @Test
  void hostFunctionsComputeAndKeepTheirExceptions() {
    Value x = graph.input("x", DataType.F32, "2");
    Value y = hostCall(x, "test.twice");
    AtomicReference<Tensor> kept = new AtomicReference<>();
    try (Tensor xs = Tensor.of(new float[] {1, 2})) {
      WeftException none =
          assertThrows(WeftException.FailedPrecondition.class, () -> session.run(Map.of(x, xs), y));
      assertTrue(none.getMessage().contains("test.twice"), none.getMessage());
      Weft.setHostFunction(
          "test.twice",
          inputs -> {
            kept.set(inputs.get(0));
            float[] values = inputs.get(0).toFloatArray();
            for (int i = 0; i < values.length; ++i) values[i] *= 2;
            return List.of(Tensor.of(values));
          });
      try (Results results = session.run(Map.of(x, xs), y)) {
        assertArrayEquals(new float[] {2, 4}, results.get(0).toFloatArray());
      }
      assertThrows(IllegalStateException.class, () -> kept.get().toFloatArray());

      IOException mine = new IOException("no file");
      Weft.setHostFunction(
          "test.twice",
          inputs -> {
            throw mine;
          });
      WeftException e = assertThrows(WeftException.class, () -> session.run(Map.of(x, xs), y));
      assertSame(mine, e.getCause());
      assertTrue(e.origin().startsWith("HostFunctionTest.java:"), e.origin());

      AssertionError error = new AssertionError("mine");
      Weft.setHostFunction(
          "test.twice",
          inputs -> {
            throw error;
          });
      assertSame(error, assertThrows(AssertionError.class, () -> session.run(Map.of(x, xs), y)));

      Weft.setHostFunction("test.twice", inputs -> List.of());
      e = assertThrows(WeftException.class, () -> session.run(Map.of(x, xs), y));
      assertInstanceOf(IllegalArgumentException.class, e.getCause());
      Weft.setHostFunction("test.twice", inputs -> null);
      assertThrows(WeftException.class, () -> session.run(Map.of(x, xs), y));
      Weft.setHostFunction("test.twice", inputs -> session.run(Map.of(x, inputs.get(0)), y));
      assertThrows(WeftException.class, () -> session.run(Map.of(x, xs), y));
      Weft.setHostFunction("test.twice", inputs -> inputs);
      session.run(Map.of(x, xs), y).close();
      assertArrayEquals(new float[] {1, 2}, xs.toFloatArray());
    } finally {
      Weft.setHostFunction("test.twice", null);
    }
  }

  @Test
  void inputsAreReadOnly() {
    Value x = graph.input("x", DataType.F32, "2");
    Value variable = graph.variable("v", Tensor.of(new float[] {1, 2}));
    Value constant = graph.constant(new float[] {1, 2}, 2);
    List<Tensor> kept = new ArrayList<>();
    Weft.setHostFunction(
        "test.spoil",
        inputs -> {
          Tensor input = inputs.get(0);
          Tensor shared = Tensor.sequence(inputs);
          for (Tensor view : List.of(input, input.reshape(2, 1), shared.at(0))) {
            assertTrue(view.buffer().isReadOnly());
            assertThrows(ReadOnlyBufferException.class, () -> view.buffer().putFloat(0, 9));
            assertThrows(WeftException.FailedPrecondition.class, view::toDlpackUnversioned);
            view.close();
          }
          shared.close();
          kept.add(input);
          return List.of(Tensor.zeros(DataType.F32, 2));
        });
    try (Tensor xs = Tensor.of(new float[] {1, 2})) {
      for (Value value : List.of(x, variable, constant, x.times(1))) {
        session.run(Map.of(x, xs), hostCall(value, "test.spoil")).close();
      }
      assertEquals(4, kept.size());
      // A result is the caller's to write, also where a function gave back its input.
      Weft.setHostFunction("test.spoil", inputs -> inputs);
      Value again = hostCall(hostCall(variable, "test.spoil"), "test.spoil");
      try (Results results = session.run(Map.of(), again);
          Tensor before = session.get("v")) {
        results.get(0).buffer().putFloat(0, 9);
        assertArrayEquals(new float[] {1, 2}, before.toFloatArray());
        try (Tensor after = session.get("v")) {
          assertArrayEquals(new float[] {1, 2}, after.toFloatArray());
        }
      }
    } finally {
      Weft.setHostFunction("test.spoil", null);
    }
  }

  private Value hostCall(Value x, String function) {
    return graph.hostCall(function, List.of(x), List.of(DataType.F32), List.of("2")).get(0);
  }

  @Test
  void gradientsAreHostFunctions() {
    Value x = graph.input("x", DataType.F32, "n");
    Value y =
        graph
            .hostCall("test.square", List.of(x), List.of(DataType.F32), List.of("n"), "test.square_gradient")
            .get(0);
    Value gradient = graph.gradients(y, List.of(x)).get(0);
    Weft.setHostFunction("test.square", in -> List.of(map(in.get(0), null)));
    Weft.setHostFunction("test.square_gradient", in -> List.of(map(in.get(0), in.get(1))));
    try (Tensor xs = Tensor.of(new float[] {1, -3});
        Results results = session.run(Map.of(x, xs), y, gradient)) {
      assertArrayEquals(new float[] {1, 9}, results.get(0).toFloatArray());
      assertArrayEquals(new float[] {2, -6}, results.get(1).toFloatArray());
    } finally {
      Weft.setHostFunction("test.square", null);
      Weft.setHostFunction("test.square_gradient", null);
    }
  }

  // x * x, or its gradient 2 * x * weight.
  private static Tensor map(Tensor x, Tensor weight) {
    float[] values = x.toFloatArray();
    float[] weights = weight == null ? null : weight.toFloatArray();
    for (int i = 0; i < values.length; ++i) values[i] *= weights == null ? values[i] : 2 * weights[i];
    return Tensor.of(values);
  }

  @Test
  void noGradientIsAnErrorThatSaysSo() {
    Value x = graph.input("x", DataType.F32, "2");
    Value y = hostCall(x, "test.none");
    WeftException e = assertThrows(WeftException.class, () -> graph.gradients(y, List.of(x)));
    assertTrue(e.getMessage().contains("test.none"), e.getMessage());
  }

  @Test
  void anyMessageOfAnExceptionIsKept() {
    Value x = graph.input("x", DataType.F32, "2");
    Value y = hostCall(x, "test.words");
    Weft.setHostFunction(
        "test.words",
        inputs -> {
          throw new IllegalStateException("half \uD83E of a pair, \0 and more");
        });
    try (Tensor xs = Tensor.of(new float[] {1, 2})) {
      WeftException e = assertThrows(WeftException.class, () -> session.run(Map.of(x, xs), y));
      assertTrue(e.getMessage().contains("half ? of a pair, ? and more"), e.getMessage());
      assertTrue(e.getCause().getMessage().contains("\uD83E"));
    } finally {
      Weft.setHostFunction("test.words", null);
    }
  }
}
