// Datasets: rows of tensors, given out in batches.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"fmt"
	"iter"
	"unsafe"
)

// Dataset is rows of tensors that have their first dimension in common, where a row is one element of each; or the
// batches of a function: see NewDatasetFunc.
type Dataset struct {
	handle   *handle
	function *batchFunction // nil for rows
}

func freeDataset(pointer unsafe.Pointer) { C.wg_dataset_free((*C.weft_dataset)(pointer)) }

func newDataset(pointer *C.weft_dataset) *Dataset {
	d := &Dataset{handle: newHandle("dataset", unsafe.Pointer(pointer), freeDataset)}
	guard(d, d.handle)
	return d
}

// NewDataset is a dataset of tensors, which shares their elements.
func NewDataset(tensors ...*Tensor) (*Dataset, error) {
	if err := load(); err != nil {
		return nil, err
	}
	pointers, release, err := useTensors(tensors, func(i int) string { return fmt.Sprintf("tensor %d", i) })
	if err != nil {
		return nil, err
	}
	defer release()
	var out *C.weft_dataset
	if err := check(C.wg_dataset_new(unsafe.SliceData(pointers), C.int32_t(len(pointers)), &out)); err != nil {
		return nil, err
	}
	return newDataset(out), nil
}

// LoadDataset reads the tensors of those names, or all without any, from a .safetensors, .npy or .csv file. A CSV file is
// one matrix of f32, "data" (its header, if it has one, is skipped), an .npy file one tensor, "data".
func LoadDataset(path string, names ...string) (*Dataset, error) {
	return LoadDatasetWith(path, LoadOptions{}, names...)
}

// LoadDatasetWith is LoadDataset with options.
func LoadDatasetWith(path string, o LoadOptions, names ...string) (*Dataset, error) {
	opts := o.options()
	defer opts.free()
	if opts.err != nil {
		return nil, opts.err
	}
	cpath, list := cString(path), newStrings(names)
	defer freeString(cpath)
	defer list.free()
	var out *C.weft_dataset
	if err := check(C.wg_dataset_load(cpath, list.pointer(), C.int32_t(len(names)), opts.pointer, &out)); err != nil {
		return nil, err
	}
	return newDataset(out), nil
}

func (d *Dataset) use() (*C.weft_dataset, error) {
	if d == nil || d.handle == nil {
		return nil, nilError("the dataset")
	}
	if !d.handle.acquire() {
		return nil, closedError("the dataset")
	}
	return (*C.weft_dataset)(d.handle.pointer), nil
}

// Close ends the dataset. It waits for nobody: calls and passes that were begun go on, as do datasets of its rows. It may
// be called again.
func (d *Dataset) Close() error {
	if d == nil || d.handle == nil || !d.handle.acquire() {
		return nil
	}
	err := check(C.wg_dataset_close((*C.weft_dataset)(d.handle.pointer)))
	d.handle.release()
	if err == nil {
		d.handle.close()
	}
	return err
}

// Rows is a dataset of count rows from row first on; it shares the elements.
func (d *Dataset) Rows(first, count int) (*Dataset, error) {
	pointer, err := d.use()
	if err != nil {
		return nil, err
	}
	defer d.handle.release()
	var out *C.weft_dataset
	if err := check(C.wg_dataset_new_rows(pointer, C.int64_t(first), C.int64_t(count), &out)); err != nil {
		return nil, err
	}
	return newDataset(out), nil
}

// At is tensor i of the dataset, with all its rows.
func (d *Dataset) At(i int) (*Tensor, error) {
	pointer, err := d.use()
	if err != nil {
		return nil, err
	}
	defer d.handle.release()
	var out *C.weft_tensor
	if err := check(C.wg_dataset_at(pointer, C.int32_t(i), &out)); err != nil {
		return nil, err
	}
	return newTensor(out), nil
}

// Len is the number of rows; 0 if the dataset is closed, -1 if a function gives the batches.
func (d *Dataset) Len() int {
	pointer, err := d.use()
	if err != nil {
		return 0
	}
	defer d.handle.release()
	return int(C.wg_dataset_count(pointer))
}

// Width is the number of tensors; 0 if the dataset is closed.
func (d *Dataset) Width() int {
	pointer, err := d.use()
	if err != nil {
		return 0
	}
	defer d.handle.release()
	return int(C.wg_dataset_width(pointer))
}

// String tells where the batches come from.
func (d *Dataset) String() string {
	switch {
	case d == nil || d.handle.closed():
		return "dataset (closed)"
	case d.function != nil:
		return "dataset of the batches of a function"
	}
	return fmt.Sprintf("dataset of %d rows", d.Len())
}

// BatchOptions are for Dataset.Batches; only Epoch is for the batches of a function.
type BatchOptions struct {
	BatchSize int   // 0: 32
	Epoch     int   // the number of the pass; a shuffled one depends on it and on Seed alone
	Shuffle   bool  // another order in every pass
	Seed      int64 // of the order
	DropLast  bool  // no last batch that is shorter
}

// Batches is one pass over the rows, or over the batches of a function:
//
//	for batch, err := range data.Batches(weft.BatchOptions{BatchSize: 64}) {
//
// The tensors of a batch, one for each of the dataset's, are closed when the body of the loop is done with them;
// Reshape or Clone makes one that stays.
func (d *Dataset) Batches(o BatchOptions) iter.Seq2[[]*Tensor, error] {
	return func(yield func([]*Tensor, error) bool) {
		batches, width, err := d.open(o)
		if err != nil {
			yield(nil, err)
			return
		}
		defer C.wg_batches_free(batches)
		for {
			out := make([]*C.weft_tensor, width)
			if err := check(C.wg_batches_next(batches, unsafe.SliceData(out), C.int32_t(width))); err != nil {
				yield(nil, err)
				return
			}
			if width == 0 || out[0] == nil {
				return
			}
			if !yieldBatch(out, yield) {
				return
			}
		}
	}
}

func yieldBatch(out []*C.weft_tensor, yield func([]*Tensor, error) bool) bool {
	tensors := newTensors(out)
	defer closeAll(tensors)
	return yield(tensors, nil)
}

func (d *Dataset) open(o BatchOptions) (*C.weft_batches, int, error) {
	pointer, err := d.use()
	if err != nil {
		return nil, 0, err
	}
	defer d.handle.release()
	opts := newOptions("dataset").int("batch_size", int64(o.BatchSize)).flag("shuffle", o.Shuffle).int("seed", o.Seed).
		flag("drop_last", o.DropLast)
	defer opts.free()
	if opts.err != nil {
		return nil, 0, opts.err
	}
	var out *C.weft_batches
	err = check(C.wg_dataset_open(pointer, opts.pointer, C.int64_t(o.Epoch), &out))
	return out, int(C.wg_dataset_width(pointer)), err
}
