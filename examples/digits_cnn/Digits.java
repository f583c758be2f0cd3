// Trains a convolutional network on handwritten digits: java -cp weft.jar examples/digits_cnn/Digits.java
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
      Ops ops = graph.ops();
      Layers layers = graph.layers();
      long[] kernel = {3, 3}, pool = {2, 2};
      Layer conv1 = layers.conv2d("conv1", 1, 16, kernel, o -> o.pads(1).activation("relu").seed(1));
      Layer conv2 =
          layers.conv2d("conv2", 16, 32, kernel, o -> o.pads(1).activation("relu").seed(2));
      Layer hidden = layers.dense("hidden", 128, 64, o -> o.activation("relu").seed(3));
      Layer dropout = layers.dropout("dropout", o -> o.rate(0.25).seed(4));
      Layer scores = layers.dense("scores", 64, 10, o -> o.seed(5));

      Value images = graph.input("images", DataType.F32, "batch,64");
      Value labels = graph.input("labels", DataType.I64, "batch");
      Value x = ops.reshape(images, graph.constant(new long[] {-1, 1, 8, 8}));
      x = ops.maxPool(conv1.call(x), pool, o -> o.strides(pool));
      x = ops.maxPool(conv2.call(x), pool, o -> o.strides(pool));
      x = hidden.call(ops.flatten(x));
      Value trained = scores.call(dropout.call(true, x));
      Value predicted = scores.call(dropout.call(false, x));
      Value loss = ops.softmaxCrossEntropyLoss(trained, labels, o -> o.name("loss"));
      Value step = Optimizer.adam().learningRate(1e-3).minimize(loss);

      FitOptions options = new FitOptions().epochs(20).batchSize(32).seed(1);
      options.listener(FitListener.printing(System.out));
      session.fit(train, List.of(images, labels), step, List.of(loss), options);
      try (Results results = session.predict(test, Arrays.asList(images, null), predicted)) {
        float[][] rows = results.get(0).toFloatMatrix();
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
