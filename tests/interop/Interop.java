// The commands of README.md in Java.
import io.weft.*;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

class Interop {
  static final String[] LANGUAGES = {"c", "cpp", "python", "java", "go"};
  static final Path DATA = Path.of("examples/data/digits.safetensors");

  static long fnv(long value, byte[] bytes) {
    for (byte b : bytes) value = (value ^ (b & 0xff)) * 0x100000001b3L;
    return value;
  }

  static String bits(double number) {
    return String.format("%016x", Double.doubleToRawLongBits(number));
  }

  /** One of the networks over the digits. */
  static final class Net implements AutoCloseable {
    final Dataset all = Dataset.load(DATA, "images", "labels");
    final Dataset train = all.rows(0, 1500);
    final Graph graph = new Graph();
    final Session session = new Session(graph);
    final Value images = graph.input("images", DataType.F32, "batch,64");
    final Value labels = graph.input("labels", DataType.I64, "batch");
    final Value logits;
    final Value loss;
    final Value step;

    Net(String kind) {
      Value[] made = kind.equals("cnn") ? cnn() : mlp(kind.equals("dropout"));
      logits = made[1];
      loss = graph.ops().softmaxCrossEntropyLoss(made[0], labels, o -> o.name("loss"));
      step = Optimizer.adam().learningRate(1e-3).minimize(loss);
    }

    private Value[] mlp(boolean drops) {
      Layers layers = graph.layers();
      Value hidden = layers.dense("hidden", 64, 64, o -> o.activation("relu").seed(1)).call(images);
      Layer scores = layers.dense("scores", 64, 10, o -> o.seed(2));
      Value logits = scores.call(hidden);
      if (!drops) return new Value[] {logits, logits};
      Layer drop = layers.dropout("drop", o -> o.rate(0.25).seed(3));
      return new Value[] {scores.call(drop.call(hidden, true)), logits};
    }

    private Value[] cnn() {
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
      return new Value[] {network.apply(true), network.apply(false)};
    }

    double[] fit(int first, int last) {
      FitOptions options = new FitOptions().firstEpoch(first).epochs(last).batchSize(32).seed(1);
      return session.fit(train, List.of(images, labels), step, List.of(loss), options).metric("loss");
    }

    long hash() {
      long value = 0xcbf29ce484222325L;
      for (Value variable : graph.variables()) {
        try (Tensor tensor = session.get(variable.name())) {
          value = fnv(value, tensor.toByteArray());
        }
      }
      return value;
    }

    @Override
    public void close() {
      session.close();
      graph.close();
      train.close();
      all.close();
    }
  }

  static void train(String kind, Path folder, int epochs) {
    try (Net net = new Net(kind)) {
      double[] first = net.fit(0, epochs / 2);
      net.session.save(folder.resolve("java." + kind + ".half"));
      double[] second = net.fit(epochs / 2, epochs);
      net.session.save(folder.resolve("java." + kind + ".full"));
      net.graph.save(
          folder.resolve("java." + kind + ".onnx"), List.of(net.logits), net.session, new SaveOptions());
      for (int i = 0; i < epochs; ++i) {
        double loss = i < first.length ? first[i] : second[i - first.length];
        System.out.println("loss " + (i + 1) + " " + bits(loss));
      }
    }
  }

  static void load(String kind, Path folder) {
    try (Dataset all = Dataset.load(DATA, "images", "labels");
        Dataset test = all.rows(1500, 297);
        Tensor labels = test.at(1)) {
      long[] truth = labels.toLongArray();
      for (String language : LANGUAGES) {
        try (Graph graph = Graph.load(folder.resolve(language + "." + kind + ".onnx"));
            Session session = new Session(graph);
            Results results =
                session.predict(test, Arrays.asList(graph.inputs().get(0), null), graph.outputs().get(0))) {
          float[][] rows = results.get(0).toFloatMatrix();
          int right = 0;
          for (int i = 0; i < rows.length; ++i) {
            int best = 0;
            for (int j = 1; j < 10; ++j) best = rows[i][j] > rows[i][best] ? j : best;
            if (best == truth[i]) ++right;
          }
          long hash = fnv(0xcbf29ce484222325L, results.get(0).toByteArray());
          System.out.printf("model %s %s %016x%n", language, bits((double) right / rows.length), hash);
        }
      }
    }
  }

  static void resume(String kind, Path folder, int epochs) {
    for (String language : LANGUAGES) {
      try (Net net = new Net(kind)) {
        net.session.load(folder.resolve(language + "." + kind + ".half"));
        double[] losses = net.fit(epochs / 2, epochs);
        System.out.printf("resumed %s %s %016x%n", language, bits(losses[losses.length - 1]), net.hash());
      }
    }
  }

