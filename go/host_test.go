// Tests of host functions, files and the process.

package weft_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

// setHostFunction registers a function until the test ends.
func setHostFunction(t *testing.T, name string, function weft.HostFunction) {
	t.Helper()
	if err := weft.SetHostFunction(name, function); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := weft.SetHostFunction(name, nil); err != nil {
			t.Error(err)
		}
	})
}

// hostGraph is a graph of one call of a host function.
func hostGraph(t *testing.T, function weft.HostFunction) (*weft.Session, weft.Feeds, weft.Value) {
	t.Helper()
	setHostFunction(t, "test", function)
	g := newGraph(t)
	x := g.Input("x", weft.F32, "n")
	y := g.HostCall("test", []weft.Value{x}, []weft.HostOutput{{DType: weft.F32, Shape: []any{"n"}}}, "")[0]
	return newSession(t, g), weft.Feeds{x: tensor[float32](t, []int64{2}, 1, 2)}, y.Named("called")
}

func TestHostFunction(t *testing.T) {
	noLeaks(t)
	s, feeds, y := hostGraph(t, func(inputs []*weft.Tensor) ([]*weft.Tensor, error) {
		data, err := weft.Data[float32](inputs[0])
		if err != nil {
			return nil, err
		}
		for i := range data {
			data[i] *= data[i] + 1
		}
		out, err := weft.TensorFrom(inputs[0].Shape(), data)
		return []*weft.Tensor{out}, err
	})
	wantData(t, fetch[float32](t, s, feeds, y), 2, 6)
	wantData(t, fetch[float32](t, s, feeds, y), 2, 6)
}

