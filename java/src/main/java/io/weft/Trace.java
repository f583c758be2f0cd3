// What runs did when.
package io.weft;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Records what runs do when: give it to them through {@link RunOptions#trace}. */
public final class Trace extends Handle {
  /** Makes an empty trace. */
  public Trace() {
    super(Native.traceNew(), Native::traceFree);
  }

  @Override
  String what() {
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

  /**
   * Writes {@link #json} to a file.
   *
   * @param path the file
   * @throws UncheckedIOException if it cannot be written
   */
  public void save(Path path) {
    Check.notNull(path, "path");
    try {
      Files.writeString(path, json());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
