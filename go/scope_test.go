// Tests of scopes, branches and names, and of goroutines that build one graph.

package weft_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

func TestScopesPrefixNames(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	outer := g.Scope("outer")
	inner := outer.Scope("inner")
	x := g.Input("x", weft.F32, "batch", 3)
	dense := weft.NewDense(inner, "dense", weft.DenseConfig{Inputs: 3, Units: 2})
	names := map[string]weft.Value{
		"x":                        x,
		"outer/y":                  outer.Input("y", weft.F32),
		"outer/inner/v":            inner.Variable("v", float32(1), true),
		"w":                        g.Variable("w", float32(1), false),
		"outer/inner/dense/kernel": dense.Variables()[0],
		"outer/act":                ops.Relu(x.In(outer), ops.ReluOptions{Name: "act"}),
		"act":                      ops.Relu(x, ops.ReluOptions{Name: "act"}),
		"outer/inner/act":          inner.Add("Relu", []weft.Value{x}, nil, "act", 1)[0],
		"outer/inner/Relu":         x.In(inner).Relu(),
		"Relu":                     x.Relu(),
		"outer/named":              x.In(outer).Tanh().Named("named"),
		"outer/c":                  outer.NamedConstant(float32(1), "c"),
		"outer/Constant":           outer.Constant(float32(1)),
		"split:0":                  ops.Split(x, 2, ops.SplitOptions{Name: "split", Axis: 1, NumOutputs: weft.Int(2)})[0],
	}
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	for name, v := range names {
		if v.Name() != name {
			t.Errorf("got %q, want %q", v.Name(), name)
		}
		if found := must[weft.Value](t)(g.Find(name)); !found.Same(v) {
			t.Errorf("found %v for %v", found, v)
		}
	}
	// The operator after the scope's value is in the scope too.
	if y := names["outer/act"].Neg(); y.Name() != "outer/Neg" || y.Graph() != names["outer/act"].Graph() {
		t.Errorf("got %v", y)
	}
	if !x.In(outer).Same(x) || x.In(outer) == x || x.In(outer).In(g) != x || x.Same(names["w"]) ||
		(weft.Value{}).Same(weft.Value{}) {
		t.Error("values of scopes are not told apart")
	}
}

func TestErrorsNameTheNode(t *testing.T) {
	g := newGraph(t)
	scope := g.Scope("enc")
	x := scope.Input("x", weft.F32, 2, 3)
	ops.MatMul(x, x, ops.MatMulOptions{Name: "scores"})
	var e *weft.Error
	if !errors.As(g.Err(), &e) || e.Node != "enc/scores" || e.Op != "MatMul" {
		t.Fatalf("got %v", g.Err())
	}
	if want := " [MatMul 'enc/scores'] (built at " + e.Origin + ")"; !strings.HasSuffix(e.Error(), want) ||
		!strings.HasPrefix(e.Error(), "weft: INVALID_ARGUMENT: ") {
		t.Errorf("got %v", e)
	}
	for want, e := range map[string]*weft.Error{
		"weft: NOT_FOUND: m":                       {Code: weft.NotFound, Message: "m"},
		"weft: NOT_FOUND: m [Op]":                  {Code: weft.NotFound, Message: "m", Op: "Op"},
		"weft: NOT_FOUND: m ['n']":                 {Code: weft.NotFound, Message: "m", Node: "n"},
		"weft: NOT_FOUND: m (built at f:1)":        {Code: weft.NotFound, Message: "m", Origin: "f:1"},
		"weft: CODE_77: m [Op 'n'] (built at f:1)": {Code: 77, Message: "m", Node: "n", Op: "Op", Origin: "f:1"},
	} {
		if e.Error() != want {
			t.Errorf("got %q, want %q", e, want)
		}
	}
}

func TestIf(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x, positive := g.Input("x", weft.F32, 2), g.Input("positive", weft.Bool)
	out := g.If(positive,
		func(b *weft.Graph) []weft.Value { return []weft.Value{x.Mul(b.Constant(float32(2))), x} },
		func(b *weft.Graph) []weft.Value { return []weft.Value{x.Neg(), x.In(b).Abs()} })
	y := out[0].Add(g.Constant(float32(1)))
	s := newSession(t, g)
	in, yes, no := tensor[float32](t, []int64{2}, 3, -4), tensor(t, nil, true), tensor(t, nil, false)
	wantData(t, fetch[float32](t, s, weft.Feeds{x: in, positive: yes}, y), 7, -7)
	wantData(t, fetch[float32](t, s, weft.Feeds{x: in, positive: no}, y), -2, 5)
	wantData(t, fetch[float32](t, s, weft.Feeds{x: in, positive: yes}, out[1]), 3, -4)
	wantData(t, fetch[float32](t, s, weft.Feeds{x: in, positive: no}, out[1]), 3, 4)
	if text := must[string](t)(g.Text()); !strings.Contains(text, "Neg") || strings.Contains(text, " Abs(") {
		t.Errorf("what belongs to a branch, or what does not, is elsewhere:\n%s", text)
	}
}

