// A pass over the batches of a function.
package io.weft;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

record BatchPass(Iterator<? extends List<Tensor>> batches, String[] names) {
  /** Puts the next batch into native named tensors, or nothing at the end. */
  void give(long tensors) {
    if (!batches.hasNext()) return;
    List<Tensor> batch = new ArrayList<>(Check.notNull(batches.next(), "a batch"));
    try {
      if (batch.size() != names.length) {
        throw new WeftException(
            ErrorCode.INVALID_ARGUMENT, "a batch has " + batch.size() + " tensors, not " + names.length);
      }
      long[] pointers = Handle.acquireAll(Check.items(batch, "the batch"));
      try {
        for (int i = 0; i < pointers.length; ++i) Native.tensorsSet(tensors, names[i], pointers[i]);
      } finally {
        Handle.releaseAll(batch);
      }
    } finally {
      for (Tensor tensor : batch) {
        if (tensor != null) tensor.close();
      }
    }
  }

  void end() {
    if (!(batches instanceof AutoCloseable closeable)) return;
    try {
      closeable.close();
    } catch (Exception e) {
      System.getLogger("io.weft").log(System.Logger.Level.WARNING, "the iterator of a pass does not close", e);
    }
  }
}
