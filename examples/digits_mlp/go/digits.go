// Trains a two-layer network on handwritten digits: go run -C examples ./digits_mlp/go
package main

import (
	"context"
	"fmt"
	"log"
	"slices"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

func main() {
	digits := must(weft.LoadDataset("data/digits.safetensors", "images", "labels"))
	train, test := must(digits.Rows(0, 1500)), must(digits.Rows(1500, 297))

	graph := weft.NewGraph()
	images, labels := graph.Input("images", weft.F32, "batch", 64), graph.Input("labels", weft.I64, "batch")
	hidden := weft.NewDense(graph, "hidden", weft.DenseConfig{Inputs: 64, Units: 64, Activation: "relu", Seed: 1})
	scores := weft.NewDense(graph, "scores", weft.DenseConfig{Inputs: 64, Units: 10, Seed: 2})
	logits := scores.Call(hidden.Call(images))
	loss := ops.SoftmaxCrossEntropyLoss(logits, labels).Named("loss")
	step := weft.Adam{Rate: weft.Rate{LearningRate: 1e-3}}.Minimize(loss)

	session, ctx := must(weft.NewSession(graph)), context.Background()
	history := must(session.Fit(ctx, train, []weft.Value{images, labels}, step, []weft.Value{loss},
		weft.FitOptions{Epochs: 20, BatchSize: 32, Seed: 1}))
	for epoch, value := range history.Metric("loss") {
		fmt.Printf("epoch %2d  loss %.6f\n", epoch+1, value)
	}
	predicted := must(session.Predict(ctx, test, []weft.Value{images, {}}, []weft.Value{logits}))
	points, right := must(weft.Data[float32](predicted[0])), 0
	for i, label := range must(weft.Data[int64](must(test.At(1)))) {
		if row := points[10*i : 10*i+10]; slices.Index(row, slices.Max(row)) == int(label) {
			right++
		}
	}
	fmt.Printf("test accuracy %.1f%%\n", 100*float64(right)/float64(test.Len()))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
