// Examples of running, training and files.

package weft_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	weft "github.com/weft-ml/weft/go"
)

func ExampleSession_Run() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "n")
	s := need(weft.NewSession(g, weft.SessionOptions{Threads: 1}))
	defer s.Close()
	in := need(weft.TensorOf[float32](1, 2))
	defer in.Close()
	for _, out := range need(s.Run(context.Background(), weft.Feeds{x: in}, x.Neg(), x.Sum())) {
		fmt.Println(out, need(weft.Data[float32](out)))
		out.Close()
	}
	// Output:
	// f32[2] [-1 -2]
	// f32[] [3]
}

// A context ends a run: by a deadline, or when it is cancelled.
func ExampleSession_Run_cancel() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 500, 500)
	y := x
	for range 2000 {
		y = y.MatMul(x)
	}
	s := need(weft.NewSession(g))
	defer s.Close()
	in := need(weft.ZeroTensor(weft.F32, 500, 500))
	defer in.Close()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err := s.Run(ctx, weft.Feeds{x: in}, y)
	fmt.Println(errors.Is(err, context.Canceled), errors.Is(err, weft.Cancelled))
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer stop()
	_, err = s.Run(ctx, weft.Feeds{x: in}, y)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, weft.DeadlineExceeded))
	// Output:
	// true true
	// true true
}

func ExampleSession_RunWith() {
	g := weft.NewGraph()
	defer g.Close()
	v := g.Variable("v", float32(3), true)
	step := weft.Sgd{Rate: weft.Rate{LearningRate: 0.25}}.Minimize(v.Mul(v))
	s := need(weft.NewSession(g))
	defer s.Close()
	trace := need(weft.NewTrace())
	defer trace.Close()
	// A run sees the variables as they were when it began.
	for range 2 {
		out := need(s.RunWith(context.Background(), weft.RunOptions{Fetches: []weft.Value{v},
			Targets: []weft.Value{step}, Trace: trace}))
		fmt.Println(need(weft.Scalar[float32](out[0])))
		out[0].Close()
	}
	fmt.Println(json.Valid(need(trace.JSON())))
	// Output:
	// 3
	// 1.5
	// true
}

func ExampleSession_Describe() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "n")
	s := need(weft.NewSession(g, weft.SessionOptions{Threads: 1}))
	defer s.Close()
	in := need(weft.TensorOf[float32](1, 2))
	defer in.Close()
	for _, out := range need(s.Run(context.Background(), weft.Feeds{x: in}, x.Neg())) {
		out.Close()
	}
	var kept struct {
		Runs, Threads int
		Calls         []struct {
			Plans []struct {
				Inputs  []string
				Kernels map[string]int
			}
		}
	}
	if err := json.Unmarshal(need(s.Describe()), &kept); err != nil {
		log.Fatal(err)
	}
	plan := kept.Calls[0].Plans[0]
	fmt.Println(kept.Runs, kept.Threads, plan.Inputs, plan.Kernels)
	// Output: 1 1 [f32[2]] map[Neg: plain:1]
}

func ExampleSession_Get() {
	g := weft.NewGraph()
	defer g.Close()
	g.Variable("v", []float32{1, 2}, true)
	s := need(weft.NewSession(g))
	defer s.Close()
	other := need(weft.NewSession(g, weft.SessionOptions{Share: s})) // It has the same variables.
	defer other.Close()
	value := need(weft.TensorOf[float32](3, 4))
	defer value.Close()
	if err := errors.Join(s.Initialise(), s.Set("v", value), s.Trim()); err != nil {
		log.Fatal(err)
	}
	got := need(other.Get("v"))
	defer got.Close()
	fmt.Println(need(weft.Data[float32](got)))
	// Output: [3 4]
}

