// Tests of layers, optimizers, datasets and training.

package weft_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

// line fits y = a x + b to points of y = 2 x + 1.
type lineModel struct {
	graph        *weft.Graph
	x, y, a, b   weft.Value
	guess, loss  weft.Value
	data         *weft.Dataset
	feeds, loses []weft.Value
}

func newLine(t *testing.T) *lineModel {
	m := &lineModel{graph: newGraph(t)}
	m.x, m.y = m.graph.Input("x", weft.F32, "batch"), m.graph.Input("y", weft.F32, "batch")
	m.a = m.graph.Variable("a", float32(0), true)
	m.b = m.graph.Variable("b", float32(0), true)
	m.guess = m.x.Mul(m.a).Add(m.b)
	difference := m.guess.Sub(m.y)
	m.loss = difference.Mul(difference).Mean().Named("loss")
	xs, ys := make([]float32, 10), make([]float32, 10)
	for i := range xs {
		xs[i], ys[i] = float32(i)/10, 2*float32(i)/10+1
	}
	m.data = must[*weft.Dataset](t)(weft.NewDataset(tensor(t, []int64{10}, xs...), tensor(t, []int64{10}, ys...)))
	closeAfter(t, m.data)
	m.feeds, m.loses = []weft.Value{m.x, m.y}, []weft.Value{m.loss}
	return m
}

