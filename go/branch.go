// Nodes that are more than an operator: branches, and functions of Go.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

// If computes what then builds if cond is true, else what otherwise builds. Both build in a graph of their own, in
// which the values of this one can be used, and give equally many values of equal types. What is not taken costs
// nothing.
func (g *Graph) If(cond Value, then, otherwise func() []Value) []Value {
	if g.missing() {
		return nil
	}
	yes, outputs := g.branch(then)
	defer yes.Close()
	no, _ := g.branch(otherwise)
	defer no.Close()
	return g.Add("If", []Value{cond}, Attrs{"then_branch": yes, "else_branch": no}, outputs)
}

// branch builds a graph inside g; nil after an error.
func (g *Graph) branch(f func() []Value) (branch *Graph, outputs int) {
	g.build(func(graph *C.weft_graph, _ *C.char) error {
		var out *C.weft_graph
		if err := check(C.wg_graph_new_sub(graph, &out)); err != nil {
			return err
		}
		branch = newGraph(out, g.builder)
		g.builder.branches = append(g.builder.branches, branch)
		return nil
	})
	if branch != nil {
		defer g.leave()
	}
	if f == nil {
		g.fail(nilError("the function that builds a branch"))
		return branch, 0
	}
	values := f()
	if branch != nil {
		branch.SetOutputs(values...)
	}
	return branch, len(values)
}

func (g *Graph) leave() {
	g.builder.mutex.Lock()
	defer g.builder.mutex.Unlock()
	g.builder.branches = g.builder.branches[:len(g.builder.branches)-1]
}

// HostOutput is the type of an output of a host function; its dimensions are as for Graph.Input.
type HostOutput struct {
	DType DType // of the elements
	Dims  []any // numbers, names and "?"
}

// HostCall is a node that runs a function of Go, registered by SetHostFunction under Name.
type HostCall struct {
	Name    string       // as SetHostFunction got it
	Outputs []HostOutput // what the function gives
	// Gradient names the host function that computes the gradients of all inputs from the inputs and the gradients of
	// the outputs, in this order; "" if there is none.
	Gradient string
}

// HostCall adds a call of a host function, and gives its outputs.
func (g *Graph) HostCall(call HostCall, inputs ...Value) []Value {
	attrs := Attrs{"name": call.Name}
	var dtypes, shapes []string
	for _, output := range call.Outputs {
		dtypes = append(dtypes, output.DType.String())
		text, known, err := shapeText(output.Dims)
		if err != nil && !g.missing() {
			g.fail(err)
		}
		if !known {
			text = "..."
		}
		shapes = append(shapes, text)
	}
	attrs["dtypes"], attrs["shapes"] = dtypes, shapes
	if call.Gradient != "" {
		attrs["gradient"] = call.Gradient
	}
	return g.Add("weft.HostCall", inputs, attrs, len(call.Outputs))
}
