// The element types.
package io.weft;

/** The type of a tensor's elements. */
public enum DataType {
  /** 32-bit floating point. */
  F32,
  /** 8-bit unsigned integer. */
  U8,
  /** 8-bit integer. */
  I8,
  /** 16-bit unsigned integer. */
  U16,
  /** 16-bit integer. */
  I16,
  /** 32-bit integer. */
  I32,
  /** 64-bit integer. */
  I64,
  /** Text or bytes. */
  STRING,
  /** True or false, one byte. */
  BOOL,
  /** IEEE half precision. */
  F16,
  /** 64-bit floating point. */
  F64,
  /** 32-bit unsigned integer. */
  U32,
  /** 64-bit unsigned integer. */
  U64,
  /** Complex number of two 32-bit floats. */
  C64,
  /** Complex number of two 64-bit floats. */
  C128,
  /** The upper half of a 32-bit float. */
  BF16,
  /** 8-bit float with 4 bits of exponent. */
  F8E4M3FN,
  /** 8-bit float with 4 bits of exponent and no negative zero. */
  F8E4M3FNUZ,
  /** 8-bit float with 5 bits of exponent. */
  F8E5M2,
  /** 8-bit float with 5 bits of exponent and no negative zero. */
  F8E5M2FNUZ,
  /** 4-bit unsigned integer, two in a byte. */
  U4,
  /** 4-bit integer, two in a byte. */
  I4,
  /** 4-bit float, two in a byte. */
  F4E2M1,
  /** 8-bit power of two. */
  F8E8M0,
  /** 2-bit unsigned integer, four in a byte. */
  U2,
  /** 2-bit integer, four in a byte. */
  I2;

  private final String text = name().toLowerCase(java.util.Locale.ROOT);

  /** The number of this type, which is ONNX's. */
  int number() {
    return ordinal() + 1;
  }

  /** The type of that number; null for 0, unknown. */
  static DataType of(int number) {
    return number < 1 || number > values().length ? null : values()[number - 1];
  }

  /**
   * The type of a name.
   *
   * @param name such as "f32"
   * @return the type
   * @throws IllegalArgumentException if there is none of that name
   */
  public static DataType find(String name) {
    DataType found = of(Native.dtypeFind(Check.notNull(name, "name")));
    Check.argument(found != null, "there is no element type '" + name + "'");
    return found;
  }

  /** Whether an element can be the number; floating point may round it. */
  boolean holds(double number) {
    if (text.contains("f")) return true;
    if (number != Math.rint(number)) return false;
    if (this == BOOL) return number == 0 || number == 1;
    boolean signed = text.startsWith("i");
    if (!signed && !text.startsWith("u")) return true;
    double limit = Math.scalb(1.0, signed ? bits() - 1 : bits());
    return number >= (signed ? -limit : 0) && number < limit;
  }

  /**
   * The bits of an element.
   *
   * @return the bits, 0 for strings
   */
  public int bits() {
    return Native.dtypeBits(number());
  }

  /**
   * The name in messages and shapes.
   *
   * @return such as "f32"
   */
  @Override
  public String toString() {
    return text;
  }
}
