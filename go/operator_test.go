// Tests of operators that Go programs add.

package weft_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

// one is an operator with one input and one output of f32.
func one(name string) weft.Operator {
	return weft.Operator{Name: "com.acme.go." + name, Inputs: []weft.Formal{{Name: "x", Type: "f32"}},
		Outputs: []weft.Formal{{Name: "y", Type: "f32"}}}
}

func addOperator(t *testing.T, op weft.Operator, body weft.BodyFunction) string {
	t.Helper()
	if err := weft.AddOperator(op, body); err != nil {
		t.Fatal(err)
	}
	return op.Name
}

// addAffine adds scale x + bias, where the bias may be left out.
func addAffine(t *testing.T, name string) string {
	return addOperator(t, weft.Operator{
		Name:    "com.acme.go." + name,
		Inputs:  []weft.Formal{{Name: "x", Type: "T", Doc: "Any shape."}, {Name: "bias", Type: "T", Optional: true}},
		Outputs: []weft.Formal{{Name: "y", Type: "T"}},
		Types:   map[string][]weft.DType{"T": {weft.F32, weft.F64}},
		Attributes: []weft.Attribute{{Name: "scale", Kind: "float", DefaultValue: 1.0},
			{Name: "mode", Kind: "string", Required: true}},
		Version: 2,
		Doc:     "scale x + bias.",
	}, func(g *weft.Graph, in []weft.Value, attrs weft.Attrs) ([]weft.Value, error) {
		if attrs["mode"] != "plain" {
			return nil, fmt.Errorf("the mode is %v", attrs["mode"])
		}
		y := in[0].Mul(in[0].Scalar(attrs["scale"].(float64)))
		if !in[1].IsNone() {
			y = y.Add(in[1])
		}
		return []weft.Value{y}, nil
	})
}

func TestAddOperator(t *testing.T) {
	noLeaks(t)
	name := addAffine(t, "Affine")
	g := newGraph(t)
	x := g.Input("x", weft.F32, "n")
	attrs := weft.Attrs{"scale": 2.0, "mode": "plain"}
	y := g.Add(name, []weft.Value{x, x.Mul(x)}, attrs, "", 1)[0] // 2 x + x x
	slope := g.Gradients([]weft.Value{y}, []weft.Value{x}, nil)[0]
	s, feeds := newSession(t, g), weft.Feeds{x: tensor[float32](t, []int64{3}, 1, -2, 3)}
	wantData(t, fetch[float32](t, s, feeds, y), 3, 0, 15)
	wantData(t, fetch[float32](t, s, feeds, slope), 4, -2, 8)
	var known struct {
		Doc   string
		Since int
		Types map[string]string
	}
	if err := json.Unmarshal(must[[]byte](t)(weft.DescribeOperator(name)), &known); err != nil {
		t.Fatal(err)
	}
	if known.Doc != "scale x + bias." || known.Since != 2 || known.Types["T"] != "f32, f64" {
		t.Errorf("got %+v", known)
	}
	if !slices.Contains(weft.Operators(), name) {
		t.Error("the operators lack it")
	}
}

func TestAddedOperatorInAFile(t *testing.T) {
	noLeaks(t)
	name := addAffine(t, "Filed")
	g := newGraph(t)
	x := g.Input("x", weft.F32, "n")
	y := g.Add(name, []weft.Value{x}, weft.Attrs{"scale": 0.5, "mode": "plain"}, "", 1)[0]
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := g.Save(path, weft.SaveOptions{Outputs: []weft.Value{y}}); err != nil {
		t.Fatal(err)
	}
	told := string(must[[]byte](t)(weft.Inspect(path)))
	if !strings.Contains(told, `"unsupported": []`) || !strings.Contains(told, `"com.acme.go": 2`) {
		t.Error(told)
	}
	loaded := must[*weft.Graph](t)(weft.LoadGraph(path))
	defer loaded.Close()
	s, feeds := newSession(t, loaded), weft.Feeds{loaded.Inputs()[0]: tensor[float32](t, []int64{2}, 1, -2)}
	wantData(t, fetch[float32](t, s, feeds, loaded.Outputs()[0]), 0.5, -1)
}

