// Tests of graphs.

package weft_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

func TestValuesKnowThemselves(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, "batch", 3)
	y := x.MatMul(g.Constant([][]float32{{1, 2}, {3, 4}, {5, 6}})).Named("y")
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	if y.Name() != "y" || y.DType() != weft.F32 || !slices.Equal(y.Dims(), []int64{-1,
		2}) || y.Shape() != "[batch, 2]" {
		t.Errorf("got %v %v", y, y.Dims())
	}
	if y.String() != "y f32[batch, 2]" {
		t.Errorf("got %v", y)
	}
	found := must[weft.Value](t)(g.Find("y"))
	if found != y {
		t.Errorf("found %v", found)
	}
	if _, err := g.Find("z"); !errors.Is(err, weft.NotFound) {
		t.Errorf("got %v", err)
	}
	if inputs := g.Inputs(); len(inputs) != 1 || inputs[0] != x {
		t.Errorf("got %v", inputs)
	}
	g.SetOutputs(y)
	if outputs := g.Outputs(); len(outputs) != 1 || outputs[0] != y {
		t.Errorf("got %v", outputs)
	}
	if text := must[string](t)(g.Text()); !strings.Contains(text, "MatMul") {
		t.Errorf("got %v", text)
	}
	if dot := must[string](t)(g.Dot()); !strings.Contains(dot, "digraph") {
		t.Errorf("got %v", dot)
	}
	if g.NodeCount() == 0 {
		t.Error("there are no nodes")
	}
}

func TestDrawings(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	g.Input("x", weft.F32, 2).Relu()
	picture := must[string](t)(g.SVG())
	if !strings.Contains(picture, "<svg") || !strings.Contains(picture, "Relu") {
		t.Errorf("got %v", picture)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := g.SVG(); !errors.Is(err, weft.Unavailable) || !strings.Contains(err.Error(), "'dot' of Graphviz") {
		t.Errorf("got %v", err)
	}
}

func TestOpenRank(t *testing.T) {
	g := newGraph(t)
	x := g.Input("x", weft.F32, weft.AnyRank)
	if x.Dims() != nil || x.Shape() != "[...]" {
		t.Errorf("got %v", x)
	}
	if scalar := g.Input("y", weft.F32); len(scalar.Dims()) != 0 || scalar.Shape() != "[]" {
		t.Errorf("got %v", scalar)
	}
}

// line is the caller's, as errors give it.
func line(offset int) string {
	_, file, number, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, number+offset)
}

func TestFirstErrorStaysWithItsLine(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, 2, 3)
	want := line(1)
	bad := x.MatMul(g.Constant([]float32{1, 2})).Named("bad")
	later := bad.Relu().Add(x).Named("x")
	var e *weft.Error
	if !errors.As(g.Err(), &e) {
		t.Fatalf("got %v", g.Err())
	}
	if e.Code != weft.InvalidArgument || e.Op != "MatMul" || e.Origin != want {
		t.Errorf("got %v with %q, want the line %s", e, e.Origin, want)
	}
	if !later.IsNone() || !bad.IsNone() || x.IsNone() {
		t.Errorf("got %v and %v", bad, later)
	}
	if _, err := weft.NewSession(g); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	if _, err := g.Text(); err == nil {
		t.Error("a graph with an error has a text")
	}
}

func TestErrorsOfGeneratedFunctionsHaveTheLine(t *testing.T) {
	g := newGraph(t)
	x := g.Input("x", weft.F32, 2, 3)
	want := line(1)
	ops.Conv(x, x)
	var e *weft.Error
	if !errors.As(g.Err(), &e) || e.Origin != want || e.Op != "Conv" {
		t.Errorf("got %v, want the line %s", g.Err(), want)
	}
}

