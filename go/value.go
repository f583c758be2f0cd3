// The values of a graph: what is known of them, and arithmetic.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"reflect"
	"unsafe"
)

// Value is a value of a graph: an input, a constant, a variable or an output of an operator. The zero Value stands for
// none, where one is optional.
//
// Its methods add the most usual operators; package ops has all of them.
//
// Values can be keys of maps, and are == if they are the same as seen from the same Graph; Same tells whether they are
// the same as seen from any.
type Value struct {
	graph *Graph // through which operators over the value are added
	home  *level // where the value was made
	id    int64
}

// IsNone tells the zero Value, and one that an error kept from being built, from others.
func (v Value) IsNone() bool { return v.id == 0 }

// Graph is the graph through which operators over the value are added; nil for the zero Value.
func (v Value) Graph() *Graph { return v.graph }

// Same tells whether both are one value of one graph.
func (v Value) Same(other Value) bool { return v.id == other.id && v.id != 0 }

// In is the same value for use in a scope or a branch of its graph: what is computed of it is added there.
//
//	encoder := g.Scope("encoder")
//	y := x.In(encoder).Relu().Named("y") // Its name is "encoder/y".
func (v Value) In(g *Graph) Value {
	switch {
	case v.graph == nil:
		return v
	case g.missing():
		return Value{graph: g.orBroken()}
	case g.level.builder != v.graph.level.builder:
		g.change(func(graph *C.weft_graph) error {
			id, err := g.idOf(v)
			if err != nil {
				return err
			}
			return check(C.wg_graph_value(graph, id, nil, nil, nil, nil)) // says what is of another graph
		})
		return Value{graph: g}
	}
	return Value{graph: g, home: v.home, id: v.id}
}

// read calls f on the value's graph; an error leaves what f sets untouched.
func (v Value) read(f func(graph *C.weft_graph, id C.int64_t) *C.weft_status) error {
	if v.home == nil {
		return newError(InvalidArgument, "the value was not built")
	}
	if mine := v.home.builder.acquire(); !mine { // else a body looks at the graph around it
		defer v.home.builder.unlock()
	}
	if !v.home.handle.acquire() {
		return closedError("the graph")
	}
	defer v.home.handle.release()
	return check(f((*C.weft_graph)(v.home.handle.pointer), C.int64_t(v.id)))
}

// Name is the name of the value; "" if it has none.
func (v Value) Name() string {
	var result string
	_ = v.read(func(graph *C.weft_graph, id C.int64_t) *C.weft_status {
		var name *C.char
		status := C.wg_graph_value(graph, id, &name, nil, nil, nil)
		if status == nil {
			result = C.GoString(name)
		}
		return status
	})
	return result
}

// DType is the element type; 0 if it is not known.
func (v Value) DType() DType {
	var dtype C.int32_t
	_ = v.read(func(graph *C.weft_graph, id C.int64_t) *C.weft_status {
		return C.wg_graph_value(graph, id, nil, nil, &dtype, nil)
	})
	return DType(dtype)
}

// Dims are the sizes of the dimensions, -1 for those that are not known; nil if even their number is not.
func (v Value) Dims() []int64 {
	var dims []int64
	_ = v.read(func(graph *C.weft_graph, id C.int64_t) *C.weft_status {
		var rank C.int32_t
		if status := C.wg_graph_value(graph, id, nil, nil, nil, &rank); status != nil || rank < 0 {
			return status
		}
		dims = make([]int64, rank)
		return C.wg_graph_value_dims(graph, id, dimsPointer(dims), rank)
	})
	return dims
}

// Shape is the shape as text, such as "[batch, 3]"; "[...]" if not even the number of dimensions is known.
func (v Value) Shape() string {
	var text string
	_ = v.read(func(graph *C.weft_graph, id C.int64_t) *C.weft_status {
		var block *C.weft_bytes
		status := C.wg_graph_value_shape(graph, id, &block)
		if status == nil {
			text = takeText(block)
		}
		return status
	})
	return text
}

// String is name, type and shape; of what is no tensor, name and kind.
func (v Value) String() string {
	if v.IsNone() {
		return "none"
	}
	if v.home.handle.closed() {
		return "value of a closed graph"
	}
	if kind := v.Kind(); kind != KindTensor {
		return v.Name() + " " + kind.String()
	}
	return v.Name() + " " + v.DType().String() + v.Shape()
}

// Named gives the value a name, below that of the scope that it is seen from, and returns it. It is an error if another
// value of the graph has the name.
func (v Value) Named(name string) Value {
	if v.graph == nil {
		return Value{graph: brokenGraph(newError(InvalidArgument, "a value is missing: weft.Value{} was given"))}
	}
	if v.graph.Err() != nil {
		return v
	}
	full := name
	if name != "" {
		full = v.graph.scope + name
	}
	err := v.read(func(graph *C.weft_graph, id C.int64_t) *C.weft_status {
		cname := cString(full)
		defer freeString(cname)
		return C.wg_graph_set_name(graph, id, cname)
	})
	if err != nil {
		v.graph.fail(err)
	}
	return v
}

