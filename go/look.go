// Looking at graphs: their values by name and number, and as text and pictures.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import "errors"

// look calls f on the graph; an error of building it is given first.
func (g *Graph) look(f func(graph *C.weft_graph) *C.weft_status) error {
	if g.missing() {
		return nilError("the graph")
	}
	if err := g.level.builder.lock(); err != nil {
		return err
	}
	defer g.level.builder.unlock()
	if g.level.builder.err != nil {
		return g.level.builder.err
	}
	if !g.level.handle.acquire() {
		return closedError("the graph")
	}
	defer g.level.handle.release()
	return check(f((*C.weft_graph)(g.level.handle.pointer)))
}

// Find is the input, variable or other value of that name.
func (g *Graph) Find(name string) (Value, error) {
	var id C.int64_t
	err := g.look(func(graph *C.weft_graph) *C.weft_status {
		cname := cString(name)
		defer freeString(cname)
		return C.wg_graph_find(graph, cname, &id)
	})
	if err != nil {
		return Value{}, err
	}
	return g.valueOf(id), nil
}

// NodeCount is the number of nodes; 0 after an error.
func (g *Graph) NodeCount() int {
	count := 0
	_ = g.look(func(graph *C.weft_graph) *C.weft_status {
		count = int(C.wg_graph_node_count(graph))
		return nil
	})
	return count
}

// Inputs are the inputs in the order in which they were added; nil after an error.
func (g *Graph) Inputs() []Value {
	return g.list(
		func(graph *C.weft_graph) C.int32_t { return C.wg_graph_input_count(graph) },
		func(graph *C.weft_graph, i C.int32_t) C.int64_t { return C.wg_graph_input(graph, i) })
}

// Outputs are what SetOutputs or the file of the graph said; nil after an error.
func (g *Graph) Outputs() []Value {
	return g.list(
		func(graph *C.weft_graph) C.int32_t { return C.wg_graph_output_count(graph) },
		func(graph *C.weft_graph, i C.int32_t) C.int64_t { return C.wg_graph_output(graph, i) })
}

// Variables are the variables in the order in which they were added; nil after an error.
func (g *Graph) Variables() []Value {
	return g.list(
		func(graph *C.weft_graph) C.int32_t { return C.wg_graph_variable_count(graph) },
		func(graph *C.weft_graph, i C.int32_t) C.int64_t { return C.wg_graph_variable(graph, i) })
}

func (g *Graph) list(count func(*C.weft_graph) C.int32_t, at func(*C.weft_graph, C.int32_t) C.int64_t) []Value {
	var values []Value
	_ = g.look(func(graph *C.weft_graph) *C.weft_status {
		for i := range count(graph) {
			values = append(values, g.valueOf(at(graph, i)))
		}
		return nil
	})
	return values
}

// Text is the graph for people to read.
func (g *Graph) Text() (string, error) { return g.convert("text") }

// String is Text, or what kept it from being made.
func (g *Graph) String() string {
	text, err := g.Text()
	switch {
	case errors.Is(err, ErrClosed):
		return "graph (closed)"
	case err != nil:
		return err.Error()
	}
	return text
}

// Dot is the graph in the language of Graphviz.
func (g *Graph) Dot() (string, error) { return g.convert("dot") }

// SVG is a picture of the graph; it needs the program dot of Graphviz.
func (g *Graph) SVG() (string, error) { return g.convert("svg") }

func (g *Graph) convert(format string) (string, error) {
	var block *C.weft_bytes
	err := g.look(func(graph *C.weft_graph) *C.weft_status {
		name := cString(format)
		defer freeString(name)
		return C.wg_graph_convert(graph, name, &block)
	})
	if err != nil {
		return "", err
	}
	return takeText(block), nil
}
