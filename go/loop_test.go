package weft_test

import (
	"context"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

func TestLoopsCarryAndStack(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x, n := g.Input("x", weft.F32), g.Input("n", weft.I64)
	powers := g.Loop(n, weft.Value{}, []weft.Value{x}, func(b *weft.Graph, in []weft.Value) []weft.Value {
		return []weft.Value{in[1], in[2].Mul(x.In(b)), in[2]}
	}, weft.Attrs{"recompute": true})
	sums := g.Scan([]weft.Value{x}, powers[1:], func(b *weft.Graph, in []weft.Value) []weft.Value {
		sum := in[0].Add(in[1])
		return []weft.Value{sum, sum}
	}, weft.Attrs{"scan_input_directions": []int64{1}})
	gradient := g.Gradients(powers[:1], []weft.Value{x}, nil)[0]
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	s := newSession(t, g)
	feeds := weft.Feeds{x: tensor(t, nil, float32(2)), n: tensor(t, nil, int64(3))}
	wantData(t, fetch[float32](t, s, feeds, powers[0]), 16)
	wantData(t, fetch[float32](t, s, feeds, powers[1]), 2, 4, 8)
	wantData(t, fetch[float32](t, s, feeds, sums[1]), 10, 14, 16)
	wantData(t, fetch[float32](t, s, feeds, gradient), 32)
}

func TestValuesOfABodyAreToldOfByName(t *testing.T) {
	noLeaks(t)
	const words = "): it belongs to the body of a sub-graph (a loop, a scan or a branch), which is finished; " +
		"what the body is to give outside must be one of its results"
	uses := map[string]func(g *weft.Graph, x, inside weft.Value) error{
		"input 1":   func(g *weft.Graph, x, inside weft.Value) error { x.In(g).Add(inside); return g.Err() },
		"input 0":   func(g *weft.Graph, _, inside weft.Value) error { inside.Neg(); return g.Err() },
		"an output": func(g *weft.Graph, _, inside weft.Value) error { g.SetOutputs(inside); return g.Err() },
		"fetch 0": func(g *weft.Graph, _, inside weft.Value) error {
			_, err := newSession(t, g).Run(t.Context(), nil, inside)
			return err
		},
	}
	for place, use := range uses {
		g := newGraph(t)
		x := g.Input("x", weft.F32)
		var inside weft.Value
		g.Loop(g.Constant(int64(2)), weft.Value{}, []weft.Value{x}, func(_ *weft.Graph, in []weft.Value) []weft.Value {
			inside = in[2].Neg().Named("inside")
			return in[1:]
		})
		if g.Err() != nil || inside.Name() != "inside" {
			t.Fatalf("got %v, %v", g.Err(), inside)
		}
		if err := use(g, x, inside); err == nil || !strings.Contains(err.Error(), place+" is 'inside' (built at ") ||
			!strings.Contains(err.Error(), words) {
			t.Errorf("%s: got %v", place, err)
		}
	}
}

func TestLoopsThatDoNotFit(t *testing.T) {
	noLeaks(t)
	none := func(*weft.Graph, []weft.Value) []weft.Value { return nil }
	first := func(_ *weft.Graph, in []weft.Value) []weft.Value { return in[:1] }
	cases := map[string]func(g *weft.Graph, x weft.Value){
		"no condition":    func(g *weft.Graph, x weft.Value) { g.Loop(weft.Value{}, weft.Value{}, []weft.Value{x}, none) },
		"nothing carried": func(g *weft.Graph, x weft.Value) { g.Loop(weft.Value{}, weft.Value{}, []weft.Value{x}, first) },
		"nothing to scan": func(g *weft.Graph, x weft.Value) { g.Scan([]weft.Value{x}, nil, first) },
		"no body":         func(g *weft.Graph, x weft.Value) { g.Scan(nil, []weft.Value{x}, nil) },
		"after an error":  func(g *weft.Graph, x weft.Value) { x.Softmax(0, 1); g.Loop(x, x, []weft.Value{x}, first) },
		"no flag": func(g *weft.Graph, x weft.Value) {
			g.Scan(nil, []weft.Value{x}, func(_ *weft.Graph, in []weft.Value) []weft.Value { return in },
				weft.Attrs{"recompute": 2})
		},
	}
	for name, misuse := range cases {
		t.Run(name, func(t *testing.T) {
			g := newGraph(t)
			misuse(g, g.Input("x", weft.F32, 2))
			if err := g.Err(); !errors.Is(err, weft.InvalidArgument) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLoopsTakeOneListOfAttributes(t *testing.T) {
	noLeaks(t)
	given := weft.Attrs{"recompute": true}
	build := map[string]func(g *weft.Graph, x weft.Value, attrs ...weft.Attrs) []weft.Value{
		"Loop": func(g *weft.Graph, x weft.Value, attrs ...weft.Attrs) []weft.Value {
			same := func(_ *weft.Graph, in []weft.Value) []weft.Value { return in[1:] }
			return g.Loop(g.Constant(int64(3)), weft.Value{}, []weft.Value{x}, same, attrs...)
		},
		"Scan": func(g *weft.Graph, x weft.Value, attrs ...weft.Attrs) []weft.Value {
			same := func(_ *weft.Graph, in []weft.Value) []weft.Value { return in[:1] }
			return g.Scan([]weft.Value{x}, []weft.Value{x}, same, attrs...)
		},
	}
	for name, loop := range build {
		t.Run(name, func(t *testing.T) {
			for _, attrs := range [][]weft.Attrs{nil, {nil}, {{}}, {given}} {
				g := newGraph(t)
				if out := loop(g, g.Input("x", weft.F32, 2), attrs...); len(out) != 1 || g.Err() != nil {
					t.Errorf("with %v got %v, %v", attrs, out, g.Err())
				}
			}
			g := newGraph(t)
			loop(g, g.Input("x", weft.F32, 2), given, given)
			err := g.Err()
			if !errors.Is(err, weft.InvalidArgument) || !strings.Contains(err.Error(), "2 options were given") {
				t.Errorf("got %v", err)
			}
		})
	}
	if len(given) != 1 {
		t.Errorf("the attributes are %v now", given)
	}
}

func TestSequencesAreMapped(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	x := g.Input("x", weft.F32, 2)
	pair := g.Add("SequenceConstruct", []weft.Value{x, x}, nil, "", 1)[0]
	mapped := g.SequenceMap([]weft.Value{pair, x}, func(b *weft.Graph, in []weft.Value) []weft.Value {
		return []weft.Value{in[0].Mul(in[1])}
	})
	second := g.Add("SequenceAt", []weft.Value{mapped[0], g.Constant(int64(1))}, nil, "", 1)[0]
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	s := newSession(t, g)
	feeds := weft.Feeds{x: tensor(t, []int64{2}, float32(2), float32(3))}
	wantData(t, fetch[float32](t, s, feeds, second), 4, 9)
	items := must[*weft.Tensor](t)(weft.SequenceOf(feeds[x]))
	closeAfter(t, items)
	if _, err := weft.Data[float32](items); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	g.SequenceMap([]weft.Value{x}, func(_ *weft.Graph, in []weft.Value) []weft.Value { return in })
	if err := g.Err(); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
}

func TestAttentionGoesThroughFunctions(t *testing.T) {
	noLeaks(t)
	g := newGraph(t)
	q, k, w := g.Input("q", weft.F32, 1, 1, 1, 1), g.Input("k", weft.F32, 1, 1, 2, 1), g.Input("w", weft.F32)
	plain := g.FlexAttention(q, k, k, weft.FlexAttentionOptions{})
	y := g.FlexAttention(q, k, k, weft.FlexAttentionOptions{
		ScoreMod: func(b *weft.Graph, scores weft.Value) weft.Value { return scores.Sub(scores) },
		ProbMod:  func(b *weft.Graph, weights weft.Value) weft.Value { return weights.Mul(w) },
		Scale:    2, SoftmaxPrecision: weft.F32,
	})
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	s := newSession(t, g)
	feeds := weft.Feeds{
		q: tensor(t, []int64{1, 1, 1, 1}, float32(0)),
		k: tensor(t, []int64{1, 1, 2, 1}, float32(1), float32(3)),
		w: tensor(t, nil, float32(5)),
	}
	wantData(t, fetch[float32](t, s, feeds, plain), 2)
	wantData(t, fetch[float32](t, s, feeds, y), 10)
	g.FlexAttention(q, k, k, weft.FlexAttentionOptions{
		ScoreMod: func(_ *weft.Graph, _ weft.Value) weft.Value { return w },
	})
	if err := g.Err(); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
}

// DictVectorizer with the vocabulary a, b, c: x, a map from strings to f32, gives y, f32[1, 3]. Written with onnx.
const dictVectorizer = "080812003a700a430a0178120179220e44696374566563746f72697a65722a1f0a11737472696e675f766f636162756c6172" +
	"794a01614a01624a0163a001083a0a61692e6f6e6e782e6d6c1201675a110a0178120c2a0a080812060a040801120062130a" +
	"0179120e0a0c080112080a0208010a020803420e0a0a61692e6f6e6e782e6d6c100142040a001014"

func TestMapsAreFedAndFetched(t *testing.T) {
	noLeaks(t)
	g := must[*weft.Graph](t)(weft.LoadGraphBytes(must[[]byte](t)(hex.DecodeString(dictVectorizer)), ""))
	closeAfter(t, g)
	x, y := must[weft.Value](t)(g.Find("x")), must[weft.Value](t)(g.Find("y"))
	zipped := g.Add("ai.onnx.ml.ZipMap", []weft.Value{y}, weft.Attrs{"classlabels_int64s": []int64{7, 8, 9}}, "", 1)[0]
	if text := x.String(); text != "x map" || zipped.Kind() != weft.KindSequence {
		t.Errorf("got %q, %v", text, zipped.Kind())
	}
	given := map[string]float32{"c": 2, "a": 1.5}
	fed := must[*weft.Tensor](t)(weft.MapFrom(given))
	s := newSession(t, g)
	out := must[[]*weft.Tensor](t)(s.Run(context.Background(), weft.Feeds{x: fed}, y, zipped))
	closeAfter(t, fed, out[0], out[1])
	wantData(t, must[[]float32](t)(weft.Data[float32](out[0])), 1.5, 0, 2)
	maps := must[[]map[int64]float32](t)(weft.ToMaps[int64, float32](out[1]))
	if want := []map[int64]float32{{7: 1.5, 8: 0, 9: 2}}; !reflect.DeepEqual(maps, want) {
		t.Errorf("got %v, want %v", maps, want)
	}
	if back := must[map[string]float32](t)(weft.ToMap[string, float32](fed)); !reflect.DeepEqual(back, given) {
		t.Errorf("got %v, want %v", back, given)
	}
	for _, err := range []error{
		second(weft.ToMaps[string, float32](out[1])), second(weft.ToMaps[int64, float32](fed)),
		second(weft.ToMap[string, float32](out[0])), second(weft.Data[float32](out[1])), second(weft.MapOf(out[0], out[0])),
	} {
		if !errors.Is(err, weft.InvalidArgument) {
			t.Errorf("got %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestOptionalsHoldATensorOrNothing(t *testing.T) {
	noLeaks(t)
	two := tensor(t, nil, float32(2))
	held := must[*weft.Tensor](t)(weft.OptionalOf(two))
	none := must[*weft.Tensor](t)(weft.OptionalOf(nil))
	element := must[*weft.Tensor](t)(held.At(0))
	closeAfter(t, held, none, element)
	if none.Len() != 0 || held.Len() != 1 || held.Kind().String() != "optional" || element.String() != "f32[]" {
		t.Errorf("got %v, %v, %v", none, held, element)
	}
	if _, err := weft.OptionalOf(held); !errors.Is(err, weft.InvalidArgument) {
		t.Errorf("got %v", err)
	}
}
