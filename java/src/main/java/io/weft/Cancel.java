// A flag that stops runs.
package io.weft;

/** Stops runs from any thread: give it to them through {@link RunOptions#cancel} or {@link FitOptions#cancel}. */
public final class Cancel extends Handle {
  /** Makes a flag that is not set. */
  public Cancel() {
    super(Native.cancelNew(), Native::cancelFree);
  }

  @Override
  String kind() {
    return "cancel flag";
  }

  /** Cancels every run that uses this flag, and every later one until {@link #reset} is called. */
  public void cancel() {
    set(1);
  }

  /** Cancels, unless this flag is closed. */
  void tryCancel() {
    long pointer = tryAcquire();
    if (pointer == 0) return;
    try {
      Native.cancelSet(pointer, 1);
    } finally {
      release();
    }
  }

  /** Lets later runs go on. */
  public void reset() {
    set(0);
  }

  private void set(int cancelled) {
    long pointer = acquire();
    try {
      Native.cancelSet(pointer, cancelled);
    } finally {
      release();
    }
  }

  /**
   * Whether the flag is set.
   *
   * @return true after {@link #cancel}
   */
  public boolean isCancelled() {
    long pointer = acquire();
    try {
      return Native.cancelGet(pointer) != 0;
    } finally {
      release();
    }
  }
}
