// Tests of streams and file systems.

package weft_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"testing/iotest"

	weft "github.com/weft-ml/weft/go"
)

// full is a writer that has no room left.
type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

// tripled is a graph that multiplies by a variable of the value 3, which it has from a session alone.
func tripled(t *testing.T) (g *weft.Graph, s *weft.Session, save weft.SaveOptions) {
	g = newGraph(t)
	x := g.Input("x", weft.F32, "n")
	y := x.Mul(g.Variable("v", float32(1), true)).Named("y")
	s = newSession(t, g)
	if err := s.Set("v", tensor[float32](t, nil, 3)); err != nil {
		t.Fatal(err)
	}
	return g, s, weft.SaveOptions{Outputs: []weft.Value{y}, Session: s}
}

func TestModelsInStreams(t *testing.T) {
	noLeaks(t)
	g, _, save := tripled(t)
	var out bytes.Buffer
	if err := g.SaveTo(&out, save); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.onnx")
	if err := g.Save(path, save); err != nil {
		t.Fatal(err)
	}
	if file := must[[]byte](t)(os.ReadFile(path)); !bytes.Equal(file, out.Bytes()) {
		t.Error("a file and a stream differ")
	}
	files := fstest.MapFS{"models/a.onnx": {Data: out.Bytes()}}
	for _, loaded := range []*weft.Graph{
		must[*weft.Graph](t)(weft.LoadGraphFrom(iotest.OneByteReader(bytes.NewReader(out.Bytes())))),
		must[*weft.Graph](t)(weft.LoadGraphFS(files, "models/a.onnx", weft.LoadOptions{Trainable: []string{"*"}})),
	} {
		closeAfter(t, loaded)
		feeds := weft.Feeds{loaded.Inputs()[0]: tensor[float32](t, []int64{2}, 1, 2)}
		wantData(t, fetch[float32](t, newSession(t, loaded), feeds, loaded.Outputs()[0]), 3, 6)
	}
	save.Weights = "beside.safetensors"
	if err := g.SaveTo(&out, save); !isInvalid(err) {
		t.Errorf("got %v", err)
	}
}

func TestCheckpointsInStreams(t *testing.T) {
	noLeaks(t)
	_, s, _ := tripled(t)
	var out bytes.Buffer
	if err := s.SaveTo(&out); err != nil {
		t.Fatal(err)
	}
	g, other, _ := tripled(t)
	v := g.Variables()[0]
	if err := other.Set("v", tensor[float32](t, nil, 0)); err != nil {
		t.Fatal(err)
	}
	g.Variable("w", float32(5), true)
	if err := other.LoadFrom(bytes.NewReader(out.Bytes())); !isInvalid(err) {
		t.Errorf("got %v", err)
	}
	if err := other.LoadFrom(&out, weft.LoadOptions{Partial: true}); err != nil {
		t.Fatal(err)
	}
	wantData(t, fetch[float32](t, other, nil, v), 3)
}

func TestTensorsInStreams(t *testing.T) {
	noLeaks(t)
	var out bytes.Buffer
	if err := weft.SaveTensorsTo(&out, map[string]*weft.Tensor{"a": tensor[float32](t, []int64{2}, 1, 2)}); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{"a.safetensors": {Data: out.Bytes()}, "b.csv": {Data: []byte("1,2\n3,4\n")}}
	one := must[map[string]*weft.Tensor](t)(weft.LoadTensorsFrom(&out))["a"]
	two := must[map[string]*weft.Tensor](t)(weft.LoadTensorsFS(files, "a.safetensors"))["a"]
	table := must[map[string]*weft.Tensor](t)(weft.LoadTensorsFS(files, "b.csv"))["data"]
	data := must[*weft.Dataset](t)(weft.LoadDatasetFS(files, "a.safetensors", "a"))
	closeAfter(t, one, two, table, data)
	wantData(t, must[[]float32](t)(weft.Data[float32](one)), 1, 2)
	wantData(t, must[[]float32](t)(weft.Data[float32](two)), 1, 2)
	wantData(t, must[[]float32](t)(weft.Data[float32](table)), 1, 2, 3, 4)
	if data.Len() != 2 || data.Width() != 1 {
		t.Errorf("got %d x %d", data.Len(), data.Width())
	}
}

func TestFailingStreams(t *testing.T) {
	noLeaks(t)
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	g, s, save := tripled(t)
	files, mine := fstest.MapFS{"bad": {Data: []byte("bad")}}, errors.New("mine")
	broken := iotest.ErrReader(mine)
	for name, c := range map[string]struct {
		want error
		call func() error
	}{
		"graph to":        {errFull, func() error { return g.SaveTo(full{}, save) }},
		"graph to nil":    {weft.InvalidArgument, func() error { return g.SaveTo(nil) }},
		"session to":      {errFull, func() error { return s.SaveTo(full{}) }},
		"tensors to":      {errFull, func() error { return weft.SaveTensorsTo(full{}, nil) }},
		"tensors to nil":  {weft.InvalidArgument, func() error { return weft.SaveTensorsTo(nil, nil) }},
		"graph":           {mine, func() error { _, err := weft.LoadGraphFrom(broken); return err }},
		"graph of nil":    {weft.InvalidArgument, func() error { _, err := weft.LoadGraphFrom(nil); return err }},
		"session":         {mine, func() error { return s.LoadFrom(broken) }},
		"session of nil":  {weft.InvalidArgument, func() error { return s.LoadFrom(nil) }},
		"session of bad":  {weft.DataLoss, func() error { return s.LoadFrom(bytes.NewReader([]byte("bad"))) }},
		"tensors":         {mine, func() error { _, err := weft.LoadTensorsFrom(broken); return err }},
		"graph of files":  {fs.ErrNotExist, func() error { _, err := weft.LoadGraphFS(files, "a"); return err }},
		"tensors of none": {weft.InvalidArgument, func() error { _, err := weft.LoadTensorsFS(nil, "a"); return err }},
		"data of files":   {fs.ErrNotExist, func() error { _, err := weft.LoadDatasetFS(files, "a"); return err }},
		"graph of bad":    {weft.DataLoss, func() error { _, err := weft.LoadGraphFS(files, "bad"); return err }},
	} {
		if err := c.call(); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if left := must[[]os.DirEntry](t)(os.ReadDir(folder)); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}
