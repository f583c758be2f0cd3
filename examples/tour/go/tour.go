// Learns XOR, saves the model and runs it from the file: go run -C examples ./tour/go
package main

import (
	"context"
	"fmt"
	"log"

	weft "github.com/weft-ml/weft/go"
)

func main() {
	// Build a network of two layers, its loss and a step that lowers it.
	graph := weft.NewGraph()
	x, wanted := graph.Input("x", weft.F32, "batch", 2), graph.Input("wanted", weft.F32, "batch", 1)
	hidden := weft.NewDense(graph, "hidden", weft.DenseConfig{Inputs: 2, Units: 8, Activation: "tanh", Seed: 1}).Call(x)
	y := weft.NewDense(graph, "y", weft.DenseConfig{Inputs: 8, Units: 1, Seed: 2}).Call(hidden)
	diff := y.Sub(wanted)
	loss := diff.Mul(diff).Mean().Named("loss")
	step := weft.Adam{Rate: weft.Rate{LearningRate: 0.05}}.Minimize(loss)

	// Train it.
	rows := must(weft.TensorOfRows([][]float32{{0, 0}, {0, 1}, {1, 0}, {1, 1}}))
	truth := must(weft.TensorOfRows([][]float32{{0}, {1}, {1}, {0}}))
	session, ctx := must(weft.NewSession(graph)), context.Background()
	for range 40 {
		results := must(session.RunWith(ctx, weft.RunOptions{Feeds: weft.Feeds{x: rows, wanted: truth},
			Fetches: []weft.Value{loss}, Targets: []weft.Value{step}}))
		fmt.Printf("loss %.8e\n", must(weft.Scalar[float32](results[0])))
	}

	// Save the model, load it and predict.
	check(graph.Save("xor.onnx", weft.SaveOptions{Outputs: []weft.Value{y}, Session: session}))
	model := must(weft.LoadGraph("xor.onnx"))
	loaded := must(weft.NewSession(model))
	predicted := must(loaded.Run(ctx, weft.Feeds{model.Inputs()[0]: rows}, model.Outputs()...))
	for _, value := range must(weft.Data[float32](predicted[0])) {
		fmt.Printf("%.3f\n", value)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
