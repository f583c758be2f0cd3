// The module weft._native: the C ABI, thin. Errors are exceptions, arrays are lists, results are returned.
%module(package="weft", threads="1") _native

%{
#include "errors.h"
#include "handles.h"
#include "lists.h"
#include "memory.h"
#include "callbacks.h"
#include "prepared.h"
#include "run.h"

#include <dlfcn.h>
%}

%init %{
  if (add_types(m) < 0 || add_run_functions(m) < 0) return -1;
%}
%native(import_numpy) PyObject* import_numpy(PyObject*, PyObject*);
%native(set_run_functions) PyObject* set_run_functions(PyObject*, PyObject*);
%native(set_error_functions) PyObject* set_error_functions(PyObject*, PyObject*);
%native(tensor_borrow) PyObject* tensor_borrow(PyObject*, PyObject*);
%native(tensor_strings) PyObject* tensor_strings(PyObject*, PyObject*);
%native(tensor_from_strings) PyObject* tensor_from_strings(PyObject*, PyObject*);
%native(tensor_dims) PyObject* tensor_dims(PyObject*, PyObject*);
%native(tensor_bytes) PyObject* tensor_bytes(PyObject*, PyObject*);
%native(tensor_from_bytes) PyObject* tensor_from_bytes(PyObject*, PyObject*);
%native(tensor_array) PyObject* tensor_array(PyObject*, PyObject*);
%native(tensor_to_dlpack) PyObject* tensor_to_dlpack(PyObject*, PyObject*);
%native(tensor_from_dlpack) PyObject* tensor_from_dlpack(PyObject*, PyObject*);
%native(tensor_place) PyObject* tensor_place(PyObject*, PyObject*);
%native(tensor_lend) PyObject* tensor_lend(PyObject*, PyObject*);
%native(graph_value) PyObject* graph_value(PyObject*, PyObject*);
%native(graph_load_bytes) PyObject* graph_load_bytes(PyObject*, PyObject*);
%native(model_inspect_bytes) PyObject* model_inspect_bytes(PyObject*, PyObject*);
%native(history_data) PyObject* history_data(PyObject*, PyObject*);
%native(end_callbacks) PyObject* end_callbacks(PyObject*, PyObject*);
%native(set_main_thread) PyObject* set_main_thread(PyObject*, PyObject*);
%native(options_interruptible) PyObject* options_interruptible(PyObject*, PyObject*);
%native(options_callback) PyObject* options_callback(PyObject*, PyObject*);
%native(batches_new) PyObject* batches_new(PyObject*, PyObject*);
%native(dataset_new_function) PyObject* dataset_new_function(PyObject*, PyObject*);
%native(prepared_call) PyObject* prepared_call(PyObject*, PyObject*);
%native(host_function) PyObject* host_function(PyObject*, PyObject*);
%native(op_add) PyObject* op_add(PyObject*, PyObject*);
%native(log_function) PyObject* log_function(PyObject*, PyObject*);

%include <stdint.i>

// -- Results. A failed call raises; a call that can only fail or succeed returns None.
%typemap(out) weft_status* {
  if ($1 != nullptr) {
    raise_status($1);
    SWIG_fail;
  }
  $result = Py_NewRef(Py_None);
}
// The status functions themselves work on a status; nothing in Python holds one.
%ignore weft_status_new;
%ignore weft_status_code;
%ignore weft_status_message;
%ignore weft_status_node;
%ignore weft_status_op;
%ignore weft_status_origin;
%ignore weft_status_text;
%ignore weft_status_payload;
// Functions with callbacks, those whose results are borrowed memory, and runs have their own form in the headers here.
%ignore weft_options_set_poll;
%ignore weft_options_set_callback;
%ignore weft_host_function_set;
%ignore weft_op_add;
%ignore weft_batches_new;
%ignore weft_dataset_new_function;
%ignore weft_log_set;
%ignore weft_tensor_new_copy;
%ignore weft_tensor_new_strings;
%ignore weft_tensor_borrow;
%ignore weft_tensor_data;
%ignore weft_tensor_mutable;
%ignore weft_tensor_dims;
%ignore weft_tensor_string;
%ignore weft_tensor_buffer;
%ignore weft_tensor_dlpack;
%ignore weft_tensor_borrow_dlpack;
%ignore weft_bytes_data;
%ignore weft_bytes_size;
%ignore weft_graph_value;
%ignore weft_graph_load_bytes;
%ignore weft_model_inspect_bytes;
%ignore weft_history_data;
%ignore weft_session_run;
%ignore weft_prepared_output;
// Results whose number another argument says.
%ignore weft_graph_differentiate;
%ignore weft_session_evaluate;
%ignore weft_session_predict;

