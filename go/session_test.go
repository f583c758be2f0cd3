// Tests of sessions, prepared calls and what ends them.

package weft_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	weft "github.com/weft-ml/weft/go"
)

// adder is a graph of x + y.
func adder(t testing.TB) (g *weft.Graph, x, y, sum weft.Value) {
	g = newGraph(t)
	x, y = g.Input("x", weft.F32, "n"), g.Input("y", weft.F32, "n")
	return g, x, y, x.Add(y)
}

// slow is a graph whose runs take long, many products of large matrices, and call a function when that begins.
func slow(t *testing.T, begun func()) (g *weft.Graph, feeds weft.Feeds, y weft.Value) {
	t.Helper()
	setHostFunction(t, "slow", func(inputs []*weft.Tensor) ([]*weft.Tensor, error) {
		begun()
		return inputs, nil
	})
	g = newGraph(t)
	x := g.Input("x", weft.F32, 700, 700)
	y = g.HostCall("slow", []weft.Value{x}, []weft.HostOutput{{DType: weft.F32, Shape: []any{700, 700}}}, "")[0]
	for range 10000 {
		y = y.MatMul(x)
	}
	big := must[*weft.Tensor](t)(weft.ZeroTensor(weft.F32, 700, 700))
	closeAfter(t, big)
	return g, weft.Feeds{x: big}, y
}

func TestRun(t *testing.T) {
	noLeaks(t)
	g, x, y, sum := adder(t)
	s := newSession(t, g, weft.SessionOptions{Threads: 1, MaxPlans: 2, ReferenceKernels: true,
		DisablePass: []string{"*"}})
	feeds := weft.Feeds{x: tensor[float32](t, []int64{2}, 1, 2), y: tensor[float32](t, []int64{2}, 10, 20)}
	wantData(t, fetch[float32](t, s, feeds, sum), 11, 22)
	var kept struct {
		Runs  int
		Calls []struct{ Fetches []string }
	}
	if err := json.Unmarshal(need(s.Describe()), &kept); err != nil || kept.Runs != 1 || len(kept.Calls) != 1 {
		t.Error(kept, err)
	}
	if err := errors.Join(s.Initialise(), s.Trim()); err != nil {
		t.Error(err)
	}
}

func TestPackedWeightsAreKeptInAFolder(t *testing.T) {
	noLeaks(t)
	folder := filepath.Join(t.TempDir(), "cache")
	ones := make([]float32, 160*128)
	want := make([]float32, 128)
	for i := range ones {
		ones[i] = 1
	}
	for i := range want {
		want[i] = 160
	}
	for range 2 {
		g := newGraph(t)
		x := g.Input("x", weft.F32, 1, 160)
		y := x.MatMul(g.Constant(tensor(t, []int64{160, 128}, ones...)))
		s := newSession(t, g, weft.SessionOptions{WeightCache: folder})
		wantData(t, fetch[float32](t, s, weft.Feeds{x: tensor(t, []int64{1, 160}, ones[:160]...)}, y), want...)
		files, err := os.ReadDir(folder)
		if err != nil || len(files) != 1 {
			t.Errorf("the folder has %v (%v)", files, err)
		}
	}
}

func TestConstantMatricesAreKeptAsBF16WhereThatIsAskedFor(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, 1, 128)
	ones, ties := make([]float32, 128), make([]float32, 128*128)
	for i := range ones {
		ones[i] = 1
	}
	for i := range ties {
		ties[i] = 1 + 1.0/256 // half way between two bf16, of which 1 is even
	}
	y := x.MatMul(g.Constant(tensor(t, []int64{128, 128}, ties...)))
	feeds := weft.Feeds{x: tensor(t, []int64{1, 128}, ones...)}
	for dtype, want := range map[string]float32{"": 128.5, "f32": 128.5, "bf16": 128} {
		s := newSession(t, g, weft.SessionOptions{WeightDType: dtype})
		if found := fetch[float32](t, s, feeds, y); len(found) != 128 || found[0] != want {
			t.Errorf("%q: %v and not %v", dtype, found, want)
		}
	}
}

