// Tests of telling what was not closed, in a process of their own.

package weft_test

import (
	"os"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

// TestUnclosedChild is what the process of the test below runs.
func TestUnclosedChild(t *testing.T) {
	if os.Getenv("WEFT_TEST_CHILD") == "" {
		t.Skip("for another test")
	}
	graphLine := line(1)
	g := weft.NewGraph()
	x := g.Input("x", weft.F32)
	sessionLine := line(1)
	s := must[*weft.Session](t)(weft.NewSession(g))
	in := must[*weft.Tensor](t)(weft.ScalarOf[float32](2))
	resultLine := line(1)
	out, err := s.Run(t.Context(), weft.Feeds{x: in}, x.Neg())
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	want := []string{"graph made at " + graphLine, "session made at " + sessionLine, "tensor made at " + resultLine}
	if got := weft.Unclosed(); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, object := range []closer{g, s, out[0]} {
		object.Close()
	}
	if got := weft.Unclosed(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	func() { must[*weft.Tensor](t)(weft.TensorOf("forgotten here")) }()
	for range 1000 {
		if collect(); len(weft.Unclosed()) == 0 {
			return
		}
	}
	t.Error("nobody closes what was forgotten")
}

func TestUnclosed(t *testing.T) {
	if os.Getenv("WEFT_LEAKS") == "" && len(weft.Unclosed()) != 0 {
		t.Error("objects are watched without being asked for")
	}
	library := must[string](t)(weft.Library())
	text := childOf(t, "TestUnclosedChild", "WEFT_LEAKS=full", "WEFT_LIBRARY="+library)
	wantWords(t, text, "weft: tensor made at ", "unclosed_test.go:40 was not closed", "PASS")
}
