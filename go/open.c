// Opening libweft at run time, and the callbacks that Go gives it.
#include "open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

#if defined(_WIN32)
#include <windows.h>
static void* open_library(const char* path) { return (void*)LoadLibraryA(path); }
static void* find_symbol(void* library, const char* name) { return (void*)GetProcAddress((HMODULE)library, name); }
static void close_library(void* library) { FreeLibrary((HMODULE)library); }
static const char* last_error(void) { return "LoadLibrary failed"; }
#else
#include <dlfcn.h>
static void* open_library(const char* path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }
static void* find_symbol(void* library, const char* name) { return dlsym(library, name); }
static void close_library(void* library) { dlclose(library); }
static const char* last_error(void) { return dlerror(); }
#endif

wg_functions wg_table;

static const char* const kNames[] = {
#include "native_names.h"
    NULL};

char* wg_open(const char* path) {
  void* library = open_library(path);
  if (library == NULL) return strdup(last_error());
  void** slot = (void**)&wg_table;
  for (const char* const* name = kNames; *name != NULL; ++name, ++slot) {
    *slot = find_symbol(library, *name);
    if (*slot == NULL) {
      const char* format = "%s: has no function %s";
      size_t size = strlen(format) + strlen(path) + strlen(*name) + 1;
      char* why = malloc(size);
      if (why != NULL) snprintf(why, size, format, path, *name);
      close_library(library);
      return why != NULL ? why : strdup("out of memory");
    }
  }
  return NULL;
}

const char wg_cut[] = "a string with a NUL character in it cannot be used here";

int wg_any_cut(const char* const* texts, int64_t count) {
  for (int64_t i = 0; texts != NULL && i < count; ++i) {
    if (texts[i] == wg_cut) return 1;
  }
  return 0;
}

weft_status* wg_refuse(weft_drop drop, uintptr_t user) {
  if (drop != NULL) drop((void*)user);
  return wg_table.weft_status_new(3, wg_cut, NULL, NULL, NULL);  // INVALID_ARGUMENT
}

static void drop(void* user) { weftGoDrop((uintptr_t)user); }

static weft_status* host(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                         int32_t output_count) {
  return weftGoHost((uintptr_t)user, (weft_tensor**)inputs, input_count, out_tensors, output_count);
}

static weft_status* body(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                         const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  return weftGoBody((uintptr_t)user, graph, (int64_t*)inputs, input_count, (weft_attrs*)attrs, out_values,
                    output_count);
}

static _Thread_local char here;

uintptr_t wg_thread(void) { return (uintptr_t)&here; }

static weft_status* fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                        const char* const* names, const double* averages, int32_t metric_count, int32_t* out_stop) {
  return weftGoFit((uintptr_t)user, event, epoch, batch, batch_count, (char**)names, (double*)averages, metric_count,
                   out_stop);
}

static weft_status* pass(void* user, int64_t epoch, weft_batches** out_batches) {
  return weftGoPass((uintptr_t)user, epoch, out_batches);
}

static weft_status* batch(void* user, weft_tensors* out_batch) { return weftGoBatch((uintptr_t)user, out_batch); }

static void drop_batch(void* user) { weftGoDropBatch((uintptr_t)user); }

static void log_line(void* user, int32_t level, const char* text) { weftGoLog((uintptr_t)user, level, (char*)text); }

const weft_drop wg_drop = drop;
const weft_host_fn wg_host = host;
const weft_body_fn wg_body = body;
const weft_fit_fn wg_fit = fit;
const weft_pass_fn wg_pass = pass;
const weft_batch_fn wg_batch = batch;
const weft_drop wg_drop_batch = drop_batch;
const weft_log_fn wg_log = log_line;

static const char tag = 0;
const void* const wg_tag = &tag;