func TestMisusedSessions(t *testing.T) {
	noLeaks(t)
	g, x, y, sum := adder(t)
	other := newGraph(t)
	foreign := other.Input("x", weft.F32, 2)
	s := newSession(t, g)
	a, long := tensor[float32](t, []int64{2}, 1, 2), tensor[float32](t, []int64{3}, 1, 2, 3)
	ints := tensor[int32](t, []int64{2}, 1, 2)
	closed, _ := weft.TensorOf[float32](1)
	closed.Close()
	gone := must[*weft.Session](t)(weft.NewSession(g))
	gone.Close()
	gone.Close()
	var none *weft.Session
	var noContext context.Context
	bound := must[*weft.Prepared](t)(s.Prepare([]weft.Value{x, y}, []weft.Value{sum}))
	closeAfter(t, bound)
	run := func(s *weft.Session, feeds weft.Feeds, fetches ...weft.Value) func() error {
		return func() error { _, err := s.Run(t.Context(), feeds, fetches...); return err }
	}
	cases := map[string]struct {
		code    weft.Code
		message string
		misuse  func() error
	}{
		"not fed":       {weft.InvalidArgument, "y", run(s, weft.Feeds{x: a}, sum)},
		"sizes differ":  {weft.InvalidArgument, "'n' is 3", run(s, weft.Feeds{x: a, y: long}, sum)},
		"type":          {weft.InvalidArgument, "i32", run(s, weft.Feeds{x: a, y: ints}, sum)},
		"nil tensor":    {weft.InvalidArgument, "that is fed to 'y' is nil", run(s, weft.Feeds{x: a, y: nil}, sum)},
		"empty tensor":  {weft.InvalidArgument, "fed to 'x' is nil", run(s, weft.Feeds{x: new(weft.Tensor), y: a}, sum)},
		"closed tensor": {weft.FailedPrecondition, "fed to 'y' is closed", run(s, weft.Feeds{x: a, y: closed}, sum)},
		"bound tensor": {weft.FailedPrecondition, "the tensor for input 'y' is closed", func() error {
			return bound.BindInput(1, closed)
		}},
		"bound to none": {weft.InvalidArgument, "the tensor for input 'x' is nil", func() error {
			return bound.BindInput(0, nil)
		}},
		"bound output": {weft.FailedPrecondition, "the tensor for output 0 is closed", func() error {
			return bound.BindOutput(0, closed)
		}},
		"foreign feed":  {weft.InvalidArgument, "another graph", run(s, weft.Feeds{foreign: a}, sum)},
		"foreign fetch": {weft.InvalidArgument, "another graph", run(s, nil, foreign)},
		"none":          {weft.InvalidArgument, "missing", run(s, nil, weft.Value{})},
		"closed":        {weft.FailedPrecondition, "closed", run(gone, nil, sum)},
		"nil":           {weft.InvalidArgument, "nil", run(none, nil, sum)},
		"zero":          {weft.InvalidArgument, "nil", run(new(weft.Session), nil, sum)},
		"get":           {weft.NotFound, "v", func() error { _, err := s.Get("v"); return err }},
		"set":           {weft.NotFound, "v", func() error { return s.Set("v", a) }},
		"set closed":    {weft.FailedPrecondition, "closed", func() error { return s.Set("v", closed) }},
		"two options": {weft.InvalidArgument, "2 options", func() error {
			_, err := weft.NewSession(g, weft.SessionOptions{}, weft.SessionOptions{})
			return err
		}},
		"threads": {weft.InvalidArgument, "threads", func() error {
			_, err := weft.NewSession(g, weft.SessionOptions{Threads: -1})
			return err
		}},
		"weight dtype": {weft.InvalidArgument, "'f32' or 'bf16'", func() error {
			_, err := weft.NewSession(g, weft.SessionOptions{WeightDType: "f16"})
			return err
		}},
		"nil graph": {weft.InvalidArgument, "nil", func() error { _, err := weft.NewSession(nil); return err }},
		"share": {weft.FailedPrecondition, "closed", func() error {
			_, err := weft.NewSession(g, weft.SessionOptions{Share: gone})
			return err
		}},
		"nil context": {weft.InvalidArgument, "context", func() error {
			_, err := s.Run(noContext, nil, sum)
			return err
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.misuse()
			if !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.message) {
				t.Errorf("got %v, want %v with %q", err, c.code, c.message)
			}
		})
	}
	if none.Close() != nil || new(weft.Session).Close() != nil {
		t.Error("closing nothing fails")
	}
}

