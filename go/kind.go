// Kinds of tensors and values.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import "fmt"

// Kind is what a tensor or a value is.
type Kind int32

// The kinds. Of an optional, a Tensor's item 0 is what it holds; of a map, item 0 is the keys and item 1 the values.
const (
	KindTensor   Kind = 0
	KindSequence Kind = 1
	KindOptional Kind = 2
	KindMap      Kind = 3
)

var kindNames = [...]string{"tensor", "sequence", "optional", "map"}

// String is the name of the kind, such as "sequence".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", int32(k))
	}
	return kindNames[k]
}

// Kind is what the tensor is; KindTensor if it is closed.
func (t *Tensor) Kind() Kind {
	pointer, err := t.use()
	if err != nil {
		return KindTensor
	}
	defer t.handle.release()
	return Kind(C.wg_tensor_kind(pointer))
}

// Kind is what a run gives for the value; KindTensor if it was not built.
func (v Value) Kind() Kind {
	var kind C.int32_t
	_ = v.read(func(graph *C.weft_graph, id C.int64_t) *C.weft_status {
		return C.wg_graph_value(graph, id, nil, &kind, nil, nil)
	})
	return Kind(kind)
}
