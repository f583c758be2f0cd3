// Building graphs.
package io.weft;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.IntToLongFunction;

/**
 * A graph of operations. It only grows, and one thread at a time may add to it. Whatever is added remembers the line of
 * the program that added it; errors name that line.
 */
public final class Graph extends Handle {
  private static final String FLEX_ATTENTION = "ai.onnx.preview.FlexAttention";
  private final Graph parent;
  private final Ops ops = new Ops(this);
  private final Layers layers = new Layers(this);
  // Layers and finished sub-graphs, closed with this graph: values of a sub-graph keep their names until then.
  private final List<Handle> owned = Collections.synchronizedList(new ArrayList<>());

  /** Makes an empty graph. */
  public Graph() {
    this(Ops.OPSET);
  }

  /**
   * Makes an empty graph whose {@link #add} takes operators as an older version of ONNX defines them. The methods of
   * {@link #ops} are for the newest.
   *
   * @param opset the version of ONNX's operators, from 1; 0 is the newest
   */
  public Graph(int opset) {
    this(Native.graphNew(opset), null);
  }

  private Graph(long pointer, Graph parent) {
    super(pointer, Native::graphFree);
    this.parent = parent;
  }

  /** Takes a native graph over. */
  static Graph over(long pointer) {
    return new Graph(pointer, null);
  }

  /**
   * Reads an ONNX file.
   *
   * @param path the file
   * @return the graph; weights are constants
   */
  public static Graph load(Path path) {
    return load(path, null);
  }

  /**
   * Reads an ONNX file.
   *
   * @param path the file
   * @param options how to read it; null for the defaults
   * @return the graph
   */
  public static Graph load(Path path, LoadOptions options) {
    Check.notNull(path, "path");
    long settings = Settings.open(options);
    try {
      return new Graph(Native.graphLoad(path.toString(), settings), null);
    } finally {
      Settings.free(settings);
    }
  }

  /**
   * Reads a model from the content of an ONNX file, such as a resource of the program.
   *
   * @param content the bytes
   * @param folder where external weights are looked for; null if there are none
   * @param options how to read it; null for the defaults
   * @return the graph
   */
  public static Graph load(byte[] content, Path folder, LoadOptions options) {
    ByteBuffer copy = ByteBuffer.allocateDirect(Check.notNull(content, "content").length).put(content);
    long settings = Settings.open(options);
    try {
      String beside = folder == null ? null : folder.toString();
      return new Graph(Native.graphLoadBytes(Memory.address(copy), content.length, beside, settings), null);
    } finally {
      Settings.free(settings);
      Reference.reachabilityFence(copy);
    }
  }

  @Override
  String what() {
    return "graph";
  }

  /** Closes this graph, its layers and its sub-graphs; a call that uses them at this moment still ends well. */
  @Override
  public void close() {
    synchronized (owned) {
      for (Handle object : owned) object.close();
    }
    super.close();
  }

  /**
   * The operators, each a method.
   *
   * @return what adds operators to this graph
   */
  public Ops ops() {
    return ops;
  }

  /**
   * The layers, each a method.
   *
   * @return what makes layers in this graph
   */
  public Layers layers() {
    return layers;
  }

  /** The id of a value of this graph or of one around it. */
  long id(Value value, String name) {
    Check.notNull(value, name);
    if (!knows(value)) throw new IllegalArgumentException(name + " is " + foreign(value));
    return value.id();
  }

  /** What the library says of a value of another graph: its name and line, and why it cannot be used here. */
  private String foreign(Value value) {
    long graph = tryAcquire();
    if (graph != 0) {
      try {
        Native.graphValue(graph, value.id(), null, null, null, null);
      } catch (WeftException.InvalidArgument e) {
        return e.getMessage().replaceFirst("^argument 'value' is ", "");
      } finally {
        release();
      }
    }
    return "a value that belongs to another graph"; // than this one, which is closed
  }

  private boolean knows(Value value) {
    for (Graph graph = this; graph != null; graph = graph.parent) {
      if (value.graph() == graph) return true;
    }
    return false;
  }

  /** The ids of values; null is none if `optional`. */
  long[] ids(List<Value> values, String name, boolean optional) {
    long[] ids = new long[Check.notNull(values, name).size()];
    for (int i = 0; i < ids.length; ++i) {
      Value value = values.get(i);
      if (value != null && knows(value)) {
        ids[i] = value.id();
      } else if (value != null || !optional) {
        id(value, name + "[" + i + "]"); // which throws
      }
    }
    return ids;
  }

