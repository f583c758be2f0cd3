// Graphs: where nodes are added.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Graph is a computation under construction: inputs, constants, variables and the operators over them.
//
// Building cannot fail half-way: the first error, with the line of the program that caused it, stays with the graph,
// what is built after it has no effect, and Err, NewSession and Save give the error. So there is nothing to check after
// each operator.
//
// Goroutines may build one graph at once. What is added where is said by the Graph itself, and by nothing that others
// could change: Scope gives a Graph that adds to the same computation under longer names, and If gives each of its
// functions a Graph for what belongs to that branch.
type Graph struct {
	level *level
	scope string // what the names begin with, with its slash at the end
}

// level is the whole computation or a branch in it: one graph of the library.
type level struct {
	handle  *handle
	builder *builder
	depth   int // how many levels it is inside of
}

// builder is what a graph and the branches inside it have in common.
type builder struct {
	number uint64 // rises from graph to graph; 0 of one that was never there
	mutex  sync.Mutex
	thread atomic.Uintptr // of the goroutine that has the mutex, which stays on it; 0 if nobody has
	err    error          // of one that was never there for good, and so to be read without the mutex
	// Layers and branches, to be closed with the graph: values of a branch that is finished still have names.
	owned []*handle
}

var builders atomic.Uint64 // how many there were

func newBuilder() *builder { return &builder{number: builders.Add(1)} }

// acquire waits for whoever is building, until unlock. Inside the body of an operator that may be the goroutine itself, which
// adds the node that the body is for: a body is called on the thread that needs it. Then acquire is true, and there is nothing
// to unlock.
func (b *builder) acquire() (mine bool) {
	runtime.LockOSThread()
	thread := uintptr(C.wg_thread())
	if !b.mutex.TryLock() {
		mine = b.thread.Load() == thread
		runtime.UnlockOSThread() // who waits on a thread of its own keeps one from the process, which has 10,000
		if mine {
			return true
		}
		b.mutex.Lock()
		runtime.LockOSThread()
		thread = uintptr(C.wg_thread())
	}
	b.thread.Store(thread)
	return false
}

// lock is acquire for who may not do it twice: that is an error, of the body too.
func (b *builder) lock() error {
	if !b.acquire() {
		return nil
	}
	err := newError(FailedPrecondition,
		"the graph is being built; the body of an operator is built in the graph that it is given, of the values that it is given")
	failBody(uintptr(C.wg_thread()), err) // a body stays on its thread
	return err
}

// lockToAdd is lock for who adds to the graph. A body may do that to no graph that is older than its own: it is an error of
// the body, and not one of the graph, with which nothing is wrong.
func (b *builder) lockToAdd() error {
	if err := b.lock(); err != nil {
		return err
	}
	thread := b.thread.Load()
	body, inBody := innermost.Load(thread)
	if !inBody || b.number == 0 || b.number >= body.(*Graph).level.builder.number {
		return nil
	}
	b.unlock()
	err := newError(FailedPrecondition,
		"the body of an operator is built in the graph that it is given, or in ones that it makes")
	failBody(thread, err)
	return err
}

func (b *builder) unlock() {
	b.thread.Store(0)
	b.mutex.Unlock()
	runtime.UnlockOSThread()
}

func freeGraph(pointer unsafe.Pointer) { C.wg_graph_free((*C.weft_graph)(pointer)) }

func newGraph(pointer *C.weft_graph, b *builder, depth int) *Graph {
	l := &level{handle: newHandle("graph", unsafe.Pointer(pointer), freeGraph), builder: b, depth: depth}
	guard(l, l.handle)
	return &Graph{level: l}
}

// brokenGraph stands for the graph of values that belong to none.
func brokenGraph(err error) *Graph { return &Graph{level: &level{builder: &builder{err: err}}} }

// broken is the error of a graph that brokenGraph made; nil of others.
func (g *Graph) broken() error {
	if g.level.builder.number != 0 {
		return nil
	}
	return g.level.builder.err
}

// NewGraph is an empty graph. If the library cannot be used, the graph's error says so.
func NewGraph() *Graph { return NewGraphOpset(0) }

// NewGraphOpset is an empty graph whose Add speaks that version of ONNX's operators.
func NewGraphOpset(opset int) *Graph {
	if err := load(); err != nil {
		return brokenGraph(err)
	}
	var out *C.weft_graph
	if err := check(C.wg_graph_new(C.int32_t(opset), &out)); err != nil {
		return brokenGraph(err)
	}
	return newGraph(out, newBuilder(), 0)
}

// Close lets the graph, its layers and its branches go; sessions of it stay usable. It may be called again.
func (g *Graph) Close() error {
	if g.missing() || g.level.handle == nil {
		return nil
	}
	b := g.level.builder
	if err := b.lock(); err != nil {
		return err
	}
	var owned []*handle
	if g.level.depth == 0 {
		owned, b.owned = b.owned, nil
	}
	b.unlock()
	for _, object := range owned {
		object.close()
	}
	g.level.handle.close()
	return nil
}

// missing tells a graph that NewGraph or LoadGraph made from others.
func (g *Graph) missing() bool { return g == nil || g.level == nil }

