// What concerns a whole JVM: its end during a run, -Xcheck:jni, finding and extracting the libraries, the module.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.weft.DataType;
import io.weft.Dataset;
import io.weft.FitOptions;
import io.weft.Graph;
import io.weft.Optimizer;
import io.weft.Progress;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import io.weft.Weft;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProcessTest {
  private static final Path ROOT = Path.of(System.getProperty("weft.tests.root")).normalize();
  private static final Path CLASSES = ROOT.resolve("java/target/classes");

  record Ended(int code, String output) {}

  static Ended java(List<String> arguments) throws Exception {
    return java(ROOT, arguments);
  }

  private static Ended java(Path folder, List<String> arguments) throws Exception {
    return run(folder, command(arguments));
  }

  static List<String> command(List<String> arguments) {
    List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    if (Runtime.version().feature() >= 24) {
      command.add("--enable-native-access=" + (arguments.contains("--module-path") ? "io.weft" : "ALL-UNNAMED"));
    }
    command.add("-Dweft.cache.dir=" + System.getProperty("weft.cache.dir")); // an argument may say otherwise
    command.addAll(arguments);
    return command;
  }

  static Ended run(Path folder, List<String> command) throws Exception {
    Path output = Files.createTempFile("weft", ".txt");
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")))
              .directory(folder.toFile())
              .start();
      if (!process.waitFor(400, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new AssertionError("still running: " + command);
      }
      return new Ended(process.exitValue(), Files.readString(output));
    } finally {
      Files.delete(output);
    }
  }

  static List<String> child(Class<?> main, String... options) {
    List<String> arguments = new ArrayList<>(List.of(options));
    arguments.add("-cp");
    arguments.add(CLASSES + ":" + ROOT.resolve("java/target/test-classes"));
    arguments.add(main.getName());
    return arguments;
  }

  /** Ends the JVM while runs last and objects are open. */
  static final class ExitDuringRun {
    public static void main(String[] args) throws Exception {
      Graph graph = new Graph();
      Session session = new Session(graph);
      CountDownLatch begun = new CountDownLatch(3);
      Value slow = SessionTest.slow(graph, begun);
      Weft.setLog((level, text) -> {}, System.Logger.Level.DEBUG);
      for (int i = 0; i < 2; ++i) {
        Thread thread = new Thread(() -> session.run(Map.of(), slow).close());
        thread.setDaemon(true);
        thread.start();
      }
      session.runAsync(Map.of(), slow);
      begun.await();
      System.exit(7);
    }
  }

  @Test
  void exitDuringARun() throws Exception {
    Ended ended = java(child(ExitDuringRun.class));
    assertEquals(7, ended.code(), ended.output());
    assertEquals("", ended.output());
  }

  /** Uses what crosses between Java and native code, callbacks and errors among it. */
  static final class UseEverything {
    public static void main(String[] args) throws Exception {
      LeakTest test = new LeakTest();
      test.everythingClosedIsGoneAtOnce();
      test.theCollectorFreesWhatWasForgotten();
      test.errorsLeaveNothing();
      MisuseTest.all(Path.of(args[0]));
      test.startClean();
      System.out.print(Weft.liveObjects());
    }
  }

  @Test
  void checkedJniHasNothingToSay(@TempDir Path folder) throws Exception {
    List<String> arguments = child(UseEverything.class, "-Xcheck:jni");
    arguments.add(folder.toString());
    int cp = arguments.indexOf("-cp") + 1;
    arguments.set(cp, arguments.get(cp) + ":" + System.getProperty("java.class.path"));
    Ended ended = java(arguments);
    assertEquals(0, ended.code(), ended.output());
    assertEquals("0", ended.output());
  }

  /** Forgets a tensor, closes another and has a graph open at the end. */
  static final class Forget {
    static final Graph GRAPH = new Graph();

    public static void main(String[] args) throws Exception {
      Tensor.of(new float[1]).close();
      Tensor.zeros(DataType.F32, 2);
      Collector.runUntil(() -> Weft.liveObjects() == 1);
    }
  }

  @Test
  void forgottenObjectsAreReportedOnRequest() throws Exception {
    assertEquals("", java(child(Forget.class)).output());
    String output = java(child(Forget.class, "-Dweft.leaks=full")).output();
    String[] reports = output.split("weft: ");
    assertEquals(3, reports.length, output);
    assertTrue(reports[1].startsWith("a tensor was never closed; it was made"), output);
    assertTrue(reports[2].startsWith("a graph was never closed; it was made"), output);
    for (int i = 1; i < 3; ++i) assertTrue(reports[i].contains("ProcessTest.java:"), output);
  }

  /** Trains with what shows a training on the terminal. */
  static final class Train {
    public static void main(String[] args) {
      try (Graph graph = new Graph();
          Session session = new Session(graph);
          Tensor xs = Tensor.of(new float[] {1, 2});
          Dataset rows = Dataset.of(xs)) {
        Value x = graph.input("x", DataType.F32, "n");
        Value v = graph.variable("v", graph.constant(1f));
        Value loss = graph.ops().reduceMean(v.times(x), o -> o.keepdims(false)).named("loss");
        Value step = Optimizer.sgd().minimize(loss);
        session.fit(rows, List.of(x), step, List.of(loss), new FitOptions().listener(Progress.console()));
      }
    }
  }

  @Test
  void progressIsForTerminals() throws Exception {
    Ended ended = java(child(Train.class));
    assertEquals("0", ended.code() + ended.output());
    Path script = Path.of("/usr/bin/script"); // of util-linux; runs a command on a terminal of its own
    assumeTrue(Files.isExecutable(script));
    String command = "'" + String.join("' '", command(child(Train.class))) + "'";
    ended = run(ROOT, List.of(script.toString(), "-qec", command, "/dev/null"));
    assertTrue(ended.output().contains("\repoch  1  [####################] 1/1  loss 1.500000"), ended.output());
  }

  /** Prints the version. */
  static final class Version {
    public static void main(String[] args) {
      try (Tensor tensor = Tensor.zeros(DataType.F32, 2)) {
        System.out.print(Weft.version() + " " + tensor);
      } catch (UnsatisfiedLinkError e) {
        System.out.print(e.getMessage());
      }
    }
  }

  @Test
  void librariesAreExtractedOnce(@TempDir Path cache) throws Exception {
    String option = "-Dweft.cache.dir=" + cache;
    for (int i = 0; i < 2; ++i) assertEquals("0.1.0 f32[2]", java(child(Version.class, option)).output());
    try (Stream<Path> files = Files.walk(cache)) {
      List<Path> found = files.filter(Files::isRegularFile).toList();
      List<String> names = found.stream().map(file -> file.getFileName().toString()).sorted().toList();
      assertTrue(names.containsAll(List.of("libweft.so", "libweft_jni.so")), names.toString());
      assertEquals(names, Files.readAllLines(natives().resolve("hashes")).stream().map(l -> l.split(" +")[1]).sorted().toList());
      assertEquals("0.1.0 f32[2]", java(child(Version.class, "-Dweft.native.dir=" + found.get(0).getParent())).output());
    }
  }

  @Test
  void missingLibrariesAreNamed(@TempDir Path empty) throws Exception {
    String output = java(child(Version.class, "-Dweft.native.dir=" + empty)).output();
    assertTrue(output.contains(empty.toString()) && output.contains("libweft.so"), output);
    Path file = Files.createFile(empty.resolve("file"));
    output = java(child(Version.class, "-Dweft.cache.dir=" + file, "-Djava.io.tmpdir=" + file)).output();
    assertTrue(output.contains("could not be extracted") && output.contains(file.toString()), output);
  }

  /** Java's classes without the native libraries: as in a JAR for another platform. */
  private static void copyClasses(Path to) throws Exception {
    try (Stream<Path> files = Files.walk(CLASSES.resolve("io"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Path copy = to.resolve(CLASSES.relativize(file));
        Files.createDirectories(copy.getParent());
        Files.copy(file, copy);
      }
    }
  }

  /** The folder of the libraries that go into the JAR. */
  private static Path natives() throws Exception {
    try (Stream<Path> files = Files.walk(CLASSES.resolve("META-INF/native"))) {
      return files.filter(file -> file.endsWith("libweft.so")).findFirst().orElseThrow().getParent();
    }
  }

  @Test
  void withoutLibrariesInsideTheSystemsAreTaken(@TempDir Path folder) throws Exception {
    copyClasses(folder);
    String classes = folder + ":" + ROOT.resolve("java/target/test-classes");
    List<String> found = List.of("-Djava.library.path=" + natives(), "-cp", classes, Version.class.getName());
    assertEquals("0.1.0 f32[2]", java(found).output());
    List<String> none = List.of("-Djava.library.path=" + folder, "-cp", classes, Version.class.getName());
    String output = java(none).output();
    assertTrue(output.contains("java.library.path") && output.contains("weft.native.dir"), output);
  }

  @Test
  void aDamagedLibraryIsNamed(@TempDir Path folder) throws Exception {
    for (String name : List.of("libweft.so", "libweft_jni.so")) Files.write(folder.resolve(name), new byte[100]);
    String output = java(child(Version.class, "-Dweft.native.dir=" + folder)).output();
    assertTrue(output.contains(folder.resolve("libweft.so").toString()), output);
  }

  /** Compiles a libweft of version 0.2 that has every function of the C ABI, of which only its version says anything. */
  private static void fakeLibrary(Path folder) throws Exception {
    StringBuilder code = new StringBuilder("int weft_version_number(void) { return 2000; }\n");
    code.append("const char* weft_version(void) { return \"0.2.0\"; }\n");
    for (String line : Files.readAllLines(ROOT.resolve("c_api/abi.txt"))) {
      Matcher function = Pattern.compile("\\b(weft_\\w+)\\(").matcher(line);
      if (function.find() && !function.group(1).startsWith("weft_version")) {
        code.append("void ").append(function.group(1)).append("(void) {}\n");
      }
    }
    Path source = Files.writeString(folder.resolve("fake.c"), code);
    Path versions = Files.writeString(folder.resolve("versions"), "WEFT_0.1 { weft_*; };\n");
    List<String> command = List.of("cc", "-shared", "-fPIC", "-Wl,-soname,libweft.so.0",
        "-Wl,--version-script=" + versions, "-o", folder.resolve("libweft.so").toString(), source.toString());
    assertEquals(new Ended(0, ""), run(folder, command));
  }

  @Test
  void aLibraryOfAnotherReleaseIsRefusedByBothNumbers(@TempDir Path folder) throws Exception {
    fakeLibrary(folder);
    Files.copy(natives().resolve("libweft_jni.so"), folder.resolve("libweft_jni.so"));
    assertEquals(
        "weft.jar is version 0.1 and libweft is 0.2.0; use a JAR and a library of the same release",
        java(child(Version.class, "-Dweft.native.dir=" + folder)).output());
  }

  @Test
  void worksAsAModule() throws Exception {
    Ended ended =
        java(
            List.of(
                "--module-path", CLASSES.toString(), "--add-modules", "io.weft",
                "-cp", ROOT.resolve("java/target/test-classes").toString(), Version.class.getName()));
    assertEquals("0.1.0 f32[2]", ended.output());
  }

  // The first part of a file in a language.
  private static String program(Path file, String language) throws Exception {
    String text = Files.readString(file);
    String head = "```" + language + "\n";
    int begin = text.indexOf(head) + head.length();
    return text.substring(begin, text.indexOf("```", begin));
  }

  @Test
  void theReadmesRecipeForJShellRuns(@TempDir Path folder) throws Exception {
    Path lines = Files.writeString(folder.resolve("lines.jsh"), program(ROOT.resolve("java/README.md"), "jshell") + "/exit\n");
    Path jshell = Path.of(System.getProperty("java.home"), "bin", "jshell");
    String cache = "-R-Dweft.cache.dir=" + System.getProperty("weft.cache.dir");
    String settings = "-J-Djava.util.prefs.userRoot=" + folder; // which JShell says that it has made
    List<String> command = new ArrayList<>(List.of(jshell.toString(), "-s", settings, cache));
    command.addAll(List.of("--class-path", CLASSES.toString()));
    if (Runtime.version().feature() >= 24) command.add("-R--enable-native-access=ALL-UNNAMED");
    command.add(lines.toString());
    Ended ended = run(folder, command);
    assertEquals("[2.0, 4.0]", ended.output().lines().reduce("", (before, line) -> line), ended.output());
  }

  @Test
  void theProgramOfTheReadmeRuns(@TempDir Path folder) throws Exception {
    Path whole = Files.writeString(folder.resolve("Corner.java"), program(ROOT.resolve("java/README.md"), "java"));
    Ended ended = java(folder, List.of("-cp", CLASSES.toString(), whole.toString()));
    assertEquals(0, ended.code(), ended.output());
    String[] lines = ended.output().strip().split("\n");
    assertTrue(lines[0].startsWith("50 epochs, {loss="), ended.output());
    double loss = Double.parseDouble(lines[0].substring(lines[0].indexOf('=') + 1, lines[0].length() - 1));
    assertTrue(loss < 0.01, ended.output());
    assertEquals(4, lines.length, ended.output());
    assertEquals("true", lines[3]);
  }

  @Test
  void theExamplesLearn() throws Exception {
    for (String name : List.of("digits_mlp", "digits_cnn")) {
      Ended ended = java(List.of("-cp", CLASSES.toString(), "examples/" + name + "/Digits.java"));
      assertEquals(0, ended.code(), ended.output());
      String[] lines = ended.output().strip().split("\n");
      assertEquals(21, lines.length, ended.output());
      double accuracy = Double.parseDouble(lines[20].replaceAll("[^0-9.]", ""));
      assertTrue(accuracy > 88, ended.output());
    }
  }
}
