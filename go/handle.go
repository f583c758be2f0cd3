// The life of an object of the library that Go holds.

//go:build cgo

package weft

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// handle owns a pointer to an object of the library. It counts the calls that use the object, so closing it from
// another goroutine, or by the garbage collector, takes effect when the last of them has returned.
type handle struct {
	state   atomic.Int64 // closedBit, and twice the number of calls
	kind    string       // in words
	pointer unsafe.Pointer
	free    func(unsafe.Pointer)
}

const (
	closedBit = 1
	oneUse    = 2
)

func newHandle(kind string, pointer unsafe.Pointer, free func(unsafe.Pointer)) *handle {
	return &handle{kind: kind, pointer: pointer, free: free}
}

// guard closes the handle when the garbage collector finds that owner was forgotten.
func guard[T any](owner *T, h *handle) {
	h.watch()
	runtime.AddCleanup(owner, (*handle).forgotten, h)
}

// acquire keeps the object alive until release; false if it is closed.
func (h *handle) acquire() bool {
	for {
		state := h.state.Load()
		if state&closedBit != 0 {
			return false
		}
		if h.state.CompareAndSwap(state, state+oneUse) {
			return true
		}
	}
}

func (h *handle) release() {
	if h.state.Add(-oneUse) == closedBit {
		h.drop()
	}
}

// close frees the object, now or when the last call that uses it returns.
func (h *handle) close() {
	for {
		state := h.state.Load()
		if state&closedBit != 0 {
			return
		}
		if h.state.CompareAndSwap(state, state|closedBit) {
			h.unwatch()
			if state == 0 {
				h.drop()
			}
			return
		}
	}
}

// closed tells a closed handle, and nil.
func (h *handle) closed() bool { return h == nil || h.state.Load()&closedBit != 0 }

// text is what is printed for an object of that kind.
func (h *handle) text(kind string) string {
	if h.closed() {
		return kind + " (closed)"
	}
	return kind
}

// detach closes the handle and gives the object to the caller; nil if it is closed or in use.
func (h *handle) detach() unsafe.Pointer {
	if !h.state.CompareAndSwap(0, closedBit) {
		return nil
	}
	h.unwatch()
	return h.pointer
}

// drop is called once: closedBit stays set, and no new call can begin.
func (h *handle) drop() {
	if h.free != nil {
		h.free(h.pointer)
	}
}
