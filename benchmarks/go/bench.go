// Times of prepared graphs from Go: the rows of weft_bench that every language has. go run -C benchmarks ./go
package main

import (
	"context"
	"fmt"
	"log"
	"sort"
	"time"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

// measure takes samples of at least 5 ms each, for half a second.
func measure(name string, prepared *weft.Prepared) {
	ctx := context.Background()
	timeOf := func(runs int) float64 {
		begin := time.Now()
		for range runs {
			check(prepared.Run(ctx))
		}
		return time.Since(begin).Seconds() / float64(runs)
	}
	timeOf(3)
	runs := max(1, int(5e-3/timeOf(100)))
	var samples []float64
	for begin := time.Now(); len(samples) < 5 || time.Since(begin) < time.Second/2; {
		samples = append(samples, timeOf(runs))
	}
	sort.Float64s(samples)
	fmt.Printf("%s\t%.2f\t%.2f\n", name, samples[0]*1e6, samples[len(samples)/2]*1e6)
}

func session(graph *weft.Graph) *weft.Session {
	return must(weft.NewSession(graph, weft.SessionOptions{Threads: 1}))
}

func adds(name string, count int) {
	graph := weft.NewGraph()
	x, other := graph.Input("x", weft.F32, 4), graph.Input("other", weft.F32, 4)
	y := x
	for range count {
		y = y.Add(other)
	}
	prepared := must(session(graph).Prepare([]weft.Value{x, other}, []weft.Value{y}))
	ones := must(weft.TensorOf[float32](1, 1, 1, 1))
	check(prepared.BindInput(0, ones))
	check(prepared.BindInput(1, ones))
	check(prepared.BindOutput(0, must(weft.TensorOf[float32](0, 0, 0, 0))))
	measure(name, prepared)
}

func training(name string) {
	rows, classes := make([]float32, 32*64), make([]int64, 32)
	for i := range rows {
		rows[i] = 2*float32(i)/float32(len(rows)-1) - 1
	}
	for i := range classes {
		classes[i] = int64(i % 10)
	}
	graph := weft.NewGraph()
	x, labels := graph.Input("x", weft.F32, 32, 64), graph.Input("labels", weft.I64, 32)
	hidden := weft.NewDense(graph, "hidden", weft.DenseConfig{Inputs: 64, Units: 64, Activation: "relu"})
	scores := weft.NewDense(graph, "scores", weft.DenseConfig{Inputs: 64, Units: 10})
	loss := ops.SoftmaxCrossEntropyLoss(scores.Call(hidden.Call(x)), labels)
	step := weft.Adam{Rate: weft.Rate{LearningRate: 1e-3}}.Minimize(loss)
	prepared := must(session(graph).Prepare([]weft.Value{x, labels}, nil, step))
	check(prepared.BindInput(0, must(weft.TensorFrom([]int64{32, 64}, rows))))
	check(prepared.BindInput(1, must(weft.TensorFrom([]int64{32}, classes))))
	measure(name, prepared)
}

func main() {
	adds("one Add of 4", 1)
	adds("chain of 100 Adds of 4", 100)
	training("MLP 64-64-10, a step of Adam, batch 32")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
