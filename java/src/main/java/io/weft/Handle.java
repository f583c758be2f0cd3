// A native object with an owner in Java: freed once, when it is closed or unreachable and no call uses it.
package io.weft;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.ref.Cleaner;
import java.util.Collection;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongConsumer;

abstract class Handle implements AutoCloseable {
  static final Cleaner CLEANER = Cleaner.create();
  private static final boolean REPORT = "full".equals(System.getProperty("weft.leaks"));
  private static final Set<State> UNCLOSED = ConcurrentHashMap.newKeySet(); // if they are reported

  static {
    if (REPORT) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> UNCLOSED.forEach(State::report), "weft-leaks"));
    }
  }

  private final State state;
  private final Cleaner.Cleanable cleanable;

  Handle(long pointer, LongConsumer free) {
    state = new State(pointer, free, REPORT ? new Throwable("a " + what() + " was never closed; it was made") : null);
    if (REPORT) UNCLOSED.add(state);
    cleanable = CLEANER.register(this, state);
  }

  /** The native object, which stays until {@link #release} is called. */
  final long acquire() {
    long pointer = state.acquire();
    if (pointer == 0) throw new IllegalStateException("the " + what() + " is closed");
    return pointer;
  }

  /** The same, or 0 if it is closed. */
  final long tryAcquire() {
    return state.acquire();
  }

  final void release() {
    state.release();
  }

  /** What the object is, in messages. */
  abstract String what();

  final boolean isOpen() {
    return !state.isClosed();
  }

  /** Closes this object; a call that uses it at this moment still ends well. Closing again does nothing. */
  @Override
  public void close() {
    if (REPORT) UNCLOSED.remove(state);
    cleanable.clean();
  }

  /**
   * What this object is.
   *
   * @return such as "trace" or "closed trace"
   */
  @Override
  public String toString() {
    return (isOpen() ? "" : "closed ") + what();
  }

  static long acquire(Handle handle, String name) {
    return Check.notNull(handle, name).acquire();
  }

  /** The pointers of all, which stay until {@link #releaseAll} is called; all or none. */
  static long[] acquireAll(Collection<? extends Handle> handles) {
    long[] pointers = new long[handles.size()];
    int done = 0;
    try {
      for (Handle handle : handles) {
        pointers[done] = handle.acquire();
        ++done;
      }
      return pointers;
    } finally {
      if (done < pointers.length) {
        for (Handle handle : handles) {
          if (done-- == 0) break;
          handle.release();
        }
      }
    }
  }

  static void releaseAll(Collection<? extends Handle> handles) {
    for (Handle handle : handles) handle.release();
  }

  /** Counts uses; the highest bit says closed. Knows nothing of the Handle, so that this can become unreachable. */
  private static final class State extends AtomicInteger implements Runnable {
    private static final long serialVersionUID = 1;
    private static final int CLOSED = Integer.MIN_VALUE;
    private final transient long pointer;
    private final transient LongConsumer free;
    private final transient Throwable made; // where, if that is reported

    State(long pointer, LongConsumer free, Throwable made) {
      this.pointer = pointer;
      this.free = free;
      this.made = made;
    }

    boolean isClosed() {
      return get() < 0;
    }

    long acquire() {
      for (;;) {
        int uses = get();
        if (uses < 0) return 0;
        if (compareAndSet(uses, uses + 1)) return pointer;
      }
    }

    void release() {
      if (decrementAndGet() == CLOSED) free.accept(pointer);
    }

    /** Prints where it was made; to the standard error, as loggers may be gone when a program ends. */
    void report() {
      StringWriter text = new StringWriter();
      made.printStackTrace(new PrintWriter(text, true));
      System.err.print(text.toString().replaceFirst("^java.lang.Throwable", "weft"));
    }

    @Override
    public void run() {
      if (REPORT && UNCLOSED.remove(this)) report();
      if (getAndUpdate(uses -> uses | CLOSED) == 0) free.accept(pointer);
    }
  }
}
