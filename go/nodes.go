// Adding nodes to a graph.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

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
func (g *Graph) Input(name string, dtype DType, shape ...any) Value {
	return g.value(func(graph *C.weft_graph, origin *C.char, out *C.int64_t) error {
		text, known, err := shapeText(shape)
		if err != nil {
			return err
		}
		var ctext *C.char
		if known {
			ctext = cString(text)
			defer freeString(ctext)
		}
		cname := cString(name)
		defer freeString(cname)
		return check(C.wg_graph_add_input(graph, cname, C.int32_t(dtype), ctext, origin, out))
	})
}

// Constant adds a constant: a *Tensor, whose elements must then not change, or a number, string, slice or slice of
// slices of them, such as float32(0.5) or [][]float32{{1, 2}, {3, 4}}. An int is an i64.
func (g *Graph) Constant(value any) Value { return g.NamedConstant(value, "") }

// NamedConstant is Constant with a name.
func (g *Graph) NamedConstant(value any, name string) Value {
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
		cname := orNull(name)
		defer freeString(cname)
		return check(C.wg_graph_add_constant(graph, pointer, cname, origin, out))
	})
}

// Variable adds a variable, which keeps its value from run to run in a session. initial is a Value that depends on no
// input, or what Constant takes. Optimizers train the variables that are trainable.
func (g *Graph) Variable(name string, initial any, trainable bool) Value {
	g = g.orBroken()
	start, ok := initial.(Value)
	if !ok {
		start = g.Constant(initial)
	}
	return g.value(func(graph *C.weft_graph, origin *C.char, out *C.int64_t) error {
		id, err := g.idOf(start)
		if err != nil {
			return err
		}
		cname := cString(name)
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

const maxOutputs = 1 << 20

// Add adds any operator of the library, by its full name ("MatMul", "weft.Assign"), and gives its first outputs.
// Package ops has a function for each. weft.Value{} leaves an optional input out. name is that of the node, for errors
// and for Find; with "" the graph chooses one.
func (g *Graph) Add(op string, inputs []Value, attrs Attrs, name string, outputs int) []Value {
	g = g.orBroken()
	if outputs < 0 || outputs > maxOutputs {
		g.fail(newError(InvalidArgument, "operator %s cannot have %d outputs", op, outputs))
		return nil
	}
	ids := make([]C.int64_t, outputs)
	built := g.build(func(graph *C.weft_graph, origin *C.char) error {
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
		cop, cname := cString(op), orNull(name)
		defer freeString(cop)
		defer freeString(cname)
		return check(C.wg_graph_add(graph, cop, unsafe.SliceData(in), C.int32_t(len(in)), list, cname, origin,
			unsafe.SliceData(ids), C.int32_t(outputs)))
	})
	return g.valuesOf(ids, built)
}

// Add adds an operator to the graph of its inputs, as Graph.Add does. If that of some is a branch inside that of
// others, it is added to the branch. An input that no graph made, as its graph is nil, is an error of the others' graph.
func Add(op string, inputs []Value, attrs Attrs, name string, outputs int) []Value {
	var innermost *Graph
	for _, v := range inputs {
		if v.graph != nil &&
			(innermost == nil || innermost.broken() != nil || v.graph.level.depth > innermost.level.depth) {
			innermost = v.graph
		}
	}
	if innermost == nil {
		innermost = brokenGraph(&Error{Code: InvalidArgument, Op: op, Origin: caller(),
			Message: "a value is missing: weft.Value{} was given"})
	}
	return innermost.Add(op, inputs, attrs, name, outputs)
}

// Attach makes assignment, made by ops.Assign, happen in every run that computes v, but for those of calls that were
// prepared before.
func (g *Graph) Attach(v, assignment Value) {
	g.change(func(graph *C.weft_graph) error {
		ids, err := g.idsOf([]Value{v, assignment}, false)
		if err != nil {
			return err
		}
		return check(C.wg_graph_attach(graph, ids[0], ids[1]))
	})
}

// Gradients adds the nodes that compute the gradient of the sum of ys by each of xs. weights has the weight of each of
// ys, weft.Value{} for 1; nil is for ones. The gradient by a value that no y depends on IsNone. What constants
// hold may be built into the gradient: what runs are to feed with other values must be an input.
func (g *Graph) Gradients(ys, xs, weights []Value) []Value {
	g = g.orBroken()
	ids := make([]C.int64_t, len(xs))
	built := g.build(func(graph *C.weft_graph, origin *C.char) error {
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
	gradients := g.valuesOf(ids, built)
	for i := range gradients {
		if built && ids[i] == 0 {
			gradients[i] = Value{}
		}
	}
	return gradients
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
