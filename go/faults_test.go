// Tests of programs that go wrong while they build and run: numbers, indices, memory and depth.

package weft_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

// wantError checks what is known of an error; origin "" is of those that no line made.
func wantError(t *testing.T, err error, code weft.Code, part, node, origin string) {
	t.Helper()
	var e *weft.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, part) || e.Node != node ||
		e.Origin != origin {
		t.Errorf("got %v, want %v with %q of %q from %q", err, code, part, node, origin)
	}
}

func TestUnknownNamesAreErrorsOfTheLine(t *testing.T) {
	noLeaks(t)
	for name, c := range map[string]struct {
		code       weft.Code
		part, node string
		build      func(g *weft.Graph, x weft.Value) (line string)
	}{
		"op": {weft.NotFound, "did you mean 'MatMul'?", "", func(g *weft.Graph, x weft.Value) string {
			g.Add("MatMull", []weft.Value{x, x}, nil, "", 1)
			return line(-1)
		}},
		"attr": {weft.InvalidArgument, "there is no attribute 'alpha'", "", func(g *weft.Graph, x weft.Value) string {
			g.Add("Relu", []weft.Value{x}, weft.Attrs{"alpha": 1}, "", 1)
			return line(-1)
		}},
		"name": {weft.AlreadyExists, "has a value 'x' already", "x", func(g *weft.Graph, _ weft.Value) string {
			g.Input("x", weft.F32, 2)
			return line(-1)
		}},
		"dtype": {weft.InvalidArgument, "99", "y", func(g *weft.Graph, _ weft.Value) string {
			g.Input("y", 99, 2)
			return line(-1)
		}},
		"rank": {weft.InvalidArgument, "have the ranks 1 and 2", "both", func(g *weft.Graph, x weft.Value) string {
			y := g.Input("y", weft.F32, 2, 2)
			ops.Concat([]weft.Value{x, y}, 0, ops.ConcatOptions{Name: "both"})
			return line(-1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGraph(t)
			origin := c.build(g, g.Input("x", weft.F32, 2))
			wantError(t, g.Err(), c.code, c.part, c.node, origin)
		})
	}
}

func TestErrorsNameTheNodeWithItsScope(t *testing.T) {
	noLeaks(t)
	for node, build := range map[string]func(layer *weft.Graph, x weft.Value){
		"encoder/layer1/MatMul": func(layer *weft.Graph, x weft.Value) { x.In(layer).MatMul(x) },
		"encoder/layer1/scores": func(layer *weft.Graph, x weft.Value) {
			layer.Add("MatMul", []weft.Value{x, x}, nil, "scores", 1)
		},
		"encoder/layer1/MatMull": func(layer *weft.Graph, x weft.Value) {
			layer.Add("MatMull", []weft.Value{x, x}, nil, "", 1)
		},
		"encoder/layer1/y": func(layer *weft.Graph, _ weft.Value) { layer.Input("y", 99, 2) },
		"encoder/layer1/v": func(layer *weft.Graph, x weft.Value) { layer.Variable("v", x, true) },
	} {
		g := newGraph(t)
		build(g.Scope("encoder").Scope("layer1"), g.Input("x", weft.F32, 2, 3))
		var e *weft.Error
		if !errors.As(g.Err(), &e) || e.Node != node {
			t.Errorf("got %v, want %s", g.Err(), node)
		}
	}
	g := newGraph(t)
	whole := g.Scope("encoder/layer1").Input("i", weft.I32, 1)
	zero := tensor[int32](t, []int64{1}, 0)
	_, err := newSession(t, g).Run(t.Context(), weft.Feeds{whole: zero}, whole.Div(whole))
	var e *weft.Error
	if !errors.As(err, &e) || e.Node != "encoder/layer1/Div" {
		t.Errorf("got %v", err)
	}
}

// C would cut each of these strings at its zero byte, and use what another string names.
func TestStringsWithAZeroByteAreRefused(t *testing.T) {
	noLeaks(t)
	const bad = "x\x00y"
	graph := func(build func(g *weft.Graph, x weft.Value)) func() error {
		return func() error {
			g := newGraph(t)
			x := g.Input("x", weft.F32, "n")
			build(g, x)
			return g.Err()
		}
	}
	g := newGraph(t)
	g.Variable("x", float32(1), true)
	g.SetOutputs(g.Variables()...)
	s := newSession(t, g)
	one := tensor[float32](t, nil, 1)
	path := filepath.Join(t.TempDir(), "a\x00.safetensors")
	for name, use := range map[string]func() error{
		"input":    graph(func(g *weft.Graph, _ weft.Value) { g.Input(bad, weft.F32) }),
		"shape":    graph(func(g *weft.Graph, _ weft.Value) { g.Input("y", weft.F32, bad) }),
		"constant": graph(func(g *weft.Graph, _ weft.Value) { g.NamedConstant(1, bad) }),
		"variable": graph(func(g *weft.Graph, _ weft.Value) { g.Variable(bad, 1, true) }),
		"operator": graph(func(g *weft.Graph, x weft.Value) { g.Add("Relu\x00", []weft.Value{x}, nil, "", 1) }),
		"node":     graph(func(g *weft.Graph, x weft.Value) { g.Add("Relu", []weft.Value{x}, nil, bad, 1) }),
		"attribute": graph(func(g *weft.Graph, x weft.Value) {
			g.Add("LeakyRelu", []weft.Value{x}, weft.Attrs{"alpha\x00": 1.0}, "", 1)
		}),
		"text": graph(func(g *weft.Graph, x weft.Value) {
			g.Add("AveragePool", []weft.Value{x}, weft.Attrs{"auto_pad": "VALID\x00"}, "", 1)
		}),
		"texts": graph(func(g *weft.Graph, x weft.Value) {
			g.Add("Relu", []weft.Value{x}, weft.Attrs{"a": []string{"b", bad}}, "", 1)
		}),
		"scope": graph(func(g *weft.Graph, x weft.Value) { x.In(g.Scope(bad)).Relu() }),
		"named": graph(func(_ *weft.Graph, x weft.Value) { x.Relu().Named(bad) }),
		"layer": graph(func(g *weft.Graph, _ weft.Value) { weft.NewFlatten(g, bad, weft.FlattenConfig{}) }),
		"step":  graph(func(g *weft.Graph, _ weft.Value) { g.OptimizerStep(bad) }),
		"find":  func() error { _, err := g.Find(bad); return err },
		"get":   func() error { _, err := s.Get(bad); return err },
		"set":   func() error { return s.Set(bad, one) },
		"save":  func() error { return s.Save(path) },
		"load":  func() error { return s.Load(path) },
		"model": func() error { return g.Save(path) },
		"weights": func() error {
			return g.Save(filepath.Join(t.TempDir(), "a.onnx"), weft.SaveOptions{Weights: "w\x00"})
		},
		"load model":   func() error { _, err := weft.LoadGraph(path); return err },
		"tensors":      func() error { return weft.SaveTensors(path, nil) },
		"names":        func() error { return weft.SaveTensors("never", map[string]*weft.Tensor{bad: one}) },
		"load tensors": func() error { _, err := weft.LoadTensors(path); return err },
		"dataset":      func() error { _, err := weft.LoadDataset(path); return err },
		"columns":      func() error { _, err := weft.LoadDataset("never", "a", bad); return err },
		"inspect":      func() error { _, err := weft.Inspect(path); return err },
		"describe":     func() error { _, err := weft.DescribeOperator("Relu\x00"); return err },
		"host function": func() error {
			return weft.SetHostFunction(bad, func(in []*weft.Tensor) ([]*weft.Tensor, error) { return in, nil })
		},
	} {
		var e *weft.Error
		err := use()
		if !errors.As(err, &e) || e.Code != weft.InvalidArgument ||
			e.Message != "a string with a NUL character in it cannot be used here" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	words := must[*weft.Tensor](t)(weft.TensorOf(bad)) // Elements may have any bytes.
	closeAfter(t, words)
	wantData(t, must[[]string](t)(weft.Data[string](words)), bad)
}

func TestValuesFedTwice(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, 2)
	_, err := newSession(t, g).Prepare([]weft.Value{x, x}, []weft.Value{x})
	wantError(t, err, weft.InvalidArgument, "'x' is fed twice", "", "")
}

func TestIndicesOutsideAndNoNumbers(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	table, x := g.Constant([]float32{10, 20}), g.Input("x", weft.F32)
	origin := line(1)
	y := ops.Gather(table, x.Cast(weft.I64), ops.GatherOptions{Name: "pick"})
	s := newSession(t, g)
	picked := func(at float64) (float32, error) {
		index := tensor[float32](t, nil, float32(at))
		out, err := s.Run(t.Context(), weft.Feeds{x: index}, y)
		if err != nil {
			return 0, err
		}
		defer out[0].Close()
		return must[[]float32](t)(weft.Data[float32](out[0]))[0], nil
	}
	for _, at := range []float64{2, -3, math.Inf(1), math.Inf(-1), 1e30, math.NaN()} {
		_, err := picked(at)
		wantError(t, err, weft.OutOfRange, "is outside axis 0 of size 2", "pick", origin)
	}
	if got := must[float32](t)(picked(-2)); got != 10 {
		t.Errorf("-2 picks %v", got)
	}
	origin = line(1)
	ops.Gather(table, x, ops.GatherOptions{Name: "wrong"})
	wantError(t, g.Err(), weft.InvalidArgument, "is f32 but must be one of i32, i64", "wrong", origin)
}

func TestWholeNumbersWrapAndDivideByNoZero(t *testing.T) {
	noLeaks(t)
	const least, most = math.MinInt32, math.MaxInt32
	g := newGraph(t)
	a, b := g.Input("a", weft.I32, 3), g.Input("b", weft.I32, 3)
	origin := line(1)
	quotient, remainder := ops.Div(a, b, ops.DivOptions{Name: "quotient"}), ops.Mod(a, b, ops.ModOptions{Name: "remainder"})
	s := newSession(t, g)
	feeds := weft.Feeds{a: tensor[int32](t, []int64{3}, least, 7, most), b: tensor[int32](t, []int64{3}, -1, -1, 1)}
	for want, v := range map[[3]int32]weft.Value{
		{least, -7, most}:        quotient,
		{0, 0, 0}:                remainder,
		{most, 6, least}:         a.Add(b),
		{least + 1, 8, most - 1}: a.Sub(b),
		{least, -7, -most}:       a.Neg(),
		{least, 7, most}:         a.Abs(),
		{0, 49, 1}:               a.Mul(a),
	} {
		wantData(t, fetch[int32](t, s, feeds, v), want[:]...)
	}
	feeds[b] = tensor[int32](t, []int64{3}, 1, 0, 1)
	for name, v := range map[string]weft.Value{"quotient": quotient, "remainder": remainder} {
		_, err := s.Run(t.Context(), feeds, v)
		wantError(t, err, weft.InvalidArgument, "division by zero", name, origin)
	}
}

func TestSizesThatOverflowAndMemoryThatIsNotThere(t *testing.T) {
	noLeaks(t)
	const huge = 1 << 62
	if _, err := weft.ZeroTensor(weft.F32, huge, huge); !errors.Is(err, weft.ResourceExhausted) {
		t.Errorf("got %v", err)
	}
	g := newGraph(t)
	x, size := g.Input("x", weft.F32), g.Input("size", weft.I64, 2)
	origin := line(1)
	y := ops.Expand(x, size, ops.ExpandOptions{Name: "wide"})
	s := newSession(t, g)
	expand := func(rows, columns int64) (int, error) {
		feeds := weft.Feeds{x: tensor[float32](t, nil, 1), size: tensor(t, []int64{2}, rows, columns)}
		out, err := s.Run(t.Context(), feeds, y)
		if err != nil {
			return 0, err
		}
		defer out[0].Close()
		return out[0].Len(), nil
	}
	for _, n := range []int64{huge, 1 << 32} {
		_, err := expand(n, n)
		wantError(t, err, weft.ResourceExhausted, "is too large", "wide", origin)
	}
	if got := must[int](t)(expand(2, 1)); got != 2 {
		t.Errorf("got %d", got)
	}
	now := weft.MemoryBytes()
	if err := weft.SetMemoryLimit(now + 1_000_000); err != nil {
		t.Fatal(err)
	}
	_, err := expand(1000, 1000)
	if !errors.Is(errors.Join(err, weft.SetMemoryLimit(0)), weft.ResourceExhausted) {
		t.Errorf("got %v", err)
	}
	if got := must[int](t)(expand(1000, 1000)); got != 1_000_000 {
		t.Errorf("got %d", got)
	}
}

func TestARunStoppedInTheMiddleChangesNothing(t *testing.T) {
	noLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	g, feeds, y := slow(t, cancel)
	v := g.Variable("v", float32(1), true)
	next := ops.Assign(v, v.Add(v))
	s := newSession(t, g)
	if _, err := s.Run(ctx, feeds, y, next); !errors.Is(err, weft.Cancelled) {
		t.Errorf("got %v", err)
	}
	wantData(t, fetch[float32](t, s, nil, v), 1)
}

func TestObjectsGoInAnyOrder(t *testing.T) {
	noLeaks(t)
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {1, 0, 3, 4, 2}, {2, 4, 0, 1, 3}, {3, 2, 1, 4, 0}} {
		g := weft.NewGraph()
		dense := weft.NewDense(g, "d", weft.DenseConfig{Inputs: 2, Units: 1})
		x := g.Input("x", weft.F32, "n", 2)
		y := dense.Call(x)
		s := must[*weft.Session](t)(weft.NewSession(g))
		in := must[*weft.Tensor](t)(weft.TensorFrom([]int64{1, 2}, []float32{1, 2}))
		p := must[*weft.Prepared](t)(s.Prepare([]weft.Value{x}, []weft.Value{y}))
		if err := errors.Join(p.BindInput(0, in), p.Run(t.Context())); err != nil {
			t.Fatal(err)
		}
		out := must[*weft.Tensor](t)(p.Output(0))
		objects := []closer{g, s, in, p, out}
		for range 2 {
			for _, i := range order {
				if err := objects[i].Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestGoDeep is what the process of the next test runs: x + 1 + ... + 1.
func TestGoDeep(t *testing.T) {
	path := os.Getenv("WEFT_TEST_DEEP")
	if path == "" {
		t.Skip("for another test")
	}
	g := newGraph(t)
	x, one := g.Input("x", weft.F32), g.Constant(float32(1))
	y := x
	for range 100_000 {
		y = y.Add(one)
	}
	slope := g.Gradients([]weft.Value{y}, []weft.Value{x}, nil)[0]
	half := tensor[float32](t, nil, 0.5)
	s := newSession(t, g)
	wantData(t, fetch[float32](t, s, weft.Feeds{x: half}, y), 100_000.5)
	wantData(t, fetch[float32](t, s, weft.Feeds{x: half}, slope), 1)
	if err := g.Save(path, weft.SaveOptions{Outputs: []weft.Value{y}}); err != nil {
		t.Fatal(err)
	}
	again := must[*weft.Graph](t)(weft.LoadGraph(path))
	closeAfter(t, again)
	feeds := weft.Feeds{again.Inputs()[0]: half}
	wantData(t, fetch[float32](t, newSession(t, again), feeds, again.Outputs()[0]), 100_000.5)
	fmt.Println("went deep")
}

// C runs on stacks of the size that the system gives to threads, which is small here.
func TestAGraphThatIsVeryDeepOnASmallStack(t *testing.T) {
	command := exec.Command("/bin/sh", "-c", `ulimit -s 256; exec "$0" "$@"`, os.Args[0], "-test.run=^TestGoDeep$",
		"-test.v")
	command.Env = append(os.Environ(), "WEFT_TEST_DEEP="+filepath.Join(t.TempDir(), "a.onnx"))
	if text, err := command.CombinedOutput(); err != nil || !strings.Contains(string(text), "went deep") {
		t.Errorf("%v: %s", err, text)
	}
}
