// Examples for the documentation.

package weft_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"os"
	"path/filepath"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

// need gives a result that has no error.
func need[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func Example() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "batch", 2)
	y := x.MatMul(g.Constant([][]float32{{1, 2}, {3, 4}})).Relu()
	s, err := weft.NewSession(g) // Also the errors of the lines above.
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	in := need(weft.TensorFrom([]int64{1, 2}, []float32{1, -1}))
	defer in.Close()
	out := need(s.Run(context.Background(), weft.Feeds{x: in}, y))
	defer out[0].Close()
	fmt.Println(out[0], need(weft.Data[float32](out[0])))
	// Output: f32[1, 2] [0 0]
}

func ExampleGraph_Err() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 2, 3)
	x.MatMul(x).Relu() // Everything after an error has no effect.
	var e *weft.Error
	if errors.As(g.Err(), &e) {
		fmt.Println(e.Op, e.Code, filepath.Base(e.Origin))
	}
	// Output: MatMul INVALID_ARGUMENT example_test.go:48
}

func ExampleGraph_Gradients() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F64)
	dx := g.Gradients([]weft.Value{x.Mul(x).Mul(x)}, []weft.Value{x}, nil)[0]
	s := need(weft.NewSession(g))
	defer s.Close()
	in := need(weft.ScalarOf(2.0))
	defer in.Close()
	out := need(s.Run(context.Background(), weft.Feeds{x: in}, dx))
	defer out[0].Close()
	fmt.Println(need(weft.Scalar[float64](out[0])))
	// Output: 12
}

func ExampleGraph_If() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32)
	zero := g.Constant(float32(0))
	root := g.If(x.Less(zero),
		func(b *weft.Graph) []weft.Value { return []weft.Value{zero} },
		func(b *weft.Graph) []weft.Value { return []weft.Value{x.In(b).Sqrt()} })[0]
	s := need(weft.NewSession(g))
	defer s.Close()
	for _, value := range []float32{9, -4} {
		in := need(weft.ScalarOf(value))
		out := need(s.Run(context.Background(), weft.Feeds{x: in}, root))
		fmt.Println(need(weft.Scalar[float32](out[0])))
		out[0].Close()
		in.Close()
	}
	// Output:
	// 3
	// 0
}

func ExampleGraph_Loop() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32)
	powers := g.Loop(g.Constant(int64(3)), weft.Value{}, []weft.Value{x}, func(b *weft.Graph, in []weft.Value) []weft.Value {
		return []weft.Value{in[1], in[2].Mul(x.In(b)), in[2]}
	})
	s := need(weft.NewSession(g))
	defer s.Close()
	in := need(weft.ScalarOf[float32](2))
	defer in.Close()
	out := need(s.Run(context.Background(), weft.Feeds{x: in}, powers...))
	defer out[0].Close()
	defer out[1].Close()
	fmt.Println(need(weft.Scalar[float32](out[0])), need(weft.Data[float32](out[1])))
	// Output: 16 [2 4 8]
}

func ExampleGraph_Scan() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "n")
	zero := g.Constant(float32(0))
	sums := g.Scan([]weft.Value{zero}, []weft.Value{x}, func(b *weft.Graph, in []weft.Value) []weft.Value {
		sum := in[0].Add(in[1])
		return []weft.Value{sum, sum}
	})[1]
	s := need(weft.NewSession(g))
	defer s.Close()
	in := need(weft.TensorOf[float32](1, 2, 3))
	defer in.Close()
	out := need(s.Run(context.Background(), weft.Feeds{x: in}, sums))
	defer out[0].Close()
	fmt.Println(need(weft.Data[float32](out[0])))
	// Output: [1 3 6]
}

func ExampleGraph_SequenceMap() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 2)
	pair := ops.SequenceConstruct([]weft.Value{x, x.Mul(x)})
	sums := g.SequenceMap([]weft.Value{pair, x}, func(b *weft.Graph, in []weft.Value) []weft.Value {
		return []weft.Value{in[0].Add(in[1])}
	})[0]
	s := need(weft.NewSession(g))
	defer s.Close()
	in := need(weft.TensorOf[float32](1, 3))
	defer in.Close()
	out := need(s.Run(context.Background(), weft.Feeds{x: in}, sums))
	defer out[0].Close()
	second := need(out[0].At(1))
	defer second.Close()
	fmt.Println(out[0].Len(), need(weft.Data[float32](second)))
	// Output: 2 [2 12]
}

func ExampleGraph_FlexAttention() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 1, 1, "tokens", 1)
	zero := g.Constant(float32(0))
	y := g.FlexAttention(x, x, x, weft.FlexAttentionOptions{
		ScoreMod: func(b *weft.Graph, scores weft.Value) weft.Value { return scores.Mul(zero) },
		Scale:    1, SoftmaxPrecision: weft.F32,
	})
	s := need(weft.NewSession(g))
	defer s.Close()
	in := need(weft.TensorFrom([]int64{1, 1, 2, 1}, []float32{1, 3}))
	defer in.Close()
	out := need(s.Run(context.Background(), weft.Feeds{x: in}, y))
	defer out[0].Close()
	fmt.Println(need(weft.Data[float32](out[0])))
	// Output: [2 2]
}

