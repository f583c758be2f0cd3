// Tests of files that are damaged, hostile or cannot be written.

package weft_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

// begun is a graph of x w in another shape, and a session that has begun to train w.
func begun(t testing.TB, rows int) (g *weft.Graph, s *weft.Session, y weft.Value) {
	g = newGraph(t)
	x := g.Input("x", weft.F32, rows)
	w := g.Variable("w", slices.Repeat([]float32{2}, rows), true)
	y = ops.Concat([]weft.Value{x.Mul(w), x}, 0).Reshape(2, -1)
	s = newSession(t, g)
	if err := s.Set("w", tensor(t, []int64{int64(rows)}, slices.Repeat([]float32{3}, rows)...)); err != nil {
		t.Fatal(err)
	}
	return g, s, y
}

// writers write more than 40,000 bytes each.
func writers(t testing.TB) map[string]func(path string) error {
	g, s, y := begun(t, 10_000)
	big := must[*weft.Tensor](t)(weft.ZeroTensor(weft.F32, 10_000))
	closeAfter(t, big)
	return map[string]func(path string) error{
		"model": func(path string) error {
			return g.Save(path, weft.SaveOptions{Outputs: []weft.Value{y}, Session: s})
		},
		"checkpoint": s.Save,
		"tensors": func(path string) error {
			return weft.SaveTensors(path, map[string]*weft.Tensor{"a": big})
		},
	}
}

// onAFullDisk calls f while no file may have more than 1000 bytes.
func onAFullDisk(t *testing.T, f func() error) error {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	small := syscall.Rlimit{Cur: 1000, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	err := f() // SIGXFSZ would end the process.
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	return err
}

func TestAFullDiskLeavesTheOldFile(t *testing.T) {
	noLeaks(t)
	for name, write := range writers(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.safetensors")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := onAFullDisk(t, func() error { return write(path) })
			if !errors.Is(err, weft.ResourceExhausted) || !errors.Is(err, syscall.EFBIG) ||
				!strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
			if data := must[[]byte](t)(os.ReadFile(path)); string(data) != "old" {
				t.Errorf("the file has %d bytes", len(data))
			}
			if left := must[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(path))); len(left) != 1 {
				t.Errorf("left are %v", left)
			}
			if err := write(path); err != nil {
				t.Error(err)
			}
			if info := must[os.FileInfo](t)(os.Stat(path)); info.Size() < 40_000 {
				t.Errorf("the file has %d bytes", info.Size())
			}
		})
	}
}

