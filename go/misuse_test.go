// A test that gives every method and function what is nil, zero, closed or of another graph.

package weft_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	weft "github.com/weft-ml/weft/go"
)

// world has an object of each type that is good, and one that is closed.
type world struct {
	graph, closedGraph, otherGraph *weft.Graph
	x, foreign, closedValue, loss  weft.Value
	tensor, closedTensor           *weft.Tensor
	session, closedSession         *weft.Session
	dataset, closedDataset         *weft.Dataset
	prepared, closedPrepared       *weft.Prepared
	trace, closedTrace             *weft.Trace
	layer, closedLayer             *weft.Layer
}

func newWorld(t *testing.T) *world {
	w := &world{graph: weft.NewGraph(), closedGraph: weft.NewGraph(), otherGraph: weft.NewGraph()}
	w.x = w.graph.Input("x", weft.F32, 1)
	v := w.graph.Variable("v", []float32{1}, true)
	w.loss = w.x.Mul(v).Sum().Named("loss")
	w.foreign = w.otherGraph.Input("x", weft.F32, 1)
	w.closedValue = w.closedGraph.Input("x", weft.F32, 1)
	newLayer := func() *weft.Layer { return weft.NewFlatten(w.graph, "flat", weft.FlattenConfig{}) }
	w.layer, w.closedLayer = newLayer(), newLayer()
	newTensor := func() *weft.Tensor { return must[*weft.Tensor](t)(weft.TensorOf[float32](1)) }
	w.tensor, w.closedTensor = newTensor(), newTensor()
	newSession := func() *weft.Session { return must[*weft.Session](t)(weft.NewSession(w.graph)) }
	w.session, w.closedSession = newSession(), newSession()
	newDataset := func() *weft.Dataset { return must[*weft.Dataset](t)(weft.NewDataset(w.tensor)) }
	w.dataset, w.closedDataset = newDataset(), newDataset()
	newPrepared := func() *weft.Prepared {
		return must[*weft.Prepared](t)(w.session.Prepare([]weft.Value{w.x}, []weft.Value{w.loss}))
	}
	w.prepared, w.closedPrepared = newPrepared(), newPrepared()
	newTrace := func() *weft.Trace { return must[*weft.Trace](t)(weft.NewTrace()) }
	w.trace, w.closedTrace = newTrace(), newTrace()
	w.closeAll(w.closedGraph, w.closedLayer, w.closedTensor, w.closedSession, w.closedDataset, w.closedPrepared,
		w.closedTrace)
	return w
}

func (w *world) closeAll(objects ...closer) {
	for _, object := range objects {
		object.Close()
	}
}

func (w *world) close() {
	w.closeAll(w.graph, w.otherGraph, w.layer, w.tensor, w.session, w.dataset, w.prepared, w.trace)
}

// receivers are objects with methods, by what is wrong with them.
func (w *world) receivers() map[string][]any {
	return map[string][]any{
		"good": {w.graph, w.tensor, w.session, w.dataset, w.prepared, w.trace, w.layer, w.x},
		"nil": {(*weft.Graph)(nil), (*weft.Tensor)(nil), (*weft.Session)(nil), (*weft.Dataset)(nil),
			(*weft.Prepared)(nil), (*weft.Trace)(nil), (*weft.Layer)(nil), (*weft.History)(nil), weft.Value{}},
		"zero": {new(weft.Graph), new(weft.Tensor), new(weft.Session), new(weft.Dataset), new(weft.Prepared),
			new(weft.Trace), new(weft.Layer), new(weft.History), weft.Metrics{}, weft.Sgd{}, weft.Momentum{},
			weft.Adam{}, weft.AdamW{}, weft.DType(-1), weft.Kind(-1), weft.Code(-1), weft.Float16(0),
			weft.BFloat16(0)},
		"closed": {w.closedGraph, w.closedTensor, w.closedSession, w.closedDataset, w.closedPrepared, w.closedTrace,
			w.closedLayer, w.closedValue},
	}
}

