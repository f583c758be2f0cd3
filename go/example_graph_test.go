// Examples of building graphs.

package weft_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"path/filepath"
	"strings"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

// values runs a graph that needs no inputs and prints the elements of values of f32.
func values(g *weft.Graph, fetches ...weft.Value) {
	s := need(weft.NewSession(g))
	defer s.Close()
	for _, out := range need(s.Run(context.Background(), nil, fetches...)) {
		fmt.Println(out, need(weft.Data[float32](out)))
		out.Close()
	}
}

func ExampleNewGraph() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "batch", 3)
	free := g.Input("free", weft.F32, weft.AnyRank)
	fmt.Println(x, "|", free, "|", x.DType(), x.Dims(), x.Shape(), x.Name())
	fmt.Println(g.NodeCount(), g.Inputs(), g.Err())
	// Output:
	// x f32[batch, 3] | free f32[...] | f32 [-1 3] [batch, 3] x
	// 2 [x f32[batch, 3] free f32[...]] <nil>
}

func ExampleNewGraphOpset() {
	// In opset 11, the axes of Squeeze were an attribute.
	g := weft.NewGraphOpset(11)
	defer g.Close()
	x := g.Constant([][]float32{{1, 2}})
	values(g, g.Add("Squeeze", []weft.Value{x}, weft.Attrs{"axes": []int64{0}}, "", 1)[0])
	// Output: f32[2] [1 2]
}

func ExampleGraph_Scope() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 3)
	encoder := g.Scope("encoder")
	scale := encoder.Scope("norm").Variable("scale", []float32{1, 1, 1}, true)
	// x is of the whole graph: In takes it into the scope.
	y := ops.Relu(x.In(encoder).Mul(scale), ops.ReluOptions{Name: "act"})
	fmt.Println(scale.Name(), y.Name(), g.Err())
	// Output: encoder/norm/scale encoder/act <nil>
}

func ExampleValue_Named() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 2)
	y := x.Exp().Named("y")
	found := need(g.Find("y"))
	fmt.Println(y, found == y, found.Graph() == g)
	// Output: y f32[2] true true
}

func ExampleValue_Same() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 2)
	inside := x.In(g.Scope("s"))
	fmt.Println(x == inside, x.Same(inside), weft.Value{}.IsNone())
	// Output: false true true
}

func ExampleValue_Scalar() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([]float32{1, 2, 4})
	// The number gets the type of x.
	half := x.Scalar(0.5)
	values(g, x.Mul(half), x.Sub(half), x.Div(half), x.Pow(half))
	// Output:
	// f32[3] [0.5 1 2]
	// f32[3] [0.5 1.5 3.5]
	// f32[3] [2 4 8]
	// f32[3] [1 1.4142135 2]
}

func ExampleValue_Sum() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([][]float32{{1, 2, 3}, {4, 5, 6}})
	values(g, x.Sum(), x.Mean(0), x.Max(-1), x.Min(0, 1), x.Prod())
	// Output:
	// f32[] [21]
	// f32[3] [2.5 3.5 4.5]
	// f32[2] [3 6]
	// f32[] [1]
	// f32[] [720]
}

func ExampleValue_Reshape() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([][]float32{{1, 2, 3}, {4, 5, 6}})
	values(g, x.Reshape(3, -1), x.T(), x.Add(x.Transpose(1, 0).Reshape(0, 2).Reshape(2, 3)))
	// Output:
	// f32[3, 2] [1 2 3 4 5 6]
	// f32[3, 2] [1 4 2 5 3 6]
	// f32[2, 3] [2 6 5 9 8 12]
}

func ExampleValue_At() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([][]float32{{1, 2, 3}, {4, 5, 6}})
	values(g, x.At(-1), x.At(0, 1), x.Slice(1, math.MaxInt64, 1, 1), x.Slice(-1, math.MinInt64, 1, -2))
	// Output:
	// f32[3] [4 5 6]
	// f32[2] [1 4]
	// f32[2, 2] [2 3 5 6]
	// f32[2, 2] [3 1 6 4]
}

