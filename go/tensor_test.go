// Tests of tensors and element types.

package weft_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	weft "github.com/weft-ml/weft/go"
)

func roundTrip[T weft.Element](t *testing.T, dtype weft.DType, data ...T) {
	t.Helper()
	made := tensor(t, []int64{int64(len(data)), 1}, data...)
	wantData(t, must[[]T](t)(weft.Data[T](made)), data...)
	if made.DType() != dtype || weft.DTypeOf[T]() != dtype || made.Len() != len(data) ||
		!slices.Equal(made.Shape(), []int64{int64(len(data)), 1}) {
		t.Errorf("got %v", made)
	}
	empty := tensor[T](t, []int64{0, 2})
	if got := must[[]T](t)(weft.Data[T](empty)); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestTensorsOfEveryType(t *testing.T) {
	noLeaks(t)
	roundTrip[float32](t, weft.F32, 1.5, -2)
	roundTrip[float64](t, weft.F64, 1.5, -2)
	roundTrip[int8](t, weft.I8, 1, -2)
	roundTrip[int16](t, weft.I16, 1, -2)
	roundTrip[int32](t, weft.I32, 1, -2)
	roundTrip[int64](t, weft.I64, 1, math.MinInt64)
	roundTrip[uint8](t, weft.U8, 1, 255)
	roundTrip[uint16](t, weft.U16, 1, 2)
	roundTrip[uint32](t, weft.U32, 1, 2)
	roundTrip[uint64](t, weft.U64, 1, math.MaxUint64)
	roundTrip(t, weft.Bool, true, false)
	roundTrip[complex64](t, weft.C64, 1+2i)
	roundTrip[complex128](t, weft.C128, 1+2i)
	roundTrip[weft.Float16](t, weft.F16, weft.NewFloat16(0.5))
	roundTrip[weft.BFloat16](t, weft.BF16, weft.NewBFloat16(0.5))
	roundTrip(t, weft.String, "a", "", "with \x00 in it", "ü")
}

func TestHalves(t *testing.T) {
	// From IEEE 754: largest, smallest normal, smallest subnormal, ties to even.
	for bits, value := range map[uint16]float32{0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 6.103515625e-05,
		0x0001: 5.9604644775390625e-08, 0x3555: 0.333251953125, 0x8000: float32(math.Copysign(0, -1)),
		0x7c00: float32(math.Inf(1)), 0xfc00: float32(math.Inf(-1))} {
		if got := weft.Float16(bits).Float32(); got != value {
			t.Errorf("%04x is %v, want %v", bits, got, value)
		}
		if got := weft.NewFloat16(value); uint16(got) != bits {
			t.Errorf("%v is %04x, want %04x", value, got, bits)
		}
	}
	for value, bits := range map[float32]uint16{65520: 0x7c00, 65519: 0x7bff, 2.98e-08: 0x0000, 2.99e-08: 0x0001,
		1.00048828125: 0x3c00, 1.00146484375: 0x3c02, 1e10: 0x7c00} {
		if got := weft.NewFloat16(value); uint16(got) != bits {
			t.Errorf("%v is %04x, want %04x", value, got, bits)
		}
	}
	nan := float32(math.NaN())
	if half := weft.NewFloat16(nan).Float32(); half == half {
		t.Errorf("got %v", half)
	}
	for bits := range 1 << 16 {
		half := weft.Float16(bits)
		if f := half.Float32(); f == f && weft.NewFloat16(f) != half {
			t.Fatalf("%04x becomes %04x", bits, weft.NewFloat16(f))
		}
	}
	for value, bits := range map[float32]uint16{1: 0x3f80, -2: 0xc000, 1.00390625: 0x3f80, 1.01171875: 0x3f82,
		3.4e38: 0x7f80} {
		if got := weft.NewBFloat16(value); uint16(got) != bits {
			t.Errorf("%v is %04x, want %04x", value, got, bits)
		}
	}
	if brain := weft.NewBFloat16(nan).Float32(); brain == brain {
		t.Errorf("got %v", brain)
	}
	if got := weft.BFloat16(0x3f80).Float32(); got != 1 {
		t.Errorf("got %v", got)
	}
}

func TestTensorsAreReadAndWritten(t *testing.T) {
	noLeaks(t)
	made := tensor[float32](t, []int64{2, 2}, 1, 2, 3, 4)
	shared := must[*weft.Tensor](t)(made.Reshape(4))
	copied := must[*weft.Tensor](t)(made.Clone())
	closeAfter(t, shared, copied)
	if err := weft.SetData(made, []float32{5, 6, 7, 8}); err != nil {
		t.Fatal(err)
	}
	err := weft.Edit(made, func(data []float32) error { data[3] = 9; return nil })
	if err != nil {
		t.Fatal(err)
	}
	wantData(t, must[[]float32](t)(weft.Data[float32](shared)), 5, 6, 7, 9)
	wantData(t, must[[]float32](t)(weft.Data[float32](copied)), 1, 2, 3, 4)
	sum := float32(0)
	err = weft.View(made, func(data []float32) error {
		made.Close() // The memory stays until the function returns.
		for _, x := range data {
			sum += x
		}
		return nil
	})
	if err != nil || sum != 27 {
		t.Errorf("got %v, %v", sum, err)
	}
	want := errors.New("mine")
	if err := weft.View(copied, func([]float32) error { return want }); err != want {
		t.Errorf("got %v", err)
	}
}

func TestOtherWaysToMakeTensors(t *testing.T) {
	noLeaks(t)
	rows := must[*weft.Tensor](t)(weft.TensorOfRows([][]int32{{1, 2, 3}, {4, 5, 6}}))
	list := must[*weft.Tensor](t)(weft.TensorOf[float32](1, 2))
	scalar := must[*weft.Tensor](t)(weft.ScalarOf(2.5))
	zeros := must[*weft.Tensor](t)(weft.ZeroTensor(weft.I64, 2))
	raw := must[*weft.Tensor](t)(weft.TensorFromBytes(weft.U16, []int64{2}, []byte{1, 0, 2, 0}))
	sequence := must[*weft.Tensor](t)(weft.SequenceOf(rows, list))
	item := must[*weft.Tensor](t)(sequence.At(1))
	closeAfter(t, rows, list, scalar, zeros, raw, sequence, item)
	if rows.String() != "i32[2, 3]" || scalar.String() != "f64[]" || sequence.Len() != 2 {
		t.Errorf("got %v, %v, %v", rows, scalar, sequence)
	}
	if got := must[float64](t)(weft.Scalar[float64](scalar)); got != 2.5 {
		t.Errorf("got %v", got)
	}
	wantData(t, must[[]int64](t)(weft.Data[int64](zeros)), 0, 0)
	wantData(t, must[[]uint16](t)(weft.Data[uint16](raw)), 1, 2)
	wantData(t, must[[]byte](t)(raw.Bytes()), 1, 0, 2, 0)
	wantData(t, must[[]float32](t)(weft.Data[float32](item)), 1, 2)
}

func TestMisusedTensors(t *testing.T) {
	noLeaks(t)
	made := tensor[float32](t, []int64{2}, 1, 2)
	texts := tensor(t, []int64{1}, "a")
	closed, _ := weft.TensorOf[float32](1)
	closed.Close()
	closed.Close()
	var none *weft.Tensor
	none.Close()
	cases := map[string]struct {
		code    weft.Code
		message string
		misuse  func() error
	}{
		"few": {weft.InvalidArgument, "", func() error {
			_, err := weft.TensorFrom([]int64{3}, []float32{1, 2})
			return err
		}},
		"negative": {weft.InvalidArgument, "", func() error {
			_, err := weft.TensorFrom([]int64{-1}, []float32{})
			return err
		}},
		"huge": {weft.ResourceExhausted, "", func() error {
			_, err := weft.ZeroTensor(weft.F64, 1<<62, 1<<62)
			return err
		}},
		"dtype": {weft.InvalidArgument, "", func() error { _, err := weft.ZeroTensor(99, 1); return err }},
		"type": {weft.InvalidArgument, "f32, not f64", func() error {
			_, err := weft.Data[float64](made)
			return err
		}},
		"text": {weft.InvalidArgument, "f32, not string", func() error {
			_, err := weft.Data[string](made)
			return err
		}},
		"view": {weft.InvalidArgument, "f32, not i8", func() error {
			return weft.View(made, func([]int8) error { return nil })
		}},
		"bytes": {weft.InvalidArgument, "", func() error { _, err := texts.Bytes(); return err }},
		"set": {weft.InvalidArgument, "2 elements, but 1", func() error {
			return weft.SetData(made, []float32{1})
		}},
		"scalar": {weft.InvalidArgument, "2 elements", func() error {
			_, err := weft.Scalar[float32](made)
			return err
		}},
		"reshape": {weft.InvalidArgument, "", func() error { _, err := made.Reshape(3); return err }},
		"device":  {weft.NotFound, "there is no device 'nowhere:0'", func() error { _, err := made.To("nowhere:0"); return err }},
		"closed to": {weft.FailedPrecondition, "closed", func() error {
			_, err := closed.To("cpu")
			return err
		}},
		"item": {weft.OutOfRange, "", func() error { _, err := made.At(0); return err }},
		"ragged": {weft.InvalidArgument, "row 1", func() error {
			_, err := weft.TensorOfRows([][]int8{{1}, {}})
			return err
		}},
		"closed": {weft.FailedPrecondition, "closed", func() error {
			_, err := weft.Data[float32](closed)
			return err
		}},
		"closed set": {weft.FailedPrecondition, "closed", func() error { return weft.SetData(closed, []float32{1}) }},
		"closed seq": {weft.FailedPrecondition, "closed", func() error {
			_, err := weft.SequenceOf(made, closed)
			return err
		}},
		"nil":  {weft.InvalidArgument, "nil", func() error { _, err := none.Clone(); return err }},
		"zero": {weft.InvalidArgument, "nil", func() error { _, err := new(weft.Tensor).Clone(); return err }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.misuse()
			if !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.message) {
				t.Errorf("got %v, want %v with %q", err, c.code, c.message)
			}
		})
	}
	if closed.Shape() != nil || closed.Len() != 0 || closed.DType() != 0 || closed.Device() != "" || none.String() != "tensor (closed)" {
		t.Error("a closed tensor has a shape")
	}
}

func TestBits(t *testing.T) {
	for dtype, bits := range map[weft.DType]int{weft.F32: 32, weft.BF16: 16, weft.C128: 128, weft.Bool: 8, weft.I4: 4,
		weft.U2: 2, weft.String: 0, 0: 0, 99: 0, -1: 0} {
		if got := dtype.Bits(); got != bits {
			t.Errorf("%v has %d bits, want %d", dtype, got, bits)
		}
	}
}

func TestDTypesAsText(t *testing.T) {
	text := must[[]byte](t)(json.Marshal([]weft.DType{weft.F32, weft.String, weft.BF16}))
	if string(text) != `["f32","string","bf16"]` {
		t.Errorf("got %s", text)
	}
	var dtypes []weft.DType
	if err := json.Unmarshal(text, &dtypes); err != nil || !slices.Equal(dtypes, []weft.DType{weft.F32,
		weft.String, weft.BF16}) {
		t.Errorf("got %v, %v", dtypes, err)
	}
	if err := json.Unmarshal([]byte(`["f31"]`), &dtypes); !errors.Is(err, weft.NotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := json.Marshal(weft.DType(77)); err == nil {
		t.Error("dtype 77 has a name")
	}
}