// choices are arguments of a type: a good one first.
func (w *world) choices(kind reflect.Type) []any {
	background, cancelled := context.Background(), func() context.Context {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx
	}()
	switch kind {
	case reflect.TypeFor[context.Context]():
		return []any{background, nil, cancelled, (*broken)(nil)}
	case reflect.TypeFor[*weft.Graph]():
		return []any{w.graph, (*weft.Graph)(nil), new(weft.Graph), w.closedGraph, w.otherGraph}
	case reflect.TypeFor[*weft.Tensor]():
		return []any{w.tensor, (*weft.Tensor)(nil), new(weft.Tensor), w.closedTensor}
	case reflect.TypeFor[*weft.Session]():
		return []any{w.session, (*weft.Session)(nil), new(weft.Session), w.closedSession}
	case reflect.TypeFor[*weft.Dataset]():
		return []any{w.dataset, (*weft.Dataset)(nil), new(weft.Dataset), w.closedDataset}
	case reflect.TypeFor[weft.Value]():
		return []any{w.x, weft.Value{}, w.foreign, w.closedValue}
	case reflect.TypeFor[[]weft.Value]():
		return []any{[]weft.Value{w.x}, []weft.Value(nil), []weft.Value{{}}, []weft.Value{w.foreign},
			[]weft.Value{w.closedValue, w.x}}
	case reflect.TypeFor[[]*weft.Tensor]():
		return []any{[]*weft.Tensor{w.tensor}, []*weft.Tensor(nil), []*weft.Tensor{nil},
			[]*weft.Tensor{w.tensor, w.closedTensor}, []*weft.Tensor{new(weft.Tensor)}}
	case reflect.TypeFor[map[string]*weft.Tensor]():
		return []any{map[string]*weft.Tensor{"a": w.tensor}, map[string]*weft.Tensor(nil),
			map[string]*weft.Tensor{"": w.tensor, "b": w.closedTensor}}
	case reflect.TypeFor[weft.Feeds]():
		return []any{weft.Feeds{w.x: w.tensor}, weft.Feeds(nil), weft.Feeds{w.foreign: w.tensor, {}: nil},
			weft.Feeds{w.x: w.closedTensor}}
	case reflect.TypeFor[weft.RunOptions]():
		return []any{weft.RunOptions{Feeds: weft.Feeds{w.x: w.tensor}, Trace: w.trace}, weft.RunOptions{},
			weft.RunOptions{Trace: w.closedTrace}, weft.RunOptions{Targets: []weft.Value{w.foreign}}}
	case reflect.TypeFor[[]weft.SessionOptions]():
		return []any{[]weft.SessionOptions(nil), []weft.SessionOptions{{Share: w.closedSession}},
			[]weft.SessionOptions{{Share: new(weft.Session)}}, make([]weft.SessionOptions, 2)}
	case reflect.TypeFor[[]weft.SaveOptions]():
		return []any{[]weft.SaveOptions(nil), []weft.SaveOptions{{Outputs: []weft.Value{w.loss}}},
			[]weft.SaveOptions{{Outputs: []weft.Value{w.foreign}, Session: w.closedSession}},
			[]weft.SaveOptions{{Session: w.closedSession}}, make([]weft.SaveOptions, 2)}
	case reflect.TypeFor[[]weft.FitOptions]():
		return []any{[]weft.FitOptions(nil), []weft.FitOptions{{Validation: w.closedDataset}},
			[]weft.FitOptions{{Validation: new(weft.Dataset), Epochs: -1}}, make([]weft.FitOptions, 2)}
	case reflect.TypeFor[weft.Attrs]():
		return []any{weft.Attrs(nil), weft.Attrs{"a": nil, "b": w.closedTensor}, weft.Attrs{"c": new(weft.Graph)},
			weft.Attrs{"d": 'x'}}
	case reflect.TypeFor[[]weft.Attrs]():
		return []any{[]weft.Attrs(nil), []weft.Attrs{nil}, []weft.Attrs{{"a": nil, "b": w.closedTensor}},
			[]weft.Attrs{{"c": new(weft.Graph)}}, make([]weft.Attrs, 2)}
	case reflect.TypeFor[[]weft.HostOutput]():
		return []any{[]weft.HostOutput{{DType: weft.F32}}, []weft.HostOutput(nil),
			[]weft.HostOutput{{DType: 99, Shape: []any{nil}}}}
	case reflect.TypeFor[func(*weft.Graph) []weft.Value]():
		return []any{func(b *weft.Graph) []weft.Value { return []weft.Value{b.Constant(1)} },
			(func(*weft.Graph) []weft.Value)(nil), func(*weft.Graph) []weft.Value { return nil },
			func(*weft.Graph) []weft.Value { return []weft.Value{w.foreign, {}} }}
	case reflect.TypeFor[weft.HostFunction]():
		return []any{weft.HostFunction(nil)}
	case reflect.TypeFor[io.Writer]():
		return []any{new(bytes.Buffer), nil, full{}}
	case reflect.TypeFor[io.Reader]():
		return []any{new(bytes.Buffer), nil}
	case reflect.TypeFor[fs.FS]():
		return []any{fstest.MapFS{"x": {}}, nil}
	case reflect.TypeFor[*slog.Logger]():
		return []any{(*slog.Logger)(nil)}
	case reflect.TypeFor[any]():
		return []any{float32(1), nil, struct{}{}, w.closedTensor, w.foreign, []int{}, [][]float32{{}, {1}}}
	case reflect.TypeFor[[]any]():
		return []any{[]any{1}, []any(nil), []any{nil, -1}, []any{"?", 1.5}}
	case reflect.TypeFor[string]():
		return []any{"x", "", "no such \x00 thing"}
	case reflect.TypeFor[[]byte]():
		return []any{[]byte{0, 0, 0, 0}, []byte(nil)}
	case reflect.TypeFor[weft.DType]():
		return []any{weft.F32, weft.DType(0), weft.DType(-1), weft.DType(99)}
	}
	switch kind.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		return []any{0, -1, 1 << 30}
	case reflect.Slice:
		return []any{reflect.MakeSlice(kind, 0, 0).Interface(), reflect.MakeSlice(kind, 1, 1).Interface(),
			reflect.MakeSlice(kind, 2, 2).Interface()}
	case reflect.Func:
		// What View and Edit call, and bodies of loops.
		return []any{reflect.MakeFunc(kind, func([]reflect.Value) []reflect.Value {
			return []reflect.Value{reflect.Zero(kind.Out(0))}
		}).Interface()}
	}
	return []any{reflect.Zero(kind).Interface()}
}