func ExampleValue_And() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([]float32{-7, 0, 7})
	three := x.Scalar(3)
	small, whole := x.LessOrEqual(three), x.Mod(three).NotEqual(x.Scalar(1))
	all := []weft.Value{small.And(whole), small.Or(whole), small.Xor(whole), whole.Not(), x.GreaterOrEqual(three)}
	for i, value := range all {
		all[i] = value.Cast(weft.F32)
	}
	values(g, append(all, x.Mod(three))...)
	// Output:
	// f32[3] [1 1 0]
	// f32[3] [1 1 0]
	// f32[3] [0 0 0]
	// f32[3] [0 0 1]
	// f32[3] [0 0 1]
	// f32[3] [-1 0 1]
}

func ExampleValue_Less() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([]float32{-1, 0, 1})
	zero := x.Scalar(0)
	values(g, x.Less(zero).Cast(weft.F32), x.Greater(zero).Cast(weft.F32), x.Equal(zero).Cast(weft.F32))
	// Output:
	// f32[3] [1 0 0]
	// f32[3] [0 0 1]
	// f32[3] [0 1 0]
}

func ExampleValue_Softmax() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([]float32{0, 0})
	values(g, x.Softmax(), x.Sigmoid(), x.Tanh().Abs(), x.Exp().Log(), x.Relu().Sqrt())
	// Output:
	// f32[2] [0.5 0.5]
	// f32[2] [0.5 0.5]
	// f32[2] [0 0]
	// f32[2] [0 0]
	// f32[2] [0 0]
}

func ExampleGraph_Constant() {
	g := weft.NewGraph()
	defer g.Close()
	matrix := need(weft.TensorOfRows([][]float32{{1, 2}, {3, 4}}))
	defer matrix.Close()
	fmt.Println(g.Constant(1), g.Constant("text").Shape(), g.NamedConstant(matrix, "m"))
	// Output: Constant i64[] [] m f32[2, 2]
}

func ExampleGraph_Variable() {
	g := weft.NewGraph()
	defer g.Close()
	count := g.Variable("count", float32(0), false)
	next := ops.Assign(count, count.Add(count.Scalar(1)))
	s := need(weft.NewSession(g))
	defer s.Close()
	for range 3 {
		need(s.RunWith(context.Background(), weft.RunOptions{Targets: []weft.Value{next}}))
	}
	value := need(s.Get("count"))
	defer value.Close()
	fmt.Println(g.Variables(), need(weft.Scalar[float32](value)))
	// Output: [count f32[]] 3
}

func ExampleGraph_Attach() {
	g := weft.NewGraph()
	defer g.Close()
	count := g.Variable("count", float32(0), false)
	y := count.Mul(count.Scalar(10))
	g.Attach(y, ops.Assign(count, count.Add(count.Scalar(1)))) // Every run of y counts.
	values(g, y)
	s := need(weft.NewSession(g))
	defer s.Close()
	for range 2 {
		out := need(s.Run(context.Background(), nil, y))
		fmt.Println(need(weft.Scalar[float32](out[0])))
		out[0].Close()
	}
	// Output:
	// f32[] [0]
	// 0
	// 10
}

func ExampleGraph_Add() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([][]float32{{3, 1, 2}})
	k := g.Constant([]int64{2})
	largest := g.Add("TopK", []weft.Value{x, k}, weft.Attrs{"axis": 1}, "largest", 2)
	again := weft.Add("Neg", largest[:1], nil, "", 1)
	values(g, largest[0], again[0])
	// Output:
	// f32[1, 2] [3 2]
	// f32[1, 2] [-3 -2]
}

