// Tests of finding the library, in processes of their own.

package weft_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

// TestChild is what the processes of the tests below run: the error of using the library must be in every call.
func TestChild(t *testing.T) {
	if os.Getenv("WEFT_TEST_CHILD") == "" {
		t.Skip("for other tests")
	}
	if path := os.Getenv("WEFT_TEST_LOAD"); path != "" {
		if err := weft.Load(path); !errors.Is(err, weft.ErrLibrary) {
			t.Errorf("Load gives %v", err)
		}
	}
	g := weft.NewGraph()
	y := g.Input("x", weft.F32, 2).Relu().Add(g.Constant(float32(1)))
	weft.NewDense(g, "d", weft.DenseConfig{Units: 1}).Call(y, true)
	weft.Adam{}.Minimize(y)
	_, errTensor := weft.TensorOf[float32](1)
	_, errSession := weft.NewSession(g)
	_, errDataset := weft.LoadDataset("x.csv")
	_, errGraph := weft.LoadGraph("x.onnx")
	_, errTrace := weft.NewTrace()
	_, errVersion := weft.Version()
	all := []error{g.Err(), errTensor, errSession, errDataset, errGraph, errTrace, errVersion, g.Save("x"),
		weft.SetHostFunction("f", nil), weft.SetLogger(nil), weft.SetMemoryLimit(0)}
	for i, err := range all {
		if !errors.Is(err, weft.ErrLibrary) {
			t.Errorf("error %d is %v", i, err)
		}
	}
	if weft.LiveObjects() != 0 || weft.Threads() != 0 || weft.Devices() != nil || weft.MemoryLimit() != 0 {
		t.Error("without a library there are objects")
	}
	g.Close()
	t.Log(errTensor)
}

// child runs TestChild with other settings, and gives what it said.
func child(t *testing.T, settings ...string) string {
	t.Helper()
	return childOf(t, "TestChild", settings...)
}

// childOf runs a test in a process of its own, with other settings, and gives what it said.
func childOf(t *testing.T, test string, settings ...string) string {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	for _, setting := range os.Environ() {
		if !strings.HasPrefix(setting, "WEFT_LIBRARY=") && !strings.HasPrefix(setting, "XDG_CACHE_HOME=") {
			command.Env = append(command.Env, setting)
		}
	}
	command.Env = append(append(command.Env, "WEFT_TEST_CHILD=1"), settings...)
	text, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, text)
	}
	return string(text)
}

func wantWords(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q is not in %s", word, text)
		}
	}
}

func TestMissingLibrary(t *testing.T) {
	text := child(t, "WEFT_LIBRARY=/nowhere/libweft.so")
	wantWords(t, text, "libweft cannot be used", "WEFT_LIBRARY", "Tried", "/nowhere/libweft.so", "0.1")
}

func TestPlacesOfTheLibrary(t *testing.T) {
	folder := t.TempDir()
	text := child(t, "XDG_CACHE_HOME="+folder)
	wantWords(t, text, filepath.Join(filepath.Dir(os.Args[0]), "libweft"), filepath.Join(folder, "weft", "0.1",
		"libweft"))
}

// fakeLibrary compiles a library of another version with the functions of native_names.h, but for those left out.
func fakeLibrary(t *testing.T, leftOut string) string {
	t.Helper()
	header := must[[]byte](t)(os.ReadFile("native_names.h"))
	var source strings.Builder
	source.WriteString("int weft_version_number(void) { return 2000; }\n")
	source.WriteString("const char* weft_version(void) { return \"0.2.0\"; }\n")
	for _, name := range regexp.MustCompile(`"(weft_\w+)",`).FindAllStringSubmatch(string(header), -1) {
		if name[1] != leftOut && !strings.HasPrefix(name[1], "weft_version") {
			source.WriteString("void " + name[1] + "(void) {}\n")
		}
	}
	folder := t.TempDir()
	code, library := filepath.Join(folder, "fake.c"), filepath.Join(folder, "libweft.so")
	if err := os.WriteFile(code, []byte(source.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, code).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return library
}

func TestLibraryOfAnotherVersion(t *testing.T) {
	library := fakeLibrary(t, "")
	wantWords(t, child(t, "WEFT_TEST_LOAD="+library, "WEFT_LIBRARY=/nowhere"), library, "0.2.0", "0.1")
}

func TestLibraryWithoutAFunction(t *testing.T) {
	library := fakeLibrary(t, "weft_graph_new")
	wantWords(t, child(t, "WEFT_LIBRARY="+library), library, "weft_graph_new")
}
