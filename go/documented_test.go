// A test that the examples leave nothing out.

package weft_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestEveryEntryIsInAnExample finds every exported function, method and type of the package in the Example functions.
func TestEveryEntryIsInAnExample(t *testing.T) {
	entries, used := map[string]bool{}, map[string]bool{}
	for _, entry := range must[[]os.DirEntry](t)(os.ReadDir(".")) {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		file := must[*ast.File](t)(parser.ParseFile(token.NewFileSet(), name, nil, 0))
		switch {
		case strings.HasPrefix(name, "example_"):
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					used[n.Sel.Name] = true
				case *ast.KeyValueExpr:
					if key, ok := n.Key.(*ast.Ident); ok {
						used[key.Name] = true
					}
				}
				return true
			})
		case !strings.HasSuffix(name, "_test.go"):
			for _, declaration := range file.Decls {
				addExported(entries, declaration)
			}
		}
	}
	// Called by others: by fmt, errors, encoding and the compiler.
	for _, name := range []string{"String", "Error", "Unwrap", "MarshalText", "UnmarshalText", "Element", "Key", "Number"} {
		delete(entries, name)
	}
	var missing []string
	for name := range entries {
		if !used[name] {
			missing = append(missing, name)
		}
	}
	if slices.Sort(missing); len(missing) != 0 {
		t.Errorf("no example has %v", missing)
	}
}

func addExported(entries map[string]bool, declaration ast.Decl) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() {
			entries[d.Name.Name] = true
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() {
				entries[s.Name.Name] = true
			}
		}
	}
}
