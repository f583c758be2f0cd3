// Tensors and other values.
package io.weft;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * A value: a tensor (row-major elements of one type), or a sequence, optional or map of them. The elements live outside
 * Java's heap until this object is closed and no run and no buffer uses them any more. They may lie on a device ({@link
 * #device}), where what reads or writes them here is {@link WeftException.FailedPrecondition} and {@link #to} copies them.
 */
public final class Tensor extends Handle {
  /** What a value is. */
  public enum Kind {
    /** Elements of one type, with a shape. */
    TENSOR,
    /** A list of values. */
    SEQUENCE,
    /** One value or none. */
    OPTIONAL,
    /** Keys and values. */
    MAP
  }

  private volatile TensorScope scope = TensorScope.enter(this);

  Tensor(long pointer) {
    super(pointer, Native::tensorFree);
  }

  /** Makes it belong to another scope; null for none. */
  void moveTo(TensorScope other) {
    scope = other;
    if (other != null) other.take(this);
  }

  /** Closes this tensor; a call that uses it at this moment still ends well. Closing again does nothing. */
  @Override
  public void close() {
    super.close();
    if (scope != null) scope.forget(this);
  }

  @Override
  String what() {
    return "tensor";
  }

  /** A second native handle of a value. */
  static long shareNative(long pointer) {
    long sequence = Native.tensorNewSequence(new long[] {pointer});
    try {
      return Native.tensorAt(sequence, 0);
    } finally {
      Native.tensorFree(sequence);
    }
  }

  static Tensor share(long pointer) {
    return new Tensor(shareNative(pointer));
  }

  /**
   * Makes a tensor of zeros, or of empty strings.
   *
   * @param dtype the type of the elements
   * @param shape the dimensions; none make a scalar
   * @return the tensor
   */
  public static Tensor zeros(DataType dtype, long... shape) {
    return new Tensor(Native.tensorNew(Check.notNull(dtype, "dtype").number(), Check.notNull(shape, "shape")));
  }

  // A tensor whose elements `fill` writes.
  private static Tensor filled(DataType dtype, int count, long[] shape, java.util.function.Consumer<ByteBuffer> fill) {
    long[] dims = Check.notNull(shape, "shape").length == 0 ? new long[] {count} : shape;
    checkCount(count, dims);
    Tensor tensor = zeros(dtype, dims);
    fill.accept(tensor.borrowed(true));
    return tensor;
  }

  private static void checkCount(long count, long[] dims) {
    long wanted = 1;
    try {
      for (long dim : dims) wanted = Math.multiplyExact(wanted, dim);
    } catch (ArithmeticException e) {
      wanted = -1;
    }
    Check.argument(
        wanted == count && Arrays.stream(dims).allMatch(dim -> dim >= 0),
        "the shape " + Arrays.toString(dims) + " does not have " + count + " elements");
  }

  /**
   * Makes an f32 tensor from a copy of numbers.
   *
   * @param values the elements
   * @param shape the dimensions; without them the tensor has one, the length
   * @return the tensor
   */
  public static Tensor of(float[] values, long... shape) {
    Check.notNull(values, "values");
    return filled(DataType.F32, values.length, shape, to -> to.asFloatBuffer().put(values));
  }

  /**
   * Makes an f32 matrix from a copy of rows of the same length.
   *
   * @param rows the rows
   * @return the tensor
   */
  public static Tensor of(float[][] rows) {
    int columns = Check.notNull(rows, "rows").length == 0 ? 0 : Check.notNull(rows[0], "rows[0]").length;
    float[] values = new float[Math.multiplyExact(rows.length, columns)];
    for (int i = 0; i < rows.length; ++i) {
      Check.notNull(rows[i], "rows[" + i + "]");
      Check.argument(
          rows[i].length == columns, "row " + i + " has " + rows[i].length + " numbers, and row 0 has " + columns);
      System.arraycopy(rows[i], 0, values, i * columns, columns);
    }
    return of(values, rows.length, columns);
  }

