// Handles of the library as Python objects that own them.
#pragma once

#include <type_traits>

#include "errors.h"

namespace {

template <typename Handle>
struct Kind;
#define KIND(TYPE, FREE)                             \
  template <>                                        \
  struct Kind<TYPE> {                                \
    static constexpr char wanted[] = "a " #TYPE;     \
    static constexpr const char* name = wanted + 2;  \
    static void free(TYPE* handle) { FREE(handle); } \
  };
KIND(weft_options, weft_options_free)
KIND(weft_cancel, weft_cancel_free)
KIND(weft_graph, weft_graph_free)
KIND(weft_attrs, weft_attrs_free)
KIND(weft_schema, weft_schema_free)
KIND(weft_layer, weft_layer_free)
KIND(weft_dataset, weft_dataset_free)
KIND(weft_batches, weft_batches_free)
KIND(weft_history, weft_history_free)
KIND(weft_session, weft_session_free)
KIND(weft_prepared, weft_prepared_free)
KIND(weft_trace, weft_trace_free)
KIND(weft_tensor, weft_tensor_free)
KIND(weft_tensors, weft_tensors_free)
#undef KIND

template <typename Handle>
void free_handle(PyObject* capsule) {
  auto* handle = static_cast<Handle*>(PyCapsule_GetPointer(capsule, Kind<Handle>::name));
  LetGoHere here;  // the main thread, which does it otherwise, may be waiting for this one
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);               // the exception that ends the last holder, while others may run
  if constexpr (std::is_same_v<Handle, weft_tensor>) {  // what waits for a device gives the lock away itself
    Kind<Handle>::free(handle);
  } else {
    Py_BEGIN_ALLOW_THREADS;
    Kind<Handle>::free(handle);
    Py_END_ALLOW_THREADS;
  }
  here.let_go();
  if (anything_pending.load(std::memory_order_relaxed)) let_go_pending(nullptr);  // what calls without the lock left
  PyErr_Restore(type, value, traceback);
}

// A capsule that frees the handle with its last holder; None for NULL. A native call gives nothing else: Python may be
// interrupted as soon as it returns, before anybody holds what it made.
template <typename Handle>
PyObject* own(Handle* handle) {
  if (handle == nullptr) return Py_NewRef(Py_None);
  PyObject* capsule = PyCapsule_New(handle, Kind<Handle>::name, free_handle<Handle>);
  if (capsule == nullptr) Kind<Handle>::free(handle);
  return capsule;
}
template <typename Handle>
PyObject* own_all(Handle* const* handles, Py_ssize_t count) {
  PyObject* list = PyList_New(count);
  for (Py_ssize_t i = 0; i < count; ++i) {  // without memory for the list, each is freed at once
    PyObject* capsule = own(handles[i]);
    if (list != nullptr && capsule != nullptr) {
      PyList_SetItem(list, i, capsule);
    } else {
      Py_XDECREF(capsule);
      Py_CLEAR(list);
    }
  }
  return list;
}

// A capsule of what is somebody else's, for the time of a call.
template <typename Handle>
PyObject* lend(const Handle* handle) {
  return PyCapsule_New(const_cast<Handle*>(handle), Kind<Handle>::name, nullptr);
}

// The handle in a capsule; NULL for None.
template <typename Handle>
bool to_handle(PyObject* object, const char* what, Handle** out) {
  using Known = Kind<std::remove_const_t<Handle>>;
  *out = nullptr;
  if (object == Py_None) return true;
  if (!PyCapsule_IsValid(object, Known::name)) return raise_type(object, what, Known::wanted);
  *out = static_cast<Handle*>(PyCapsule_GetPointer(object, Known::name));
  return true;
}
// The same where there must be one.
template <typename Handle>
Handle* handle_from(PyObject* object, const char* what) {
  Handle* handle = nullptr;
  if (!to_handle(object, what, &handle)) return nullptr;
  if (handle == nullptr) raise_type(object, what, Kind<Handle>::wanted);
  return handle;
}
// The same for who takes it over: the capsule is of no use from then on.
template <typename Handle>
Handle* take_over(PyObject* object, const char* what) {
  auto* handle = handle_from<Handle>(object, what);
  if (handle == nullptr) return nullptr;
  PyCapsule_SetDestructor(object, nullptr);  // neither fails on a capsule
  PyCapsule_SetName(object, "taken over");
  return handle;
}

}  // namespace
