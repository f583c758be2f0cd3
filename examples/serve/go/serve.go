// Answers requests in many goroutines with one session: go run -C examples ./serve/go
package main

import (
	"context"
	"fmt"
	"log"
	"sync"
	"sync/atomic"
	"time"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

func main() {
	// Load the model once, and plan for the shape of requests before the first one comes.
	graph := must(weft.LoadGraph("exported/pytorch.onnx", weft.LoadOptions{Map: true}))
	x := graph.Inputs()[0]
	digit := ops.ArgMax(graph.Outputs()[0], ops.ArgMaxOptions{Axis: 1, Keepdims: weft.Flag(false)})
	session, ctx := must(weft.NewSession(graph, weft.SessionOptions{Threads: 1})), context.Background()
	must(answer(ctx, session, x, digit, make([]float32, 64)))

	// Here requests are digits that the model was not trained on, and four goroutines answer them.
	digits := must(weft.LoadTensors("data/digits.safetensors"))
	pixels, labels := must(weft.Data[float32](digits["images"])), must(weft.Data[int64](digits["labels"]))
	var right atomic.Int64
	var workers sync.WaitGroup
	for first := range 4 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := 1500 + first; i < len(labels); i += 4 {
				if must(answer(ctx, session, x, digit, pixels[64*i:64*i+64])) == labels[i] {
					right.Add(1)
				}
			}
		}()
	}
	workers.Wait()
	fmt.Printf("%d of %d digits are right\n", right.Load(), len(labels)-1500)
	check(session.Close()) // Would wait for runs under way.
}

// Answer a request, in any goroutine.
func answer(ctx context.Context, session *weft.Session, x, digit weft.Value, row []float32) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	in, err := weft.TensorOfRows([][]float32{row})
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := session.Run(ctx, weft.Feeds{x: in}, digit)
	if err != nil {
		return 0, err
	}
	defer out[0].Close()
	return weft.Scalar[int64](out[0])
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
