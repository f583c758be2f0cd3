// Tests of host functions that do what they must not.

package weft_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

func TestGoexitInAHostFunction(t *testing.T) {
	noLeaks(t)
	s, feeds, y := hostGraph(t, func(inputs []*weft.Tensor) ([]*weft.Tensor, error) {
		runtime.Goexit()
		return inputs, nil
	})
	for range 10 {
		_, err := s.Run(t.Context(), feeds, y)
		if !errors.Is(err, weft.ErrGoexit) || !errors.Is(err, weft.Internal) {
			t.Fatalf("got %v", err)
		}
	}
	// The session is as good as before.
	x := y.Graph().Inputs()[0]
	wantData(t, fetch[float32](t, s, feeds, x), 1, 2)
}

func TestGoexitInAFitCallback(t *testing.T) {
	noLeaks(t)
	m := newLine(t)
	step := weft.Adam{}.Minimize(m.loss)
	s := newSession(t, m.graph)
	_, err := s.Fit(context.Background(), m.data, m.feeds, step, nil, weft.FitOptions{Callback: func(*weft.FitEvent) error {
		runtime.Goexit()
		return nil
	}})
	if !errors.Is(err, weft.ErrGoexit) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Fit(t.Context(), m.data, m.feeds, step, nil); err != nil {
		t.Error(err)
	}
}

// What a host function gets is the memory of feeds, variables and constants.
func TestInputsOfHostFunctionsAreReadOnly(t *testing.T) {
	noLeaks(t)
	calls := 0
	spoil := func(data []float32) error { data[0] = -99; return nil }
	s, feeds, _ := hostGraph(t, func(inputs []*weft.Tensor) ([]*weft.Tensor, error) {
		calls++
		other := must[*weft.Tensor](t)(inputs[0].Reshape(2, 1))
		defer other.Close()
		for _, view := range []*weft.Tensor{inputs[0], other} {
			if err := weft.Edit(view, spoil); !errors.Is(err, weft.FailedPrecondition) {
				t.Errorf("got %v", err)
			}
			if err := weft.SetData(view, []float32{3, 4}); !errors.Is(err, weft.FailedPrecondition) {
				t.Errorf("got %v", err)
			}
		}
		return inputs, nil
	})
	var x weft.Value
	for x = range feeds {
	}
	g := x.Graph()
	variable, constant := g.Variable("v", []float32{1, 2}, true), g.Constant([]float32{1, 2})
	for _, value := range []weft.Value{x, variable, constant, x.Mul(g.Constant(float32(1)))} {
		output := []weft.HostOutput{{DType: weft.F32, Shape: []any{2}}}
		once := g.HostCall("test", []weft.Value{value}, output, "")[0]
		twice := g.HostCall("test", []weft.Value{once}, output, "")[0]
		// A result is the caller's to write, also where the function gave back its input.
		for range 2 {
			out := must[[]*weft.Tensor](t)(s.Run(t.Context(), feeds, twice))[0]
			wantData(t, must[[]float32](t)(weft.Data[float32](out)), 1, 2)
			if err := weft.Edit(out, spoil); err != nil {
				t.Error(err)
			}
			out.Close()
		}
	}
	if calls != 16 {
		t.Errorf("the function was called %d times", calls)
	}
}

// BenchmarkHostFunction is what a call of a function of Go costs.
func BenchmarkHostFunction(b *testing.B) {
	weft.SetHostFunction("bench", func(inputs []*weft.Tensor) ([]*weft.Tensor, error) { return inputs, nil })
	g := weft.NewGraph()
	x := g.Input("x", weft.F32, 2)
	y := g.HostCall("bench", []weft.Value{x}, []weft.HostOutput{{DType: weft.F32, Shape: []any{2}}}, "")[0]
	s, _ := weft.NewSession(g)
	in, _ := weft.TensorOf[float32](1, 2)
	for b.Loop() {
		out, err := s.Run(context.Background(), weft.Feeds{x: in}, y)
		if err != nil {
			b.Fatal(err)
		}
		out[0].Close()
	}
}

// TestHostFunctionUsesItsSession uses the session from inside a run of it: each call works or is an error.
func TestHostFunctionUsesItsSession(t *testing.T) {
	noLeaks(t)
	var inside func() error
	_, feeds, y := hostGraph(t, func(inputs []*weft.Tensor) ([]*weft.Tensor, error) { return inputs, inside() })
	g := y.Graph()
	v := g.Variable("v", float32(1), true)
	assign := g.Add("weft.Assign", []weft.Value{v, g.Constant(float32(2))}, nil, "", 1)[0]
	s := newSession(t, g)
	p := must[*weft.Prepared](t)(s.Prepare(nil, []weft.Value{v}))
	closeAfter(t, p)
	run := func(o weft.RunOptions) error {
		out, err := s.RunWith(context.Background(), o)
		for _, made := range out {
			made.Close()
		}
		return err
	}
	path := filepath.Join(t.TempDir(), "a.safetensors")
	for name, use := range map[string]func() error{
		"run":      func() error { return run(weft.RunOptions{Feeds: feeds, Fetches: []weft.Value{v}}) },
		"itself":   func() error { return run(weft.RunOptions{Feeds: feeds, Fetches: []weft.Value{y}}) },
		"assign":   func() error { return run(weft.RunOptions{Targets: []weft.Value{assign}}) },
		"prepared": func() error { return p.Run(context.Background()) },
		"save":     func() error { return s.Save(path) },
		"load":     func() error { return s.Load(path) },
		"get":      func() error { made, err := s.Get("v"); made.Close(); return err },
		"set":      func() error { return s.Set("v", nil) },
		"close":    func() error { return s.Close() },
		"trim":     func() error { return s.Trim() },
		"goexit":   func() error { runtime.Goexit(); return nil },
		"remove":   func() error { return weft.SetHostFunction("test", nil) },
	} {
		for kind, targets := range map[string][]weft.Value{"reads": nil, "assigns": {assign}} {
			t.Run(name+" "+kind, func(t *testing.T) {
				weft.SetHostFunction("test", func(in []*weft.Tensor) ([]*weft.Tensor, error) { return in, inside() })
				inside = use
				err := run(weft.RunOptions{Feeds: feeds, Fetches: []weft.Value{y}, Targets: targets})
				var e *weft.Error
				if err != nil && !errors.As(err, &e) {
					t.Errorf("got %v", err)
				}
				inside = func() error { return nil }
				weft.SetHostFunction("test", func(in []*weft.Tensor) ([]*weft.Tensor, error) { return in, nil })
				if err := run(weft.RunOptions{Feeds: feeds, Fetches: []weft.Value{y}, Targets: targets}); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		}
	}
}