// orBroken is g, or a graph whose error says that it is missing.
func (g *Graph) orBroken() *Graph {
	if g.missing() {
		return brokenGraph(located(nilError("the graph")))
	}
	return g
}

// Scope is the same graph under longer names: the names of what is added through it begin with "name/". A scope may be
// taken of a scope.
//
//	encoder := g.Scope("encoder")
//	hidden := weft.NewDense(encoder, "hidden", config) // Its variables are "encoder/hidden/kernel" and so on.
//
// Operators over a value are added through the Graph that the value came from; see Value.In.
func (g *Graph) Scope(name string) *Graph {
	g = g.orBroken()
	if name == "" {
		g.fail(newError(InvalidArgument, "the name of a scope must not be empty"))
		return g
	}
	return &Graph{level: g.level, scope: g.scope + name + "/"}
}

// Err is the first error of building the graph; nil if there was none.
func (g *Graph) Err() error {
	if g.missing() {
		return nilError("the graph")
	}
	if err := g.level.builder.lock(); err != nil {
		return err
	}
	defer g.level.builder.unlock()
	return g.level.builder.err
}

// fail keeps the first error, with the line of the caller.
func (g *Graph) fail(err error) {
	if g.level.builder.lockToAdd() != nil {
		return
	}
	defer g.level.builder.unlock()
	g.failLocked(err)
}

func (g *Graph) failLocked(err error) {
	if g.level.builder.err != nil {
		return
	}
	g.level.builder.err = located(err)
}

// located is the error with the line of the caller, if it has none.
func located(err error) error {
	known, ok := err.(*Error)
	if !ok || known.Origin != "" {
		return err
	}
	here := *known
	here.Origin = caller()
	return &here
}

const (
	packagePath = "github.com/weft-ml/weft/go."
	opsPath     = "github.com/weft-ml/weft/go/ops."
)

// caller is the line of the program that called this package.
func caller() string {
	var counters [32]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters[:])])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, packagePath) && !strings.HasPrefix(frame.Function, opsPath) {
			return fmt.Sprintf("%s:%d", frame.File, frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// build calls f on the graph to add to, unless there was an error; it tells whether all went well.
func (g *Graph) build(f func(graph *C.weft_graph, origin *C.char) error) bool {
	b := g.level.builder
	if b.lockToAdd() != nil {
		return false
	}
	defer b.unlock()
	if b.err != nil {
		return false
	}
	if !g.level.handle.acquire() {
		g.failLocked(closedError("the graph"))
		return false
	}
	defer g.level.handle.release()
	graph := (*C.weft_graph)(g.level.handle.pointer)
	origin := cString(caller())
	defer freeString(origin)
	if err := g.scoped(graph, func() error { return f(graph, origin) }); err != nil {
		g.failLocked(err)
		return false
	}
	return true
}

// scoped calls f while the library's graph is in the scope; nobody else can add to it meanwhile.
func (g *Graph) scoped(graph *C.weft_graph, f func() error) error {
	if g.scope == "" {
		return f()
	}
	name := cString(strings.TrimSuffix(g.scope, "/"))
	defer freeString(name)
	if err := check(C.wg_graph_open_scope(graph, name)); err != nil {
		return err
	}
	err := f()
	if closing := check(C.wg_graph_close_scope(graph)); err == nil {
		err = closing
	}
	return err
}

// value is build for one value.
func (g *Graph) value(f func(graph *C.weft_graph, origin *C.char, out *C.int64_t) error) Value {
	g = g.orBroken()
	var id C.int64_t
	if !g.build(func(graph *C.weft_graph, origin *C.char) error { return f(graph, origin, &id) }) {
		return Value{graph: g}
	}
	return g.valueOf(id)
}

// valueOf is the value of this graph with that number.
func (g *Graph) valueOf(id C.int64_t) Value { return Value{graph: g, home: g.level, id: int64(id)} }

// valuesOf are the values with those numbers, or as many that were not built.
func (g *Graph) valuesOf(ids []C.int64_t, built bool) []Value {
	values := make([]Value, len(ids))
	for i, id := range ids {
		if values[i] = (Value{graph: g}); built {
			values[i] = g.valueOf(id)
		}
	}
	return values
}

// change is build for what makes no value.
func (g *Graph) change(f func(graph *C.weft_graph) error) {
	if !g.missing() {
		g.build(func(graph *C.weft_graph, _ *C.char) error { return f(graph) })
	}
}

// idOf is the number of a value for a call with this graph. The library says which values are of another one.
func (g *Graph) idOf(v Value) (C.int64_t, error) {
	switch {
	case v.graph == nil:
		return 0, newError(InvalidArgument, "a value is missing: weft.Value{} was given")
	case v.id == 0 && v.graph.broken() != nil:
		return 0, v.graph.broken()
	case v.id == 0:
		return 0, newError(InvalidArgument, "a value is missing: it was not built")
	}
	return C.int64_t(v.id), nil
}

// idsOf is idOf for many; optional lets weft.Value{} stand for none.
func (g *Graph) idsOf(values []Value, optional bool) ([]C.int64_t, error) {
	ids := make([]C.int64_t, len(values))
	for i, v := range values {
		if optional && v.graph == nil {
			continue
		}
		id, err := g.idOf(v)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}
