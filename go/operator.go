// Operators that the program adds to those of the library.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"maps"
	"math"
	"runtime/cgo"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// Operator is an operator of the program's own, for AddOperator: what it is called, takes and gives.
type Operator struct {
	Name       string             // a domain, a dot and an identifier: "com.acme.FastGelu"
	Inputs     []Formal           // what it takes
	Outputs    []Formal           // what it gives, at least one
	Types      map[string][]DType // type variables, such as "T": what is of one has one of these types
	Attributes []Attribute        // its attributes
	Version    int                // of its domain, which saved files name; 0 is 1
	Doc        string             // what it computes
}

// Formal is an input or output of an Operator.
type Formal struct {
	Name     string // an identifier
	Type     string // a type variable or element type ("T", "i64"), or seq(...), optional(...) or map(..., ...) of such
	Optional bool   // may be left out; those that may not come first
	Variadic bool   // is there once or more often, all of one type; the last one alone
	Doc      string // for people
}

// Attribute is an attribute of an Operator.
type Attribute struct {
	Name         string // an identifier
	Kind         string // "int", "float", "string", "tensor", "bool", "dtype", "ints", "floats" or "strings"
	DefaultValue any    // what it is where a node does not say, as in Attrs; with nil a node may lack it
	Required     bool   // a node must have it
	Doc          string // for people
}

// BodyFunction builds the body of a node in a graph of its own, which is closed after it. inputs are all of the operator's,
// weft.Value{} for one that the node has not, of a variadic one as many as it has. attrs are the attributes of the node with
// their defaults: an int64, float64, string, bool, DType or *Tensor, or a slice of the first three; a tensor is closed after
// it. It gives the outputs, at least as many as the node has.
//
// It is called when a node is added, loaded, differentiated and made ready to run, several times for one node, on the
// thread that does it or on several at once. What it builds must depend on the types, shapes and attributes alone, and be
// built of the values that it gets; it may use other operators of the program, but not its own. It must not wait for another
// goroutine that uses a graph which was there before, as that one waits for whoever needs the body. An error that it gives,
// one of building the graph, one of adding to a graph that was there before, which leaves that graph as it was, a panic or
// runtime.Goexit is the cause of the error of the call that needed the body.
type BodyFunction func(graph *Graph, inputs []Value, attrs Attrs) ([]Value, error)

// addedOperator is what the library holds of an operator, for good.
type addedOperator struct {
	name        string
	attributes  []Attribute // without defaults, which may be tensors
	mostOutputs int         // -1 for any number
	body        BodyFunction
}

// AddOperator registers an operator for the process, for good: Graph.Add takes it by its name, files that have nodes of it
// can be loaded, and it is saved, differentiated and run as any other. Goroutines may build and run graphs meanwhile.
func AddOperator(op Operator, body BodyFunction) error {
	if err := load(); err != nil {
		return err
	}
	if body == nil {
		return nilError("the body of an operator")
	}
	schema, err := op.schema()
	if err != nil {
		return err
	}
	defer C.wg_schema_free(schema)
	added := &addedOperator{name: op.Name, mostOutputs: len(op.Outputs), body: body}
	if n := len(op.Outputs); n > 0 && op.Outputs[n-1].Variadic {
		added.mostOutputs = -1
	}
	for _, attribute := range op.Attributes {
		added.attributes = append(added.attributes, Attribute{Name: attribute.Name, Kind: attribute.Kind})
	}
	return check(C.wg_op_add(schema, 0, C.wg_body, C.uintptr_t(cgo.NewHandle(added)), C.wg_drop))
}

// schema is what the operator is like, for the caller to free.
func (op Operator) schema() (*C.weft_schema, error) {
	name, doc := cString(op.Name), cString(op.Doc)
	defer freeString(name)
	defer freeString(doc)
	version := op.Version
	if version == 0 {
		version = 1
	}
	if version != int(int32(version)) {
		return nil, newError(InvalidArgument, "the version is %d but must be 1 to %d", version, math.MaxInt32)
	}
	var schema *C.weft_schema
	if err := check(C.wg_schema_new(name, C.int32_t(version), doc, &schema)); err != nil {
		return nil, err
	}
	if err := op.declareIn(schema); err != nil {
		C.wg_schema_free(schema)
		return nil, err
	}
	return schema, nil
}

func (op Operator) declareIn(schema *C.weft_schema) error {
	for _, variable := range slices.Sorted(maps.Keys(op.Types)) {
		if err := addType(schema, variable, op.Types[variable]); err != nil {
			return err
		}
	}
	for _, input := range op.Inputs {
		add := func(name, kind *C.char, form C.int32_t, doc *C.char) *C.weft_status {
			return C.wg_schema_add_input(schema, name, kind, form, doc)
		}
		if err := input.addTo(add); err != nil {
			return err
		}
	}
	for _, output := range op.Outputs {
		add := func(name, kind *C.char, form C.int32_t, doc *C.char) *C.weft_status {
			return C.wg_schema_add_output(schema, name, kind, form, doc)
		}
		if err := output.addTo(add); err != nil {
			return err
		}
	}
	for _, attribute := range op.Attributes {
		if err := attribute.addTo(schema); err != nil {
			return err
		}
	}
	return nil
}

func addType(schema *C.weft_schema, name string, dtypes []DType) error {
	var names []string
	for _, dtype := range dtypes {
		names = append(names, dtype.String())
	}
	cname, list := cString(name), cString(strings.Join(names, ", "))
	defer freeString(cname)
	defer freeString(list)
	return check(C.wg_schema_add_type(schema, cname, list))
}

