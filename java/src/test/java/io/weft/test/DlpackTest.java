// DLPack: out, in, made by hand, misused.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Tensor;
import io.weft.Weft;
import io.weft.WeftException;
import java.lang.ref.Reference;
import java.lang.reflect.Field;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;

class DlpackTest {
  // Where the specification has the members of a DLManagedTensorVersioned, ...
  private static final int MAJOR = 0;
  private static final int FLAGS = 24;
  private static final int TENSOR = 32;
  private static final int SIZE = 80;
  // ... those of a DLTensor, and of a DLManagedTensor, which begins with one.
  private static final int DATA = 0;
  private static final int DEVICE = 8;
  private static final int RANK = 16;
  private static final int TYPE = 20;
  private static final int SHAPE = 24;

  /** Where a direct buffer begins, as native code sees it. */
  private static long address(ByteBuffer buffer) throws ReflectiveOperationException {
    return (long) unsafe("getLong", Object.class, long.class).call(buffer, offset());
  }

  private static long offset() throws ReflectiveOperationException {
    return (long) unsafe("objectFieldOffset", Field.class).call(Buffer.class.getDeclaredField("address"));
  }

  private static long peek(long address) throws ReflectiveOperationException {
    return (long) unsafe("getLong", long.class).call(address);
  }

  private static int peekInt(long address) throws ReflectiveOperationException {
    return (int) unsafe("getInt", long.class).call(address);
  }

  private interface Call {
    Object call(Object... arguments) throws ReflectiveOperationException;
  }

  /** A method of sun.misc.Unsafe, which the compiler would warn of. */
  private static Call unsafe(String method, Class<?>... types) throws ReflectiveOperationException {
    Class<?> type = Class.forName("sun.misc.Unsafe");
    Field field = type.getDeclaredField("theUnsafe");
    field.setAccessible(true);
    Object unsafe = field.get(null);
    return arguments -> type.getMethod(method, types).invoke(unsafe, arguments);
  }

  @Test
  void outAndInSharesTheElements() throws Exception {
    long before = Weft.memoryBytes();
    Tensor numbers = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
    long held = Weft.memoryBytes();
    long data = address(numbers.buffer());
    long versioned = numbers.toDlpack();
    long unversioned = numbers.toDlpackUnversioned();
    numbers.close();
    assertEquals(1, peekInt(versioned + MAJOR));
    assertEquals(0, peek(versioned + FLAGS));
    for (long tensor : new long[] {versioned + TENSOR, unversioned}) {
      assertEquals(data, peek(tensor + DATA));
      assertEquals(1, peekInt(tensor + DEVICE));
      assertEquals(2, peekInt(tensor + RANK));
      assertEquals(2 | 32 << 8 | 1 << 16, peekInt(tensor + TYPE));
      assertEquals(2, peek(peek(tensor + SHAPE)));
      assertEquals(3, peek(peek(tensor + SHAPE) + 8));
    }
    try (Tensor back = Tensor.fromDlpack(versioned);
        Tensor backOld = Tensor.fromDlpackUnversioned(unversioned)) {
      assertEquals(data, address(back.buffer()));
      assertEquals(data, address(backOld.buffer()));
      assertEquals("f32[2, 3]", back.toString());
      backOld.buffer().putFloat(0, 7);
      assertArrayEquals(new float[] {7, 2, 3, 4, 5, 6}, back.toFloatArray());
      assertEquals(held, Weft.memoryBytes());
    }
    // Only the buffers over the elements are left.
    Collector.runUntil(() -> Weft.memoryBytes() == before);
    assertEquals(before, Weft.memoryBytes());
  }

  /** A DLManagedTensorVersioned over numbers, without a deleter. */
  private static ByteBuffer byHand(ByteBuffer numbers, ByteBuffer shape) throws Exception {
    ByteBuffer made = ByteBuffer.allocateDirect(SIZE).order(ByteOrder.nativeOrder());
    return made.putInt(MAJOR, 1)
        .putLong(TENSOR + DATA, address(numbers))
        .putInt(TENSOR + DEVICE, 1)
        .putInt(TENSOR + RANK, 1)
        .putInt(TENSOR + TYPE, 2 | 32 << 8 | 1 << 16)
        .putLong(TENSOR + SHAPE, address(shape));
  }

  private static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  @Test
  void madeByHand() throws Exception {
    ByteBuffer numbers = direct(12).putFloat(0, 1).putFloat(4, 2).putFloat(8, 3);
    ByteBuffer shape = direct(8).putLong(0, 3);
    ByteBuffer managed = byHand(numbers, shape);
    for (long flags : new long[] {0, 1}) {
      managed.putLong(FLAGS, flags); // 1: read-only
      try (Tensor tensor = Tensor.fromDlpack(address(managed))) {
        assertArrayEquals(new float[] {1, 2, 3}, tensor.toFloatArray());
        long out = tensor.toDlpack();
        assertEquals(address(numbers), peek(out + TENSOR + DATA));
        assertEquals(flags, peek(out + FLAGS));
        Tensor.fromDlpack(out).close();
        if (flags == 1) {
          assertThrows(WeftException.FailedPrecondition.class, tensor::toDlpackUnversioned);
        } else {
          Tensor.fromDlpackUnversioned(tensor.toDlpackUnversioned()).close();
        }
      }
    }
    // The deleter of another, which is called once, when all have let go.
    long before = Weft.memoryBytes();
    long other;
    try (Tensor tensor = Tensor.of(new float[] {1, 2, 3})) {
      other = tensor.toDlpack();
    }
    managed.putLong(8, peek(other + 8)).putLong(16, peek(other + 16)).putLong(TENSOR, peek(other + TENSOR));
    Tensor tensor = Tensor.fromDlpack(address(managed));
    Tensor shared = tensor.reshape(1, 3);
    tensor.close();
    assertTrue(Weft.memoryBytes() > before);
    shared.close();
    shared.close();
    assertEquals(before, Weft.memoryBytes());
    Reference.reachabilityFence(List.of(numbers, shape, managed));
  }

  @Test
  void misused() throws Exception {
    ByteBuffer numbers = direct(12);
    ByteBuffer shape = direct(8).putLong(0, 3);
    assertThrows(WeftException.InvalidArgument.class, () -> Tensor.fromDlpack(0));
    assertThrows(WeftException.InvalidArgument.class, () -> Tensor.fromDlpackUnversioned(0));
    int[][] wrong = {{MAJOR, 2}, {TENSOR + DEVICE, 2}, {TENSOR + RANK, -1}, {TENSOR + RANK, 99}, {TENSOR + TYPE, 33}};
    for (int[] change : wrong) {
      ByteBuffer managed = byHand(numbers, shape).putInt(change[0], change[1]);
      assertThrows(WeftException.class, () -> Tensor.fromDlpack(address(managed)));
      Reference.reachabilityFence(managed);
    }
    for (int member : new int[] {DATA, SHAPE}) {
      ByteBuffer managed = byHand(numbers, shape).putLong(TENSOR + member, 0);
      assertThrows(WeftException.class, () -> Tensor.fromDlpack(address(managed)));
      Reference.reachabilityFence(managed);
    }
    Reference.reachabilityFence(List.of(numbers, shape));
    Tensor closed = Tensor.scalar(1f);
    closed.close();
    assertThrows(IllegalStateException.class, closed::toDlpack);
    assertThrows(IllegalStateException.class, closed::toDlpackUnversioned);
    try (Tensor strings = Tensor.of(new String[] {"a"})) {
      assertThrows(WeftException.Unimplemented.class, strings::toDlpack);
    }
  }
}