func ExamplePanicError() {
	if err := weft.SetHostFunction("bad", func([]*weft.Tensor) ([]*weft.Tensor, error) { panic("oh") }); err != nil {
		log.Fatal(err)
	}
	defer weft.SetHostFunction("bad", nil)
	g := weft.NewGraph()
	defer g.Close()
	y := g.HostCall("bad", nil, []weft.HostOutput{{DType: weft.F32}}, "")[0]
	s := need(weft.NewSession(g))
	defer s.Close()
	_, err := s.Run(context.Background(), nil, y)
	var panicked *weft.PanicError
	fmt.Println(errors.As(err, &panicked), panicked.Value, len(panicked.Stack) > 0)
	// Output: true oh true
}

// Each goroutine has a prepared run of its own.
func ExamplePrepared() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, 1)
	s := need(weft.NewSession(g))
	defer s.Close()
	calls := make([]*weft.Prepared, 4)
	var all sync.WaitGroup
	for i := range calls {
		calls[i] = need(s.Prepare([]weft.Value{x}, []weft.Value{x.Neg()}))
		all.Add(1)
		go func() {
			defer all.Done()
			in := need(weft.TensorOf(float32(i)))
			defer in.Close()
			if err := errors.Join(calls[i].BindInput(0, in), calls[i].Run(context.Background())); err != nil {
				log.Fatal(err)
			}
		}()
	}
	all.Wait()
	for _, call := range calls {
		out := need(call.Output(0))
		fmt.Println(need(weft.Scalar[float32](out)))
		out.Close()
		call.Close()
	}
	// Output:
	// -0
	// -1
	// -2
	// -3
}

func ExamplePrepared_Output() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "n")
	s := need(weft.NewSession(g))
	defer s.Close()
	p := need(s.Prepare([]weft.Value{x}, []weft.Value{x.Sum()}))
	defer p.Close()
	in := need(weft.TensorOf[float32](1, 2, 3))
	defer in.Close()
	// Without a bound output, every run gives a tensor that nobody else holds.
	if err := errors.Join(p.BindInput(0, in), p.Run(context.Background())); err != nil {
		log.Fatal(err)
	}
	out := need(p.Output(0))
	defer out.Close()
	fmt.Println(need(weft.Scalar[float32](out)))
	// Output: 6
}

// fitLine is a model of y = a x, and points of y = 2 x.
func fitLine() (s *weft.Session, data *weft.Dataset, feeds []weft.Value, guess, loss, step weft.Value) {
	g := weft.NewGraph()
	defer g.Close() // The session keeps what it needs.
	x, y := g.Input("x", weft.F32, "batch"), g.Input("y", weft.F32, "batch")
	guess = x.Mul(g.Variable("a", float32(0), true))
	difference := guess.Sub(y)
	loss = difference.Mul(difference).Mean().Named("loss")
	step = weft.Momentum{Rate: weft.Rate{LearningRate: 0.05}}.Minimize(loss)
	xs, ys := need(weft.TensorOf[float32](1, 2, 3)), need(weft.TensorOf[float32](2, 4, 6))
	defer xs.Close()
	defer ys.Close()
	return need(weft.NewSession(g)), need(weft.NewDataset(xs, ys)), []weft.Value{x, y}, guess, loss, step
}

func ExampleFitOptions() {
	s, data, feeds, _, loss, step := fitLine()
	defer s.Close()
	defer data.Close()
	epochs := 0
	history := need(s.Fit(context.Background(), data, feeds, step, []weft.Value{loss}, weft.FitOptions{
		Epochs: 500, BatchSize: 3, Validation: data,
		Monitor: "val_loss", Patience: 5, RestoreBest: true, // Ends when there is no progress.
		Callback: func(e *weft.FitEvent) error {
			if e.EpochEnd {
				epochs++
				_, known := e.Metrics.Value("val_loss")
				e.Stop = !known // Or an error, which Fit then gives.
			}
			return nil
		}}))
	fmt.Println(history.Names, history.Stopped, epochs == len(history.Epochs), epochs == len(history.Metric("loss")))
	// Output: [loss val_loss] true true true
}

