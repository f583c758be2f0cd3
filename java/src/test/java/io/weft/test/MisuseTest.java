// Every method of every closed object, and every null, gives an exception that says what is wrong.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.weft.Cancel;
import io.weft.DataType;
import io.weft.Dataset;
import io.weft.FitOptions;
import io.weft.Graph;
import io.weft.LoadOptions;
import io.weft.Ops;
import io.weft.Prepared;
import io.weft.RunOptions;
import io.weft.SaveOptions;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Trace;
import io.weft.Value;
import io.weft.WeftException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
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

  @AfterEach
  void close() {
    session.close();
    graph.close();
    tensor.close();
    dataset.close();
  }

  private Object[] arguments(Method method) {
    return Arrays.stream(method.getGenericParameterTypes()).map(this::argument).toArray();
  }

  private Object argument(Type generic) {
    Class<?> type = generic instanceof Class<?> plain ? plain : (Class<?>) ((ParameterizedType) generic).getRawType();
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
    if (type == float[].class) return new float[2];
    if (type == Consumer.class) return (Consumer<Object>) options -> {};
    if (type == Function.class) return (Function<Graph, List<Value>>) sub -> List.of(x);
    if (type == RunOptions.class) return new RunOptions();
    if (type == FitOptions.class) return new FitOptions();
    if (type == LoadOptions.class) return new LoadOptions();
    if (type == SaveOptions.class) return new SaveOptions();
    return null;
  }

  private static Throwable call(Object receiver, Method method, Object[] arguments) throws IllegalAccessException {
    try {
      Object result = method.invoke(receiver, arguments);
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
    Map<String, org.junit.jupiter.api.function.Executable> calls = new LinkedHashMap<>();
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
    calls.put("save", () -> Tensor.save(folder.resolve("nowhere.safetensors"), Map.of("a", closed)));
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
      for (Map.Entry<String, org.junit.jupiter.api.function.Executable> entry : calls.entrySet()) {
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

  @Test
  void nullArguments() throws Exception {
    List<Object> receivers = new ArrayList<>(List.of(graph, session, tensor, dataset, x, graph.layers()));
    receivers.add(new FitOptions());
    receivers.add(new RunOptions());
    int called = 0;
    for (Object receiver : receivers) {
      for (Method method : methods(receiver.getClass())) {
        if (ALWAYS.contains(method.getName())) continue;
        Class<?>[] types = method.getParameterTypes();
        for (int i = 0; i < types.length; ++i) {
          if (types[i].isPrimitive()) continue;
          Object[] arguments = arguments(method);
          arguments[i] = null;
          Throwable thrown = call(receiver, method, arguments);
          boolean named =
              thrown instanceof NullPointerException && thrown.getMessage() != null
                  && thrown.getMessage().endsWith(" is null");
          boolean other =
              thrown == null || thrown instanceof WeftException || thrown instanceof IllegalArgumentException;
          assertTrue(named || other, method + " with null as argument " + i + ": " + thrown);
          if (named) {
            assertFalse(thrown.getMessage().startsWith("Cannot invoke"), method + ": " + thrown.getMessage());
            ++called;
          }
        }
      }
    }
    assertTrue(called > 40, "only " + called + " nulls were refused");
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
