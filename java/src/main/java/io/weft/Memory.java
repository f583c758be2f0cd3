// Native memory as buffers, and blocks of bytes that the library made.
package io.weft;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

final class Memory {
  static {
    NativeLoader.load();
  }

  private Memory() {}

  private static native ByteBuffer view(long address, long size);

  /** Where the memory of a direct buffer begins; 0 for another buffer. */
  static native long address(ByteBuffer buffer);

  /** A buffer over native memory, which the caller keeps alive. */
  static ByteBuffer buffer(long address, long size) {
    if (size > Integer.MAX_VALUE) {
      throw new IllegalStateException("a buffer holds at most 2147483647 bytes, and the tensor has " + size);
    }
    return view(address, size).order(ByteOrder.nativeOrder());
  }

  static long[] longs(long address, int count) {
    long[] values = new long[count];
    buffer(address, 8L * count).asLongBuffer().get(values);
    return values;
  }

  static double[] doubles(long address, int count) {
    double[] values = new double[count];
    buffer(address, 8L * count).asDoubleBuffer().get(values);
    return values;
  }

  /** The text of a weft_bytes, which is freed. */
  static String text(long bytes) {
    return new String(bytes(bytes), StandardCharsets.UTF_8);
  }

  /** The content of a weft_bytes, which is freed. */
  static byte[] bytes(long bytes) {
    try {
      long size = Native.bytesSize(bytes);
      if (size > Integer.MAX_VALUE) {
        throw new IllegalStateException("an array holds at most 2147483647 bytes, and there are " + size);
      }
      byte[] copy = new byte[(int) size];
      buffer(Native.bytesData(bytes), size).get(copy);
      return copy;
    } finally {
      Native.bytesFree(bytes);
    }
  }
}