func TestSessionsOutliveTheirGraph(t *testing.T) {
	noLeaks(t)
	g, x, y, sum := adder(t)
	s := newSession(t, g)
	g.Close()
	bad := sum.Relu()
	one := tensor[float32](t, []int64{1}, 1)
	wantData(t, fetch[float32](t, s, weft.Feeds{x: one, y: one}, sum), 2)
	if _, err := s.Run(t.Context(), weft.Feeds{x: one, y: one}, bad); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestSharedVariables(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	v := g.Variable("v", float32(1), true)
	a := newSession(t, g)
	b := newSession(t, g, weft.SessionOptions{Share: a})
	if err := a.Set("v", tensor[float32](t, nil, 4)); err != nil {
		t.Fatal(err)
	}
	wantData(t, fetch[float32](t, b, nil, v), 4)
}

func TestCancelledRuns(t *testing.T) {
	noLeaks(t)
	mine := errors.New("mine")
	var cancel context.CancelCauseFunc
	g, feeds, y := slow(t, func() { cancel(mine) })
	s := newSession(t, g)
	prepared := must[*weft.Prepared](t)(s.Prepare(g.Inputs(), []weft.Value{y}))
	closeAfter(t, prepared)
	if err := prepared.BindInput(0, feeds[g.Inputs()[0]]); err != nil {
		t.Fatal(err)
	}
	runs := map[string]func(ctx context.Context) error{
		"run":      func(ctx context.Context) error { _, err := s.Run(ctx, feeds, y); return err },
		"prepared": prepared.Run,
	}
	for name, run := range runs {
		t.Run(name, func(t *testing.T) {
			var ctx context.Context
			ctx, cancel = context.WithCancelCause(t.Context())
			for range 2 { // the second time, the context has ended before
				err := run(ctx)
				wantEnd(t, err, mine, "weft: CANCELLED: the run was cancelled")
				wantEnd(t, err, context.Canceled, "weft: CANCELLED: the run was cancelled")
			}
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer stop()
			for range 2 {
				wantEnd(t, run(ctx), context.DeadlineExceeded, "weft: DEADLINE_EXCEEDED: the run passed its deadline")
			}
		})
	}
	for _, passed := range []time.Duration{0, -time.Second} {
		ctx, stop := context.WithTimeout(t.Context(), passed)
		defer stop()
		_, err := s.Run(ctx, feeds, y)
		wantEnd(t, err, context.DeadlineExceeded, "weft: DEADLINE_EXCEEDED: the run passed its deadline")
	}
}

// broken is a context whose methods panic, as those of one that embeds a nil context do. A nil *broken has them too.
type broken struct{ context.Context }

// late is a context that breaks only when it is watched.
type late struct{ broken }

func (late) Err() error            { return nil }
func (late) Done() <-chan struct{} { return make(chan struct{}) }

// absent is a context that works though it is a nil pointer.
type absent struct{}

func (*absent) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*absent) Done() <-chan struct{}       { return nil }
func (*absent) Err() error                  { return nil }
func (*absent) Value(any) any               { return nil }

func TestContextsThatPanic(t *testing.T) {
	noLeaks(t)
	m := newLine(t)
	s := newSession(t, m.graph)
	prepared := must[*weft.Prepared](t)(s.Prepare(nil, []weft.Value{m.a}))
	closeAfter(t, prepared)
	for name, run := range map[string]func(ctx context.Context) error{
		"run":      func(ctx context.Context) error { _, err := s.Run(ctx, nil); return err },
		"prepared": prepared.Run,
		"evaluate": func(ctx context.Context) error { _, err := s.Evaluate(ctx, m.data, m.feeds, m.loses); return err },
	} {
		t.Run(name, func(t *testing.T) {
			for _, ctx := range []context.Context{(*broken)(nil), broken{}, late{}} {
				err := run(ctx)
				var panicked *weft.PanicError
				if !errors.Is(err, weft.InvalidArgument) || !errors.As(err, &panicked) ||
					!strings.HasPrefix(err.Error(), "weft: INVALID_ARGUMENT: the context panicked: runtime error: ") {
					t.Errorf("%T: got %v", ctx, err)
				}
			}
			if err := run((*absent)(nil)); err != nil {
				t.Error(err)
			}
		})
	}
}

// wantEnd is for the error of a run whose context ended.
func wantEnd(t *testing.T, err, cause error, text string) {
	t.Helper()
	if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), text) {
		t.Errorf("got %v, want %s", err, text)
	}
}