// arguments are lists of arguments for f: all good; each in turn something else; all something else.
func (w *world) arguments(f reflect.Type) [][]reflect.Value {
	as := func(value any, kind reflect.Type) reflect.Value {
		if value == nil {
			return reflect.Zero(kind)
		}
		return reflect.ValueOf(value).Convert(kind)
	}
	good, bad := make([]reflect.Value, f.NumIn()), make([]reflect.Value, f.NumIn())
	for i := range good {
		choices := w.choices(f.In(i))
		good[i], bad[i] = as(choices[0], f.In(i)), as(choices[len(choices)-1], f.In(i))
	}
	lists := [][]reflect.Value{good, bad}
	for i := range good {
		for _, choice := range w.choices(f.In(i))[1:] {
			list := append([]reflect.Value(nil), good...)
			list[i] = as(choice, f.In(i))
			lists = append(lists, list)
		}
	}
	return lists
}

// besideError is what a function gives though its last result is an error: then all others must be zero, and a pointer
// that is nil must be so as an interface, too.
func besideError(results []reflect.Value) any {
	if len(results) == 0 || results[len(results)-1].Type() != reflect.TypeFor[error]() || results[len(results)-1].IsNil() {
		return nil
	}
	for _, result := range results[:len(results)-1] {
		if !result.IsZero() {
			return result.Interface()
		}
	}
	return nil
}

