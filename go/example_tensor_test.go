// Examples of tensors and element types.

package weft_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"

	weft "github.com/weft-ml/weft/go"
)

func ExampleTensorFrom() {
	matrix := need(weft.TensorFrom([]int64{2, 3}, []float32{1, 2, 3, 4, 5, 6}))
	defer matrix.Close()
	fmt.Println(matrix, matrix.DType(), matrix.Shape(), matrix.Len())
	_, err := weft.TensorFrom([]int64{2, 3}, []float32{1})
	fmt.Println(errors.Is(err, weft.InvalidArgument))
	// Output:
	// f32[2, 3] f32 [2 3] 6
	// true
}

func ExampleTensorOf() {
	list := need(weft.TensorOf("a", "b"))
	defer list.Close()
	rows := need(weft.TensorOfRows([][]int32{{1, 2}, {3, 4}}))
	defer rows.Close()
	one := need(weft.ScalarOf(true))
	defer one.Close()
	zeros := need(weft.ZeroTensor(weft.F64, 2, 2))
	defer zeros.Close()
	raw := need(weft.TensorFromBytes(weft.U16, []int64{2}, []byte{1, 0, 2, 0}))
	defer raw.Close()
	fmt.Println(list, rows, one, zeros, need(raw.Bytes()))
	// Output: string[2] i32[2, 2] bool[] f64[2, 2] [1 0 2 0]
}

func ExampleData() {
	made := need(weft.TensorOf[float32](1, 2))
	defer made.Close()
	fmt.Println(need(weft.Data[float32](made)))
	_, err := weft.Data[float64](made)
	fmt.Println(err)
	// Output:
	// [1 2]
	// weft: INVALID_ARGUMENT: the tensor holds f32, not f64
}

func ExampleScalar() {
	made := need(weft.ScalarOf[int64](7))
	defer made.Close()
	fmt.Println(need(weft.Scalar[int64](made)))
	// Output: 7
}

func ExampleEdit() {
	made := need(weft.ZeroTensor(weft.F32, 3))
	defer made.Close()
	err := weft.Edit(made, func(data []float32) error {
		data[1] = 5
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(need(weft.Data[float32](made)), weft.SetData(made, []float32{1, 2, 3}), need(weft.Data[float32](made)))
	// Output: [0 5 0] <nil> [1 2 3]
}

func ExampleTensor_Reshape() {
	made := need(weft.TensorOf[float32](1, 2, 3, 4))
	defer made.Close()
	shared, copied := need(made.Reshape(2, 2)), need(made.Clone())
	defer shared.Close()
	defer copied.Close()
	if err := weft.SetData(made, []float32{0, 0, 0, 0}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(shared, need(weft.Data[float32](shared)), need(weft.Data[float32](copied)))
	// Output: f32[2, 2] [0 0 0 0] [1 2 3 4]
}

func ExampleTensor_To() {
	made := need(weft.TensorOf[float32](1, 2))
	defer made.Close()
	there := need(made.To("cpu")) // Or another of weft.Devices().
	defer there.Close()
	fmt.Println(there.Device(), need(weft.Data[float32](there)))
	_, err := made.To("cuda:7")
	fmt.Println(errors.Is(err, weft.NotFound))
	// Output:
	// cpu [1 2]
	// true
}

func ExampleSequenceOf() {
	a, b := need(weft.TensorOf[float32](1)), need(weft.TensorOf[float32](2, 3))
	defer a.Close()
	defer b.Close()
	sequence := need(weft.SequenceOf(a, b))
	defer sequence.Close()
	last := need(sequence.At(1))
	defer last.Close()
	fmt.Println(sequence.Kind(), sequence.Len(), last.Kind(), last)
	// Output: sequence 2 tensor f32[2]
}

func ExampleOptionalOf() {
	one := need(weft.ScalarOf[float32](1))
	defer one.Close()
	held, none := need(weft.OptionalOf(one)), need(weft.OptionalOf(nil))
	defer held.Close()
	defer none.Close()
	fmt.Println(held.Len(), none.Len())
	// Output: 1 0
}

func ExampleMapFrom() {
	heights := need(weft.MapFrom(map[string]float32{"Ada": 1.5, "Bob": 1.75}))
	defer heights.Close()
	fmt.Println(heights, need(weft.ToMap[string, float32](heights)))
	// Output: map of 2 from string to f32 map[Ada:1.5 Bob:1.75]
}

func ExampleMapOf() {
	keys, values := need(weft.TensorOf[int64](3, 1)), need(weft.TensorOf[float32](0.25, 0.75))
	defer keys.Close()
	defer values.Close()
	shares := need(weft.MapOf(keys, values))
	defer shares.Close()
	both := need(weft.SequenceOf(shares, shares)) // such as ZipMap gives, a map for each row
	defer both.Close()
	fmt.Println(shares.Len(), need(weft.ToMaps[int64, float32](both)))
	// Output: 2 [map[1:0.75 3:0.25] map[1:0.75 3:0.25]]
}

func ExampleTensor_Close() {
	made := need(weft.TensorOf[float32](1))
	made.Close()
	made.Close() // That is no error, but using it is.
	_, err := weft.Data[float32](made)
	fmt.Println(errors.Is(err, weft.ErrClosed), made)
	// Output: true tensor (closed)
}

func ExampleDType() {
	text := need(json.Marshal(map[string]weft.DType{"dtype": weft.BF16}))
	dtype := need(weft.ParseDType("f16"))
	fmt.Println(string(text), dtype, dtype.Bits(), weft.DTypeOf[int64]())
	// Output: {"dtype":"bf16"} f16 16 i64
}

func ExampleFloat16() {
	halves := []weft.Float16{weft.NewFloat16(1.0 / 3), weft.NewFloat16(65504)}
	made := need(weft.TensorOf(halves...))
	defer made.Close()
	fmt.Println(made, halves[0].Float32(), halves[1].Float32())
	// Output: f16[2] 0.33325195 65504
}

func ExampleBFloat16() {
	brains := []weft.BFloat16{weft.NewBFloat16(1.0 / 3), weft.NewBFloat16(3e38)}
	fmt.Println(brains[0].Float32(), brains[1].Float32())
	// Output: 0.33398438 3.0040553e+38
}

func ExampleTensorFromDLPack() {
	made := need(weft.TensorOf[float32](1, 2, 3))
	managed := need(made.DLPack()) // For another library of the process; here it comes back.
	made.Close()
	back := need(weft.TensorFromDLPack(managed))
	defer back.Close()
	fmt.Println(back, need(weft.Data[float32](back)))
	// Output: f32[3] [1 2 3]
}

func ExampleTensorFromDLPackUnversioned() {
	made := need(weft.TensorOf[int64](7))
	defer made.Close()
	back := need(weft.TensorFromDLPackUnversioned(need(made.DLPackUnversioned())))
	defer back.Close()
	fmt.Println(need(weft.Scalar[int64](back)))
	// Output: 7
}