func ExampleGraph_HostCall() {
	// The function and its gradient: the gradient gets the input and the gradient of the output.
	square := func(in []*weft.Tensor) ([]*weft.Tensor, error) {
		data := need(weft.Data[float32](in[0]))
		out, err := weft.TensorOf(data[0] * data[0])
		return []*weft.Tensor{out}, err
	}
	gradient := func(in []*weft.Tensor) ([]*weft.Tensor, error) {
		x, dy := need(weft.Data[float32](in[0])), need(weft.Data[float32](in[1]))
		out, err := weft.TensorOf(2 * x[0] * dy[0])
		return []*weft.Tensor{out}, err
	}
	for name, f := range map[string]weft.HostFunction{"square": square, "square's gradient": gradient} {
		if err := weft.SetHostFunction(name, f); err != nil {
			log.Fatal(err)
		}
		defer weft.SetHostFunction(name, nil)
	}
	g := weft.NewGraph()
	defer g.Close()
	x := g.Variable("x", []float32{5}, true)
	outputs := []weft.HostOutput{{DType: weft.F32, Shape: []any{1}}}
	y := g.HostCall("square", []weft.Value{x}, outputs, "square's gradient")[0]
	values(g, y, g.Gradients([]weft.Value{y}, []weft.Value{x}, nil)[0])
	// Output:
	// f32[1] [25]
	// f32[1] [10]
}

func ExampleGraph_Text() {
	g := weft.NewGraph()
	defer g.Close()
	g.SetOutputs(g.Input("x", weft.F32, 2).Neg().Named("y"))
	text, dot := need(g.Text()), need(g.Dot())
	fmt.Println(strings.Contains(text, "Neg"), strings.HasPrefix(dot, "digraph"), g.Outputs())
	if picture, err := g.SVG(); err == nil { // It needs the program dot of Graphviz.
		fmt.Println(strings.Contains(picture, "<svg"))
	} else {
		fmt.Println(errors.Is(err, weft.Unavailable))
	}
	// Output:
	// true true [y f32[2]]
	// true
}

func ExampleNewDense() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([][]float32{{1, 2, 3}})
	dense := weft.NewDense(g, "dense", weft.DenseConfig{Inputs: 3, Units: 2, KernelInit: "ones", Activation: "relu"})
	drop := weft.NewDropout(g, "drop", weft.DropoutConfig{Rate: weft.Float(0.2)})
	values(g, drop.Call(dense.Call(x))) // To train, it is drop.Call(y, true).
	fmt.Println(dense.Variables())
	// Output:
	// f32[1, 2] [6 6]
	// [dense/kernel f32[3, 2] dense/bias f32[2]]
}

func ExampleNewConv2d() {
	g := weft.NewGraph()
	defer g.Close()
	images := g.Input("images", weft.F32, "batch", 1, 8, 8)
	conv := weft.NewConv2d(g, "conv", weft.Conv2dConfig{Inputs: 1, Filters: 4, Kernel: []int64{3}, Pads: []int64{1}})
	norm := weft.NewBatchNorm(g, "norm", weft.BatchNormConfig{Channels: 4})
	flat := weft.NewFlatten(g, "flat", weft.FlattenConfig{})
	y := images
	for _, layer := range []*weft.Layer{conv, norm, flat} {
		y = layer.Call(y, true)
	}
	fmt.Println(y.Shape())
	// Output: [batch, 256]
}

func ExampleNewEmbedding() {
	g := weft.NewGraph()
	defer g.Close()
	words := g.Input("words", weft.I64, "batch", "length")
	table := weft.NewEmbedding(g, "table", weft.EmbeddingConfig{Count: 1000, Size: 16})
	norm := weft.NewLayerNorm(g, "norm", weft.LayerNormConfig{Units: 16})
	fmt.Println(norm.Call(table.Call(words)).Shape())
	// Output: [batch, length, 16]
}