// call gives the error that f has or leaves in a graph, and closes what it gives.
func call(f reflect.Value, arguments []reflect.Value) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	var results []reflect.Value
	if f.Type().IsVariadic() {
		results = f.CallSlice(arguments)
	} else {
		results = f.Call(arguments)
	}
	if given := besideError(results); given != nil {
		return fmt.Errorf("with the error %v there is %v", results[len(results)-1], given)
	}
	for _, result := range results {
		switch value := result.Interface().(type) {
		case error:
			if _, isCode := value.(weft.Code); !isCode {
				err = value
			}
		case weft.Value:
			if value.Graph() != nil {
				err = value.Graph().Err()
			}
		case *weft.Graph:
			value.Close()
		case *weft.Tensor:
			value.Close()
		case []*weft.Tensor:
			for _, made := range value {
				made.Close()
			}
		case map[string]*weft.Tensor:
			for _, made := range value {
				made.Close()
			}
		case closer:
			value.Close()
		}
	}
	return err
}

func isOurs(err error) bool {
	var ours *weft.Error
	return err == nil || errors.As(err, &ours) || errors.Is(err, errFull) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.EINVAL)
}

func TestEveryMethodTakesWhatIsWrong(t *testing.T) {
	noLeaks(t)
	t.Chdir(t.TempDir()) // Files are saved under strange names.
	sample := newWorld(t)
	defer sample.close()
	for state, receivers := range sample.receivers() {
		for at, receiver := range receivers {
			kind := reflect.TypeOf(receiver)
			for m := range kind.NumMethod() {
				name := kind.Method(m).Name
				method := func(w *world) reflect.Value { return reflect.ValueOf(w.receivers()[state][at]).Method(m) }
				for i := range sample.arguments(method(sample).Type()) {
					w := newWorld(t)
					f := method(w)
					err := call(f, w.arguments(f.Type())[i])
					checkMisuse(t, fmt.Sprintf("%s %v.%s, arguments %d", state, kind, name, i), state, name, i, f.Type(), err)
					w.close()
				}
			}
		}
	}
}

// checkMisuse checks the error of a call; arguments 0 are good ones.
func checkMisuse(t *testing.T, what, state, method string, arguments int, f reflect.Type, err error) {
	t.Helper()
	if !isOurs(err) {
		t.Errorf("%s: got %v", what, err)
	}
	fails := f.NumOut() > 0 && f.Out(f.NumOut()-1) == reflect.TypeFor[error]() &&
		method != "Close" && method != "Err" && method != "MarshalText" && method != "UnmarshalText"
	if arguments != 0 || !fails {
		return
	}
	if state == "closed" && !errors.Is(err, weft.ErrClosed) {
		t.Errorf("%s: got %v, want ErrClosed", what, err)
	}
	if (state == "nil" || state == "zero") && !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("%s: got %v, want InvalidArgument", what, err)
	}
}