func TestHostFunctionGivesItsInput(t *testing.T) {
	noLeaks(t)
	var kept *weft.Tensor
	s, feeds, y := hostGraph(t, func(inputs []*weft.Tensor) ([]*weft.Tensor, error) {
		kept = inputs[0]
		return inputs, nil
	})
	wantData(t, fetch[float32](t, s, feeds, y), 1, 2)
	if _, err := kept.Clone(); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestHostFunctionGivesOneTensorTwice(t *testing.T) {
	noLeaks(t)
	outputs := slices.Repeat([]weft.HostOutput{{DType: weft.F32, Shape: []any{2}}}, 3)
	call := func(last bool) ([]*weft.Tensor, error) {
		setHostFunction(t, "twice", func(inputs []*weft.Tensor) ([]*weft.Tensor, error) {
			out, err := inputs[0].Clone()
			if last {
				return []*weft.Tensor{out, out, inputs[0]}, err
			}
			return []*weft.Tensor{out, out, nil}, err
		})
		g := newGraph(t)
		x := g.Input("x", weft.F32, 2)
		y := g.HostCall("twice", []weft.Value{x}, outputs, "")
		return newSession(t, g).Run(t.Context(), weft.Feeds{x: tensor[float32](t, []int64{2}, 3, 4)}, y...)
	}
	made := must[[]*weft.Tensor](t)(call(true))
	for _, each := range made {
		wantData(t, must[[]float32](t)(weft.Data[float32](each)), 3, 4)
		each.Close()
	}
	if _, err := call(false); !isInvalid(err) {
		t.Errorf("got %v", err)
	}
}

type myError struct{ number int }

func (e *myError) Error() string { return "mine" }

// textError panics if it is asked what it says while it is nil.
type textError struct{ text string }

func (e *textError) Error() string { return e.text }

// noProblem gives the nil that is an error all the same once a function returns it as one.
func noProblem() *textError { return nil }

func TestErrorsOfHostFunctions(t *testing.T) {
	noLeaks(t)
	closed, _ := weft.TensorOf[float32](1)
	closed.Close()
	ints := func() *weft.Tensor { return must[*weft.Tensor](t)(weft.TensorOf[int32](1, 2)) }
	for name, c := range map[string]struct {
		function weft.HostFunction
		check    func(err error) bool
	}{
		"error": {func([]*weft.Tensor) ([]*weft.Tensor, error) { return nil, &myError{7} }, func(err error) bool {
			var mine *myError
			return errors.As(err, &mine) && mine.number == 7
		}},
		"panic": {func(inputs []*weft.Tensor) ([]*weft.Tensor, error) {
			return nil, fmt.Errorf("%d", []int{}[len(inputs)])
		},
			func(err error) bool {
				var p *weft.PanicError
				return errors.As(err, &p) && errors.Is(err, weft.Internal) && strings.Contains(string(p.Stack),
					"host_test.go")
			}},
		"typed nil": {func([]*weft.Tensor) ([]*weft.Tensor, error) { return nil, noProblem() }, func(err error) bool {
			var p *weft.PanicError
			return errors.As(err, &p) && errors.Is(err, weft.Internal) && strings.Contains(string(p.Stack), "textError")
		}},
		"few": {func([]*weft.Tensor) ([]*weft.Tensor, error) { return nil, nil }, isInvalid},
		"many": {func([]*weft.Tensor) ([]*weft.Tensor, error) { return []*weft.Tensor{ints(), ints()}, nil },
			isInvalid},
		"nil":    {func([]*weft.Tensor) ([]*weft.Tensor, error) { return []*weft.Tensor{nil}, nil }, isInvalid},
		"closed": {func([]*weft.Tensor) ([]*weft.Tensor, error) { return []*weft.Tensor{closed}, nil }, isClosed},
		"type":   {func([]*weft.Tensor) ([]*weft.Tensor, error) { return []*weft.Tensor{ints()}, nil }, isAnError},
	} {
		t.Run(name, func(t *testing.T) {
			s, feeds, y := hostGraph(t, c.function)
			_, err := s.Run(t.Context(), feeds, y)
			if !c.check(err) {
				t.Errorf("got %v", err)
			}
			var e *weft.Error
			if !errors.As(err, &e) || !strings.Contains(e.Origin, "host_test.go") || e.Op != "weft.HostCall" {
				t.Errorf("got %+v", e)
			}
			// The session is as good as before.
			setHostFunction(t, "test", func(inputs []*weft.Tensor) ([]*weft.Tensor, error) { return inputs, nil })
			wantData(t, fetch[float32](t, s, feeds, y), 1, 2)
		})
	}
}

func TestErrorsOfFunctionsAreToldOnce(t *testing.T) {
	noLeaks(t)
	inner := must[*weft.Session](t)(weft.NewSession(newGraph(t)))
	closeAfter(t, inner)
	for name, c := range map[string]struct {
		function weft.HostFunction
		want     string
	}{
		"error": {func([]*weft.Tensor) ([]*weft.Tensor, error) { return nil, &myError{7} }, "weft: UNKNOWN: mine ["},
		"panic": {func([]*weft.Tensor) ([]*weft.Tensor, error) { panic("mine") },
			"weft: INTERNAL: a Go function panicked: mine ["},
		"nil": {func([]*weft.Tensor) ([]*weft.Tensor, error) { return []*weft.Tensor{nil}, nil },
			"weft: INVALID_ARGUMENT: the tensor that a host function gave is nil ["},
		"call": {func([]*weft.Tensor) ([]*weft.Tensor, error) { _, err := inner.Get("v"); return nil, err },
			"weft: NOT_FOUND: there is no variable 'v' ["},
	} {
		t.Run(name, func(t *testing.T) {
			s, feeds, y := hostGraph(t, c.function)
			_, err := s.Run(t.Context(), feeds, y)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Count(err.Error(), "weft: ") != 1 {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func isInvalid(err error) bool { return errors.Is(err, weft.InvalidArgument) }
func isClosed(err error) bool  { return errors.Is(err, weft.ErrClosed) }
func isAnError(err error) bool { return err != nil }

func TestMissingHostFunction(t *testing.T) {
	noLeaks(t)
	s, feeds, y := hostGraph(t, nil)
	if _, err := s.Run(t.Context(), feeds, y); err == nil || !strings.Contains(err.Error(), "test") {
		t.Errorf("got %v", err)
	}
}

func TestHostFunctionMustNotCloseItsSession(t *testing.T) {
	noLeaks(t)
	var s *weft.Session
	s, feeds, y := hostGraph(t, func(inputs []*weft.Tensor) ([]*weft.Tensor, error) { return inputs, s.Close() })
	if _, err := s.Run(t.Context(), feeds, y); !errors.Is(err, weft.FailedPrecondition) {
		t.Errorf("got %v", err)
	}
}

func TestCheckpoints(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "a.safetensors")
	g := newGraph(t)
	v := g.Variable("v", float32(1), true)
	s := newSession(t, g)
	if err := errors.Join(s.Set("v", tensor[float32](t, nil, 3)), s.Save(path), s.Set("v", tensor[float32](t, nil,
		4))); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(path); err != nil {
		t.Fatal(err)
	}
	wantData(t, fetch[float32](t, s, nil, v), 3)
	more := newGraph(t)
	more.Variable("v", float32(1), true)
	w := more.Variable("w", float32(5), true)
	other := newSession(t, more)
	if err := other.Load(path); !errors.Is(err, weft.InvalidArgument) || !strings.Contains(err.Error(), "w") {
		t.Errorf("got %v", err)
	}
	if err := other.Load(path, weft.LoadOptions{Partial: true}); err != nil {
		t.Error(err)
	}
	wantData(t, fetch[float32](t, other, nil, w), 5)
	if err := s.Load(path + "x"); !errors.Is(err, weft.NotFound) {
		t.Errorf("got %v", err)
	}
}

func TestModels(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "a.onnx")
	g := newGraph(t)
	x := g.Input("x", weft.F32, "n")
	v := g.Variable("v", float32(1), true)
	y := x.Mul(v).Named("y")
	s := newSession(t, g)
	if err := errors.Join(s.Set("v", tensor[float32](t, nil, 3)), g.Save(path,
		weft.SaveOptions{Outputs: []weft.Value{y}, Session: s})); err != nil {
		t.Fatal(err)
	}
	check := func(loaded *weft.Graph, trainable int) {
		t.Helper()
		closeAfter(t, loaded)
		if len(loaded.Variables()) != trainable {
			t.Errorf("got %v", loaded.Variables())
		}
		feeds := weft.Feeds{loaded.Inputs()[0]: tensor[float32](t, []int64{2}, 1, 2)}
		wantData(t, fetch[float32](t, newSession(t, loaded), feeds, loaded.Outputs()[0]), 3, 6)
	}
	check(must[*weft.Graph](t)(weft.LoadGraph(path)), 0)
	check(must[*weft.Graph](t)(weft.LoadGraph(path, weft.LoadOptions{Trainable: []string{"*"}, Map: true})), 1)
	data := must[[]byte](t)(os.ReadFile(path))
	check(must[*weft.Graph](t)(weft.LoadGraphBytes(data, "")), 0)
	if _, err := weft.LoadGraphBytes(data[:len(data)/2], ""); !errors.Is(err, weft.DataLoss) {
		t.Errorf("got %v", err)
	}
	if _, err := weft.LoadGraph(path + "x"); !errors.Is(err, weft.NotFound) {
		t.Errorf("got %v", err)
	}
	if err := g.Save(filepath.Join(path, "b")); err == nil {
		t.Error("saved in a folder that is a file")
	}
}

func TestTensorFiles(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "a.safetensors")
	made := tensor[float32](t, []int64{2}, 1, 2)
	if err := weft.SaveTensors(path, map[string]*weft.Tensor{"b": made, "a": made}); err != nil {
		t.Fatal(err)
	}
	loaded := must[map[string]*weft.Tensor](t)(weft.LoadTensors(path))
	if len(loaded) != 2 {
		t.Errorf("got %v", loaded)
	}
	for _, one := range loaded {
		closeAfter(t, one)
		wantData(t, must[[]float32](t)(weft.Data[float32](one)), 1, 2)
	}
	if err := weft.SaveTensors(path, map[string]*weft.Tensor{"b": nil}); !isInvalid(err) {
		t.Errorf("got %v", err)
	}
}

func TestProcess(t *testing.T) {
	if version := must[string](t)(weft.Version()); !strings.HasPrefix(version, "0.1.") {
		t.Errorf("got %v", version)
	}
	if devices := weft.Devices(); len(devices) == 0 || devices[0] != "cpu" {
		t.Errorf("got %v", devices)
	}
	if err := weft.LoadDevices("/nowhere/libweft_none.so"); !errors.Is(err, weft.NotFound) {
		t.Errorf("got %v", err)
	}
	g := weft.NewGraph()
	closeAfter(t, g)
	if _, err := weft.NewSession(g, weft.SessionOptions{Device: "cuda:0"}); !errors.Is(err, weft.NotFound) {
		t.Errorf("got %v", err)
	}
	if now, peak := weft.MemoryBytes(), weft.MemoryPeak(); now < 0 || peak < now || weft.Threads() < 1 {
		t.Errorf("got %d, %d", now, peak)
	}
	if err := weft.SetMemoryLimit(1 << 20); err != nil || weft.MemoryLimit() != 1<<20 {
		t.Errorf("got %v", err)
	}
	if _, err := weft.ZeroTensor(weft.F32, 1<<20); !errors.Is(err, weft.ResourceExhausted) {
		t.Errorf("got %v", err)
	}
	if err := weft.SetMemoryLimit(0); err != nil {
		t.Error(err)
	}
	if err := errors.Join(weft.SetLogger(slog.Default()), weft.SetLogger(nil)); err != nil {
		t.Error(err)
	}
	path := must[string](t)(weft.Library())
	if err := weft.Load(path); err != nil {
		t.Error(err)
	}
	if err := weft.Load(path + "x"); !errors.Is(err, weft.FailedPrecondition) {
		t.Errorf("got %v", err)
	}
}

func TestDescriptions(t *testing.T) {
	for _, name := range weft.Operators() {
		if text := must[[]byte](t)(weft.DescribeOperator(name)); !json.Valid(text) {
			t.Errorf("%s is described by %s", name, text)
		}
	}
	for _, kind := range weft.LayerTypes() {
		if text := must[[]byte](t)(weft.DescribeLayer(kind)); !json.Valid(text) {
			t.Errorf("%s is described by %s", kind, text)
		}
	}
	if !slices.Contains(weft.Operators(), "weft.Adam") || !slices.Contains(weft.LayerTypes(), "Dense") {
		t.Errorf("got %v and %v", weft.Operators(), weft.LayerTypes())
	}
	if _, err := weft.DescribeOperator("MatMull"); !errors.Is(err, weft.NotFound) || !strings.Contains(err.Error(),
		"MatMul") {
		t.Errorf("got %v", err)
	}
}

func FuzzLoadGraphBytes(f *testing.F) {
	path := filepath.Join(f.TempDir(), "a.onnx")
	g := weft.NewGraph()
	g.SetOutputs(g.Input("x", weft.F32, "n").MatMul(g.Constant([][]float32{{1, 2}})).Relu().Named("y"))
	if err := errors.Join(g.Save(path), g.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(must[[]byte](f)(os.ReadFile(path)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		loaded, err := weft.LoadGraphBytes(data, "")
		if err == nil {
			err = loaded.Close()
		}
		var e *weft.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("got %v", err)
		}
	})
}
