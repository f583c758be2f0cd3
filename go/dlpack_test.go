// Tests of DLPack, with structures as its specification has them.

package weft_test

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	weft "github.com/weft-ml/weft/go"
)

type dlTensor struct {
	data             unsafe.Pointer
	device, deviceID int32
	ndim             int32
	code, bits       uint8
	lanes            uint16
	shape, strides   *int64
	byteOffset       uint64
}

type dlManaged struct {
	tensor           dlTensor
	context, deleter unsafe.Pointer
}

type dlManagedVersioned struct {
	major, minor     uint32
	context, deleter unsafe.Pointer
	flags            uint64
	tensor           dlTensor
}

// numbersOut are 1, 2, 3 for another library; the tensor itself is closed.
func numbersOut(t testing.TB) *dlManagedVersioned {
	numbers := must[*weft.Tensor](t)(weft.TensorOf[float32](1, 2, 3))
	defer numbers.Close()
	return (*dlManagedVersioned)(must[unsafe.Pointer](t)(numbers.DLPack()))
}

// taken is a tensor over a structure, which stays where it is until the test has ended.
func taken(t testing.TB, managed *dlManagedVersioned) (*weft.Tensor, error) {
	var pinner runtime.Pinner
	pinner.Pin(managed)
	t.Cleanup(pinner.Unpin)
	return weft.TensorFromDLPack(unsafe.Pointer(managed))
}

func TestDLPackSharesTheElements(t *testing.T) {
	noLeaks(t)
	before := weft.MemoryBytes()
	numbers := must[*weft.Tensor](t)(weft.TensorFrom([]int64{2, 3}, []int64{1, 2, 3, 4, 5, 6}))
	held := weft.MemoryBytes()
	versioned := (*dlManagedVersioned)(must[unsafe.Pointer](t)(numbers.DLPack()))
	old := (*dlManaged)(must[unsafe.Pointer](t)(numbers.DLPackUnversioned()))
	if versioned.major != 1 || versioned.flags != 0 {
		t.Errorf("got version %d, flags %d", versioned.major, versioned.flags)
	}
	numbers.Close()
	for _, out := range []dlTensor{versioned.tensor, old.tensor} {
		if out.device != 1 || out.ndim != 2 || out.code != 0 || out.bits != 64 || out.lanes != 1 {
			t.Errorf("got %+v", out)
		}
		wantData(t, unsafe.Slice(out.shape, 2), 2, 3)
		wantData(t, unsafe.Slice((*int64)(out.data), 6), 1, 2, 3, 4, 5, 6)
	}
	data := versioned.tensor.data
	back := must[*weft.Tensor](t)(weft.TensorFromDLPack(unsafe.Pointer(versioned)))
	backOld := must[*weft.Tensor](t)(weft.TensorFromDLPackUnversioned(unsafe.Pointer(old)))
	for _, made := range []*weft.Tensor{back, backOld} {
		err := weft.View(made, func(elements []int64) error {
			if unsafe.Pointer(unsafe.SliceData(elements)) != data {
				t.Error("the elements were copied")
			}
			wantData(t, elements, 1, 2, 3, 4, 5, 6)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if now := weft.MemoryBytes(); now != held {
			t.Errorf("%d bytes are held, not %d", now, held)
		}
		made.Close()
	}
	// Both have been let go of.
	if now := weft.MemoryBytes(); now != before {
		t.Errorf("%d bytes are held, not %d", now, before)
	}
}

func TestDLPackMadeByHand(t *testing.T) {
	noLeaks(t)
	before := weft.MemoryBytes()
	out := numbersOut(t)
	// Another structure over the same elements, of which the last is left out, with the other's deleter.
	shape := []int64{2, 1}
	byHand := &dlManagedVersioned{major: 1, minor: 1, context: out.context, deleter: out.deleter, flags: 1,
		tensor: dlTensor{data: out.tensor.data, device: 1, ndim: 2, code: 2, bits: 32, lanes: 1, shape: &shape[0]}}
	var pinner runtime.Pinner
	pinner.Pin(&shape[0])
	defer pinner.Unpin()
	made := must[*weft.Tensor](t)(taken(t, byHand))
	if made.String() != "f32[2, 1]" {
		t.Errorf("got %v", made)
	}
	wantData(t, must[[]float32](t)(weft.Data[float32](made)), 1, 2)
	if err := weft.SetData(made, []float32{3, 4}); !errors.Is(err, weft.FailedPrecondition) {
		t.Errorf("a read-only tensor was written to: %v", err)
	}
	if _, err := made.DLPackUnversioned(); !errors.Is(err, weft.FailedPrecondition) {
		t.Errorf("got %v", err)
	}
	again := (*dlManagedVersioned)(must[unsafe.Pointer](t)(made.DLPack()))
	if again.flags != 1 {
		t.Errorf("got flags %d", again.flags)
	}
	must[*weft.Tensor](t)(weft.TensorFromDLPack(unsafe.Pointer(again))).Close()
	if now := weft.MemoryBytes(); now == before {
		t.Error("the elements were let go of")
	}
	made.Close()
	made.Close()
	if now := weft.MemoryBytes(); now != before {
		t.Error("the deleter was not called")
	}
}

func TestMisusedDLPack(t *testing.T) {
	noLeaks(t)
	out := numbersOut(t)
	for name, change := range map[string]func(*dlManagedVersioned){
		"version": func(d *dlManagedVersioned) { d.major = 2 },
		"device":  func(d *dlManagedVersioned) { d.tensor.device = 2 },
		"type":    func(d *dlManagedVersioned) { d.tensor.bits = 33 },
		"data":    func(d *dlManagedVersioned) { d.tensor.data = nil },
		"shape":   func(d *dlManagedVersioned) { d.tensor.shape = nil },
		"rank":    func(d *dlManagedVersioned) { d.tensor.ndim = -1 },
	} {
		changed := *out
		change(&changed)
		var e *weft.Error
		if _, err := taken(t, &changed); !errors.As(err, &e) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// After all of these errors it is still ours.
	must[*weft.Tensor](t)(weft.TensorFromDLPack(unsafe.Pointer(out))).Close()
	closed := tensor[float32](t, []int64{1}, 1)
	closed.Close()
	var none *weft.Tensor
	for name, misuse := range map[string]func() error{
		"nil":             func() error { _, err := weft.TensorFromDLPack(nil); return err },
		"nil unversioned": func() error { _, err := weft.TensorFromDLPackUnversioned(nil); return err },
		"closed":          func() error { _, err := closed.DLPack(); return err },
		"nil tensor":      func() error { _, err := none.DLPackUnversioned(); return err },
		"strings":         func() error { _, err := tensor(t, []int64{1}, "a").DLPack(); return err },
	} {
		var e *weft.Error
		if err := misuse(); !errors.As(err, &e) || (name == "closed") != errors.Is(err, weft.ErrClosed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