  /**
   * Makes an f64 tensor from a copy of numbers.
   *
   * @param values the elements
   * @param shape the dimensions; without them the tensor has one, the length
   * @return the tensor
   */
  public static Tensor of(double[] values, long... shape) {
    Check.notNull(values, "values");
    return filled(DataType.F64, values.length, shape, to -> to.asDoubleBuffer().put(values));
  }

  /**
   * Makes an i64 tensor from a copy of numbers.
   *
   * @param values the elements
   * @param shape the dimensions; without them the tensor has one, the length
   * @return the tensor
   */
  public static Tensor of(long[] values, long... shape) {
    Check.notNull(values, "values");
    return filled(DataType.I64, values.length, shape, to -> to.asLongBuffer().put(values));
  }

  /**
   * Makes an i32 tensor from a copy of numbers.
   *
   * @param values the elements
   * @param shape the dimensions; without them the tensor has one, the length
   * @return the tensor
   */
  public static Tensor of(int[] values, long... shape) {
    Check.notNull(values, "values");
    return filled(DataType.I32, values.length, shape, to -> to.asIntBuffer().put(values));
  }

  /**
   * Makes a bool tensor from a copy of truth values.
   *
   * @param values the elements
   * @param shape the dimensions; without them the tensor has one, the length
   * @return the tensor
   */
  public static Tensor of(boolean[] values, long... shape) {
    Check.notNull(values, "values");
    return filled(
        DataType.BOOL,
        values.length,
        shape,
        to -> {
          for (boolean value : values) to.put((byte) (value ? 1 : 0));
        });
  }

  /**
   * Makes a tensor of strings, kept as UTF-8.
   *
   * @param values the elements
   * @param shape the dimensions; without them the tensor has one, the length
   * @return the tensor
   */
  public static Tensor of(String[] values, long... shape) {
    List<String> items = Check.items(Arrays.asList(Check.notNull(values, "values")), "values");
    return of(items.stream().map(item -> item.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new), shape);
  }

  /**
   * Makes a tensor of strings from their bytes, which may be any.
   *
   * @param values the elements
   * @param shape the dimensions; without them the tensor has one, the length
   * @return the tensor
   */
  public static Tensor of(byte[][] values, long... shape) {
    List<byte[]> items = Check.items(Arrays.asList(Check.notNull(values, "values")), "values");
    long[] dims = Check.notNull(shape, "shape").length == 0 ? new long[] {values.length} : shape;
    checkCount(values.length, dims);
    return new Tensor(Native.tensorNewStrings(dims, items.toArray(byte[][]::new)));
  }

  /**
   * Makes an f32 scalar.
   *
   * @param value the element
   * @return the tensor
   */
  public static Tensor scalar(float value) {
    return scalarOf(DataType.F32, to -> to.putFloat(value));
  }

  /**
   * Makes an f64 scalar.
   *
   * @param value the element
   * @return the tensor
   */
  public static Tensor scalar(double value) {
    return scalarOf(DataType.F64, to -> to.putDouble(value));
  }

  /**
   * Makes an i64 scalar.
   *
   * @param value the element
   * @return the tensor
   */
  public static Tensor scalar(long value) {
    return scalarOf(DataType.I64, to -> to.putLong(value));
  }

  /**
   * Makes a bool scalar.
   *
   * @param value the element
   * @return the tensor
   */
  public static Tensor scalar(boolean value) {
    return scalarOf(DataType.BOOL, to -> to.put((byte) (value ? 1 : 0)));
  }

  private static Tensor scalarOf(DataType dtype, java.util.function.Consumer<ByteBuffer> fill) {
    Tensor tensor = zeros(dtype);
    fill.accept(tensor.borrowed(true));
    return tensor;
  }

  /**
   * Makes a tensor from a copy of its bytes, in native order.
   *
   * @param dtype the type of the elements, not strings
   * @param bytes the elements
   * @param shape the dimensions; none make a scalar
   * @return the tensor
   */
  public static Tensor ofBytes(DataType dtype, byte[] bytes, long... shape) {
    Check.notNull(bytes, "bytes");
    Tensor tensor = zeros(dtype, shape);
    ByteBuffer to = tensor.borrowed(true);
    if (to.capacity() != bytes.length) {
      String text = tensor.toString();
      tensor.close();
      throw new IllegalArgumentException(
          "the tensor " + text + " has " + to.capacity() + " bytes, not " + bytes.length);
    }
    to.put(bytes);
    return tensor;
  }