  Value value(long id) {
    return id == 0 ? null : new Value(this, id);
  }

  List<Value> values(long[] ids) {
    List<Value> values = new ArrayList<>(ids.length);
    for (long id : ids) values.add(value(id));
    return values;
  }

  interface Call<T> {
    T on(long graph);
  }

  /** Calls with the native graph. */
  <T> T with(Call<T> call) {
    long graph = acquire();
    try {
      return call.on(graph);
    } finally {
      release();
    }
  }

  /**
   * Adds an input.
   *
   * @param name its name
   * @param dtype the type of its elements
   * @param shape numbers, names and "?" with commas, such as "batch,3,?"; "" is a scalar; null leaves the rank open.
   *     Equal names mean equal dimensions
   * @return the input
   */
  public Value input(String name, DataType dtype, String shape) {
    Check.notNull(name, "name");
    Check.notNull(dtype, "dtype");
    return with(graph -> value(Native.graphAddInput(graph, name, dtype.number(), shape, Origin.here())));
  }

  /**
   * Adds a tensor as a constant. The elements are shared and must not change.
   *
   * @param value the tensor
   * @return the constant
   */
  public Value constant(Tensor value) {
    return constant(value, null);
  }

  /**
   * Adds a tensor as a constant. The elements are shared and must not change.
   *
   * @param value the tensor
   * @param name its name; null for one that the graph chooses
   * @return the constant
   */
  public Value constant(Tensor value, String name) {
    long pointer = acquire(value, "value");
    try {
      return with(graph -> value(Native.graphAddConstant(graph, pointer, name, Origin.here())));
    } finally {
      value.release();
    }
  }

  private Value constantOf(Tensor tensor) {
    try (tensor) {
      return constant(tensor, null);
    }
  }

  /**
   * Adds an f32 constant.
   *
   * @param value the number
   * @return the scalar
   */
  public Value constant(float value) {
    return constantOf(Tensor.scalar(value));
  }

  /**
   * Adds an f64 constant.
   *
   * @param value the number
   * @return the scalar
   */
  public Value constant(double value) {
    return constantOf(Tensor.scalar(value));
  }

  /**
   * Adds an i64 constant.
   *
   * @param value the number
   * @return the scalar
   */
  public Value constant(long value) {
    return constantOf(Tensor.scalar(value));
  }

  /**
   * Adds a bool constant.
   *
   * @param value the truth value
   * @return the scalar
   */
  public Value constant(boolean value) {
    return constantOf(Tensor.scalar(value));
  }

  /**
   * Adds an f32 constant.
   *
   * @param values the elements, row by row
   * @param shape the dimensions; without them there is one, the length
   * @return the constant
   */
  public Value constant(float[] values, long... shape) {
    return constantOf(Tensor.of(values, shape));
  }

  /**
   * Adds an i64 constant, such as a shape or axes.
   *
   * @param values the elements, row by row
   * @param shape the dimensions; without them there is one, the length
   * @return the constant
   */
  public Value constant(long[] values, long... shape) {
    return constantOf(Tensor.of(values, shape));
  }

  /**
   * Adds a trainable variable. Its value in a run is that at the run's beginning.
   *
   * @param name its name
   * @param initial its first value, which depends on no input
   * @return the variable
   */
  public Value variable(String name, Value initial) {
    return variable(name, initial, true);
  }

  /**
   * Adds a variable. Its value in a run is that at the run's beginning; weft.Assign changes it.
   *
   * @param name its name
   * @param initial its first value, which depends on no input
   * @param trainable whether optimizers train it
   * @return the variable
   */
  public Value variable(String name, Value initial, boolean trainable) {
    Check.notNull(name, "name");
    long id = id(initial, "initial");
    return with(graph -> value(Native.graphAddVariable(graph, name, id, trainable ? 1 : 0, Origin.here())));
  }

  /**
   * Adds a trainable variable.
   *
   * @param name its name
   * @param initial its first value
   * @return the variable
   */
  public Value variable(String name, Tensor initial) {
    Check.notNull(name, "name");
    return variable(name, constant(initial), true);
  }

