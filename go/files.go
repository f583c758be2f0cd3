// Models, checkpoints and tensors in files.

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

// SaveOptions are for Graph.Save; the zero value is the default of each.
type SaveOptions struct {
	Outputs  []Value  // what the file computes; nil: what SetOutputs said
	Session  *Session // whose values the variables get; nil: their initial ones
	Training bool     // keep variables, assignments and every other node, to go on training
	Weights  string   // name of a safetensors file to write beside the model for the large tensors; "": none
	// The version of ONNX's operators that the file is of, 7 to 27, for readers that know no later one; 0: the newest
	// released, or 27 where an operator needs it. What no operators of that version stand for is Unimplemented, with the
	// node and the version that it needs; with Training it is InvalidArgument.
	Opset int
}

// Save writes the graph as an ONNX file. A failure leaves the file as it was. At most one options may be given.
func (g *Graph) Save(path string, o ...SaveOptions) error {
	choice, err := only(o)
	if err != nil {
		return err
	}
	if err := g.Err(); err != nil {
		return err
	}
	opts := newOptions("save").flag("training", choice.Training).text("weights", choice.Weights).int("opset", int64(choice.Opset))
	defer opts.free()
	if opts.err != nil {
		return opts.err
	}
	outputs, err := g.idsOf(choice.Outputs, false)
	if err != nil {
		return err
	}
	var session *C.weft_session
	if choice.Session != nil {
		if session, err = choice.Session.use(); err != nil {
			return err
		}
		defer choice.Session.handle.release()
	}
	return g.look(func(graph *C.weft_graph) *C.weft_status {
		cpath := cString(path)
		defer freeString(cpath)
		return C.wg_graph_save(graph, unsafe.SliceData(outputs), C.int32_t(len(outputs)), session, cpath, opts.pointer)
	})
}

// LoadOptions are for LoadGraph, LoadTensors, LoadDatasetWith and Session.Load; the zero value is the default of each.
type LoadOptions struct {
	// Of a model, the weights to be trained; nil: none; {"*"}: all of f32 and f64 that are parameters, not scalars, masks,
	// running averages, where recurrent nodes begin, and what PyTorch's exporter marked as a buffer; of a file that Weft
	// saved, those that were trainable there.
	Trainable []string
	Partial   bool // of a checkpoint, only the variables that the graph has too are set
	// Files are mapped, not read: large weights of a model stay there until somebody asks for their elements, and those
	// that kernels have in a form of their own stay there for good, which halves the memory of most models. The files must
	// then not change or be made shorter as long as what was loaded from them lives.
	Map bool
}

func (o LoadOptions) options() *options {
	return newOptions("load").add("trainable", o.Trainable).flag("map", o.Map).flag("partial", o.Partial)
}

// LoadGraph reads an ONNX file. At most one options may be given.
func LoadGraph(path string, o ...LoadOptions) (*Graph, error) {
	return loadGraph(o, func(opts *C.weft_options, out **C.weft_graph) *C.weft_status {
		cpath := cString(path)
		defer freeString(cpath)
		return C.wg_graph_load(cpath, opts, out)
	})
}

// LoadGraphBytes reads an ONNX file from memory, such as an embedded one; external weights are looked for in folder.
func LoadGraphBytes(data []byte, folder string, o ...LoadOptions) (*Graph, error) {
	return loadGraph(o, func(opts *C.weft_options, out **C.weft_graph) *C.weft_status {
		cfolder := orNull(folder)
		defer freeString(cfolder)
		return C.wg_graph_load_bytes(unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), cfolder, opts, out)
	})
}

func loadGraph(list []LoadOptions, f func(*C.weft_options, **C.weft_graph) *C.weft_status) (*Graph, error) {
	o, err := only(list)
	if err != nil {
		return nil, err
	}
	opts := o.options()
	defer opts.free()
	if opts.err != nil {
		return nil, opts.err
	}
	var out *C.weft_graph
	if err := check(f(opts.pointer, &out)); err != nil {
		return nil, err
	}
	return newGraph(out, newBuilder(), 0), nil
}

// Inspect tells what is in an ONNX file, and what of it cannot be loaded, as JSON. Its keys are those of weft_model_inspect:
// "inputs", "outputs", "opsets", "operators", "parameters", "unsupported" and more. The file is mapped meanwhile and
// must not be made shorter.
func Inspect(path string) ([]byte, error) {
	return describe(path, func(path *C.char, out **C.weft_bytes) *C.weft_status { return C.wg_model_inspect(path, out) })
}

// InspectBytes is Inspect of a model in memory; external weights are looked for in folder.
func InspectBytes(data []byte, folder string) ([]byte, error) {
	return describe(folder, func(folder *C.char, out **C.weft_bytes) *C.weft_status {
		return C.wg_model_inspect_bytes(unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), folder, out)
	})
}

// Save writes a checkpoint: every variable, with the state of optimizers and random numbers. A failure leaves the file
// as it was.
func (s *Session) Save(path string) error {
	return s.call(func(session *C.weft_session) *C.weft_status {
		cpath := cString(path)
		defer freeString(cpath)
		return C.wg_session_save(session, cpath)
	})
}

// Load sets every variable from a checkpoint, or none if file and graph do not fit. At most one options may be given.
func (s *Session) Load(path string, o ...LoadOptions) error {
	choice, err := only(o)
	if err != nil {
		return err
	}
	opts := choice.options()
	defer opts.free()
	if opts.err != nil {
		return opts.err
	}
	return s.call(func(session *C.weft_session) *C.weft_status {
		cpath := cString(path)
		defer freeString(cpath)
		return C.wg_session_load(session, cpath, opts.pointer)
	})
}

// LoadTensors reads the tensors of a .safetensors, .npy (one, "data") or .csv file (a matrix, "data"). At most one
// options may be given.
func LoadTensors(path string, o ...LoadOptions) (map[string]*Tensor, error) {
	choice, err := only(o)
	if err != nil {
		return nil, err
	}
	opts := choice.options()
	defer opts.free()
	if opts.err != nil {
		return nil, opts.err
	}
	cpath := cString(path)
	defer freeString(cpath)
	var list *C.weft_tensors
	if err := check(C.wg_tensors_load(cpath, opts.pointer, &list)); err != nil {
		return nil, err
	}
	defer C.wg_tensors_free(list)
	tensors := make(map[string]*Tensor)
	for i := range C.wg_tensors_count(list) {
		var out *C.weft_tensor
		if err := check(C.wg_tensors_at(list, i, &out)); err != nil {
			closeAll(slices.Collect(maps.Values(tensors)))
			return nil, err
		}
		tensors[C.GoString(C.wg_tensors_name(list, i))] = newTensor(out)
	}
	return tensors, nil
}

// SaveTensors writes a safetensors file. A failure leaves the file as it was.
func SaveTensors(path string, tensors map[string]*Tensor) error {
	if err := load(); err != nil {
		return err
	}
	var list *C.weft_tensors
	if err := check(C.wg_tensors_new(&list)); err != nil {
		return err
	}
	defer C.wg_tensors_free(list)
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		if err := addTensor(list, name, tensors[name]); err != nil {
			return err
		}
	}
	cpath := cString(path)
	defer freeString(cpath)
	return check(C.wg_tensors_save(list, cpath))
}

func addTensor(list *C.weft_tensors, name string, t *Tensor) error {
	pointer, err := t.use()
	if err != nil {
		return err
	}
	defer t.handle.release()
	cname := cString(name)
	defer freeString(cname)
	return check(C.wg_tensors_set(list, cname, pointer))
}
