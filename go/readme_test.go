// Tests of what README.md says.

package weft_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

// block is the first block of code of that language in README.md.
func block(t *testing.T, language string) string {
	t.Helper()
	text := string(must[[]byte](t)(os.ReadFile("README.md")))
	_, rest, begun := strings.Cut(text, "\n```"+language+"\n")
	code, _, ended := strings.Cut(rest, "```\n")
	if !begun || !ended {
		t.Fatalf("README.md has no %s", language)
	}
	return code
}

func TestTheProgramOfTheReadme(t *testing.T) {
	folder := t.TempDir()
	here := must[string](t)(filepath.Abs("."))
	module := fmt.Sprintf("module corner\n\ngo 1.24\n\nrequire github.com/weft-ml/weft/go v0.1.0\n\n"+
		"replace github.com/weft-ml/weft/go => %s\n", here)
	for name, text := range map[string]string{"go.mod": module, "corner.go": block(t, "go")} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("go", "run", ".")
	command.Dir = folder
	command.Env = append(os.Environ(), "WEFT_LIBRARY="+must[string](t)(weft.Library()), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := command.CombinedOutput()
	if want := block(t, "text"); err != nil || string(out) != want {
		t.Errorf("%v: got\n%s\nwant\n%s", err, out, want)
	}
}

func TestWithoutCgo(t *testing.T) {
	command := exec.Command("go", "build", ".", "./ops")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := command.CombinedOutput()
	text := string(out)
	const want = "undefined: weft_needs_cgo_so_set_CGO_ENABLED_to_1_and_install_a_C_compiler"
	readme := strings.Join(strings.Fields(string(must[[]byte](t)(os.ReadFile("README.md")))), " ")
	if err == nil || !strings.Contains(text, want) || strings.Count(text, "undefined:") != 1 ||
		!strings.Contains(readme, want) {
		t.Errorf("%v: got %s", err, text)
	}
}
