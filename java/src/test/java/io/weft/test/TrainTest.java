// Training on the digits: fit, evaluate, predict, history, listeners, optimizers, datasets.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Batch;
import io.weft.BatchOptions;
import io.weft.Batches;
import io.weft.Cancel;
import io.weft.DataType;
import io.weft.Dataset;
import io.weft.FitEvent;
import io.weft.FitListener;
import io.weft.FitListener.Action;
import io.weft.FitOptions;
import io.weft.Graph;
import io.weft.History;
import io.weft.LoadOptions;
import io.weft.Optimizer;
import io.weft.Progress;
import io.weft.Results;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.TensorScope;
import io.weft.Trace;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TrainTest {
  private static final Path DIGITS =
      Path.of(System.getProperty("weft.tests.root"), "examples", "data", "digits.safetensors");

  private final Dataset digits = Dataset.load(DIGITS, "images", "labels");
  private final Dataset train = digits.rows(0, 1500);
  private final Dataset test = digits.rows(1500, 297);
  private final Graph graph = new Graph();
  private final Value images = graph.input("images", DataType.F32, "batch,64");
  private final Value labels = graph.input("labels", DataType.I64, "batch");
  private final Value scores =
      graph
          .layers()
          .dense("scores", 32, 10)
          .call(graph.layers().dense("hidden", 64, 32, o -> o.activation("relu").seed(1)).call(images));
  private final Value loss = graph.ops().softmaxCrossEntropyLoss(scores, labels).named("loss");
  private final List<Value> feeds = List.of(images, labels);

  @AfterEach
  void close() {
    graph.close();
    digits.close();
    train.close();
    test.close();
  }

  @Test
  void datasets() {
    assertEquals(1797, digits.count());
    assertEquals(2, digits.width());
    assertEquals("dataset of 297 rows", test.toString());
    try (Tensor all = test.at(1)) {
      assertArrayEquals(new long[] {297}, all.shape());
    }
    assertThrows(WeftException.class, () -> digits.rows(1790, 8));
    assertThrows(WeftException.class, () -> digits.rows(-1, 1));
    assertThrows(WeftException.class, () -> digits.at(2));
    assertThrows(WeftException.NotFound.class, () -> Dataset.load(DIGITS, "pictures"));
    try (Dataset mapped = Dataset.load(DIGITS, new LoadOptions().map(true), "labels")) {
      assertEquals(1, mapped.width());
    }
  }

  @Test
  void batchesGoThroughEveryRowOnce() {
    try (Tensor numbers = Tensor.of(new long[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
        Dataset rows = Dataset.of(numbers)) {
      for (boolean shuffle : new boolean[] {false, true}) {
        List<Long> seen = new ArrayList<>();
        List<Integer> sizes = new ArrayList<>();
        try (Batches batches = rows.batches(new BatchOptions().batchSize(4).shuffle(shuffle).seed(3), 0)) {
          for (Batch batch : batches) {
            try (batch) {
              for (long n : batch.get(0).toLongArray()) seen.add(n);
              sizes.add((int) batch.get(0).count());
            }
          }
          assertThrows(NoSuchElementException.class, batches::next);
        }
        assertEquals(List.of(4, 4, 2), sizes);
        List<Long> ordered = List.of(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L);
        assertEquals(!shuffle, seen.equals(ordered));
        assertEquals(ordered, seen.stream().sorted().toList());
      }
      try (Batches left = rows.batches(null, 0)) {
        assertTrue(left.hasNext());
      }
      try (Stream<Batch> stream = rows.batches(new BatchOptions().batchSize(4), 0).stream();
          TensorScope scope = Weft.scope()) {
        assertEquals(List.of(6L, 22L, 17L), stream.map(batch -> Arrays.stream(batch.get(0).toLongArray()).sum()).toList());
      }
      try (Stream<Batch> stream = rows.batches(null, 0).stream();
          Batch first = stream.findFirst().orElseThrow()) {
        assertEquals(10, first.get(0).count());
      }
    }
  }

  @Test
  void fitEvaluatePredict() {
    Value step = Optimizer.adam().learningRate(1e-2).minimize(loss);
    try (Session session = new Session(graph)) {
      double before = session.evaluate(test, feeds, List.of(loss)).get("loss");
      FitOptions options = new FitOptions().epochs(5).seed(1).validation(test, List.of(loss));
      History history = session.fit(train, feeds, step, List.of(loss), options);
      assertEquals(5, history.epochs().size());
      assertEquals(List.of("loss", "val_loss"), List.copyOf(history.epochs().get(0).metrics().keySet()));
      assertTrue(history.last("loss") < 0.3 * history.metric("loss")[0], history.toString());
      assertFalse(history.stopped());
      double after = session.evaluate(test, feeds, List.of(loss)).get("loss");
      assertEquals(history.last("val_loss"), after, 1e-9);
      assertTrue(after < before / 2, before + " " + after);
      assertThrows(IllegalArgumentException.class, () -> history.metric("accuracy"));

      try (Results results = session.predict(test, Arrays.asList(images, null), scores);
          Tensor truth = test.at(1)) {
        assertArrayEquals(new long[] {297, 10}, results.get(scores).shape());
        float[] found = results.get(0).toFloatArray();
        long[] wanted = truth.toLongArray();
        int right = 0;
        for (int i = 0; i < wanted.length; ++i) {
          int best = 0;
          for (int j = 1; j < 10; ++j) best = found[i * 10 + j] > found[i * 10 + best] ? j : best;
          if (best == wanted[i]) ++right;
        }
        assertTrue(right > 0.85 * wanted.length, right + " of " + wanted.length);
      }
    }
  }

  @Test
  void everyOptimizerLearns() {
    List<Supplier<Optimizer>> kinds =
        List.of(
            () -> Optimizer.sgd().learningRate(0.1),
            () -> Optimizer.momentum().learningRate(0.05).momentum(0.8).nesterov(true).clipNorm(5),
            () -> Optimizer.adam().learningRate(0.01).beta1(0.8).beta2(0.99).epsilon(1e-7),
            () -> Optimizer.adamW().learningRate(0.01).weightDecay(0.001));
    for (Supplier<Optimizer> kind : kinds) {
      try (Graph small = new Graph();
          Session session = new Session(small)) {
        Value x = small.input("images", DataType.F32, "batch,64");
        Value truth = small.input("labels", DataType.I64, "batch");
        Value found = small.layers().dense("scores", 64, 10, o -> o.seed(1)).call(x);
        Value wrong = small.ops().softmaxCrossEntropyLoss(found, truth).named("loss");
        Value step = kind.get().minimize(wrong, small.variables());
        History history =
            session.fit(train, List.of(x, truth), step, List.of(wrong), new FitOptions().epochs(2));
        assertTrue(history.last("loss") < 0.8 * history.metric("loss")[0], history.toString());
      }
    }
  }

  @Test
  void theLearningRateMayBeAValue() {
    Value rate = graph.variable("rate", graph.constant(0f), false);
    Value step = Optimizer.sgd().learningRate(rate).minimize(loss, graph.variables().subList(0, 4));
    try (Session session = new Session(graph)) {
      FitOptions options = new FitOptions().shuffle(false);
      double first = session.fit(train, feeds, step, List.of(loss), options).last("loss");
      assertEquals(first, session.fit(train, feeds, step, List.of(loss), options).last("loss"));
      try (Tensor some = Tensor.scalar(0.1f)) {
        session.set("rate", some);
      }
      assertTrue(session.fit(train, feeds, step, List.of(loss), options).last("loss") < first);
    }
  }

  @Test
  void listenersSeeEveryStepAndMayStopOrFail() {
    Value step = Optimizer.adam().minimize(loss);
    List<FitEvent> events = new ArrayList<>();
    try (Session session = new Session(graph)) {
      FitOptions options =
          new FitOptions()
              .epochs(3)
              .batchSize(500)
              .validation(test, List.of(loss))
              .listener(
                  event -> {
                    events.add(event);
                    if (event.kind() == FitEvent.Kind.EPOCH) session.get("hidden/bias").close();
                    return event.kind() == FitEvent.Kind.EPOCH && event.epoch() == 1 ? Action.STOP : Action.CONTINUE;
                  });
      History history = session.fit(train, feeds, step, List.of(loss), options);
      assertTrue(history.stopped());
      assertEquals(2, history.epochs().size());
      assertEquals(8, events.size());
      assertEquals(3, events.get(0).batchCount());
      assertEquals(List.of("loss"), List.copyOf(events.get(0).metrics().keySet()));
      assertEquals(List.of("loss", "val_loss"), List.copyOf(events.get(3).metrics().keySet()));
      assertEquals(history.epochs().get(0).metrics(), events.get(3).metrics());

      ByteArrayOutputStream printed = new ByteArrayOutputStream();
      FitListener printing = FitListener.printing(new PrintStream(printed, true, StandardCharsets.UTF_8));
      double last = session.fit(train, feeds, step, List.of(loss), new FitOptions().listener(printing)).last("loss");
      assertEquals(String.format(Locale.ROOT, "epoch  1  loss %.6f%n", last), printed.toString(StandardCharsets.UTF_8));

      StringWriter drawn = new StringWriter();
      FitOptions quick = new FitOptions().batchSize(750).listener(Progress.on(new PrintWriter(drawn)));
      last = session.fit(train, feeds, step, List.of(loss), quick).last("loss");
      String[] lines = drawn.toString().split("\r");
      assertEquals("", lines[0]);
      assertTrue(lines[1].startsWith("epoch  1  [##########..........] 1/2  loss "), lines[1]);
      String end = lines[lines.length - 1];
      assertEquals(String.format(Locale.ROOT, "epoch  1  loss %.6f", last), end.strip());
      assertTrue(end.strip().length() + System.lineSeparator().length() < end.length(), end); // nothing of the bar is left
      assertTrue(end.endsWith(System.lineSeparator()), end);

      Exception mine = new Exception("mine");
      FitOptions failing =
          new FitOptions()
              .listener(
                  event -> {
                    throw mine;
                  });
      WeftException e =
          assertThrows(WeftException.class, () -> session.fit(train, feeds, step, List.of(loss), failing));
      assertSame(mine, e.getCause());
    }
  }

  @Test
  void progressCountsTheBatchesOfAFunction() throws Exception {
    StringWriter drawn = new StringWriter();
    Progress.on(new PrintWriter(drawn)).onEvent(new FitEvent(FitEvent.Kind.BATCH, 0, 1, -1, Map.of("loss", 0.5)));
    assertEquals("\repoch  1  2  loss 0.500000", drawn.toString());
  }

  @Test
  void aTraceHasEveryRunOfATraining() {
    Value step = Optimizer.sgd().learningRate(0.1).minimize(loss);
    try (Session session = new Session(graph);
        Trace trace = new Trace()) {
      FitOptions options = new FitOptions().batchSize(500).epochs(2).trace(trace);
      session.fit(train, feeds, step, List.of(), options);
      String trained = trace.json();
      assertEquals(2 * 3 * 4, trained.split("\"name\":\"weft.Sgd\"", -1).length - 1, trained); // epochs, batches, variables
      session.evaluate(test, feeds, List.of(loss), new FitOptions().trace(trace));
      assertTrue(trace.json().length() > trained.length());
    }
  }

  @Test
  void fitStopsEarlyAndCanBeCancelled() {
    Value step = Optimizer.sgd().learningRate(0.0).minimize(loss);
    try (Session session = new Session(graph);
        Cancel cancel = new Cancel()) {
      FitOptions options = new FitOptions().epochs(50).shuffle(false).monitor("loss").patience(2).minDelta(1e-9);
      History history = session.fit(train, feeds, step, List.of(loss), options);
      assertTrue(history.stopped());
      assertTrue(history.epochs().size() < 50);
      cancel.set();
      assertThrows(
          WeftException.Cancelled.class,
          () -> session.fit(train, feeds, step, List.of(loss), new FitOptions().cancel(cancel)));
      assertThrows(
          WeftException.class,
          () -> session.fit(train, feeds, step, List.of(loss), new FitOptions().monitor("nonsense").patience(1)));
      Thread.currentThread().interrupt();
      assertThrows(
          WeftException.Cancelled.class,
          () -> session.fit(train, feeds, step, List.of(loss), new FitOptions().epochs(1000)));
      assertTrue(Thread.interrupted());
    }
  }

  @Test
  void stepsByHandGiveTheSameAsFit() {
    Value step = Optimizer.adam().minimize(loss);
    float[] byFit;
    float[] byHand;
    try (Session session = new Session(graph)) {
      session.fit(train, feeds, step, List.of(loss), new FitOptions().epochs(2).seed(7));
      try (Tensor kernel = session.get("hidden/kernel")) {
        byFit = kernel.toFloatArray();
      }
    }
    try (Session session = new Session(graph)) {
      for (int epoch = 0; epoch < 2; ++epoch) {
        try (Batches batches = train.batches(new BatchOptions().shuffle(true).seed(7), epoch)) {
          for (Batch batch : batches) {
            try (batch) {
              Map<Value, Tensor> fed = Map.of(images, batch.get(0), labels, batch.get(1));
              session.run(fed, List.of(loss), List.of(step)).close();
            }
          }
        }
      }
      try (Tensor kernel = session.get("hidden/kernel")) {
        byHand = kernel.toFloatArray();
      }
    }
    assertArrayEquals(byFit, byHand);
  }
}