func ExampleNewLSTM() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "batch", "steps", 3)
	all := weft.NewLSTM(g, "all", weft.LSTMConfig{Inputs: 3, Units: 8, Bidirectional: true}).Call(x)
	last := weft.NewGRU(g, "last", weft.GRUConfig{Inputs: 16, Units: 4, Sequences: weft.Flag(false)}).Call(all)
	fmt.Println(all.Shape(), last.Shape())
	// Output: [batch, steps, 16] [batch, 4]
}

func ExampleNewSelfAttention() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "batch", "length", 16)
	normal := weft.NewRMSNorm(g, "norm", weft.RMSNormConfig{Units: 16}).Call(x)
	y := weft.NewSelfAttention(g, "attention", weft.SelfAttentionConfig{Units: 16, Heads: 4, Causal: true}).Call(normal)
	fmt.Println(x.Add(y).Shape())
	// Output: [batch, length, 16]
}

func ExampleNewGroupNorm() {
	g := weft.NewGraph()
	defer g.Close()
	images := g.Input("images", weft.F32, "batch", 8, 28, 28)
	fmt.Println(weft.NewGroupNorm(g, "norm", weft.GroupNormConfig{Channels: 8, Groups: 2}).Call(images).Shape())
	// Output: [batch, 8, 28, 28]
}

func ExampleNewLayer() {
	g := weft.NewGraph()
	defer g.Close()
	layer := weft.NewLayer(g, "Dense", weft.Attrs{"inputs": 3, "units": 2}, "dense")
	defer layer.Close()
	fmt.Println(layer.Call(g.Input("x", weft.F32, 5, 3)).Shape(), g.Err())
	// Output: [5, 2] <nil>
}

func ExampleInt() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 7)
	// Three parts, of which the last is smaller.
	for _, part := range ops.Split(x, 3, ops.SplitOptions{NumOutputs: weft.Int(3)}) {
		fmt.Println(part.Shape())
	}
	// Output:
	// [3]
	// [3]
	// [1]
}

func ExampleFlag() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 2, 3)
	// The sum keeps the axes as 1 unless it is said otherwise.
	fmt.Println(ops.ReduceSum(x).Shape(), ops.ReduceSum(x, ops.ReduceSumOptions{Keepdims: weft.Flag(false)}).Shape())
	// Output: [1, 1] []
}

func ExampleError() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 2, 3)
	ops.MatMul(x, x, ops.MatMulOptions{Name: "scores"})
	e := g.Err().(*weft.Error)
	fmt.Println(e.Code, e.Op, e.Node, strings.Contains(e.Origin, filepath.Join("go", "example_graph_test.go:")))
	// Output: INVALID_ARGUMENT MatMul scores true
}

func ExampleAddOperator() {
	// x sigmoid(slope (x + bias)), as files of another program have it.
	gelu := weft.Operator{
		Name:       "com.acme.FastGelu",
		Inputs:     []weft.Formal{{Name: "x", Type: "T"}, {Name: "bias", Type: "T", Optional: true}},
		Outputs:    []weft.Formal{{Name: "y", Type: "T"}},
		Types:      map[string][]weft.DType{"T": {weft.F32, weft.F64}},
		Attributes: []weft.Attribute{{Name: "slope", Kind: "float", DefaultValue: 1.702}},
	}
	var body weft.BodyFunction = func(g *weft.Graph, in []weft.Value, attrs weft.Attrs) ([]weft.Value, error) {
		x := in[0]
		if !in[1].IsNone() {
			x = x.Add(in[1])
		}
		return []weft.Value{x.Mul(x.Mul(x.Scalar(attrs["slope"].(float64))).Sigmoid())}, nil
	}
	if err := weft.AddOperator(gelu, body); err != nil {
		log.Fatal(err)
	}
	g := weft.NewGraph()
	defer g.Close()
	x := g.Constant([]float32{2, -4})
	values(g, g.Add("com.acme.FastGelu", []weft.Value{x}, weft.Attrs{"slope": 0}, "", 1)[0])
	// Output: f32[2] [1 -2]
}
