// Models and checkpoints in files.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.DataType;
import io.weft.Dataset;
import io.weft.FitOptions;
import io.weft.Graph;
import io.weft.LoadOptions;
import io.weft.Optimizer;
import io.weft.Results;
import io.weft.SaveOptions;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelTest {
  @TempDir Path folder;

  /** A small network over a graph of its own. */
  private static final class Net implements AutoCloseable {
    final Graph graph;
    final Value x;
    final Value y;
    final Value loss;
    final Value step;

    Net(Graph loaded) {
      graph = loaded;
      x = graph.find("x");
      y = graph.find("y");
      loss = graph.find("loss");
      step = graph.find("step");
    }

    Net() {
      graph = new Graph();
      x = graph.input("x", DataType.F32, "batch,4");
      Value truth = graph.input("truth", DataType.F32, "batch,1");
      y = graph.layers().dense("d", 4, 1, o -> o.seed(3)).call(x).named("y");
      Value wrong = y.minus(truth);
      loss = graph.ops().reduceMean(wrong.times(wrong), o -> o.keepdims(false)).named("loss");
      step = Optimizer.adam().learningRate(0.05).minimize(loss).named("step");
    }

    void train(Session session, Dataset data, int first, int end) {
      FitOptions options = new FitOptions().firstEpoch(first).epochs(end).batchSize(3).seed(5);
      session.fit(data, List.of(x, graph.find("truth")), step, List.of(loss), options);
    }

    float[] predict(Session session) {
      try (Tensor in = Tensor.of(new float[] {1, 2, 3, 4, -1, 0, 1, 2}, 2, 4);
          Results results = session.run(Map.of(x, in), y)) {
        return results.get(0).toFloatArray();
      }
    }

    @Override
    public void close() {
      graph.close();
    }
  }

  private static Dataset data() {
    float[] xs = new float[40];
    float[] ys = new float[10];
    for (int i = 0; i < 40; ++i) xs[i] = (i * 7 % 11) / 5f - 1;
    for (int i = 0; i < 10; ++i) ys[i] = xs[4 * i] - 2 * xs[4 * i + 3];
    try (Tensor x = Tensor.of(xs, 10, 4);
        Tensor y = Tensor.of(ys, 10, 1)) {
      return Dataset.of(x, y);
    }
  }

  @Test
  void aModelForPredictionKeepsItsResults() {
    Path path = folder.resolve("modell-größe.onnx");
    float[] before;
    try (Net net = new Net();
        Dataset data = data();
        Session session = new Session(net.graph)) {
      net.train(session, data, 0, 3);
      before = net.predict(session);
      net.graph.save(path, List.of(net.y), session, null);
      net.graph.save(folder.resolve("beside.onnx"), List.of(net.y), session, new SaveOptions().weights("w.safetensors"));
    }
    assertTrue(Files.exists(path));
    for (Path file : List.of(path, folder.resolve("beside.onnx"))) {
      try (Graph loaded = Graph.load(file);
          Session session = new Session(loaded);
          Tensor in = Tensor.of(new float[] {1, 2, 3, 4, -1, 0, 1, 2}, 2, 4);
          Results results = session.run(Map.of(loaded.inputs().get(0), in), loaded.outputs().get(0))) {
        assertArrayEquals(before, results.get(0).toFloatArray());
        assertTrue(loaded.variables().isEmpty());
      }
    }
    try (Graph loaded = Graph.load(path, new LoadOptions().trainable("*"))) {
      assertEquals(List.of("d/kernel", "d/bias"), loaded.variables().stream().map(Value::name).sorted(Comparator.reverseOrder()).toList());
    }
    assertThrows(WeftException.NotFound.class, () -> Graph.load(path, new LoadOptions().trainable("e/kernel")));
  }

  @Test
  void aModelIsOfTheOpsetThatIsAskedFor() {
    Path path = folder.resolve("older.onnx");
    try (Graph graph = new Graph()) {
      List<Value> y = List.of(graph.ops().gelu(graph.input("x", DataType.F32, "2")));
      graph.save(path, y, null, new SaveOptions().opset(17));
      String told = Weft.inspect(path);
      assertTrue(told.contains("\"ai.onnx\": 17") && told.contains("\"Erf\": 1"), told);
      assertThrows(WeftException.Unimplemented.class, () -> graph.save(path, y, null, new SaveOptions().opset(8)));
      assertThrows(WeftException.InvalidArgument.class, () -> graph.save(path, y, null, new SaveOptions().opset(6)));
    }
  }

  @Test
  void trainingGoesOnBitForBitFromACheckpoint() {
    Path model = folder.resolve("training.onnx");
    Path checkpoint = folder.resolve("checkpoint.safetensors");
    float[] straight;
    try (Net net = new Net();
        Dataset data = data();
        Session session = new Session(net.graph);
        Session other = new Session(net.graph)) {
      net.train(session, data, 0, 4);
      straight = net.predict(session);
      net.train(other, data, 0, 2);
      other.save(checkpoint);
      net.graph.save(model, List.of(), other, new SaveOptions().training(true));
    }
    try (Net net = new Net();
        Dataset data = data();
        Session session = new Session(net.graph)) {
      session.load(checkpoint);
      net.train(session, data, 2, 4);
      assertArrayEquals(straight, net.predict(session));
    }
    try (Net net = new Net(Graph.load(model));
        Dataset data = data();
        Session session = new Session(net.graph)) {
      net.train(session, data, 2, 4);
      assertArrayEquals(straight, net.predict(session));
    }
  }

  @Test
  void aWrongCheckpointChangesNothing() {
    Path path = folder.resolve("other.safetensors");
    try (Graph small = new Graph();
        Net net = new Net();
        Session from = new Session(small);
        Session to = new Session(net.graph)) {
      small.variable("d/kernel", small.constant(new float[8], 4, 2));
      from.initialise();
      from.save(path);
      float[] before = net.predict(to);
      WeftException e = assertThrows(WeftException.InvalidArgument.class, () -> to.load(path));
      assertTrue(e.getMessage().contains("d/kernel"), e.getMessage());
      assertArrayEquals(before, net.predict(to));
      assertThrows(WeftException.NotFound.class, () -> to.load(folder.resolve("none.safetensors")));
    }
  }

  @Test
  void inputsAndVariablesMayBeOutputs() {
    Path path = folder.resolve("passed.onnx");
    try (Graph graph = new Graph();
        Tensor two = Tensor.of(new float[] {1, 2})) {
      Value x = graph.input("x", DataType.F32, "2");
      Value v = graph.variable("v", graph.constant(new float[] {3, 4}));
      graph.save(path, List.of(x, v, graph.constant(two)), null, null);
    }
    try (Graph loaded = Graph.load(path);
        Session session = new Session(loaded);
        Tensor in = Tensor.of(new float[] {7, 8});
        Results results = session.run(Map.of(loaded.inputs().get(0), in), loaded.outputs(), List.of())) {
      assertArrayEquals(new float[] {7, 8}, results.get(0).toFloatArray());
      assertArrayEquals(new float[] {3, 4}, results.get(1).toFloatArray());
      assertArrayEquals(new float[] {1, 2}, results.get(2).toFloatArray());
    }
  }

  @Test
  void modelsComeFromBytesToo() throws Exception {
    Path path = folder.resolve("net.onnx");
    try (Net net = new Net()) {
      net.graph.save(path, List.of(net.y), null, null);
    }
    try (Graph loaded = Graph.load(Files.readAllBytes(path), null, null)) {
      assertEquals(List.of("x"), loaded.inputs().stream().map(Value::name).toList());
    }
    assertThrows(WeftException.class, () -> Graph.load(new byte[] {1, 2, 3}, folder, null));
  }

  @Test
  void damagedModelsAreErrors() throws Exception {
    Path path = folder.resolve("damaged.onnx");
    Files.write(path, new byte[] {8, 1, 2, 3, 4, 5});
    assertThrows(WeftException.class, () -> Graph.load(path));
    assertThrows(WeftException.NotFound.class, () -> Graph.load(folder.resolve("none.onnx")));
    try (Net net = new Net()) {
      assertThrows(
          WeftException.class, () -> net.graph.save(folder.resolve("no/folder.onnx"), List.of(net.y), null, null));
      assertEquals(1, net.graph.variables().stream().filter(v -> v.name().equals("d/kernel")).count());
    }
  }
}
