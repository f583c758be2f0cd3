// After every test class: no native object may be left.
package io.weft.test;

import io.weft.Weft;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Fails a class of tests that leaves native objects; buffers over tensors go only when they are collected. */
public final class NoLeaks implements AfterAllCallback {
  @Override
  public void afterAll(ExtensionContext context) throws Exception {
    Collector.runUntil(() -> Weft.liveObjects() == 0);
    if (Weft.liveObjects() != 0) {
      throw new AssertionError(
          context.getDisplayName() + " leaves " + Weft.liveObjects() + " native objects");
    }
  }
}
