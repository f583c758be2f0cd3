// Waiting for the garbage collector.
package io.weft.test;

import java.lang.ref.PhantomReference;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.util.function.BooleanSupplier;

final class Collector {
  private Collector() {}

  /**
   * Has the collector look for what is unreachable until the condition holds, 100 times at most. Each time it is waited
   * for until it tells of an object that was made to be found; the library closes what was found with it on a thread of
   * its own.
   */
  static void runUntil(BooleanSupplier condition) throws InterruptedException {
    for (int i = 0; i < 100 && !condition.getAsBoolean(); ++i) {
      ReferenceQueue<Object> found = new ReferenceQueue<>();
      PhantomReference<Object> reference = new PhantomReference<>(new Object(), found);
      System.gc();
      found.remove(10_000);
      Reference.reachabilityFence(reference);
    }
  }
}
