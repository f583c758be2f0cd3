// What a run computed.
package io.weft;

import java.util.AbstractList;
import java.util.List;

/** The tensors that a run computed, in the order of its fetches. Closing it closes them. */
public final class Results extends AbstractList<Tensor> implements AutoCloseable {
  private final List<Value> fetches;
  private final Tensor[] tensors;

  Results(List<Value> fetches, long[] pointers) {
    this.fetches = fetches;
    tensors = new Tensor[pointers.length];
    for (int i = 0; i < pointers.length; ++i) tensors[i] = new Tensor(pointers[i]);
  }

  @Override
  public Tensor get(int i) {
    return tensors[i];
  }

  /**
   * What was computed for a value.
   *
   * @param fetch one of the fetches
   * @return its tensor
   */
  public Tensor get(Value fetch) {
    int i = fetches.indexOf(Check.notNull(fetch, "fetch"));
    Check.argument(i >= 0, "the run did not fetch this value");
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
