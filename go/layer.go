// Layers: variables made once.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import "unsafe"

// Layer is variables made once, to be used as often as needed. NewDense and its like make them.
type Layer struct {
	handle *handle
	graph  *Graph
	kind   string
	name   string
}

func freeLayer(pointer unsafe.Pointer) { C.wg_layer_free((*C.weft_layer)(pointer)) }

// NewLayer makes a layer of any kind, and its variables, named "name/kernel" and so on. An error stays with the graph; that
// of a nil graph with the graphs of what the layer is called with.
func NewLayer(g *Graph, kind string, attrs Attrs, name string) *Layer {
	g = g.orBroken()
	layer := &Layer{graph: g, kind: kind, name: g.scope + name}
	g.build(func(graph *C.weft_graph, origin *C.char) error {
		list, err := attrs.make()
		if err != nil {
			return err
		}
		if list != nil {
			defer C.wg_attrs_free(list)
		}
		ckind, cname := cString(kind), cString(name)
		defer freeString(ckind)
		defer freeString(cname)
		var out *C.weft_layer
		if err := check(C.wg_layer_new(graph, ckind, list, cname, origin, &out)); err != nil {
			return err
		}
		layer.handle = newHandle("layer", unsafe.Pointer(out), freeLayer)
		guard(layer, layer.handle)
		g.level.builder.owned = append(g.level.builder.owned, layer.handle)
		return nil
	})
	return layer
}

// Call adds one use of the layer; at most one training may be given, and false is the default. In training, dropout
// drops, and batch normalization uses the batch and moves its running averages. Train by the loss of values made in
// training, and predict by values that are not. That the layer is nil, or its graph, is an error of the input's graph.
func (l *Layer) Call(input Value, training ...bool) Value {
	if l == nil || l.graph == nil {
		return nowhere(input, nilError("the layer"))
	}
	if err := l.graph.broken(); err != nil {
		return nowhere(input, err)
	}
	trains, problem := only(training)
	return l.graph.value(func(_ *C.weft_graph, origin *C.char, out *C.int64_t) error {
		if problem != nil {
			return problem
		}
		in, err := l.graph.idOf(input)
		if err != nil {
			return err
		}
		if l.handle == nil || !l.handle.acquire() {
			return closedError("the layer")
		}
		defer l.handle.release()
		layer := (*C.weft_layer)(l.handle.pointer)
		return check(C.wg_layer_call(layer, &in, 1, C.int32_t(number(trains)), origin, out, 1))
	})
}

// nowhere is what a layer of no graph gives: no value, and an error of the input's graph, as no other is run.
func nowhere(input Value, err error) Value {
	if input.graph == nil {
		return Value{graph: brokenGraph(located(err))}
	}
	input.graph.fail(err)
	return Value{graph: input.graph}
}

// Variables are the variables of the layer; nil after an error.
func (l *Layer) Variables() []Value {
	if l == nil || l.handle == nil || !l.handle.acquire() {
		return nil
	}
	defer l.handle.release()
	layer := (*C.weft_layer)(l.handle.pointer)
	values := make([]Value, C.wg_layer_variable_count(layer))
	for i := range values {
		values[i] = l.graph.valueOf(C.wg_layer_variable(layer, C.int32_t(i)))
	}
	return values
}

// String is kind and name, such as "Dense layer 'hidden'".
func (l *Layer) String() string {
	if l == nil || l.graph == nil {
		return "layer (closed)"
	}
	return l.handle.text(l.kind + " layer '" + l.name + "'")
}

// Close lets the layer go, as Close of its graph does; what it added to the graph stays. It may be called again.
func (l *Layer) Close() error {
	if l != nil && l.handle != nil {
		l.handle.close()
	}
	return nil
}
