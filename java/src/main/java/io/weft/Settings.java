// Options of the C ABI, gathered in Java and made native for one call.
package io.weft;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongConsumer;

abstract class Settings {
  private final String kind;
  private final Map<String, Setting> settings = new LinkedHashMap<>();

  /** What is set, for people, and how it is set. */
  private record Setting(Object shown, LongConsumer setter) {
    @Override
    public String toString() {
      return shown.toString();
    }
  }

  Settings(String kind) {
    this.kind = kind;
  }

  final void put(String key, long value) {
    settings.put(key, new Setting(value, options -> Native.optionsSetInt(options, key, value)));
  }

  final void put(String key, boolean value) {
    settings.put(key, new Setting(value, options -> Native.optionsSetInt(options, key, value ? 1 : 0)));
  }

  final void put(String key, double value) {
    settings.put(key, new Setting(value, options -> Native.optionsSetFloat(options, key, value)));
  }

  final void put(String key, String value) {
    Check.notNull(value, key);
    settings.put(key, new Setting(value, options -> Native.optionsSetString(options, key, value)));
  }

  /** Sets the timeout. What is zero or negative has passed already, which is how the library takes the least number. */
  final void putTimeout(Duration timeout) {
    double seconds = Check.notNull(timeout, "timeout").getSeconds() + timeout.getNano() / 1e9;
    put("timeout_s", Math.max(Double.MIN_VALUE, seconds));
  }

  /** Adds a string to the list of a key. */
  final void add(String key, String value) {
    Check.notNull(value, key);
    Setting setting = new Setting(value, options -> Native.optionsAddString(options, key, value));
    settings.put(key + "/" + value, setting);
  }

  /** Another way to set: `setter` gets the native options. */
  final void putSetter(String key, Object shown, LongConsumer setter) {
    settings.put(key, new Setting(shown, setter));
  }

  /** Sets something that takes a handle. */
  final void putHandle(String key, Handle handle, HandleSetter setter) {
    Check.notNull(handle, key);
    putSetter(
        key,
        handle,
        options -> {
          long pointer = handle.acquire();
          try {
            setter.set(options, pointer);
          } finally {
            handle.release();
          }
        });
  }

  interface HandleSetter {
    void set(long options, long handle);
  }

  /** The native options, which the caller frees with {@link #free}. */
  final long open() {
    long options = Native.optionsNew(kind);
    try {
      for (Setting setting : settings.values()) setting.setter().accept(options);
      return options;
    } catch (RuntimeException | Error e) {
      Native.optionsFree(options);
      throw e;
    }
  }

  /** The native options, or 0 for null. */
  static long open(Settings settings) {
    return settings == null ? 0 : settings.open();
  }

  /**
   * What is set.
   *
   * @return such as "RunOptions {timeout_s=0.5}"
   */
  @Override
  public String toString() {
    return getClass().getSimpleName() + " " + settings;
  }

  static void free(long options) {
    if (options != 0) Native.optionsFree(options);
  }
}