  /**
   * Adds a node by the name of its operator. {@link #ops} has a method for every operator.
   *
   * @param op the full name, such as "MatMul" or "weft.Assign"
   * @param inputs values of this graph; null for an optional input that is left out
   * @param attrs the attributes; null for none
   * @param name the node's name; null for one that the graph chooses
   * @param outputs how many outputs to take
   * @return the outputs
   */
  public List<Value> add(String op, List<Value> inputs, Attrs attrs, String name, int outputs) {
    Check.notNull(op, "op");
    Check.argument(outputs >= 0, "outputs is " + outputs);
    long[] ids = ids(inputs, "inputs", true);
    long[] made = new long[outputs];
    long settings = Attrs.open(attrs);
    try {
      return with(
          graph -> {
            Native.graphAdd(graph, op, ids, settings, name, Origin.here(), made);
            return values(made);
          });
    } finally {
      Attrs.free(settings);
    }
  }

  /**
   * Makes an assignment happen in every run that computes a value, but for those of calls that were prepared before.
   *
   * @param value the value
   * @param assignment an output of weft.Assign
   */
  public void attach(Value value, Value assignment) {
    long to = id(value, "value");
    long what = id(assignment, "assignment");
    run(graph -> Native.graphAttach(graph, to, what));
  }

  private void run(java.util.function.LongConsumer call) {
    long graph = acquire();
    try {
      call.accept(graph);
    } finally {
      release();
    }
  }

  /**
   * Adds what computes the gradients of the sum of a value. What constants hold may be built into
   * the gradients: what runs are to feed with other values must be an input.
   *
   * @param y the value
   * @param xs by which to differentiate
   * @return the gradient of each; null where y does not depend on it
   */
  public List<Value> gradients(Value y, List<Value> xs) {
    return gradients(List.of(Check.notNull(y, "y")), xs, null);
  }

  /**
   * Adds what computes the gradients of the sum of values. What constants hold may be built into
   * the gradients: what runs are to feed with other values must be an input.
   *
   * @param ys the values
   * @param xs by which to differentiate
   * @param weights a weight for each y, null for ones
   * @return the gradient of each x; null where no y depends on it
   */
  public List<Value> gradients(List<Value> ys, List<Value> xs, List<Value> weights) {
    long[] from = ids(ys, "ys", false);
    long[] by = ids(xs, "xs", false);
    long[] scale = weights == null ? null : ids(weights, "weights", true);
    Check.argument(scale == null || scale.length == from.length, "there must be as many weights as ys");
    long[] made = new long[by.length];
    return with(
        graph -> {
          Native.graphDifferentiate(graph, from, by, scale, Origin.here(), made);
          return values(made);
        });
  }

  /** What {@link Graph#scope} opened. */
  public interface Scope extends AutoCloseable {
    /** Ends the scope. */
    @Override
    void close();
  }

  /**
   * Opens a scope: names of what is added until it is closed begin with "name/".
   *
   * @param name the name
   * @return the scope, for try-with-resources
   */
  public Scope scope(String name) {
    Check.notNull(name, "name");
    run(graph -> Native.graphOpenScope(graph, name));
    return new Scope() {
      private boolean open = true;

      @Override
      public void close() {
        if (!open || !isOpen()) return;
        open = false;
        run(Native::graphCloseScope);
      }
    };
  }

  /**
   * Adds a layer by the name of its kind. {@link #layers} has a method for every kind.
   *
   * @param type the kind, such as "Dense"
   * @param attrs the attributes; null for none
   * @param name the layer's name, with which the names of its variables begin
   * @return the layer, which is closed with this graph
   */
  public Layer layer(String type, Attrs attrs, String name) {
    Check.notNull(type, "type");
    Check.notNull(name, "name");
    long settings = Attrs.open(attrs);
    try {
      Layer layer =
          with(graph -> new Layer(this, type, name, Native.layerNew(graph, type, settings, name, Origin.here())));
      owned.add(layer);
      return layer;
    } finally {
      Attrs.free(settings);
    }
  }

  /**
   * Adds a node that computes one of two sub-graphs.
   *
   * @param condition a bool scalar
   * @param then builds the values if it is true, in the sub-graph that it gets; values of this graph may be used
   * @param otherwise builds the values if it is false
   * @return the values
   */
  public List<Value> if_(
      Value condition, Function<Graph, List<Value>> then, Function<Graph, List<Value>> otherwise) {
    id(condition, "condition");
    Graph yes = branch(then, "then");
    Graph no = branch(otherwise, "otherwise");
    Attrs attrs = new Attrs().set("then_branch", yes).set("else_branch", no);
    return add("If", List.of(condition), attrs, null, yes.outputs().size());
  }

