// Package ops has a function for every operator of Weft: those of ONNX under their names, and the library's own.
//
// Required inputs and attributes are arguments. Optional ones are fields of an options struct, which may be left out, and
// so is the name of the node:
//
//	y := ops.Conv(x, kernel, ops.ConvOptions{Name: "edges", B: bias, Pads: []int64{1, 1, 1, 1}})
//
// A field whose default is not zero is a pointer, nil for the default: weft.Int, weft.Float and weft.Flag make one. An
// optional output is given through a pointer to a weft.Value.
//
// Errors stay with the graph, as weft.Graph tells.
package ops

import weft "github.com/weft-ml/weft/go"

// only is the one element of a list of options, or the default.
func only[T any](list []T) (options T, problem error) {
	if len(list) > 1 {
		problem = &weft.Error{Code: weft.InvalidArgument, Message: "more than one options struct was given"}
	}
	if len(list) > 0 {
		options = list[0]
	}
	return options, problem
}

// trim leaves out the optional inputs at the end that are not given.
func trim(inputs []weft.Value) []weft.Value {
	for len(inputs) > 0 && inputs[len(inputs)-1] == (weft.Value{}) {
		inputs = inputs[:len(inputs)-1]
	}
	return inputs
}

// add adds an operator to g or, if that is nil, to the graph of its inputs.
func add(g *weft.Graph, op string, inputs []weft.Value, attrs weft.Attrs, name string, count int,
	problem error) []weft.Value {
	if problem != nil {
		attrs = weft.Attrs{"options": problem}
	}
	if g != nil {
		return g.Add(op, inputs, attrs, name, count)
	}
	return weft.Add(op, inputs, attrs, name, count)
}

// given leaves an empty text out of the attributes.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