func TestIfInsideIf(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32)
	two := g.Constant(float32(2))
	y := g.If(x.Less(g.Constant(float32(0))),
		func(b *weft.Graph) []weft.Value { return []weft.Value{x} },
		func(b *weft.Graph) []weft.Value {
			return b.If(x.In(b).Less(two),
				func(c *weft.Graph) []weft.Value { return []weft.Value{x.In(c).Mul(two)} },
				func(c *weft.Graph) []weft.Value { return []weft.Value{x.Sub(c.Constant(float32(10)))} })
		})[0]
	s := newSession(t, g)
	for in, want := range map[float32]float32{-3: -3, 1: 2, 5: -5} {
		wantData(t, fetch[float32](t, s, weft.Feeds{x: tensor(t, nil, in)}, y), want)
	}
}

func TestMisusedBranches(t *testing.T) {
	noLeaks(t)
	one := func(x weft.Value) func(*weft.Graph) []weft.Value {
		return func(b *weft.Graph) []weft.Value { return []weft.Value{x.In(b)} }
	}
	for name, misuse := range map[string]func(g *weft.Graph, x weft.Value){
		"nil":    func(g *weft.Graph, x weft.Value) { g.If(x, one(x), nil) },
		"counts": func(g *weft.Graph, x weft.Value) { g.If(x, one(x), func(*weft.Graph) []weft.Value { return nil }) },
		"types": func(g *weft.Graph, x weft.Value) {
			g.If(x, one(x), func(b *weft.Graph) []weft.Value { return []weft.Value{x.In(b).Cast(weft.F32)} })
		},
		"none": func(g *weft.Graph, x weft.Value) {
			g.If(x, one(x), func(b *weft.Graph) []weft.Value { return []weft.Value{{}} })
		},
		"condition": func(g *weft.Graph, x weft.Value) { g.If(x.Cast(weft.F32), one(x), one(x)) },
		"variable": func(g *weft.Graph, x weft.Value) {
			g.If(x, one(x), func(b *weft.Graph) []weft.Value { return []weft.Value{b.Variable("v", true, false)} })
		},
		"kept graph": func(g *weft.Graph, x weft.Value) {
			var kept *weft.Graph
			g.If(x, one(x), func(b *weft.Graph) []weft.Value { kept = b; return []weft.Value{x} })
			kept.Constant(1)
		},
		"kept value": func(g *weft.Graph, x weft.Value) {
			var kept weft.Value
			g.If(x, one(x), func(b *weft.Graph) []weft.Value { kept = b.Constant(true); return []weft.Value{kept} })
			g.Add("Not", []weft.Value{kept}, nil, "", 1)
		},
		"closed graph": func(g *weft.Graph, x weft.Value) {
			g.If(x, one(x), func(b *weft.Graph) []weft.Value { b.Close(); return []weft.Value{x} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGraph(t)
			misuse(g, g.Input("x", weft.Bool))
			var e *weft.Error
			if !errors.As(g.Err(), &e) || !strings.Contains(e.Origin, "scope_test.go") {
				t.Errorf("got %v", g.Err())
			}
		})
	}
	func() {
		defer func() {
			if recover() != "oh" {
				t.Error("the panic of a branch is lost")
			}
		}()
		g := newGraph(t)
		g.If(g.Input("x", weft.Bool), func(*weft.Graph) []weft.Value { panic("oh") }, nil)
	}()
}

// TestGoroutinesBuildOneGraph adds to one graph from many goroutines, in scopes and branches: nothing of one is found
// in the scope or branch of another.
func TestGoroutinesBuildOneGraph(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32)
	const workers, rounds = 8, 20
	results := make([]weft.Value, workers)
	parallel(workers, func(i int) {
		name := fmt.Sprint("worker", i)
		scope := g.Scope(name)
		y := x
		for j := range rounds {
			// Adds 1, by a branch if x is positive, as it is.
			y = scope.If(x.Greater(scope.Constant(float32(0))),
				func(b *weft.Graph) []weft.Value { return []weft.Value{y.In(b).Add(b.Constant(float32(1)))} },
				func(b *weft.Graph) []weft.Value { return []weft.Value{x.In(b).Neg()} })[0]
			v := scope.Scope("v").Variable(fmt.Sprint(j), float32(i), true)
			if want := fmt.Sprintf("%s/v/%d", name, j); v.Name() != want {
				t.Errorf("got %q, want %q", v.Name(), want)
			}
			y = y.Add(v)
		}
		results[i] = y.Named("y")
	})
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	s := newSession(t, g)
	for i, y := range results {
		if want := fmt.Sprintf("worker%d/y", i); y.Name() != want {
			t.Errorf("got %q, want %q", y.Name(), want)
		}
		feeds := weft.Feeds{x: tensor[float32](t, nil, 1)}
		wantData(t, fetch[float32](t, s, feeds, y), float32(1+rounds+rounds*i))
	}
	var inScopes []string
	for _, v := range g.Variables() {
		inScopes = append(inScopes, v.Name())
	}
	if slices.Sort(inScopes); len(slices.Compact(inScopes)) != workers*rounds {
		t.Errorf("there are %d variables", len(inScopes))
	}
}
