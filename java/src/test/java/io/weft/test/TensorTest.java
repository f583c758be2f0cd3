// Tensors: made, read, shared, kept alive, saved.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.DataType;
import io.weft.ErrorCode;
import io.weft.LoadOptions;
import io.weft.Tensor;
import io.weft.TensorScope;
import io.weft.Weft;
import io.weft.WeftException;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.ReadOnlyBufferException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorTest {
  @Test
  void liesOnADevice() {
    try (Tensor made = Tensor.of(new float[] {1, 2});
        Tensor there = made.to("cpu")) {
      assertEquals("cpu", there.device());
      assertArrayEquals(new float[] {1, 2}, there.toFloatArray());
      WeftException e = assertThrows(WeftException.NotFound.class, () -> made.to("cuda:7"));
      assertTrue(e.getMessage().contains("there is no device 'cuda:7'; the devices are cpu"), e.getMessage());
    }
  }

  @Test
  void arraysComeBack() {
    try (Tensor f32 = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
        Tensor f64 = Tensor.of(new double[] {1.5, 2.5});
        Tensor i64 = Tensor.of(new long[] {1L << 40, -1});
        Tensor i32 = Tensor.of(new int[] {7, -8});
        Tensor bool = Tensor.of(new boolean[] {true, false, true});
        Tensor rows = Tensor.of(new float[][] {{1, 2}, {3, 4}, {5, 6}})) {
      assertEquals("f32[2, 3]", f32.toString());
      assertArrayEquals(new long[] {2, 3}, f32.shape());
      assertEquals(DataType.F32, f32.dtype());
      assertEquals(2, f32.rank());
      assertEquals(6, f32.count());
      assertEquals(24, f32.byteSize());
      assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, f32.toFloatArray());
      assertArrayEquals(new double[] {1.5, 2.5}, f64.toDoubleArray());
      assertArrayEquals(new long[] {1L << 40, -1}, i64.toLongArray());
      assertArrayEquals(new int[] {7, -8}, i32.toIntArray());
      assertArrayEquals(new boolean[] {true, false, true}, bool.toBooleanArray());
      assertArrayEquals(new long[] {3, 2}, rows.shape());
      assertArrayEquals(new float[][] {{1, 2}, {3, 4}, {5, 6}}, rows.toFloatMatrix());
      assertThrows(IllegalArgumentException.class, f64::toFloatMatrix);
      assertArrayEquals(new byte[] {1, 0, 1}, bool.toByteArray());
    }
  }

  @Test
  void scalars() {
    try (Tensor f32 = Tensor.scalar(1.5f);
        Tensor f64 = Tensor.scalar(2.5);
        Tensor i64 = Tensor.scalar(3L);
        Tensor bool = Tensor.scalar(true)) {
      assertEquals(0, f32.rank());
      assertEquals(1.5f, f32.toFloat());
      assertEquals(1.5, f32.toDouble());
      assertEquals(2.5, f64.toDouble());
      assertEquals(3, i64.toLong());
      assertArrayEquals(new boolean[] {true}, bool.toBooleanArray());
    }
  }

  @Test
  void stringsKeepEveryCharacter() {
    String[] words = {"", "weft", "Kette und Schuß", "織り", "\uD83E\uDDF5", "a\0b"};
    try (Tensor tensor = Tensor.of(words, 2, 3)) {
      assertArrayEquals(words, tensor.toStringArray());
      assertThrows(IllegalArgumentException.class, tensor::buffer);
      assertThrows(IllegalArgumentException.class, tensor::toFloatArray);
    }
    byte[][] bytes = {{}, {0}, {(byte) 0xff, 0, 1}};
    try (Tensor tensor = Tensor.of(bytes);
        Tensor numbers = Tensor.of(new long[] {1})) {
      assertArrayEquals(bytes, tensor.toBytesArray());
      assertArrayEquals(new long[] {3}, tensor.shape());
      assertEquals("\uFFFD\0\1", tensor.toStringArray()[2]);
      assertThrows(IllegalArgumentException.class, numbers::toBytesArray);
    }
    assertThrows(IllegalArgumentException.class, () -> Tensor.of(bytes, 2));
    assertThrows(NullPointerException.class, () -> Tensor.of(new byte[][] {null}));
    assertThrows(NullPointerException.class, () -> Tensor.of(new String[] {null}));
  }

  @Test
  void typesAreFoundByName() {
    for (DataType dtype : DataType.values()) assertEquals(dtype, DataType.find(dtype.toString()));
    String message = assertThrows(IllegalArgumentException.class, () -> DataType.find("float")).getMessage();
    assertEquals("there is no element type 'float'", message);
  }

  @Test
  void scopesCloseWhatWasMadeInside() throws Exception {
    Tensor before = Tensor.scalar(1f);
    Tensor kept;
    Tensor lifted;
    Tensor inside;
    Tensor elsewhere;
    try (TensorScope scope = Weft.scope()) {
      inside = before.copy();
      kept = scope.keep(before.reshape(1));
      try (TensorScope inner = Weft.scope()) {
        lifted = inner.keep(Tensor.scalar(2f));
        Tensor.scalar(3f);
        assertEquals("scope of 1 tensors", inner.toString());
      }
      assertEquals(2f, lifted.toFloat());
      assertEquals("scope of 2 tensors", scope.toString());
      Tensor.scalar(4f).close();
      assertEquals("scope of 2 tensors", scope.toString());
      assertEquals(before, scope.keep(before)); // it is of no scope, and so stays as it is
      Tensor closed = Tensor.scalar(5f);
      closed.close();
      assertThrows(IllegalStateException.class, () -> scope.keep(closed));
      assertThrows(NullPointerException.class, () -> scope.keep(null));
      AtomicReference<Throwable> wrong = new AtomicReference<>();
      AtomicReference<Tensor> made = new AtomicReference<>();
      Thread other =
          new Thread(
              () -> {
                made.set(Tensor.scalar(6f));
                wrong.set(assertThrows(IllegalStateException.class, scope::close));
              });
      other.start();
      other.join();
      elsewhere = made.get();
      assertTrue(wrong.get().getMessage().startsWith("the scope belongs to the thread "));
    }
    for (Tensor gone : List.of(inside, lifted)) assertEquals("closed tensor", gone.toString());
    for (Tensor there : List.of(before, kept, elsewhere)) {
      assertEquals(1, there.count());
      there.close();
    }
    TensorScope outer = Weft.scope();
    TensorScope forgotten = Weft.scope();
    Tensor tensor = Tensor.scalar(7f);
    outer.close();
    forgotten.close();
    assertEquals("closed scope", forgotten.toString());
    assertEquals("closed tensor", tensor.toString());
    assertThrows(IllegalStateException.class, () -> outer.keep(before));
    try (Tensor free = Tensor.scalar(8f)) {
      assertEquals(8f, free.toFloat());
    }
  }

  @Test
  void wrongTypeNamesBoth() {
    try (Tensor tensor = Tensor.of(new long[] {1, 2})) {
      String message = assertThrows(IllegalArgumentException.class, tensor::toFloatArray).getMessage();
      assertTrue(message.contains("i64[2]") && message.contains("f32"), message);
      message = assertThrows(IllegalArgumentException.class, tensor::toLong).getMessage();
      assertTrue(message.contains("2 elements"), message);
    }
  }

  @Test
  void wrongShapes() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> Tensor.of(new float[5], 2, 3)).getMessage();
    assertTrue(message.contains("[2, 3]") && message.contains("5"), message);
    assertThrows(IllegalArgumentException.class, () -> Tensor.of(new float[4], -2, -2));
    assertThrows(IllegalArgumentException.class, () -> Tensor.of(new float[0], Long.MAX_VALUE, 4));
    assertThrows(IllegalArgumentException.class, () -> Tensor.of(new float[][] {{1, 2}, {3}}));
    assertThrows(WeftException.InvalidArgument.class, () -> Tensor.zeros(DataType.F32, -1));
    assertThrows(WeftException.class, () -> Tensor.zeros(DataType.F32, 1L << 62, 1L << 62));
    assertThrows(
        IllegalArgumentException.class, () -> Tensor.ofBytes(DataType.F32, new byte[3], 1));
  }

  @Test
  void bufferSharesAndOutlivesItsTensor() {
    Tensor tensor = Tensor.of(new float[] {1, 2, 3, 4});
    FloatBuffer view = tensor.buffer().asFloatBuffer();
    view.put(2, 30);
    assertArrayEquals(new float[] {1, 2, 30, 4}, tensor.toFloatArray());
    tensor.close();
    for (int i = 0; i < 5; ++i) {
      System.gc();
      try (Tensor other = Tensor.of(new float[] {9, 9, 9, 9})) {
        assertEquals(30, view.get(2));
      }
    }
    assertEquals(4, view.capacity());
  }

  @Test
  void wrapDoesNotCopyAndKeepsTheBuffer() throws Exception {
    ByteBuffer buffer = ByteBuffer.allocateDirect(16).order(ByteOrder.nativeOrder());
    buffer.asFloatBuffer().put(new float[] {1, 2, 3, 4});
    WeakReference<ByteBuffer> seen = new WeakReference<>(buffer);
    Tensor tensor = Tensor.wrap(DataType.F32, buffer, 2, 2);
    buffer.putFloat(4, 20);
    assertArrayEquals(new float[] {1, 20, 3, 4}, tensor.toFloatArray());
    buffer = null;
    for (int i = 0; i < 5; ++i) System.gc();
    assertArrayEquals(new float[] {1, 20, 3, 4}, tensor.toFloatArray());
    assertTrue(seen.get() != null);
    tensor.close();
    Collector.runUntil(() -> seen.get() == null);
    assertTrue(seen.get() == null, "the buffer is still held");
  }

  @Test
  void wrapHeedsPositionAndReadOnly() {
    ByteBuffer buffer = ByteBuffer.allocateDirect(32).order(ByteOrder.nativeOrder());
    buffer.putLong(8, 5).putLong(16, 6);
    buffer.position(8).limit(24);
    ByteBuffer readOnly = buffer.asReadOnlyBuffer().order(ByteOrder.nativeOrder());
    try (Tensor tensor = Tensor.wrap(DataType.I64, readOnly, 2)) {
      assertArrayEquals(new long[] {5, 6}, tensor.toLongArray());
      assertThrows(ReadOnlyBufferException.class, () -> tensor.buffer().putLong(0, 1));
    }
  }

  @Test
  void wrapRefusesOtherBuffers() {
    assertThrows(IllegalArgumentException.class, () -> Tensor.wrap(DataType.F32, ByteBuffer.allocate(4), 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> Tensor.wrap(DataType.F32, ByteBuffer.allocateDirect(4).order(ByteOrder.BIG_ENDIAN), 1));
    ByteBuffer buffer = ByteBuffer.allocateDirect(16).order(ByteOrder.nativeOrder());
    assertThrows(WeftException.InvalidArgument.class, () -> Tensor.wrap(DataType.F32, buffer, 5));
    assertThrows(
        WeftException.InvalidArgument.class, () -> Tensor.wrap(DataType.F32, buffer.position(1).limit(5), 1));
  }

  @Test
  void sequencesShareTheirItems() {
    try (Tensor a = Tensor.scalar(1L);
        Tensor b = Tensor.scalar(2L);
        Tensor sequence = Tensor.sequence(List.of(a, b))) {
      assertEquals(Tensor.Kind.SEQUENCE, sequence.kind());
      assertEquals(2, sequence.count());
      a.close();
      try (Tensor item = sequence.at(0)) {
        assertEquals(1, item.toLong());
      }
      assertThrows(WeftException.class, () -> sequence.at(2));
      assertThrows(WeftException.class, () -> sequence.at(-1));
      assertThrows(IllegalArgumentException.class, sequence::buffer);
    }
  }

  @Test
  void copyAndReshape() {
    try (Tensor tensor = Tensor.of(new int[] {1, 2, 3, 4});
        Tensor copy = tensor.copy();
        Tensor shared = tensor.reshape(2, 2)) {
      tensor.buffer().putInt(0, 10);
      assertArrayEquals(new int[] {1, 2, 3, 4}, copy.toIntArray());
      assertArrayEquals(new int[] {10, 2, 3, 4}, shared.toIntArray());
      assertArrayEquals(new long[] {2, 2}, shared.shape());
      assertThrows(WeftException.InvalidArgument.class, () -> tensor.reshape(3));
    }
  }

  @Test
  void emptyTensors() {
    try (Tensor tensor = Tensor.zeros(DataType.F32, 0, 3)) {
      assertEquals(0, tensor.toFloatArray().length);
      assertEquals(0, tensor.buffer().capacity());
    }
    try (Tensor tensor = Tensor.of(new float[0])) {
      assertArrayEquals(new long[] {0}, tensor.shape());
    }
  }

  @Test
  void filesKeepNamesAndValues(@TempDir Path folder) throws Exception {
    Path path = folder.resolve("größe.safetensors");
    try (Tensor a = Tensor.of(new float[] {1, 2});
        Tensor b = Tensor.of(new long[] {3})) {
      Map<String, Tensor> saved = new LinkedHashMap<>();
      saved.put("b", b);
      saved.put("a/ä", a);
      Weft.saveTensors(path, saved);
    }
    Map<String, Tensor> loaded = Weft.loadTensors(path);
    assertEquals(2, loaded.size());
    assertArrayEquals(new float[] {1, 2}, loaded.get("a/ä").toFloatArray());
    assertArrayEquals(new long[] {3}, loaded.get("b").toLongArray());
    loaded.values().forEach(Tensor::close);
    Map<String, Tensor> mapped = Weft.loadTensors(path, new LoadOptions().map(true));
    assertArrayEquals(new float[] {1, 2}, mapped.get("a/ä").toFloatArray());
    mapped.values().forEach(Tensor::close);
    WeftException e =
        assertThrows(WeftException.NotFound.class, () -> Weft.loadTensors(folder.resolve("none.safetensors")));
    assertEquals(ErrorCode.NOT_FOUND, e.code());
    Files.write(path, new byte[] {1, 2, 3});
    assertThrows(WeftException.class, () -> Weft.loadTensors(path));
  }

  @Test
  void closeTwiceAndUseAfter() {
    Tensor tensor = Tensor.scalar(1f);
    tensor.close();
    tensor.close();
    assertEquals("closed tensor", tensor.toString());
    String message = assertThrows(IllegalStateException.class, tensor::toFloat).getMessage();
    assertEquals("the tensor is closed", message);
    assertFalse(message.isEmpty());
  }

  @Test
  @SuppressWarnings({"rawtypes", "unchecked"})
  void whatARawMapHoldsIsNamed(@TempDir Path folder) {
    Path file = folder.resolve("nowhere.safetensors");
    try (Tensor tensor = Tensor.scalar(1f)) {
      IllegalArgumentException name =
          assertThrows(IllegalArgumentException.class, () -> Weft.saveTensors(file, (Map) Map.of(5, tensor)));
      assertEquals("a name must be a String but is of class java.lang.Integer", name.getMessage());
      IllegalArgumentException value =
          assertThrows(IllegalArgumentException.class, () -> Weft.saveTensors(file, (Map) Map.of("a", "b")));
      assertEquals("tensors[a] must be a Tensor but is of class java.lang.String", value.getMessage());
    }
    assertFalse(Files.exists(file));
  }
}
