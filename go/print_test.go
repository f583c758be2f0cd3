// Tests of what objects print.

package weft_test

import (
	"fmt"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

func TestPrinting(t *testing.T) {
	noLeaks(t)
	g := weft.NewGraph()
	x := g.Input("x", weft.F32, "n", 2)
	layer := weft.NewFlatten(g, "flat", weft.FlattenConfig{})
	s := must[*weft.Session](t)(weft.NewSession(g))
	prepared := must[*weft.Prepared](t)(s.Prepare([]weft.Value{x}, []weft.Value{x}))
	trace := must[*weft.Trace](t)(weft.NewTrace())
	made := must[*weft.Tensor](t)(weft.TensorOf[float32](1, 2, 3))
	data := must[*weft.Dataset](t)(weft.NewDataset(made))
	given := must[*weft.Dataset](t)(weft.NewDatasetFunc(numbers, "x"))
	failed := weft.NewGraph()
	failed.Input("x", 0)
	metrics := weft.Metrics{{Name: "loss", Value: 0.25}, {Name: "val_loss", Value: 1e-9}}
	objects := []struct {
		object       any
		open, closed string
	}{
		{g, must[string](t)(g.Text()), "graph (closed)"},
		{x, "x f32[n, 2]", "value of a closed graph"},
		{layer, "Flatten layer 'flat'", "Flatten layer 'flat' (closed)"},
		{s, "session", "session (closed)"},
		{prepared, "prepared run", "prepared run (closed)"},
		{trace, "trace", "trace (closed)"},
		{made, "f32[3]", "tensor (closed)"},
		{data, "dataset of 3 rows", "dataset (closed)"},
		{given, "dataset of the batches of a function", "dataset (closed)"},
		{failed, failed.Err().Error(), failed.Err().Error()},
		{metrics, "{loss=0.25, val_loss=1e-09}", "{loss=0.25, val_loss=1e-09}"},
		{&weft.History{Names: []string{"loss", "val_loss"}, Epochs: [][]float64{{3, 4}, {0.25, 1e-9}}},
			"2 epochs, {loss=0.25, val_loss=1e-09}", "2 epochs, {loss=0.25, val_loss=1e-09}"},
		{&weft.History{}, "0 epochs", "0 epochs"},
		{weft.Value{}, "none", "none"},
		{new(weft.Graph), "weft: INVALID_ARGUMENT: the graph is nil", "weft: INVALID_ARGUMENT: the graph is nil"},
		{new(weft.Session), "session (closed)", "session (closed)"},
		{(*weft.Layer)(nil), "layer (closed)", "layer (closed)"},
	}
	for _, o := range objects {
		if got := fmt.Sprint(o.object); got != o.open {
			t.Errorf("%T: got %s, want %s", o.object, got, o.open)
		}
	}
	for _, object := range []closer{g, layer, s, prepared, trace, made, data, given, failed} {
		object.Close()
	}
	for _, o := range objects {
		if got := fmt.Sprint(o.object); got != o.closed {
			t.Errorf("%T: got %s, want %s once closed", o.object, got, o.closed)
		}
	}
}
