// Weft, called from Java: an Add with its memory bound, and a training.
import io.weft.DataType;
import io.weft.Graph;
import io.weft.Optimizer;
import io.weft.Prepared;
import io.weft.Session;
import io.weft.SessionOptions;
import io.weft.Tensor;
import io.weft.Value;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

final class Weft {
  // The first steps of a training, whose losses are compared.
  private static final int STEPS = 5;

  private final Path folder;
  private final SessionOptions options;

  private Weft(Path folder, int threads) {
    this.folder = folder;
    options = new SessionOptions().threads(threads);
  }

  private Tensor tensor(String name, DataType dtype, long... shape) throws IOException {
    return Tensor.wrap(dtype, Child.read(folder, name), shape);
  }

  private void timeAdd() throws Exception {
    try (Graph graph = Graph.load(folder.resolve("model.onnx"));
        Session session = new Session(graph, options);
        Tensor x = tensor("x", DataType.F32, 4);
        Tensor other = tensor("other", DataType.F32, 4);
        Tensor out = Tensor.zeros(DataType.F32, 4);
        Prepared prepared =
            session.prepare(List.of(graph.find("x"), graph.find("other")), graph.outputs(), List.of())) {
      prepared.bindInput(0, x);
      prepared.bindInput(1, other);
      prepared.bindOutput(0, out);
      prepared.run();
      Child.serve(io.weft.Weft.version(), out.toFloatArray(), prepared::run);
    }
  }

  private Value variable(Graph graph, String name, long... shape) throws IOException {
    try (Tensor initial = tensor(name, DataType.F32, shape)) {
      return graph.variable(name, initial);
    }
  }

  private Value loss(Graph graph, Value inputs, Value labels) throws IOException {
    Value bias0 = variable(graph, "bias0", 64);
    Value bias1 = variable(graph, "bias1", 10);
    Value hidden = graph.ops().relu(graph.ops().gemm(inputs, variable(graph, "kernel0", 64, 64), o -> o.c(bias0)));
    Value scores = graph.ops().gemm(hidden, variable(graph, "kernel1", 64, 10), o -> o.c(bias1));
    return graph.ops().softmaxCrossEntropyLoss(scores, labels);
  }

  private void timeTraining() throws Exception {
    try (Graph graph = new Graph();
        Tensor rows = tensor("inputs", DataType.F32, 32, 64);
        Tensor classes = tensor("labels", DataType.I64, 32)) {
      List<Value> feeds =
          List.of(graph.input("inputs", DataType.F32, "32,64"), graph.input("labels", DataType.I64, "32"));
      Value loss = loss(graph, feeds.get(0), feeds.get(1));
      Value step = Optimizer.adam().learningRate(1e-3).minimize(loss);
      try (Session session = new Session(graph, options);
          Prepared withLoss = session.prepare(feeds, List.of(loss), List.of(step));
          Prepared prepared = session.prepare(feeds, List.of(), List.of(step))) {
        for (Prepared one : List.of(withLoss, prepared)) {
          one.bindInput(0, rows);
          one.bindInput(1, classes);
        }
        Child.serve(io.weft.Weft.version(), losses(withLoss), prepared::run);
      }
    }
  }

  private static float[] losses(Prepared withLoss) {
    float[] found = new float[STEPS];
    for (int i = 0; i < STEPS; ++i) {
      withLoss.run();
      try (Tensor loss = withLoss.output(0)) {
        found[i] = loss.toFloat();
      }
    }
    return found;
  }

  public static void main(String[] args) throws Exception {
    Weft weft = new Weft(Path.of(args[2]), Integer.parseInt(args[1]));
    switch (args[0]) {
      case "bound" -> weft.timeAdd();
      case "training" -> weft.timeTraining();
      default -> throw new IllegalArgumentException("Weft <bound|training> <threads> <folder>");
    }
  }
}