func TestAttributesOfTypesOfGo(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, 2)
	s := newSession(t, g)
	in := tensor[float32](t, []int64{2}, -2, 3)
	for _, alpha := range []any{float32(.1), .1, weft.Float(.1)} {
		y := g.Add("LeakyRelu", []weft.Value{x}, weft.Attrs{"alpha": alpha}, "", 1)[0]
		wantData(t, fetch[float32](t, s, weft.Feeds{x: in}, y), -.2, 3)
	}
	y := g.Add("Cast", []weft.Value{x}, weft.Attrs{"to": weft.I64}, "", 1)[0]
	wantData(t, fetch[int64](t, s, weft.Feeds{x: in}, y), -2, 3)
	g.Add("LeakyRelu", []weft.Value{x}, weft.Attrs{"alpha": []float32{.1}}, "", 1)
	wantWords(t, fmt.Sprint(g.Err()), `attribute "alpha" cannot be a []float32; it can be an int, int64, bool, float32`,
		"*Graph")
}

func TestMisusedValues(t *testing.T) {
	noLeaks(t)
	cases := map[string]func(g *weft.Graph, x weft.Value){
		"none":       func(g *weft.Graph, x weft.Value) { x.Add(weft.Value{}) },
		"unknown op": func(g *weft.Graph, x weft.Value) { g.Add("Mat", []weft.Value{x}, nil, "", 1) },
		"unknown attr": func(g *weft.Graph, x weft.Value) {
			g.Add("Relu", []weft.Value{x}, weft.Attrs{"a": 1}, "", 1)
		},
		"strange attr": func(g *weft.Graph, x weft.Value) {
			g.Add("Relu", []weft.Value{x}, weft.Attrs{"a": 'x'}, "", 1)
		},
		"negative count": func(g *weft.Graph, x weft.Value) { g.Add("Relu", []weft.Value{x}, nil, "", -1) },
		"strange dim":    func(g *weft.Graph, x weft.Value) { g.Input("y", weft.F32, 1.5) },
		"two ranks":      func(g *weft.Graph, x weft.Value) { g.Input("y", weft.F32, weft.AnyRank, 2) },
		"no dtype":       func(g *weft.Graph, x weft.Value) { g.Input("y", 0, 2) },
		"same name":      func(g *weft.Graph, x weft.Value) { g.Input("x", weft.F32, 2) },
		"taken name":     func(g *weft.Graph, x weft.Value) { x.Relu().Named("x") },
		"constant":       func(g *weft.Graph, x weft.Value) { g.Constant(struct{}{}) },
		"ragged":         func(g *weft.Graph, x weft.Value) { g.Constant([][]float32{{1}, {1, 2}}) },
		"nil":            func(g *weft.Graph, x weft.Value) { g.Constant(nil) },
		"nil tensor":     func(g *weft.Graph, x weft.Value) { g.Constant((*weft.Tensor)(nil)) },
		"closed tensor":  func(g *weft.Graph, x weft.Value) { c, _ := weft.TensorOf(1.0); c.Close(); g.Constant(c) },
		"nil attr": func(g *weft.Graph, x weft.Value) {
			g.Add("Softmax", []weft.Value{x}, weft.Attrs{"axis": nil}, "", 1)
		},
		"no type": func(g *weft.Graph, x weft.Value) { x.Cast(0) },
		"attach":  func(g *weft.Graph, x weft.Value) { g.Attach(x, x) },
		"gradient": func(g *weft.Graph, x weft.Value) {
			g.Gradients([]weft.Value{x}, []weft.Value{{}}, nil)
		},
		"weights": func(g *weft.Graph, x weft.Value) {
			g.Gradients([]weft.Value{x}, []weft.Value{x}, []weft.Value{x, x})
		},
		"scope":           func(g *weft.Graph, x weft.Value) { g.Scope("") },
		"two axes":        func(g *weft.Graph, x weft.Value) { x.Softmax(0, 1) },
		"no part":         func(g *weft.Graph, x weft.Value) { weft.Value{}.Slice(0, 1, 0, 1); x.At(0, 5) },
		"two options":     func(g *weft.Graph, x weft.Value) { ops.Elu(x, ops.EluOptions{}, ops.EluOptions{}) },
		"layer kind":      func(g *weft.Graph, x weft.Value) { weft.NewLayer(g, "Dens", nil, "d").Call(x, true) },
		"no loss":         func(g *weft.Graph, x weft.Value) { weft.Adam{}.Minimize(x) },
		"failed branch":   func(g *weft.Graph, x weft.Value) { g.If(x, nil, nil) },
		"outputs":         func(g *weft.Graph, x weft.Value) { g.SetOutputs(weft.Value{}) },
		"host call":       func(g *weft.Graph, x weft.Value) { g.HostCall("", []weft.Value{x}, nil, "") },
		"host call shape": func(g *weft.Graph, x weft.Value) { hostCallOf(g, 1.5) },
	}
	for name, misuse := range cases {
		t.Run(name, func(t *testing.T) {
			g := newGraph(t)
			x := g.Input("x", weft.F32, 2, 3)
			misuse(g, x)
			var e *weft.Error
			if !errors.As(g.Err(), &e) || e.Message == "" {
				t.Fatalf("got %v", g.Err())
			}
			if !strings.Contains(e.Origin, filepath.Base("graph_test.go")) {
				t.Errorf("the origin of %v is %q", e, e.Origin)
			}
		})
	}
}