func (v Value) unary(op string) Value { return Add(op, []Value{v}, nil, "", 1)[0] }

func (v Value) binary(op string, other Value) Value { return Add(op, []Value{v, other}, nil, "", 1)[0] }

// Scalar is a number of the type of v, to compute with: x.Mul(x.Scalar(0.5)). It is an error if the type does not have it.
func (v Value) Scalar(number float64) Value {
	if v.graph == nil {
		return v.unary("Cast")
	}
	if dtype := v.DType(); !dtype.holds(number) {
		v.graph.fail(newError(InvalidArgument, "%v is no %v, the type of %v", number, dtype, v))
		return Value{graph: v.graph}
	}
	return v.graph.Constant(number).Cast(v.DType())
}

// Add is v + other, element by element, with broadcasting.
func (v Value) Add(other Value) Value { return v.binary("Add", other) }

// Sub is v - other, element by element, with broadcasting.
func (v Value) Sub(other Value) Value { return v.binary("Sub", other) }

// Mul is v * other, element by element, with broadcasting.
func (v Value) Mul(other Value) Value { return v.binary("Mul", other) }

// Div is v / other, element by element, with broadcasting.
func (v Value) Div(other Value) Value { return v.binary("Div", other) }

// Pow is v to the power other, element by element, with broadcasting.
func (v Value) Pow(other Value) Value { return v.binary("Pow", other) }

// Mod is what is left of v / other, with the sign of v as Go's % has it, element by element, with broadcasting.
func (v Value) Mod(other Value) Value {
	return Add("Mod", []Value{v, other}, Attrs{"fmod": 1}, "", 1)[0]
}

// MatMul is the matrix product of v and other; leading dimensions are broadcast.
func (v Value) MatMul(other Value) Value { return v.binary("MatMul", other) }

// Equal is v == other, element by element, with broadcasting.
func (v Value) Equal(other Value) Value { return v.binary("Equal", other) }

// NotEqual is v != other, element by element, with broadcasting.
func (v Value) NotEqual(other Value) Value { return v.Equal(other).Not() }

// Less is v < other, element by element, with broadcasting.
func (v Value) Less(other Value) Value { return v.binary("Less", other) }

// LessOrEqual is v <= other, element by element, with broadcasting.
func (v Value) LessOrEqual(other Value) Value { return v.binary("LessOrEqual", other) }

// Greater is v > other, element by element, with broadcasting.
func (v Value) Greater(other Value) Value { return v.binary("Greater", other) }

// GreaterOrEqual is v >= other, element by element, with broadcasting.
func (v Value) GreaterOrEqual(other Value) Value { return v.binary("GreaterOrEqual", other) }

// And tells where both are true.
func (v Value) And(other Value) Value { return v.binary("And", other) }

// Or tells where at least one is true.
func (v Value) Or(other Value) Value { return v.binary("Or", other) }

// Xor tells where just one is true.
func (v Value) Xor(other Value) Value { return v.binary("Xor", other) }

// Not tells where v is false.
func (v Value) Not() Value { return v.unary("Not") }

// Neg is -v.
func (v Value) Neg() Value { return v.unary("Neg") }

// Abs is |v|.
func (v Value) Abs() Value { return v.unary("Abs") }

// Exp is e to the power v.
func (v Value) Exp() Value { return v.unary("Exp") }

// Log is the natural logarithm of v.
func (v Value) Log() Value { return v.unary("Log") }

// Sqrt is the square root of v.
func (v Value) Sqrt() Value { return v.unary("Sqrt") }

// Relu is v where it is positive, else 0.
func (v Value) Relu() Value { return v.unary("Relu") }

// Sigmoid is 1 / (1 + e^-v).
func (v Value) Sigmoid() Value { return v.unary("Sigmoid") }

// Tanh is the hyperbolic tangent of v.
func (v Value) Tanh() Value { return v.unary("Tanh") }

// Softmax makes probabilities of the scores along a dimension; at most one may be given, and the last is the default.
func (v Value) Softmax(axis ...int64) Value { return v.along("Softmax", []Value{v}, -1, axis) }

// along adds an operator with the attribute axis.
func (v Value) along(op string, inputs []Value, axis int64, given []int64) Value {
	attrs := Attrs{"axis": axis}
	if chosen, problem := only(given); problem != nil {
		attrs["axis"] = problem
	} else if len(given) == 1 {
		attrs["axis"] = chosen
	}
	return Add(op, inputs, attrs, "", 1)[0]
}