func TestAttributesOfAddedOperators(t *testing.T) {
	noLeaks(t)
	op := one("Kinds")
	defaults := map[string]any{"int": int64(7), "float": 0.5, "string": "two words", "bool": true, "dtype": weft.I64,
		"ints": []int64{1, 2}, "floats": []float64{0.5}, "strings": []string{"a", "b"}}
	for kind, value := range defaults {
		op.Attributes = append(op.Attributes, weft.Attribute{Name: kind, Kind: kind, DefaultValue: value})
	}
	table := tensor[float32](t, []int64{2}, 1, 2)
	op.Attributes = append(op.Attributes, weft.Attribute{Name: "table", Kind: "tensor", DefaultValue: table},
		weft.Attribute{Name: "absent", Kind: "int"})
	var keptTensor *weft.Tensor
	var keptValue weft.Value
	name := addOperator(t, op, func(g *weft.Graph, in []weft.Value, attrs weft.Attrs) ([]weft.Value, error) {
		keptTensor, keptValue = attrs["table"].(*weft.Tensor), in[0]
		wantData(t, must[[]float32](t)(weft.Data[float32](keptTensor)), 1, 2)
		delete(attrs, "table")
		if !reflect.DeepEqual(map[string]any(attrs), defaults) {
			t.Errorf("got %v", attrs)
		}
		return in, nil
	})
	g := newGraph(t)
	g.Add(name, []weft.Value{g.Input("x", weft.F32)}, nil, "", 1)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := weft.Data[float32](keptTensor); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := keptValue.Relu().Graph().Err(); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAddedOperatorWithManyInputsAndHostFunctions(t *testing.T) {
	noLeaks(t)
	shift := addOperator(t, weft.Operator{Name: "com.acme.go.Shift",
		Inputs:  []weft.Formal{{Name: "first", Type: "f32"}, {Name: "others", Type: "f32", Variadic: true}},
		Outputs: []weft.Formal{{Name: "moved", Type: "f32", Variadic: true}},
	}, func(g *weft.Graph, in []weft.Value, attrs weft.Attrs) ([]weft.Value, error) {
		return append(slices.Clone(in[1:]), in[0]), nil
	})
	setHostFunction(t, "go/doubled", func(inputs []*weft.Tensor) ([]*weft.Tensor, error) {
		data, err := weft.Data[float32](inputs[0])
		for i := range data {
			data[i] *= 2
		}
		out, made := weft.TensorFrom(inputs[0].Shape(), data)
		return []*weft.Tensor{out}, errors.Join(err, made)
	})
	doubled := addOperator(t, one("Doubled"), func(g *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) {
		return g.HostCall("go/doubled", in, []weft.HostOutput{{DType: weft.F32, Shape: []any{"n"}}}, ""), nil
	})
	g := newGraph(t)
	x := g.Input("x", weft.F32, "n")
	moved := g.Add(shift, []weft.Value{x, x.Neg(), x.Abs()}, nil, "", 3)
	twice := g.Add(doubled, []weft.Value{x}, nil, "", 1)[0]
	s, feeds := newSession(t, g), weft.Feeds{x: tensor[float32](t, []int64{2}, 1, -2)}
	wantData(t, fetch[float32](t, s, feeds, moved[0]), -1, 2)
	wantData(t, fetch[float32](t, s, feeds, moved[2]), 1, -2)
	wantData(t, fetch[float32](t, s, feeds, twice), 2, -4)
}

func TestErrorsOfBodies(t *testing.T) {
	noLeaks(t)
	mine := errors.New("no file")
	var body weft.BodyFunction
	name := addOperator(t, one("Wrong"), func(g *weft.Graph, in []weft.Value, attrs weft.Attrs) ([]weft.Value, error) {
		return body(g, in, attrs)
	})
	outer := newGraph(t)
	x := outer.Input("x", weft.F32, 2, 3)
	for said, wrong := range map[string]weft.BodyFunction{
		"no file": func(*weft.Graph, []weft.Value, weft.Attrs) ([]weft.Value, error) { return nil, mine },
		"panic":   func(*weft.Graph, []weft.Value, weft.Attrs) ([]weft.Value, error) { panic("oh") },
		"a Go function panicked: runtime error": func(*weft.Graph, []weft.Value, weft.Attrs) ([]weft.Value, error) {
			return nil, noProblem()
		},
		"gave 0 values, but the node has 1 outputs": func(*weft.Graph, []weft.Value, weft.Attrs) ([]weft.Value, error) {
			return nil, nil
		},
		"nothing as output 0": func(*weft.Graph, []weft.Value, weft.Attrs) ([]weft.Value, error) {
			return make([]weft.Value, 1), nil
		},
		"belongs to another graph": func(*weft.Graph, []weft.Value, weft.Attrs) ([]weft.Value, error) {
			return []weft.Value{x}, nil
		},
		"MatMul": func(_ *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) {
			return []weft.Value{in[0].MatMul(in[0])}, nil
		},
		"in the graph that it is given": func(*weft.Graph, []weft.Value, weft.Attrs) ([]weft.Value, error) {
			// The graph is being built by this goroutine: it must not wait for itself.
			return []weft.Value{x.Neg()}, x.Neg().Graph().Err()
		},
		"the graph is being built": func(_ *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) {
			x.Neg() // which nothing uses
			return in, nil
		},
	} {
		body = wrong
		g := newGraph(t)
		if said == "belongs to another graph" || said == "in the graph that it is given" || said == "the graph is being built" {
			g = outer
		}
		in := g.Input("in", weft.F32, 2, 3)
		g.Add(name, []weft.Value{in}, nil, "mine", 1)
		var known *weft.Error
		if err := g.Err(); !errors.As(err, &known) || !strings.Contains(err.Error(), said) {
			t.Fatalf("%s: got %v", said, err)
		}
		if known.Op != name || known.Node != "mine" || !strings.Contains(known.Origin, "operator_test.go:") {
			t.Errorf("%s: got %+v", said, known)
		}
		if said == "no file" && !errors.Is(known, mine) {
			t.Errorf("got %v", known)
		}
		if in.Name() != "in" { // looking at the graph waits for nobody
			t.Errorf("%s: got %q", said, in.Name())
		}
		if g == outer { // an error stays with a graph
			outer = newGraph(t)
			x = outer.Input("x", weft.F32, 2, 3)
		}
	}
}

// What a body does to a graph that was there before is an error of the body's, when a node is added and when it is run; that
// graph is as it was.
func TestBodiesThatUseOlderGraphs(t *testing.T) {
	noLeaks(t)
	const said = "in the graph that it is given, or in ones that it makes"
	other := newGraph(t)
	v := other.Input("v", weft.F32, "n")
	var meddle func()
	name := addOperator(t, one("Meddling"), func(_ *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) {
		meddle()
		return in, nil
	})
	for what, use := range map[string]func(){
		"adds":   func() { v.Neg() },
		"errors": func() { other.Scope("") },
	} {
		meddle = use
		g := newGraph(t)
		g.Add(name, []weft.Value{g.Input("x", weft.F32)}, nil, "", 1)
		if err := g.Err(); !errors.Is(err, weft.FailedPrecondition) || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	meddle = func() {
		own := newGraph(t)
		if err := own.Input("x", weft.F32).Neg().Graph().Err(); err != nil {
			t.Errorf("got %v", err)
		}
	}
	g := newGraph(t)
	x := g.Input("x", weft.F32, "n")
	y := g.Add(name, []weft.Value{x}, nil, "", 1)[0]
	s, right := newSession(t, g), meddle
	numbers := tensor[float32](t, []int64{2}, 1, 2)
	for _, older := range []weft.Value{v, x} {
		meddle = func() { older.Neg() }
		_, err := s.Run(t.Context(), weft.Feeds{x: numbers}, y)
		if !errors.Is(err, weft.FailedPrecondition) || !strings.Contains(err.Error(), said) {
			t.Errorf("got %v", err)
		}
	}
	meddle = right
	wantData(t, fetch[float32](t, s, weft.Feeds{x: numbers}, y), 1, 2)
	wantData(t, fetch[float32](t, newSession(t, other), weft.Feeds{v: numbers}, v.Neg()), -1, -2)
	if err := errors.Join(g.Err(), other.Err()); err != nil {
		t.Error(err)
	}
}

// A body may look at the graph that its node is added to, as a line for a log does.
func TestBodiesLookAtTheGraphAround(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, "n", 3)
	seen := ""
	name := addOperator(t, one("Looking"), func(_ *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) {
		seen = fmt.Sprintf("%s %v %s %v", x.Name(), x.DType(), x.Shape(), x.Dims())
		return in, nil
	})
	y := g.Add(name, []weft.Value{x}, nil, "", 1)[0]
	if err := g.Err(); err != nil || seen != "x f32 [n, 3] [-1 3]" || y.Shape() != x.Shape() {
		t.Errorf("got %v, and %q of %v", err, seen, y)
	}
}

func TestWhatCannotBeAdded(t *testing.T) {
	noLeaks(t)
	identity := func(_ *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) { return in, nil }
	taken := addOperator(t, one("Taken"), identity)
	bad := func(change func(op *weft.Operator)) weft.Operator {
		op := one("Bad")
		change(&op)
		return op
	}
	for _, c := range []struct {
		op   weft.Operator
		code weft.Code
		said string
	}{
		{one("Taken"), weft.AlreadyExists, taken},
		{bad(func(op *weft.Operator) { op.Name = "Bad" }), weft.InvalidArgument, "domain"},
		{bad(func(op *weft.Operator) { op.Name = "weft.Bad" }), weft.InvalidArgument, "the library's"},
		{bad(func(op *weft.Operator) { op.Name = "com.acme\x00.Bad" }), weft.InvalidArgument, "NUL"},
		{bad(func(op *weft.Operator) { op.Outputs = nil }), weft.InvalidArgument, "no output"},
		{bad(func(op *weft.Operator) { op.Version = -1 }), weft.InvalidArgument, "version"},
		{bad(func(op *weft.Operator) { op.Version = math.MaxInt }), weft.InvalidArgument, "must be 1 to 2147483647"},
		{bad(func(op *weft.Operator) { op.Inputs[0].Type = "U" }), weft.InvalidArgument, "'U'"},
		{bad(func(op *weft.Operator) { op.Inputs[0].Optional, op.Inputs[0].Variadic = true, true }),
			weft.InvalidArgument, "both optional and variadic"},
		{bad(func(op *weft.Operator) { op.Types = map[string][]weft.DType{"T": {}} }), weft.InvalidArgument, "some dtype"},
		{bad(func(op *weft.Operator) { op.Attributes = []weft.Attribute{{Name: "a", Kind: "number"}} }),
			weft.InvalidArgument, "kind"},
		{bad(func(op *weft.Operator) {
			op.Attributes = []weft.Attribute{{Name: "a", Kind: "int", DefaultValue: "1"}}
		}), weft.InvalidArgument, "kind int"},
	} {
		if err := weft.AddOperator(c.op, identity); !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.said) {
			t.Errorf("got %v, want %v with %q", err, c.code, c.said)
		}
	}
	if err := weft.AddOperator(one("Nil"), nil); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	self := "com.acme.go.Self"
	addOperator(t, one("Self"), func(g *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) {
		return g.Add(self, in, nil, "", 1), nil
	})
	g := newGraph(t)
	g.Add(self, []weft.Value{g.Input("x", weft.F32)}, nil, "", 1)
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), self+" is made of "+self) {
		t.Errorf("got %v", err)
	}
}

