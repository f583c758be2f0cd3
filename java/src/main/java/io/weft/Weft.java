// What concerns the library as a whole.
package io.weft;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The library: version, memory, devices, files of tensors, host functions, log. */
public final class Weft {
  private Weft() {}

  /**
   * The version of the native library.
   *
   * @return such as "0.1.0"
   */
  public static String version() {
    return Native.version();
  }

  /**
   * The most threads that a run uses when nothing limits it.
   *
   * @return the number
   */
  public static int threads() {
    return Native.threads();
  }

  /**
   * Opens a scope: {@code try (var scope = Weft.scope())} closes the tensors that this thread makes inside, but those that
   * {@link TensorScope#keep} lifts out.
   *
   * @return the scope
   */
  public static TensorScope scope() {
    return new TensorScope();
  }

  /**
   * How many native objects are alive in this process, of all languages in it.
   *
   * @return 0 when everything is closed
   */
  public static long liveObjects() {
    return Native.liveObjects();
  }

  /**
   * What tensors hold now.
   *
   * @return the bytes
   */
  public static long memoryBytes() {
    return Native.memoryBytes();
  }

  /**
   * The most that tensors ever held.
   *
   * @return the bytes
   */
  public static long memoryPeak() {
    return Native.memoryPeak();
  }

  /**
   * The most that tensors may hold.
   *
   * @return the bytes; 0 for no limit
   */
  public static long memoryLimit() {
    return Native.memoryLimit();
  }

  /**
   * Limits what tensors may hold; what goes past is {@link WeftException.ResourceExhausted}.
   *
   * @param bytes the most; 0 for no limit
   */
  public static void setMemoryLimit(long bytes) {
    Native.memorySetLimit(bytes);
  }

  /**
   * The devices that sessions can run on.
   *
   * @return their names; the first is "cpu"
   */
  public static List<String> devices() {
    List<String> names = new ArrayList<>();
    int count = Native.deviceCount();
    for (int i = 0; i < count; ++i) names.add(Native.deviceName(i));
    return names;
  }

  /**
   * Loads a device plug-in, whose devices are there from then on.
   *
   * @param path a file, or a name that the system's loader looks for
   * @throws WeftException of NOT_FOUND if it cannot be loaded, of INVALID_ARGUMENT if it is none, of FAILED_PRECONDITION if it is
   *     one for another version of the library
   */
  public static void loadDevices(String path) {
    Native.deviceLoad(Check.notNull(path, "path"));
  }

  /**
   * The names of all operators.
   *
   * @return full names, such as "MatMul" and "weft.Adam"
   */
  public static List<String> operators() {
    List<String> names = new ArrayList<>();
    int count = Native.opCount();
    for (int i = 0; i < count; ++i) names.add(Native.opName(i));
    return names;
  }

  /**
   * Describes an operator.
   *
   * @param name its full name
   * @return its definition as JSON, for a reader of your choice
   */
  public static String describeOperator(String name) {
    return Memory.text(Native.opInspect(Check.notNull(name, "name")));
  }

  /**
   * Registers an operator for the process, for good: {@link Graph#add} takes it by its name, files that have nodes of it can
   * be loaded, and it is saved, differentiated and run as any other. Any thread, also while others build and run graphs.
   *
   * @param op the operator, which is read now
   * @param body what builds the body of a node
   * @throws WeftException of ALREADY_EXISTS for an operator of that name, of INVALID_ARGUMENT for what no operator can be like
   */
  public static void addOperator(Operator op, BodyFunction body) {
    Check.notNull(body, "body");
    long schema = Check.notNull(op, "op").open();
    try {
      Native.opAdd(schema, Ops.OPSET, new AddedOperator(op, body));
    } finally {
      Native.schemaFree(schema);
    }
  }

  /**
   * Tells what is in an ONNX file, and what of it cannot be loaded. No session is made.
   *
   * @param path the file, which is mapped meanwhile and must not be made shorter
   * @return JSON, for a reader of your choice, with the keys of {@code weft_model_inspect}: "inputs", "outputs", "opsets",
   *     "operators", "parameters", "unsupported" (texts that say why the model cannot be loaded; empty if it can) and more
   */
  public static String inspect(Path path) {
    return Memory.text(Native.modelInspect(Check.notNull(path, "path").toString()));
  }

