// Running the cases of the operators.

package cases_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
	"github.com/weft-ml/weft/go/ops"
)

func TestMain(m *testing.M) {
	built, err := filepath.Abs("../../../build/dev/c_api/libweft.so")
	if err == nil && os.Getenv("WEFT_LIBRARY") == "" {
		if _, err := os.Stat(built); err == nil {
			os.Setenv("WEFT_LIBRARY", built)
		}
	}
	code := m.Run()
	if left := weft.LiveObjects(); left != 0 {
		fmt.Fprintf(os.Stderr, "%d objects are still alive\n", left)
		code = 1
	}
	os.Exit(code)
}

// literal is a tensor as text: its type and shape, such as "f32[2,3]", and its elements; or a sequence, of the kind "seq".
// The zero literal is none.
type literal struct {
	kind  string
	words string
	texts []string
	items []literal
}

// testCase is an operator with inputs, and what it gives: want, or an error.
type testCase struct {
	name               string
	opset              int
	inputs             []literal
	build              func(c *testCase, x []weft.Value) []weft.Value
	want               []literal
	relative, absolute float64
	code               weft.Code
	message            string

	t     *testing.T
	graph *weft.Graph
}

func run(t *testing.T, c testCase) {
	t.Run(c.name, func(t *testing.T) {
		c.t = t
		results, err := c.run()
		defer closeAll(results)
		if c.code != 0 {
			var e *weft.Error
			if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Message, c.message) || e.Op == "" {
				t.Errorf("got %v, want %v with %q", err, c.code, c.message)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range c.want {
			if want.kind != "" {
				c.compare(fmt.Sprintf("output %d", i), results[i], want)
			}
		}
	})
}

func closeAll(tensors []*weft.Tensor) {
	for _, made := range tensors {
		made.Close()
	}
}

// run builds a graph of the operator and runs it.
func (c *testCase) run() ([]*weft.Tensor, error) {
	c.graph = weft.NewGraphOpset(c.opset)
	defer c.graph.Close()
	feeds, values := weft.Feeds{}, make([]weft.Value, len(c.inputs))
	for i, input := range c.inputs {
		if input.kind != "" {
			values[i] = c.input(fmt.Sprintf("in%d", i), input, feeds)
		}
	}
	outputs := c.build(c, values)
	session, err := weft.NewSession(c.graph)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	return session.Run(c.t.Context(), feeds, outputs...)
}

// input is one that is fed, or a sequence of such.
func (c *testCase) input(name string, l literal, feeds weft.Feeds) weft.Value {
	if l.kind == "seq" {
		if len(l.items) == 0 {
			return ops.SequenceEmpty(c.graph)
		}
		var parts []weft.Value
		for i, item := range l.items {
			parts = append(parts, c.input(fmt.Sprintf("%s_%d", name, i), item, feeds))
		}
		return ops.SequenceConstruct(parts)
	}
	made := c.tensor(l)
	var dims []any
	for _, size := range made.Shape() {
		dims = append(dims, size)
	}
	value := c.graph.Input(name, made.DType(), dims...)
	feeds[value] = made
	return value
}

// number reads what strconv reads, and signed infinities.
func number(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return value
}

// tensor makes the tensor of a literal, closed at the end of the test.
func (c *testCase) tensor(l literal) *weft.Tensor {
	name, sizes, _ := strings.Cut(strings.TrimSuffix(l.kind, "]"), "[")
	var dims []int64
	for _, size := range strings.FieldsFunc(sizes, func(r rune) bool { return r == ',' }) {
		dims = append(dims, int64(number(size)))
	}
	words := strings.Fields(l.words)
	var made *weft.Tensor
	var err error
	switch name {
	case "string":
		made, err = weft.TensorFrom(dims, l.texts)
	case "bool":
		made, err = parsed(dims, words, func(w string) bool { return w == "true" })
	case "f16":
		made, err = parsed(dims, words, func(w string) weft.Float16 { return weft.NewFloat16(float32(number(w))) })
	case "bf16":
		made, err = parsed(dims, words, func(w string) weft.BFloat16 { return weft.NewBFloat16(float32(number(w))) })
	case "f32":
		made, err = parsed(dims, words, func(w string) float32 { return float32(number(w)) })
	case "f64":
		made, err = parsed(dims, words, number)
	case "i8":
		made, err = parsed(dims, words, signed[int8])
	case "i16":
		made, err = parsed(dims, words, signed[int16])
	case "i32":
		made, err = parsed(dims, words, signed[int32])
	case "i64":
		made, err = parsed(dims, words, signed[int64])
	case "u8":
		made, err = parsed(dims, words, unsigned[uint8])
	case "u16":
		made, err = parsed(dims, words, unsigned[uint16])
	case "u32":
		made, err = parsed(dims, words, unsigned[uint32])
	case "u64":
		made, err = parsed(dims, words, unsigned[uint64])
	default:
		c.t.Fatalf("what is %q?", l.kind)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { made.Close() })
	return made
}

func parsed[T weft.Element](dims []int64, words []string, parse func(string) T) (*weft.Tensor, error) {
	data := make([]T, len(words))
	for i, text := range words {
		data[i] = parse(text)
	}
	return weft.TensorFrom(dims, data)
}

func signed[T int8 | int16 | int32 | int64](text string) T {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return T(value)
}

func unsigned[T uint8 | uint16 | uint32 | uint64](text string) T {
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return T(value)
}

// compare wants floating-point numbers to be near, all else to be equal.
func (c *testCase) compare(output string, got *weft.Tensor, l literal) {
	if l.kind == "seq" {
		c.compareItems(output, got, l.items)
		return
	}
	want := c.tensor(l)
	if got.String() != want.String() {
		c.t.Fatalf("%s is %v, want %v", output, got, want)
	}
	switch want.DType() {
	case weft.F16:
		near(c, output, got, want, func(x weft.Float16) float64 { return float64(x.Float32()) })
	case weft.BF16:
		near(c, output, got, want, func(x weft.BFloat16) float64 { return float64(x.Float32()) })
	case weft.F32:
		near(c, output, got, want, func(x float32) float64 { return float64(x) })
	case weft.F64:
		near(c, output, got, want, func(x float64) float64 { return x })
	case weft.String:
		equal(c, output, got, want, weft.Data[string])
	default:
		equal(c, output, got, want, (*weft.Tensor).Bytes)
	}
}

func (c *testCase) compareItems(output string, got *weft.Tensor, want []literal) {
	if got.Kind() != weft.KindSequence || got.Len() != len(want) {
		c.t.Fatalf("%s is %v, want a sequence of %d items", output, got, len(want))
	}
	for i, l := range want {
		item, err := got.At(i)
		if err != nil {
			c.t.Fatal(err)
		}
		defer item.Close()
		c.compare(fmt.Sprintf("%s, item %d", output, i), item, l)
	}
}

func equal[T comparable](c *testCase, output string, got, want *weft.Tensor, read func(*weft.Tensor) ([]T, error)) {
	wanted, err1 := read(want)
	have, err2 := read(got)
	if err := errors.Join(err1, err2); err != nil || !slices.Equal(have, wanted) {
		c.t.Errorf("%s is %v, want %v (%v)", output, have, wanted, err)
	}
}

func near[T weft.Element](c *testCase, output string, got, want *weft.Tensor, wide func(T) float64) {
	wanted, err1 := weft.Data[T](want)
	have, err2 := weft.Data[T](got)
	if err := errors.Join(err1, err2); err != nil {
		c.t.Fatal(err)
	}
	for i := range wanted {
		a, b := wide(have[i]), wide(wanted[i])
		same := a == b || math.IsNaN(a) && math.IsNaN(b)
		if !same && !(math.Abs(a-b) <= c.absolute+c.relative*math.Abs(b)) {
			c.t.Errorf("%s, element %d is %v, want %v", output, i, a, b)
		}
	}
}
