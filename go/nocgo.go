// What the compiler says without cgo.

//go:build !cgo

package weft

var _ = weft_needs_cgo_so_set_CGO_ENABLED_to_1_and_install_a_C_compiler
