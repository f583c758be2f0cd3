// Trains a two-layer network on handwritten digits: java -cp weft.jar examples/digits_mlp/Digits.java
import io.weft.*;
import java.nio.file.Path;
import java.util.List;

class Digits {
  public static void main(String[] args) {
    Path path = Path.of("examples/data/digits.safetensors");
    try (Dataset digits = Dataset.load(path, "images", "labels");
        Dataset train = digits.rows(0, 1500);
        Dataset test = digits.rows(1500, 297);
        Graph graph = new Graph()) {
      Value images = graph.input("images", DataType.F32, "batch,64");
      Value labels = graph.input("labels", DataType.I64, "batch");
      Layer hidden = graph.layers().dense("hidden", 64, 64, o -> o.activation("relu").seed(1));
      Value scores = graph.layers().dense("scores", 64, 10, o -> o.seed(2)).call(hidden.call(images));
      Value loss = graph.ops().softmaxCrossEntropyLoss(scores, labels).named("loss");
      Value step = Optimizer.adam().learningRate(1e-3).minimize(loss);
      List<Value> feeds = List.of(images, labels);
      try (Session session = new Session(graph)) {
        FitOptions options = new FitOptions().epochs(20).batchSize(32).seed(1);
        History history = session.fit(train, feeds, step, List.of(loss), options);
        System.out.println(history);
        System.out.println("test: " + session.evaluate(test, feeds, List.of(loss)));
      }
    }
  }
}