func ExampleFitOptions_trace() {
	s, data, feeds, guess, loss, step := fitLine()
	defer s.Close()
	defer data.Close()
	ctx, trace := context.Background(), need(weft.NewTrace())
	defer trace.Close()
	events := func(word string) int { return strings.Count(string(need(trace.JSON())), word) }
	need(s.Fit(ctx, data, feeds, step, nil, weft.FitOptions{Epochs: 3, Trace: trace}))
	fmt.Println("updates:", events(`"name":"weft.Momentum"`))
	trained := events(`"ts"`)
	need(s.Evaluate(ctx, data, feeds, []weft.Value{loss}, weft.EvaluateOptions{Trace: trace}))
	evaluated := events(`"ts"`)
	out := need(s.Predict(ctx, data, []weft.Value{feeds[0], {}}, []weft.Value{guess}, weft.EvaluateOptions{Trace: trace}))
	defer out[0].Close()
	fmt.Println(trained < evaluated, evaluated < events(`"ts"`))
	// Output:
	// updates: 3
	// true true
}

func ExampleSession_Evaluate() {
	s, data, feeds, _, loss, _ := fitLine()
	defer s.Close()
	defer data.Close()
	metrics := need(s.Evaluate(context.Background(), data, feeds, []weft.Value{loss}))
	value, _ := metrics.Value("loss")
	fmt.Printf("%v %.3f\n", metrics[0].Name, value) // (4 + 16 + 36) / 3
	// Output: loss 18.667
}

func ExampleSession_Predict() {
	s, data, feeds, guess, _, step := fitLine()
	defer s.Close()
	defer data.Close()
	ctx := context.Background()
	need(s.Fit(ctx, data, feeds, step, nil, weft.FitOptions{Epochs: 500}))
	// The second tensor of the dataset, the answers, is fed to nothing.
	out := need(s.Predict(ctx, data, []weft.Value{feeds[0], {}}, []weft.Value{guess}, weft.EvaluateOptions{BatchSize: 2}))
	defer out[0].Close()
	fmt.Printf("%.3f\n", need(weft.Data[float32](out[0])))
	// Output: [2.000 4.000 6.000]
}

func ExampleAdam_Minimize() {
	rate := weft.Rate{LearningRate: 0.1}
	for _, minimize := range []func(loss weft.Value, variables ...weft.Value) weft.Value{
		weft.Sgd{Rate: rate}.Minimize,
		weft.Momentum{Rate: rate, Momentum: weft.Float(0.8), Nesterov: true}.Minimize,
		weft.Adam{Rate: rate}.Minimize,
		weft.AdamW{Rate: rate, WeightDecay: weft.Float(0)}.Minimize,
	} {
		g := weft.NewGraph()
		v := g.Variable("v", float32(1), true)
		step := minimize(v.Mul(v)) // Or minimize(loss, v), for some of the variables alone.
		s := need(weft.NewSession(g))
		need(s.RunWith(context.Background(), weft.RunOptions{Targets: []weft.Value{step}}))
		value := need(s.Get("v"))
		fmt.Printf("%.2f\n", need(weft.Scalar[float32](value)))
		for _, object := range []closer{value, s, g} {
			object.Close()
		}
	}
	// Output:
	// 0.80
	// 0.64
	// 0.90
	// 0.90
}

// The learning rate halves at every step: it is a formula of the step's number.
func ExampleRate_schedule() {
	g := weft.NewGraph()
	defer g.Close()
	v := g.Variable("v", float32(8), true)
	steps := g.OptimizerStep("").Cast(weft.F32)
	rate := steps.Scalar(0.5).Pow(steps)
	train := weft.Sgd{Rate: weft.Rate{Schedule: rate}}.Minimize(v)
	s := need(weft.NewSession(g))
	defer s.Close()
	for range 3 {
		out := need(s.RunWith(context.Background(), weft.RunOptions{Fetches: []weft.Value{v},
			Targets: []weft.Value{train}}))
		fmt.Println(need(weft.Scalar[float32](out[0])))
		out[0].Close()
	}
	// Output:
	// 8
	// 7
	// 6.5
}

