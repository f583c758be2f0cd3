// Nothing is left behind: when everything is closed, when nothing is, and after errors.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Batches;
import io.weft.Cancel;
import io.weft.DataType;
import io.weft.Dataset;
import io.weft.FitOptions;
import io.weft.Graph;
import io.weft.Layer;
import io.weft.Optimizer;
import io.weft.Prepared;
import io.weft.Results;
import io.weft.RunOptions;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Trace;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class LeakTest {
  @BeforeEach
  void startClean() throws Exception {
    collect();
    assertEquals(0, Weft.liveObjects());
  }

  private static void collect() throws InterruptedException {
    Collector.runUntil(() -> Weft.liveObjects() == 0);
  }

  /** Uses every kind of object; closes them, in an unusual order, if `close`. */
  private static void useEverything(boolean close) {
    Graph graph = new Graph();
    Value x = graph.input("x", DataType.F32, "batch,2");
    Value y = graph.layers().dense("d", 2, 1).call(x);
    Value loss = graph.ops().reduceMean(y.times(y), o -> o.keepdims(false)).named("loss");
    Value step = Optimizer.adam().minimize(loss);
    Session session = new Session(graph);
    Tensor rows = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2);
    Dataset dataset = Dataset.of(rows);
    Batches batches = dataset.batches(null, 0);
    boolean more = batches.hasNext();
    assertTrue(more);
    session.fit(dataset, List.of(x), step, List.of(loss), new FitOptions().epochs(2).validation(dataset, List.of(loss)));
    Results results = session.run(Map.of(x, rows), y);
    Prepared prepared = session.prepare(List.of(x), List.of(y));
    prepared.bindInput(0, rows);
    prepared.run();
    Tensor output = prepared.output(0);
    Cancel cancel = new Cancel();
    Trace trace = new Trace();
    RunOptions options = new RunOptions().cancel(cancel).trace(trace).timeout(Duration.ofSeconds(60)).poll(() -> {});
    session.run(Map.of(x, rows), List.of(y), List.of(step), options).close();
    Tensor sequence = Tensor.sequence(List.of(rows, output));
    if (!close) return;
    AutoCloseable[] all = {
      graph, rows, session, results, dataset, batches, prepared, output, cancel, trace, sequence
    };
    for (AutoCloseable each : all) {
      try {
        each.close();
      } catch (Exception e) {
        throw new AssertionError(e);
      }
    }
  }

  @Test
  void everythingClosedIsGoneAtOnce() {
    for (int i = 0; i < 50; ++i) {
      useEverything(true);
      assertEquals(0, Weft.liveObjects());
    }
  }

  /** Opens and closes 10,000 objects of each kind; prints the kinds that left objects or had the process grow. */
  static final class Rounds {
    private static final int FIRST = 1000;
    private static final int ROUNDS = 10_000;
    private static final long MOST = 8 << 20;

    private static long residentBytes() throws Exception {
      try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
        String line = lines.filter(each -> each.startsWith("VmRSS:")).findFirst().orElseThrow();
        return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
      }
    }

    private static Layer layer() {
      try (Graph graph = new Graph()) {
        return graph.layers().layerNorm("norm", 2);
      }
    }

    private static Map<String, Supplier<AutoCloseable>> kinds(Graph graph, Session session, Tensor rows, Dataset dataset) {
      Value x = graph.input("x", DataType.F32, "n");
      Value y = graph.ops().relu(x);
      Value v = graph.variable("v", graph.constant(1f));
      Value loss = graph.ops().reduceMean(x.times(v), o -> o.keepdims(false)).named("loss");
      Value step = Optimizer.sgd().minimize(loss);
      Dataset none = Dataset.fromFunction(epoch -> Collections.emptyIterator(), "x");
      Map<String, Supplier<AutoCloseable>> kinds = new LinkedHashMap<>();
      kinds.put("graph", Graph::new);
      kinds.put("layer", Rounds::layer);
      kinds.put("tensor", () -> Tensor.of(new float[] {1, 2}));
      kinds.put("tensor of strings", () -> Tensor.of(new String[] {"a", "b"}));
      kinds.put("sequence", () -> Tensor.sequence(List.of(rows)));
      kinds.put("session", () -> new Session(graph));
      kinds.put("prepared run", () -> session.prepare(List.of(x), List.of(y)));
      kinds.put("results", () -> session.run(Map.of(x, rows), y));
      kinds.put("cancel", Cancel::new);
      kinds.put("trace", Trace::new);
      kinds.put("dataset", () -> dataset.rows(0, 1));
      kinds.put("batches", () -> dataset.batches(null, 0));
      kinds.put("batch", () -> {
        try (Batches batches = dataset.batches(null, 0)) {
          return batches.next();
        }
      });
      kinds.put("dataset of a function", () -> Dataset.fromFunction(epoch -> Collections.emptyIterator(), "x"));
      kinds.put("batches of a function", () -> {
        Batches batches = none.batches(null, 0);
        batches.hasNext();
        return batches;
      });
      kinds.put("fit", () -> {
        session.fit(dataset, List.of(x), step, List.of(loss), new FitOptions());
        return () -> {};
      });
      kinds.put("error", () -> {
        try {
          graph.add("Nothing", List.of(), null, null, 1);
        } catch (WeftException e) {
          return () -> {};
        }
        throw new AssertionError("there is an operator Nothing");
      });
      return kinds;
    }

    public static void main(String[] args) throws Exception {
      try (Graph graph = new Graph();
          Session session = new Session(graph);
          Tensor rows = Tensor.of(new float[] {1, 2});
          Dataset dataset = Dataset.of(rows)) {
        for (var kind : kinds(graph, session, rows, dataset).entrySet()) {
          long live = Weft.liveObjects();
          long resident = 0;
          for (int i = 0; i < ROUNDS; ++i) {
            if (i == FIRST) resident = residentBytes();
            kind.getValue().get().close();
          }
          long grown = residentBytes() - resident;
          long left = Weft.liveObjects() - live;
          if (left != 0 || grown > MOST) {
            System.out.println(kind.getKey() + ": " + left + " objects are left, the process grew by " + grown + " bytes");
          }
        }
      }
    }
  }

  // Java's own memory is all there from the start, and no code is compiled meanwhile.
  @Test
  void tenThousandOfEachKindLeaveNothing() throws Exception {
    String[] options = {"-Xint", "-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC"};
    assertEquals(new ProcessTest.Ended(0, ""), ProcessTest.java(ProcessTest.child(Rounds.class, options)));
  }

  @Test
  void theCollectorFreesWhatWasForgotten() throws Exception {
    for (int i = 0; i < 5; ++i) useEverything(false);
    assertTrue(Weft.liveObjects() > 0);
    collect();
    assertEquals(0, Weft.liveObjects());
  }

  @Test
  void errorsLeaveNothing() {
    try (Graph graph = new Graph();
        Session session = new Session(graph);
        Tensor three = Tensor.of(new float[3])) {
      Value x = graph.input("x", DataType.F32, "2");
      Value y = graph.ops().relu(x);
      long before = Weft.liveObjects();
      for (int i = 0; i < 100; ++i) {
        assertThrows(WeftException.class, () -> session.run(Map.of(x, three), y));
        assertThrows(WeftException.class, () -> graph.add("Nothing", List.of(), null, null, 1));
        assertThrows(WeftException.class, () -> graph.layers().dense("d", -1, 4));
        assertThrows(WeftException.class, () -> Tensor.zeros(DataType.F32, -1));
        assertThrows(IllegalArgumentException.class, () -> Tensor.ofBytes(DataType.F32, new byte[2], 1));
      }
      assertEquals(before, Weft.liveObjects());
    }
    assertEquals(0, Weft.liveObjects());
  }

  @Test
  void memoryIsCountedAndLimited() {
    long before = Weft.memoryBytes();
    try (Tensor big = Tensor.zeros(DataType.F32, 1 << 20)) {
      assertTrue(Weft.memoryBytes() - before >= big.byteSize());
      assertTrue(Weft.memoryPeak() >= Weft.memoryBytes());
    }
    Weft.setMemoryLimit(Weft.memoryBytes() + (1 << 20));
    try {
      assertThrows(WeftException.ResourceExhausted.class, () -> Tensor.zeros(DataType.F32, 1 << 24));
    } finally {
      Weft.setMemoryLimit(0);
    }
    assertEquals(0, Weft.memoryLimit());
  }
}
