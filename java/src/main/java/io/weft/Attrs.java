// Attributes of a node or layer.
package io.weft;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;

/** Attributes by name, for {@link Graph#add} and {@link Graph#layer}. The methods of {@link Ops} make them themselves. */
public final class Attrs {
  private final Map<String, LongConsumer> setters = new LinkedHashMap<>();
  private final Map<String, Object> values = new LinkedHashMap<>();

  /** Makes empty attributes. */
  public Attrs() {}

  /** A copy; of null, empty ones. */
  static Attrs copyOf(Attrs attrs) {
    Attrs copy = new Attrs();
    if (attrs == null) return copy;
    copy.setters.putAll(attrs.setters);
    copy.values.putAll(attrs.values);
    return copy;
  }

  private Attrs put(String name, Object value, LongConsumer setter) {
    setters.put(Check.notNull(name, "name"), setter);
    values.put(name, value);
    return this;
  }

  /**
   * Sets an integer.
   *
   * @param name the attribute
   * @param value its value
   * @return this
   */
  public Attrs set(String name, long value) {
    return put(name, value, attrs -> Native.attrsSetInt(attrs, name, value));
  }

  /**
   * Sets a number.
   *
   * @param name the attribute
   * @param value its value
   * @return this
   */
  public Attrs set(String name, double value) {
    return put(name, value, attrs -> Native.attrsSetFloat(attrs, name, value));
  }

  /**
   * Sets a string.
   *
   * @param name the attribute
   * @param value its value
   * @return this
   */
  public Attrs set(String name, String value) {
    Check.notNull(value, name);
    return put(name, value, attrs -> Native.attrsSetString(attrs, name, value));
  }

  /**
   * Sets a list of integers.
   *
   * @param name the attribute
   * @param values its value
   * @return this
   */
  public Attrs set(String name, long[] values) {
    long[] copy = Check.notNull(values, name).clone();
    return put(name, copy, attrs -> Native.attrsSetInts(attrs, name, copy));
  }

  /**
   * Sets what is on or off, as 1 or 0.
   *
   * @param name the attribute
   * @param value its value
   * @return this
   */
  public Attrs set(String name, boolean value) {
    return set(name, value ? 1 : 0);
  }

  /**
   * Sets an element type, such as the attribute "to" of Cast.
   *
   * @param name the attribute
   * @param value its value
   * @return this
   */
  public Attrs set(String name, DataType value) {
    int number = Check.notNull(value, name).number();
    return put(name, value, attrs -> Native.attrsSetInt(attrs, name, number));
  }

  /**
   * Sets a list of numbers.
   *
   * @param name the attribute
   * @param values its value
   * @return this
   */
  public Attrs set(String name, double[] values) {
    double[] copy = Check.notNull(values, name).clone();
    return put(name, copy, attrs -> Native.attrsSetFloats(attrs, name, copy));
  }

  /**
   * Sets a list of strings.
   *
   * @param name the attribute
   * @param values its value
   * @return this
   */
  public Attrs set(String name, List<String> values) {
    String[] copy = Check.items(values, name).toArray(String[]::new);
    return put(name, List.of(copy), attrs -> Native.attrsSetStrings(attrs, name, copy));
  }

  /**
   * Sets a tensor, which must stay open until the node is added.
   *
   * @param name the attribute
   * @param value its value
   * @return this
   */
  public Attrs set(String name, Tensor value) {
    return putHandle(name, Check.notNull(value, name), Native::attrsSetTensor);
  }

  /**
   * Sets a sub-graph, which must stay open until the node is added.
   *
   * @param name the attribute
   * @param value its value
   * @return this
   */
  public Attrs set(String name, Graph value) {
    return putHandle(name, Check.notNull(value, name), Native::attrsSetGraph);
  }

  private interface HandleSetter {
    void set(long attrs, String name, long handle);
  }

  private Attrs putHandle(String name, Handle value, HandleSetter setter) {
    return put(
        name,
        value,
        attrs -> {
          long pointer = value.acquire();
          try {
            setter.set(attrs, name, pointer);
          } finally {
            value.release();
          }
        });
  }

  private <T> T get(String name, Class<T> type) {
    Object value = values.get(Check.notNull(name, "name"));
    Check.argument(value != null, "there is no attribute '" + name + "'");
    String found = value.getClass().getSimpleName();
    Check.argument(
        type.isInstance(value), "attribute '" + name + "' is a " + found + " and no " + type.getSimpleName());
    return type.cast(value);
  }

  /**
   * Whether there is an attribute.
   *
   * @param name its name
   * @return true if it is set
   */
  public boolean has(String name) {
    return values.containsKey(Check.notNull(name, "name"));
  }

  /**
   * An integer that was set. What there is not, or is of another type, is {@link IllegalArgumentException}, here and below.
   *
   * @param name the attribute
   * @return its value; of an element type its number
   */
  public long getLong(String name) {
    Object value = values.get(Check.notNull(name, "name"));
    return value instanceof DataType dtype ? dtype.number() : get(name, Long.class);
  }

  /**
   * What is on or off.
   *
   * @param name the attribute
   * @return whether the integer is not 0
   */
  public boolean getBoolean(String name) {
    return getLong(name) != 0;
  }

  /**
   * An element type that was set.
   *
   * @param name the attribute
   * @return its value
   */
  public DataType getDataType(String name) {
    return get(name, DataType.class);
  }

  /**
   * A number that was set.
   *
   * @param name the attribute
   * @return its value
   */
  public double getDouble(String name) {
    return get(name, Double.class);
  }

  /**
   * A string that was set.
   *
   * @param name the attribute
   * @return its value
   */
  public String getString(String name) {
    return get(name, String.class);
  }

  /**
   * A list of integers that was set.
   *
   * @param name the attribute
   * @return a copy
   */
  public long[] getLongs(String name) {
    return get(name, long[].class).clone();
  }

  /**
   * A list of numbers that was set.
   *
   * @param name the attribute
   * @return a copy
   */
  public double[] getDoubles(String name) {
    return get(name, double[].class).clone();
  }

  /**
   * A list of strings that was set.
   *
   * @param name the attribute
   * @return its value
   */
  public List<String> getStrings(String name) {
    List<?> items = get(name, List.class);
    return items.stream().map(String.class::cast).toList();
  }

  /**
   * A tensor that was set.
   *
   * @param name the attribute
   * @return the tensor itself; in the body of an operator it is closed when that has been built
   */
  public Tensor getTensor(String name) {
    return get(name, Tensor.class);
  }

  /**
   * What is set.
   *
   * @return such as "{axis=1, keepdims=0}"
   */
  @Override
  public String toString() {
    Map<String, Object> shown = new LinkedHashMap<>(values);
    shown.replaceAll(
        (name, value) ->
            value instanceof long[] integers
                ? Arrays.toString(integers)
                : value instanceof double[] numbers ? Arrays.toString(numbers) : value);
    return shown.toString();
  }

  /** The native attributes, which the caller frees; 0 if there are none. */
  static long open(Attrs settings) {
    if (settings == null || settings.setters.isEmpty()) return 0;
    long attrs = Native.attrsNew();
    try {
      for (LongConsumer setter : settings.setters.values()) setter.accept(attrs);
      return attrs;
    } catch (RuntimeException | Error e) {
      Native.attrsFree(attrs);
      throw e;
    }
  }

  static void free(long attrs) {
    if (attrs != 0) Native.attrsFree(attrs);
  }
}