func ExampleSession_Save() {
	folder := need(os.MkdirTemp("", "weft"))
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "half.safetensors")
	s, data, feeds, _, loss, step := fitLine()
	defer s.Close()
	defer data.Close()
	ctx, metrics := context.Background(), []weft.Value{loss}
	need(s.Fit(ctx, data, feeds, step, metrics, weft.FitOptions{Epochs: 2}))
	if err := s.Save(path); err != nil {
		log.Fatal(err)
	}
	same := func(a, b *weft.History) bool { return slices.Equal(a.Metric("loss"), b.Metric("loss")) }
	whole := need(s.Fit(ctx, data, feeds, step, metrics, weft.FitOptions{FirstEpoch: 2, Epochs: 4}))
	// Training goes on from the file bit for bit.
	if err := s.Load(path); err != nil {
		log.Fatal(err)
	}
	resumed := need(s.Fit(ctx, data, feeds, step, metrics, weft.FitOptions{FirstEpoch: 2, Epochs: 4}))
	fmt.Println(same(whole, resumed))
	// Output: true
}

func ExampleSession_SaveTo() {
	s, data, _, _, _, _ := fitLine()
	defer s.Close()
	defer data.Close()
	var checkpoint bytes.Buffer
	if err := s.SaveTo(&checkpoint); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.LoadFrom(&checkpoint, weft.LoadOptions{Partial: true}))
	// Output: <nil>
}

func ExampleGraph_SaveTo() {
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "n")
	var model bytes.Buffer
	if err := g.SaveTo(&model, weft.SaveOptions{Outputs: []weft.Value{x.Add(x).Named("y")}}); err != nil {
		log.Fatal(err)
	}
	for _, loaded := range []*weft.Graph{
		need(weft.LoadGraphBytes(model.Bytes(), "")),
		need(weft.LoadGraphFrom(bytes.NewReader(model.Bytes()))),
	} {
		fmt.Println(loaded.Inputs(), loaded.Outputs())
		loaded.Close()
	}
	// Output:
	// [x f32[n]] [y f32[n]]
	// [x f32[n]] [y f32[n]]
}

func ExampleInspect() {
	folder := need(os.MkdirTemp("", "weft"))
	defer os.RemoveAll(folder)
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "n")
	path := filepath.Join(folder, "double.onnx")
	if err := g.Save(path, weft.SaveOptions{Outputs: []weft.Value{x.Add(x)}}); err != nil {
		log.Fatal(err)
	}
	var model struct {
		Inputs      []struct{ Name, Type string }
		Operators   map[string]int
		Unsupported []string
	}
	if err := json.Unmarshal(need(weft.Inspect(path)), &model); err != nil {
		log.Fatal(err)
	}
	fmt.Println(model.Inputs, model.Operators, model.Unsupported)
	same := need(weft.InspectBytes(need(os.ReadFile(path)), ""))
	fmt.Println(bytes.Equal(same, need(weft.Inspect(path))))
	// Output:
	// [{x f32[n]}] map[Add:1] []
	// true
}

func ExampleLoadGraphFS() {
	folder := need(os.MkdirTemp("", "weft"))
	defer os.RemoveAll(folder)
	g := weft.NewGraph()
	defer g.Close()
	x := g.Input("x", weft.F32, "n")
	if err := g.Save(filepath.Join(folder, "double.onnx"), weft.SaveOptions{Outputs: []weft.Value{x.Add(x)}}); err != nil {
		log.Fatal(err)
	}
	// Any fs.FS will do, such as a variable of the type embed.FS.
	loaded := need(weft.LoadGraphFS(os.DirFS(folder), "double.onnx"))
	defer loaded.Close()
	fmt.Println(loaded.Inputs())
	// Output: [x f32[n]]
}

