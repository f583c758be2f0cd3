// Tests of datasets whose batches a function of Go gives.

package weft_test

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	weft "github.com/weft-ml/weft/go"
)

// numbers are 1 to 10, and twice as much, in batches of 4, 4 and 2 rows.
func numbers(int) iter.Seq2[[]*weft.Tensor, error] {
	return func(yield func([]*weft.Tensor, error) bool) {
		for first := 1; first <= 10; first += 4 {
			var x, y []float32
			for i := first; i < min(first+4, 11); i++ {
				x, y = append(x, float32(i)), append(y, float32(2*i))
			}
			xs, err := weft.TensorOf(x...)
			if err != nil {
				yield(nil, err)
				return
			}
			ys, err := weft.TensorOf(y...)
			if !yield([]*weft.Tensor{xs, ys}, err) {
				return
			}
		}
	}
}

type batchFunc = func(int) iter.Seq2[[]*weft.Tensor, error]

func functionDataset(t testing.TB, begin batchFunc) *weft.Dataset {
	t.Helper()
	d := must[*weft.Dataset](t)(weft.NewDatasetFunc(begin, "x", "y"))
	closeAfter(t, d)
	return d
}

// product is w x = y, to be learned.
type product struct {
	graph   *weft.Graph
	feeds   []weft.Value
	step    weft.Value
	loss    []weft.Value
	session *weft.Session
}

func newProduct(t testing.TB) product {
	g := newGraph(t)
	x, y := g.Input("x", weft.F32, "n"), g.Input("y", weft.F32, "n")
	wrong := x.Mul(g.Variable("w", float32(0), true)).Sub(y)
	loss := wrong.Mul(wrong).Mean().Named("loss")
	step := weft.Sgd{Rate: weft.Rate{LearningRate: 0.001}}.Minimize(loss)
	return product{g, []weft.Value{x, y}, step, []weft.Value{loss}, newSession(t, g)}
}

func (p product) fit(t testing.TB, d *weft.Dataset, o weft.FitOptions) (*weft.History, error) {
	return p.session.Fit(t.Context(), d, p.feeds, p.step, p.loss, o)
}

func rowsOfNumbers(t testing.TB) *weft.Dataset {
	x := tensor[float32](t, []int64{10}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	y := tensor[float32](t, []int64{10}, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20)
	d := must[*weft.Dataset](t)(weft.NewDataset(x, y))
	closeAfter(t, d)
	return d
}

func TestBatchesOfAFunction(t *testing.T) {
	noLeaks(t)
	d := functionDataset(t, numbers)
	if d.Len() != -1 || d.Width() != 2 {
		t.Errorf("got %d x %d", d.Len(), d.Width())
	}
	var sizes []int
	var seen []float32
	for batch, err := range d.Batches(weft.BatchOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, batch[0].Len())
		seen = append(seen, must[[]float32](t)(weft.Data[float32](batch[1]))...)
		// Another pass, which is left in the middle.
		for other, err := range d.Batches(weft.BatchOptions{}) {
			if err != nil || must[[]float32](t)(weft.Data[float32](other[0]))[0] != 1 {
				t.Errorf("got %v, %v", other, err)
			}
			break
		}
	}
	if !slices.Equal(sizes, []int{4, 4, 2}) {
		t.Errorf("got batches of %v", sizes)
	}
	wantData(t, seen, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20)
	if _, err := d.Rows(0, 1); !errors.Is(err, weft.FailedPrecondition) {
		t.Errorf("got %v", err)
	}
	if _, err := d.At(0); !errors.Is(err, weft.FailedPrecondition) {
		t.Errorf("got %v", err)
	}
}

