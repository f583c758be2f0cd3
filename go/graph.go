// Building graphs.

package weft

/*
#include <stdlib.h>
#include "open.h"
#cgo noescape wg_graph_add
*/
import "C"

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// Graph is a computation under construction: inputs, constants, variables and the operators over them.
//
// Building cannot fail half-way: the first error, with the line of the program that caused it, stays with the graph,
// what is built after it has no effect, and Err, NewSession and Save give the error. So there is nothing to check after
// each operator. Goroutines may build one graph at once.
type Graph struct {
	handle  *handle
	builder *builder
}

// builder is what a graph and the branches inside it have in common.
type builder struct {
	mutex    sync.Mutex
	err      error
	branches []*Graph // those that are being built, innermost last
}

func freeGraph(pointer unsafe.Pointer) { C.wg_graph_free((*C.weft_graph)(pointer)) }

func newGraph(pointer *C.weft_graph, b *builder) *Graph {
	g := &Graph{handle: newHandle(unsafe.Pointer(pointer), freeGraph), builder: b}
	guard(g, g.handle)
	return g
}

// brokenGraph stands for the graph of values that belong to none.
func brokenGraph(err error) *Graph { return &Graph{builder: &builder{err: err}} }

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
	return newGraph(out, &builder{})
}

// Close lets the graph go; sessions of it stay usable. It may be called again.
func (g *Graph) Close() error {
	if g != nil && g.handle != nil {
		g.handle.close()
	}
	return nil
}

// missing tells a graph that NewGraph or LoadGraph made from others.
func (g *Graph) missing() bool { return g == nil || g.builder == nil }

// Err is the first error of building the graph; nil if there was none.
func (g *Graph) Err() error {
	if g.missing() {
		return nilError("the graph")
	}
	g.builder.mutex.Lock()
	defer g.builder.mutex.Unlock()
	return g.builder.err
}

// fail keeps the first error, with the line of the caller.
func (g *Graph) fail(err error) {
	g.builder.mutex.Lock()
	defer g.builder.mutex.Unlock()
	g.failLocked(err)
}

