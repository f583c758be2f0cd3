// Nodes that are more than an operator: branches, and functions of Go.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import "unsafe"

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
	no, others := g.branch(otherwise)
	if outputs != others {
		g.fail(newError(InvalidArgument, "the branches give %d and %d values; they must give as many", outputs, others))
	}
	return g.Add("If", []Value{condition}, Attrs{"then_branch": yes, "else_branch": no}, "", outputs)
}

// Loop runs what body builds again and again: at most count times (an i64 scalar), and as long as its condition holds,
// from condition (a bool scalar) on; the Value{} of either is none. body gets the graph of an iteration and its values:
// the number of the iteration, the condition, and what is carried, which is initial at first. It gives the condition for
// the next iteration, what is carried on, and then anything of which every iteration's is wanted. The result is what is
// carried, as the last iteration left it, and then the others, stacked along a new first axis:
//
//	powers := g.Loop(count, weft.Value{}, []weft.Value{x}, func(b *weft.Graph, in []weft.Value) []weft.Value {
//		return []weft.Value{in[1], in[2].Mul(x), in[2]}
//	})
//
// attrs, of which at most one may be given, are further attributes of the operator Loop: with "recompute" a gradient keeps
// of each iteration only what goes into it and computes the rest again, in less memory and more time.
func (g *Graph) Loop(
	count, condition Value, initial []Value, body func(b *Graph, in []Value) []Value, attrs ...Attrs,
) []Value {
	g = g.orBroken()
	return g.repeat("Loop", append([]Value{count, condition}, initial...), g.ownAttrs(attrs), body, 1)
}

// Scan runs what body builds once for each item along an axis, the first unless attrs says otherwise, of the scanned
// values, which are of one length. body gets the graph of an iteration and its values: what is carried, which is initial
// at first, and an item of each scanned value. It gives what is carried on, and then anything of which every iteration's
// is wanted. The result is what is carried, as the last iteration left it, and then the others, stacked. attrs, of which
// at most one may be given, are further attributes of the operator Scan, "recompute" as for Loop among them.
func (g *Graph) Scan(initial, scanned []Value, body func(b *Graph, in []Value) []Value, attrs ...Attrs) []Value {
	g = g.orBroken()
	all := g.ownAttrs(attrs)
	all["num_scan_inputs"] = len(scanned)
	return g.repeat("Scan", append(append([]Value{}, initial...), scanned...), all, body, 0)
}

// SequenceMap computes what body builds for each item of sequences of one length: the first of the inputs, and others that
// are sequences. body gets the graph and its values: an item of each sequence, and each other input as it is. The result
// is, for each value that it gives, the sequence of what that was.
func (g *Graph) SequenceMap(inputs []Value, body func(b *Graph, in []Value) []Value) []Value {
	return g.orBroken().repeat("SequenceMap", append([]Value{}, inputs...), Attrs{}, body, 0)
}

// FlexAttentionOptions are what FlexAttention may be given; the zero value is plain attention.
type FlexAttentionOptions struct {
	// ScoreMod gives what becomes of the scores, [N, heads, L, S], and ProbMod what becomes of the weights; each gets
	// the graph that it builds in. A score of -inf is where a query does not look.
	ScoreMod, ProbMod func(b *Graph, x Value) Value
	// Scale is the factor of the scores: 1 / sqrt(features) for 0.
	Scale float64
	// SoftmaxPrecision is what scores and weights are computed in: for 0 F64 for f64, else F32.
	SoftmaxPrecision DType
}

// FlexAttention is attention whose scores and weights go through what functions build (ONNX's
// ai.onnx.preview.FlexAttention): ProbMod(softmax(ScoreMod(Scale * query key^T))) value for each head. The query is
// [N, heads, L, features], the key [N, heads of keys, S, features] and the value [N, heads of keys, S, features of
// values]; each head of the key is shared by as many neighbours of the query's.
func (g *Graph) FlexAttention(query, key, value Value, options FlexAttentionOptions) Value {
	const op = "ai.onnx.preview.FlexAttention"
	g = g.orBroken()
	inputs := []Value{query, key, value}
	plain := Attrs{}
	if options.Scale != 0 {
		plain["scale"] = options.Scale
	}
	if options.SoftmaxPrecision != 0 {
		plain["softmax_precision"] = options.SoftmaxPrecision
	}
	attrs := plain.copy()
	modify := func(name string, build func(b *Graph, x Value) Value) {
		if build == nil {
			return
		}
		body, _ := g.body(op, inputs, plain, func(b *Graph, in []Value) []Value { return []Value{build(b, in[0])} }, 1)
		attrs[name] = body
	}
	modify("score_mod", options.ScoreMod)
	modify("prob_mod", options.ProbMod)
	return g.Add(op, inputs, attrs, "", 1)[0]
}

// ownAttrs is a copy of the attributes, of which at most one may be given.
func (g *Graph) ownAttrs(given []Attrs) Attrs {
	attrs, err := only(given)
	if err != nil {
		g.fail(err)
	}
	return attrs.copy()
}

// repeat adds a node with a body, the first outputs of which, so many, are none of the node.
func (g *Graph) repeat(op string, inputs []Value, attrs Attrs, f func(*Graph, []Value) []Value, own int) []Value {
	body, outputs := g.body(op, inputs, attrs, f, len(inputs))
	if outputs < own {
		g.fail(newError(InvalidArgument, "the body gives no condition"))
		outputs = own
	}
	attrs["body"] = body
	return g.Add(op, inputs, attrs, "", outputs-own)
}

// body builds a graph with the inputs that such a node gives it, so many, and tells how many values it gives.
func (g *Graph) body(
	op string, inputs []Value, attrs Attrs, f func(*Graph, []Value) []Value, count int,
) (body *Graph, outputs int) {
	var build func(b *Graph) []Value
	if f != nil {
		build = func(b *Graph) []Value {
			in := b.Inputs()
			if len(in) != count {
				in = b.valuesOf(make([]C.int64_t, count), false) // after an error
			}
			return f(b, in)
		}
	}
	return g.subgraph(func(graph *C.weft_graph, out **C.weft_graph) error {
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
		cop := cString(op)
		defer freeString(cop)
		return check(C.wg_graph_new_body(graph, cop, unsafe.SliceData(in), C.int32_t(len(in)), list, out))
	}, build)
}

// branch builds a graph inside g, and tells how many values it gives.
func (g *Graph) branch(f func(b *Graph) []Value) (branch *Graph, outputs int) {
	return g.subgraph(func(graph *C.weft_graph, out **C.weft_graph) error {
		return check(C.wg_graph_new_sub(graph, out))
	}, f)
}

func (g *Graph) subgraph(
	open func(graph *C.weft_graph, out **C.weft_graph) error, f func(b *Graph) []Value,
) (branch *Graph, outputs int) {
	branch = &Graph{level: &level{builder: g.level.builder}}
	g.build(func(graph *C.weft_graph, _ *C.char) error {
		var out *C.weft_graph
		if err := open(graph, &out); err != nil {
			return err
		}
		branch = newGraph(out, g.level.builder, g.level.depth+1)
		branch.level.handle.unwatch() // it is closed with g
		g.level.builder.owned = append(g.level.builder.owned, branch.level.handle)
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
// of the outputs, in this order; "" if there is none. In a branch, and in a loop inside of another, the function is
// called again for it and must give the same.
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
