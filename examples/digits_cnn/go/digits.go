// Trains a convolutional network on handwritten digits: go run -C examples ./digits_cnn/go
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
	channels := []int64{1, 32, 32, 64}
	var convs, norms [3]*weft.Layer
	for i := range convs {
		convs[i] = weft.NewConv2d(graph, fmt.Sprint("conv", i+1), weft.Conv2dConfig{Inputs: channels[i],
			Filters: channels[i+1], Kernel: []int64{3}, Pads: []int64{1}, Seed: 1})
		norms[i] = weft.NewBatchNorm(graph, fmt.Sprint("norm", i+1), weft.BatchNormConfig{Channels: channels[i+1]})
	}
	scores := weft.NewDense(graph, "scores", weft.DenseConfig{Inputs: 64, Units: 10, Seed: 1})
	network := func(training bool) weft.Value {
		x := images.Reshape(-1, 1, 8, 8)
		for i := range convs {
			x = norms[i].Call(convs[i].Call(x, training), training).Relu()
			if i == 1 {
				x = ops.MaxPool(x, []int64{2, 2}, ops.MaxPoolOptions{Strides: []int64{2, 2}})
			}
		}
		return scores.Call(ops.Flatten(ops.GlobalAveragePool(x)), training)
	}
	loss := ops.SoftmaxCrossEntropyLoss(network(true), labels).Named("loss")
	step := weft.Adam{Rate: weft.Rate{LearningRate: 1e-3}}.Minimize(loss)
	logits := network(false)

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
