// Tests of one value as several outputs, of an input and of a weight as an output; of maps and optionals through their functions.

package weft_test

import (
	"encoding/hex"
	"path/filepath"
	"reflect"
	"testing"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

func TestOneValueAsSeveralOutputs(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x, w := g.Input("x", weft.F32, 2), g.NamedConstant([]float32{10, 20}, "w")
	y := x.Add(w)
	feed := tensor(t, []int64{2}, float32(1), float32(-2))
	wanted := [][]float32{{11, 18}, {1, -2}, {11, 18}, {10, 20}, {1, -2}, {10, 20}}
	check := func(s *weft.Session, x weft.Value, outputs []weft.Value) {
		t.Helper()
		results := must[[]*weft.Tensor](t)(s.Run(t.Context(), weft.Feeds{x: feed}, outputs...))
		if len(results) != len(wanted) {
			t.Fatalf("got %d results", len(results))
		}
		for i, result := range results {
			// Each is there by itself: those before it are closed by then.
			wantData(t, must[[]float32](t)(weft.Data[float32](result)), wanted[i]...)
			if err := result.Close(); err != nil {
				t.Error(err)
			}
		}
		wantData(t, must[[]float32](t)(weft.Data[float32](feed)), 1, -2)
	}
	outputs := []weft.Value{y, x, y, w, x, w}
	check(newSession(t, g), x, outputs)

	path := filepath.Join(t.TempDir(), "outputs.onnx")
	if err := g.Save(path, weft.SaveOptions{Outputs: outputs}); err != nil {
		t.Fatal(err)
	}
	loaded := must[*weft.Graph](t)(weft.LoadGraph(path))
	closeAfter(t, loaded)
	check(newSession(t, loaded), loaded.Inputs()[0], loaded.Outputs())
}

// CastMap of x, a map from i64 to f32: no function makes an input that is a map. Written with onnx.
const castMap = "08083a460a1b0a01781201792207436173744d61703a0a61692e6f6e6e782e6d6c1201675a110a0178120c2a0a080712060a" +
	"040801120062110a0179120c0a0a080112060a0208010a00420e0a0a61692e6f6e6e782e6d6c100142040a001014"

func TestMapsGoThroughFunctions(t *testing.T) {
	noLeaks(t)
	g := must[*weft.Graph](t)(weft.LoadGraphBytes(must[[]byte](t)(hex.DecodeString(castMap)), ""))
	closeAfter(t, g)
	x := must[weft.Value](t)(g.Find("x"))
	keys, values := ops.MapItems(x)
	row := ops.MlCastMap(x, ops.MlCastMapOptions{CastTo: "TO_INT64"})
	places := ops.MlDictVectorizer(x, ops.MlDictVectorizerOptions{Int64Vocabulary: []int64{3, 7, 5}})
	rows := ops.MlZipMap(places, ops.MlZipMapOptions{ClasslabelsStrings: []string{"a", "b", "c"}})
	s := newSession(t, g)
	fed := must[*weft.Tensor](t)(weft.MapFrom(map[int64]float32{5: 1.5, 1: 2.75, 3: -0.5}))
	feeds := weft.Feeds{x: fed}
	out := must[[]*weft.Tensor](t)(s.Run(t.Context(), feeds, rows))
	closeAfter(t, fed, out[0])
	wantData(t, fetch[int64](t, s, feeds, keys), 1, 3, 5)
	wantData(t, fetch[float32](t, s, feeds, values), 2.75, -0.5, 1.5)
	wantData(t, fetch[int64](t, s, feeds, row), 2, 0, 1)
	wantData(t, fetch[float32](t, s, feeds, places), -0.5, 0, 1.5)
	maps := must[[]map[string]float32](t)(weft.ToMaps[string, float32](out[0]))
	if want := []map[string]float32{{"a": -0.5, "b": 0, "c": 1.5}}; !reflect.DeepEqual(maps, want) {
		t.Errorf("got %v, want %v", maps, want)
	}
}

func TestOptionalsGoThroughFunctions(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, 2)
	held := ops.Optional(g, ops.OptionalOptions{Input: x})
	none := ops.Optional(g, ops.OptionalOptions{Type: "f32[2]"})
	s := newSession(t, g)
	feeds := weft.Feeds{x: tensor(t, []int64{2}, float32(3), -1)}
	wantData(t, fetch[float32](t, s, feeds, ops.OptionalGetElement(ops.OptionalAdd(held, held))), 6, -2)
	wantData(t, fetch[float32](t, s, feeds, ops.OptionalGetElement(ops.OptionalAdd(none, held))), 3, -1)
	wantData(t, fetch[float32](t, s, feeds, ops.OptionalElementOrZeros(held, x)), 3, -1)
	wantData(t, fetch[float32](t, s, feeds, ops.OptionalElementOrZeros(none, x)), 0, 0)
}
