// Every method of every closed object, and every null, gives an exception that says what is wrong.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.weft.Attribute;
import io.weft.Attrs;
import io.weft.BatchOptions;
import io.weft.Batches;
import io.weft.Cancel;
import io.weft.DataType;
import io.weft.Dataset;
import io.weft.FitOptions;
import io.weft.Formal;
import io.weft.Graph;
import io.weft.History;
import io.weft.LoadOptions;
import io.weft.NodeOptions;
import io.weft.Operator;
import io.weft.Ops;
import io.weft.Optimizer;
import io.weft.Prepared;
import io.weft.Results;
import io.weft.RunOptions;
import io.weft.SaveOptions;
import io.weft.Session;
import io.weft.SessionOptions;
import io.weft.Tensor;
import io.weft.Trace;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MisuseTest {
  /** What works on closed objects, too. */
  private static final Set<String> ALWAYS =
      Set.of("close", "toString", "hashCode", "equals", "getClass", "notify", "notifyAll", "wait", "graph", "ops", "layers");

  @TempDir Path folder;

  private final Graph graph = new Graph();
  private final Value x = graph.input("x", DataType.F32, "2");
  private final Value y = graph.ops().relu(x);
  private final Session session = new Session(graph);
  private final Tensor tensor = Tensor.of(new float[2]);
  private final Dataset dataset = Dataset.of(tensor);

  /** All tests of this class, in a process without JUnit. */
  static void all(Path folder) throws Exception {
    MisuseTest test = new MisuseTest();
    test.folder = folder;
    try {
      test.closedReceivers();
      test.closedArguments();
      test.wrongArgumentsOfEverything();
      test.everyOperatorRefusesNullAndForeignValues();
    } finally {
      test.close();
    }
  }

  @AfterEach
  void close() {
    session.close();
    graph.close();
    tensor.close();
    dataset.close();
  }

  private Object[] arguments(Executable member) {
    return Arrays.stream(member.getGenericParameterTypes()).map(this::argument).toArray();
  }

  private static Class<?> raw(Type generic) {
    return generic instanceof Class<?> plain ? plain : (Class<?>) ((ParameterizedType) generic).getRawType();
  }

  private Object argument(Type generic) {
    Class<?> type = raw(generic);
    if (generic.getTypeName().endsWith("<io.weft.Tensor>")) return List.of(tensor);
    if (generic.getTypeName().endsWith("<java.lang.String, io.weft.Tensor>")) return Map.of("x", tensor);
    if (generic.getTypeName().endsWith("<io.weft.DataType>")) return List.of(DataType.F32);
    if (generic.getTypeName().endsWith("<java.lang.String>")) return List.of("2");
    if (type == int.class) return 0;
    if (type == long.class) return 0L;
    if (type == double.class) return 1.0;
    if (type == float.class) return 1f;
    if (type == boolean.class) return false;
    if (type == String.class) return "x";
    if (type == Path.class) return folder.resolve("nowhere.safetensors");
    if (type == DataType.class) return DataType.F32;
    if (type == Value.class) return x;
    if (type == Value[].class) return new Value[] {x};
    if (type == Tensor.class) return tensor;
    if (type == Graph.class) return graph;
    if (type == Session.class) return session;
    if (type == Dataset.class) return dataset;
    if (type == List.class || type == Collection.class) return List.of(x);
    if (type == Map.class) return Map.of(x, tensor);
    if (type == long[].class) return new long[] {2};
    if (type == double[].class) return new double[] {2};
    if (type == float[].class) return new float[2];
    if (type == Consumer.class) return (Consumer<Object>) options -> {};
    if (type == BiFunction.class) return (BiFunction<Graph, List<Value>, List<Value>>) (sub, inputs) -> inputs;
    if (type == Function.class) return (Function<Graph, List<Value>>) sub -> List.of(x);
    if (type == RunOptions.class) return new RunOptions();
    if (type == FitOptions.class) return new FitOptions();
    if (type == LoadOptions.class) return new LoadOptions();
    if (type == SaveOptions.class) return new SaveOptions();
    if (type == SessionOptions.class) return new SessionOptions();
    if (type == BatchOptions.class) return new BatchOptions();
    if (type == Attrs.class) return new Attrs();
    if (type == Operator.class) return new Operator("com.acme.Misuse");
    if (type == Formal[].class) return new Formal[] {new Formal("x", "f32")};
    if (type == Attribute[].class) return new Attribute[] {new Attribute("x", "int")};
    if (generic.getTypeName().endsWith("<java.lang.String, java.util.List<io.weft.DataType>>")) {
      return Map.of("T", List.of(DataType.F32));
    }
    if (type == Tensor[].class) return new Tensor[] {tensor};
    if (type == String[].class) return new String[] {"x"};
    if (type == byte[].class) return new byte[8];
    if (type == Duration.class) return Duration.ofSeconds(10);
    if (type == Executor.class) return (Executor) Runnable::run;
    return null;
  }

  private static Throwable call(Object receiver, Executable member, Object[] arguments) throws IllegalAccessException {
    try {
      Object result =
          member instanceof Method method
              ? method.invoke(receiver, arguments)
              : ((Constructor<?>) member).newInstance(arguments);
      if (result instanceof AutoCloseable closeable) closeable.close();
      return null;
    } catch (InvocationTargetException e) {
      return e.getCause();
    } catch (IllegalAccessException e) {
      throw e;
    } catch (Exception e) {
      return e;
    }
  }

  private static List<Method> methods(Class<?> type) {
    List<Method> found = new ArrayList<>();
    for (Method method : type.getMethods()) {
      if (!Modifier.isStatic(method.getModifiers()) && method.getDeclaringClass().getName().startsWith("io.weft.")) {
        found.add(method);
      }
    }
    return found;
  }

  private Map<String, AutoCloseable> closedObjects() throws Exception {
    Map<String, AutoCloseable> closed = new LinkedHashMap<>();
    closed.put("graph", new Graph());
    closed.put("session", new Session(graph));
    closed.put("tensor", Tensor.of(new float[2]));
    closed.put("prepared run", session.prepare(List.of(x), List.of(y)));
    closed.put("layer", graph.layers().dense("closed", 2, 2));
    closed.put("dataset", Dataset.of(tensor));
    closed.put("pass over a dataset", dataset.batches(null, 0));
    closed.put("cancel flag", new Cancel());
    closed.put("trace", new Trace());
    closed.put("scope", Weft.scope());
    for (AutoCloseable each : closed.values()) each.close();
    return closed;
  }

  @Test
  void closedReceivers() throws Exception {
    int called = 0;
    for (Map.Entry<String, AutoCloseable> entry : closedObjects().entrySet()) {
      Object receiver = entry.getValue();
      for (Method method : methods(receiver.getClass())) {
        if (ALWAYS.contains(method.getName())) continue;
        Object[] arguments = arguments(method);
        Throwable thrown = call(receiver, method, arguments);
        boolean foreign = receiver instanceof Graph && thrown instanceof IllegalArgumentException;
        if (foreign || unrelated(method, thrown)) continue;
        assertTrue(thrown instanceof IllegalStateException, method + " of a closed object: " + thrown);
        assertEquals("the " + entry.getKey() + " is closed", thrown.getMessage(), method.toString());
        ++called;
      }
    }
    assertTrue(called > 50, "only " + called + " methods were called");
  }

  /** What may throw anything. */
  private interface ThrowingCall {
    void execute() throws Throwable;
  }

  // Iterator.remove and forEachRemaining are the interface's own.
  private static boolean unrelated(Method method, Throwable thrown) {
    return method.getDeclaringClass() == java.util.Iterator.class;
  }

  @Test
  void closedArguments() throws Exception {
    Tensor closed = Tensor.of(new float[2]);
    closed.close();
    Cancel cancel = new Cancel();
    cancel.close();
    Trace trace = new Trace();
    trace.close();
    Dataset rows = Dataset.of(tensor);
    rows.close();
    Graph none = new Graph();
    none.close();
    List<Value> in = List.of(x);
    Map<String, ThrowingCall> calls = new LinkedHashMap<>();
    calls.put("run", () -> session.run(Map.of(x, closed), y));
    calls.put("runAsync", () -> session.runAsync(Map.of(x, closed), y));
    calls.put("set", () -> session.set("v", closed));
    calls.put("cancel", () -> session.run(Map.of(x, tensor), in, List.of(), new RunOptions().cancel(cancel)));
    calls.put("trace", () -> session.run(Map.of(x, tensor), in, List.of(), new RunOptions().trace(trace)));
    calls.put("constant", () -> graph.constant(closed));
    calls.put("variable", () -> graph.variable("v", closed));
    calls.put("attribute", () -> graph.ops().constantOfShape(x, o -> o.value(closed)));
    calls.put("dataset of", () -> Dataset.of(tensor, closed));
    calls.put("sequence", () -> Tensor.sequence(List.of(tensor, closed)));
    calls.put("save", () -> Weft.saveTensors(folder.resolve("nowhere.safetensors"), Map.of("a", closed)));
    calls.put("evaluate", () -> session.evaluate(rows, in, List.of(y)));
    calls.put("predict", () -> session.predict(rows, in, y));
    calls.put("fit", () -> session.fit(rows, in, y, List.of(), null));
    calls.put(
        "validation",
        () -> session.fit(dataset, in, y, List.of(y), new FitOptions().validation(rows, List.of(y))));
    calls.put("session", () -> new Session(none));
    try (Prepared prepared = session.prepare(in, List.of(y))) {
      calls.put("bindInput", () -> prepared.bindInput(0, closed));
      calls.put("bindOutput", () -> prepared.bindOutput(0, closed));
      for (Map.Entry<String, ThrowingCall> entry : calls.entrySet()) {
        try {
          entry.getValue().execute();
          fail(entry.getKey() + " takes a closed argument");
        } catch (IllegalStateException e) {
          assertTrue(e.getMessage().endsWith(" is closed"), entry.getKey() + ": " + e.getMessage());
        } catch (Throwable e) {
          fail(entry.getKey(), e);
        }
      }
    }
    session.run(Map.of(x, tensor), y).close(); // nothing was left held
  }

  /** A wrong argument: what is wrong with it, and how the refusal ends; "" if it may be taken. */
  private record Wrong(String what, Object argument, String ending) {}

  private List<Wrong> wrongs(Type generic, Bad bad) {
    Class<?> type = raw(generic);
    List<Wrong> found = new ArrayList<>();
    if (type.isPrimitive()) return found;
    String closed = " is closed";
    String foreign = " belongs to another graph";
    found.add(new Wrong("null", null, ""));
    if (type == Tensor.class) found.add(new Wrong("closed tensor", bad.tensor, closed));
    if (type == Tensor[].class) {
      found.add(new Wrong("closed tensor", new Tensor[] {bad.tensor}, closed));
      found.add(new Wrong("null tensor", new Tensor[] {null}, " is null"));
    }
    if (type == Graph.class) found.add(new Wrong("closed graph", bad.graph, closed));
    if (type == Session.class) found.add(new Wrong("closed session", bad.session, closed));
    if (type == Dataset.class) found.add(new Wrong("closed dataset", bad.dataset, closed));
    if (type == Cancel.class) found.add(new Wrong("closed cancel flag", bad.cancel, closed));
    if (type == Trace.class) found.add(new Wrong("closed trace", bad.trace, closed));
    if (type == Attrs.class) found.add(new Wrong("closed attribute", new Attrs().set("value", bad.tensor), closed));
    if (type == RunOptions.class) {
      found.add(new Wrong("closed cancel flag", new RunOptions().cancel(bad.cancel), closed));
      found.add(new Wrong("closed trace", new RunOptions().trace(bad.trace), closed));
    }
    if (type == FitOptions.class) {
      found.add(new Wrong("closed cancel flag", new FitOptions().cancel(bad.cancel), closed));
      found.add(new Wrong("closed dataset", new FitOptions().validation(bad.dataset, List.of()), closed));
      found.add(new Wrong("foreign metric", new FitOptions().validation(dataset, List.of(bad.value)), foreign));
    }
    if (type == SessionOptions.class) {
      found.add(new Wrong("closed session", new SessionOptions().share(bad.session), closed));
    }
    if (type == Value.class) found.add(new Wrong("foreign value", bad.value, foreign));
    if (type == Value[].class) {
      found.add(new Wrong("foreign value", new Value[] {bad.value}, foreign));
      found.add(new Wrong("null value", new Value[] {null}, " is null"));
    }
    String name = generic.getTypeName();
    if (name.endsWith("<io.weft.Value>")) {
      found.add(new Wrong("foreign value", List.of(bad.value), foreign));
      found.add(new Wrong("null value", Arrays.asList((Value) null), ""));
    } else if (name.endsWith("<io.weft.Tensor>")) {
      found.add(new Wrong("closed tensor", List.of(bad.tensor), closed));
      found.add(new Wrong("null tensor", Arrays.asList((Tensor) null), " is null"));
    } else if (type == List.class) {
      found.add(new Wrong("null item", Arrays.asList((Object) null), " is null"));
    }
    if (name.endsWith("<io.weft.Value, io.weft.Tensor>")) {
      found.add(new Wrong("closed tensor", Map.of(x, bad.tensor), closed));
      found.add(new Wrong("foreign value", Map.of(bad.value, tensor), foreign));
      found.add(new Wrong("null value", java.util.Collections.singletonMap(null, tensor), " is null"));
      found.add(new Wrong("null tensor", java.util.Collections.singletonMap(x, null), " is null"));
    }
    if (name.endsWith("<java.lang.String, io.weft.Tensor>")) {
      found.add(new Wrong("closed tensor", Map.of("x", bad.tensor), closed));
      found.add(new Wrong("null name", java.util.Collections.singletonMap(null, tensor), " is null"));
      found.add(new Wrong("null tensor", java.util.Collections.singletonMap("x", null), " is null"));
    }
    if (type.isArray() && !type.getComponentType().isPrimitive() && found.size() == 1) {
      found.add(new Wrong("null item", java.lang.reflect.Array.newInstance(type.getComponentType(), 1), " is null"));
    }
    return found;
  }

  /** What is closed or of another graph. */
  private final class Bad implements AutoCloseable {
    final Graph other = new Graph();
    final Value value = other.input("x", DataType.F32, "2");
    final Graph graph = new Graph();
    final Session session = new Session(MisuseTest.this.graph);
    final Tensor tensor = Tensor.of(new float[2]);
    final Dataset dataset = Dataset.of(tensor);
    final Cancel cancel = new Cancel();
    final Trace trace = new Trace();

    Bad() {
      for (AutoCloseable each : List.of(graph, session, tensor, dataset, cancel, trace)) {
        try {
          each.close();
        } catch (Exception e) {
          throw new AssertionError(e);
        }
      }
    }

    @Override
    public void close() {
      other.close();
    }
  }

  /** The classes that a program sees. */
  private static List<Class<?>> publicClasses() throws Exception {
    List<Class<?>> found = new ArrayList<>();
    Path classes = Path.of(Graph.class.getProtectionDomain().getCodeSource().getLocation().toURI()).resolve("io/weft");
    try (var files = java.nio.file.Files.list(classes)) {
      for (Path file : files.sorted().toList()) {
        String name = file.getFileName().toString();
        if (!name.endsWith(".class") || name.equals("package-info.class")) continue;
        Class<?> type = Class.forName("io.weft." + name.substring(0, name.length() - 6));
        if (Modifier.isPublic(type.getModifiers()) && !type.isInterface()) found.add(type);
      }
    }
    return found;
  }

  private Map<Class<?>, Object> openObjects() {
    Map<Class<?>, Object> open = new LinkedHashMap<>();
    Prepared prepared = session.prepare(List.of(x), List.of(y));
    Results results = session.run(Map.of(x, tensor), y);
    Batches batches = dataset.batches(null, 0);
    for (Object each :
        List.of(
            graph, session, tensor, dataset, x, prepared, results, batches, new Cancel(), new Trace(), new Attrs(),
            graph.layers().dense("open", 2, 2), graph.layers(), Optimizer.adam(), Weft.scope(), new RunOptions(),
            new FitOptions(), new SessionOptions(), new LoadOptions(), new SaveOptions(), new BatchOptions(),
            batches.next(), new Formal("x", "f32"), new Attribute("x", "int"), new Operator("com.acme.Misuse"))) {
      open.put(each.getClass(), each);
    }
    return open;
  }

  /** Classes of which no object holds or takes anything native, and Ops, which has a test of its own. */
  private static boolean plain(Class<?> type) {
    return type.isEnum() || type.isRecord() || Throwable.class.isAssignableFrom(type) || type == Ops.class
        || type.getName().contains("$") || NodeOptions.class.isAssignableFrom(type) || type == History.class;
  }

  @Test
  void wrongArgumentsOfEverything() throws Exception {
    Map<Class<?>, Object> open = openObjects();
    int refused = 0;
    List<String> wrongly = new ArrayList<>();
    try (Bad bad = new Bad()) {
      for (Class<?> type : publicClasses()) {
        if (plain(type)) continue;
        List<Executable> members = new ArrayList<>(List.of(type.getConstructors()));
        for (Method method : type.getMethods()) {
          boolean ours = method.getDeclaringClass().getName().startsWith("io.weft.");
          if (ours && !ALWAYS.contains(method.getName())) members.add(method);
        }
        for (Executable member : members) {
          Object receiver = Modifier.isStatic(member.getModifiers()) ? null : open.get(type);
          assertTrue(
              receiver != null || member instanceof Constructor<?> || Modifier.isStatic(member.getModifiers()),
              "there is no open " + type);
          refused += refusals(receiver, member, bad, wrongly);
        }
      }
    }
    assertEquals("", String.join("\n", wrongly));
    assertTrue(refused > 200, "only " + refused + " arguments were refused");
    for (Object each : open.values()) {
      if (each instanceof AutoCloseable closeable) closeable.close();
    }
  }

  private int refusals(Object receiver, Executable member, Bad bad, List<String> wrongly) throws Exception {
    Type[] types = member.getGenericParameterTypes();
    // Options only remember what is given to them; using them is refused.
    boolean remembers =
        receiver instanceof RunOptions || receiver instanceof FitOptions || receiver instanceof SessionOptions
            || receiver instanceof Attrs || receiver instanceof Attribute || receiver instanceof Optimizer;
    int refused = 0;
    for (int i = 0; i < types.length; ++i) {
      for (Wrong wrong : wrongs(types[i], bad)) {
        Object[] arguments = arguments(member);
        arguments[i] = wrong.argument();
        Throwable thrown = call(receiver, member, arguments);
        String what = member + " with a " + wrong.what() + " as argument " + i + ": " + thrown;
        boolean fine =
            thrown == null || thrown instanceof WeftException || thrown instanceof NullPointerException
                || thrown instanceof IllegalArgumentException || thrown instanceof IllegalStateException;
        if (thrown != null) {
          String message = thrown.getMessage();
          fine &= message != null && !message.startsWith("Cannot ");
          if (thrown instanceof NullPointerException) fine &= message != null && message.endsWith(" is null");
          ++refused;
        }
        if (!fine) wrongly.add(what);
        if (receiver instanceof Results || remembers) continue;
        String message = thrown == null ? "" : thrown.getMessage();
        if (!message.endsWith(wrong.ending())) wrongly.add(what);
      }
    }
    return refused;
  }

  @Test
  void everyOperatorRefusesNullAndForeignValues() throws Exception {
    Ops ops = graph.ops();
    try (Graph other = new Graph()) {
      Value foreign = other.input("x", DataType.F32, "2");
      for (Method method : methods(Ops.class)) {
        Class<?>[] types = method.getParameterTypes();
        for (int i = 0; i < types.length; ++i) {
          if (types[i].isPrimitive()) continue;
          Object[] arguments = arguments(method);
          arguments[i] = null;
          Throwable thrown = call(ops, method, arguments);
          assertTrue(
              thrown instanceof NullPointerException && thrown.getMessage().endsWith(" is null"),
              method + " with null as argument " + i + ": " + thrown);
          if (types[i] == Value.class) {
            arguments[i] = foreign;
            thrown = call(ops, method, arguments);
            assertTrue(
                thrown instanceof IllegalArgumentException
                    && thrown.getMessage().endsWith("belongs to another graph"),
                method + " with a foreign value: " + thrown);
          }
        }
      }
    }
  }
}
