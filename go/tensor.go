// Tensors: made of Go's slices, read and written.

package weft

/*
#include <stdlib.h>
#include "open.h"
#cgo noescape wg_tensor_new_copy
#cgo nocallback wg_tensor_new_copy
*/
import "C"

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"
)

// Tensor is an array of elements in the library's memory, row-major; or a sequence or map of such arrays. Its shape and
// type never change. Its elements may lie on a device (Device), where what reads or writes them here is a
// FailedPrecondition and To copies them. Close it when it is no longer needed; the garbage collector closes forgotten ones in the end, but
// it does not see how large they are.
//
// Any number of goroutines may read a tensor at once; writing to it while others use it is a data race.
type Tensor struct {
	handle   *handle
	borrowed bool
}

func freeTensor(pointer unsafe.Pointer) { C.wg_tensor_free((*C.weft_tensor)(pointer)) }

// newTensor takes over a tensor of the library.
func newTensor(pointer *C.weft_tensor) *Tensor {
	t := &Tensor{handle: newHandle("tensor", unsafe.Pointer(pointer), freeTensor)}
	guard(t, t.handle)
	return t
}

// use keeps the tensor alive for a call; the caller releases t.handle.
func (t *Tensor) use() (*C.weft_tensor, error) {
	if t == nil || t.handle == nil || !t.handle.acquire() {
		return nil, t.gone("the tensor")
	}
	return (*C.weft_tensor)(t.handle.pointer), nil
}

// gone is the error of a tensor that is nil or closed, under that name.
func (t *Tensor) gone(what string) error {
	if t == nil || t.handle == nil {
		return nilError(what)
	}
	return closedError(what)
}

// Close lets the tensor go; its memory stays while a run, a constant or another tensor uses it. It may be called again.
func (t *Tensor) Close() error {
	if t != nil && t.handle != nil {
		t.handle.close()
	}
	return nil
}

func dimsPointer(dims []int64) *C.int64_t {
	return (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(dims)))
}

// TensorOf is the tensor of one dimension with these elements: TensorOf[float32](1, 2, 3).
func TensorOf[T Element](elements ...T) (*Tensor, error) {
	return TensorFrom([]int64{int64(len(elements))}, elements)
}

// ScalarOf is a tensor without dimensions.
func ScalarOf[T Element](value T) (*Tensor, error) { return TensorFrom(nil, []T{value}) }

// TensorFrom is a tensor of that shape with a copy of values, row after row.
func TensorFrom[T Element](shape []int64, values []T) (*Tensor, error) {
	if err := load(); err != nil {
		return nil, err
	}
	if texts, ok := any(values).([]string); ok {
		return tensorOfStrings(shape, texts)
	}
	var zero T
	size := C.size_t(len(values)) * C.size_t(unsafe.Sizeof(zero))
	return copyTensor(DTypeOf[T](), shape, unsafe.Pointer(unsafe.SliceData(values)), size)
}

// TensorOfRows is the matrix of those rows, which must be equally long.
func TensorOfRows[T Element](rows [][]T) (*Tensor, error) {
	width := 0
	if len(rows) > 0 {
		width = len(rows[0])
	}
	for i, row := range rows {
		if len(row) != width {
			return nil, newError(InvalidArgument, "row %d has %d elements, but row 0 has %d", i, len(row), width)
		}
	}
	return TensorFrom([]int64{int64(len(rows)), int64(width)}, slices.Concat(rows...))
}

// TensorFromBytes is a tensor of any type but String, of a copy of its bytes as the library lays them out.
func TensorFromBytes(dtype DType, shape []int64, data []byte) (*Tensor, error) {
	if err := load(); err != nil {
		return nil, err
	}
	return copyTensor(dtype, shape, unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)))
}

