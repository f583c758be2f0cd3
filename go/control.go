// What ends a run early: contexts.

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
	"runtime/debug"
)

// control carries a context into calls of the library: through a token that it cancels. nil is for a context that
// never ends.
type control struct {
	opts   *options
	cancel *C.weft_cancel
	watch  watch
}

// watch cancels a token when a context ends.
type watch struct {
	stop func() bool
	done chan struct{}
}

func (w *watch) begin(ctx context.Context, token *C.weft_cancel) {
	done := make(chan struct{})
	w.done = done
	w.stop = context.AfterFunc(ctx, func() {
		C.wg_cancel_set(token, 1)
		close(done)
	})
}

// end waits until nothing will cancel the token any more.
func (w *watch) end() {
	if w.stop != nil && !w.stop() {
		<-w.done
	}
	w.stop = nil
}

// newControl gives nil if neither the context nor anything else needs options. A context whose methods panic, such as a
// nil pointer that is not a nil context.Context, is an error.
func newControl(ctx context.Context, kind string, trace *Trace) (c *control, err error) {
	if ctx == nil {
		return nil, nilError("the context")
	}
	defer func() {
		if value := recover(); value != nil {
			c.end()
			c, err = nil, &Error{Code: InvalidArgument, Message: fmt.Sprintf("the context panicked: %v", value),
				cause: &PanicError{Value: value, Stack: debug.Stack()}}
		}
	}()
	if ctx.Err() != nil {
		return nil, contextError(ctx)
	}
	if ctx.Done() == nil && trace == nil && kind == "run" {
		return nil, nil
	}
	c = &control{opts: newOptions(kind)}
	if trace != nil {
		c.opts.trace(trace)
	}
	if c.opts.err == nil && ctx.Done() != nil {
		c.watchContext(ctx)
	}
	if c.opts.err != nil {
		defer c.end()
		return nil, c.opts.err
	}
	return c, nil
}

func (c *control) watchContext(ctx context.Context) {
	if c.opts.err = check(C.wg_cancel_new(&c.cancel)); c.opts.err != nil {
		return
	}
	if c.opts.err = check(C.wg_options_set_cancel(c.opts.pointer, c.cancel)); c.opts.err == nil {
		c.watch.begin(ctx, c.cancel)
	}
}

func (c *control) options() *C.weft_options {
	if c == nil {
		return nil
	}
	return c.opts.pointer
}

func (c *control) end() {
	if c == nil {
		return
	}
	c.watch.end()
	c.opts.free()
	if c.cancel != nil {
		C.wg_cancel_free(c.cancel)
	}
}

// contextError is the error of a call that a context ended, in the library's words for what it ends itself.
func contextError(ctx context.Context) *Error {
	err := &Error{Code: Cancelled, Message: "the run was cancelled", cause: errors.Join(ctx.Err(), context.Cause(ctx))}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err.Code, err.Message = DeadlineExceeded, "the run passed its deadline"
	}
	return err
}

func (o *options) trace(t *Trace) {
	if o.err != nil {
		return
	}
	pointer, err := t.use()
	if err != nil {
		o.err = err
		return
	}
	defer t.handle.release()
	o.err = check(C.wg_options_set_trace(o.pointer, pointer))
}
