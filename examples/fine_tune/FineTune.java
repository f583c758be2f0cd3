// Trains nets of PyTorch, Keras and scikit-learn further, and runs a forest: java -cp weft.jar examples/fine_tune/FineTune.java
import io.weft.*;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

class FineTune {
  public static void main(String[] args) {
    Path folder = Path.of("examples/exported");
    try (Dataset digits = Dataset.load(Path.of("examples/data/digits.safetensors"), "images", "labels");
        Dataset train = digits.rows(0, 1500);
        Dataset test = digits.rows(1500, 297)) {
      for (String maker : List.of("pytorch", "torchscript", "keras", "sklearn_mlp")) {
        try (Graph graph = Graph.load(folder.resolve(maker + ".onnx"), new LoadOptions().trainable("*"));
            Session session = new Session(graph)) {
          Value images = graph.inputs().get(0);
          Value scores = graph.outputs().get(graph.outputs().size() - 1);
          // Of scikit-learn there are labels, and then probabilities, whose logarithms are as good as scores.
          if (maker.equals("sklearn_mlp")) scores = graph.ops().log(scores);
          Value labels = graph.input("labels", DataType.I64, "batch");
          Value loss = graph.ops().softmaxCrossEntropyLoss(scores, labels, o -> o.name("loss"));
          Value accuracy = graph.ops().accuracy(scores, labels, o -> o.name("accuracy"));
          Value step = Optimizer.adam().learningRate(2e-3).minimize(loss);

          double before = session.evaluate(test, List.of(images, labels), List.of(accuracy)).get("accuracy");
          System.out.printf("%s: accuracy %.6f as exported%n", maker, before);
          FitOptions options = new FitOptions().epochs(5).batchSize(32).seed(1);
          double[] losses = session.fit(train, List.of(images, labels), step, List.of(loss), options).metric("loss");
          for (int i = 0; i < losses.length; ++i) System.out.printf("epoch %d  loss %.6f%n", i + 1, losses[i]);

          // What is saved gives the digit itself.
          Value digit = graph.ops().argMax(scores, o -> o.axis(1).keepdims(false));
          Path tuned = Path.of(maker + "_tuned.onnx");
          graph.save(tuned, List.of(digit), session, new SaveOptions());
          countRight(maker, tuned, test);
        }
      }
      countRight("sklearn", folder.resolve("sklearn.onnx"), test);
    }
  }

  static void countRight(String maker, Path file, Dataset test) {
    try (Graph model = Graph.load(file);
        Session session = new Session(model);
        Results results = session.predict(test, Arrays.asList(model.inputs().get(0), null), model.outputs().get(0));
        Tensor labels = test.at(1)) {
      long[] predicted = results.get(0).toLongArray();
      long[] wanted = labels.toLongArray();
      int right = 0;
      for (int i = 0; i < wanted.length; ++i) right += predicted[i] == wanted[i] ? 1 : 0;
      System.out.printf("%s: %d of %d digits are right%n", maker, right, wanted.length);
    }
  }
}
