// Nodes that are more than an operator: branches, and functions of Go.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

// If computes what then builds if condition is true, else what otherwise builds. Each of the two gets the graph of its
// branch, and they give equally many values of equal types. The values of g may be used in a branch; what is computed
// of them alone is part of g, and so computed in any case, unless it is said otherwise by Value.In:
//
//	y := g.If(condition,
//		func(b *weft.Graph) []weft.Value { return []weft.Value{x.In(b).Sqrt()} },
//		func(b *weft.Graph) []weft.Value { return []weft.Value{b.Constant(float32(0))} })[0]
func (g *Graph) If(condition Value, then, otherwise func(b *Graph) []Value) []Value {
	g = g.orBroken()
	yes, outputs := g.branch(then)
	defer yes.Close()
	no, others := g.branch(otherwise)
	defer no.Close()
	if outputs != others {
		g.fail(newError(InvalidArgument, "the branches give %d and %d values; they must give as many", outputs, others))
	}
	return g.Add("If", []Value{condition}, Attrs{"then_branch": yes, "else_branch": no}, "", outputs)
}

// branch builds a graph inside g, and tells how many values it gives.
func (g *Graph) branch(f func(b *Graph) []Value) (branch *Graph, outputs int) {
	branch = &Graph{level: &level{builder: g.level.builder}}
	g.build(func(graph *C.weft_graph, _ *C.char) error {
		var out *C.weft_graph
		if err := check(C.wg_graph_new_sub(graph, &out)); err != nil {
			return err
		}
		branch = newGraph(out, g.level.builder, g.level.depth+1)
		return nil
	})
	if f == nil {
		g.fail(nilError("the function that builds a branch"))
		return branch, 0
	}
	finished := false
	defer func() {
		if !finished {
			branch.Close()
		}
	}()
	values := f(branch)
	finished = true
	results := make([]Value, len(values))
	for i, v := range values {
		// Files want what a branch gives to be made in it.
		if results[i] = v; v.home != branch.level {
			results[i] = branch.Add("Identity", []Value{v}, nil, "", 1)[0]
		}
	}
	branch.SetOutputs(results...)
	return branch, len(values)
}

// HostOutput is the type of an output of a host function; its dimensions are as for Graph.Input.
type HostOutput struct {
	DType DType // of the elements
	Shape []any // numbers, names and "?"
}

// HostCall adds a node that calls a function of Go, registered by SetHostFunction under that name, and gives its
// outputs. gradient names the host function that computes the gradients of all inputs from the inputs and the gradients
// of the outputs, in this order; "" if there is none.
func (g *Graph) HostCall(function string, inputs []Value, outputs []HostOutput, gradient string) []Value {
	g = g.orBroken()
	var dtypes, shapes []string
	for _, output := range outputs {
		dtypes = append(dtypes, output.DType.String())
		text, known, err := shapeText(output.Shape)
		if err != nil {
			g.fail(err)
		}
		if !known {
			text = "..."
		}
		shapes = append(shapes, text)
	}
	attrs := Attrs{"name": function, "dtypes": dtypes, "shapes": shapes, "gradient": given(gradient)}
	return g.Add("weft.HostCall", inputs, attrs, "", len(outputs))
}
