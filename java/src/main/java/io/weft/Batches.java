// One pass over a dataset.
package io.weft;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

/** The batches of one pass over a dataset. Each is a list of tensors, which whoever takes it closes. */
public final class Batches extends Handle implements Iterator<List<Tensor>> {
  private final int width;
  private List<Tensor> next;

  Batches(long pointer, int width) {
    super(pointer, Native::batchesFree);
    this.width = width;
  }

  @Override
  String kind() {
    return "pass over a dataset";
  }

  @Override
  public boolean hasNext() {
    if (next != null) return true;
    long pointer = acquire();
    try {
      long[] made = new long[width];
      Native.batchesNext(pointer, made);
      if (width == 0 || made[0] == 0) return false;
      next = new ArrayList<>(width);
      for (long tensor : made) next.add(new Tensor(tensor));
      return true;
    } finally {
      release();
    }
  }

  /**
   * The next batch.
   *
   * @return a tensor for each of the dataset's
   */
  @Override
  public List<Tensor> next() {
    if (!hasNext()) throw new NoSuchElementException("the pass over the dataset has ended");
    List<Tensor> batch = next;
    next = null;
    return batch;
  }

  /** Ends the pass. */
  @Override
  public void close() {
    if (next != null) {
      for (Tensor tensor : next) tensor.close();
      next = null;
    }
    super.close();
  }
}
