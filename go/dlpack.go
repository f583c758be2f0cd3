// Tensors to and from other libraries of the process without a copy.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import "unsafe"

// TensorFromDLPack is a tensor over the elements of another library of the process, without a copy. managed is a
// DLManagedTensorVersioned of DLPack's version 1, which is taken over: its deleter is called once, when the last holder
// of the elements has let go. After an error it is still the caller's. Where it says so, the tensor is read-only. Its
// elements may lie on a device that has been loaded; what writes them must be done, or be ordered before what is put on the
// device's default stream, for which this waits.
func TensorFromDLPack(managed unsafe.Pointer) (*Tensor, error) { return fromDLPack(managed, 1) }

// TensorFromDLPackUnversioned is TensorFromDLPack for a DLManagedTensor, of before version 1.
func TensorFromDLPackUnversioned(managed unsafe.Pointer) (*Tensor, error) {
	return fromDLPack(managed, 0)
}

func fromDLPack(managed unsafe.Pointer, versioned C.int32_t) (*Tensor, error) {
	if err := load(); err != nil {
		return nil, err
	}
	var out *C.weft_tensor
	if err := check(C.wg_tensor_borrow_dlpack(managed, versioned, &out)); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// DLPack is the elements for another library of the process, without a copy: a DLManagedTensorVersioned of DLPack's
// version 1. It keeps the elements alive, also when the tensor is closed, until whoever takes it over calls its deleter,
// once. TensorFromDLPack takes it over, too. On a device they have been written, so every stream may read them; the deleter
// waits for the device's default stream.
func (t *Tensor) DLPack() (unsafe.Pointer, error) { return t.toDLPack(1) }

// DLPackUnversioned is DLPack as a DLManagedTensor, of before version 1. That cannot say that elements are read-only: of
// a tensor that is, it is a FailedPrecondition.
func (t *Tensor) DLPackUnversioned() (unsafe.Pointer, error) { return t.toDLPack(0) }

func (t *Tensor) toDLPack(versioned C.int32_t) (unsafe.Pointer, error) {
	pointer, err := t.use()
	if err != nil {
		return nil, err
	}
	defer t.handle.release()
	var managed unsafe.Pointer
	err = check(C.wg_tensor_dlpack(pointer, versioned, &managed))
	return managed, err
}
