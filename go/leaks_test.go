// Tests that objects opened and closed many times leave nothing behind.

package weft_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime/debug"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

// raceDetector says that the process is one that keeps for long what was freed.
var raceDetector bool

// residentBytes is the memory of the process without what Go can give back; 0 where the system does not tell.
func residentBytes() int64 {
	debug.FreeOSMemory()
	var size, resident int64
	text, _ := os.ReadFile("/proc/self/statm")
	fmt.Sscan(string(text), &size, &resident)
	return resident * int64(os.Getpagesize())
}

// TestOpeningAndClosingLeavesNothing opens and closes 10,000 objects of each kind: none stays alive, and after the first
// 1,000 neither the library's memory nor that of the process grows.
func TestOpeningAndClosingLeavesNothing(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, 2)
	y := x.Relu()
	s := newSession(t, g)
	in := tensor[float32](t, []int64{2}, 1, 2)
	data := must[*weft.Dataset](t)(weft.NewDataset(in))
	closeAfter(t, data)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	none := func(int) iter.Seq2[[]*weft.Tensor, error] { return func(func([]*weft.Tensor, error) bool) {} }
	kinds := map[string]func() (closer, error){
		"graph":    func() (closer, error) { return weft.NewGraph(), nil },
		"tensor":   func() (closer, error) { return weft.TensorOf[float32](1) },
		"strings":  func() (closer, error) { return weft.TensorOf("a", "b") },
		"session":  func() (closer, error) { return weft.NewSession(g) },
		"prepared": func() (closer, error) { return s.Prepare([]weft.Value{x}, []weft.Value{y}) },
		"dataset":  func() (closer, error) { return data.Rows(0, 1) },
		"trace":    func() (closer, error) { return weft.NewTrace() },
		"layer": func() (closer, error) {
			of := weft.NewGraph()
			defer of.Close()
			return weft.NewLayerNorm(of, "norm", weft.LayerNormConfig{Units: 2}), of.Err()
		},
		"function": func() (closer, error) {
			made, err := weft.NewDatasetFunc(none, "x")
			if err != nil {
				return nil, err
			}
			for _, err := range made.Batches(weft.BatchOptions{}) {
				return nil, fmt.Errorf("a batch of no batches, and %w", err)
			}
			return made, nil
		},
		"run": func() (closer, error) {
			out, err := s.Run(t.Context(), weft.Feeds{x: in}, y)
			if err != nil {
				return nil, err
			}
			return out[0], nil
		},
		"cancelled run": func() (closer, error) {
			if _, err := s.Run(cancelled, weft.Feeds{x: in}, y); !errors.Is(err, context.Canceled) {
				return nil, fmt.Errorf("a run that is cancelled gives %w", err)
			}
			return weft.NewGraph(), nil
		},
	}
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			before := weft.LiveObjects()
			var memory, resident int64
			for i := range 10_000 {
				object, err := open()
				if err != nil {
					t.Fatal(err)
				}
				if err := object.Close(); err != nil {
					t.Fatal(err)
				}
				if i == 1000 {
					memory = weft.MemoryBytes()
					resident = residentBytes()
				}
			}
			if left := weft.LiveObjects() - before; left != 0 {
				t.Errorf("%d objects are still alive", left)
			}
			if now := weft.MemoryBytes(); now > memory {
				t.Errorf("the library's memory grew from %d to %d bytes", memory, now)
			}
			if grown := residentBytes() - resident; grown > 8<<20 && !raceDetector {
				t.Errorf("the process grew by %d bytes", grown)
			}
		})
	}
}

// TestClosingWhatOthersUse closes everything while goroutines use it: they get results or errors, and nothing else.
func TestClosingWhatOthersUse(t *testing.T) {
	noLeaks(t)
	for range 20 {
		g := weft.NewGraph()
		x := g.Input("x", weft.F32, "n")
		y := x.Relu()
		s := must[*weft.Session](t)(weft.NewSession(g))
		in := must[*weft.Tensor](t)(weft.TensorOf[float32](1, 2))
		data := must[*weft.Dataset](t)(weft.NewDataset(in))
		p := must[*weft.Prepared](t)(s.Prepare([]weft.Value{x}, []weft.Value{y}))
		objects := []closer{g, s, in, data, p}
		uses := []func() error{
			func() error { x.Neg(); return g.Err() },
			func() error {
				out, err := s.Run(context.Background(), weft.Feeds{x: in}, y)
				if err == nil {
					out[0].Close()
				}
				return err
			},
			func() error { _, err := weft.Data[float32](in); return err },
			func() error { _, err := s.Evaluate(context.Background(), data, []weft.Value{x}, nil); return err },
			func() error { return errors.Join(p.BindInput(0, in), p.Run(context.Background())) },
			func() error {
				for _, err := range data.Batches(weft.BatchOptions{BatchSize: 1}) {
					if err != nil {
						return err
					}
				}
				return nil
			},
		}
		const times = 50 // that each goroutine uses, and that are used before each object is closed
		used := make(chan struct{}, 2*len(uses)*times)
		parallel(1+2*len(uses), func(i int) {
			if i == 0 {
				for _, object := range objects {
					for range times {
						<-used
					}
					if err := object.Close(); err != nil {
						t.Error(err)
					}
				}
				return
			}
			for range times {
				var e *weft.Error
				if err := uses[i%len(uses)](); err != nil && !errors.As(err, &e) {
					t.Errorf("got %v", err)
				}
				used <- struct{}{}
			}
		})
	}
}

func TestFailedRunsLeaveNothing(t *testing.T) {
	noLeaks(t)
	g, x, y, sum := adder(t)
	s := newSession(t, g)
	in := tensor[float32](t, []int64{2}, 1, 2)
	before := weft.LiveObjects()
	for range 1000 {
		if _, err := s.Run(t.Context(), weft.Feeds{x: in}, sum); err == nil {
			t.Fatal("a run without a feed succeeds")
		}
		if _, err := s.Prepare([]weft.Value{x, y}, []weft.Value{{}}); err == nil {
			t.Fatal("nothing can be prepared")
		}
	}
	if left := weft.LiveObjects() - before; left != 0 {
		t.Errorf("%d objects are still alive", left)
	}
}
