// Errors: their codes, and what they tell.

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
	"runtime/cgo"
	"strings"
	"syscall"
	"unsafe"
)

// Code says what kind of error it is. Every Code is an error, to be asked for by errors.Is(err, weft.NotFound).
type Code int32

// Error is the name of the code, such as "INVALID_ARGUMENT".
func (c Code) Error() string {
	if name, known := codeNames[c]; known {
		return name
	}
	return fmt.Sprintf("CODE_%d", int32(c))
}

// ErrClosed is part of every error about an object that was used after its Close; use errors.Is.
var ErrClosed = errors.New("closed")

// Error is an error of Weft: errors.As(err, &e) gives it. errors.Is finds its code (weft.InvalidArgument), and what
// caused it: context.Canceled, the error that a host function returned, or of a file a syscall.Errno, which
// errors.Is(err, fs.ErrNotExist) and its like know.
type Error struct {
	Code    Code   // what kind of error
	Message string // what was wrong
	Node    string // name of the node that failed; "" if none is known
	Op      string // operator of that node
	Origin  string // file:line that added the node to its graph
	cause   error
}

// Error is everything that is known of the error in one line, as it is told in every language:
//
//	weft: INVALID_ARGUMENT: what was wrong [MatMul 'scores'] (built at train.go:12)
func (e *Error) Error() string { return "weft: " + e.Code.Error() + ": " + e.text() }

// text is the line without its beginning.
func (e *Error) text() string {
	text := e.Message
	var parts []string
	if e.Op != "" {
		parts = append(parts, e.Op)
	}
	if e.Node != "" {
		parts = append(parts, "'"+e.Node+"'")
	}
	if len(parts) > 0 {
		text += " [" + strings.Join(parts, " ") + "]"
	}
	if e.Origin != "" {
		text += " (built at " + e.Origin + ")"
	}
	return text
}

// Unwrap gives the code and, if there is one, the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.cause}
}

func newError(code Code, format string, values ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, values...)}
}

func closedError(what string) error {
	return &Error{Code: FailedPrecondition, Message: what + " is closed", cause: ErrClosed}
}

func nilError(what string) error { return newError(InvalidArgument, "%s is nil", what) }

// check turns a status into an error, and frees it.
func check(status *C.weft_status) error {
	if status == nil {
		return nil
	}
	return takeStatus(status)
}

func takeStatus(status *C.weft_status) *Error {
	defer C.wg_status_free(status)
	err := &Error{
		Code:    Code(C.wg_status_code(status)),
		Message: C.GoString(C.wg_status_message(status)),
		Node:    C.GoString(C.wg_status_node(status)),
		Op:      C.GoString(C.wg_status_op(status)),
		Origin:  C.GoString(C.wg_status_origin(status)),
	}
	if payload := C.wg_status_payload(status, C.wg_tag); payload != 0 {
		err.cause = cgo.Handle(payload).Value().(error)
	} else if errno := C.wg_status_errno(status); errno != 0 {
		err.cause = syscall.Errno(errno)
	}
	return err
}

// checkRun is check for a call with a context: an error that the context caused wraps the context's own. The library
// knows of no deadline, as it is the context that watches the clock.
func checkRun(ctx context.Context, status *C.weft_status) error {
	if status == nil {
		return nil
	}
	err := takeStatus(status)
	if (err.Code == Cancelled || err.Code == DeadlineExceeded) && err.cause == nil && ctx.Err() != nil {
		ended := contextError(ctx)
		err.Code, err.Message, err.cause = ended.Code, ended.Message, ended.cause
	}
	return err
}

// statusOf makes a status of an error of Go, which comes back as the cause of the call's error. It is for callbacks, where
// nothing may panic: what an error says of itself is the program's too, and panics if it is a nil pointer that reads a field.
func statusOf(err error) *C.weft_status {
	code, text := Unknown, ""
	ask := func() error {
		text = err.Error()
		var known *Error
		if errors.As(err, &known) {
			code = known.Code
			if known == err { // The call's error begins as this one does.
				text = known.text()
			}
		}
		return nil
	}
	if problem := guarded(ask); problem != nil {
		err = problem
		_ = ask() // of an error that is made here
	}
	message := C.CString(text)
	defer C.free(unsafe.Pointer(message))
	return C.wg_status_new(C.int32_t(code), message, C.wg_tag, C.uintptr_t(cgo.NewHandle(err)), C.wg_drop)
}