func hostCallOf(g *weft.Graph, dim any) {
	g.HostCall("f", nil, []weft.HostOutput{{DType: weft.F32, Shape: []any{dim}}}, "")
}

func TestValuesOfAnotherGraph(t *testing.T) {
	noLeaks(t)
	a, b := newGraph(t), newGraph(t)
	x, y := a.Input("x", weft.F32, 2), b.Input("y", weft.F32, 2)
	x.Add(y)
	y.In(a).Neg()
	x.In(b).Neg()
	for name, g := range map[string]*weft.Graph{"input 1 is 'y'": a, "'x'": b} {
		err := g.Err()
		if !errors.Is(err, weft.InvalidArgument) || !strings.Contains(err.Error(), name+" (built at ") ||
			!strings.Contains(err.Error(), "graph_test.go:") ||
			!strings.Contains(err.Error(), "): it belongs to another graph") {
			t.Errorf("got %v", err)
		}
	}
}

// What is made of a nil graph is none; whoever uses it beside values of a graph finds the reason in that graph.
func TestGraphsKnowWhatIsMadeOfANilGraph(t *testing.T) {
	noLeaks(t)
	var none *weft.Graph
	layer := weft.NewFlatten(none, "flat", weft.FlattenConfig{})
	uses := map[string]func(g *weft.Graph, x weft.Value){
		"the graph is nil": func(_ *weft.Graph, x weft.Value) {
			if !layer.Call(x).IsNone() {
				t.Error("a layer of no graph gives a value")
			}
		},
		"the layer is nil": func(_ *weft.Graph, x weft.Value) { (*weft.Layer)(nil).Call(x) },
		"graph is nil":     func(_ *weft.Graph, x weft.Value) { x.Add(none.Constant(1)) },
		"is nil":           func(_ *weft.Graph, x weft.Value) { none.Constant(1).Add(x) },
		"nil":              func(g *weft.Graph, _ weft.Value) { g.SetOutputs(none.Constant(1)) },
	}
	for said, use := range uses {
		g := newGraph(t)
		use(g, g.Input("x", weft.F32, 1, 2))
		var known *weft.Error
		if err := g.Err(); !errors.As(err, &known) || known.Code != weft.InvalidArgument ||
			!strings.HasSuffix(known.Message, said) || !strings.Contains(known.Origin, "graph_test.go:") {
			t.Errorf("%s: got %v", said, err)
		}
	}
	if layer.Call(weft.Value{}).Graph().Err() == nil {
		t.Error("a layer of no graph is good")
	}
}