  /**
   * Adds a node that runs a sub-graph again and again.
   *
   * @param count the most iterations, an i64 scalar; null for any number
   * @param condition whether there is a first iteration, a bool scalar; null for yes
   * @param initial what is carried, as it is at first
   * @param body builds, in the sub-graph that it gets, an iteration of the number of the iteration, the condition and
   *     what is carried, which are the values that it gets: the condition for the next iteration, what is carried on,
   *     and then anything of which every iteration's is wanted
   * @return what is carried, as the last iteration left it, and then the others, stacked along a new first axis
   */
  public List<Value> loop(
      Value count, Value condition, List<Value> initial, BiFunction<Graph, List<Value>, List<Value>> body) {
    return loop(count, condition, initial, body, null);
  }

  /**
   * Adds a node that runs a sub-graph again and again.
   *
   * @param count the most iterations, an i64 scalar; null for any number
   * @param condition whether there is a first iteration, a bool scalar; null for yes
   * @param initial what is carried, as it is at first
   * @param body builds, in the sub-graph that it gets, an iteration of the number of the iteration, the condition and
   *     what is carried, which are the values that it gets: the condition for the next iteration, what is carried on,
   *     and then anything of which every iteration's is wanted
   * @param attrs further attributes of the operator Loop; null for none. With "recompute" a gradient keeps of each
   *     iteration only what goes into it and computes the rest again, in less memory and more time
   * @return what is carried, as the last iteration left it, and then the others, stacked along a new first axis
   */
  public List<Value> loop(
      Value count,
      Value condition,
      List<Value> initial,
      BiFunction<Graph, List<Value>, List<Value>> body,
      Attrs attrs) {
    List<Value> inputs = new ArrayList<>();
    inputs.add(count);
    inputs.add(condition);
    inputs.addAll(Check.items(initial, "initial"));
    return repeat("Loop", inputs, Attrs.copyOf(attrs), body, 1);
  }

  /**
   * Adds a node that runs a sub-graph once for each item along an axis of some values.
   *
   * @param initial what is carried, as it is at first
   * @param scanned values of one length along their first axis, or along those that the attributes say
   * @param body builds, in the sub-graph that it gets, an iteration of what is carried and an item of each scanned value,
   *     which are the values that it gets: what is carried on, and then anything of which every iteration's is wanted
   * @param attrs further attributes of the operator Scan; null for none
   * @return what is carried, as the last iteration left it, and then the others, stacked
   */
  public List<Value> scan(
      List<Value> initial, List<Value> scanned, BiFunction<Graph, List<Value>, List<Value>> body, Attrs attrs) {
    List<Value> inputs = new ArrayList<>(Check.items(initial, "initial"));
    inputs.addAll(Check.items(scanned, "scanned"));
    Attrs all = Attrs.copyOf(attrs).set("num_scan_inputs", (long) scanned.size());
    return repeat("Scan", inputs, all, body, 0);
  }

  /**
   * Adds a node that computes a sub-graph for each item of sequences of one length.
   *
   * @param inputs sequences, the first of them at least, and tensors
   * @param body builds, in the sub-graph that it gets, what is computed of an item of each sequence and each tensor as it
   *     is, which are the values that it gets
   * @return for each value that the body gives, the sequence of what it was
   */
  public List<Value> sequenceMap(List<Value> inputs, BiFunction<Graph, List<Value>, List<Value>> body) {
    return repeat("SequenceMap", Check.items(inputs, "inputs"), new Attrs(), body, 0);
  }

