// Calls made ready to be repeated.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"
)

// Prepared is a run made ready to be called often: tensors are bound to its inputs and outputs once, and every Run
// reads and writes their memory (see Edit, SetData and View). With bound outputs, a Run allocates nothing. One
// goroutine may use it at a time.
type Prepared struct {
	handle  *handle
	session *Session // which the garbage collector would close
	feeds   []Value
	busy    atomic.Bool
}

func freePrepared(pointer unsafe.Pointer) { C.wg_prepared_free((*C.weft_prepared)(pointer)) }

// Prepare makes a run of fetches and targets ready, with inputs to be bound in the order of feeds. Where the sizes of all that
// is fed are known it is also planned: the first run then takes no longer than the others, unless something is bound
// that lies on a device.
func (s *Session) Prepare(feeds, fetches []Value, targets ...Value) (*Prepared, error) {
	session, err := s.use()
	if err != nil {
		return nil, err
	}
	defer s.handle.release()
	feedIDs, err := s.idsOf(feeds, false)
	if err != nil {
		return nil, err
	}
	fetchIDs, err := s.idsOf(fetches, false)
	if err != nil {
		return nil, err
	}
	targetIDs, err := s.idsOf(targets, false)
	if err != nil {
		return nil, err
	}
	var out *C.weft_prepared
	err = check(C.wg_session_prepare(session, unsafe.SliceData(feedIDs), C.int32_t(len(feedIDs)),
		unsafe.SliceData(fetchIDs), C.int32_t(len(fetchIDs)), unsafe.SliceData(targetIDs), C.int32_t(len(targetIDs)),
		&out))
	if err != nil {
		return nil, err
	}
	p := &Prepared{handle: newHandle("prepared run", unsafe.Pointer(out), freePrepared), session: s, feeds: slices.Clone(feeds)}
	guard(p, p.handle)
	return p, nil
}

// begin makes the caller the only user; it calls end when done.
func (p *Prepared) begin() (*C.weft_prepared, error) {
	if p == nil || p.handle == nil {
		return nil, nilError("the prepared call")
	}
	if !p.busy.CompareAndSwap(false, true) {
		return nil, newError(FailedPrecondition, "the prepared call is in use; each goroutine needs its own")
	}
	if !p.handle.acquire() {
		p.busy.Store(false)
		return nil, closedError("the prepared call")
	}
	return (*C.weft_prepared)(p.handle.pointer), nil
}

func (p *Prepared) end() {
	p.handle.release()
	p.busy.Store(false)
}

// BindInput lets every later Run read input i from t. Its shape may differ from that of the one before. It may lie on the
// session's device, where what writes to it must be done when the run begins.
func (p *Prepared) BindInput(i int, t *Tensor) error {
	what := func() string {
		if i >= 0 && i < len(p.feeds) {
			return "the tensor for input '" + p.feeds[i].Name() + "'"
		}
		return fmt.Sprintf("the tensor for input %d", i)
	}
	return p.bind(t, what, func(prepared *C.weft_prepared, pointer *C.weft_tensor) *C.weft_status {
		return C.wg_prepared_bind_input(prepared, C.int32_t(i), pointer)
	})
}

// BindOutput lets every later Run write output i to t, which may lie on the session's device, where what else reads or
// writes its memory must be done when the run begins. With nil, each Run gives a tensor that nobody else holds.
func (p *Prepared) BindOutput(i int, t *Tensor) error {
	if t == nil {
		prepared, err := p.begin()
		if err != nil {
			return err
		}
		defer p.end()
		return check(C.wg_prepared_bind_output(prepared, C.int32_t(i), nil))
	}
	what := func() string { return fmt.Sprintf("the tensor for output %d", i) }
	return p.bind(t, what, func(prepared *C.weft_prepared, pointer *C.weft_tensor) *C.weft_status {
		return C.wg_prepared_bind_output(prepared, C.int32_t(i), pointer)
	})
}

// bind calls f with a tensor, whose name in errors what gives.
func (p *Prepared) bind(
	t *Tensor, what func() string, f func(*C.weft_prepared, *C.weft_tensor) *C.weft_status,
) error {
	prepared, err := p.begin()
	if err != nil {
		return err
	}
	defer p.end()
	pointer, err := t.use()
	if err != nil {
		return t.gone(what())
	}
	defer t.handle.release()
	return check(f(prepared, pointer))
}

// Run runs once. ctx ends it when it is cancelled or its time is over; the error then wraps that of ctx and its cause.
func (p *Prepared) Run(ctx context.Context) error {
	prepared, err := p.begin()
	if err != nil {
		return err
	}
	defer p.end()
	c, err := newControl(ctx, "run", nil)
	if err != nil {
		return err
	}
	defer c.end()
	return checkRun(ctx, C.wg_prepared_run(prepared, c.options()))
}

// Output is output i of the last Run that succeeded: the tensor's memory is that of the bound one, if one is bound.
func (p *Prepared) Output(i int) (*Tensor, error) {
	prepared, err := p.begin()
	if err != nil {
		return nil, err
	}
	defer p.end()
	var out *C.weft_tensor
	if err := check(C.wg_prepared_output(prepared, C.int32_t(i), &out)); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// String tells whether it is closed.
func (p *Prepared) String() string {
	if p == nil {
		return "prepared run (closed)"
	}
	return p.handle.text("prepared run")
}

// Close lets the call go; while a Run is in it, when that returns. It may be called again.
func (p *Prepared) Close() error {
	if p != nil && p.handle != nil {
		p.handle.close()
	}
	return nil
}
