// Package weft builds, trains and runs neural networks as dataflow graphs. It is a thin layer over the shared library
// libweft, which it opens at run time; see Load for where it is looked for.
//
// A Graph is built of Values: inputs, constants, variables and operators over them. The methods of Value are the most
// usual operators, package ops has all of them, and NewDense and its like make layers. The first error of building,
// with the line that caused it, stays with the graph: NewSession, or Graph.Err, gives it.
//
//	g := weft.NewGraph()
//	x := g.Input("x", weft.F32, "batch", 64)
//	y := weft.NewDense(g, "scores", weft.DenseConfig{Inputs: 64, Units: 10}).Call(x).Softmax()
//	s, err := weft.NewSession(g)
//
// Everything in a graph has a name, for errors and files. NewDense and Variable take it; operators get one by Named, or
// by the Name in their options. Graph.Scope prefixes names:
//
//	encoder := g.Scope("encoder")
//	y := ops.Relu(x.In(encoder), ops.ReluOptions{Name: "act"}) // It is "encoder/act".
//
// The zero value of an options struct is the default. A field whose default is not zero, and for which zero means something,
// is a pointer, nil for the default: Int, Float and Flag make one, as in ops.ReduceMeanOptions{Keepdims: weft.Flag(false)}.
// Where zero would mean nothing (epochs, a learning rate), it stands for the default, which the field's comment says.
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
// With WEFT_LEAKS=full in the environment, Unclosed tells where those that are open were made, and forgotten ones are
// told of on the standard error.
//
// Tensors hold memory of the library's: TensorFrom copies into it, and View and Edit show it as a slice for the time of
// a call. There is no tensor over the memory of a slice: Go's memory must not be kept by C.
//
// # Goroutines
//
// Everything may be used by several goroutines at once, but for a Prepared, which is for one at a time, and writing to
// the elements of a tensor that others use. Goroutines may build one graph at once: what is added where is said by the
// Graph that each uses, the whole one or that of a scope or branch.
package weft
