// Programs that go wrong while they build and run: numbers, indices, memory, threads and depth.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Attrs;
import io.weft.Cancel;
import io.weft.DataType;
import io.weft.ErrorCode;
import io.weft.Graph;
import io.weft.Layer;
import io.weft.Prepared;
import io.weft.Results;
import io.weft.RunOptions;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class FaultsTest {
  private final Graph graph = new Graph();
  private final Session session = new Session(graph);

  @AfterEach
  void close() {
    session.close();
    graph.close();
  }

  private static int line() {
    return StackWalker.getInstance().walk(frames -> frames.skip(1).findFirst().orElseThrow().getLineNumber());
  }

  private static void assertError(ErrorCode code, String part, String node, int line, Executable call) {
    WeftException e = assertThrows(WeftException.class, call);
    assertEquals(code, e.code(), e.getMessage());
    assertTrue(e.getMessage().contains(part), e.getMessage());
    assertEquals(node, e.node(), e.getMessage());
    assertEquals(line == 0 ? "" : "FaultsTest.java:" + line, e.origin(), e.getMessage());
  }

  @Test
  void unknownNamesAreErrorsOfTheLine() {
    Value x = graph.input("x", DataType.F32, "2");
    Value y = graph.input("y", DataType.F32, "2,2");
    int line = line();
    Executable op = () -> graph.add("MatMull", List.of(x, x), null, null, 1);
    Executable attr = () -> graph.add("Relu", List.of(x), new Attrs().set("alpha", 1), null, 1);
    Executable name = () -> graph.input("x", DataType.F32, "2");
    Executable rank = () -> graph.ops().concat(List.of(x, y), 0, o -> o.name("both"));
    assertError(ErrorCode.NOT_FOUND, "did you mean 'MatMul'?", "", line + 1, op);
    assertError(ErrorCode.INVALID_ARGUMENT, "there is no attribute 'alpha'", "", line + 2, attr);
    assertError(ErrorCode.ALREADY_EXISTS, "has a value 'x' already", "x", line + 3, name);
    assertError(ErrorCode.INVALID_ARGUMENT, "have the ranks 1 and 2", "both", line + 4, rank);
  }

  @Test
  void errorsNameTheNodeWithItsScope() {
    Value x = graph.input("x", DataType.F32, "2,3");
    try (Graph.Scope encoder = graph.scope("encoder");
        Graph.Scope layer = graph.scope("layer1");
        Tensor zero = Tensor.of(new int[1])) {
      WeftException e = assertThrows(WeftException.class, () -> graph.ops().matMul(x, x));
      assertEquals("encoder/layer1/MatMul", e.node());
      assertTrue(e.getMessage().contains(" [MatMul 'encoder/layer1/MatMul'] (built at "), e.getMessage());
      e = assertThrows(WeftException.class, () -> graph.ops().matMul(x, x, o -> o.name("scores")));
      assertEquals("encoder/layer1/scores", e.node());
      e = assertThrows(WeftException.class, () -> graph.variable("v", x));
      assertEquals("encoder/layer1/v", e.node());
      Value whole = graph.input("i", DataType.I32, "1");
      Value quotient = graph.ops().div(whole, whole);
      e = assertThrows(WeftException.class, () -> session.run(Map.of(whole, zero), quotient));
      assertEquals("encoder/layer1/Div", e.node());
    }
  }

  @Test
  void valuesFedTwice() {
    Value x = graph.input("x", DataType.F32, "2");
    Executable twice = () -> session.prepare(List.of(x, x), List.of(x));
    assertError(ErrorCode.INVALID_ARGUMENT, "'x' is fed twice", "", 0, twice);
  }

  private float picked(Value x, Value y, float at) {
    try (Tensor index = Tensor.scalar(at);
        Results results = session.run(Map.of(x, index), y)) {
      return results.get(0).toFloat();
    }
  }

  @Test
  void indicesOutsideAndNoNumbers() {
    Value table = graph.constant(new float[] {10, 20});
    Value x = graph.input("x", DataType.F32, "");
    int line = line();
    Value y = graph.ops().gather(table, graph.ops().cast(x, DataType.I64), o -> o.name("pick"));
    Executable wrong = () -> graph.ops().gather(table, x, o -> o.name("wrong"));
    assertEquals(10, picked(x, y, -2));
    for (float at : new float[] {2, -3, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 1e30f, Float.NaN}) {
      Executable pick = () -> picked(x, y, at);
      assertError(ErrorCode.OUT_OF_RANGE, "is outside axis 0 of size 2", "pick", line + 1, pick);
    }
    assertError(ErrorCode.INVALID_ARGUMENT, "is f32 but must be one of i32, i64", "wrong", line + 2, wrong);
  }

  private int[][] run(Map<Value, int[]> numbers, List<Value> values) {
    Map<Value, Tensor> feeds = new java.util.HashMap<>();
    numbers.forEach((value, array) -> feeds.put(value, Tensor.of(array)));
    try (Results results = session.run(feeds, values, List.of())) {
      int[][] out = new int[values.size()][];
      for (int i = 0; i < out.length; ++i) out[i] = results.get(i).toIntArray();
      return out;
    } finally {
      feeds.values().forEach(Tensor::close);
    }
  }

  @Test
  void wholeNumbersWrapAndDivideByNoZero() {
    int least = Integer.MIN_VALUE;
    int most = Integer.MAX_VALUE;
    Value a = graph.input("a", DataType.I32, "3");
    Value b = graph.input("b", DataType.I32, "3");
    int line = line();
    Value quotient = graph.ops().div(a, b, o -> o.name("quotient"));
    Value remainder = graph.ops().mod(a, b, o -> o.name("remainder"));
    List<Value> all =
        List.of(quotient, remainder, a.plus(b), a.minus(b), a.times(b), a.unaryMinus(), a.abs());
    int[][] wanted = {
      {least, -7, most}, {0, 0, 0}, {most, 6, least}, {least + 1, 8, most - 1}, {least, -7, most}, {least, -7, -most},
      {least, 7, most}
    };
    assertArrayEquals(wanted, run(Map.of(a, new int[] {least, 7, most}, b, new int[] {-1, -1, 1}), all));
    Map<Value, int[]> byZero = Map.of(a, new int[] {1, 2, 3}, b, new int[] {1, 0, 1});
    String part = "division by zero";
    assertError(ErrorCode.INVALID_ARGUMENT, part, "quotient", line + 1, () -> run(byZero, List.of(quotient)));
    assertError(ErrorCode.INVALID_ARGUMENT, part, "remainder", line + 2, () -> run(byZero, List.of(remainder)));
  }

  private long expanded(Value x, Value size, Value y, long rows, long columns) {
    try (Tensor one = Tensor.scalar(1f);
        Tensor shape = Tensor.of(new long[] {rows, columns});
        Results results = session.run(Map.of(x, one, size, shape), y)) {
      return results.get(0).count();
    }
  }

  @Test
  void sizesThatOverflowAndMemoryThatIsNotThere() {
    long huge = 1L << 62;
    assertThrows(WeftException.ResourceExhausted.class, () -> Tensor.zeros(DataType.F32, huge, huge));
    Value x = graph.input("x", DataType.F32, "");
    Value size = graph.input("size", DataType.I64, "2");
    int line = line();
    Value y = graph.ops().expand(x, size, o -> o.name("wide"));
    for (long n : new long[] {huge, 1L << 32}) {
      Executable run = () -> expanded(x, size, y, n, n);
      assertError(ErrorCode.RESOURCE_EXHAUSTED, "is too large", "wide", line + 1, run);
    }
    assertEquals(2, expanded(x, size, y, 2, 1));
    Weft.setMemoryLimit(Weft.memoryBytes() + 1_000_000);
    try {
      assertThrows(WeftException.ResourceExhausted.class, () -> expanded(x, size, y, 1000, 1000));
    } finally {
      Weft.setMemoryLimit(0);
    }
    assertEquals(1_000_000, expanded(x, size, y, 1000, 1000));
  }

  @Test
  void aLongRunIsStoppedInTheMiddle() {
    Value y = SessionTest.slow(graph);
    Value v = graph.variable("v", graph.constant(1f));
    List<Value> next = List.of(graph.add("weft.Assign", List.of(v, v.plus(1)), null, null, 1).get(0));
    try (Cancel cancel = new Cancel()) {
      RunOptions fromInside = new RunOptions().cancel(cancel).poll(cancel::set);
      assertThrows(
          WeftException.Cancelled.class, () -> session.run(Map.of(), List.of(y), next, fromInside));
    }
    AtomicInteger polls = new AtomicInteger();
    RunOptions late = new RunOptions().timeout(Duration.ofMillis(100)).poll(polls::incrementAndGet);
    assertThrows(WeftException.DeadlineExceeded.class, () -> session.run(Map.of(), List.of(y), next, late));
    assertTrue(polls.get() > 0);
    try (Tensor value = session.get("v")) {
      assertEquals(1f, value.toFloat());
    }
  }

  @Test
  void aSessionIsClosedDuringARun() throws Exception {
    Value y = SessionTest.slow(graph);
    CountDownLatch closing = new CountDownLatch(1);
    Thread closer =
        new Thread(
            () -> {
              closing.countDown();
              session.close(); // waits for the run
            });
    try (Cancel cancel = new Cancel()) {
      Runnable poll =
          () -> {
            if (closing.getCount() == 0) {
              cancel.set();
              return;
            }
            closer.start();
            try {
              closing.await();
            } catch (InterruptedException e) {
              throw new IllegalStateException(e);
            }
          };
      RunOptions options = new RunOptions().cancel(cancel).poll(poll);
      assertThrows(WeftException.Cancelled.class, () -> session.run(Map.of(), List.of(y), List.of(), options));
    }
    closer.join();
    assertThrows(IllegalStateException.class, () -> session.run(Map.of(), y));
  }

  private static void inTwoThreads(Runnable work) throws InterruptedException {
    AtomicReference<Throwable> wrong = new AtomicReference<>();
    Thread[] threads = {new Thread(work), new Thread(work)};
    for (Thread thread : threads) {
      thread.setUncaughtExceptionHandler((which, e) -> wrong.set(e));
      thread.start();
    }
    for (Thread thread : threads) thread.join();
    assertEquals(null, wrong.get());
  }

  @Test
  void twoThreadsBuildOneGraph() throws Exception {
    Value x = graph.input("x", DataType.F32, "2");
    AtomicInteger added = new AtomicInteger();
    inTwoThreads(
        () -> {
          for (int i = 0; i < 2000; ++i) {
            try {
              graph.ops().relu(x);
              added.incrementAndGet();
            } catch (WeftException.FailedPrecondition e) {
              assertTrue(e.getMessage().contains("a graph has one writer"), e.getMessage());
            }
          }
        });
    assertEquals(1 + added.get(), graph.nodeCount());
  }

  @Test
  void twoThreadsInOnePreparedRun() throws Exception {
    Value x = graph.input("x", DataType.F32, "2");
    try (Tensor in = Tensor.of(new float[] {1, 2});
        Prepared prepared = session.prepare(List.of(x), List.of(x.times(2)))) {
      prepared.bindInput(0, in);
      AtomicInteger ran = new AtomicInteger();
      inTwoThreads(
          () -> {
            for (int i = 0; i < 2000; ++i) {
              try {
                prepared.run();
                ran.incrementAndGet();
              } catch (WeftException.FailedPrecondition e) {
                assertTrue(e.getMessage().contains("thread"), e.getMessage());
              }
            }
          });
      assertTrue(ran.get() > 0);
      prepared.run();
      try (Tensor out = prepared.output(0)) {
        assertArrayEquals(new float[] {2, 4}, out.toFloatArray());
      }
    }
  }

  @Test
  void objectsGoInAnyOrder() {
    int[][] orders = {{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {1, 0, 3, 4, 2}, {2, 4, 0, 1, 3}, {3, 2, 1, 4, 0}};
    for (int[] order : orders) {
      Graph g = new Graph();
      Layer dense = g.layers().dense("d", 2, 1);
      Value x = g.input("x", DataType.F32, "n,2");
      Value y = dense.call(x);
      Session s = new Session(g);
      Tensor in = Tensor.of(new float[] {1, 2}, 1, 2);
      Prepared prepared = s.prepare(List.of(x), List.of(y));
      prepared.bindInput(0, in);
      prepared.run();
      Tensor out = prepared.output(0);
      List<Runnable> closers = List.of(g::close, s::close, in::close, prepared::close, dense::close);
      for (int i : order) closers.get(i).run();
      assertEquals(1, out.count());
      out.close();
      for (int i : order) closers.get(i).run();
    }
  }

  private static void goDeep(Path path) {
    try (Graph deep = new Graph();
        Tensor half = Tensor.scalar(0.5f)) {
      Value x = deep.input("x", DataType.F32, "");
      Value one = deep.constant(1f);
      Value y = x;
      for (int i = 0; i < 100_000; ++i) y = y.plus(one);
      Value slope = deep.gradients(y, List.of(x)).get(0);
      try (Session run = new Session(deep);
          Results results = run.run(Map.of(x, half), y, slope)) {
        assertEquals(100_000.5f, results.get(0).toFloat());
        assertEquals(1f, results.get(1).toFloat());
      }
      deep.save(path, List.of(y), null, null);
      try (Graph again = Graph.load(path);
          Session run = new Session(again);
          Results results = run.run(Map.of(again.inputs().get(0), half), again.outputs(), List.of())) {
        assertEquals(100_000.5f, results.get(0).toFloat());
      }
    }
  }

  @Test
  void aGraphThatIsVeryDeepOnASmallStack(@TempDir Path folder) throws Exception {
    AtomicReference<Throwable> wrong = new AtomicReference<>();
    Thread thread = new Thread(null, () -> goDeep(folder.resolve("deep.onnx")), "small", 256 * 1024);
    thread.setUncaughtExceptionHandler((which, e) -> wrong.set(e));
    thread.start();
    thread.join();
    assertEquals(null, wrong.get());
  }
}
