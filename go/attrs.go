// Attributes of operators, and options of calls.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"maps"
	"slices"
	"unsafe"
)

// Attrs are the attributes of a node, by name. A value is an int, int64, bool, float32, float64, string, DType, a slice
// of int64, float64 or string, a *Tensor or a *Graph. A nil pointer or slice of these, and DType 0, leave the attribute
// out; plain nil is an error, and an error becomes the error of the graph.
type Attrs map[string]any

// Int is for options whose default is not 0.
func Int(value int64) *int64 { return &value }

// Flag is for options whose default is true.
func Flag(value bool) *bool { return &value }

// Float is for options whose default is not 0.
func Float(value float64) *float64 { return &value }

// given leaves an empty text out of the attributes.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// copy gives attributes of the same values, to which others may be added.
func (a Attrs) copy() Attrs {
	all := Attrs{}
	maps.Copy(all, a)
	return all
}

// make gives the attributes to the library; nil if there are none.
func (a Attrs) make() (*C.weft_attrs, error) {
	if len(a) == 0 {
		return nil, nil
	}
	var list *C.weft_attrs
	if err := check(C.wg_attrs_new(&list)); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if err := setAttr(list, name, a[name]); err != nil {
			C.wg_attrs_free(list)
			return nil, err
		}
	}
	return list, nil
}

func setAttr(list *C.weft_attrs, name string, value any) error {
	key := cString(name)
	defer freeString(key)
	switch value := value.(type) {
	case nil:
		return newError(InvalidArgument, "attribute %q is nil: give it a value, or leave its name out", name)
	case int64:
		return check(C.wg_attrs_set_int(list, key, C.int64_t(value)))
	case int:
		return setAttr(list, name, int64(value))
	case bool:
		return setAttr(list, name, number(value))
	case DType:
		if value == 0 {
			return nil
		}
		return setAttr(list, name, int64(value))
	case error:
		return value
	case *bool:
		return setPointed(list, name, value)
	case *int64:
		return setPointed(list, name, value)
	case *float64:
		return setPointed(list, name, value)
	case *string:
		return setPointed(list, name, value)
	case float32:
		return setAttr(list, name, float64(value))
	case float64:
		return check(C.wg_attrs_set_float(list, key, C.double(value)))
	case string:
		text := cString(value)
		defer freeString(text)
		return check(C.wg_attrs_set_string(list, key, text))
	case []int64:
		if value == nil {
			return nil
		}
		return check(C.wg_attrs_set_ints(list, key, dimsPointer(value), C.int64_t(len(value))))
	case []float64:
		if value == nil {
			return nil
		}
		first := (*C.double)(unsafe.Pointer(unsafe.SliceData(value)))
		return check(C.wg_attrs_set_floats(list, key, first, C.int64_t(len(value))))
	case []string:
		if value == nil {
			return nil
		}
		texts := newStrings(value)
		defer texts.free()
		return check(C.wg_attrs_set_strings(list, key, texts.pointer(), C.int64_t(len(value))))
	case *Tensor:
		return setTensorAttr(list, key, value)
	case *Graph:
		return setGraphAttr(list, key, value)
	}
	return newError(InvalidArgument, "attribute %q cannot be a %T; it can be an int, int64, bool, float32, float64, "+
		"string, DType, []int64, []float64, []string, *Tensor or *Graph", name, value)
}

func setPointed[T any](list *C.weft_attrs, name string, value *T) error {
	if value == nil {
		return nil
	}
	return setAttr(list, name, *value)
}

func setTensorAttr(list *C.weft_attrs, key *C.char, t *Tensor) error {
	if t == nil {
		return nil
	}
	pointer, err := t.use()
	if err != nil {
		return err
	}
	defer t.handle.release()
	return check(C.wg_attrs_set_tensor(list, key, pointer))
}

func setGraphAttr(list *C.weft_attrs, key *C.char, g *Graph) error {
	if g == nil {
		return nil
	}
	if g.missing() {
		return nilError("the graph")
	}
	if g.level.handle == nil {
		return g.level.builder.err
	}
	if !g.level.handle.acquire() {
		return closedError("the graph")
	}
	defer g.level.handle.release()
	return check(C.wg_attrs_set_graph(list, key, (*C.weft_graph)(g.level.handle.pointer)))
}

// options are settings of one kind, of which zero values are left out. The first error stays.
type options struct {
	pointer *C.weft_options
	err     error
}

func newOptions(kind string) *options {
	if err := load(); err != nil {
		return &options{err: err}
	}
	name := cString(kind)
	defer freeString(name)
	o := &options{}
	o.err = check(C.wg_options_new(name, &o.pointer))
	return o
}

func (o *options) set(key string, call func(key *C.char) *C.weft_status) *options {
	if o.err == nil {
		name := cString(key)
		defer freeString(name)
		o.err = check(call(name))
	}
	return o
}

// int sets a key unless the value is 0.
func (o *options) int(key string, value int64) *options {
	if value == 0 {
		return o
	}
	return o.always(key, value)
}

func (o *options) always(key string, value int64) *options {
	return o.set(key, func(name *C.char) *C.weft_status {
		return C.wg_options_set_int(o.pointer, name, C.int64_t(value))
	})
}

func (o *options) flag(key string, value bool) *options { return o.int(key, number(value)) }

func (o *options) float(key string, value float64) *options {
	if value == 0 {
		return o
	}
	return o.maybe(key, &value)
}

func (o *options) maybe(key string, value *float64) *options {
	if value == nil {
		return o
	}
	return o.set(key, func(name *C.char) *C.weft_status {
		return C.wg_options_set_float(o.pointer, name, C.double(*value))
	})
}

func (o *options) text(key, value string) *options {
	if value == "" {
		return o
	}
	return o.set(key, func(name *C.char) *C.weft_status {
		text := cString(value)
		defer freeString(text)
		return C.wg_options_set_string(o.pointer, name, text)
	})
}

func (o *options) add(key string, values []string) *options {
	for _, value := range values {
		o.set(key, func(name *C.char) *C.weft_status {
			text := cString(value)
			defer freeString(text)
			return C.wg_options_add_string(o.pointer, name, text)
		})
	}
	return o
}

func (o *options) free() {
	if o.pointer != nil {
		C.wg_options_free(o.pointer)
	}
}