// At is the part at index i of a dimension, which goes; at most one dimension may be given, and the first is the
// default. A negative index counts from the end.
func (v Value) At(i int64, axis ...int64) Value {
	if v.graph == nil {
		return v.unary("Gather")
	}
	return v.along("Gather", []Value{v, v.graph.Constant(i)}, 0, axis)
}

// Slice is the parts first, first + step and so on before last along a dimension. A negative index counts from the end;
// math.MaxInt64 as last is the end, and math.MinInt64, with a negative step, the start.
func (v Value) Slice(first, last, axis, step int64) Value {
	inputs := []Value{v}
	if v.graph != nil {
		for _, number := range []int64{first, last, axis, step} {
			inputs = append(inputs, v.graph.Constant([]int64{number}))
		}
	}
	return Add("Slice", inputs, nil, "", 1)[0]
}

// Reshape is v with another shape; one dimension may be -1, and 0 is that of v.
func (v Value) Reshape(dims ...int64) Value {
	if v.graph == nil {
		return v.unary("Reshape")
	}
	return v.binary("Reshape", v.graph.Constant(dims))
}

// Transpose permutes the dimensions; without perm it reverses them.
func (v Value) Transpose(perm ...int64) Value {
	return Add("Transpose", []Value{v}, Attrs{"perm": perm}, "", 1)[0]
}

// T is v with its dimensions reversed: of a matrix, the transposed one.
func (v Value) T() Value { return v.Transpose() }

// Cast converts the elements.
func (v Value) Cast(to DType) Value { return Add("Cast", []Value{v}, Attrs{"to": to}, "", 1)[0] }

// Sum is the sum over the axes, which go; over all elements without axes. ops.ReduceSum can keep them.
func (v Value) Sum(axes ...int64) Value { return v.reduce("ReduceSum", axes) }

// Mean is the mean over the axes, which go; over all elements without axes.
func (v Value) Mean(axes ...int64) Value { return v.reduce("ReduceMean", axes) }

// Max is the largest element over the axes, which go; of all elements without axes.
func (v Value) Max(axes ...int64) Value { return v.reduce("ReduceMax", axes) }

// Min is the smallest element over the axes, which go; of all elements without axes.
func (v Value) Min(axes ...int64) Value { return v.reduce("ReduceMin", axes) }

// Prod is the product over the axes, which go; over all elements without axes.
func (v Value) Prod(axes ...int64) Value { return v.reduce("ReduceProd", axes) }

func (v Value) reduce(op string, axes []int64) Value {
	inputs := []Value{v}
	if len(axes) > 0 && v.graph != nil {
		inputs = append(inputs, v.graph.Constant(axes))
	}
	return Add(op, inputs, Attrs{"keepdims": false}, "", 1)[0]
}

// tensorOfAny makes a tensor of a number or string, or of slices of them, equally long at each level.
func tensorOfAny(value any) (*Tensor, error) {
	if value == nil {
		return nil, newError(InvalidArgument, "a constant cannot be nil")
	}
	var dims []int64
	for v := reflect.ValueOf(value); v.Kind() == reflect.Slice || v.Kind() == reflect.Array; v = v.Index(0) {
		dims = append(dims, int64(v.Len()))
		if v.Len() == 0 {
			break
		}
	}
	element := reflect.TypeOf(value)
	for range dims {
		element = element.Elem()
	}
	if element.Kind() == reflect.Int {
		element = reflect.TypeFor[int64]()
	}
	dtype := dtypeOf(reflect.Zero(element).Interface())
	if dtype == 0 {
		return nil, newError(InvalidArgument, "a constant cannot be made of %T", value)
	}
	flat := reflect.MakeSlice(reflect.SliceOf(element), 0, 1)
	flat, err := flatten(flat, reflect.ValueOf(value), dims)
	if err != nil {
		return nil, err
	}
	if texts, ok := flat.Interface().([]string); ok {
		return tensorOfStrings(dims, texts)
	}
	size := uintptr(flat.Len()) * element.Size()
	return copyTensor(dtype, dims, unsafe.Pointer(flat.Pointer()), C.size_t(size))
}

// flatten appends the elements of value; it goes no deeper than the type of value.
func flatten(flat, value reflect.Value, dims []int64) (reflect.Value, error) {
	if len(dims) == 0 {
		return reflect.Append(flat, value.Convert(flat.Type().Elem())), nil
	}
	if int64(value.Len()) != dims[0] {
		return flat, newError(InvalidArgument, "slices of a constant differ in length: %d and %d", dims[0], value.Len())
	}
	var err error
	for i := 0; i < value.Len() && err == nil; i++ {
		flat, err = flatten(flat, value.Index(i), dims[1:])
	}
	return flat, err
}
