// What concerns the library as a whole.
package io.weft;

import java.util.ArrayList;
import java.util.List;

/** The library: version, memory, devices, host functions, log. */
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
   * @return its definition as JSON
   */
  public static String describeOperator(String name) {
    return Memory.text(Native.opInspect(Check.notNull(name, "name")));
  }

  /**
   * The names of all kinds of layers.
   *
   * @return names, such as "Dense"
   */
  public static List<String> layers() {
    List<String> names = new ArrayList<>();
    int count = Native.layerCount();
    for (int i = 0; i < count; ++i) names.add(Native.layerName(i));
    return names;
  }

  /**
   * Describes a kind of layer.
   *
   * @param name its name
   * @return its definition as JSON
   */
  public static String describeLayer(String name) {
    return Memory.text(Native.layerInspect(Check.notNull(name, "name")));
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
   * @param lowest the least important level that it gets
   */
  public static void setLog(LogListener listener, System.Logger.Level lowest) {
    int level = LogListener.LEVELS.indexOf(Check.notNull(lowest, "lowest"));
    Check.argument(level >= 0, "the level " + lowest + " is none of " + LogListener.LEVELS);
    Native.logSet(listener, level);
  }
}
