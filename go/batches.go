// Datasets whose batches a function of Go gives.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"iter"
	"runtime/cgo"
	"sync/atomic"
	"weak"
)

// maxPasses is how many passes over one dataset may be under way: a function that goes through its own dataset would
// take threads without end.
const maxPasses = 200

// batchFunction is the function of a dataset. It belongs to the Dataset: the library knows it weakly, as the function
// may know the dataset.
type batchFunction struct {
	begin  func(epoch int) iter.Seq2[[]*Tensor, error]
	names  []string
	passes atomic.Int32 // under way
}

// NewDatasetFunc is a dataset of the batches that a function gives. The function is called for every pass with its
// number, from 0, and what it gives is ranged over: the tensors of a batch in the order of names, or an error, which
// ends the call that wants the batch with an error that wraps it. So does a panic.
//
// The tensors are the library's from then on. What a batch is and in which order they come is the function's to decide:
// a batch size, shuffling and dropping a short batch cannot be asked for. The first dimension of the first tensor counts
// the rows of a batch, by which averages are weighted.
//
// Each pass has a goroutine of its own, which runs only while a batch is waited for: between the runs of Fit, so it may
// run, save and close the session. Goroutines that go through the dataset at once call the function at once.
func NewDatasetFunc(function func(epoch int) iter.Seq2[[]*Tensor, error], names ...string) (*Dataset, error) {
	if err := load(); err != nil {
		return nil, err
	}
	if function == nil {
		return nil, nilError("the function of the dataset")
	}
	source := &batchFunction{begin: function, names: names}
	user := C.uintptr_t(cgo.NewHandle(weak.Make(source)))
	var out *C.weft_dataset
	if err := check(C.wg_dataset_new_function(C.int32_t(len(names)), &out, C.wg_pass, user, C.wg_drop)); err != nil {
		return nil, err
	}
	d := newDataset(out)
	d.function = source
	return d, nil
}

//export weftGoPass
func weftGoPass(user C.uintptr_t, epoch C.int64_t, out **C.weft_batches) *C.weft_status {
	function := cgo.Handle(user).Value().(weak.Pointer[batchFunction]).Value()
	if function == nil {
		return statusOf(closedError("the dataset of the function"))
	}
	if function.passes.Add(1) > maxPasses {
		function.passes.Add(-1)
		return statusOf(newError(FailedPrecondition, "%d passes over one dataset are under way already", maxPasses))
	}
	p := &batchPass{function: function, epoch: int(epoch), ask: make(chan struct{}), give: make(chan givenBatch),
		ended: make(chan struct{})}
	names := newStrings(function.names)
	defer names.free()
	return C.wg_batches_new(names.pointer(), C.int32_t(len(function.names)), out, C.wg_batch,
		C.uintptr_t(cgo.NewHandle(p)), C.wg_drop_batch)
}

// batchPass is one pass, in a goroutine that is its own: that of a callback belongs to a thread of C, where a coroutine
// of the function could not go on from another thread.
type batchPass struct {
	function *batchFunction
	epoch    int
	begun    bool
	ask      chan struct{} // for another batch; closed when no more is wanted
	give     chan givenBatch
	ended    chan struct{} // closed when the goroutine has ended
	err      error         // then
}

type givenBatch struct {
	tensors []*Tensor
	err     error
}

func (p *batchPass) run() {
	finished := false
	defer func() {
		if value := recover(); value != nil {
			p.err = panicError(value)
		} else if !finished {
			p.err = goexitError()
		}
		close(p.ended)
	}()
	batches := p.function.begin(p.epoch)
	if batches == nil {
		p.err = nilError("what the function of the dataset gave")
	} else {
		more := true
		batches(func(tensors []*Tensor, err error) bool {
			if more {
				p.give <- givenBatch{tensors, err}
				_, more = <-p.ask
			}
			return more
		})
	}
	finished = true
}

// next is the next batch; false at the end.
func (p *batchPass) next() (givenBatch, bool) {
	if !p.begun {
		p.begun = true
		go p.run()
	} else {
		select {
		case p.ask <- struct{}{}:
		case <-p.ended:
			return givenBatch{}, false
		}
	}
	select {
	case batch := <-p.give:
		return batch, true
	case <-p.ended:
		return givenBatch{err: p.err}, p.err != nil
	}
}

//export weftGoBatch
func weftGoBatch(user C.uintptr_t, out *C.weft_tensors) *C.weft_status {
	p := cgo.Handle(user).Value().(*batchPass)
	batch, more := p.next()
	if !more {
		return nil
	}
	defer closeAll(batch.tensors)
	if batch.err == nil {
		batch.err = p.set(out, batch.tensors)
	}
	if batch.err != nil {
		return statusOf(batch.err)
	}
	return nil
}

func (p *batchPass) set(out *C.weft_tensors, tensors []*Tensor) error {
	if len(tensors) != len(p.function.names) {
		return newError(InvalidArgument, "a batch has %d tensors, not %d", len(tensors), len(p.function.names))
	}
	for i, name := range p.function.names {
		if err := addTensor(out, name, tensors[i]); err != nil {
			return err
		}
	}
	return nil
}

// weftGoDropBatch ends the pass, and what its function defers, before it returns.
//
//export weftGoDropBatch
func weftGoDropBatch(user C.uintptr_t) {
	p := cgo.Handle(user).Value().(*batchPass)
	cgo.Handle(user).Delete()
	close(p.ask)
	if p.begun {
		<-p.ended
	}
	p.function.passes.Add(-1)
}