// -- Handles, which go in and come out as what owns them; it also frees them.
%rename("$ignore", regexmatch$name="_free$") "";
%define HANDLE(TYPE)
%typemap(in) TYPE* { if (!to_handle($input, "'$1_name'", &$1)) SWIG_fail; }
%typemap(in, numinputs=0) TYPE** (TYPE* made = nullptr) { $1 = &made; }
%typemap(argout) TYPE** { $result = replace_result($result, own(*$1)); }
%enddef
HANDLE(weft_options)
HANDLE(weft_cancel)
HANDLE(weft_graph)
HANDLE(weft_attrs)
HANDLE(weft_schema)
HANDLE(weft_layer)
HANDLE(weft_dataset)
HANDLE(weft_batches)
HANDLE(weft_history)
HANDLE(weft_session)
HANDLE(weft_prepared)
HANDLE(weft_trace)
HANDLE(weft_tensor)
HANDLE(weft_tensors)

// -- Bytes that come out.
%typemap(in, numinputs=0) weft_bytes** (weft_bytes* made = nullptr) { $1 = &made; }
%typemap(argout) weft_bytes** { $result = replace_result($result, take_bytes(*$1)); }

// -- One number that comes out.
%typemap(in, numinputs=0) int64_t* out_value (int64_t made = 0) { $1 = &made; }
%typemap(argout) int64_t* out_value { $result = replace_result($result, PyLong_FromLongLong(*$1)); }
%apply int64_t* out_value { int64_t* out_step, int64_t* out_target };

// -- Numbers that go in; one that is too large is named.
%define IN_NUMBER(TYPE)
%typemap(in) TYPE { if (!to_number($input, "'$1_name'", &$1)) SWIG_fail; }
%enddef
IN_NUMBER(int64_t)
IN_NUMBER(int32_t)

// -- Strings that go in; None is NULL.
%typemap(in) const char* (const char* text = nullptr) {
  if (!to_text($input, "'$1_name'", &text)) SWIG_fail;
  $1 = ($1_ltype)text;
}
%typemap(freearg) const char* ""

// -- Lists that go in.
%define IN_INTS(NAME, COUNT)
%typemap(in) (const int64_t* NAME, int32_t COUNT) (std::vector<int64_t> list) {
  if (!to_ints($input, &list)) SWIG_fail;
  $1 = ($1_ltype)list.data();
  $2 = static_cast<int32_t>(list.size());
}
%enddef
IN_INTS(dims, rank)
IN_INTS(inputs, input_count)
IN_INTS(feeds, feed_count)
IN_INTS(fetches, fetch_count)
IN_INTS(targets, target_count)
IN_INTS(variables, variable_count)
IN_INTS(metrics, metric_count)
IN_INTS(values, count)
IN_INTS(outputs, output_count)
IN_INTS(ys, y_count)
IN_INTS(xs, x_count)
%typemap(in) (const int64_t* values, int64_t count) (std::vector<int64_t> list) {
  if (!to_ints($input, &list)) SWIG_fail;
  $1 = ($1_ltype)list.data();
  $2 = static_cast<int64_t>(list.size());
}
%typemap(in) const int64_t* weights (std::vector<int64_t> list) {
  if (!to_ints($input, &list)) SWIG_fail;
  $1 = ($1_ltype)list.data();
}
%typemap(in) (const double* values, int64_t count) (std::vector<double> list) {
  if (!to_doubles($input, &list)) SWIG_fail;
  $1 = ($1_ltype)list.data();
  $2 = static_cast<int64_t>(list.size());
}
%typemap(in) (const char* const* values, int64_t count) (Strings list), (const char* const* names, int32_t count) (Strings list) {
  if (!list.take($input) || !list.are_text()) SWIG_fail;
  $1 = ($1_ltype)list.pointers.data();
  $2 = static_cast<$2_ltype>(list.pointers.size());
}
%define IN_TENSORS(NAME, COUNT, COUNT_TYPE)
%typemap(in) (const weft_tensor* const* NAME, COUNT_TYPE COUNT) (std::vector<const weft_tensor*> list) {
  if (!to_handles($input, &list)) SWIG_fail;
  $1 = ($1_ltype)list.data();
  $2 = static_cast<COUNT_TYPE>(list.size());
}
%typemap(argout) (const weft_tensor* const* NAME, COUNT_TYPE COUNT) ""
%enddef
IN_TENSORS(tensors, count, int32_t)
IN_TENSORS(items, count, int64_t)
IN_TENSORS(tensors, tensor_count, int32_t)