func (f Formal) addTo(add func(name, kind *C.char, form C.int32_t, doc *C.char) *C.weft_status) error {
	form := C.int32_t(number(f.Optional) + 2*number(f.Variadic))
	if f.Optional && f.Variadic {
		return newError(InvalidArgument, "'%s' cannot be both optional and variadic", f.Name)
	}
	name, kind, doc := cString(f.Name), cString(f.Type), cString(f.Doc)
	defer freeString(name)
	defer freeString(kind)
	defer freeString(doc)
	return check(add(name, kind, form, doc))
}

func (a Attribute) addTo(schema *C.weft_schema) error {
	var defaults *C.weft_attrs
	if a.DefaultValue != nil {
		var err error
		if defaults, err = (Attrs{a.Name: a.DefaultValue}).make(); err != nil {
			return err
		}
		defer C.wg_attrs_free(defaults)
	}
	name, kind, doc := cString(a.Name), cString(a.Kind), cString(a.Doc)
	defer freeString(name)
	defer freeString(kind)
	defer freeString(doc)
	if defaults != nil { // a nil slice and DType(0) are left out, as in Attrs: then there is no default
		var value *C.weft_tensor
		if err := check(C.wg_attrs_get(defaults, name, &value)); err != nil {
			return err
		}
		if value == nil {
			defaults = nil
		}
		C.wg_tensor_free(value)
	}
	return check(C.wg_schema_add_attribute(schema, name, kind, C.int32_t(number(a.Required)), defaults, doc))
}

// innermost has, by thread, the graph of the body that is being built on it; of bodies in one another the inner one's.
var innermost sync.Map // of uintptr to *Graph

// failBody makes an error that of the body which the thread is in, if there is one: what the body wanted may have no other
// way to say it.
func failBody(thread uintptr, err error) {
	body, ok := innermost.Load(thread)
	if !ok {
		return
	}
	g := body.(*Graph)
	if b := g.level.builder; b.thread.Load() != thread && b.lock() == nil {
		defer b.unlock()
		g.failLocked(err)
	}
}

//export weftGoBody
func weftGoBody(user C.uintptr_t, graph *C.weft_graph, inputs *C.int64_t, inputCount C.int32_t, attrs *C.weft_attrs,
	out *C.int64_t, outputCount C.int32_t) *C.weft_status {
	added := cgo.Handle(user).Value().(*addedOperator)
	g := newGraph(graph, newBuilder(), 0)
	defer g.Close()
	thread := uintptr(C.wg_thread())
	outer, nested := innermost.Swap(thread, g)
	defer func() {
		if nested {
			innermost.Store(thread, outer)
		} else {
			innermost.Delete(thread)
		}
	}()
	err := guarded(func() error {
		return added.build(g, unsafe.Slice(inputs, int(inputCount)), attrs, unsafe.Slice(out, int(outputCount)))
	})
	if err != nil {
		return statusOf(err)
	}
	return nil
}

func (op *addedOperator) build(g *Graph, inputs []C.int64_t, attrs *C.weft_attrs, out []C.int64_t) error {
	in := make([]Value, len(inputs))
	for i, id := range inputs {
		if id != 0 {
			in[i] = g.valueOf(id)
		}
	}
	given, err := op.read(attrs)
	lent := slices.Collect(maps.Values(given)) // the body may take attributes out of its map
	defer func() {
		for _, value := range lent {
			if t, ok := value.(*Tensor); ok {
				t.Close()
			}
		}
	}()
	if err != nil {
		return err
	}
	made, err := op.body(g, in, given)
	if err != nil {
		return err
	}
	if err := g.Err(); err != nil {
		return err
	}
	if len(made) < len(out) || (op.mostOutputs >= 0 && len(made) > op.mostOutputs) {
		return newError(InvalidArgument, "the body gave %d values, but the node has %d outputs", len(made), len(out))
	}
	ids, err := g.idsOf(made, true)
	if err != nil {
		return err
	}
	copy(out, ids)
	return nil
}

// read gives the attributes of a node in the types that their kinds have in Go.
func (op *addedOperator) read(from *C.weft_attrs) (Attrs, error) {
	given := Attrs{}
	for _, attribute := range op.attributes {
		name := cString(attribute.Name)
		var out *C.weft_tensor
		err := check(C.wg_attrs_get(from, name, &out))
		freeString(name)
		if err != nil {
			return given, err
		}
		if out == nil {
			continue
		}
		if given[attribute.Name], err = attribute.valueOf(newTensor(out)); err != nil {
			return given, err
		}
	}
	return given, nil
}

// valueOf is what the tensor of an attribute stands for; it closes the tensor unless it is that itself.
func (a Attribute) valueOf(t *Tensor) (any, error) {
	if a.Kind == "tensor" {
		return t, nil
	}
	defer t.Close()
	switch a.Kind {
	case "float":
		return Scalar[float64](t)
	case "string":
		return Scalar[string](t)
	case "bool":
		value, err := Scalar[int64](t)
		return value != 0, err
	case "dtype":
		value, err := Scalar[int64](t)
		return DType(value), err
	case "ints":
		return Data[int64](t)
	case "floats":
		return Data[float64](t)
	case "strings":
		return Data[string](t)
	}
	return Scalar[int64](t)
}
