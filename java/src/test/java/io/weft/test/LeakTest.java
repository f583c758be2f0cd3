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
import java.time.Duration;
import java.util.List;
import java.util.Map;
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
