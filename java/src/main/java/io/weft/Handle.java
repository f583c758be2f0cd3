// A native object with an owner in Java: freed once, when it is closed or unreachable and no call uses it.
package io.weft;

import java.lang.ref.Cleaner;
import java.util.Collection;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongConsumer;

abstract class Handle implements AutoCloseable {
  static final Cleaner CLEANER = Cleaner.create();
  private static final boolean REPORT = "full".equals(System.getProperty("weft.leaks"));

  private final State state;
  private final Cleaner.Cleanable cleanable;

  Handle(long pointer, LongConsumer free) {
    state = new State(pointer, free, REPORT ? new Throwable("a " + kind() + " was never closed; it was made") : null);
    cleanable = CLEANER.register(this, state);
  }

  /** The native object, which stays until {@link #release} is called. */
  final long acquire() {
    long pointer = state.acquire();
    if (pointer == 0) throw new IllegalStateException("the " + kind() + " is closed");
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
  abstract String kind();

  final boolean isOpen() {
    return !state.isClosed();
  }

  /** Closes this object; a call that uses it at this moment still ends well. Closing again does nothing. */
  @Override
  public void close() {
    state.made = null;
    cleanable.clean();
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

    private transient volatile Throwable made;

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

    @Override
    public void run() {
      Throwable forgotten = made;
      if (forgotten != null) {
        System.getLogger("io.weft").log(System.Logger.Level.WARNING, forgotten.getMessage(), forgotten);
      }
      if (getAndUpdate(uses -> uses | CLOSED) == 0) free.accept(pointer);
    }
  }
}