  /**
   * Makes a tensor over the memory of a direct buffer, from its position to its limit, without a copy. The buffer is kept
   * alive as long as it is used; of a read-only buffer the tensor is read-only.
   *
   * @param dtype the type of the elements
   * @param buffer a direct buffer in native byte order
   * @param shape the dimensions; none make a scalar
   * @return the tensor
   */
  public static Tensor wrap(DataType dtype, ByteBuffer buffer, long... shape) {
    Check.notNull(dtype, "dtype");
    Check.notNull(shape, "shape");
    Check.argument(
        Check.notNull(buffer, "buffer").isDirect(),
        "the buffer is not direct; use ByteBuffer.allocateDirect, or Tensor.of for a copy");
    Check.argument(
        buffer.order() == ByteOrder.nativeOrder(),
        "the buffer's byte order is " + buffer.order() + "; set it to ByteOrder.nativeOrder()");
    long address = Memory.address(buffer) + buffer.position();
    return new Tensor(
        Native.tensorBorrow(dtype.number(), shape, address, buffer.remaining(), buffer.isReadOnly() ? 0 : 1, buffer));
  }

  /**
   * Makes a tensor over the elements of another library of the process, without a copy: of a DLPack tensor of version 1.
   * It is taken over: its deleter is called once, when the last holder of the elements has let go. After an error it is
   * still the caller's. Where it says so, the tensor is read-only. Elements may lie on a device that has been loaded; what
   * writes them must be done, or be ordered before what is put on its default stream, for which this waits.
   *
   * @param managed the address of a DLManagedTensorVersioned, which nobody else takes over
   * @return the tensor
   */
  public static Tensor fromDlpack(long managed) {
    return new Tensor(Native.tensorBorrowDlpack(managed, 1));
  }

  /**
   * The same for a DLPack tensor of before version 1.
   *
   * @param managed the address of a DLManagedTensor, which nobody else takes over
   * @return the tensor
   */
  public static Tensor fromDlpackUnversioned(long managed) {
    return new Tensor(Native.tensorBorrowDlpack(managed, 0));
  }

  /**
   * Makes a sequence of values; the elements are shared.
   *
   * @param items the values
   * @return the sequence
   */
  public static Tensor sequence(List<Tensor> items) {
    List<Tensor> held = Check.items(items, "items");
    long[] pointers = acquireAll(held);
    try {
      return new Tensor(Native.tensorNewSequence(pointers));
    } finally {
      releaseAll(held);
    }
  }

  /**
   * Makes an optional, whose {@link #count} is 1 or 0; the elements are shared.
   *
   * @param element the tensor or sequence that it holds; null for an empty one
   * @return the optional
   */
  public static Tensor optional(Tensor element) {
    if (element == null) return new Tensor(Native.tensorNewOptional(0));
    long pointer = element.acquire();
    try {
      return new Tensor(Native.tensorNewOptional(pointer));
    } finally {
      element.release();
    }
  }

  /**
   * Makes a map; the elements are shared.
   *
   * @param keys the keys, [n]: i64 or strings, none of them twice
   * @param values as many values
   * @return the map
   */
  public static Tensor map(Tensor keys, Tensor values) {
    List<Tensor> held = List.of(Check.notNull(keys, "keys"), Check.notNull(values, "values"));
    long[] pointers = acquireAll(held);
    try {
      return new Tensor(Native.tensorNewMap(pointers[0], pointers[1]));
    } finally {
      releaseAll(held);
    }
  }

  /**
   * Makes a map of a copy of one. Its keys are all of the class String or Long, and so are its values, or Float or Double.
   *
   * @param entries the entries, at least one
   * @return the map
   */
  public static Tensor map(Map<?, ?> entries) {
    Check.notNull(entries, "entries");
    try (Tensor keys = Maps.tensorOf(entries.keySet(), "keys");
        Tensor values = Maps.tensorOf(entries.values(), "values")) {
      return map(keys, values);
    }
  }