  /**
   * Adds attention whose scores and weights go through sub-graphs: {@code probMod(softmax(scoreMod(scale * query key^T)))
   * value} for each head (ONNX's ai.onnx.preview.FlexAttention).
   *
   * @param query [N, heads, L, features]
   * @param key [N, heads of keys, S, features]; each head is shared by as many neighbours of the query's
   * @param value [N, heads of keys, S, features of values]
   * @param scoreMod builds, in the sub-graph that it gets, what becomes of the scores [N, heads, L, S], which are the value
   *     that it gets; -inf is where a query does not look; null leaves them
   * @param probMod the same of the weights; null leaves them
   * @param attrs "scale" and "softmax_precision", the attributes of the operator; null for none
   * @return [N, heads, L, features of values]
   */
  public Value flexAttention(
      Value query,
      Value key,
      Value value,
      BiFunction<Graph, Value, Value> scoreMod,
      BiFunction<Graph, Value, Value> probMod,
      Attrs attrs) {
    List<Value> inputs = Arrays.asList(query, key, value);
    Attrs all = Attrs.copyOf(attrs);
    Graph scores = modifier(inputs, attrs, scoreMod, "scoreMod");
    Graph weights = modifier(inputs, attrs, probMod, "probMod");
    if (scores != null) {
      all.set("score_mod", scores);
    }
    if (weights != null) {
      all.set("prob_mod", weights);
    }
    return add(FLEX_ATTENTION, inputs, all, null, 1).get(0);
  }

  private Graph modifier(List<Value> inputs, Attrs attrs, BiFunction<Graph, Value, Value> build, String what) {
    return build == null
        ? null
        : body(FLEX_ATTENTION, inputs, Attrs.copyOf(attrs), (sub, in) -> List.of(build.apply(sub, in.get(0))), what);
  }

  /** A sub-graph with the inputs that such a node gives it. */
  private Graph body(
      String op, List<Value> inputs, Attrs attrs, BiFunction<Graph, List<Value>, List<Value>> build, String what) {
    Check.notNull(build, what);
    long[] ids = ids(inputs, "inputs", true);
    long settings = Attrs.open(attrs);
    Graph body;
    try {
      body = with(graph -> new Graph(Native.graphNewBody(graph, op, ids, settings), this));
    } finally {
      Attrs.free(settings);
    }
    return filled(body, sub -> build.apply(sub, sub.inputs()), what);
  }

  /** The first outputs of the body, so many, are none of the node. */
  private List<Value> repeat(
      String op, List<Value> inputs, Attrs attrs, BiFunction<Graph, List<Value>, List<Value>> build, int own) {
    Graph body = body(op, inputs, attrs, build, "body");
    int outputs = Math.max(body.outputs().size() - own, 0);
    return add(op, inputs, attrs.set("body", body), null, outputs);
  }

  /**
   * Adds a node that calls a function of the program, which {@link Weft#setHostFunction} registers. Nothing can be
   * differentiated through it.
   *
   * @param function the name of the function
   * @param inputs what it gets
   * @param dtypes the element type of each output
   * @param shapes the shape of each output as text, as for {@link #input}, or "..." for any rank; null leaves all open
   * @return the outputs
   */
  public List<Value> hostCall(String function, List<Value> inputs, List<DataType> dtypes, List<String> shapes) {
    return hostCall(function, inputs, dtypes, shapes, null);
  }

  /**
   * Adds a node that calls a function of the program and can be differentiated: by another function, which gets the
   * inputs and then the gradients of the outputs, and returns the gradient of each input. {@link Weft#setHostFunction}
   * registers both. In a branch, and in a loop inside of another, the function is called again for the
   * gradient and must give the same.
   *
   * @param function the name of the function
   * @param inputs what it gets
   * @param dtypes the element type of each output
   * @param shapes the shape of each output as text, as for {@link #input}, or "..." for any rank; null leaves all open
   * @param gradient the name of the function for the gradients; null for none
   * @return the outputs
   */
  public List<Value> hostCall(
      String function, List<Value> inputs, List<DataType> dtypes, List<String> shapes, String gradient) {
    Check.items(inputs, "inputs");
    List<String> types = Check.items(dtypes, "dtypes").stream().map(DataType::toString).toList();
    Attrs attrs = new Attrs().set("name", Check.notNull(function, "function")).set("dtypes", types);
    if (gradient != null) attrs.set("gradient", gradient);
    if (shapes != null) attrs.set("shapes", Check.items(shapes, "shapes"));
    return add("weft.HostCall", inputs, attrs, null, types.size());
  }

  private Graph branch(Function<Graph, List<Value>> build, String name) {
    Check.notNull(build, name);
    return filled(with(graph -> new Graph(Native.graphNewSub(graph), this)), build, name);
  }

