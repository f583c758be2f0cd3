// Trains a convolutional network on handwritten digits: java -cp weft.jar examples/digits_cnn/Digits.java
import io.weft.*;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

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
      Ops ops = graph.ops();
      Layers layers = graph.layers();
      Layer[] convs = new Layer[3], norms = new Layer[3];
      int[] channels = {1, 32, 32, 64};
      for (int i = 0; i < 3; ++i) {
        long[] kernel = {3};
        convs[i] = layers.conv2d("conv" + (i + 1), channels[i], channels[i + 1], kernel, o -> o.pads(1).seed(1));
        norms[i] = layers.batchNorm("norm" + (i + 1), channels[i + 1]);
      }
      Layer scores = layers.dense("scores", 64, 10, o -> o.seed(1));
      Function<Boolean, Value> network =
          training -> {
            Value x = ops.reshape(images, graph.constant(new long[] {-1, 1, 8, 8}));
            for (int i = 0; i < 3; ++i) {
              x = ops.relu(norms[i].call(convs[i].call(x), training));
              if (i == 1) x = ops.maxPool(x, new long[] {2, 2}, o -> o.strides(2, 2));
            }
            return scores.call(ops.flatten(ops.globalAveragePool(x)));
          };
      Value loss = ops.softmaxCrossEntropyLoss(network.apply(true), labels, o -> o.name("loss"));
      Value step = Optimizer.adam().learningRate(1e-3).minimize(loss);
      Value predicted = network.apply(false);

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
