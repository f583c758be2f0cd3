// One pass over a dataset.
package io.weft;

import java.lang.ref.Reference;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The batches of one pass over a dataset, for a loop, {@code for (Batch batch : batches)}, or as a stream. Whoever takes a batch closes
 * it. One thread at a time may take them; another gets {@link WeftException.FailedPrecondition}.
 */
public final class Batches extends Handle implements Iterator<Batch>, Iterable<Batch> {
  private final Dataset dataset; // whose function the library does not keep
  private final int width;
  private final AtomicBoolean inside = new AtomicBoolean(); // whether a thread is, which owns next then
  private Batch next;

  Batches(Dataset dataset, long pointer, int width) {
    super(pointer, Native::batchesFree);
    this.dataset = dataset;
    this.width = width;
  }

  @Override
  String what() {
    return "pass over a dataset";
  }

  /**
   * What is left of this one pass; {@link Dataset#batches} begins another.
   *
   * @return this
   */
  @Override
  public Iterator<Batch> iterator() {
    acquire();
    release();
    return this;
  }

  /**
   * What is left of this one pass, as a stream. Whoever takes a batch closes it; closing the stream ends the pass.
   *
   * @return the batches, in order
   */
  public Stream<Batch> stream() {
    int traits = Spliterator.ORDERED | Spliterator.NONNULL;
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(), traits), false).onClose(this::close);
  }

  /**
   * Whether there is another batch, which is made for that.
   *
   * @return false at the end of the pass
   */
  @Override
  public boolean hasNext() {
    long pointer = enter();
    try {
      return fill(pointer);
    } finally {
      leave();
    }
  }

  /**
   * The next batch.
   *
   * @return a tensor for each column of the dataset
   */
  @Override
  public Batch next() {
    long pointer = enter();
    try {
      if (!fill(pointer)) throw new NoSuchElementException("the pass over the dataset has ended");
      Batch batch = next;
      next = null;
      return batch;
    } finally {
      leave();
    }
  }

  /** Ends the pass. A call that takes a batch at this moment still ends well. */
  @Override
  public void close() {
    super.close();
    dropNext();
  }

  // No monitor: a function that gives the batches may wait for a thread that takes from the pass or closes it.
  private long enter() {
    long pointer = acquire();
    if (inside.compareAndSet(false, true)) return pointer;
    release();
    String message = "a batch of this pass is being taken already; each thread needs a pass of its own";
    throw WeftException.of(ErrorCode.FAILED_PRECONDITION, message, "", "", "", null);
  }

  private void leave() {
    inside.set(false);
    if (!isOpen()) dropNext();
    release();
  }

  /** Has the next batch ready, if there is one. */
  private boolean fill(long pointer) {
    if (next != null) return true;
    long[] made = new long[width];
    Native.batchesNext(pointer, made);
    Reference.reachabilityFence(dataset);
    if (width == 0 || made[0] == 0) return false;
    next = new Batch(made);
    return true;
  }

  // What nobody will take. The one who is inside does it in the end.
  private void dropNext() {
    if (!inside.compareAndSet(false, true)) return;
    if (next != null) next.close();
    next = null;
    inside.set(false);
  }
}
