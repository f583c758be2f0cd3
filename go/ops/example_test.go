// Examples for the documentation.

package ops_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"testing"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

func TestMain(m *testing.M) {
	built, err := filepath.Abs("../../build/dev/c_api/libweft.so")
	if err == nil && os.Getenv("WEFT_LIBRARY") == "" {
		if _, err := os.Stat(built); err == nil {
			os.Setenv("WEFT_LIBRARY", built)
		}
	}
	code := m.Run()
	if left := weft.LiveObjects(); left != 0 {
		fmt.Fprintf(os.Stderr, "%d objects are still alive\n", left)
		code = 1
	}
	os.Exit(code)
}

// show runs a graph of constants and prints values.
func show(g *weft.Graph, values ...weft.Value) {
	defer g.Close()
	s, err := weft.NewSession(g)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(context.Background(), nil, values...)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range out {
		data, err := weft.Data[float32](t)
		fmt.Println(t, data, err)
		t.Close()
	}
}

func ExampleConv() {
	g := weft.NewGraph()
	image := g.Constant([][][][]float32{{{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}}})
	kernel := g.Constant([][][][]float32{{{{1, 0}, {0, 1}}}})
	bias := g.Constant([]float32{100})
	show(g, ops.Conv(image, kernel, ops.ConvOptions{B: bias}))
	// Output: f32[1, 1, 2, 2] [106 108 112 114] <nil>
}

func ExampleReduceSum() {
	g := weft.NewGraph()
	x := g.Constant([][]float32{{1, 2, 3}, {4, 5, 6}})
	rows := ops.ReduceSum(x, ops.ReduceSumOptions{Axes: g.Constant([]int64{1}), Keepdims: weft.Flag(false)})
	show(g, ops.ReduceSum(x), rows)
	// Output:
	// f32[1, 1] [21] <nil>
	// f32[2] [6 15] <nil>
}

func ExampleSplit() {
	g := weft.NewGraph()
	x := g.Constant([]float32{1, 2, 3, 4})
	show(g, ops.Split(x, 2, ops.SplitOptions{NumOutputs: weft.Int(2)})...)
	// Output:
	// f32[2] [1 2] <nil>
	// f32[2] [3 4] <nil>
}

func ExampleMaxPool() {
	g := weft.NewGraph()
	x := g.Constant([][][]float32{{{1, 5, 7, 2}}})
	var indices weft.Value
	y := ops.MaxPool(x, []int64{2}, ops.MaxPoolOptions{Strides: []int64{2}, IndicesOutput: &indices})
	show(g, y, indices.Cast(weft.F32))
	// Output:
	// f32[1, 1, 2] [5 7] <nil>
	// f32[1, 1, 2] [1 2] <nil>
}
