// Runs a pipeline of scikit-learn on numbers, names and texts: go run -C examples ./pipeline/go
package main

import (
	"context"
	"fmt"
	"log"

	weft "github.com/weft-ml/weft/go"
)

func main() {
	graph := must(weft.LoadGraph("exported/sklearn_text.onnx"))
	session := must(weft.NewSession(graph))
	// Each column of the table is an input by itself.
	column := []int64{3, 1}
	results := must(session.Run(context.Background(), weft.Feeds{
		must(graph.Find("months")): must(weft.TensorFrom(column, []float32{4, 12, 26})),
		must(graph.Find("plan")):   must(weft.TensorFrom(column, []string{"free", "team", "guest"})),
		must(graph.Find("text")): must(weft.TensorFrom(column, []string{
			"The password is not accepted since the update.",
			"Why is the invoice so high?",
			"An error shows up when I open the export.",
		})),
	}, graph.Outputs()...))

	// A class for each row, and a map from all classes to their probabilities.
	shares := must(weft.ToMaps[string, float32](results[1]))
	for i, team := range must(weft.Data[string](results[0])) {
		fmt.Printf("%s:", team)
		for _, name := range []string{"billing", "fault", "login"} {
			fmt.Printf(" %s %.6f", name, shares[i][name])
		}
		fmt.Println()
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