  /**
   * A copy of the entries of a map, in its order.
   *
   * @param keys what its keys are: String.class or Long.class
   * @param values what its values are: String.class, Long.class, Float.class or Double.class
   * @return the entries
   * @param <K> the class of the keys
   * @param <V> the class of the values
   */
  public <K, V> Map<K, V> toMap(Class<K> keys, Class<V> values) {
    if (kind() != Kind.MAP) throw new IllegalArgumentException("the value is a " + this + ", and this reads maps");
    try (Tensor from = at(0);
        Tensor to = at(1)) {
      return Maps.mapOf(Maps.listOf(from, keys), Maps.listOf(to, values));
    }
  }

  /**
   * A copy of all maps of a sequence, such as what ZipMap gives.
   *
   * @param keys what their keys are: String.class or Long.class
   * @param values what their values are: String.class, Long.class, Float.class or Double.class
   * @return the maps
   * @param <K> the class of the keys
   * @param <V> the class of the values
   */
  public <K, V> List<Map<K, V>> toMaps(Class<K> keys, Class<V> values) {
    if (kind() != Kind.SEQUENCE) {
      throw new IllegalArgumentException("the value is a " + this + ", and this reads sequences");
    }
    List<Map<K, V>> maps = new ArrayList<>();
    for (long i = 0; i < count(); ++i) {
      try (Tensor item = at(i)) {
        maps.add(item.toMap(keys, values));
      }
    }
    return maps;
  }

  /**
   * What this value is.
   *
   * @return the kind
   */
  public Kind kind() {
    return Kind.values()[(int) number(Native::tensorKind)];
  }

  /**
   * The type of the elements.
   *
   * @return the type
   */
  public DataType dtype() {
    return DataType.of((int) number(Native::tensorDtype));
  }

  /**
   * The number of dimensions.
   *
   * @return the rank
   */
  public int rank() {
    return (int) number(Native::tensorRank);
  }

  /**
   * The number of elements, or of items of a sequence.
   *
   * @return the number
   */
  public long count() {
    return number(Native::tensorCount);
  }

  /**
   * The size of the elements.
   *
   * @return the bytes
   */
  public long byteSize() {
    return number(Native::tensorBytes);
  }

  private long number(java.util.function.LongUnaryOperator get) {
    long pointer = acquire();
    try {
      return get.applyAsLong(pointer);
    } finally {
      release();
    }
  }

  /**
   * The dimensions.
   *
   * @return a new array
   */
  public long[] shape() {
    long pointer = acquire();
    try {
      return Memory.longs(Native.tensorDims(pointer), Native.tensorRank(pointer));
    } finally {
      release();
    }
  }

  /**
   * Where the elements lie.
   *
   * @return "cpu", which is the process's memory, or the name of a device
   */
  public String device() {
    long pointer = acquire();
    try {
      return Native.tensorDevice(pointer);
    } finally {
      release();
    }
  }

  /**
   * The same elements on a device: shared if they lie there already, else copied.
   *
   * @param device one of {@link Weft#devices}; "cpu" is the process's memory
   * @return the tensor
   */
  public Tensor to(String device) {
    Check.notNull(device, "device");
    return made(pointer -> Native.tensorTo(pointer, device));
  }

  // Where the elements begin. For elements on a device, an error that says how to copy them.
  private static long address(long pointer) {
    long data = Native.tensorData(pointer);
    if (data == 0 && Native.tensorBytes(pointer) > 0) Native.bufferFree(Native.tensorBuffer(pointer));
    return data;
  }

  // The elements; valid while this object is open, so only for use within a method of it.
  private ByteBuffer borrowed(boolean writable) {
    long pointer = acquire();
    try {
      long data = writable ? Native.tensorMutable(pointer) : address(pointer);
      return Memory.buffer(data, Native.tensorBytes(pointer));
    } finally {
      release();
    }
  }