func TestNilAndClosedGraphs(t *testing.T) {
	noLeaks(t)
	var none *weft.Graph
	none.SetOutputs()
	if !none.Input("x",
		weft.F32).IsNone() || !none.Constant(1).IsNone() || none.Inputs() != nil ||
		len(none.If(weft.Value{}, nil, nil)) != 0 || none.Scope("s").Err() == nil {
		t.Error("a nil graph has values")
	}
	if none.Err() == nil || none.Close() != nil {
		t.Error("a nil graph is good")
	}
	g := weft.NewGraph()
	x := g.Input("x", weft.F32, 2)
	g.Close()
	g.Close()
	if x.Name() != "" || x.Dims() != nil {
		t.Error("a value of a closed graph has a name")
	}
	x.Relu()
	if !errors.Is(g.Err(), weft.ErrClosed) || !errors.Is(g.Err(), weft.FailedPrecondition) {
		t.Errorf("got %v", g.Err())
	}
	var zero weft.Graph
	if !zero.Input("x", weft.F32).IsNone() || zero.Err() == nil || zero.Inputs() != nil || zero.Close() != nil {
		t.Error("a graph that NewGraph did not make is good")
	}
	g = newGraph(t)
	g.Add("If", nil, weft.Attrs{"then_branch": &zero}, "", 1)
	if !errors.Is(g.Err(), weft.InvalidArgument) {
		t.Errorf("got %v", g.Err())
	}
	var v weft.Value
	if v.Relu().Graph().Err() == nil || v.Named("x").Graph().Err() == nil || v.Reshape(1).Graph().Err() == nil ||
		v.Scalar(1).Graph().Err() == nil {
		t.Error("operators of no value are good")
	}
}

func TestArithmetic(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, 2, 2)
	feeds := weft.Feeds{x: tensor[float32](t, []int64{2, 2}, 1, 4, 9, 16)}
	two := x.Scalar(2)
	for want, y := range map[[4]float32]weft.Value{
		{3, 6, 11, 18}:      x.Add(two),
		{-1, 2, 7, 14}:      x.Sub(two),
		{2, 8, 18, 32}:      x.Mul(two),
		{0.5, 2, 4.5, 8}:    x.Div(two),
		{1, 16, 81, 256}:    x.Pow(two),
		{37, 68, 153, 292}:  x.MatMul(x),
		{-1, -4, -9, -16}:   x.Neg(),
		{1, 4, 9, 16}:       x.Neg().Abs(),
		{1, 2, 3, 4}:        x.Sqrt(),
		{0, 2, 7, 14}:       x.Sub(two).Relu(),
		{1, 9, 4, 16}:       x.Transpose(),
		{1, 0, 0, 0}:        x.Less(two).Cast(weft.F32),
		{1, 1, 0, 0}:        x.LessOrEqual(x.Scalar(4)).Cast(weft.F32),
		{0, 1, 1, 0}:        x.GreaterOrEqual(x.Scalar(4)).And(x.Less(x.Scalar(16))).Cast(weft.F32),
		{1, 0, 0, 1}:        x.GreaterOrEqual(x.Scalar(4)).Xor(x.Less(x.Scalar(16))).Cast(weft.F32),
		{1, 1, 0, 1}:        x.NotEqual(x.Scalar(9)).Cast(weft.F32),
		{1, 0, 1, 1}:        x.Equal(x.Scalar(4)).Not().Cast(weft.F32),
		{1, 0, 1, 0}:        x.Mod(two),
		{-1, -1, 0, -1}:     x.Neg().Mod(x.Scalar(3)),
		{0, 1, 1, 1}:        x.Greater(two).Cast(weft.F32),
		{0, 0, 1, 0}:        x.Equal(x.Scalar(9)).Cast(weft.F32),
		{0.5, 0.5, 0.5, .5}: x.Sub(x).Sigmoid(),
		{0, 0, 0, 0}:        x.Sub(x).Tanh(),
		{1, 1, 1, 1}:        x.Sub(x).Exp(),
	} {
		wantData(t, fetch[float32](t, newSession(t, g), feeds, y), want[:]...)
	}
	s := newSession(t, g)
	wantData(t, fetch[float32](t, s, feeds, x.Sum()), 30)
	wantData(t, fetch[float32](t, s, feeds, x.Sum(0)), 10, 20)
	wantData(t, fetch[float32](t, s, feeds, x.Mean(-1)), 2.5, 12.5)
	wantData(t, fetch[float32](t, s, feeds, x.Max(0, 1)), 16)
	wantData(t, fetch[float32](t, s, feeds, x.Min(0)), 1, 4)
	wantData(t, fetch[float32](t, s, feeds, x.Prod(1)), 4, 144)
	wantData(t, fetch[float32](t, s, feeds, x.At(-1)), 9, 16)
	wantData(t, fetch[float32](t, s, feeds, x.At(0, 1)), 1, 9)
	wantData(t, fetch[float32](t, s, feeds, x.Slice(0, 1, 1, 1)), 1, 9)
	wantData(t, fetch[float32](t, s, feeds, x.T().At(1)), 4, 16)
	wantData(t, fetch[float32](t, s, feeds, x.At(0).Reshape(1, 2).Softmax(0)), 1, 1)
	wantData(t, fetch[float32](t, s, feeds, x.Sub(x).Softmax().Log().Exp()), .5, .5, .5, .5)
	if y := x.Reshape(4, -1); y.Shape() != "[4, 1]" {
		t.Errorf("got %v", y)
	}
}