func TestFit(t *testing.T) {
	noLeaks(t)
	m := newLine(t)
	step := weft.Sgd{Rate: weft.Rate{LearningRate: 0.5}}.Minimize(m.loss)
	s := newSession(t, m.graph)
	batches, epochs := 0, 0
	history, err := s.Fit(t.Context(), m.data, m.feeds, step, m.loses, weft.FitOptions{Epochs: 100, BatchSize: 4,
		Validation: m.data, Seed: 3, Callback: func(e *weft.FitEvent) error {
			if e.EpochEnd {
				epochs++
				if len(e.Metrics) != 2 || e.Metrics[0].Name != "loss" || e.Metrics[1].Name != "val_loss" {
					t.Errorf("got %+v", e)
				}
			} else if batches++; e.BatchCount != 3 || len(e.Metrics) != 1 || e.Metrics[0].Name != "loss" {
				t.Errorf("got %+v", e)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if batches != 300 || epochs != 100 || len(history.Epochs) != 100 || history.Stopped {
		t.Errorf("%d batches, %d epochs, %+v", batches, epochs, history)
	}
	if !slices.Equal(history.Names, []string{"loss", "val_loss"}) || history.Metric("x") != nil {
		t.Errorf("got %v", history.Names)
	}
	losses := history.Metric("val_loss")
	if losses[99] > 1e-6 || losses[0] < losses[99] {
		t.Errorf("got %v", losses)
	}
	averages := must[weft.Metrics](t)(s.Evaluate(t.Context(), m.data, m.feeds, m.loses,
		weft.EvaluateOptions{BatchSize: 3}))
	if loss, known := averages.Value("loss"); !known || len(averages) != 1 || math.Abs(loss-losses[99]) > 1e-9 {
		t.Errorf("got %v, want %v", averages, losses[99])
	}
	if _, known := averages.Value("x"); known {
		t.Errorf("got %v", averages)
	}
	out := must[[]*weft.Tensor](t)(s.Predict(t.Context(), m.data, []weft.Value{m.x, {}}, []weft.Value{m.guess}))
	defer out[0].Close()
	for i, y := range must[[]float32](t)(weft.Data[float32](out[0])) {
		if math.Abs(float64(y)-(0.2*float64(i)+1)) > 1e-2 {
			t.Errorf("got %v for row %d", y, i)
		}
	}
}

func TestEveryOptimizerLearns(t *testing.T) {
	rate := weft.Rate{LearningRate: 0.05, ClipNorm: 10}
	optimizers := map[string]interface {
		Minimize(weft.Value, ...weft.Value) weft.Value
	}{
		"sgd":      weft.Sgd{Rate: rate},
		"momentum": weft.Momentum{Rate: rate, Momentum: weft.Float(0.5), Nesterov: true},
		"adam":     weft.Adam{Rate: rate, Beta1: weft.Float(0.8), Epsilon: weft.Float(1e-7)},
		"adamw":    weft.AdamW{Rate: rate, WeightDecay: weft.Float(0)},
	}
	for name, optimizer := range optimizers {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			m := newLine(t)
			step := optimizer.Minimize(m.loss, m.a)
			s := newSession(t, m.graph)
			history, err := s.Fit(t.Context(), m.data, m.feeds, step, m.loses, weft.FitOptions{Epochs: 30})
			if err != nil {
				t.Fatal(err)
			}
			if losses := history.Metric("loss"); losses[29] > losses[0]/2 {
				t.Errorf("got %v", losses)
			}
			b := must[*weft.Tensor](t)(s.Get("b"))
			defer b.Close()
			wantData(t, must[[]float32](t)(weft.Data[float32](b)), 0)
		})
	}
}

func TestSchedule(t *testing.T) {
	noLeaks(t)
	m := newLine(t)
	rate := m.graph.Constant(float32(0))
	step := weft.Sgd{Rate: weft.Rate{Schedule: rate}}.Minimize(m.loss)
	s := newSession(t, m.graph)
	history, err := s.Fit(t.Context(), m.data, m.feeds, step, m.loses, weft.FitOptions{Epochs: 2, Shuffle: weft.Flag(false)})
	if err != nil {
		t.Fatal(err)
	}
	if losses := history.Metric("loss"); losses[0] != losses[1] {
		t.Errorf("got %v", losses)
	}
}

func TestEarlyStopping(t *testing.T) {
	noLeaks(t)
	m := newLine(t)
	step := weft.Adam{}.Minimize(m.loss)
	s := newSession(t, m.graph)
	history, err := s.Fit(t.Context(), m.data, m.feeds, step, m.loses, weft.FitOptions{Epochs: 50,
		Monitor: "loss", Patience: 1, MinDelta: 100, Mode: "min", RestoreBest: true, BatchSize: 4, DropLast: true})
	if err != nil {
		t.Fatal(err)
	}
	if !history.Stopped || len(history.Epochs) == 50 {
		t.Errorf("got %+v", history)
	}
	history, err = s.Fit(t.Context(), m.data, m.feeds, step, m.loses, weft.FitOptions{Epochs: 50,
		Callback: func(e *weft.FitEvent) error { e.Stop = e.EpochEnd && e.Epoch == 2; return nil }})
	if err != nil || !history.Stopped || len(history.Epochs) != 3 {
		t.Errorf("got %+v, %v", history, err)
	}
}

func TestErrorsOfFit(t *testing.T) {
	noLeaks(t)
	m := newLine(t)
	step := weft.Adam{}.Minimize(m.loss)
	s := newSession(t, m.graph)
	mine := errors.New("mine")
	fit := func(o weft.FitOptions) error {
		_, err := s.Fit(t.Context(), m.data, m.feeds, step, nil, o)
		return err
	}
	if err := fit(weft.FitOptions{Callback: func(*weft.FitEvent) error {
		return fmt.Errorf("stop: %w", mine)
	}}); !errors.Is(err, mine) {
		t.Errorf("got %v", err)
	}
	var panicked *weft.PanicError
	if err := fit(weft.FitOptions{Callback: func(*weft.FitEvent) error { panic("oh") }}); !errors.As(err,
		&panicked) || panicked.Value != "oh" {
		t.Errorf("got %v", err)
	}
	if err := fit(weft.FitOptions{Monitor: "nothing"}); !errors.Is(err, weft.InvalidArgument) && !errors.Is(err,
		weft.NotFound) {
		t.Errorf("got %v", err)
	}
	if err := fit(weft.FitOptions{Epochs: -1}); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	late, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := s.Fit(late, m.data, m.feeds, step, nil, weft.FitOptions{Epochs: 1 << 30}); !errors.Is(err,
		weft.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Fit(t.Context(), m.data, m.feeds, step, nil, weft.FitOptions{}, weft.FitOptions{}); err == nil {
		t.Error("two options were taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Fit(ctx, m.data, m.feeds, step, nil, weft.FitOptions{Epochs: 1 << 30,
		Callback: func(*weft.FitEvent) error { cancel(); return nil }})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, weft.Cancelled) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Fit(t.Context(), nil, m.feeds, step, nil); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Evaluate(t.Context(), m.data, m.feeds[:1], m.loses); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Predict(t.Context(), m.data, m.feeds, []weft.Value{{}}); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	s.Close()
	if err := fit(weft.FitOptions{}); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestCallbacksMayUseTheSession(t *testing.T) {
	noLeaks(t)
	m := newLine(t)
	step := weft.Adam{}.Minimize(m.loss)
	s := newSession(t, m.graph)
	_, err := s.Fit(t.Context(), m.data, m.feeds, step, nil, weft.FitOptions{Callback: func(e *weft.FitEvent) error {
		_, err := s.Evaluate(t.Context(), m.data, m.feeds, m.loses)
		return err
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestBatches(t *testing.T) {
	noLeaks(t)
	m := newLine(t)
	rows := must[*weft.Dataset](t)(m.data.Rows(2, 7))
	closeAfter(t, rows)
	if rows.Len() != 7 || rows.Width() != 2 {
		t.Errorf("got %d x %d", rows.Len(), rows.Width())
	}
	all := must[*weft.Tensor](t)(rows.At(0))
	closeAfter(t, all)
	wantData(t, must[[]float32](t)(weft.Data[float32](all)), .2, .3, .4, .5, .6, .7, .8)
	var got []float32
	var kept *weft.Tensor
	for batch, err := range rows.Batches(weft.BatchOptions{BatchSize: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, must[[]float32](t)(weft.Data[float32](batch[0]))...)
		kept = batch[0]
	}
	wantData(t, got, .2, .3, .4, .5, .6, .7, .8)
	if _, err := weft.Data[float32](kept); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
	count := 0
	for batch, err := range rows.Batches(weft.BatchOptions{BatchSize: 3, Shuffle: true, Seed: 1, Epoch: 2,
		DropLast: true}) {
		if count++; err != nil || batch[0].Len() != 3 {
			t.Errorf("got %v, %v", batch, err)
		}
	}
	if count != 2 {
		t.Errorf("there are %d batches", count)
	}
	for range rows.Batches(weft.BatchOptions{}) {
		break
	}
	for _, err := range rows.Batches(weft.BatchOptions{BatchSize: -1}) {
		if !errors.Is(err, weft.InvalidArgument) {
			t.Errorf("got %v", err)
		}
	}
	rows.Close()
	for _, err := range rows.Batches(weft.BatchOptions{}) {
		if !errors.Is(err, weft.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

func TestMisusedDatasets(t *testing.T) {
	noLeaks(t)
	m := newLine(t)
	one := tensor[float32](t, []int64{1}, 1)
	many := tensor[float32](t, []int64{2}, 1, 2)
	var none *weft.Dataset
	for name, misuse := range map[string]func() error{
		"lengths": func() error { _, err := weft.NewDataset(one, many); return err },
		"nil":     func() error { _, err := weft.NewDataset(nil); return err },
		"file":    func() error { _, err := weft.LoadDataset("nothing.csv"); return err },
		"rows":    func() error { _, err := m.data.Rows(9, 2); return err },
		"tensor":  func() error { _, err := m.data.At(2); return err },
		"none":    func() error { _, err := none.Rows(0, 1); return err },
	} {
		var e *weft.Error
		if err := misuse(); !errors.As(err, &e) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if none.Len() != 0 || none.Width() != 0 || none.Close() != nil {
		t.Error("a nil dataset has rows")
	}
}

func TestLayers(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, "batch", 3)
	dense := weft.NewDense(g, "dense", weft.DenseConfig{Inputs: 3, Units: 2, KernelInit: "ones", BiasInit: "ones"})
	drop := weft.NewDropout(g, "drop", weft.DropoutConfig{Rate: weft.Float(0.99)})
	closeAfter(t, dense, drop)
	variables := dense.Variables()
	if len(variables) != 2 || variables[0].Name() != "dense/kernel" || variables[1].Name() != "dense/bias" {
		t.Errorf("got %v", variables)
	}
	y := drop.Call(dense.Call(x, false), false)
	s := newSession(t, g)
	feeds := weft.Feeds{x: tensor[float32](t, []int64{1, 3}, 1, 2, 3)}
	wantData(t, fetch[float32](t, s, feeds, y), 7, 7)
	drop.Close()
	drop.Close()
	drop.Call(x, true)
	if !errors.Is(g.Err(), weft.ErrClosed) {
		t.Errorf("got %v", g.Err())
	}
	var none *weft.Layer
	if none.Call(x, true).Graph().Err() == nil || none.Variables() != nil || none.Close() != nil {
		t.Error("a nil layer works")
	}
}

// TestMappedFiles loads files with and without reading them: what is mapped takes none of the library's memory.
func TestMappedFiles(t *testing.T) {
	noLeaks(t)
	const path, imageBytes = "../examples/data/digits.safetensors", 1797 * 64 * 4
	taken := func(o weft.LoadOptions) (int64, int64) {
		before := weft.MemoryBytes()
		d := must[*weft.Dataset](t)(weft.LoadDatasetWith(path, o, "images"))
		defer d.Close()
		between := weft.MemoryBytes()
		all := must[map[string]*weft.Tensor](t)(weft.LoadTensors(path, o))
		after := weft.MemoryBytes()
		for _, made := range all {
			made.Close()
		}
		if len(all) != 2 || d.Len() != 1797 || d.Width() != 1 {
			t.Errorf("got %d tensors, %d x %d", len(all), d.Len(), d.Width())
		}
		return between - before, after - between
	}
	if dataset, tensors := taken(weft.LoadOptions{}); dataset < imageBytes || tensors < imageBytes {
		t.Errorf("reading takes %d and %d bytes", dataset, tensors)
	}
	if dataset, tensors := taken(weft.LoadOptions{Map: true}); dataset != 0 || tensors != 0 {
		t.Errorf("mapping takes %d and %d bytes", dataset, tensors)
	}
}

// TestDigits trains the network of examples/digits_mlp.
func TestDigits(t *testing.T) {
	noLeaks(t)
	data := must[*weft.Dataset](t)(weft.LoadDataset("../examples/data/digits.safetensors", "images", "labels"))
	train, test := must[*weft.Dataset](t)(data.Rows(0, 1500)), must[*weft.Dataset](t)(data.Rows(1500, 297))
	closeAfter(t, data, train, test)
	g := newGraph(t)
	x, labels := g.Input("x", weft.F32, "batch", 64), g.Input("labels", weft.I64, "batch")
	hidden := weft.NewDense(g, "hidden", weft.DenseConfig{Inputs: 64, Units: 64, Activation: "relu", Seed: 1})
	scores := weft.NewDense(g, "scores", weft.DenseConfig{Inputs: 64, Units: 10, Seed: 2})
	closeAfter(t, hidden, scores)
	loss := ops.SoftmaxCrossEntropyLoss(scores.Call(hidden.Call(x, true), true), labels).Named("loss")
	step := weft.Adam{}.Minimize(loss)
	guess := scores.Call(hidden.Call(x, false), false)
	s := newSession(t, g)
	feeds := []weft.Value{x, labels}
	_, err := s.Fit(t.Context(), train, feeds, step, []weft.Value{loss}, weft.FitOptions{Epochs: 20, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	out := must[[]*weft.Tensor](t)(s.Predict(t.Context(), test, feeds, []weft.Value{guess}))
	answers := must[*weft.Tensor](t)(test.At(1))
	closeAfter(t, out[0], answers)
	points, right := must[[]float32](t)(weft.Data[float32](out[0])), 0
	for i, label := range must[[]int64](t)(weft.Data[int64](answers)) {
		row := points[10*i : 10*i+10]
		if slices.Index(row, slices.Max(row)) == int(label) {
			right++
		}
	}
	if right < 260 {
		t.Errorf("%d of 297 are right", right)
	}
}
