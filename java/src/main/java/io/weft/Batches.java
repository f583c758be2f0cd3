// One pass over a dataset.
package io.weft;

import java.lang.ref.Reference;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * The batches of one pass over a dataset, for a loop: {@code for (Batch batch : batches)}. Whoever takes a batch closes
 * it. One thread at a time may take them.
 */
public final class Batches extends Handle implements Iterator<Batch>, Iterable<Batch> {
  private final Dataset dataset; // whose function the library does not keep
  private final int width;
  private Batch next;

  Batches(Dataset dataset, long pointer, int width) {
    super(pointer, Native::batchesFree);
    this.dataset = dataset;
    this.width = width;
  }

  @Override
  String kind() {
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

  @Override
  public synchronized boolean hasNext() {
    long pointer = acquire();
    try {
      if (next != null) return true;
      long[] made = new long[width];
      Native.batchesNext(pointer, made);
      Reference.reachabilityFence(dataset);
      if (width == 0 || made[0] == 0) return false;
      next = new Batch(made);
      return true;
    } finally {
      release();
    }
  }

  /**
   * The next batch.
   *
   * @return a tensor for each column of the dataset
   */
  @Override
  public synchronized Batch next() {
    if (!hasNext()) throw new NoSuchElementException("the pass over the dataset has ended");
    Batch batch = next;
    next = null;
    return batch;
  }

  /** Ends the pass. */
  @Override
  public synchronized void close() {
    if (next != null) next.close();
    next = null;
    super.close();
  }
}
