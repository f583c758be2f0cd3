// Strings and blocks of bytes between Go and C.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"slices"
	"unsafe"
)

// takeBytes copies a block of bytes and frees it.
func takeBytes(block *C.weft_bytes) []byte {
	defer C.wg_bytes_free(block)
	return slices.Clone(unsafe.Slice((*byte)(C.wg_bytes_data(block)), int(C.wg_bytes_size(block))))
}

func takeText(block *C.weft_bytes) string { return string(takeBytes(block)) }

// cString is a copy for C, to be freed; nil for "".
func cString(text string) *C.char {
	if text == "" {
		return nil
	}
	return C.CString(text)
}

func freeString(text *C.char) { C.free(unsafe.Pointer(text)) }

// stringList is an array of C strings.
type stringList struct {
	texts []*C.char
	sizes []C.int64_t
}

func newStrings(texts []string) stringList {
	var list stringList
	for _, text := range texts {
		list.texts = append(list.texts, C.CString(text))
		list.sizes = append(list.sizes, C.int64_t(len(text)))
	}
	return list
}

func (l stringList) pointer() **C.char { return unsafe.SliceData(l.texts) }

func (l stringList) sizePointer() *C.int64_t { return unsafe.SliceData(l.sizes) }

func (l stringList) free() {
	for _, text := range l.texts {
		freeString(text)
	}
}
