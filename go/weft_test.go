// What every test needs.

package weft_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

func TestMain(m *testing.M) {
	// In a checkout, the library is where it was built.
	built, err := filepath.Abs("../build/dev/c_api/libweft.so")
	if err == nil && os.Getenv("WEFT_LIBRARY")+os.Getenv("WEFT_TEST_CHILD") == "" {
		if _, err := os.Stat(built); err == nil {
			os.Setenv("WEFT_LIBRARY", built)
		}
	}
	os.Exit(afterwards(m.Run()))
}

// afterwards fails if objects of the library are alive after all tests, though the garbage collector had its chance.
func afterwards(code int) int {
	left := weft.LiveObjects()
	for i := 0; i < 1000 && left != 0; i++ {
		collect()
		left = weft.LiveObjects()
	}
	if left != 0 {
		fmt.Fprintf(os.Stderr, "%d objects are still alive\n%s\n", left, strings.Join(weft.Unclosed(), "\n"))
		return 1
	}
	return code
}

// collect has the garbage collector look once for what is unreachable, and waits until what belongs to such objects is
// being called: that of one that was made to be found is.
func collect() {
	found := make(chan struct{})
	runtime.AddCleanup(new([64]byte), func(found chan struct{}) { close(found) }, found)
	runtime.GC()
	<-found
}

// must gives a result that has no error.
func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// closer is every type with a Close.
type closer interface{ Close() error }

// noLeaks fails if objects of the library are left at the end of a test that closes objects.
func noLeaks(t testing.TB) {
	t.Helper()
	before := weft.LiveObjects()
	t.Cleanup(func() {
		if left := weft.LiveObjects() - before; left != 0 {
			t.Errorf("%d objects are still alive", left)
		}
	})
}

func closeAfter(t testing.TB, objects ...closer) {
	t.Cleanup(func() {
		for _, object := range objects {
			if err := object.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func newGraph(t testing.TB) *weft.Graph {
	g := weft.NewGraph()
	closeAfter(t, g)
	return g
}

func newSession(t testing.TB, g *weft.Graph, o ...weft.SessionOptions) *weft.Session {
	t.Helper()
	s := must[*weft.Session](t)(weft.NewSession(g, o...))
	closeAfter(t, s)
	return s
}

func tensor[T weft.Element](t testing.TB, dims []int64, data ...T) *weft.Tensor {
	t.Helper()
	made := must[*weft.Tensor](t)(weft.TensorFrom(dims, data))
	closeAfter(t, made)
	return made
}

// fetch runs a session for some values and gives the first one's elements.
func fetch[T weft.Element](t testing.TB, s *weft.Session, feeds weft.Feeds, values ...weft.Value) []T {
	t.Helper()
	out := must[[]*weft.Tensor](t)(s.Run(t.Context(), feeds, values...))
	for _, made := range out {
		defer made.Close()
	}
	return must[[]T](t)(weft.Data[T](out[0]))
}

func wantData[T weft.Element](t testing.TB, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// parallel calls f in goroutines and waits for them.
func parallel(count int, f func(i int)) {
	var all sync.WaitGroup
	for i := range count {
		all.Add(1)
		go func() {
			defer all.Done()
			f(i)
		}()
	}
	all.Wait()
}