func (g *Graph) failLocked(err error) {
	if g.builder.err != nil {
		return
	}
	if known, ok := err.(*Error); ok && known.Origin == "" {
		known.Origin = caller()
	}
	g.builder.err = err
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

// target is where nodes are added: the innermost branch that is being built, else the graph itself.
func (g *Graph) target() *Graph {
	if branches := g.builder.branches; len(branches) > 0 {
		return branches[len(branches)-1]
	}
	return g
}

// build calls f on the graph to add to, unless there was an error; it gives that graph, or nil after an error.
func (g *Graph) build(f func(graph *C.weft_graph, origin *C.char) error) *Graph {
	g.builder.mutex.Lock()
	defer g.builder.mutex.Unlock()
	if g.builder.err != nil {
		return nil
	}
	target := g.target()
	if !target.handle.acquire() {
		g.failLocked(closedError("the graph"))
		return nil
	}
	defer target.handle.release()
	origin := C.CString(caller())
	defer freeString(origin)
	if err := f((*C.weft_graph)(target.handle.pointer), origin); err != nil {
		g.failLocked(err)
		return nil
	}
	return target
}

// value is build for one value.
func (g *Graph) value(f func(graph *C.weft_graph, origin *C.char, out *C.int64_t) error) Value {
	if g.missing() {
		return Value{graph: brokenGraph(nilError("the graph"))}
	}
	var id C.int64_t
	target := g.build(func(graph *C.weft_graph, origin *C.char) error { return f(graph, origin, &id) })
	if target == nil {
		return Value{graph: g}
	}
	return Value{graph: target, id: int64(id)}
}

type anyRank struct{}

// AnyRank as the only dimension of an input leaves its rank open.
var AnyRank anyRank

// shapeText is the text that the library takes for a shape; ok is false for an open rank.
func shapeText(dims []any) (text string, ok bool, err error) {
	var words []string
	for _, dim := range dims {
		switch size := dim.(type) {
		case int, int64, int32:
			words = append(words, fmt.Sprint(size))
		case string:
			words = append(words, size)
		case anyRank:
			if len(dims) == 1 {
				return "", false, nil
			}
			return "", false, newError(InvalidArgument, "AnyRank must be the only dimension")
		default:
			return "", false, newError(InvalidArgument, "a dimension must be a number or a name, not %T", dim)
		}
	}
	return strings.Join(words, ","), true, nil
}

// Input adds an input. Each dimension is a number, a name or "?"; equal names mean equal sizes:
//
//	x := g.Input("x", weft.F32, "batch", 64)
func (g *Graph) Input(name string, dtype DType, dims ...any) Value {
	return g.value(func(graph *C.weft_graph, origin *C.char, out *C.int64_t) error {
		text, known, err := shapeText(dims)
		if err != nil {
			return err
		}
		var shape *C.char
		if known {
			shape = C.CString(text)
			defer freeString(shape)
		}
		cname := C.CString(name)
		defer freeString(cname)
		return check(C.wg_graph_add_input(graph, cname, C.int32_t(dtype), shape, origin, out))
	})
}

// Constant adds a constant: a *Tensor, whose elements must then not change, or a number, string, slice or slice of
// slices of them, such as float32(0.5) or [][]float32{{1, 2}, {3, 4}}. An int is an i64.
func (g *Graph) Constant(value any) Value { return g.NamedConstant("", value) }

// NamedConstant is Constant with a name.
func (g *Graph) NamedConstant(name string, value any) Value {
	return g.value(func(graph *C.weft_graph, origin *C.char, out *C.int64_t) error {
		t, made := value.(*Tensor)
		if !made {
			var err error
			if t, err = tensorOfAny(value); err != nil {
				return err
			}
			defer t.Close()
		}
		pointer, err := t.use()
		if err != nil {
			return err
		}
		defer t.handle.release()
		cname := cString(name)
		defer freeString(cname)
		return check(C.wg_graph_add_constant(graph, pointer, cname, origin, out))
	})
}

// Variable adds a variable, which keeps its value from run to run in a session. initial is a Value that depends on no
// input, or what Constant takes. Optimizers train the variables that are trainable.
func (g *Graph) Variable(name string, initial any, trainable bool) Value {
	start, ok := initial.(Value)
	if !ok {
		start = g.Constant(initial)
	}
	return g.value(func(graph *C.weft_graph, origin *C.char, out *C.int64_t) error {
		id, err := g.idOf(start)
		if err != nil {
			return err
		}
		cname := C.CString(name)
		defer freeString(cname)
		return check(C.wg_graph_add_variable(graph, cname, id, C.int32_t(number(trainable)), origin, out))
	})
}

func number(flag bool) int64 {
	if flag {
		return 1
	}
	return 0
}

// idOf is the number of a value, which must be of this graph.
func (g *Graph) idOf(v Value) (C.int64_t, error) {
	switch {
	case v.graph == nil:
		return 0, newError(InvalidArgument, "a value is missing: weft.Value{} was given")
	case v.graph.builder != g.builder:
		return 0, newError(InvalidArgument, "a value of another graph was given")
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

const maxOutputs = 1 << 20

// Add adds any operator of the library, by its full name ("MatMul", "weft.Assign"), and gives its first outputs.
// Package ops has a function for each. weft.Value{} leaves an optional input out.
func (g *Graph) Add(op string, inputs []Value, attrs Attrs, outputs int) []Value {
	if g.missing() {
		g = brokenGraph(nilError("the graph"))
	}
	if outputs < 0 || outputs > maxOutputs {
		g.fail(newError(InvalidArgument, "operator %s cannot have %d outputs", op, outputs))
		return nil
	}
	values, ids := make([]Value, outputs), make([]C.int64_t, outputs)
	target := g.build(func(graph *C.weft_graph, origin *C.char) error {
		in, err := g.idsOf(inputs, true)
		if err != nil {
			return err
		}
		list, err := attrs.make()
		if err != nil {
			return err
		}
		if list != nil {
			defer C.wg_attrs_free(list)
		}
		name := C.CString(op)
		defer freeString(name)
		return check(C.wg_graph_add(graph, name, unsafe.SliceData(in), C.int32_t(len(in)), list, nil, origin,
			unsafe.SliceData(ids), C.int32_t(outputs)))
	})
	for i := range values {
		values[i] = Value{graph: g}
		if target != nil {
			values[i] = Value{graph: target, id: int64(ids[i])}
		}
	}
	return values
}

// Add adds an operator to the graph of its inputs, as Graph.Add does.
func Add(op string, inputs []Value, attrs Attrs, outputs int) []Value {
	for _, v := range inputs {
		if v.graph != nil {
			return v.graph.Add(op, inputs, attrs, outputs)
		}
	}
	return brokenGraph(&Error{Code: InvalidArgument, Op: op, Origin: caller(),
		Message: "a value is missing: weft.Value{} was given"}).Add(op, nil, nil, outputs)
}

// Attach makes assignment, made by ops.Assign, happen in every run that computes v.
func (g *Graph) Attach(v, assignment Value) {
	g.change(func(graph *C.weft_graph) error {
		ids, err := g.idsOf([]Value{v, assignment}, false)
		if err != nil {
			return err
		}
		return check(C.wg_graph_attach(graph, ids[0], ids[1]))
	})
}

// change is build for what makes no value.
func (g *Graph) change(f func(graph *C.weft_graph) error) {
	if !g.missing() {
		g.build(func(graph *C.weft_graph, _ *C.char) error { return f(graph) })
	}
}

// Gradients adds the nodes that compute the gradient of the sum of y by each of xs. One that y does not depend on gives
// a value that IsNone.
func (g *Graph) Gradients(y Value, xs ...Value) []Value {
	return g.WeightedGradients([]Value{y}, nil, xs...)
}

// WeightedGradients is Gradients of several ys; weights has the weight of each, or is nil for ones.
func (g *Graph) WeightedGradients(ys, weights []Value, xs ...Value) []Value {
	if g.missing() {
		g = brokenGraph(nilError("the graph"))
	}
	gradients, ids := make([]Value, len(xs)), make([]C.int64_t, len(xs))
	target := g.build(func(graph *C.weft_graph, origin *C.char) error {
		y, err := g.idsOf(ys, false)
		if err != nil {
			return err
		}
		x, err := g.idsOf(xs, false)
		if err != nil {
			return err
		}
		if weights != nil && len(weights) != len(ys) {
			return newError(InvalidArgument, "there are %d weights for %d values", len(weights), len(ys))
		}
		w, err := g.idsOf(weights, true)
		if err != nil {
			return err
		}
		return check(C.wg_graph_differentiate(graph, unsafe.SliceData(y), C.int32_t(len(y)), unsafe.SliceData(x),
			C.int32_t(len(x)), unsafe.SliceData(w), origin, unsafe.SliceData(ids)))
	})
	for i := range gradients {
		switch {
		case target == nil:
			gradients[i] = Value{graph: g}
		case ids[i] != 0:
			gradients[i] = Value{graph: target, id: int64(ids[i])}
		}
	}
	return gradients
}

// Scope lets the names of what f adds begin with "name/".
func (g *Graph) Scope(name string, f func()) {
	if g.missing() {
		return
	}
	opened := g.build(func(graph *C.weft_graph, _ *C.char) error {
		cname := C.CString(name)
		defer freeString(cname)
		return check(C.wg_graph_open_scope(graph, cname))
	})
	f()
	if opened == nil {
		return
	}
	// Also after an error in f: the graph's pointer is still good.
	g.builder.mutex.Lock()
	defer g.builder.mutex.Unlock()
	if opened.handle.acquire() {
		defer opened.handle.release()
		if err := check(C.wg_graph_close_scope((*C.weft_graph)(opened.handle.pointer))); err != nil {
			g.failLocked(err)
		}
	}
}

// SetOutputs says what the graph shows as its outputs when it is saved.
func (g *Graph) SetOutputs(values ...Value) {
	g.change(func(graph *C.weft_graph) error {
		ids, err := g.idsOf(values, false)
		if err != nil {
			return err
		}
		return check(C.wg_graph_set_outputs(graph, unsafe.SliceData(ids), C.int32_t(len(ids))))
	})
}
