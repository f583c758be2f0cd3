// Learns XOR, saves the model and runs it from the file: java -cp weft.jar examples/tour/Tour.java
import io.weft.*;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

class Tour {
  public static void main(String[] args) {
    Path file = Path.of("xor.onnx");
    try (Graph graph = new Graph();
        Session session = new Session(graph);
        Tensor rows = Tensor.of(new float[][] {{0, 0}, {0, 1}, {1, 0}, {1, 1}});
        Tensor truth = Tensor.of(new float[][] {{0}, {1}, {1}, {0}})) {
      // Build a network of two layers, its loss and a step that lowers it.
      Value x = graph.input("x", DataType.F32, "batch,2");
      Value wanted = graph.input("wanted", DataType.F32, "batch,1");
      Value hidden = graph.layers().dense("hidden", 2, 8, o -> o.activation("tanh").seed(1)).call(x);
      Value y = graph.layers().dense("y", 8, 1, o -> o.seed(2)).call(hidden);
      Value error = y.minus(wanted);
      Value loss = graph.ops().reduceMean(error.times(error), o -> o.keepdims(false).name("loss"));
      Value step = Optimizer.adam().learningRate(0.05).minimize(loss);

      // Train it.
      for (int i = 0; i < 40; ++i) {
        try (Results results = session.run(Map.of(x, rows, wanted, truth), List.of(loss), List.of(step))) {
          System.out.printf("loss %.8e%n", results.get(loss).toFloat());
        }
      }

      // Save the model, load it and predict.
      graph.save(file, List.of(y), session, new SaveOptions());
      try (Graph model = Graph.load(file);
          Session loaded = new Session(model);
          Results predicted = loaded.run(Map.of(model.inputs().get(0), rows), model.outputs().get(0))) {
        for (float value : predicted.get(0).toFloatArray()) System.out.printf("%.3f%n", value);
      }
    }
  }
}
