// Running graphs.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"cmp"
	"context"
	"slices"
	"unsafe"
)

// Session runs parts of one graph, and keeps the values of its variables. Goroutines may use one session at once; runs
// that assign variables then come one after another. A run that fails or is cancelled changes no variable.
type Session struct {
	handle *handle
	graph  *Graph
}

// Feeds are the tensors for a run, by the values of the graph that they are fed to.
type Feeds map[Value]*Tensor

// SessionOptions are for NewSession; the zero value is the default of each.
type SessionOptions struct {
	Threads          int      // most threads of a run; 0: as many as the machine has
	MaxPlans         int      // shapes of inputs that are kept ready for each set of fed and fetched values; 0: 64
	SpinAfterRunUS   int      // microseconds for which idle threads wait for the next run before they sleep; 0 to 50
	ReferenceKernels bool     // plain kernels only
	DisablePass      []string // optimizations to leave out; "*": all
	WeightDType      string   // of large constant matrices that others are multiplied by: "" or "f32", or "bf16", read in half the time
	Share            *Session // a session whose variables this one uses too
	Device           string   // one of Devices, which runs what it has kernels for; "": the CPU
	DeviceOnly       bool     // whether an operator that the device has no kernel for is Unimplemented, not run on the CPU
	DeviceOutputs    bool     // whether what is fetched stays on the device; Tensor.To copies it
	WeightCache      string   // a folder that keeps weights as kernels read them, for the next session or process; "": none
}

func freeSession(pointer unsafe.Pointer) { C.wg_session_free((*C.weft_session)(pointer)) }

// NewSession makes a session of a graph, or gives the graph's error. At most one options may be given.
func NewSession(g *Graph, o ...SessionOptions) (*Session, error) {
	choice, err := only(o)
	if err != nil {
		return nil, err
	}
	if err := g.Err(); err != nil {
		return nil, err
	}
	opts := newOptions("session").int("threads", int64(choice.Threads)).int("max_plans", int64(choice.MaxPlans)).
		int("spin_after_run_us", int64(choice.SpinAfterRunUS)).flag("reference_kernels", choice.ReferenceKernels).
		add("disable_pass", choice.DisablePass).text("weight_dtype", choice.WeightDType).text("device", choice.Device).
		flag("device_only", choice.DeviceOnly).flag("device_outputs", choice.DeviceOutputs).
		text("weight_cache", choice.WeightCache)
	defer opts.free()
	if opts.err != nil {
		return nil, opts.err
	}
	var share *C.weft_session
	if choice.Share != nil {
		pointer, err := choice.Share.use()
		if err != nil {
			return nil, err
		}
		defer choice.Share.handle.release()
		share = pointer
	}
	// The session keeps the graph, for the names of values.
	kept := g.level.handle
	if kept == nil || !kept.acquire() {
		return nil, closedError("the graph")
	}
	free := func(pointer unsafe.Pointer) {
		freeSession(pointer)
		kept.release()
	}
	var out *C.weft_session
	err = g.look(func(graph *C.weft_graph) *C.weft_status {
		return C.wg_session_new(graph, opts.pointer, share, &out)
	})
	if err != nil {
		kept.release()
		return nil, err
	}
	s := &Session{handle: newHandle("session", unsafe.Pointer(out), free), graph: g}
	guard(s, s.handle)
	return s, nil
}

// only is the one element of a list of options, or the default.
func only[T any](list []T) (T, error) {
	var none T
	switch len(list) {
	case 0:
		return none, nil
	case 1:
		return list[0], nil
	}
	return none, newError(InvalidArgument, "%d options were given; one is enough", len(list))
}

func (s *Session) use() (*C.weft_session, error) {
	if s == nil || s.handle == nil {
		return nil, nilError("the session")
	}
	if !s.handle.acquire() {
		return nil, closedError("the session")
	}
	return (*C.weft_session)(s.handle.pointer), nil
}

// Close ends the session when the calls in it have returned; cancel their contexts to end them early. It is an error
// inside a run of the session. It may be called again.
func (s *Session) Close() error {
	if s == nil || s.handle == nil || !s.handle.acquire() {
		return nil
	}
	err := check(C.wg_session_close((*C.weft_session)(s.handle.pointer)))
	s.handle.release()
	if err == nil {
		s.handle.close()
	}
	return err
}

// String tells whether it is closed.
func (s *Session) String() string {
	if s == nil {
		return "session (closed)"
	}
	return s.handle.text("session")
}

// idsOf are the numbers of values of the session's graph.
func (s *Session) idsOf(values []Value, optional bool) ([]C.int64_t, error) {
	ids, err := s.graph.idsOf(values, optional)
	if err != nil {
		// A value that is missing is so because of the graph's error.
		if first := s.graph.Err(); first != nil {
			return nil, first
		}
	}
	return ids, err
}

// namesOf are the names of values of the session's graph, closed or not, during a call of the session.
func (s *Session) namesOf(values []Value) []string {
	l, names := s.graph.level, make([]string, len(values))
	if l.builder.lock() != nil {
		return names // of a body that uses a session of the graph around, which the library refuses
	}
	defer l.builder.unlock()
	for i, v := range values {
		var name *C.char
		status := C.wg_graph_value((*C.weft_graph)(l.handle.pointer), C.int64_t(v.id), &name, nil, nil, nil)
		if check(status) == nil {
			names[i] = C.GoString(name)
		}
	}
	return names
}

