// Trains nets of PyTorch, Keras and scikit-learn further, and runs a forest: go run -C examples ./fine_tune/go
package main

import (
	"context"
	"fmt"
	"log"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

func main() {
	digits := must(weft.LoadDataset("data/digits.safetensors", "images", "labels"))
	train, test := must(digits.Rows(0, 1500)), must(digits.Rows(1500, 297))
	ctx := context.Background()

	for _, maker := range []string{"pytorch", "torchscript", "keras", "sklearn_mlp"} {
		graph := must(weft.LoadGraph("exported/"+maker+".onnx", weft.LoadOptions{Trainable: []string{"*"}}))
		images, scores := graph.Inputs()[0], graph.Outputs()[len(graph.Outputs())-1]
		// Of scikit-learn there are labels, and then probabilities, whose logarithms are as good as scores.
		if maker == "sklearn_mlp" {
			scores = ops.Log(scores)
		}
		labels := graph.Input("labels", weft.I64, "batch")
		loss := ops.SoftmaxCrossEntropyLoss(scores, labels).Named("loss")
		accuracy := ops.Accuracy(scores, labels).Named("accuracy")
		step := weft.Adam{Rate: weft.Rate{LearningRate: 2e-3}}.Minimize(loss)

		session := must(weft.NewSession(graph))
		before := must(session.Evaluate(ctx, test, []weft.Value{images, labels}, []weft.Value{accuracy}))
		fmt.Printf("%s: accuracy %.6f as exported\n", maker, before[0].Value)
		history := must(session.Fit(ctx, train, []weft.Value{images, labels}, step, []weft.Value{loss},
			weft.FitOptions{Epochs: 5, BatchSize: 32, Seed: 1}))
		for epoch, value := range history.Metric("loss") {
			fmt.Printf("epoch %d  loss %.6f\n", epoch+1, value)
		}

		// What is saved gives the digit itself.
		digit := ops.ArgMax(scores, ops.ArgMaxOptions{Axis: 1, Keepdims: weft.Flag(false)})
		check(graph.Save(maker+"_tuned.onnx", weft.SaveOptions{Outputs: []weft.Value{digit}, Session: session}))
		countRight(ctx, maker, maker+"_tuned.onnx", test)
	}
	countRight(ctx, "sklearn", "exported/sklearn.onnx", test)
}

func countRight(ctx context.Context, maker, path string, test *weft.Dataset) {
	model := must(weft.LoadGraph(path))
	session := must(weft.NewSession(model))
	predicted := must(session.Predict(ctx, test, []weft.Value{model.Inputs()[0], {}}, model.Outputs()[:1]))
	digits, right := must(weft.Data[int64](predicted[0])), 0
	for i, label := range must(weft.Data[int64](must(test.At(1)))) {
		if digits[i] == label {
			right++
		}
	}
	fmt.Printf("%s: %d of %d digits are right\n", maker, right, test.Len())
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
