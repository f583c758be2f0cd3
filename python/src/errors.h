// Errors of the library as Python exceptions, and Python exceptions as errors of the library.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory_resource>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lock.h"

namespace {

// Identifies exceptions that this module attached to a status.
const char kExceptionTag = 0;

// Makes the exception: called with code, message, node, op, origin, errno.
PyObject* error_factory = nullptr;
// Called with an exception that Python raised in a run, node, op and origin.
PyObject* error_place = nullptr;

// What a `drop` callback wants to let go. It may come on any thread, so it waits for one that has the interpreter's lock.
std::mutex pending_mutex;
std::vector<std::pair<void (*)(void*), void*>> pending;
std::atomic<bool> anything_pending{false};

int let_go_pending(void*) {
  for (;;) {
    std::vector<std::pair<void (*)(void*), void*>> taken;
    {
      std::lock_guard<std::mutex> lock(pending_mutex);
      taken.swap(pending);
      anything_pending = false;
    }
    if (taken.empty()) return 0;
    for (auto& [release, what] : taken) release(what);
  }
}

// While one lives, what this thread lets go of is kept for `let_go`, which wants the interpreter's lock. The destructor does
// not call it: where Python ends a thread that asks for the lock, the stack is unwound without it.
class LetGoHere {
 public:
  LetGoHere() : outer_(current) { current = this; }
  LetGoHere(const LetGoHere&) = delete;
  LetGoHere& operator=(const LetGoHere&) = delete;
  ~LetGoHere() { current = outer_; }

  void let_go() {
    current = outer_;
    PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
    PyErr_Fetch(&type, &value, &traceback);  // what is let go of may run anything
    for (auto& [release, what] : kept_) release(what);
    PyErr_Restore(type, value, traceback);
  }

  static bool keep(void (*release)(void*), void* what) {
    if (current == nullptr) return false;
    current->kept_.emplace_back(release, what);
    return true;
  }

 private:
  static inline thread_local LetGoHere* current = nullptr;
  LetGoHere* outer_;
  std::byte place_[512];
  std::pmr::monotonic_buffer_resource memory_{place_, sizeof(place_)};
  std::pmr::vector<std::pair<void (*)(void*), void*>> kept_{&memory_};
};

void let_go_later(void (*release)(void*), void* what) {
  if (LetGoHere::keep(release, what)) return;
  std::lock_guard<std::mutex> lock(pending_mutex);
  if (ending.load()) return;  // the interpreter goes, and the object with it
  pending.emplace_back(release, what);
  anything_pending = true;
  Py_AddPendingCall(let_go_pending, nullptr);  // if its list is full, a later call finds the object
}

void release_object(void* object) { Py_DECREF(static_cast<PyObject*>(object)); }
void drop_object(void* object) { let_go_later(release_object, object); }

// Frees a status on a thread with the lock: the exception that it kept goes at once, as the main thread may be waiting for
// this one.
void free_status(weft_status* status) {
  LetGoHere here;
  weft_status_free(status);
  here.let_go();
}

// Raises what the status says and frees it. Called with the lock.
void raise_status(weft_status* status) {
  if (auto* thrown = static_cast<PyObject*>(weft_status_payload(status, &kExceptionTag)); thrown != nullptr) {
    Py_INCREF(thrown);
    PyObject* placed = PyObject_CallFunction(error_place, "Osss", thrown, weft_status_node(status),
                                             weft_status_op(status), weft_status_origin(status));
    if (placed == nullptr) PyErr_Clear();  // what was thrown matters more
    Py_XDECREF(placed);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(thrown)), thrown);
    Py_DECREF(thrown);
    free_status(status);
    return;
  }
  PyObject* error = PyObject_CallFunction(error_factory, "issssi", static_cast<int>(weft_status_code(status)),
                                          weft_status_message(status), weft_status_node(status), weft_status_op(status),
                                          weft_status_origin(status), static_cast<int>(weft_status_errno(status)));
  free_status(status);
  if (error == nullptr) return;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error)), error);
  Py_DECREF(error);
}

// A TypeError that says what was found and what was wanted; false.
bool raise_type(PyObject* object, const char* what, const char* wanted) {
  if (object == Py_None) {
    PyErr_Format(PyExc_TypeError, "%s must be %s but is None", what, wanted);
    return false;
  }
  PyObject* name = PyType_GetName(Py_TYPE(object));
  if (name == nullptr) return false;
  const char* article = std::strchr("aeioAEIO", static_cast<int>(PyUnicode_ReadChar(name, 0))) != nullptr ? "an" : "a";
  PyErr_Format(PyExc_TypeError, "%s must be %s but is %s %U", what, wanted, article, name);
  Py_DECREF(name);
  return false;
}

// Raises an error of this module's own; takes the text.
void raise_error(int32_t code, PyObject* message) {
  if (message == nullptr) return;
  PyObject* error = PyObject_CallFunction(error_factory, "iNsssi", static_cast<int>(code), message, "", "", "", 0);
  if (error == nullptr) return;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error)), error);
  Py_DECREF(error);
}

// The exception that is being raised, as an error of the library; it keeps the exception.
weft_status* status_of_exception(int32_t code) {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != nullptr) PyException_SetTraceback(value, traceback);
  std::string text = "an exception in Python";
  if (PyObject* str = value != nullptr ? PyObject_Str(value) : nullptr; str != nullptr) {
    if (PyObject* bytes = PyUnicode_AsUTF8String(str); bytes != nullptr) {
      PyObject* name = PyType_GetName(reinterpret_cast<PyTypeObject*>(type));
      PyObject* name_bytes = name != nullptr ? PyUnicode_AsUTF8String(name) : nullptr;
      if (name_bytes != nullptr) text = std::string(PyBytes_AsString(name_bytes)) + ": " + PyBytes_AsString(bytes);
      Py_XDECREF(name_bytes);
      Py_XDECREF(name);
      Py_DECREF(bytes);
    }
    Py_DECREF(str);
  }
  PyErr_Clear();
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return weft_status_new(code, text.c_str(), &kExceptionTag, value, drop_object);
}

PyObject* set_error_functions(PyObject*, PyObject* args) {  // factory, place
  PyObject *factory = nullptr, *place = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &factory, &place)) return nullptr;
  Py_INCREF(factory);
  Py_INCREF(place);
  Py_XDECREF(error_factory);
  Py_XDECREF(error_place);
  error_factory = factory;
  error_place = place;
  Py_RETURN_NONE;
}

}  // namespace