func TestAFunctionTrainsAsRowsDo(t *testing.T) {
	noLeaks(t)
	rows := rowsOfNumbers(t)
	var epochs, counts []int
	functions := map[string]batchFunc{
		"function": func(epoch int) iter.Seq2[[]*weft.Tensor, error] {
			epochs = append(epochs, epoch)
			return numbers(epoch)
		},
		"another dataset": func(epoch int) iter.Seq2[[]*weft.Tensor, error] {
			return rows.Batches(weft.BatchOptions{BatchSize: 4, Epoch: epoch})
		},
	}
	p := newProduct(t)
	wanted := must[*weft.History](t)(p.fit(t, rows, weft.FitOptions{Epochs: 3, BatchSize: 4, Shuffle: weft.Flag(false)}))
	averages := must[weft.Metrics](t)(p.session.Evaluate(t.Context(), rows, p.feeds, p.loss, weft.EvaluateOptions{BatchSize: 4}))
	for name, begin := range functions {
		t.Run(name, func(t *testing.T) {
			p, d := newProduct(t), functionDataset(t, begin)
			counts = nil
			history := must[*weft.History](t)(p.fit(t, d, weft.FitOptions{Epochs: 3,
				Callback: func(e *weft.FitEvent) error { counts = append(counts, e.BatchCount); return nil }}))
			if got, want := history.Metric("loss"), wanted.Metric("loss"); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if got := must[weft.Metrics](t)(p.session.Evaluate(t.Context(), d, p.feeds, p.loss)); !slices.Equal(got, averages) {
				t.Errorf("got %v, want %v", got, averages)
			}
			out := must[[]*weft.Tensor](t)(p.session.Predict(t.Context(), d, p.feeds, p.feeds[1:]))
			closeAfter(t, out[0])
			wantData(t, must[[]float32](t)(weft.Data[float32](out[0])), 2, 4, 6, 8, 10, 12, 14, 16, 18, 20)
			both := must[*weft.History](t)(p.fit(t, rows, weft.FitOptions{Validation: d}))
			if len(both.Metric("val_loss")) != 1 {
				t.Errorf("got %v", both.Names)
			}
			if _, err := p.fit(t, d, weft.FitOptions{BatchSize: 2, Validation: rows}); err != nil {
				t.Error(err)
			}
		})
	}
	// Three of training, one each of evaluating, predicting, validating and training again.
	if !slices.Equal(epochs, []int{0, 1, 2, 0, 0, 0, 0}) {
		t.Errorf("got epochs %v", epochs)
	}
	if want := []int{-1, -1, -1, 3, -1, -1, -1, 3, -1, -1, -1, 3}; !slices.Equal(counts, want) {
		t.Errorf("got counts %v", counts)
	}
}