// -- Lists that come out; Python says how many.
%define OUT_INTS(NAME, COUNT)
%typemap(in) (int64_t* NAME, int32_t COUNT) (std::vector<int64_t> list) {
  if (!to_room($input, &list)) SWIG_fail;
  $1 = ($1_ltype)list.data();
  $2 = static_cast<int32_t>(list.size());
}
%typemap(argout) (int64_t* NAME, int32_t COUNT) { $result = replace_result($result, from_ints($1, $2)); }
%enddef
OUT_INTS(out_values, output_count)
OUT_INTS(out_dims, rank)
%typemap(in) (weft_tensor** out_tensors, int32_t count) (std::vector<weft_tensor*> list) {
  if (!to_room($input, &list)) SWIG_fail;
  $1 = ($1_ltype)list.data();
  $2 = static_cast<int32_t>(list.size());
}
%typemap(argout) (weft_tensor** out_tensors, int32_t count) {
  $result = replace_result($result, own_all($1, $2));
}
%typemap(in) (double* out_averages, int32_t count) (std::vector<double> list) {
  if (!to_room($input, &list)) SWIG_fail;
  $1 = ($1_ltype)list.data();
  $2 = static_cast<int32_t>(list.size());
}
%typemap(argout) (double* out_averages, int32_t count) { $result = replace_result($result, from_doubles($1, $2)); }

// -- What does not block keeps the interpreter's lock: letting go of it costs more than the call. What was bound before and
// waits for a device as it goes gives the lock away itself.
%nothread weft_prepared_bind_input;
%nothread weft_prepared_bind_output;
%nothread weft_tensor_rank;
%nothread weft_tensor_dtype;
%nothread weft_tensor_kind;
%nothread weft_tensor_device;

%include "abi.i"

%inline %{
// The version of the headers that this module was built with.
const char* built_version() {
#define WEFT_TEXT_(x) #x
#define WEFT_TEXT(x) WEFT_TEXT_(x)
  return WEFT_TEXT(WEFT_VERSION_MAJOR) "." WEFT_TEXT(WEFT_VERSION_MINOR) "." WEFT_TEXT(WEFT_VERSION_PATCH);
}
// The file of the library that is used.
const char* library_path() {
  Dl_info info;
  bool found = dladdr(reinterpret_cast<const void*>(&weft_version), &info) != 0;
  return found && info.dli_fname != nullptr ? info.dli_fname : "";
}
weft_status* graph_differentiate(weft_graph* graph, const int64_t* ys, int32_t y_count, const int64_t* xs,
                                 int32_t x_count, const int64_t* weights, const char* origin, int64_t* out_values,
                                 int32_t output_count) {
  (void)output_count;  // x_count
  return weft_graph_differentiate(graph, ys, y_count, xs, x_count, weights, origin, out_values);
}
weft_status* session_evaluate(weft_session* session, const weft_dataset* dataset, const int64_t* feeds,
                              int32_t feed_count, const int64_t* metrics, int32_t metric_count,
                              const weft_options* options, double* out_averages, int32_t count) {
  (void)count;  // metric_count
  return weft_session_evaluate(session, dataset, feeds, feed_count, metrics, metric_count, options, out_averages);
}
weft_status* session_predict(weft_session* session, const weft_dataset* dataset, const int64_t* feeds,
                             int32_t feed_count, const int64_t* fetches, int32_t fetch_count,
                             const weft_options* options, weft_tensor** out_tensors, int32_t count) {
  (void)count;  // fetch_count
  return weft_session_predict(session, dataset, feeds, feed_count, fetches, fetch_count, options, out_tensors);
}
%}
