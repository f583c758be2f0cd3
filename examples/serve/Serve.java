// Answers requests on many threads with one session: java -cp weft.jar examples/serve/Serve.java
import io.weft.*;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

class Serve {
  public static void main(String[] args) {
    // Load the model once, and plan for the shape of requests before the first one comes.
    Graph graph = Graph.load(Path.of("examples/exported/pytorch.onnx"), new LoadOptions().map(true));
    Value x = graph.inputs().get(0);
    Value digit = graph.ops().argMax(graph.outputs().get(0), o -> o.axis(1).keepdims(false));
    Session session = new Session(graph, new SessionOptions().threads(1));
    answer(session, x, digit, new float[64]);

    // Here requests are digits that the model was not trained on, and a pool of threads answers them.
    Map<String, Tensor> digits = Weft.loadTensors(Path.of("examples/data/digits.safetensors"));
    float[][] rows = digits.get("images").toFloatMatrix();
    long[] labels = digits.get("labels").toLongArray();
    IntStream requests = IntStream.range(1500, labels.length).parallel();
    long right = requests.filter(i -> answer(session, x, digit, rows[i]) == labels[i]).count();
    System.out.printf("%d of %d digits are right%n", right, labels.length - 1500);
    digits.values().forEach(Tensor::close);
    session.close(); // would wait for runs under way
    graph.close();
  }

  // Answer a request, on any thread.
  static long answer(Session session, Value x, Value digit, float[] row) {
    RunOptions options = new RunOptions().timeout(Duration.ofSeconds(5));
    try (Tensor in = Tensor.of(new float[][] {row});
        Results out = session.run(Map.of(x, in), List.of(digit), List.of(), options)) {
      return out.get(0).toLong();
    }
  }
}