func TestTheFunctionDecidesWhatABatchIs(t *testing.T) {
	noLeaks(t)
	p, d := newProduct(t), functionDataset(t, numbers)
	for _, o := range []weft.FitOptions{{BatchSize: 4}, {DropLast: true}} {
		if _, err := p.fit(t, d, o); !errors.Is(err, weft.InvalidArgument) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
	for _, o := range []weft.BatchOptions{{Shuffle: true}, {BatchSize: 4}, {DropLast: true}} {
		for _, err := range d.Batches(o) {
			if !errors.Is(err, weft.InvalidArgument) {
				t.Errorf("%+v: got %v", o, err)
			}
		}
	}
	if _, err := p.fit(t, d, weft.FitOptions{Shuffle: weft.Flag(false)}); err != nil {
		t.Error(err)
	}
}

// inTheMiddle does something after two batches.
func inTheMiddle(what func(yield func([]*weft.Tensor, error) bool)) batchFunc {
	return func(int) iter.Seq2[[]*weft.Tensor, error] {
		return func(yield func([]*weft.Tensor, error) bool) {
			count := 0
			for batch, err := range numbers(0) {
				if !yield(batch, err) {
					return
				}
				if count++; count == 2 {
					what(yield)
					return
				}
			}
		}
	}
}

func TestErrorsOfAFunction(t *testing.T) {
	noLeaks(t)
	mine := errors.New("mine")
	var panicked *weft.PanicError
	for name, kind := range map[string]struct {
		what func(yield func([]*weft.Tensor, error) bool)
		is   func(error) bool
	}{
		"error":  {func(yield func([]*weft.Tensor, error) bool) { yield(nil, mine) }, func(err error) bool { return errors.Is(err, mine) }},
		"panic":  {func(func([]*weft.Tensor, error) bool) { panic(mine) }, func(err error) bool { return errors.As(err, &panicked) && panicked.Value == mine }},
		"goexit": {func(func([]*weft.Tensor, error) bool) { runtime.Goexit() }, func(err error) bool { return errors.Is(err, weft.ErrGoexit) }},
	} {
		t.Run(name, func(t *testing.T) {
			p, d, rows := newProduct(t), functionDataset(t, inTheMiddle(kind.what)), rowsOfNumbers(t)
			ctx := t.Context()
			steps := 0
			callback := func(*weft.FitEvent) error { steps++; return nil }
			_, fitted := p.fit(t, d, weft.FitOptions{Callback: callback})
			_, validated := p.fit(t, rows, weft.FitOptions{Validation: d})
			_, evaluated := p.session.Evaluate(ctx, d, p.feeds, p.loss)
			_, predicted := p.session.Predict(ctx, d, p.feeds, p.feeds[1:])
			var ranged error
			for _, err := range d.Batches(weft.BatchOptions{}) {
				ranged = err
			}
			for _, err := range []error{fitted, validated, evaluated, predicted, ranged} {
				if !kind.is(err) {
					t.Errorf("got %v", err)
				}
			}
			if steps != 2 {
				t.Errorf("there were %d steps", steps)
			}
		})
	}
}

func TestWrongFunctions(t *testing.T) {
	noLeaks(t)
	p := newProduct(t)
	one := func(tensors ...*weft.Tensor) batchFunc {
		return func(int) iter.Seq2[[]*weft.Tensor, error] {
			return func(yield func([]*weft.Tensor, error) bool) { yield(tensors, nil) }
		}
	}
	closed := tensor[float32](t, []int64{1}, 1)
	closed.Close()
	for name, begin := range map[string]batchFunc{
		"no sequence": func(int) iter.Seq2[[]*weft.Tensor, error] { return nil },
		"panic":       func(int) iter.Seq2[[]*weft.Tensor, error] { panic("at the start") },
		"no batch":    func(int) iter.Seq2[[]*weft.Tensor, error] { return func(func([]*weft.Tensor, error) bool) {} },
		"too few":     one(tensor[float32](t, []int64{1}, 1)),
		"none":        one(),
		"nil":         one(tensor[float32](t, []int64{1}, 1), nil),
		"closed":      one(tensor[float32](t, []int64{1}, 1), closed),
		"scalar":      one(tensor[float32](t, nil, 1), tensor[float32](t, []int64{1}, 1)),
	} {
		var e *weft.Error
		if _, err := p.fit(t, functionDataset(t, begin), weft.FitOptions{}); !errors.As(err, &e) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := weft.NewDatasetFunc(nil, "x"); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	if _, err := weft.NewDatasetFunc(numbers); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	var endless *weft.Dataset
	endless = functionDataset(t, func(int) iter.Seq2[[]*weft.Tensor, error] {
		return endless.Batches(weft.BatchOptions{})
	})
	for _, err := range endless.Batches(weft.BatchOptions{}) {
		if !errors.Is(err, weft.FailedPrecondition) {
			t.Errorf("got %v", err)
		}
	}
}

func TestTheSessionMayBeUsedBetweenBatches(t *testing.T) {
	noLeaks(t)
	p, other := newProduct(t), functionDataset(t, numbers)
	path := filepath.Join(t.TempDir(), "between.safetensors")
	_, err := p.fit(t, functionDataset(t, inTheMiddle(func(yield func([]*weft.Tensor, error) bool) {
		_, err := p.session.Evaluate(context.Background(), other, p.feeds, p.loss)
		if err := errors.Join(err, p.session.Save(path)); err != nil {
			yield(nil, err)
		}
	})), weft.FitOptions{})
	if err != nil {
		t.Error(err)
	}
	var d *weft.Dataset
	d = functionDataset(t, func(epoch int) iter.Seq2[[]*weft.Tensor, error] {
		d.Close() // the pass goes on
		if epoch == 1 {
			p.session.Close()
		}
		return numbers(epoch)
	})
	if _, err := p.fit(t, d, weft.FitOptions{Epochs: 2}); !errors.Is(err, weft.FailedPrecondition) {
		t.Errorf("got %v", err)
	}
	if _, err := p.fit(t, d, weft.FitOptions{}); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// withoutEnd calls a function before each batch.
func withoutEnd(before func(batch int)) batchFunc {
	return func(epoch int) iter.Seq2[[]*weft.Tensor, error] {
		return func(yield func([]*weft.Tensor, error) bool) {
			for batch := 0; ; {
				for tensors, err := range numbers(epoch) {
					before(batch)
					batch++
					if !yield(tensors, err) {
						return
					}
				}
			}
		}
	}
}

func TestStoppingAFunction(t *testing.T) {
	noLeaks(t)
	p := newProduct(t)
	ctx, cancel := context.WithCancel(t.Context())
	last := 0
	d := functionDataset(t, withoutEnd(func(batch int) {
		if last = batch; batch == 5 {
			cancel()
		}
	}))
	if _, err := p.session.Fit(ctx, d, p.feeds, p.step, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if last < 5 {
		t.Errorf("it ended at batch %d", last)
	}
	slow := functionDataset(t, withoutEnd(func(int) {}))
	soon, end := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer end()
	if _, err := p.session.Fit(soon, slow, p.feeds, p.step, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAFunctionEndsWithItsPass(t *testing.T) {
	noLeaks(t)
	p := newProduct(t)
	ended := 0
	d := functionDataset(t, func(epoch int) iter.Seq2[[]*weft.Tensor, error] {
		return func(yield func([]*weft.Tensor, error) bool) {
			mine := must[*weft.Tensor](t)(weft.TensorOf[float32](1)) // closed in Weft's own call
			defer func() { mine.Close(); ended++ }()
			numbers(epoch)(yield)
			yield(nil, nil) // is ignored once the pass has ended
		}
	})
	for range d.Batches(weft.BatchOptions{}) {
		break
	}
	if ended != 1 {
		t.Errorf("%d passes have ended", ended)
	}
	_, err := p.fit(t, d, weft.FitOptions{Callback: func(e *weft.FitEvent) error { e.Stop = true; return nil }})
	if err != nil || ended != 2 {
		t.Errorf("%d passes have ended: %v", ended, err)
	}
}

func TestGoroutinesGoThroughOneFunction(t *testing.T) {
	noLeaks(t)
	p, d := newProduct(t), functionDataset(t, numbers)
	want := must[weft.Metrics](t)(p.session.Evaluate(t.Context(), d, p.feeds, p.loss))
	parallel(8, func(int) {
		for range 20 {
			if got, err := p.session.Evaluate(t.Context(), d, p.feeds, p.loss); err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v, %v", got, err)
			}
		}
	})
}

// TestPullInAFunction goes through a coroutine, which must stay with the goroutine that made it.
func TestPullInAFunction(t *testing.T) {
	noLeaks(t)
	d := functionDataset(t, func(epoch int) iter.Seq2[[]*weft.Tensor, error] {
		return func(yield func([]*weft.Tensor, error) bool) {
			next, stop := iter.Pull2(numbers(epoch))
			defer stop()
			for tensors, err, more := next(); more; tensors, err, more = next() {
				if !yield(tensors, err) {
					return
				}
			}
		}
	})
	parallel(8, func(int) {
		for range 20 {
			next, stop := iter.Pull2(d.Batches(weft.BatchOptions{}))
			for i := range 2 {
				runtime.Gosched() // to another thread, perhaps
				if _, err, more := next(); err != nil || !more {
					t.Errorf("batch %d: got %v", i, err)
				}
			}
			stop()
		}
	})
}

// loader has a dataset whose function knows it.
type loader struct {
	data *weft.Dataset
	used atomic.Int32
}

func (l *loader) begin(epoch int) iter.Seq2[[]*weft.Tensor, error] {
	l.used.Add(1)
	return numbers(epoch)
}

func TestAForgottenFunctionIsCollected(t *testing.T) {
	before := weft.LiveObjects()
	func() {
		l := &loader{}
		l.data = must[*weft.Dataset](t)(weft.NewDatasetFunc(l.begin, "x", "y"))
		for range l.data.Batches(weft.BatchOptions{}) {
		}
		if l.used.Load() != 1 {
			t.Errorf("the function was called %d times", l.used.Load())
		}
	}()
	for i := 0; weft.LiveObjects() > before; i++ {
		if i == 1000 {
			t.Fatalf("%d objects are still alive", weft.LiveObjects()-before)
		}
		runtime.GC()
	}
}