func TestClosingWaitsForRuns(t *testing.T) {
	noLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{}, 3)
	var lasting atomic.Int32
	g, feeds, y := slow(t, func() {
		lasting.Add(1)
		defer lasting.Add(-1)
		begun <- struct{}{}
		<-ctx.Done()
	})
	s := newSession(t, g)
	failed := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := s.Run(ctx, feeds, y)
			failed <- err
		}()
	}
	for range 3 {
		select {
		case <-begun:
		case err := <-failed:
			t.Fatal(err)
		}
	}
	closed := make(chan error)
	go func() {
		err := s.Close()
		if runs := lasting.Load(); runs != 0 {
			t.Errorf("the session is closed during %d runs", runs)
		}
		closed <- err
	}()
	for s.Initialise() == nil { // until the session is being closed, and takes no more calls
		runtime.Gosched()
	}
	cancel()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	for range 3 {
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := s.Run(t.Context(), feeds, y); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestManyGoroutines(t *testing.T) {
	noLeaks(t)
	g, x, y, sum := adder(t)
	s := newSession(t, g)
	parallel(8, func(i int) {
		for j := range 50 {
			n := int64(1 + (i+j)%3)
			a := must[*weft.Tensor](t)(weft.TensorFrom([]int64{n}, make([]float32, n)))
			b := must[*weft.Tensor](t)(weft.TensorFrom([]int64{n}, []float32{float32(i), 1, 2}[:n]))
			out, err := s.Run(t.Context(), weft.Feeds{x: a, y: b}, sum)
			if err != nil {
				t.Error(err)
				return
			}
			if data, err := weft.Data[float32](out[0]); err != nil || data[0] != float32(i) {
				t.Errorf("got %v, %v", data, err)
			}
			a.Close()
			b.Close()
			out[0].Close()
		}
	})
}

func TestPrepared(t *testing.T) {
	noLeaks(t)
	g, x, y, sum := adder(t)
	s := newSession(t, g)
	p := must[*weft.Prepared](t)(s.Prepare([]weft.Value{x, y}, []weft.Value{sum}))
	closeAfter(t, p)
	if err := p.Run(t.Context()); !errors.Is(err, weft.FailedPrecondition) {
		t.Errorf("got %v", err)
	}
	a, b := tensor[float32](t, []int64{2}, 1, 2), tensor[float32](t, []int64{2}, 10, 20)
	out := tensor[float32](t, []int64{2}, 0, 0)
	if err := errors.Join(p.BindInput(0, a), p.BindInput(1, b)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := weft.SetData(a, []float32{float32(i), 0}); err != nil {
			t.Fatal(err)
		}
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		made := must[*weft.Tensor](t)(p.Output(0))
		wantData(t, must[[]float32](t)(weft.Data[float32](made)), float32(10+i), 20)
		made.Close()
	}
	if err := errors.Join(p.BindOutput(0, out), p.Run(t.Context())); err != nil {
		t.Fatal(err)
	}
	wantData(t, must[[]float32](t)(weft.Data[float32](out)), 12, 20)
	if err := p.BindOutput(0, nil); err != nil {
		t.Error(err)
	}
	if err := p.BindInput(2, a); err == nil {
		t.Error("input 2 was bound")
	}
	if err := p.BindInput(0, nil); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	s.Close()
	if err := p.Run(t.Context()); !errors.Is(err, weft.FailedPrecondition) {
		t.Errorf("got %v", err)
	}
	p.Close()
	p.Close()
	if err := p.Run(t.Context()); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
	var none *weft.Prepared
	if err := errors.Join(none.Close(), new(weft.Prepared).Close()); err != nil {
		t.Error(err)
	}
	if none.Run(t.Context()) == nil || none.BindOutput(0, nil) == nil {
		t.Error("a nil call runs")
	}
}

// preparedAdder is a prepared call with everything bound.
func preparedAdder(t testing.TB) *weft.Prepared {
	g, x, y, sum := adder(t)
	p := must[*weft.Prepared](t)(newSession(t, g).Prepare([]weft.Value{x, y}, []weft.Value{sum}))
	closeAfter(t, p)
	one := func() *weft.Tensor { return tensor[float32](t, []int64{1}, 1) }
	if err := errors.Join(p.BindInput(0, one()), p.BindInput(1, one()), p.BindOutput(0, one())); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPreparedRunsAllocateNothing(t *testing.T) {
	p := preparedAdder(t)
	ctx := context.Background()
	if got := testing.AllocsPerRun(100, func() { _ = p.Run(ctx) }); got != 0 {
		t.Errorf("a run allocates %v times", got)
	}
}

func TestPreparedIsForOneGoroutine(t *testing.T) {
	p := preparedAdder(t)
	parallel(4, func(int) {
		for range 1000 {
			if err := p.Run(context.Background()); err != nil && !errors.Is(err, weft.FailedPrecondition) {
				t.Error(err)
			}
		}
	})
}

func TestAPreparedRunKeepsItsSession(t *testing.T) {
	g := newGraph(t)
	x := g.Input("x", weft.F32, 1)
	y, in := x.Neg(), tensor[float32](t, []int64{1}, 1)
	collect() // What other tests forgot may go.
	before := weft.LiveObjects()
	p := func() *weft.Prepared {
		s := must[*weft.Session](t)(weft.NewSession(g))
		return must[*weft.Prepared](t)(s.Prepare([]weft.Value{x}, []weft.Value{y}))
	}()
	for range 3 {
		collect()
	}
	if err := errors.Join(p.BindInput(0, in), p.Run(t.Context())); err != nil {
		t.Fatal(err)
	}
	out := must[*weft.Tensor](t)(p.Output(0))
	wantData(t, must[[]float32](t)(weft.Data[float32](out)), -1)
	out.Close()
	p.Close()
	for range 1000 {
		if collect(); weft.LiveObjects() <= before {
			return
		}
	}
	t.Errorf("%d objects are still alive", weft.LiveObjects()-before)
}

func TestTrace(t *testing.T) {
	noLeaks(t)
	g, x, y, sum := adder(t)
	s := newSession(t, g)
	trace := must[*weft.Trace](t)(weft.NewTrace())
	closeAfter(t, trace)
	one := tensor[float32](t, []int64{1}, 1)
	out := must[[]*weft.Tensor](t)(s.RunWith(t.Context(), weft.RunOptions{Feeds: weft.Feeds{x: one, y: one},
		Fetches: []weft.Value{sum}, Trace: trace}))
	out[0].Close()
	text := must[[]byte](t)(trace.JSON())
	if !json.Valid(text) || !strings.Contains(string(text), "Add") {
		t.Errorf("got %s", text)
	}
	path := filepath.Join(t.TempDir(), "trace.json")
	if err := trace.Save(path); err != nil || string(must[[]byte](t)(os.ReadFile(path))) != string(text) {
		t.Errorf("got %v", err)
	}
	if err := trace.Save(filepath.Join(path, "b")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("got %v", err)
	}
	trace.Close()
	if err := trace.Save(path); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := trace.JSON(); !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
	_, err := s.RunWith(t.Context(), weft.RunOptions{Fetches: []weft.Value{sum}, Trace: trace})
	if !errors.Is(err, weft.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestForgottenObjectsAreClosed(t *testing.T) {
	collect() // What other tests forgot may go.
	before := weft.LiveObjects()
	func() {
		g := weft.NewGraph()
		x := g.Input("x", weft.F32, 2)
		s := must[*weft.Session](t)(weft.NewSession(g))
		in := must[*weft.Tensor](t)(weft.TensorOf[float32](1, 2))
		must[[]*weft.Tensor](t)(s.Run(context.Background(), weft.Feeds{x: in}, x.Relu()))
	}()
	for range 1000 {
		if collect(); weft.LiveObjects() <= before {
			return
		}
	}
	t.Errorf("%d objects are still alive", weft.LiveObjects()-before)
}

func BenchmarkPreparedRun(b *testing.B) {
	p := preparedAdder(b)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Run(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	g, x, y, sum := adder(b)
	s := must[*weft.Session](b)(weft.NewSession(g))
	one := must[*weft.Tensor](b)(weft.TensorOf[float32](1))
	feeds := weft.Feeds{x: one, y: one}
	b.ReportAllocs()
	for b.Loop() {
		out, err := s.Run(context.Background(), feeds, sum)
		if err != nil {
			b.Fatal(err)
		}
		out[0].Close()
	}
	s.Close()
	one.Close()
}

func TestFileErrorsAreTheSystems(t *testing.T) {
	_, err := weft.LoadGraph(filepath.Join(t.TempDir(), "none.onnx"))
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, weft.NotFound) {
		t.Errorf("got %v", err)
	}
	var errno syscall.Errno
	if _, err := weft.LoadTensors(t.TempDir() + "/none.npy"); !errors.As(err, &errno) || errno != syscall.ENOENT {
		t.Errorf("got %v", err)
	}
}
