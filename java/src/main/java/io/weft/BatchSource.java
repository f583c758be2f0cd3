// The function of a dataset, with the names of what it gives.
package io.weft;

import java.lang.ref.WeakReference;

/** Belongs to its dataset: the library knows it weakly, as the function may know the dataset. */
record BatchSource(BatchFunction function, String[] names) {
  /** The native pass that the function begins. */
  static long begin(WeakReference<?> held, long epoch) throws Exception {
    if (!(held.get() instanceof BatchSource source)) {
      throw new IllegalStateException("the dataset that the function belongs to is gone");
    }
    var batches = Check.notNull(source.function.begin(epoch), "the iterator of a pass");
    return Native.batchesNew(source.names, new BatchPass(batches, source.names));
  }
}
