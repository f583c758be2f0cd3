// Package weft builds, trains and runs neural networks as dataflow graphs. It is a thin layer over the shared library
// libweft, which it opens at run time; see Load for where it is looked for.
//
// A Graph is built of Values: inputs, constants, variables and operators over them. The methods of Value are the most
// usual operators, package ops has all of them, and NewDense and its like make layers. The first error of building,
// with the line that caused it, stays with the graph: NewSession, or Graph.Err, gives it.
//
//	g := weft.NewGraph()
//	x := g.Input("x", weft.F32, "batch", 64)
//	y := weft.NewDense(g, "scores", weft.DenseConfig{Inputs: 64, Units: 10}).Call(x, false).Softmax()
//	s, err := weft.NewSession(g)
//
// A Session runs parts of the graph: Run computes values from tensors, Fit trains, Evaluate and Predict go over a
// Dataset. A Prepared is a run made ready to be repeated without allocating.
//
// # Errors
//
// Errors are *Error, with a Code, the node, its operator and the line that built it. errors.Is finds the code,
// ErrClosed, what a context ended with and what a function of the program returned. Nothing panics, and a closed or nil
// object is an error.
//
// # Memory
//
// Tensors, graphs, sessions and others hold memory that the garbage collector does not see: Close them. Forgotten ones
// are closed when the garbage collector finds them. Objects keep alive what they need, so the order does not matter.
//
// # Goroutines
//
// Everything may be used by several goroutines at once, but for a Prepared, which is for one at a time, and writing to
// the elements of a tensor that others use.
package weft