// Run computes fetches. Each result is a new tensor, for the caller to close. ctx ends the run when it is cancelled or
// its time is over; the error then wraps that of ctx and its cause.
func (s *Session) Run(ctx context.Context, feeds Feeds, fetches ...Value) ([]*Tensor, error) {
	return s.RunWith(ctx, RunOptions{Feeds: feeds, Fetches: fetches})
}

// RunOptions are for RunWith.
type RunOptions struct {
	Feeds   Feeds   // the tensors of the inputs
	Fetches []Value // what to compute and give
	Targets []Value // what to compute for its effect alone: training steps, assignments
	Trace   *Trace  // gets what the run did when
}

// RunWith is Run with targets and options.
func (s *Session) RunWith(ctx context.Context, o RunOptions) ([]*Tensor, error) {
	session, err := s.use()
	if err != nil {
		return nil, err
	}
	defer s.handle.release()
	values, tensors := o.Feeds.sorted()
	feeds, err := s.idsOf(values, false)
	if err != nil {
		return nil, err
	}
	fetches, err := s.idsOf(o.Fetches, false)
	if err != nil {
		return nil, err
	}
	targets, err := s.idsOf(o.Targets, false)
	if err != nil {
		return nil, err
	}
	pointers, release, err := useTensors(tensors, func(i int) string {
		return "the tensor that is fed to '" + s.namesOf(values[i : i+1])[0] + "'"
	})
	if err != nil {
		return nil, err
	}
	defer release()
	c, err := newControl(ctx, "run", o.Trace)
	if err != nil {
		return nil, err
	}
	defer c.end()
	out := make([]*C.weft_tensor, len(fetches))
	status := C.wg_session_run(session, unsafe.SliceData(feeds), unsafe.SliceData(pointers), C.int32_t(len(feeds)),
		unsafe.SliceData(fetches), C.int32_t(len(fetches)), unsafe.SliceData(targets), C.int32_t(len(targets)),
		c.options(), unsafe.SliceData(out))
	if err := checkRun(ctx, status); err != nil {
		return nil, err
	}
	return newTensors(out), nil
}

// sorted is the feeds in the order of the values: what is kept ready for a run is kept for an order.
func (f Feeds) sorted() ([]Value, []*Tensor) {
	values, tensors := make([]Value, 0, len(f)), make([]*Tensor, len(f))
	for value := range f {
		values = append(values, value)
	}
	slices.SortFunc(values, func(a, b Value) int { return cmp.Compare(a.id, b.id) })
	for i, value := range values {
		tensors[i] = f[value]
	}
	return values, tensors
}

func newTensors(pointers []*C.weft_tensor) []*Tensor {
	tensors := make([]*Tensor, len(pointers))
	for i, pointer := range pointers {
		tensors[i] = newTensor(pointer)
	}
	return tensors
}

// Initialise gives every variable that has no value yet its initial one; runs do so by themselves.
func (s *Session) Initialise() error {
	return s.call(func(session *C.weft_session) *C.weft_status { return C.wg_session_initialise(session) })
}

// Describe says as JSON what the session keeps and has done: "runs" (begun so far), "threads" (of one run),
// "instruction_set" (of its kernels), "device", "weight_cache" ("found" and "made": how many packed weights its folder had
// and lacked), and "calls", an entry for each set of fed and fetched values that it keeps
// plans for, with "feeds", "fetches" and "assigns" (names) and "plans", the last used first, one for each signature of
// inputs that was seen: "inputs" (fed values, then variables that are read), "kernels" (how many steps run each), "on_cpu" (those that a
// device leaves to the CPU), "constant_bytes" (what kernels read as it is), "arena_bytes" (of each run at a time), "device_arena_bytes",
// "idle_arenas" (kept for the next runs) and "branch_groups" (stretches whose branches run side by side).
func (s *Session) Describe() ([]byte, error) {
	var out *C.weft_bytes
	err := s.call(func(session *C.weft_session) *C.weft_status { return C.wg_session_inspect(session, &out) })
	if err != nil {
		return nil, err
	}
	return takeBytes(out), nil
}

// Trim lets go of memory that is kept for speed: plans, arenas and what kernels packed of constants, as far as no run and
// no prepared call uses it. What is needed again is made again.
func (s *Session) Trim() error {
	return s.call(func(session *C.weft_session) *C.weft_status { return C.wg_session_trim(session) })
}

func (s *Session) call(f func(session *C.weft_session) *C.weft_status) error {
	session, err := s.use()
	if err != nil {
		return err
	}
	defer s.handle.release()
	return check(f(session))
}

// Get is a copy of a variable's value.
func (s *Session) Get(variable string) (*Tensor, error) {
	var out *C.weft_tensor
	err := s.call(func(session *C.weft_session) *C.weft_status {
		name := cString(variable)
		defer freeString(name)
		return C.wg_session_get(session, name, &out)
	})
	if err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// Set gives a variable a value.
func (s *Session) Set(variable string, t *Tensor) error {
	pointer, err := t.use()
	if err != nil {
		return err
	}
	defer t.handle.release()
	return s.call(func(session *C.weft_session) *C.weft_status {
		name := cString(variable)
		defer freeString(name)
		return C.wg_session_set(session, name, pointer)
	})
}