func TestDefaultsThatAreLeftOut(t *testing.T) {
	noLeaks(t)
	op := one("LeftOut")
	op.Attributes = []weft.Attribute{
		{Name: "sizes", Kind: "ints", DefaultValue: []int64(nil)},
		{Name: "type", Kind: "dtype", DefaultValue: weft.DType(0)},
	}
	name := addOperator(t, op, func(_ *weft.Graph, in []weft.Value, attrs weft.Attrs) ([]weft.Value, error) {
		if len(attrs) != 0 {
			return nil, fmt.Errorf("there are attributes: %v", attrs)
		}
		return in, nil
	})
	g := newGraph(t)
	g.Add(name, []weft.Value{g.Input("x", weft.F32)}, nil, "", 1)
	if err := g.Err(); err != nil {
		t.Error(err)
	}
}

// Goroutines may build the graph of a body at once, as any other.
func TestBodiesBuiltByGoroutines(t *testing.T) {
	noLeaks(t)
	name := addOperator(t, one("Together"), func(_ *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) {
		var group sync.WaitGroup
		for range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				for range 50 {
					if in[0].Neg().DType() != weft.F32 {
						t.Error("a value was not built")
					}
				}
			}()
		}
		y := in[0]
		for range 50 {
			y = y.Add(in[0])
		}
		group.Wait()
		return []weft.Value{y}, nil
	})
	g := newGraph(t)
	g.Add(name, []weft.Value{g.Input("x", weft.F32)}, nil, "", 1)
	if err := g.Err(); err != nil {
		t.Error(err)
	}
}