func ExampleSession_Prepare() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 2)
	s := need(weft.NewSession(g))
	defer s.Close()
	p := need(s.Prepare([]weft.Value{x}, []weft.Value{x.Mul(x)}))
	defer p.Close()
	in, out := need(weft.ZeroTensor(weft.F32, 2)), need(weft.ZeroTensor(weft.F32, 2))
	defer in.Close()
	defer out.Close()
	if err := errors.Join(p.BindInput(0, in), p.BindOutput(0, out)); err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		// Nothing is allocated here.
		err := weft.Edit(in, func(data []float32) error { data[0], data[1] = float32(i), 10; return nil })
		if err := errors.Join(err, p.Run(context.Background())); err != nil {
			log.Fatal(err)
		}
		fmt.Println(need(weft.Data[float32](out)))
	}
	// Output:
	// [0 100]
	// [1 100]
	// [4 100]
}

func ExampleSession_Fit() {
	xs, ys := need(weft.TensorOf[float32](0, 1, 2, 3)), need(weft.TensorOf[float32](1, 3, 5, 7))
	data := need(weft.NewDataset(xs, ys))
	g := weft.NewGraph()
	x, y := g.Input("x", weft.F32, "batch"), g.Input("y", weft.F32, "batch")
	a, b := g.Variable("a", float32(0), true), g.Variable("b", float32(0), true)
	difference := x.Mul(a).Add(b).Sub(y)
	loss := difference.Mul(difference).Mean().Named("loss")
	step := weft.Sgd{Rate: weft.Rate{LearningRate: 0.1}}.Minimize(loss)
	s := need(weft.NewSession(g))
	history := need(s.Fit(context.Background(), data, []weft.Value{x, y}, step, []weft.Value{loss},
		weft.FitOptions{Epochs: 200, BatchSize: 2}))
	losses := history.Metric("loss")
	slope := need(s.Get("a"))
	fmt.Printf("%.3f %v\n", need(weft.Scalar[float32](slope)), losses[199] < losses[0]/1000)
	for _, object := range []closer{xs, ys, data, g, s, slope} {
		object.Close()
	}
	// Output: 2.000 true
}

func ExampleDataset_Batches() {
	column := need(weft.TensorOf[float32](1, 2, 3, 4, 5))
	defer column.Close()
	data := need(weft.NewDataset(column))
	defer data.Close()
	for batch, err := range data.Batches(weft.BatchOptions{BatchSize: 2}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(need(weft.Data[float32](batch[0])))
	}
	// Output:
	// [1 2]
	// [3 4]
	// [5]
}

func ExampleNewDatasetFunc() {
	squares := func(epoch int) iter.Seq2[[]*weft.Tensor, error] {
		return func(yield func([]*weft.Tensor, error) bool) {
			for i := range 2 { // read a part of a file, say
				x := float32(i)
				xs, err := weft.TensorOf(x, x+0.5)
				ys, err2 := weft.TensorOf(x*x, (x+0.5)*(x+0.5))
				if !yield([]*weft.Tensor{xs, ys}, errors.Join(err, err2)) {
					return
				}
			}
		}
	}
	data := need(weft.NewDatasetFunc(squares, "x", "y"))
	defer data.Close()
	for batch, err := range data.Batches(weft.BatchOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(need(weft.Data[float32](batch[0])), need(weft.Data[float32](batch[1])))
	}
	// Output:
	// [0 0.5] [0 0.25]
	// [1 1.5] [1 2.25]
}

func ExampleSetHostFunction() {
	err := weft.SetHostFunction("reverse", func(inputs []*weft.Tensor) ([]*weft.Tensor, error) {
		data, err := weft.Data[float32](inputs[0])
		if err != nil {
			return nil, err
		}
		for i, j := 0, len(data)-1; i < j; i, j = i+1, j-1 {
			data[i], data[j] = data[j], data[i]
		}
		out, err := weft.TensorOf(data...)
		return []*weft.Tensor{out}, err
	})
	if err != nil {
		log.Fatal(err)
	}
	defer weft.SetHostFunction("reverse", nil)
	g := weft.NewGraph()
	defer g.Close()
	outputs := []weft.HostOutput{{DType: weft.F32, Shape: []any{3}}}
	y := g.HostCall("reverse", []weft.Value{g.Constant([]float32{1, 2, 3})}, outputs, "")[0]
	s := need(weft.NewSession(g))
	defer s.Close()
	out := need(s.Run(context.Background(), nil, y))
	defer out[0].Close()
	fmt.Println(need(weft.Data[float32](out[0])))
	// Output: [3 2 1]
}

func ExampleGraph_Save() {
	folder := need(os.MkdirTemp("", "weft"))
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "double.onnx")
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "n")
	g.SetOutputs(x.Add(x).Named("y"))
	if err := g.Save(path); err != nil {
		log.Fatal(err)
	}
	loaded := need(weft.LoadGraph(path))
	defer loaded.Close()
	fmt.Println(loaded.Inputs(), loaded.Outputs())
	// Output: [x f32[n]] [y f32[n]]
}

func ExampleView() {
	made := need(weft.TensorFrom([]int64{2, 2}, []float64{1, 2, 3, 4}))
	defer made.Close()
	sum := 0.0
	err := weft.View(made, func(data []float64) error {
		for _, x := range data {
			sum += x
		}
		return nil
	})
	fmt.Println(made, sum, err)
	// Output: f64[2, 2] 10 <nil>
}

func ExampleFloat() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 3)
	// The slope is 0.01 unless it is said otherwise.
	y := ops.LeakyRelu(x, ops.LeakyReluOptions{Alpha: weft.Float(0.5)})
	fmt.Println(y.Shape(), g.Err())
	// Output: [3] <nil>
}