func TestAFolderInPlaceOfAFile(t *testing.T) {
	noLeaks(t)
	_, s, _ := begun(t, 2)
	uses := writers(t)
	uses["load"] = func(path string) error { return s.Load(path) }
	uses["graph"] = func(path string) error { _, err := weft.LoadGraph(path); return err }
	uses["dataset"] = func(path string) error { _, err := weft.LoadDataset(path); return err }
	uses["load tensors"] = func(path string) error { _, err := weft.LoadTensors(path); return err }
	path := filepath.Join(t.TempDir(), "folder.safetensors")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, use := range uses {
		if err := use(path); !errors.Is(err, weft.InvalidArgument) || !errors.Is(err, syscall.EISDIR) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if left := must[[]os.DirEntry](t)(os.ReadDir(path)); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// runBytes loads and runs a model. What a file brings about is never INTERNAL or UNKNOWN: those are our own mistakes.
func runBytes(t *testing.T, data []byte) error {
	t.Helper()
	err := func() error {
		g, err := weft.LoadGraphBytes(data, "")
		if err != nil {
			return err
		}
		defer g.Close()
		s, err := weft.NewSession(g)
		if err != nil {
			return err
		}
		defer s.Close()
		ones := must[*weft.Tensor](t)(weft.TensorOf[float32](1, 1))
		defer ones.Close()
		feeds := weft.Feeds{}
		for _, input := range g.Inputs() {
			feeds[input] = ones
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		out, err := s.Run(ctx, feeds, g.Outputs()...)
		for _, made := range out {
			made.Close()
		}
		return err
	}()
	var e *weft.Error
	if err != nil && !errors.As(err, &e) || errors.Is(err, weft.Internal) || errors.Is(err, weft.Unknown) {
		t.Errorf("got %v", err)
	}
	return err
}

// flipped is a copy with one bit turned.
func flipped(whole []byte, bit int) []byte {
	data := bytes.Clone(whole)
	data[bit/8] ^= 1 << (bit % 8)
	return data
}

func TestDamagedModelsGiveResultsOrErrors(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "a.onnx")
	g, s, y := begun(t, 2)
	if err := g.Save(path, weft.SaveOptions{Outputs: []weft.Value{y}, Session: s}); err != nil {
		t.Fatal(err)
	}
	whole := must[[]byte](t)(os.ReadFile(path))
	if err := runBytes(t, whole); err != nil {
		t.Fatal(err)
	}
	if err := weft.SetMemoryLimit(1 << 26); err != nil { // A flipped bit may ask for any size.
		t.Fatal(err)
	}
	defer weft.SetMemoryLimit(0)
	loaded := 0
	for size := range whole {
		if err := runBytes(t, whole[:size]); err == nil {
			loaded++
		} else if !errors.Is(err, weft.DataLoss) {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
	if loaded > 1 { // Without the last field, which says the version of the operators.
		t.Errorf("%d parts of the model were loaded", loaded)
	}
	counts := map[weft.Code]int{}
	for bit := range 8 * len(whole) {
		var e *weft.Error
		if errors.As(runBytes(t, flipped(whole, bit)), &e) {
			counts[e.Code]++
		} else {
			counts[0]++
		}
	}
	if counts[0] == 0 || counts[weft.DataLoss] == 0 || counts[weft.InvalidArgument] == 0 {
		t.Errorf("got %v", counts)
	}
}

func TestDamagedCheckpointsChangeNothing(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "a.safetensors")
	g, s, _ := begun(t, 2)
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	whole := must[[]byte](t)(os.ReadFile(path))
	var damaged [][]byte
	for size := range whole {
		damaged = append(damaged, whole[:size])
	}
	for bit := range 8 * 9 { // The size of the header and its brace are never right with a bit flipped.
		damaged = append(damaged, flipped(whole, bit))
	}
	for i, data := range damaged {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Load(path); !errors.Is(err, weft.DataLoss) {
			t.Errorf("%d: got %v", i, err)
		}
	}
	wantData(t, fetch[float32](t, s, nil, g.Variables()[0]), 3, 3)
	if err := errors.Join(os.WriteFile(path, whole, 0o600), s.Load(path)); err != nil {
		t.Error(err)
	}
}

// safetensors is a file with that entry and 8 bytes of data.
func safetensors(shape, offsets string) string {
	header := fmt.Sprintf(`{"x":{"dtype":"F32","shape":%s,"data_offsets":%s}}`, shape, offsets)
	return string(rune(len(header))) + strings.Repeat("\x00", 7) + header + strings.Repeat("\x01", 8)
}

func TestSizesThatLieAreErrors(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "a.safetensors")
	for i, data := range []string{
		"",
		strings.Repeat("\xff", 8),                     // a header of 2^64 - 1 bytes
		strings.Repeat("\xff", 7) + "\x7f{}",          // of 2^63 - 1
		safetensors("[3]", "[0,8]"),                   //
		safetensors("[2]", "[8,16]"),                  //
		safetensors("[2]", "[8,0]"),                   //
		safetensors("[2]", "[-8,0]"),                  //
		safetensors("[4611686018427387906]", "[0,8]"), // 2^62 + 2, times 4
		safetensors("[4294967296,4294967296]", "[0,8]"),
		safetensors("[2]", "[0,18446744073709551624]"), // 2^64 + 8
	} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		_, read := weft.LoadTensors(path)
		_, mapped := weft.LoadTensors(path, weft.LoadOptions{Map: true})
		_, rows := weft.LoadDataset(path)
		for _, err := range []error{read, mapped, rows} {
			if !errors.Is(err, weft.DataLoss) {
				t.Errorf("%d: got %v", i, err)
			}
		}
	}
}

func TestModelsAreOfTheOpsetThatIsAskedFor(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "a.onnx")
	g := newGraph(t)
	y := ops.Gelu(g.Input("x", weft.F32, 2))
	save := func(opset int) error {
		return g.Save(path, weft.SaveOptions{Outputs: []weft.Value{y}, Opset: opset})
	}
	if err := save(17); err != nil {
		t.Fatal(err)
	}
	told := string(must[[]byte](t)(weft.Inspect(path)))
	if !strings.Contains(told, `"ai.onnx": 17`) || !strings.Contains(told, `"Erf": 1`) {
		t.Error(told)
	}
	if err := save(8); !errors.Is(err, weft.Unimplemented) {
		t.Error(err)
	}
	if err := save(6); !errors.Is(err, weft.InvalidArgument) {
		t.Error(err)
	}
}

