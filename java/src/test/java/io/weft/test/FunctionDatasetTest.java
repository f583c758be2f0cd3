// Datasets whose batches a function gives.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Batch;
import io.weft.BatchFunction;
import io.weft.BatchOptions;
import io.weft.Batches;
import io.weft.Cancel;
import io.weft.DataType;
import io.weft.Dataset;
import io.weft.ErrorCode;
import io.weft.FitEvent;
import io.weft.FitListener;
import io.weft.FitListener.Action;
import io.weft.FitOptions;
import io.weft.Graph;
import io.weft.History;
import io.weft.Optimizer;
import io.weft.Results;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class FunctionDatasetTest {
  private static final float[] XS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  private static final float[] YS = {2, 4, 6, 8, 10, 12, 14, 16, 18, 20};

  private final Graph graph = new Graph();
  private final Value x = graph.input("x", DataType.F32, "n");
  private final Value y = graph.input("y", DataType.F32, "n");
  private final Value w = graph.variable("w", graph.constant(0f), true);
  private final Value loss = loss();
  private final Value step = Optimizer.sgd().learningRate(0.001).minimize(loss);
  private final Session session = new Session(graph);
  private final List<Value> feeds = List.of(x, y);

  private Value loss() {
    Value wrong = x.times(w).minus(y);
    return graph.ops().reduceMean(wrong.times(wrong), o -> o.keepdims(false)).named("loss");
  }

  @AfterEach
  void close() {
    session.close();
    graph.close();
  }

  /** y = 2 x in batches of 4, 4 and 2 rows. */
  private static Iterator<List<Tensor>> batches() {
    return Stream.of(0, 4, 8)
        .map(
            at -> {
              int end = Math.min(at + 4, 10);
              return List.of(Tensor.of(Arrays.copyOfRange(XS, at, end)), Tensor.of(Arrays.copyOfRange(YS, at, end)));
            })
        .iterator();
  }

  private static Dataset dataset(BatchFunction function) {
    return Dataset.fromFunction(function, "x", "y");
  }

  private float weight() {
    try (Tensor value = session.get("w")) {
      return value.toFloat();
    }
  }

  @Test
  void onePass() {
    try (Dataset data = dataset(epoch -> batches())) {
      assertEquals(-1, data.count());
      assertEquals(2, data.width());
      assertEquals("dataset of the batches of a function", data.toString());
      List<Float> seen = new ArrayList<>();
      try (Batches one = data.batches(null, 0);
          Batches other = data.batches(null, 0)) {
        for (Batch batch : one) {
          try (batch) {
            for (float value : batch.get(1).toFloatArray()) seen.add(value);
          }
          if (seen.size() == 4) {
            try (Batch first = other.next()) {
              assertArrayEquals(new float[] {1, 2, 3, 4}, first.get(0).toFloatArray());
            }
          }
        }
        assertFalse(one.hasNext());
      }
      assertEquals(List.of(2f, 4f, 6f, 8f, 10f, 12f, 14f, 16f, 18f, 20f), seen);
      assertThrows(WeftException.FailedPrecondition.class, () -> data.rows(0, 1));
      assertThrows(WeftException.FailedPrecondition.class, () -> data.at(0));
    }
  }

  // The function waits for a thread that uses the pass which waits for the function.
  @Test
  @Timeout(60)
  void othersAreToldThatABatchIsBeingTaken() {
    long before = Weft.liveObjects();
    AtomicReference<Batches> pass = new AtomicReference<>();
    List<String> told = new ArrayList<>();
    Runnable use =
        () -> {
          told.add(assertThrows(WeftException.FailedPrecondition.class, pass.get()::next).getMessage());
          told.add(assertThrows(WeftException.FailedPrecondition.class, pass.get()::hasNext).getMessage());
        };
    Function<List<Tensor>, List<Tensor>> used =
        batch -> {
          use.run(); // further down the call that takes the batch
          Thread thread =
              new Thread(
                  () -> {
                    use.run();
                    pass.get().close();
                  });
          thread.start();
          try {
            thread.join();
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
          return batch;
        };
    BatchFunction function = epoch -> Stream.of(batches().next()).map(used).iterator();
    try (Dataset data = dataset(function)) {
      pass.set(data.batches(null, 0));
      assertTrue(pass.get().hasNext());
      assertEquals(4, told.size(), told.toString());
      for (String each : told) assertTrue(each.contains("a batch of this pass is being taken already"), each);
      assertThrows(IllegalStateException.class, pass.get()::next);
    }
    assertEquals(before, Weft.liveObjects()); // the batch that nobody took included
  }

  @Test
  void itTrainsAsRowsDo() {
    List<Long> epochs = new ArrayList<>();
    List<Long> counts = new ArrayList<>();
    try (Tensor xs = Tensor.of(XS);
        Tensor ys = Tensor.of(YS);
        Dataset rows = Dataset.of(xs, ys);
        Dataset passes = dataset(epoch -> rows.batches(new BatchOptions().batchSize(4), epoch));
        Dataset data =
            dataset(
                epoch -> {
                  epochs.add(epoch);
                  return batches();
                });
        Session again = new Session(graph);
        Session third = new Session(graph)) {
      FitOptions inOrder = new FitOptions().epochs(3).batchSize(4).shuffle(false);
      History wanted = session.fit(rows, feeds, step, List.of(loss), inOrder);
      FitOptions listening =
          new FitOptions()
              .epochs(3)
              .listener(
                  event -> {
                    counts.add(event.batchCount());
                    return Action.CONTINUE;
                  });
      assertArrayEquals(
          wanted.metric("loss"), again.fit(data, feeds, step, List.of(loss), listening).metric("loss"));
      assertArrayEquals(
          wanted.metric("loss"),
          third.fit(passes, feeds, step, List.of(loss), new FitOptions().epochs(3)).metric("loss"));
      assertEquals(List.of(0L, 1L, 2L), epochs);
      assertEquals(List.of(-1L, -1L, -1L, 3L, -1L, -1L, -1L, 3L, -1L, -1L, -1L, 3L), counts);
      assertEquals(
          session.evaluate(rows, feeds, List.of(loss), new FitOptions().batchSize(4)),
          again.evaluate(data, feeds, List.of(loss)));
      try (Results results = again.predict(data, feeds, y)) {
        assertArrayEquals(YS, results.get(0).toFloatArray());
      }
      History both =
          session.fit(
              data, feeds, step, List.of(), new FitOptions().batchSize(5).validation(rows, List.of(loss)));
      assertEquals(1, both.metric("val_loss").length);
      both = session.fit(rows, feeds, step, List.of(), new FitOptions().validation(data, List.of(loss)));
      assertEquals(1, both.metric("val_loss").length);
      // Without metrics of its own a validation has those of the training, also for listeners.
      List<Double> told = new ArrayList<>();
      FitListener listener =
          event -> {
            if (event.kind() == FitEvent.Kind.EPOCH) told.add(event.metrics().get("val_loss"));
            return Action.CONTINUE;
          };
      both = session.fit(data, feeds, step, List.of(loss), new FitOptions().validation(data).listener(listener));
      assertEquals(List.of(both.metric("val_loss")[0]), told);
    }
  }

  @Test
  void theFunctionDecidesWhatABatchIs() {
    try (Dataset data = dataset(epoch -> batches())) {
      List<FitOptions> refused =
          List.of(new FitOptions().batchSize(4), new FitOptions().shuffle(true), new FitOptions().dropLast(true));
      for (FitOptions options : refused) {
        assertThrows(
            WeftException.InvalidArgument.class, () -> session.fit(data, feeds, step, List.of(), options));
      }
      assertThrows(
          WeftException.InvalidArgument.class, () -> data.batches(new BatchOptions().shuffle(true), 0));
      session.fit(data, feeds, step, List.of(), new FitOptions().shuffle(false));
    }
  }

  private static final class Mine extends Exception {
    private static final long serialVersionUID = 1;
  }

  private static Iterator<List<Tensor>> failing(RuntimeException thrown) {
    Iterator<List<Tensor>> good = batches();
    AtomicInteger given = new AtomicInteger();
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return true;
      }

      @Override
      public List<Tensor> next() {
        if (given.incrementAndGet() == 3) throw thrown;
        return good.next();
      }
    };
  }

  @Test
  void exceptionsKeepTheirType() {
    IllegalStateException mine = new IllegalStateException("in the middle");
    try (Dataset data = dataset(epoch -> failing(mine));
        Tensor one = Tensor.of(XS);
        Dataset rows = Dataset.of(one, one)) {
      WeftException e = assertThrows(WeftException.class, () -> session.fit(data, feeds, step, List.of(), null));
      assertSame(mine, e.getCause());
      assertTrue(e.getMessage().contains("in the middle"), e.getMessage());
      assertTrue(weight() != 0); // of the two steps before
      e = assertThrows(WeftException.class, () -> session.evaluate(data, feeds, List.of(loss)));
      assertSame(mine, e.getCause());
      e = assertThrows(WeftException.class, () -> session.predict(data, feeds, y));
      assertSame(mine, e.getCause());
      FitOptions validated = new FitOptions().validation(data, List.of(loss));
      e = assertThrows(WeftException.class, () -> session.fit(rows, feeds, step, List.of(), validated));
      assertSame(mine, e.getCause());
      try (Batches batches = data.batches(null, 0)) {
        batches.next().close();
        batches.next().close();
        assertSame(mine, assertThrows(WeftException.class, batches::next).getCause());
      }
    }
    Mine checked = new Mine();
    try (Dataset data =
        dataset(
            epoch -> {
              throw checked;
            })) {
      WeftException e = assertThrows(WeftException.class, () -> session.fit(data, feeds, step, List.of(), null));
      assertSame(checked, e.getCause());
    }
    AssertionError error = new AssertionError("mine");
    try (Dataset data =
        dataset(
            epoch -> {
              throw error;
            })) {
      assertSame(
          error, assertThrows(AssertionError.class, () -> session.fit(data, feeds, step, List.of(), null)));
    }
  }

  @Test
  void wrongFunctions() {
    assertThrows(NullPointerException.class, () -> dataset(null));
    assertThrows(NullPointerException.class, () -> Dataset.fromFunction(epoch -> batches(), "x", null));
    assertThrows(WeftException.InvalidArgument.class, () -> Dataset.fromFunction(epoch -> batches()));
    List<BatchFunction> wrong = new ArrayList<>();
    wrong.add(epoch -> null);
    wrong.add(epoch -> List.<List<Tensor>>of().iterator());
    wrong.add(epoch -> Arrays.asList((List<Tensor>) null).iterator());
    wrong.add(epoch -> List.of(List.of(Tensor.of(XS))).iterator());
    wrong.add(epoch -> List.of(Arrays.asList(Tensor.of(XS), null)).iterator());
    wrong.add(epoch -> List.of(List.of(Tensor.scalar(1f), Tensor.of(XS))).iterator());
    Tensor closed = Tensor.of(XS);
    closed.close();
    wrong.add(epoch -> List.of(List.of(Tensor.of(XS), closed)).iterator());
    for (BatchFunction function : wrong) {
      try (Dataset data = dataset(function)) {
        assertThrows(WeftException.class, () -> session.fit(data, feeds, step, List.of(), null));
      }
    }
    try (Dataset data = dataset(wrong.get(3))) {
      WeftException e =
          assertThrows(WeftException.class, () -> session.fit(data, feeds, step, List.of(), null));
      assertEquals(ErrorCode.INVALID_ARGUMENT, e.code());
    }
    AtomicReference<Dataset> itself = new AtomicReference<>();
    try (Dataset data = dataset(epoch -> itself.get().batches(null, epoch))) {
      itself.set(data);
      WeftException e = assertThrows(WeftException.class, () -> data.batches(null, 0));
      assertTrue(e.getMessage().contains("deep"), e.getMessage());
    }
  }

  @Test
  void theSessionMayBeUsedInBetween(@TempDir Path folder) {
    Path file = folder.resolve("between.safetensors");
    AtomicInteger uses = new AtomicInteger();
    try (Dataset other = dataset(epoch -> batches());
        Dataset data =
            dataset(
                epoch -> {
                  Iterator<List<Tensor>> rest = batches();
                  return new Iterator<>() {
                    @Override
                    public boolean hasNext() {
                      session.evaluate(other, feeds, List.of(loss));
                      session.save(file);
                      uses.incrementAndGet();
                      return rest.hasNext();
                    }

                    @Override
                    public List<Tensor> next() {
                      return rest.next();
                    }
                  };
                })) {
      session.fit(data, feeds, step, List.of(), null);
      assertEquals(4, uses.get());
    }
    AtomicReference<Dataset> closing = new AtomicReference<>();
    try (Session short_lived = new Session(graph);
        Dataset data =
            dataset(
                epoch -> {
                  closing.get().close(); // the pass goes on
                  if (epoch == 1) short_lived.close();
                  return batches();
                })) {
      closing.set(data);
      assertThrows(
          WeftException.FailedPrecondition.class,
          () -> short_lived.fit(data, feeds, step, List.of(), new FitOptions().epochs(2)));
      assertThrows(IllegalStateException.class, () -> session.fit(data, feeds, step, List.of(), null));
    }
  }

  /** Without end. */
  private static Iterator<List<Tensor>> endless(Runnable before) {
    return Stream.generate(
            () -> {
              before.run();
              return List.of(Tensor.of(XS), Tensor.of(YS));
            })
        .iterator();
  }

  @Test
  void itCanBeCancelled() {
    AtomicInteger given = new AtomicInteger();
    try (Cancel cancel = new Cancel();
        Dataset data =
            dataset(
                epoch ->
                    endless(
                        () -> {
                          if (given.incrementAndGet() == 5) cancel.set();
                        }));
        Dataset slow = dataset(epoch -> endless(() -> {}))) {
      assertThrows(
          WeftException.Cancelled.class,
          () -> session.fit(data, feeds, step, List.of(), new FitOptions().cancel(cancel)));
      assertEquals(5, given.get());
      assertThrows(
          WeftException.DeadlineExceeded.class,
          () -> session.fit(slow, feeds, step, List.of(), new FitOptions().timeout(Duration.ofMillis(30))));
      Thread.currentThread().interrupt();
      assertThrows(
          WeftException.Cancelled.class, () -> session.fit(slow, feeds, step, List.of(), new FitOptions()));
      assertTrue(Thread.interrupted());
    }
  }

  private record Closing(Iterator<List<Tensor>> batches, AtomicInteger closed)
      implements Iterator<List<Tensor>>, AutoCloseable {
    @Override
    public boolean hasNext() {
      return batches.hasNext();
    }

    @Override
    public List<Tensor> next() {
      return batches.next();
    }

    @Override
    public void close() throws IOException {
      closed.incrementAndGet();
    }
  }

  @Test
  void iteratorsAreClosedWithTheirPass() {
    AtomicInteger closed = new AtomicInteger();
    try (Dataset data = dataset(epoch -> new Closing(batches(), closed))) {
      session.fit(data, feeds, step, List.of(), new FitOptions().epochs(2));
      assertEquals(2, closed.get());
      session.fit(data, feeds, step, List.of(), new FitOptions().listener(event -> Action.STOP));
      assertEquals(3, closed.get());
      try (Batches batches = data.batches(null, 0)) {
        batches.next().close();
        assertEquals(3, closed.get());
      }
      assertEquals(4, closed.get());
    }
  }

  @Test
  void threadsGoThroughOneDataset() throws Exception {
    try (Dataset data = dataset(epoch -> batches())) {
      Object wanted = session.evaluate(data, feeds, List.of(loss));
      AtomicInteger right = new AtomicInteger();
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < 4; ++i) {
        threads.add(
            new Thread(
                () -> {
                  for (int n = 0; n < 20; ++n) {
                    if (session.evaluate(data, feeds, List.of(loss)).equals(wanted)) right.incrementAndGet();
                  }
                }));
      }
      for (Thread thread : threads) thread.start();
      for (Thread thread : threads) thread.join();
      assertEquals(80, right.get());
    }
  }

  /** A loader whose dataset's function knows it, and so the dataset. */
  private static final class Loader {
    final Dataset data = dataset(this::begin);

    Iterator<List<Tensor>> begin(long epoch) {
      return batches();
    }
  }

  private void forget() {
    Loader loader = new Loader();
    session.fit(loader.data, feeds, step, List.of(), null);
  }

  @Test
  void whatIsForgottenIsCollected() throws Exception {
    long before = Weft.liveObjects();
    forget();
    assertTrue(Weft.liveObjects() > before);
    Collector.runUntil(() -> Weft.liveObjects() <= before);
    assertEquals(before, Weft.liveObjects());
  }
}
