// Trains a two-layer network on handwritten digits: java -cp weft.jar examples/digits_mlp/Digits.java
import io.weft.*;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

class Digits {
  public static void main(String[] args) {
    Path file = Path.of("examples/data/digits.safetensors");
    try (Dataset digits = Dataset.load(file, "images", "labels");
        Dataset train = digits.rows(0, 1500);
        Dataset test = digits.rows(1500, 297);
        Tensor truth = test.at(1);
        Graph graph = new Graph();
        Session session = new Session(graph)) {
      Value images = graph.input("images", DataType.F32, "batch,64");
      Value labels = graph.input("labels", DataType.I64, "batch");
      Layer hidden = graph.layers().dense("hidden", 64, 64, o -> o.activation("relu").seed(1));
      Layer last = graph.layers().dense("scores", 64, 10, o -> o.seed(2));
      Value scores = last.call(hidden.call(images));
      Value loss = graph.ops().softmaxCrossEntropyLoss(scores, labels, o -> o.name("loss"));
      Value step = Optimizer.adam().learningRate(1e-3).minimize(loss);

      FitOptions options = new FitOptions().epochs(20).batchSize(32).seed(1);
      options.listener(FitListener.printing(System.out));
      session.fit(train, List.of(images, labels), step, List.of(loss), options);
      try (Results predicted = session.predict(test, Arrays.asList(images, null), scores)) {
        float[][] rows = predicted.get(0).toFloatMatrix();
        long[] digit = truth.toLongArray();
        long right = 0;
        for (int i = 0; i < rows.length; ++i) {
          int best = 0;
          for (int j = 1; j < 10; ++j) best = rows[i][j] > rows[i][best] ? j : best;
          if (best == digit[i]) ++right;
        }
        System.out.printf("test accuracy %.1f%%%n", 100.0 * right / rows.length);
      }
    }
  }
}
