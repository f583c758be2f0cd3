// Times of prepared graphs from Java: the rows of weft_bench that every language has. java -cp weft.jar Bench.java
import io.weft.*;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

class Bench {
  // Samples of at least 5 ms each, for half a second, once the JIT has seen enough.
  static void measure(String name, Prepared prepared) {
    timeOf(prepared, 20_000);
    long runs = Math.max(1, (long) (5e6 / timeOf(prepared, 100)));
    List<Double> samples = new ArrayList<>();
    for (long begin = System.nanoTime(); samples.size() < 5 || System.nanoTime() - begin < 500_000_000L; ) {
      samples.add(timeOf(prepared, runs));
    }
    Collections.sort(samples);
    System.out.printf("%s\t%.2f\t%.2f%n", name, samples.get(0) / 1e3, samples.get(samples.size() / 2) / 1e3);
  }

  static double timeOf(Prepared prepared, long runs) {
    long begin = System.nanoTime();
    for (long i = 0; i < runs; ++i) prepared.run();
    return (double) (System.nanoTime() - begin) / runs;
  }

  static void adds(String name, int count) {
    try (Graph graph = new Graph();
        Session session = new Session(graph, new SessionOptions().threads(1));
        Tensor ones = Tensor.of(new float[] {1, 1, 1, 1});
        Tensor out = Tensor.zeros(DataType.F32, 4)) {
      Value x = graph.input("x", DataType.F32, "4");
      Value other = graph.input("other", DataType.F32, "4");
      Value y = x;
      for (int i = 0; i < count; ++i) y = y.plus(other);
      try (Prepared prepared = session.prepare(List.of(x, other), List.of(y), List.of())) {
        prepared.bindInput(0, ones);
        prepared.bindInput(1, ones);
        prepared.bindOutput(0, out);
        measure(name, prepared);
      }
    }
  }

  static void training(String name) {
    float[] rows = new float[32 * 64];
    long[] classes = new long[32];
    for (int i = 0; i < rows.length; ++i) rows[i] = 2f * i / (rows.length - 1) - 1;
    for (int i = 0; i < classes.length; ++i) classes[i] = i % 10;
    try (Graph graph = new Graph();
        Session session = new Session(graph, new SessionOptions().threads(1));
        Tensor images = Tensor.of(rows, 32, 64);
        Tensor digits = Tensor.of(classes, 32)) {
      Value x = graph.input("x", DataType.F32, "32,64");
      Value labels = graph.input("labels", DataType.I64, "32");
      Layer hidden = graph.layers().dense("hidden", 64, 64, o -> o.activation("relu"));
      Layer scores = graph.layers().dense("scores", 64, 10);
      Value loss = graph.ops().softmaxCrossEntropyLoss(scores.call(hidden.call(x)), labels);
      Value step = Optimizer.adam().learningRate(1e-3).minimize(loss);
      try (Prepared prepared = session.prepare(List.of(x, labels), List.of(), List.of(step))) {
        prepared.bindInput(0, images);
        prepared.bindInput(1, digits);
        measure(name, prepared);
      }
    }
  }

  public static void main(String[] args) {
    adds("one Add of 4", 1);
    adds("chain of 100 Adds of 4", 100);
    training("MLP 64-64-10, a step of Adam, batch 32");
  }
}