func copyTensor(dtype DType, dims []int64, data unsafe.Pointer, size C.size_t) (*Tensor, error) {
	var out *C.weft_tensor
	status := C.wg_tensor_new_copy(C.int32_t(dtype), dimsPointer(dims), C.int32_t(len(dims)), data, size, &out)
	if err := check(status); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

func tensorOfStrings(dims []int64, texts []string) (*Tensor, error) {
	list := newBytes(texts)
	defer list.free()
	var out *C.weft_tensor
	status := C.wg_tensor_new_strings(dimsPointer(dims), C.int32_t(len(dims)), list.pointer(), list.sizePointer(),
		C.int64_t(len(texts)), &out)
	if err := check(status); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// ZeroTensor is a tensor of zeros, or of empty strings.
func ZeroTensor(dtype DType, shape ...int64) (*Tensor, error) {
	if err := load(); err != nil {
		return nil, err
	}
	var out *C.weft_tensor
	if err := check(C.wg_tensor_new(C.int32_t(dtype), dimsPointer(shape), C.int32_t(len(shape)), &out)); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// SequenceOf is a sequence of tensors, which shares their elements.
func SequenceOf(items ...*Tensor) (*Tensor, error) {
	if err := load(); err != nil {
		return nil, err
	}
	pointers, release, err := useTensors(items, func(i int) string { return fmt.Sprintf("item %d", i) })
	if err != nil {
		return nil, err
	}
	defer release()
	var out *C.weft_tensor
	if err := check(C.wg_tensor_new_sequence(unsafe.SliceData(pointers), C.int64_t(len(items)), &out)); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// OptionalOf is an optional, whose Len is 1 or 0, of a tensor or sequence, which shares its elements; nil for an empty
// one.
func OptionalOf(element *Tensor) (*Tensor, error) {
	if err := load(); err != nil {
		return nil, err
	}
	var pointer *C.weft_tensor
	if element != nil {
		held, err := element.use()
		if err != nil {
			return nil, err
		}
		defer element.handle.release()
		pointer = held
	}
	var out *C.weft_tensor
	if err := check(C.wg_tensor_new_optional(pointer, &out)); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// MapOf is a map, which shares the elements of keys [n], int64 or strings and none of them twice, and of as many values.
func MapOf(keys, values *Tensor) (*Tensor, error) {
	if err := load(); err != nil {
		return nil, err
	}
	pointers, release, err := useTensors([]*Tensor{keys, values}, func(i int) string {
		return [...]string{"the tensor of the keys", "the tensor of the values"}[i]
	})
	if err != nil {
		return nil, err
	}
	defer release()
	var out *C.weft_tensor
	if err := check(C.wg_tensor_new_map(pointers[0], pointers[1], &out)); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// useTensors keeps all of them alive until release. what is the name of each in errors.
func useTensors(
	tensors []*Tensor, what func(i int) string,
) (pointers []*C.weft_tensor, release func(), err error) {
	pointers = make([]*C.weft_tensor, 0, len(tensors))
	release = func() {
		for i := range pointers {
			tensors[i].handle.release()
		}
	}
	for i, t := range tensors {
		pointer, err := t.use()
		if err != nil {
			release()
			return nil, nil, t.gone(what(i))
		}
		pointers = append(pointers, pointer)
	}
	return pointers, release, nil
}

// DType is the type of the elements; 0 if the tensor is closed, or of another kind.
func (t *Tensor) DType() DType {
	pointer, err := t.use()
	if err != nil {
		return 0
	}
	defer t.handle.release()
	return DType(C.wg_tensor_dtype(pointer))
}

// Shape is the sizes of the dimensions; nil if the tensor is closed.
func (t *Tensor) Shape() []int64 {
	pointer, err := t.use()
	if err != nil {
		return nil
	}
	defer t.handle.release()
	rank := int(C.wg_tensor_rank(pointer))
	dims := make([]int64, rank)
	copy(dims, unsafe.Slice((*int64)(unsafe.Pointer(C.wg_tensor_dims(pointer))), rank))
	return dims
}

// Len is the number of elements, or of items of a sequence, optional or map; 0 if the tensor is closed.
func (t *Tensor) Len() int {
	pointer, err := t.use()
	if err != nil {
		return 0
	}
	defer t.handle.release()
	return int(C.wg_tensor_count(pointer))
}

// Device is where the elements lie: "cpu", which is the process's memory, or the name of a device; "" if the tensor is
// closed.
func (t *Tensor) Device() string {
	pointer, err := t.use()
	if err != nil {
		return ""
	}
	defer t.handle.release()
	return C.GoString(C.wg_tensor_device(pointer))
}

// To is a tensor of the same elements on a device, one of Devices: shared if they lie there already, else copied.
func (t *Tensor) To(device string) (*Tensor, error) {
	text := cString(device)
	defer freeString(text)
	return t.derive(func(pointer *C.weft_tensor, out **C.weft_tensor) *C.weft_status {
		return C.wg_tensor_to(pointer, text, out)
	})
}

// String is type and shape, such as "f32[2, 3]", or "f32[2, 3] on cuda:0".
func (t *Tensor) String() string {
	pointer, err := t.use()
	if err != nil {
		return "tensor (closed)"
	}
	defer t.handle.release()
	var text *C.weft_bytes
	if err := check(C.wg_tensor_text(pointer, &text)); err != nil {
		return err.Error()
	}
	return takeText(text)
}

// Reshape is a tensor of another shape over the same elements.
func (t *Tensor) Reshape(shape ...int64) (*Tensor, error) {
	return t.derive(func(pointer *C.weft_tensor, out **C.weft_tensor) *C.weft_status {
		return C.wg_tensor_reshape(pointer, dimsPointer(shape), C.int32_t(len(shape)), out)
	})
}

// Clone is a tensor with a copy of the elements, on the same device.
func (t *Tensor) Clone() (*Tensor, error) {
	return t.derive(func(pointer *C.weft_tensor, out **C.weft_tensor) *C.weft_status {
		return C.wg_tensor_copy(pointer, out)
	})
}

// At is item i of a sequence.
func (t *Tensor) At(i int) (*Tensor, error) {
	return t.derive(func(pointer *C.weft_tensor, out **C.weft_tensor) *C.weft_status {
		return C.wg_tensor_at(pointer, C.int64_t(i), out)
	})
}

func (t *Tensor) derive(make func(*C.weft_tensor, **C.weft_tensor) *C.weft_status) (*Tensor, error) {
	pointer, err := t.use()
	if err != nil {
		return nil, err
	}
	defer t.handle.release()
	var out *C.weft_tensor
	if err := check(make(pointer, &out)); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// address is where the elements begin; of elements on a device, an error that says how to copy them.
func address(pointer *C.weft_tensor) (unsafe.Pointer, error) {
	data := unsafe.Pointer(C.wg_tensor_data(pointer))
	if data != nil || C.wg_tensor_bytes(pointer) == 0 {
		return data, nil
	}
	err := check(C.wg_tensor_mutable(pointer, &data))
	return data, err
}

// elements is the memory of the elements, valid until release.
func elements[T Number](t *Tensor, writable bool) (data []T, release func(), err error) {
	pointer, err := t.use()
	if err != nil {
		return nil, nil, err
	}
	if have, want := DType(C.wg_tensor_dtype(pointer)), DTypeOf[T](); have != want {
		t.handle.release()
		return nil, nil, newError(InvalidArgument, "the tensor holds %v, not %v", have, want)
	}
	memory, err := address(pointer)
	if err == nil && writable {
		err = check(C.wg_tensor_mutable(pointer, &memory))
	}
	if err != nil {
		t.handle.release()
		return nil, nil, err
	}
	if memory == nil {
		return nil, t.handle.release, nil
	}
	return unsafe.Slice((*T)(memory), int(C.wg_tensor_count(pointer))), t.handle.release, nil
}

// Data is a copy of the elements of t, which must be of type T.
func Data[T Element](t *Tensor) ([]T, error) {
	var zero T
	switch any(zero).(type) {
	case string:
		texts, err := t.strings()
		data, _ := any(texts).([]T)
		return data, err
	}
	pointer, err := t.use()
	if err != nil {
		return nil, err
	}
	defer t.handle.release()
	if have, want := DType(C.wg_tensor_dtype(pointer)), DTypeOf[T](); have != want {
		return nil, newError(InvalidArgument, "the tensor holds %v, not %v", have, want)
	}
	memory, err := address(pointer)
	if err != nil {
		return nil, err
	}
	data := make([]T, int(C.wg_tensor_count(pointer)))
	copy(data, unsafe.Slice((*T)(memory), len(data)))
	return data, nil
}

// Scalar is the element of a tensor that has one.
func Scalar[T Element](t *Tensor) (T, error) {
	var zero T
	data, err := Data[T](t)
	if err != nil {
		return zero, err
	}
	if len(data) != 1 {
		return zero, newError(InvalidArgument, "the tensor %v has %d elements, not one", t, len(data))
	}
	return data[0], nil
}

// View calls f with the elements of t themselves, without a copy. They must not be written to, or used after f returns.
func View[T Number](t *Tensor, f func([]T) error) error {
	data, release, err := elements[T](t, false)
	if err != nil {
		return err
	}
	defer release()
	return f(data)
}

// Edit calls f with the elements of t, to write to them. They must not be used after f returns.
func Edit[T Number](t *Tensor, f func([]T) error) error {
	data, release, err := elements[T](t, true)
	if err != nil {
		return err
	}
	defer release()
	return f(data)
}

// SetData writes data over the elements of t.
func SetData[T Number](t *Tensor, data []T) error {
	memory, release, err := elements[T](t, true)
	if err != nil {
		return err
	}
	defer release()
	if len(memory) != len(data) {
		return newError(InvalidArgument, "the tensor %v has %d elements, but %d were given", t, len(memory), len(data))
	}
	copy(memory, data)
	return nil
}

// Bytes is a copy of the memory of the elements; of any type but String.
func (t *Tensor) Bytes() ([]byte, error) {
	pointer, err := t.use()
	if err != nil {
		return nil, err
	}
	defer t.handle.release()
	if C.wg_tensor_kind(pointer) != 0 || DType(C.wg_tensor_dtype(pointer)) == String {
		return nil, newError(InvalidArgument, "%v has no bytes to copy", t)
	}
	data, err := address(pointer)
	if err != nil {
		return nil, err
	}
	return slices.Clone(unsafe.Slice((*byte)(data), int(C.wg_tensor_bytes(pointer)))), nil
}

func (t *Tensor) strings() ([]string, error) {
	pointer, err := t.use()
	if err != nil {
		return nil, err
	}
	defer t.handle.release()
	if have := DType(C.wg_tensor_dtype(pointer)); have != String {
		return nil, newError(InvalidArgument, "the tensor holds %v, not %v", have, String)
	}
	texts := make([]string, int(C.wg_tensor_count(pointer)))
	for i := range texts {
		var size C.int64_t
		text := C.wg_tensor_string(pointer, C.int64_t(i), &size)
		texts[i] = string(unsafe.Slice((*byte)(unsafe.Pointer(text)), int(size)))
	}
	runtime.KeepAlive(t)
	return texts, nil
}
