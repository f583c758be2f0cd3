// The library as a whole: version, memory, devices, traces.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"os"
	"unsafe"
)

// Version is the version of the library, such as "0.1.0".
func Version() (string, error) {
	if err := load(); err != nil {
		return "", err
	}
	return C.GoString(C.wg_version()), nil
}

// LiveObjects is how many objects of the library are alive in the process; 0 when everything was closed, or when the
// library cannot be used.
func LiveObjects() int {
	if load() != nil {
		return 0
	}
	return int(C.wg_live_objects())
}

// Threads is the most threads that a run uses when nothing limits it; 0 if the library cannot be used.
func Threads() int {
	if load() != nil {
		return 0
	}
	return int(C.wg_threads())
}

// MemoryBytes is the bytes of tensors and working memory that the library holds now.
func MemoryBytes() int64 {
	if load() != nil {
		return 0
	}
	return int64(C.wg_memory_bytes())
}

// MemoryPeak is the most bytes that the library ever held.
func MemoryPeak() int64 {
	if load() != nil {
		return 0
	}
	return int64(C.wg_memory_peak())
}

// MemoryLimit is the most bytes that the library may hold; 0 is no limit.
func MemoryLimit() int64 {
	if load() != nil {
		return 0
	}
	return int64(C.wg_memory_limit())
}

// SetMemoryLimit sets the most bytes that the library may hold; past it, calls fail with ResourceExhausted. 0, the
// start, is no limit.
func SetMemoryLimit(bytes int64) error {
	if err := load(); err != nil {
		return err
	}
	return check(C.wg_memory_set_limit(C.int64_t(bytes)))
}

// Devices are the names of the devices; the first is the CPU.
func Devices() []string {
	if load() != nil {
		return nil
	}
	names := make([]string, C.wg_device_count())
	for i := range names {
		names[i] = C.GoString(C.wg_device_name(C.int32_t(i)))
	}
	return names
}

// LoadDevices loads a device plug-in, whose devices are there from then on. The path is a file, or a name that the system's
// loader looks for.
func LoadDevices(path string) error {
	if err := load(); err != nil {
		return err
	}
	text := cString(path)
	defer freeString(text)
	return check(C.wg_device_load(text))
}

// Operators are the full names of all operators, such as "MatMul" and "weft.Adam".
func Operators() []string {
	if load() != nil {
		return nil
	}
	names := make([]string, C.wg_op_count())
	for i := range names {
		names[i] = C.GoString(C.wg_op_name(C.int32_t(i)))
	}
	return names
}

// DescribeOperator is the definition of an operator as JSON: its inputs, outputs and attributes with their docs.
func DescribeOperator(name string) ([]byte, error) {
	return describe(name, func(name *C.char, out **C.weft_bytes) *C.weft_status { return C.wg_op_inspect(name, out) })
}

// LayerTypes are the names of all kinds of layers, such as "Dense".
func LayerTypes() []string {
	if load() != nil {
		return nil
	}
	names := make([]string, C.wg_layer_count())
	for i := range names {
		names[i] = C.GoString(C.wg_layer_name(C.int32_t(i)))
	}
	return names
}

// DescribeLayer is a kind of layer as JSON: its attributes, input and output with their docs.
func DescribeLayer(kind string) ([]byte, error) {
	return describe(kind, func(name *C.char, out **C.weft_bytes) *C.weft_status {
		return C.wg_layer_inspect(name,
			out)
	})
}

func describe(name string, f func(*C.char, **C.weft_bytes) *C.weft_status) ([]byte, error) {
	if err := load(); err != nil {
		return nil, err
	}
	cname := cString(name)
	defer freeString(cname)
	var out *C.weft_bytes
	if err := check(f(cname, &out)); err != nil {
		return nil, err
	}
	return takeBytes(out), nil
}

// Trace records what runs did when; give it to RunWith.
type Trace struct {
	handle *handle
}

func freeTrace(pointer unsafe.Pointer) { C.wg_trace_free((*C.weft_trace)(pointer)) }

// NewTrace is an empty trace.
func NewTrace() (*Trace, error) {
	if err := load(); err != nil {
		return nil, err
	}
	var out *C.weft_trace
	if err := check(C.wg_trace_new(&out)); err != nil {
		return nil, err
	}
	t := &Trace{handle: newHandle("trace", unsafe.Pointer(out), freeTrace)}
	guard(t, t.handle)
	return t, nil
}

func (t *Trace) use() (*C.weft_trace, error) {
	if t == nil || t.handle == nil {
		return nil, nilError("the trace")
	}
	if !t.handle.acquire() {
		return nil, closedError("the trace")
	}
	return (*C.weft_trace)(t.handle.pointer), nil
}

// JSON is the trace so far in the form that Chrome's tracing page and Perfetto read.
func (t *Trace) JSON() ([]byte, error) {
	pointer, err := t.use()
	if err != nil {
		return nil, err
	}
	defer t.handle.release()
	var out *C.weft_bytes
	if err := check(C.wg_trace_json(pointer, &out)); err != nil {
		return nil, err
	}
	return takeBytes(out), nil
}

// Save writes JSON to a file.
func (t *Trace) Save(path string) error {
	data, err := t.JSON()
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o666)
}

// String tells whether it is closed.
func (t *Trace) String() string {
	if t == nil {
		return "trace (closed)"
	}
	return t.handle.text("trace")
}

// Close lets the trace go. It may be called again.
func (t *Trace) Close() error {
	if t != nil && t.handle != nil {
		t.handle.close()
	}
	return nil
}
