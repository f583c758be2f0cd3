// The functions of Go that the library calls.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime/cgo"
	"runtime/debug"
	"slices"
	"unsafe"
)

// PanicError is the cause of the error of a run in which a function of Go panicked.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // where
}

// Error tells the panic and where it was.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// ErrGoexit is the cause of the error of a run in which a function of Go called runtime.Goexit, as a test's FailNow does.
var ErrGoexit = errors.New("runtime.Goexit was called")

// guarded is f with a panic, or the end of its goroutine, turned into an error: neither can unwind the library's frames
// below a callback. f runs in a coroutine, which is a goroutine on the thread of this one: the library knows by the
// thread what is called from inside a run.
func guarded(f func() error) error {
	finished := false
	next, stop := iter.Pull(func(yield func(error) bool) {
		err := goexitError()
		defer func() {
			if value := recover(); value != nil {
				err = panicError(value)
				finished = true
			}
			yield(err)
		}()
		err = f()
		finished = true
	})
	err, _ := next()
	// Going on with Goexit would end this goroutine too: that coroutine stays as it is.
	if finished {
		stop()
	}
	return err
}

func goexitError() error {
	return &Error{Code: Internal, Message: "a Go function called runtime.Goexit", cause: ErrGoexit}
}

func panicError(value any) error {
	return &Error{Code: Internal, Message: fmt.Sprintf("a Go function panicked: %v", value),
		cause: &PanicError{Value: value, Stack: debug.Stack()}}
}

//export weftGoDrop
func weftGoDrop(user C.uintptr_t) { cgo.Handle(user).Delete() }

// HostFunction is a function of Go as an operator: it gets the inputs, read-only and valid until it returns, and gives
// as many tensors as the node has outputs. Those it gives are the library's from then on; an input may be given as it is.
// An error, a panic or runtime.Goexit ends the run with an error that wraps it, a *PanicError or ErrGoexit.
type HostFunction func(inputs []*Tensor) ([]*Tensor, error)

//export weftGoHost
func weftGoHost(user C.uintptr_t, inputs **C.weft_tensor, inputCount C.int32_t, out **C.weft_tensor,
	outputCount C.int32_t) *C.weft_status {
	function := cgo.Handle(user).Value().(HostFunction)
	borrowed := make([]*Tensor, int(inputCount))
	for i, pointer := range unsafe.Slice(inputs, int(inputCount)) {
		borrowed[i] = &Tensor{handle: newHandle("tensor", unsafe.Pointer(pointer), nil), borrowed: true}
	}
	defer func() {
		for _, t := range borrowed {
			t.Close()
		}
	}()
	err := guarded(func() error {
		results, err := function(borrowed)
		if err != nil {
			closeAll(results)
			return err
		}
		if len(results) != int(outputCount) {
			closeAll(results)
			return newError(InvalidArgument, "the host function gave %d tensors, but its node has %d outputs",
				len(results), int(outputCount))
		}
		return giveAll(results, unsafe.Slice(out, int(outputCount)))
	})
	if err != nil {
		return statusOf(err)
	}
	return nil
}

func closeAll(tensors []*Tensor) {
	for _, t := range tensors {
		t.Close()
	}
}

// giveAll hands tensors over to the library: all of them, or none.
func giveAll(tensors []*Tensor, out []*C.weft_tensor) error {
	for i, t := range tensors {
		if j := slices.Index(tensors[:i], t); j >= 0 { // The library knows one tensor as several outputs.
			out[i] = out[j]
			continue
		}
		pointer, err := t.give()
		if err != nil {
			for j := range i {
				if !slices.Contains(tensors[:j], tensors[j]) {
					C.wg_tensor_free(out[j])
				}
				out[j] = nil
			}
			closeAll(tensors)
			return err
		}
		out[i] = pointer
	}
	return nil
}

// give hands the tensor over; of one that is borrowed, another tensor over the same elements.
func (t *Tensor) give() (*C.weft_tensor, error) {
	if t == nil || t.handle == nil {
		return nil, nilError("the tensor that a host function gave")
	}
	if t.borrowed {
		pointer := (*C.weft_tensor)(t.handle.pointer)
		var out *C.weft_tensor
		err := check(C.wg_tensor_reshape(pointer, C.wg_tensor_dims(pointer), C.wg_tensor_rank(pointer), &out))
		return out, err
	}
	pointer := t.handle.detach()
	if pointer == nil {
		return nil, closedError("a tensor that a host function gave")
	}
	return (*C.weft_tensor)(pointer), nil
}

// SetHostFunction registers a function for the process, in place of one of that name; nil takes it away. Graph.HostCall
// adds nodes that run it, on the thread that is in Run; runs of several goroutines may call it at the same time. Inside
// it, the session whose run it is part of can neither be closed nor run again.
func SetHostFunction(name string, function HostFunction) error {
	if err := load(); err != nil {
		return err
	}
	cname := cString(name)
	defer freeString(cname)
	if function == nil {
		return check(C.wg_host_function_set(cname, nil, 0, nil))
	}
	user := C.uintptr_t(cgo.NewHandle(function))
	return check(C.wg_host_function_set(cname, C.wg_host, user, C.wg_drop))
}

//export weftGoLog
func weftGoLog(user C.uintptr_t, level C.int32_t, text *C.char) {
	logger := cgo.Handle(user).Value().(*slog.Logger)
	_ = guarded(func() error {
		// slog's levels are 4 apart, with 0 for information.
		logger.Log(context.Background(), slog.Level((int(level)-1)*4), C.GoString(text))
		return nil
	})
}

// SetLogger gives the lines that the library logs to a logger; nil, the start, is silence.
func SetLogger(logger *slog.Logger) error {
	if err := load(); err != nil {
		return err
	}
	if logger == nil {
		C.wg_log_set(nil, 0, 0, nil)
		return nil
	}
	C.wg_log_set(C.wg_log, 0, C.uintptr_t(cgo.NewHandle(logger)), C.wg_drop)
	return nil
}