func ExampleLoadTensors() {
	folder := need(os.MkdirTemp("", "weft"))
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "a.safetensors")
	a := need(weft.TensorOf[float32](1, 2))
	defer a.Close()
	if err := weft.SaveTensors(path, map[string]*weft.Tensor{"a": a}); err != nil {
		log.Fatal(err)
	}
	for name, loaded := range need(weft.LoadTensors(path)) {
		fmt.Println(name, loaded)
		loaded.Close()
	}
	// Output: a f32[2]
}

func ExampleSaveTensorsTo() {
	a := need(weft.TensorOf[float32](1, 2))
	defer a.Close()
	var file bytes.Buffer
	if err := weft.SaveTensorsTo(&file, map[string]*weft.Tensor{"a": a}); err != nil {
		log.Fatal(err)
	}
	tensors := need(weft.LoadTensorsFrom(&file))
	defer tensors["a"].Close()
	fmt.Println(tensors)
	// Output: map[a:f32[2]]
}

func ExampleLoadTensorsFS() {
	files := fstest.MapFS{"points.csv": {Data: []byte("x,y\n1,2\n3,4\n")}}
	points := need(weft.LoadTensorsFS(files, "points.csv"))["data"]
	defer points.Close()
	data := need(weft.LoadDatasetFS(files, "points.csv"))
	defer data.Close()
	fmt.Println(points, data.Len(), data.Width())
	// Output: f32[2, 2] 2 1
}

func ExampleLoadDataset() {
	digits := need(weft.LoadDataset("../examples/data/digits.safetensors", "images", "labels"))
	defer digits.Close()
	test := need(digits.Rows(1500, 297))
	defer test.Close()
	images := need(test.At(0))
	defer images.Close()
	fmt.Println(digits.Len(), digits.Width(), images)
	// Output: 1797 2 f32[297, 64]
}

func ExampleLoadDatasetWith() {
	digits := need(weft.LoadDatasetWith("../examples/data/digits.safetensors", weft.LoadOptions{Map: true}, "images"))
	defer digits.Close()
	fmt.Println(digits.Len(), digits.Width())
	// Output: 1797 1
}

func ExampleSetLogger() {
	var lines bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&lines, nil))
	if err := errors.Join(weft.SetLogger(logger), weft.SetLogger(nil)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(lines.Len()) // The library is quiet unless there is something to say.
	// Output: 0
}

func ExampleVersion() {
	version, path := need(weft.Version()), need(weft.Library())
	fmt.Println(strings.Split(version, ".")[0], strings.Contains(path, "weft"), weft.Load(path))
	// Output: 0 true <nil>
}

func ExampleSetMemoryLimit() {
	if err := weft.SetMemoryLimit(1 << 20); err != nil {
		log.Fatal(err)
	}
	_, err := weft.ZeroTensor(weft.F32, 1<<20)
	fmt.Println(errors.Is(err, weft.ResourceExhausted), weft.MemoryLimit())
	now, peak := weft.MemoryBytes(), weft.MemoryPeak()
	fmt.Println(weft.SetMemoryLimit(0), now <= peak, weft.LiveObjects() >= 0, len(weft.Unclosed()) >= 0)
	// Output:
	// true 1048576
	// <nil> true true true
}

func ExampleDescribeOperator() {
	var relu struct{ Name, Doc string }
	if err := json.Unmarshal(need(weft.DescribeOperator("Relu")), &relu); err != nil {
		log.Fatal(err)
	}
	fmt.Println(relu.Name, slices.Contains(weft.Operators(), "Relu"))
	fmt.Println(weft.LayerTypes()[0], json.Valid(need(weft.DescribeLayer("Dense"))))
	fmt.Println(weft.Devices()[0], weft.Threads() > 0)
	fmt.Println(errors.Is(weft.LoadDevices("libweft_of_no_device.so"), weft.NotFound))
	// Output:
	// Relu true
	// BatchNorm true
	// cpu true
	// true
}
