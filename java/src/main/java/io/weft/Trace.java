// What runs did when.
package io.weft;

/** Records what runs do when: give it to them through {@link RunOptions#trace}. */
public final class Trace extends Handle {
  /** Makes an empty trace. */
  public Trace() {
    super(Native.traceNew(), Native::traceFree);
  }

  @Override
  String kind() {
    return "trace";
  }

  /**
   * The trace so far.
   *
   * @return JSON that Chrome's tracing page and Perfetto read
   */
  public String json() {
    long pointer = acquire();
    try {
      return Memory.text(Native.traceJson(pointer));
    } finally {
      release();
    }
  }
}