  /** The sub-graph of this one with what is built in it; closed at once if that fails. */
  private Graph filled(Graph sub, Function<Graph, List<Value>> build, String name) {
    boolean finished = false;
    try {
      List<Value> results = new ArrayList<>();
      for (Value value : Check.items(build.apply(sub), "the result of '" + name + "'")) {
        results.add(value.graph() == sub ? value : sub.ops().identity(value));
      }
      sub.setOutputs(results);
      owned.add(sub);
      finished = true;
      return sub;
    } finally {
      if (!finished) {
        sub.close();
      }
    }
  }

  /**
   * Says which values a saved graph shows as its outputs, or a sub-graph returns.
   *
   * @param values the outputs
   */
  public void setOutputs(Collection<Value> values) {
    long[] ids = ids(Check.items(values, "values"), "values", false);
    run(graph -> Native.graphSetOutputs(graph, ids));
  }

  /**
   * Finds an input, variable or other value.
   *
   * @param name its name
   * @return the value
   */
  public Value find(String name) {
    Check.notNull(name, "name");
    return with(graph -> value(Native.graphFind(graph, name)));
  }

  /**
   * How many steps the graph's optimizer has made.
   *
   * @return a scalar of 64 bits, made at first use, from which a learning rate can be computed before the optimizer adds
   *     its step
   */
  public Value optimizerStep() {
    return optimizerStep("optimizer");
  }

  /**
   * How many steps the optimizer of a name has made.
   *
   * @param name the optimizer's name
   * @return a scalar of 64 bits, made at first use
   */
  public Value optimizerStep(String name) {
    Check.notNull(name, "name");
    return with(graph -> value(Native.optimizerStep(graph, name)));
  }

  /**
   * The number of nodes.
   *
   * @return the number
   */
  public int nodeCount() {
    return with(Native::graphNodeCount);
  }

  private List<Value> all(int count, IntToLongFunction get) {
    List<Value> values = new ArrayList<>(count);
    for (int i = 0; i < count; ++i) values.add(value(get.applyAsLong(i)));
    return values;
  }

  /**
   * The inputs.
   *
   * @return in the order in which they were added
   */
  public List<Value> inputs() {
    return with(graph -> all(Native.graphInputCount(graph), i -> Native.graphInput(graph, i)));
  }

  /**
   * The outputs.
   *
   * @return as set by {@link #setOutputs} or read from a file
   */
  public List<Value> outputs() {
    return with(graph -> all(Native.graphOutputCount(graph), i -> Native.graphOutput(graph, i)));
  }

  /**
   * The variables.
   *
   * @return in the order in which they were added
   */
  public List<Value> variables() {
    return with(graph -> all(Native.graphVariableCount(graph), i -> Native.graphVariable(graph, i)));
  }

  /**
   * Writes an ONNX file of the graph's outputs, variables with their initial values.
   *
   * @param path the file
   */
  public void save(Path path) {
    save(path, List.of(), null, null);
  }

  /**
   * Writes an ONNX file of what outputs need; a failure leaves an old file as it was.
   *
   * @param path the file
   * @param outputs the values to save; empty for the graph's outputs
   * @param session whose variables to write; null for their initial values
   * @param options how to write; null for the defaults
   */
  public void save(Path path, List<Value> outputs, Session session, SaveOptions options) {
    String file = Check.notNull(path, "path").toString();
    long[] ids = ids(outputs, "outputs", false);
    long with = session == null ? 0 : session.acquire();
    try {
      long settings = Settings.open(options);
      try {
        run(graph -> Native.graphSave(graph, ids, with, file, settings));
      } finally {
        Settings.free(settings);
      }
    } finally {
      if (session != null) session.release();
    }
  }

  private byte[] convert(String format) {
    return with(graph -> Memory.bytes(Native.graphConvert(graph, format)));
  }

  /**
   * The graph as text, a node a line.
   *
   * @return the text
   */
  public String text() {
    return new String(convert("text"), StandardCharsets.UTF_8);
  }

  /**
   * The graph for Graphviz.
   *
   * @return the text
   */
  public String dot() {
    return new String(convert("dot"), StandardCharsets.UTF_8);
  }

  /**
   * The graph as a picture; needs the program dot.
   *
   * @return SVG
   */
  public String svg() {
    return new String(convert("svg"), StandardCharsets.UTF_8);
  }

  /**
   * The graph as text.
   *
   * @return as {@link #text}
   */
  @Override
  public String toString() {
    try {
      return text();
    } catch (IllegalStateException closed) {
      return "closed graph";
    }
  }
}