  /**
   * The elements without a copy. The buffer keeps the memory alive, also when this tensor is closed; writes to it are
   * seen by all who share the elements. It is read-only if the tensor is.
   *
   * @return a direct buffer in native order
   */
  public ByteBuffer buffer() {
    checkElements();
    long pointer = acquire();
    try {
      ByteBuffer buffer = Memory.buffer(address(pointer), Native.tensorBytes(pointer));
      long hold = Native.tensorBuffer(pointer);
      // Slices and views of the buffer refer to it, so it is unreachable only when they are, too.
      CLEANER.register(buffer, () -> Native.bufferFree(hold));
      try {
        Native.tensorMutable(pointer);
        return buffer;
      } catch (WeftException.FailedPrecondition readOnly) {
        return buffer.asReadOnlyBuffer().order(ByteOrder.nativeOrder());
      }
    } finally {
      release();
    }
  }

  /**
   * The elements for another library of the process, without a copy: as a DLPack tensor of version 1. It keeps the
   * elements alive, also when this tensor is closed, until whoever takes it over calls its deleter, once. {@link
   * #fromDlpack} takes it over, too. On a device they have been written, so every stream may read them; the deleter waits
   * for the device's default stream.
   *
   * @return the address of a DLManagedTensorVersioned
   */
  public long toDlpack() {
    return number(pointer -> Native.tensorDlpack(pointer, 1));
  }

  /**
   * The same as a DLPack tensor of before version 1, which cannot say that elements are read-only: of a tensor that is,
   * this is {@link WeftException.FailedPrecondition}.
   *
   * @return the address of a DLManagedTensor
   */
  public long toDlpackUnversioned() {
    return number(pointer -> Native.tensorDlpack(pointer, 0));
  }

  private void checkElements() {
    if (kind() != Kind.TENSOR || dtype() == DataType.STRING) {
      throw new IllegalArgumentException("the elements of " + this + " are not numbers");
    }
  }

  // Runs `read` on the elements while they are held.
  private <T> T read(List<DataType> wanted, java.util.function.BiFunction<ByteBuffer, Integer, T> read) {
    long pointer = acquire();
    try {
      DataType dtype = DataType.of(Native.tensorDtype(pointer));
      if (Native.tensorKind(pointer) != 0 || !wanted.contains(dtype)) {
        throw new IllegalArgumentException(
            "the tensor is " + Memory.text(Native.tensorText(pointer)) + ", and this reads " + wanted);
      }
      long count = Native.tensorCount(pointer);
      if (count > Integer.MAX_VALUE) {
        throw new IllegalStateException("a Java array cannot hold " + count + " elements");
      }
      return read.apply(Memory.buffer(address(pointer), Native.tensorBytes(pointer)), (int) count);
    } finally {
      release();
    }
  }

  /**
   * A copy of the elements of an f32 tensor.
   *
   * @return the elements, row by row
   */
  public float[] toFloatArray() {
    return read(
        List.of(DataType.F32),
        (from, count) -> {
          float[] values = new float[count];
          from.asFloatBuffer().get(values);
          return values;
        });
  }

  /**
   * A copy of the elements of an f32 matrix.
   *
   * @return the rows
   */
  public float[][] toFloatMatrix() {
    long[] shape = shape();
    if (shape.length != 2) throw new IllegalArgumentException("the tensor is " + this + ", not a matrix");
    float[] values = toFloatArray();
    int columns = Math.toIntExact(shape[1]);
    float[][] rows = new float[Math.toIntExact(shape[0])][];
    for (int i = 0; i < rows.length; ++i) rows[i] = Arrays.copyOfRange(values, i * columns, (i + 1) * columns);
    return rows;
  }

  /**
   * A copy of the elements of an f64 tensor.
   *
   * @return the elements, row by row
   */
  public double[] toDoubleArray() {
    return read(
        List.of(DataType.F64),
        (from, count) -> {
          double[] values = new double[count];
          from.asDoubleBuffer().get(values);
          return values;
        });
  }

  /**
   * A copy of the elements of an i64 or u64 tensor.
   *
   * @return the elements, row by row
   */
  public long[] toLongArray() {
    return read(
        List.of(DataType.I64, DataType.U64),
        (from, count) -> {
          long[] values = new long[count];
          from.asLongBuffer().get(values);
          return values;
        });
  }

