// Rows of a dataset taken together.
package io.weft;

import java.util.AbstractList;

/** One batch: a tensor for each column of the dataset. Closing it closes them. */
public final class Batch extends AbstractList<Tensor> implements AutoCloseable {
  private final Tensor[] tensors;

  /** Takes over native tensors. */
  Batch(long[] pointers) {
    tensors = new Tensor[pointers.length];
    for (int i = 0; i < pointers.length; ++i) tensors[i] = new Tensor(pointers[i]);
  }

  @Override
  public Tensor get(int i) {
    return tensors[i];
  }

  @Override
  public int size() {
    return tensors.length;
  }

  /** Closes all tensors. */
  @Override
  public void close() {
    for (Tensor tensor : tensors) tensor.close();
  }
}
