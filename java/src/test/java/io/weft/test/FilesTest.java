// Files that are damaged, hostile or cannot be written: exceptions, and old files that stay.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.DataType;
import io.weft.Dataset;
import io.weft.ErrorCode;
import io.weft.Graph;
import io.weft.LoadOptions;
import io.weft.Optimizer;
import io.weft.RunOptions;
import io.weft.SaveOptions;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class FilesTest {
  @TempDir Path folder;

  /** x w, and a session that has begun to train w. */
  private static final class Model implements AutoCloseable {
    final Graph graph = new Graph();
    final Value w;
    final Value y;
    final Session session;

    Model(int rows) {
      Value x = graph.input("x", DataType.F32, Integer.toString(rows));
      w = graph.variable("w", graph.constant(filled(rows, 2)));
      Value both = graph.ops().concat(List.of(x.times(w), x), 0);
      y = graph.ops().reshape(both, graph.constant(new long[] {2, -1}));
      session = new Session(graph);
      try (Tensor three = Tensor.of(filled(rows, 3))) {
        session.set("w", three);
      }
    }

    private static float[] filled(int rows, float value) {
      float[] values = new float[rows];
      Arrays.fill(values, value);
      return values;
    }

    @Override
    public void close() {
      session.close();
      graph.close();
    }
  }

  /** A model, a checkpoint and tensors of more than 400,000 bytes each. */
  private static Map<String, Executable> writers(Model model, Path path) {
    Executable tensors =
        () -> {
          try (Tensor big = Tensor.zeros(DataType.F32, 100_000)) {
            Weft.saveTensors(path, Map.of("a", big));
          }
        };
    return Map.of(
        "model", () -> model.graph.save(path, List.of(model.y), model.session, null),
        "checkpoint", () -> model.session.save(path),
        "tensors", tensors);
  }

  /** Writes where it may not write much; prints what is wrong with the errors. */
  static final class WriteTooMuch {
    public static void main(String[] args) throws Throwable {
      Path path = Path.of(args[0]);
      try (Model model = new Model(100_000)) {
        for (Map.Entry<String, Executable> writer : writers(model, path).entrySet()) {
          WeftException e = assertThrows(WeftException.ResourceExhausted.class, writer.getValue(), writer.getKey());
          assertEquals(FileSystemException.class, e.getCause().getClass());
          assertTrue(e.getMessage().contains(path.toString()), e.getMessage());
          assertEquals("old", Files.readString(path));
          try (Stream<Path> files = Files.list(path.getParent())) {
            assertEquals(List.of(path), files.toList(), "nothing else is left");
          }
        }
      }
      System.out.print("refused");
    }
  }

  // No file may have more than 100 blocks, as if the disk were full.
  @Test
  void aFullDiskLeavesTheOldFile() throws Throwable {
    Path path = Files.writeString(folder.resolve("full.safetensors"), "old");
    List<String> arguments = new ArrayList<>(ProcessTest.child(WriteTooMuch.class, "-XX:-UsePerfData"));
    int cp = arguments.indexOf("-cp") + 1;
    arguments.set(cp, arguments.get(cp) + ":" + System.getProperty("java.class.path"));
    arguments.add(path.toString());
    List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", "ulimit -f 100; exec \"$@\"", "sh"));
    command.addAll(ProcessTest.command(arguments));
    ProcessTest.Ended ended = ProcessTest.run(folder, command);
    assertEquals("refused", ended.output());
    assertEquals("old", Files.readString(path));
    try (Model model = new Model(100_000)) {
      for (Executable write : writers(model, path).values()) {
        write.execute();
        assertTrue(Files.size(path) > 400_000);
      }
    }
  }

  @Test
  void aFolderInPlaceOfAFile() throws Exception {
    Path path = Files.createDirectory(folder.resolve("folder.safetensors"));
    try (Model model = new Model(2)) {
      List<Executable> uses = new ArrayList<>(writers(model, path).values());
      uses.add(() -> Graph.load(path));
      uses.add(() -> Weft.loadTensors(path));
      uses.add(() -> Dataset.load(path));
      uses.add(() -> model.session.load(path));
      for (Executable use : uses) {
        WeftException e = assertThrows(WeftException.InvalidArgument.class, use);
        assertEquals(FileSystemException.class, e.getCause().getClass());
        assertTrue(e.getMessage().contains("folder"), e.getMessage());
      }
    }
    try (Stream<Path> files = Files.list(path)) {
      assertEquals(0, files.count());
    }
  }

  /** Loads and runs a model. What a file brings about is never INTERNAL or UNKNOWN: those are our own mistakes. */
  private static ErrorCode codeOf(byte[] bytes) {
    try (Graph graph = Graph.load(bytes, null, null);
        Session session = new Session(graph);
        Tensor ones = Tensor.of(new float[] {1, 1})) {
      Map<Value, Tensor> feeds = new HashMap<>();
      for (Value input : graph.inputs()) feeds.put(input, ones);
      RunOptions options = new RunOptions().timeout(Duration.ofSeconds(1));
      session.run(feeds, graph.outputs(), List.of(), options).close();
      return null;
    } catch (WeftException e) {
      assertTrue(e.code() != ErrorCode.INTERNAL && e.code() != ErrorCode.UNKNOWN, e.toString());
      return e.code();
    }
  }

  /** The bytes with one bit turned. */
  private static byte[] flipped(byte[] whole, int bit) {
    byte[] bytes = whole.clone();
    bytes[bit / 8] ^= (byte) (1 << bit % 8);
    return bytes;
  }

  @Test
  void damagedModelsGiveResultsOrErrors() throws Exception {
    Path path = folder.resolve("damaged.onnx");
    try (Model model = new Model(2)) {
      model.graph.save(path, List.of(model.y), model.session, null);
    }
    byte[] whole = Files.readAllBytes(path);
    assertEquals(null, codeOf(whole));
    Weft.setMemoryLimit(1 << 26); // a flipped bit may ask for any size
    try {
      int loaded = 0;
      for (int size = 0; size < whole.length; ++size) {
        ErrorCode code = codeOf(Arrays.copyOf(whole, size));
        if (code == null) ++loaded;
        else assertEquals(ErrorCode.DATA_LOSS, code, size + " bytes");
      }
      assertTrue(loaded <= 1, "without the last field, which says the version of the operators, but " + loaded);
      Map<ErrorCode, Integer> counts = new EnumMap<>(ErrorCode.class);
      int ran = 0;
      for (int bit = 0; bit < 8 * whole.length; ++bit) {
        ErrorCode code = codeOf(flipped(whole, bit));
        if (code == null) ++ran;
        else counts.merge(code, 1, Integer::sum);
      }
      assertTrue(ran > 0 && counts.containsKey(ErrorCode.DATA_LOSS), counts.toString());
      assertTrue(counts.containsKey(ErrorCode.INVALID_ARGUMENT), counts.toString());
    } finally {
      Weft.setMemoryLimit(0);
    }
  }

  @Test
  void damagedCheckpointsChangeNothing() throws Exception {
    Path path = folder.resolve("damaged.safetensors");
    try (Model model = new Model(2)) {
      model.session.save(path);
      byte[] whole = Files.readAllBytes(path);
      List<byte[]> damaged = new ArrayList<>();
      for (int size = 0; size < whole.length; ++size) damaged.add(Arrays.copyOf(whole, size));
      // The header begins with its own size in 8 bytes; that and a brace are never right with a bit flipped.
      for (int bit = 0; bit < 8 * 9; ++bit) damaged.add(flipped(whole, bit));
      for (byte[] bytes : damaged) {
        Files.write(path, bytes);
        assertThrows(WeftException.DataLoss.class, () -> model.session.load(path));
        try (Tensor w = model.session.get("w")) {
          assertArrayEquals(new float[] {3, 3}, w.toFloatArray());
        }
      }
      Files.write(path, whole);
      model.session.load(path);
    }
  }

  /** A safetensors file with that header and 8 bytes of data. */
  private static String safetensors(String header) {
    return (char) header.length() + "\0\0\0\0\0\0\0" + header + "\1\1\1\1\1\1\1\1";
  }

  @Test
  void sizesThatLieAreErrors() throws Exception {
    Path path = folder.resolve("hostile.safetensors");
    String entry = "{\"x\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":%s}}";
    List<String> hostile =
        List.of(
            "",
            "\u00ff".repeat(8), // a header of 2^64 - 1 bytes
            "\u00ff".repeat(7) + "\u007f{}", // of 2^63 - 1
            safetensors(String.format(entry, "[3]", "[0,8]")),
            safetensors(String.format(entry, "[2]", "[8,16]")),
            safetensors(String.format(entry, "[2]", "[8,0]")),
            safetensors(String.format(entry, "[2]", "[-8,0]")),
            safetensors(String.format(entry, "[4611686018427387906]", "[0,8]")), // 2^62 + 2, times 4
            safetensors(String.format(entry, "[4294967296,4294967296]", "[0,8]")),
            safetensors(String.format(entry, "[2]", "[0,18446744073709551624]"))); // 2^64 + 8
    for (String bytes : hostile) {
      Files.write(path, bytes.getBytes(StandardCharsets.ISO_8859_1));
      assertThrows(WeftException.DataLoss.class, () -> Weft.loadTensors(path), bytes);
      assertThrows(WeftException.DataLoss.class, () -> Weft.loadTensors(path, new LoadOptions().map(true)), bytes);
      assertThrows(WeftException.DataLoss.class, () -> Dataset.load(path), bytes);
    }
  }

  @Test
  void modelsWhoseWeightsAreElsewhere() throws Exception {
    Path path = folder.resolve("beside.onnx");
    Path weights = folder.resolve("beside.bin");
    try (Model model = new Model(1000)) {
      model.graph.save(path, List.of(model.y), model.session, new SaveOptions().weights("beside.bin"));
    }
    String whole = Files.readString(path, StandardCharsets.ISO_8859_1);
    Map<String, Class<? extends WeftException>> hostile =
        Map.of(
            whole.replace("beside.bin", "../side.bin".substring(0, 10)), WeftException.InvalidArgument.class,
            whole.replace("beside.bin", "/etc/hosts"), WeftException.InvalidArgument.class,
            whole.replace("beside.bin", "beside.nan"), WeftException.NotFound.class,
            whole.replace("4000", "9999"), WeftException.DataLoss.class, // the length
            whole.replace("4000", "-400"), WeftException.DataLoss.class,
            whole.replace("4000", "4e00"), WeftException.DataLoss.class);
    for (Map.Entry<String, Class<? extends WeftException>> each : hostile.entrySet()) {
      Files.writeString(path, each.getKey(), StandardCharsets.ISO_8859_1);
      WeftException e = assertThrows(each.getValue(), () -> Graph.load(path));
      if (e instanceof WeftException.NotFound) assertEquals(NoSuchFileException.class, e.getCause().getClass());
    }
    Files.writeString(path, whole, StandardCharsets.ISO_8859_1);
    byte[] bytes = Files.readAllBytes(weights);
    Files.write(weights, Arrays.copyOf(bytes, bytes.length - 1));
    WeftException e = assertThrows(WeftException.DataLoss.class, () -> Graph.load(path));
    assertTrue(e.getMessage().contains("lies beyond the end of '" + weights), e.getMessage());
    Files.write(weights, bytes);
    Graph.load(path).close();
  }

  /** Writes every kind of file into the folder, reads it, and prints what people see. */
  static final class WriteNumbers {
    public static void main(String[] args) throws Exception {
      Path folder = Path.of(args[0]);
      try (Model model = new Model(1234)) {
        Value y = model.graph.ops().leakyRelu(model.y.times(1234567.5), o -> o.alpha(0.125f)).named("y");
        model.graph.save(folder.resolve("model.onnx"), List.of(y), model.session, null);
        model.session.save(folder.resolve("checkpoint.safetensors"));
        model.session.load(folder.resolve("checkpoint.safetensors"));
        Graph.load(folder.resolve("model.onnx")).close();
        Path csv = Files.writeString(folder.resolve("rows.csv"), "a,b\n1.5,-2.25e-3\n1234567.5,0.1\n");
        try (Dataset rows = Dataset.load(csv);
            Tensor first = rows.at(0)) {
          System.out.println(Arrays.toString(first.toFloatArray()));
        }
        System.out.println(model.graph.text() + model.graph.dot() + y + Optimizer.adam().learningRate(0.5));
        System.out.println(assertThrows(WeftException.class, () -> Optimizer.sgd().learningRate(-1.5).minimize(y)));
      }
    }
  }

  private String written(Path to, String... environment) throws Exception {
    Files.createDirectory(to);
    List<String> arguments = new ArrayList<>(ProcessTest.child(WriteNumbers.class));
    int cp = arguments.indexOf("-cp") + 1;
    arguments.set(cp, arguments.get(cp) + ":" + System.getProperty("java.class.path"));
    arguments.add(to.toString());
    List<String> command = new ArrayList<>(List.of("/usr/bin/env"));
    command.addAll(List.of(environment));
    command.addAll(ProcessTest.command(arguments));
    ProcessTest.Ended ended = ProcessTest.run(folder, command);
    assertEquals(0, ended.code(), ended.output());
    return ended.output();
  }

  @Test
  void aLocaleWithCommasChangesNothing() throws Exception {
    // Few machines have one. Its sources are in Debian's package locales.
    Path locales = Files.createDirectory(folder.resolve("locales"));
    String locale = locales.resolve("de_DE.UTF-8").toString();
    ProcessTest.run(folder, List.of("localedef", "-i", "de_DE", "-f", "UTF-8", locale));
    assertTrue(Files.exists(Path.of(locale)));
    Path point = folder.resolve("point");
    Path comma = folder.resolve("comma");
    String printed = written(point, "LC_ALL=C.UTF-8");
    assertEquals(printed, written(comma, "LC_ALL=de_DE.UTF-8", "LOCPATH=" + locales));
    assertTrue(printed.startsWith("[1.5, -0.00225, 1234567.5, 0.1]"), printed);
    try (Stream<Path> files = Files.list(point)) {
      List<Path> names = files.map(Path::getFileName).toList();
      assertEquals(3, names.size());
      for (Path name : names) {
        assertEquals(-1, Files.mismatch(point.resolve(name), comma.resolve(name)), name.toString());
      }
    }
  }
}