  /**
   * A copy of the elements of an i32 or u32 tensor.
   *
   * @return the elements, row by row
   */
  public int[] toIntArray() {
    return read(
        List.of(DataType.I32, DataType.U32),
        (from, count) -> {
          int[] values = new int[count];
          from.asIntBuffer().get(values);
          return values;
        });
  }

  /**
   * A copy of the elements of a bool tensor.
   *
   * @return the elements, row by row
   */
  public boolean[] toBooleanArray() {
    return read(
        List.of(DataType.BOOL),
        (from, count) -> {
          boolean[] values = new boolean[count];
          for (int i = 0; i < count; ++i) values[i] = from.get(i) != 0;
          return values;
        });
  }

  /**
   * A copy of the elements of a string tensor, read as UTF-8.
   *
   * @return the elements, row by row
   */
  public String[] toStringArray() {
    return Arrays.stream(toBytesArray())
        .map(bytes -> new String(bytes, StandardCharsets.UTF_8))
        .toArray(String[]::new);
  }

  /**
   * A copy of the bytes of each element of a string tensor.
   *
   * @return the elements, row by row
   */
  public byte[][] toBytesArray() {
    long pointer = acquire();
    try {
      if (Native.tensorKind(pointer) != 0 || Native.tensorDtype(pointer) != DataType.STRING.number()) {
        throw new IllegalArgumentException(
            "the tensor is " + Memory.text(Native.tensorText(pointer)) + ", and this reads strings");
      }
      byte[][] values = new byte[Math.toIntExact(Native.tensorCount(pointer))][];
      for (int i = 0; i < values.length; ++i) values[i] = Native.tensorString(pointer, i);
      return values;
    } finally {
      release();
    }
  }

  /**
   * A copy of the bytes of the elements, in native order.
   *
   * @return the bytes
   */
  public byte[] toByteArray() {
    checkElements();
    byte[] values = new byte[Math.toIntExact(byteSize())];
    long pointer = acquire();
    try {
      Memory.buffer(address(pointer), values.length).get(values);
    } finally {
      release();
    }
    return values;
  }

  private static void checkOne(int count) {
    if (count != 1) throw new IllegalArgumentException("the tensor has " + count + " elements, not one");
  }

  /**
   * The only element of a floating-point tensor.
   *
   * @return the element
   */
  public double toDouble() {
    return read(
        List.of(DataType.F32, DataType.F64),
        (from, count) -> {
          checkOne(count);
          return from.capacity() == 4 ? (double) from.getFloat(0) : from.getDouble(0);
        });
  }

  /**
   * The only element of an f32 tensor.
   *
   * @return the element
   */
  public float toFloat() {
    return read(
        List.of(DataType.F32),
        (from, count) -> {
          checkOne(count);
          return from.getFloat(0);
        });
  }

  /**
   * The only element of an i64 or i32 tensor.
   *
   * @return the element
   */
  public long toLong() {
    return read(
        List.of(DataType.I64, DataType.I32),
        (from, count) -> {
          checkOne(count);
          return from.capacity() == 4 ? (long) from.getInt(0) : from.getLong(0);
        });
  }

  /**
   * An item of a sequence or optional; of a map, 0 is the keys and 1 the values.
   *
   * @param i the index
   * @return the item
   */
  public Tensor at(long i) {
    return made(pointer -> Native.tensorAt(pointer, i));
  }

  /**
   * A tensor with elements of its own, on the same device.
   *
   * @return the copy
   */
  public Tensor copy() {
    return made(Native::tensorCopy);
  }

  /**
   * The same elements under another shape, shared.
   *
   * @param shape the dimensions
   * @return the tensor
   */
  public Tensor reshape(long... shape) {
    Check.notNull(shape, "shape");
    return made(pointer -> Native.tensorReshape(pointer, shape));
  }

  private Tensor made(java.util.function.LongUnaryOperator make) {
    return new Tensor(number(make));
  }

  /**
   * Type and shape.
   *
   * @return such as "f32[2, 3]", or "f32[2, 3] on cuda:0"
   */
  @Override
  public String toString() {
    long pointer = tryAcquire();
    if (pointer == 0) return "closed tensor";
    try {
      return Memory.text(Native.tensorText(pointer));
    } finally {
      release();
    }
  }
}
