// Running: results, variables, prepared runs, cancellation, host functions, many threads.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Cancel;
import io.weft.DataType;
import io.weft.Dataset;
import io.weft.ErrorCode;
import io.weft.FitOptions;
import io.weft.Graph;
import io.weft.Optimizer;
import io.weft.Prepared;
import io.weft.Results;
import io.weft.RunOptions;
import io.weft.Session;
import io.weft.SessionOptions;
import io.weft.Tensor;
import io.weft.Trace;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class SessionTest {
  private final Graph graph = new Graph();
  private final Session session = new Session(graph);
  private final CountDownLatch begun = new CountDownLatch(1);

  @AfterEach
  void close() {
    session.close();
    graph.close();
    Weft.setHostFunction("test.begun", null);
  }

  private static Value matrix(Graph graph) {
    return graph.variable("slow", graph.ops().expand(graph.constant(0.001f), graph.constant(new long[] {600, 600})));
  }

  private static Value products(Value x) {
    Value y = x;
    for (int i = 0; i < 20000; ++i) y = y.matMul(x);
    return y;
  }

  /** A value that takes minutes to compute. */
  static Value slow(Graph graph) {
    return products(matrix(graph));
  }

  /** The same; each run counts down when it is about to begin with what takes minutes. */
  static Value slow(Graph graph, CountDownLatch begun) {
    Weft.setHostFunction(
        "test.begun",
        inputs -> {
          begun.countDown();
          return inputs;
        });
    return products(
        graph.hostCall("test.begun", List.of(matrix(graph)), List.of(DataType.F32), List.of("600,600")).get(0));
  }

  private void awaitBegun() throws InterruptedException {
    assertTrue(begun.await(60, TimeUnit.SECONDS), "no run has begun");
  }

  @Test
  void fetchesByIndexAndValue() {
    Value x = graph.input("x", DataType.F32, "n");
    Value y = x.plus(1);
    try (Tensor xs = Tensor.of(new float[] {1, 2});
        Results results = session.run(Map.of(x, xs), x, y)) {
      assertEquals(2, results.size());
      assertArrayEquals(new float[] {2, 3}, results.get(y).toFloatArray());
      assertArrayEquals(new float[] {1, 2}, results.get(0).toFloatArray());
      assertThrows(IllegalArgumentException.class, () -> results.get(graph.constant(1f)));
      assertThrows(IndexOutOfBoundsException.class, () -> results.get(2));
    }
  }

  @Test
  void feedsAreChecked() {
    Value x = graph.input("x", DataType.F32, "2");
    Value y = x.plus(1);
    try (Tensor wrong = Tensor.of(new float[3]);
        Tensor type = Tensor.of(new long[2])) {
      WeftException e = assertThrows(WeftException.InvalidArgument.class, () -> session.run(Map.of(x, wrong), y));
      assertTrue(e.getMessage().contains("x"), e.getMessage());
      assertThrows(WeftException.InvalidArgument.class, () -> session.run(Map.of(x, type), y));
      assertThrows(WeftException.class, () -> session.run(Map.of(), y));
      wrong.close();
      assertEquals(
          "the tensor that is fed to 'x' is closed",
          assertThrows(IllegalStateException.class, () -> session.run(Map.of(x, wrong), y)).getMessage());
    }
    assertThrows(NullPointerException.class, () -> session.run(null, y));
    assertThrows(NullPointerException.class, () -> session.run(Map.of(), (Value) null));
    java.util.HashMap<Value, Tensor> missing = new java.util.HashMap<>();
    missing.put(x, null);
    assertEquals(
        "feeds[x] is null", assertThrows(NullPointerException.class, () -> session.run(missing, y)).getMessage());
  }

  @Test
  void variablesChangeByCommit() {
    Value v = graph.variable("v", graph.constant(1f));
    Value next = graph.add("weft.Assign", List.of(v, v.plus(1)), null, null, 1).get(0);
    for (int i = 0; i < 3; ++i) session.run(Map.of(), List.of(), List.of(next)).close();
    try (Tensor now = session.get("v");
        Tensor ten = Tensor.scalar(10f)) {
      assertEquals(4f, now.toFloat());
      session.set("v", ten);
      try (Tensor set = session.get("v")) {
        assertEquals(10f, set.toFloat());
      }
    }
    assertThrows(WeftException.NotFound.class, () -> session.get("w"));
    try (Session sharing = new Session(graph, new SessionOptions().share(session));
        Session own = new Session(graph, new SessionOptions().threads(1).referenceKernels(true).disablePass("*"));
        Tensor shared = sharing.get("v")) {
      own.initialise();
      own.trim();
      assertTrue(own.describe().startsWith("{\"runs\": 0, \"threads\": 1, "), own.describe());
      assertEquals(10f, shared.toFloat());
      try (Tensor fresh = own.get("v")) {
        assertEquals(1f, fresh.toFloat());
      }
    }
  }

  @Test
  void constantMatricesAreKeptAsBf16WhereThatIsAskedFor() {
    float[] ones = new float[128];
    float[] ties = new float[128 * 128];
    Arrays.fill(ones, 1);
    Arrays.fill(ties, 1 + 1f / 256); // half way between two bf16, of which 1 is even
    Value x = graph.input("x", DataType.F32, "1, 128");
    try (Tensor matrix = Tensor.of(ties, 128, 128);
        Tensor in = Tensor.of(ones, 1, 128);
        Session halves = new Session(graph, new SessionOptions().weightDtype("bf16"))) {
      Value y = x.matMul(graph.constant(matrix));
      try (Results exact = session.run(Map.of(x, in), y);
          Results rounded = halves.run(Map.of(x, in), y)) {
        assertEquals(128.5f, exact.get(0).toFloatArray()[0]);
        assertEquals(128f, rounded.get(0).toFloatArray()[0]);
      }
    }
    var error =
        assertThrows(
            WeftException.InvalidArgument.class, () -> new Session(graph, new SessionOptions().weightDtype("f16")));
    assertTrue(error.getMessage().contains("'f32' or 'bf16'"), error.getMessage());
  }

  @Test
  void preparedRunsReadAndWriteBoundMemory() {
    Value x = graph.input("x", DataType.F32, "n");
    Value y = x.times(2);
    try (Tensor in = Tensor.of(new float[] {1, 2, 3});
        Tensor out = Tensor.zeros(DataType.F32, 3);
        Prepared prepared = session.prepare(List.of(x), List.of(y))) {
      assertThrows(WeftException.FailedPrecondition.class, prepared::run);
      prepared.bindInput(0, in);
      prepared.run();
      try (Tensor fresh = prepared.output(0)) {
        assertArrayEquals(new float[] {2, 4, 6}, fresh.toFloatArray());
      }
      prepared.bindOutput(0, out);
      in.buffer().putFloat(0, 10);
      prepared.run(new RunOptions().timeout(Duration.ofSeconds(10)));
      assertArrayEquals(new float[] {20, 4, 6}, out.toFloatArray());
      prepared.bindOutput(0, null);
      prepared.run();
      assertThrows(WeftException.class, () -> prepared.bindInput(1, in));
      assertThrows(WeftException.class, () -> prepared.bindInput(-1, in));
      assertThrows(WeftException.class, () -> prepared.output(7));
      assertThrows(NullPointerException.class, () -> prepared.bindInput(0, null));
    }
  }

  /** A prepared run of the negative of x whose session nobody else knows. */
  private Prepared prepared(Value x) {
    return new Session(graph).prepare(List.of(x), List.of(x.unaryMinus()));
  }

  @Test
  void preparedRunsKeepTheirSession() throws Exception {
    Value x = graph.input("x", DataType.F32, "n");
    try (Tensor in = Tensor.of(new float[] {1});
        Prepared prepared = prepared(x)) {
      int[] left = {3};
      Collector.runUntil(() -> left[0]-- == 0);
      prepared.bindInput(0, in);
      prepared.run();
      try (Tensor out = prepared.output(0)) {
        assertArrayEquals(new float[] {-1}, out.toFloatArray());
      }
    }
  }

  @Test
  void timeoutsAreExact() {
    Value x = graph.input("x", DataType.F32, "n");
    Value y = x.plus(1);
    Value loss = graph.ops().reduceMean(graph.variable("v", graph.constant(1f)).times(x), o -> o.keepdims(false));
    Value step = Optimizer.sgd().minimize(loss);
    List<Value> in = List.of(x);
    try (Tensor xs = Tensor.of(new float[] {1, 2});
        Dataset rows = Dataset.of(xs);
        Prepared prepared = session.prepare(in, List.of(y))) {
      prepared.bindInput(0, xs);
      Map<Value, Tensor> feeds = Map.of(x, xs);
      Duration least = Duration.ofSeconds(Long.MIN_VALUE);
      for (Duration passed : List.of(Duration.ZERO, Duration.ofNanos(1), Duration.ofSeconds(-1), least)) {
        RunOptions run = new RunOptions().timeout(passed);
        FitOptions fit = new FitOptions().timeout(passed);
        List<Executable> calls =
            List.of(
                () -> session.run(feeds, List.of(y), List.of(), run),
                () -> prepared.run(run),
                () -> session.fit(rows, in, step, List.of(loss), fit),
                () -> session.evaluate(rows, in, List.of(loss), fit),
                () -> session.predict(rows, in, List.of(y), fit));
        for (Executable call : calls) assertThrows(WeftException.DeadlineExceeded.class, call, passed.toString());
        CompletionException e =
            assertThrows(CompletionException.class, session.runAsync(feeds, List.of(y), List.of(), run)::join);
        assertInstanceOf(WeftException.DeadlineExceeded.class, e.getCause());
      }
      try (Tensor v = session.get("v")) {
        assertEquals(1f, v.toFloat());
      }
      Duration ages = Duration.ofSeconds(Long.MAX_VALUE, 999_999_999);
      session.run(feeds, List.of(y), List.of(step), new RunOptions().timeout(ages)).close();
      session.fit(rows, in, step, List.of(loss), new FitOptions().timeout(ages));
    }
    Value slow = slow(graph);
    for (Duration soon : List.of(Duration.ofNanos(500_000), Duration.ofMillis(30))) {
      RunOptions options = new RunOptions().timeout(soon);
      assertThrows(
          WeftException.DeadlineExceeded.class, () -> session.run(Map.of(), List.of(slow), List.of(), options));
    }
  }

  @Test
  void cancelEndsARun() throws Exception {
    Value y = slow(graph, begun);
    try (Cancel cancel = new Cancel()) {
      RunOptions options = new RunOptions().cancel(cancel);
      CompletableFuture<Void> run =
          CompletableFuture.runAsync(() -> session.run(Map.of(), List.of(y), List.of(), options).close());
      awaitBegun();
      cancel.set();
      CompletionException e = assertThrows(CompletionException.class, run::join);
      assertEquals(ErrorCode.CANCELLED, assertInstanceOf(WeftException.Cancelled.class, e.getCause()).code());
      assertTrue(cancel.get());
      cancel.set(false);
      assertTrue(!cancel.get());
    }
  }

  @Test
  void pollEndsARunWithItsException() {
    Value y = slow(graph);
    IllegalStateException mine = new IllegalStateException("enough");
    WeftException e =
        assertThrows(
            WeftException.class,
            () ->
                session.run(
                    Map.of(),
                    List.of(y),
                    List.of(),
                    new RunOptions()
                        .poll(
                            () -> {
                              throw mine;
                            })));
    assertSame(mine, e.getCause());
  }

  @Test
  void interruptsEndARunThatAllowsThem() throws Exception {
    Value y = slow(graph, begun);
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    AtomicReference<Boolean> interrupted = new AtomicReference<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                session.run(Map.of(), List.of(y), List.of(), new RunOptions().interruptible()).close();
              } catch (WeftException e) {
                thrown.set(e);
                interrupted.set(Thread.currentThread().isInterrupted());
              }
            });
    thread.start();
    awaitBegun();
    thread.interrupt();
    thread.join();
    assertInstanceOf(WeftException.Cancelled.class, thrown.get());
    assertEquals("the thread was interrupted", thrown.get().getMessage());
    assertEquals(true, interrupted.get());
  }

  @Test
  void asyncRunsGiveResultsErrorsAndCanBeCancelled() throws Exception {
    Value x = graph.input("x", DataType.F32, "n");
    Value y = x.plus(1);
    CompletableFuture<Results> future;
    try (Tensor xs = Tensor.of(new float[] {1, 2})) {
      future = session.runAsync(Map.of(x, xs), y);
    }
    try (Results results = future.get(10, TimeUnit.SECONDS)) {
      assertArrayEquals(new float[] {2, 3}, results.get(0).toFloatArray());
    }
    List<Runnable> tasks = new ArrayList<>();
    try (Tensor xs = Tensor.of(new float[] {3, 4})) {
      future = session.runAsync(Map.of(x, xs), List.of(y), List.of(), null, tasks::add);
    }
    assertFalse(future.isDone());
    tasks.get(0).run();
    try (Results results = future.join()) {
      assertArrayEquals(new float[] {4, 5}, results.get(0).toFloatArray());
    }
    Executor full =
        task -> {
          throw new RejectedExecutionException("full");
        };
    assertThrows(
        RejectedExecutionException.class,
        () -> session.runAsync(Map.of(), List.of(y), List.of(), null, full));
    CompletableFuture<Results> failing = session.runAsync(Map.of(), y);
    CompletionException e = assertThrows(CompletionException.class, failing::join);
    assertInstanceOf(WeftException.class, e.getCause());

    Value slow = slow(graph, begun);
    CompletableFuture<Results> cancelled = session.runAsync(Map.of(), slow);
    awaitBegun();
    assertTrue(cancelled.cancel(true));
    assertThrows(CancellationException.class, cancelled::join);
    session.close(); // waits for the run, which ends soon
  }

  @Test
  void tracesAreJson(@TempDir Path folder) throws IOException {
    Value x = graph.input("x", DataType.F32, "2");
    Value y = graph.ops().relu(x);
    try (Trace trace = new Trace();
        Tensor xs = Tensor.of(new float[2])) {
      session.run(Map.of(x, xs), List.of(y), List.of(), new RunOptions().trace(trace)).close();
      assertTrue(trace.json().contains("Relu"), trace.json());
      Path file = folder.resolve("trace.json");
      trace.save(file);
      assertEquals(trace.json(), Files.readString(file));
      Path missing = folder.resolve("no such folder").resolve("trace.json");
      UncheckedIOException e = assertThrows(UncheckedIOException.class, () -> trace.save(missing));
      assertInstanceOf(NoSuchFileException.class, e.getCause());
      assertThrows(UncheckedIOException.class, () -> trace.save(Path.of("/dev/full")));
    }
  }

  @Test
  void manyThreadsOneSession() throws Exception {
    Value x = graph.input("x", DataType.F32, "n");
    Value y = x.times(2).plus(1);
    ExecutorService threads = Executors.newFixedThreadPool(4);
    List<Future<Boolean>> done = new ArrayList<>();
    for (int t = 0; t < 4; ++t) {
      int size = t + 1;
      done.add(
          threads.submit(
              () -> {
                for (int i = 0; i < 300; ++i) {
                  float[] values = new float[size];
                  Arrays.fill(values, i);
                  try (Tensor in = Tensor.of(values);
                      Results results = session.run(Map.of(x, in), y)) {
                    for (float value : results.get(0).toFloatArray()) {
                      if (value != 2 * i + 1) return false;
                    }
                  }
                }
                return true;
              }));
    }
    for (Future<Boolean> each : done) assertTrue(each.get());
    threads.shutdown();
  }

  @Test
  void closingWhileOthersRunIsAnErrorNotACrash() throws Exception {
    Value x = graph.input("x", DataType.F32, "n");
    Value y = x.plus(1);
    for (int round = 0; round < 20; ++round) {
      Session shortLived = new Session(graph);
      Tensor in = Tensor.of(new float[1000]);
      CountDownLatch started = new CountDownLatch(2);
      AtomicReference<Throwable> wrong = new AtomicReference<>();
      Runnable use =
          () -> {
            started.countDown();
            try {
              for (; ; ) shortLived.run(Map.of(x, in), y).close();
            } catch (IllegalStateException | WeftException.FailedPrecondition closed) {
              // What is wanted.
            } catch (Throwable e) {
              wrong.set(e);
            }
          };
      Thread[] threads = {new Thread(use), new Thread(use)};
      for (Thread thread : threads) thread.start();
      started.await();
      if (round % 2 == 0) shortLived.close();
      in.close();
      for (Thread thread : threads) thread.join();
      shortLived.close();
      assertEquals(null, wrong.get());
    }
  }

  @Test
  void closingAtOnceFromManyThreads() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(4);
    for (int round = 0; round < 200; ++round) {
      Session closing = new Session(graph);
      Tensor tensor = Tensor.of(new float[1]);
      List<Future<?>> done = new ArrayList<>();
      for (int t = 0; t < 4; ++t) {
        done.add(
            threads.submit(
                () -> {
                  closing.close();
                  tensor.close();
                }));
      }
      for (Future<?> each : done) each.get();
    }
    threads.shutdown();
  }

  @Test
  void closedSessionAndPrepared() {
    Value x = graph.input("x", DataType.F32, "2");
    Value y = x.plus(1);
    Session closed = new Session(graph);
    Prepared prepared = closed.prepare(List.of(x), List.of(y));
    try (Tensor xs = Tensor.of(new float[2])) {
      prepared.bindInput(0, xs);
      closed.close();
      closed.close();
      assertEquals(
          "the session is closed",
          assertThrows(IllegalStateException.class, () -> closed.run(Map.of(x, xs), y)).getMessage());
      assertThrows(WeftException.FailedPrecondition.class, prepared::run);
      prepared.close();
      assertEquals(
          "the prepared run is closed", assertThrows(IllegalStateException.class, prepared::run).getMessage());
    }
  }

  @Test
  void errorsOfFilesHaveTheirExceptionOfNio() {
    WeftException none = assertThrows(WeftException.class, () -> Graph.load(java.nio.file.Path.of("/nowhere/none.onnx")));
    assertEquals(java.nio.file.NoSuchFileException.class, none.getCause().getClass());
  }

  @Test
  void packedWeightsAreKeptInAFolder(@TempDir Path folder) throws IOException {
    Path cache = folder.resolve("cache");
    float[] ones = new float[160 * 128];
    Arrays.fill(ones, 1);
    float[] wanted = new float[128];
    Arrays.fill(wanted, 160);
    for (int i = 0; i < 2; i++) {
      try (Graph graph = new Graph();
          Tensor one = Tensor.of(Arrays.copyOf(ones, 160), 1, 160);
          Session session = new Session(graph, new SessionOptions().weightCache(cache))) {
        Value x = graph.input("x", DataType.F32, "1,160");
        Value y = graph.ops().matMul(x, graph.constant(ones, 160, 128));
        try (Results out = session.run(Map.of(x, one), y)) {
          assertArrayEquals(wanted, out.get(0).toFloatArray());
        }
        try (var files = Files.list(cache)) {
          assertEquals(1, files.count());
        }
      }
    }
  }
}