func TestNumbersThatATypeDoesNotHave(t *testing.T) {
	noLeaks(t)
	for _, c := range []struct {
		dtype  weft.DType
		number float64
		want   string // "": the type has it
	}{
		{weft.I64, 0.5, "0.5 is no i64, the type of x i64[2]"},
		{weft.I64, math.Inf(1), "+Inf is no i64"},
		{weft.I64, 1 << 63, "9.223372036854776e+18 is no i64"},
		{weft.I64, -1 << 63, ""},
		{weft.I8, 128, "128 is no i8"},
		{weft.U8, 300, "300 is no u8"},
		{weft.U8, -1, "-1 is no u8"},
		{weft.U8, 255, ""},
		{weft.Bool, 2, "2 is no bool"},
		{weft.Bool, 1, ""},
		{weft.F16, 0.1, ""},
		{weft.BF16, 0.1, ""},
	} {
		g := newGraph(t)
		g.Input("x", c.dtype, 2).Scalar(c.number)
		err := g.Err()
		if c.want == "" && err != nil ||
			c.want != "" && (!errors.Is(err, weft.InvalidArgument) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v of %v: got %v", c.number, c.dtype, err)
		}
	}
}

func TestGradients(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x, z := g.Input("x", weft.F32, 3), g.Input("z", weft.F32)
	dx := g.Gradients([]weft.Value{x.Mul(x).Sum()}, []weft.Value{x, z}, nil)
	if !dx[1].IsNone() {
		t.Errorf("got %v", dx[1])
	}
	weighted := g.Gradients([]weft.Value{x.Mul(x)}, []weft.Value{x},
		[]weft.Value{g.Constant([]float32{1, 0, 10})})
	s := newSession(t, g)
	feeds := weft.Feeds{x: tensor[float32](t, []int64{3}, 1, 2, 3)}
	wantData(t, fetch[float32](t, s, feeds, dx[0]), 2, 4, 6)
	wantData(t, fetch[float32](t, s, feeds, weighted[0]), 2, 0, 60)
}

func TestVariablesAndAssign(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	count := g.Variable("count", float32(1), false)
	next := ops.Assign(count, count.Add(g.Constant(float32(2))))
	plain := count.Mul(g.Constant(float32(10)))
	s := newSession(t, g)
	for i := range 3 {
		wantData(t, fetch[float32](t, s, nil, next), float32(2*i+3))
	}
	g.Attach(plain, next)
	wantData(t, fetch[float32](t, s, nil, plain), 70)
	got := must[*weft.Tensor](t)(s.Get("count"))
	defer got.Close()
	wantData(t, must[[]float32](t)(weft.Data[float32](got)), 9)
	if err := s.Set("count", tensor[float32](t, nil, 5)); err != nil {
		t.Fatal(err)
	}
	wantData(t, fetch[float32](t, s, nil, next), 7)
}

func TestOptionalOutputs(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, 1, 1, 4)
	var indices weft.Value
	y := ops.MaxPool(x, []int64{2}, ops.MaxPoolOptions{Strides: []int64{2}, IndicesOutput: &indices})
	s := newSession(t, g)
	feeds := weft.Feeds{x: tensor[float32](t, []int64{1, 1, 4}, 1, 5, 7, 2)}
	wantData(t, fetch[float32](t, s, feeds, y), 5, 7)
	wantData(t, fetch[int64](t, s, feeds, indices), 1, 2)
}