  /** Every kind of layer in one graph that trains: what it computes, and the gradient of its mean by the looked-up table. */
  static void allLayers() {
    long[] rows = {0, 3, 5, 10, 2, 2, 7, 1, 9, 4, 0, 6};
    try (Graph graph = new Graph();
        Session session = new Session(graph);
        Tensor fed = Tensor.of(rows, 4, 3)) {
      Ops ops = graph.ops();
      Layers layers = graph.layers();
      Value ids = graph.input("ids", DataType.I64, "4,3");
      Layer embedding = layers.embedding("embedding", 11, 8, o -> o.seed(1));
      Value x = layers.layerNorm("layer_norm", 8).call(embedding.call(ids, true), true);
      x = layers.lstm("lstm", 8, 8, o -> o.seed(5)).call(x, true);
      x = layers.selfAttention("attention", 8, 2, o -> o.seed(6)).call(x, true);
      x = layers.rmsNorm("rms_norm", 8).call(x, true);
      x = layers.gru("gru", 8, 4, o -> o.bidirectional(true).seed(7)).call(x, true);
      x = layers.dropout("dropout", o -> o.rate(0.25).seed(2)).call(x, true);
      x = ops.reshape(x, graph.constant(new long[] {-1, 3, 2, 4}));
      x = layers.conv2d("conv", 3, 4, new long[] {2}, o -> o.seed(3)).call(x, true);
      x = layers.batchNorm("batch_norm", 4).call(x, true);
      x = layers.groupNorm("group_norm", 4, 2).call(x, true);
      x = layers.flatten("flatten").call(x, true);
      x = layers.dense("dense", 12, 5, o -> o.activation("tanh").seed(4)).call(x, true);
      Value slope = graph.gradients(ops.reduceMean(x), embedding.variables()).get(0);
      try (Results results = session.run(Map.of(ids, fed), List.of(x, slope), List.of())) {
        long value = 0xcbf29ce484222325L;
        for (Tensor tensor : results) value = fnv(value, tensor.toByteArray());
        System.out.printf("example layers %016x%n", value);
      }
    }
  }

  static void example() {
    try (Graph graph = new Graph();
        Session session = new Session(graph);
        Tensor matrix = Tensor.of(new double[] {1, 2, 3, 4, 5, 6}, 2, 3);
        Tensor rows = Tensor.of(new float[] {1, 2, 3, -4}, 2, 2)) {
      Ops ops = graph.ops();
      Value a = graph.input("A", DataType.F64, "2,3");
      Ops.EigOutputs parts = ops.eig(ops.matMul(a, ops.transpose(a)));
      List<Value> all = List.of(parts.valuesRe(), parts.valuesIm(), parts.vectorsRe(), parts.vectorsIm());
      try (Results results = session.run(Map.of(a, matrix), all, List.of())) {
        long value = 0xcbf29ce484222325L;
        for (Tensor tensor : results) value = fnv(value, tensor.toByteArray());
        System.out.printf("example eig %016x%n", value);
      }
      Value l1 = graph.input("l1", DataType.F32, "2,2");
      Value w1 = graph.constant(new float[] {1, -2, 0.5f, 3}, 2, 2);
      Value b1 = graph.constant(new float[] {0.25f, -1}, 2);
      try (Results results = session.run(Map.of(l1, rows), ops.relu(ops.add(ops.matMul(l1, w1), b1)))) {
        System.out.printf("example relu %016x%n", fnv(0xcbf29ce484222325L, results.get(0).toByteArray()));
      }
    }
    allLayers();
  }

  static String codeOf(Runnable call) {
    try {
      call.run();
    } catch (WeftException error) {
      return error.code().name();
    }
    return "OK";
  }

  /** x + x of tensors that lie on a device and stay there. */
  static void device(String plugin, String name) {
    Weft.loadDevices(plugin);
    try (Graph graph = new Graph();
        Session session = new Session(graph, new SessionOptions().device(name).deviceOutputs(true));
        Session cpu = new Session(graph);
        Tensor host = Tensor.of(new float[] {1, 2, 3});
        Tensor there = host.to(name);
        Tensor strings = Tensor.of(new String[] {"a"})) {
      Value x = graph.input("x", DataType.F32, "3");
      Value twice = graph.ops().add(x, x);
      try (Results first = session.run(Map.of(x, there), twice);
          Tensor taken = Tensor.fromDlpack(first.get(0).toDlpack());
          Results second = session.run(Map.of(x, taken), twice);
          Prepared prepared = session.prepare(List.of(x), List.of(twice, x), List.of())) {
        Tensor once = first.get(0), again = second.get(0);
        prepared.bindInput(0, again);
        prepared.bindOutput(0, there);
        prepared.run();
        try (Tensor output = prepared.output(1);
            Tensor copied = output.copy()) {
          System.out.printf(
              "device place %s, %s, %s, %s%n", host.device(), once, again.device(), copied.device());
        }
        for (Tensor tensor : List.of(once, again, there)) {
          try (Tensor here = tensor.to("cpu")) {
            float[] values = here.toFloatArray();
            System.out.printf("device values %.0f %.0f %.0f%n", values[0], values[1], values[2]);
          }
        }
        for (Runnable call :
            List.<Runnable>of(
                () -> there.toFloatArray(),
                () -> there.buffer(),
                () -> host.to("nowhere:0"),
                () -> strings.to(name),
                () -> cpu.run(Map.of(x, there), twice))) {
          System.out.println("device error " + codeOf(call));
        }
      }
    }
  }

  public static void main(String[] args) {
    switch (args[0]) {
      case "train" -> train(args[1], Path.of(args[2]), Integer.parseInt(args[3]));
      case "load" -> load(args[1], Path.of(args[2]));
      case "resume" -> resume(args[1], Path.of(args[2]), Integer.parseInt(args[3]));
      case "device" -> device(args[1], args[2]);
      default -> example();
    }
  }
}