// TestWaitingChild is what the process of the test below runs, which may have fewer threads than goroutines wait.
func TestWaitingChild(t *testing.T) {
	if os.Getenv("WEFT_TEST_CHILD") == "" {
		t.Skip("for another test")
	}
	debug.SetMaxThreads(500)
	const count = 1000
	begun, goOn := make(chan struct{}), make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	name := addOperator(t, one("Waiting"), func(_ *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) {
		begin()
		<-goOn
		return in, nil
	})
	g := newGraph(t)
	x := g.Input("x", weft.F32)
	var group sync.WaitGroup
	group.Add(1 + count)
	go func() {
		defer group.Done()
		g.Add(name, []weft.Value{x}, nil, "", 1)
	}()
	<-begun
	for range count {
		go func() {
			defer group.Done()
			if x.DType() != weft.F32 {
				t.Error("the value has another type")
			}
		}()
	}
	stacks := make([]byte, 16<<20)
	for waiting := 0; waiting < count; {
		runtime.Gosched()
		waiting = bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("[sync.Mutex.Lock"))
	}
	close(goOn)
	group.Wait()
	if err := g.Err(); err != nil {
		t.Error(err)
	}
}

// Goroutines that wait for a graph take no threads of the system, of which a process may have 10,000.
func TestManyGoroutinesWaitForABody(t *testing.T) {
	library := must[string](t)(weft.Library())
	wantWords(t, childOf(t, "TestWaitingChild", "WEFT_LIBRARY="+library), "PASS")
}

func TestOperatorsAddedByGoroutines(t *testing.T) {
	noLeaks(t)
	var group sync.WaitGroup
	shared := newGraph(t)
	x := shared.Input("x", weft.F32, "n")
	for i := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			op := one(fmt.Sprintf("Many%d", i))
			err := weft.AddOperator(op, func(_ *weft.Graph, in []weft.Value, _ weft.Attrs) ([]weft.Value, error) {
				return []weft.Value{in[0].Add(in[0])}, nil
			})
			if err != nil {
				t.Error(err)
				return
			}
			for range 10 {
				shared.Add(op.Name, []weft.Value{x}, nil, "", 1)
			}
		}()
	}
	group.Wait()
	if err := shared.Err(); err != nil {
		t.Error(err)
	}
}