  /**
   * Tells what is in a model in memory.
   *
   * @param content the bytes of an ONNX file
   * @param folder where external weights are looked for; null if there are none
   * @return JSON, as of a file
   */
  public static String inspect(byte[] content, Path folder) {
    ByteBuffer copy = ByteBuffer.allocateDirect(Check.notNull(content, "content").length).put(content);
    try {
      String beside = folder == null ? null : folder.toString();
      return Memory.text(Native.modelInspectBytes(Memory.address(copy), content.length, beside));
    } finally {
      Reference.reachabilityFence(copy);
    }
  }

  /**
   * The names of all kinds of layers.
   *
   * @return names, such as "Dense"
   */
  public static List<String> layerTypes() {
    List<String> names = new ArrayList<>();
    int count = Native.layerCount();
    for (int i = 0; i < count; ++i) names.add(Native.layerName(i));
    return names;
  }

  /**
   * Describes a kind of layer.
   *
   * @param type its name
   * @return its definition as JSON, for a reader of your choice
   */
  public static String describeLayer(String type) {
    return Memory.text(Native.layerInspect(Check.notNull(type, "type")));
  }

  /**
   * Reads tensors from a file by its extension: .safetensors, .npy (one tensor, "data") or .csv (one f32 matrix, "data").
   *
   * @param path the file
   * @return the tensors by name, in the file's order
   */
  public static Map<String, Tensor> loadTensors(Path path) {
    return loadTensors(path, null);
  }

  /**
   * Reads tensors from a file by its extension: .safetensors, .npy (one tensor, "data") or .csv (one f32 matrix, "data").
   *
   * @param path the file
   * @param options {@link LoadOptions#map} maps a safetensors file; null for the defaults
   * @return the tensors by name, in the file's order
   */
  public static Map<String, Tensor> loadTensors(Path path, LoadOptions options) {
    Check.notNull(path, "path");
    long settings = Settings.open(options);
    long tensors;
    try {
      tensors = Native.tensorsLoad(path.toString(), settings);
    } finally {
      Settings.free(settings);
    }
    try {
      Map<String, Tensor> found = new LinkedHashMap<>();
      long count = Native.tensorsCount(tensors);
      for (long i = 0; i < count; ++i) {
        found.put(Native.tensorsName(tensors, i), new Tensor(Native.tensorsAt(tensors, i)));
      }
      return found;
    } finally {
      Native.tensorsFree(tensors);
    }
  }

  /**
   * Writes a safetensors file; a failure leaves an old file as it was.
   *
   * @param path the file
   * @param tensors the tensors by name
   */
  public static void saveTensors(Path path, Map<String, Tensor> tensors) {
    String file = Check.notNull(path, "path").toString();
    Check.notNull(tensors, "tensors");
    long made = Native.tensorsNew();
    try {
      for (Map.Entry<?, ?> entry : tensors.entrySet()) { // of a raw Map they may be anything
        String name = Check.type(entry.getKey(), String.class, "a name");
        Tensor tensor = Check.type(entry.getValue(), Tensor.class, "tensors[" + name + "]");
        long pointer = tensor.acquire();
        try {
          Native.tensorsSet(made, name, pointer);
        } finally {
          tensor.release();
        }
      }
      Native.tensorsSave(made, file);
    } finally {
      Native.tensorsFree(made);
    }
  }

  /**
   * Registers a host function for the process, in place of one of that name.
   *
   * @param name the name that nodes of weft.HostCall have
   * @param function the function; null takes it away
   */
  public static void setHostFunction(String name, HostFunction function) {
    Native.hostFunctionSet(Check.notNull(name, "name"), function);
  }

  /**
   * Sets where the library's log lines go. At the start they go nowhere.
   *
   * @param listener gets the lines; null for nowhere
   * @param lowestLevel the least important level that it gets
   */
  public static void setLog(LogListener listener, System.Logger.Level lowestLevel) {
    int level = LogListener.LEVELS.indexOf(Check.notNull(lowestLevel, "lowestLevel"));
    Check.argument(level >= 0, "the level " + lowestLevel + " is none of " + LogListener.LEVELS);
    Native.logSet(listener, level);
  }
}
