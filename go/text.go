// Strings and blocks of bytes between Go and C.

package weft

/*
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"slices"
	"strings"
	"unsafe"
)

// takeBytes copies a block of bytes and frees it.
func takeBytes(block *C.weft_bytes) []byte {
	defer C.wg_bytes_free(block)
	return slices.Clone(unsafe.Slice((*byte)(C.wg_bytes_data(block)), int(C.wg_bytes_size(block))))
}

func takeText(block *C.weft_bytes) string { return string(takeBytes(block)) }

// cString is a copy for C, to be freed. A string that C would cut becomes one that every function of the library refuses.
func cString(text string) *C.char {
	if strings.IndexByte(text, 0) >= 0 {
		return (*C.char)(unsafe.Pointer(&C.wg_cut))
	}
	return C.CString(text)
}

// orNull is cString, but nil for "".
func orNull(text string) *C.char {
	if text == "" {
		return nil
	}
	return cString(text)
}

func freeString(text *C.char) {
	if unsafe.Pointer(text) != unsafe.Pointer(&C.wg_cut) {
		C.free(unsafe.Pointer(text))
	}
}

// stringList is an array of C strings, or of bytes with their number.
type stringList struct {
	texts []*C.char
	sizes []C.int64_t
}

func newStrings(texts []string) stringList { return newList(texts, cString) }

// newBytes is of strings that may have any bytes in them.
func newBytes(texts []string) stringList {
	return newList(texts, func(text string) *C.char { return C.CString(text) })
}

func newList(texts []string, convert func(string) *C.char) stringList {
	var list stringList
	for _, text := range texts {
		list.texts = append(list.texts, convert(text))
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
