// Opening libweft at run time, and the callbacks that Go gives it.
#ifndef WEFT_GO_OPEN_H_
#define WEFT_GO_OPEN_H_

#include "native.h"

// Opens the library at `path` and fills the table. NULL on success; else why not, to be freed by the caller.
char* wg_open(const char* path);

// Functions for C that call the Go functions of callbacks.go; `user` is a cgo.Handle.
extern const weft_drop wg_drop;
extern const weft_host_fn wg_host;
extern const weft_body_fn wg_body;
extern const weft_fit_fn wg_fit;
extern const weft_pass_fn wg_pass;
extern const weft_batch_fn wg_batch;
extern const weft_drop wg_drop_batch;
extern const weft_log_fn wg_log;
// A number that no other thread has meanwhile; not 0.
uintptr_t wg_thread(void);
// Identifies the errors of Go functions in a status.
extern const void* const wg_tag;

#endif