// functions are all functions of the package, with types for those that have type parameters.
var functions = map[string]any{
	"Add": weft.Add, "AddOperator": weft.AddOperator, "DTypeOf": weft.DTypeOf[bool], "Data": weft.Data[float32], "DescribeLayer": weft.DescribeLayer,
	"DescribeOperator": weft.DescribeOperator, "Devices": weft.Devices, "Edit": weft.Edit[float32],
	"Flag": weft.Flag, "Float": weft.Float, "Inspect": weft.Inspect, "InspectBytes": weft.InspectBytes, "Int": weft.Int, "LayerTypes": weft.LayerTypes, "Library": weft.Library,
	"LiveObjects": weft.LiveObjects, "Load": weft.Load, "LoadDataset": weft.LoadDataset, "LoadDevices": weft.LoadDevices,
	"LoadDatasetFS": weft.LoadDatasetFS, "LoadDatasetWith": weft.LoadDatasetWith, "LoadGraph": weft.LoadGraph, "LoadGraphBytes": weft.LoadGraphBytes,
	"LoadGraphFS": weft.LoadGraphFS, "LoadGraphFrom": weft.LoadGraphFrom, "LoadTensors": weft.LoadTensors,
	"LoadTensorsFS": weft.LoadTensorsFS, "LoadTensorsFrom": weft.LoadTensorsFrom, "MapFrom": weft.MapFrom[string, float32], "MapOf": weft.MapOf, "MemoryBytes": weft.MemoryBytes, "MemoryPeak": weft.MemoryPeak,
	"MemoryLimit": weft.MemoryLimit, "NewBFloat16": weft.NewBFloat16, "NewBatchNorm": weft.NewBatchNorm,
	"NewConv2d": weft.NewConv2d, "NewDataset": weft.NewDataset, "NewDatasetFunc": weft.NewDatasetFunc, "NewDense": weft.NewDense,
	"NewDropout": weft.NewDropout, "NewEmbedding": weft.NewEmbedding, "NewFlatten": weft.NewFlatten,
	"NewFloat16": weft.NewFloat16, "NewGraph": weft.NewGraph, "NewGraphOpset": weft.NewGraphOpset,
	"NewGRU": weft.NewGRU, "NewGroupNorm": weft.NewGroupNorm, "NewLSTM": weft.NewLSTM,
	"NewRMSNorm": weft.NewRMSNorm, "NewSelfAttention": weft.NewSelfAttention,
	"NewLayer": weft.NewLayer, "NewLayerNorm": weft.NewLayerNorm, "NewSession": weft.NewSession,
	"NewTrace": weft.NewTrace, "Operators": weft.Operators, "ParseDType": weft.ParseDType,
	"SaveTensors": weft.SaveTensors, "SaveTensorsTo": weft.SaveTensorsTo, "Scalar": weft.Scalar[float32],
	"ScalarOf": weft.ScalarOf[string], "OptionalOf": weft.OptionalOf, "SequenceOf": weft.SequenceOf, "SetData": weft.SetData[float32],
	"SetHostFunction": weft.SetHostFunction, "SetLogger": weft.SetLogger, "TensorFrom": weft.TensorFrom[float32],
	"TensorFromBytes": weft.TensorFromBytes, "TensorFromDLPack": weft.TensorFromDLPack,
	"TensorFromDLPackUnversioned": weft.TensorFromDLPackUnversioned, "TensorOf": weft.TensorOf[string],
	"TensorOfRows": weft.TensorOfRows[float32], "Threads": weft.Threads, "ToMap": weft.ToMap[string, float32],
	"ToMaps": weft.ToMaps[int64, float32], "Unclosed": weft.Unclosed,
	"Version": weft.Version, "View": weft.View[float32], "ZeroTensor": weft.ZeroTensor,
	"SetMemoryLimit": func(bytes int64) error {
		return errors.Join(weft.SetMemoryLimit(max(bytes, 1<<20)), weft.SetMemoryLimit(0))
	},
}

func TestEveryFunctionTakesWhatIsWrong(t *testing.T) {
	noLeaks(t)
	for _, entry := range must[[]os.DirEntry](t)(os.ReadDir(".")) {
		if name := entry.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			for _, d := range must[*ast.File](t)(parser.ParseFile(token.NewFileSet(), name, nil, 0)).Decls {
				f, ok := d.(*ast.FuncDecl)
				if ok && f.Recv == nil && f.Name.IsExported() && functions[f.Name.Name] == nil {
					t.Errorf("the function %s is not tried", f.Name.Name)
				}
			}
		}
	}
	t.Chdir(t.TempDir())
	sample := newWorld(t)
	defer sample.close()
	for name, function := range functions {
		f := reflect.ValueOf(function)
		for i := range sample.arguments(f.Type()) {
			w := newWorld(t)
			if err := call(f, w.arguments(f.Type())[i]); !isOurs(err) {
				t.Errorf("%s, arguments %d: got %v", name, i, err)
			}
			w.close()
		}
	}
}
