// Element types, and the types of Go that hold them.

package weft

/*
#include "open.h"
*/
import "C"

import (
	"fmt"
	"math"
)

// DType is the element type of a tensor or value; 0 is unknown.
type DType int32

// String is the name of the type, such as "f32".
func (d DType) String() string {
	if name, known := dtypeNames[d]; known {
		return name
	}
	return fmt.Sprintf("dtype(%d)", int32(d))
}

// Bits is the size of an element: less than 8 where several share a byte; 0 for String, and for what is no type.
func (d DType) Bits() int {
	if load() != nil {
		return 0
	}
	return max(0, int(C.wg_dtype_bits(C.int32_t(d))))
}

// holds tells whether an element can be the number; floating point may round it.
func (d DType) holds(number float64) bool {
	if d == Bool {
		return number == 0 || number == 1
	}
	least, limit := 0.0, math.Ldexp(1, d.Bits())
	switch d.String()[0] {
	case 'i':
		limit /= 2
		least = -limit
	case 'u':
	default:
		return true
	}
	return number == math.Trunc(number) && least <= number && number < limit
}

// MarshalText is the name of the type.
func (d DType) MarshalText() ([]byte, error) {
	if _, known := dtypeNames[d]; !known {
		return nil, newError(InvalidArgument, "there is no element type %d", int32(d))
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads the name of a type.
func (d *DType) UnmarshalText(text []byte) error {
	found, err := ParseDType(string(text))
	if err == nil {
		*d = found
	}
	return err
}

// ParseDType is the element type of that name, such as "f32".
func ParseDType(name string) (DType, error) {
	for dtype, known := range dtypeNames {
		if known == name {
			return dtype, nil
		}
	}
	return 0, newError(NotFound, "there is no element type %q; there are f32, f64, i64, bool and others", name)
}

// Number is the types of Go whose slices are laid out as tensors are.
type Number interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool | complex64 |
		complex128 | Float16 | BFloat16
}

// Element is the types of Go that the elements of tensors can have.
type Element interface{ Number | string }

// DTypeOf is the element type that T stands for.
func DTypeOf[T Element]() DType {
	var zero T
	return dtypeOf(zero)
}

func dtypeOf(value any) DType {
	switch value.(type) {
	case float32:
		return F32
	case float64:
		return F64
	case int8:
		return I8
	case int16:
		return I16
	case int32:
		return I32
	case int64:
		return I64
	case uint8:
		return U8
	case uint16:
		return U16
	case uint32:
		return U32
	case uint64:
		return U64
	case bool:
		return Bool
	case complex64:
		return C64
	case complex128:
		return C128
	case Float16:
		return F16
	case BFloat16:
		return BF16
	case string:
		return String
	}
	return 0
}

// Float16 is a number of 16 bits, as IEEE 754 has it.
type Float16 uint16

// BFloat16 is the upper half of a float32.
type BFloat16 uint16

// NewFloat16 is the nearest Float16, ties to even.
func NewFloat16(value float32) Float16 {
	bits := math.Float32bits(value)
	sign := uint16(bits >> 16 & 0x8000)
	exponent, fraction := int(bits>>23&0xff)-127+15, bits&0x7fffff
	switch {
	case bits&0x7fffffff > 0x7f800000:
		return Float16(sign | 0x7e00)
	case exponent >= 31:
		return Float16(sign | 0x7c00)
	case exponent <= -11:
		return Float16(sign)
	case exponent <= 0:
		fraction |= 0x800000
		return Float16(sign | uint16(roundShift(fraction, uint(14-exponent))))
	}
	// A carry out of the fraction moves into the exponent, as it should.
	return Float16(sign | uint16(roundShift(uint32(exponent)<<23|fraction, 13)))
}

// roundShift is value / 2^shift, ties to even.
func roundShift(value uint32, shift uint) uint32 {
	half := uint32(1) << (shift - 1)
	rest, result := value&(half*2-1), value>>shift
	if rest > half || rest == half && result&1 == 1 {
		result++
	}
	return result
}

// Float32 is the same number.
func (f Float16) Float32() float32 {
	sign, exponent, fraction := uint32(f&0x8000)<<16, uint32(f>>10&0x1f), uint32(f&0x3ff)
	switch {
	case exponent == 31:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	case exponent == 0:
		value := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(value) | sign)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// NewBFloat16 is the nearest BFloat16, ties to even.
func NewBFloat16(value float32) BFloat16 {
	bits := math.Float32bits(value)
	if bits&0x7fffffff > 0x7f800000 {
		return BFloat16(bits>>16 | 0x40)
	}
	return BFloat16((uint64(bits) + 0x7fff + uint64(bits>>16&1)) >> 16)
}

// Float32 is the same number.
func (f BFloat16) Float32() float32 { return math.Float32frombits(uint32(f) << 16) }
