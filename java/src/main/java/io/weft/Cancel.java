// A flag that stops runs.
package io.weft;

/** Stops runs from any thread: give it to them through {@link RunOptions#cancel} or {@link FitOptions#cancel}. */
public final class Cancel extends Handle {
  /** Makes a flag that is not set. */
  public Cancel() {
    super(Native.cancelNew(), Native::cancelFree);
  }

  @Override
  String what() {
    return "cancel flag";
  }

  /** Cancels every run that uses this flag, and every later one until {@code set(false)}. */
  public void set() {
    set(true);
  }

  /**
   * Sets or clears the flag.
   *
   * @param cancelled true cancels every run that uses the flag, false lets later ones go on
   */
  public void set(boolean cancelled) {
    long pointer = acquire();
    try {
      Native.cancelSet(pointer, cancelled ? 1 : 0);
    } finally {
      release();
    }
  }

  /** Cancels, unless this flag is closed. */
  void trySet() {
    long pointer = tryAcquire();
    if (pointer == 0) return;
    try {
      Native.cancelSet(pointer, 1);
    } finally {
      release();
    }
  }

  /**
   * Whether the flag is set.
   *
   * @return true after {@link #set()}
   */
  public boolean get() {
    long pointer = acquire();
    try {
      return Native.cancelGet(pointer) != 0;
    } finally {
      release();
    }
  }
}