func TestModelsWhoseWeightsAreElsewhere(t *testing.T) {
	noLeaks(t)
	folder := t.TempDir()
	path, weights := filepath.Join(folder, "a.onnx"), filepath.Join(folder, "weights.bin")
	g, s, y := begun(t, 1000)
	err := g.Save(path, weft.SaveOptions{Outputs: []weft.Value{y}, Session: s, Weights: "weights.bin"})
	if err != nil {
		t.Fatal(err)
	}
	whole := must[[]byte](t)(os.ReadFile(path))
	load := func(data []byte) error {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, err := weft.LoadGraph(path)
		if err == nil {
			loaded.Close()
		}
		return err
	}
	for _, c := range []struct {
		from, to string
		code     weft.Code
	}{
		{"weights.bin", "../weights.", weft.InvalidArgument},
		{"weights.bin", "/etc/passwd", weft.InvalidArgument},
		{"weights.bin", "weights.nan", weft.NotFound},
		{"4000", "9999", weft.DataLoss}, // the length
		{"4000", "-400", weft.DataLoss},
		{"4000", "4e00", weft.DataLoss},
	} {
		if err := load(bytes.ReplaceAll(whole, []byte(c.from), []byte(c.to))); !errors.Is(err, c.code) {
			t.Errorf("%s: got %v", c.to, err)
		}
	}
	data := must[[]byte](t)(os.ReadFile(weights))
	if err := os.WriteFile(weights, data[:len(data)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := load(whole); !errors.Is(err, weft.DataLoss) ||
		!strings.Contains(err.Error(), "lies beyond the end of '"+weights) {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(os.WriteFile(weights, data, 0o600), load(whole)); err != nil {
		t.Error(err)
	}
}

// TestWriteNumbers is what the processes of the next test run: it writes every kind of file, reads it, and prints what
// people see.
func TestWriteNumbers(t *testing.T) {
	folder := os.Getenv("WEFT_TEST_FOLDER")
	if folder == "" {
		t.Skip("for another test")
	}
	g, s, y := begun(t, 1234)
	y = ops.LeakyRelu(y.Mul(y.Scalar(1234567.5)), ops.LeakyReluOptions{Alpha: weft.Float(0.125)}).Named("y")
	model, checkpoint := filepath.Join(folder, "a.onnx"), filepath.Join(folder, "a.safetensors")
	csv := filepath.Join(folder, "a.csv")
	if err := errors.Join(g.Save(model, weft.SaveOptions{Outputs: []weft.Value{y}, Session: s}), s.Save(checkpoint),
		s.Load(checkpoint), os.WriteFile(csv, []byte("a,b\n1.5,-2.25e-3\n1234567.5,0.1\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	rows := must[map[string]*weft.Tensor](t)(weft.LoadTensors(csv))["data"]
	closeAfter(t, rows, must[*weft.Graph](t)(weft.LoadGraph(model)))
	fmt.Println("begin", must[[]float32](t)(weft.Data[float32](rows)), must[string](t)(g.Text()), must[string](t)(g.Dot()))
	weft.Sgd{Rate: weft.Rate{LearningRate: -1.5}}.Minimize(y)
	fmt.Println(g.Err(), "end")
}

// written is what TestWriteNumbers prints and writes.
func written(t *testing.T, settings ...string) (string, map[string]string) {
	t.Helper()
	folder := t.TempDir()
	command := exec.Command(os.Args[0], "-test.run=^TestWriteNumbers$", "-test.v")
	command.Env = append(append(os.Environ(), settings...), "WEFT_TEST_FOLDER="+folder)
	text, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	files := map[string]string{}
	for _, entry := range must[[]os.DirEntry](t)(os.ReadDir(folder)) {
		files[entry.Name()] = string(must[[]byte](t)(os.ReadFile(filepath.Join(folder, entry.Name()))))
	}
	_, printed, _ := strings.Cut(string(text), "begin")
	printed, _, _ = strings.Cut(printed, "end")
	return printed, files
}

// A program of Go has no locale until some C code in it sets one, as this does.
const setLocale = `#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void set(void) {
  char text[8];
  setlocale(LC_ALL, "");
  snprintf(text, sizeof text, "%.1f", 1.5);
  if (text[1] != ',') abort();
}
`

func TestALocaleWithCommasChangesNothing(t *testing.T) {
	folder := t.TempDir()
	code, library := filepath.Join(folder, "set.c"), filepath.Join(folder, "set.so")
	if err := os.WriteFile(code, []byte(setLocale), 0o600); err != nil {
		t.Fatal(err)
	}
	// Few machines have the locale. Its sources are in Debian's package locales.
	for _, command := range [][]string{
		{"cc", "-shared", "-fPIC", "-o", library, code},
		{"localedef", "-i", "de_DE", "-f", "UTF-8", filepath.Join(folder, "de_DE.UTF-8")},
	} {
		if text, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	point, files := written(t)
	comma, others := written(t, "LOCPATH="+folder, "LC_ALL=de_DE.UTF-8", "LD_PRELOAD="+library)
	if point != comma || !strings.HasPrefix(point, " [1.5 -0.00225 1.2345675e+06 0.1]") {
		t.Errorf("got %s, want %s", comma, point)
	}
	if len(files) != 3 {
		t.Errorf("%d files were written", len(files))
	}
	for name, data := range files {
		if others[name] != data {
			t.Errorf("%s is another file", name)
		}
	}
}
