// A prepared run as a function without arguments.
#pragma once

#include "errors.h"
#include "lists.h"

namespace {

// Looking up what a Python object owns costs more than a small run, so it is done once. The owners keep the handles.
struct PreparedCall {
  PyObject* prepared_owner;
  PyObject* options_owner;
  weft_prepared* prepared;
  const weft_options* options;
};
const char kPreparedCall[] = "weft.PreparedCall";

void free_prepared_call(PyObject* capsule) {
  auto* call = static_cast<PreparedCall*>(PyCapsule_GetPointer(capsule, kPreparedCall));
  Py_DECREF(call->prepared_owner);
  Py_DECREF(call->options_owner);
  delete call;
}

PyObject* run_prepared(PyObject* capsule, PyObject*) {
  auto* call = static_cast<PreparedCall*>(PyCapsule_GetPointer(capsule, kPreparedCall));
  weft_status* status = nullptr;
  Py_BEGIN_ALLOW_THREADS;
  status = weft_prepared_run(call->prepared, call->options);
  Py_END_ALLOW_THREADS;
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  Py_RETURN_NONE;
}
PyMethodDef run_prepared_method = {"run", run_prepared, METH_NOARGS, nullptr};

PyObject* prepared_call(PyObject*, PyObject* args) {  // prepared, options -> function
  PyObject *prepared_owner = nullptr, *options_owner = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &prepared_owner, &options_owner)) return nullptr;
  auto* prepared = handle_from<weft_prepared>(prepared_owner, "'prepared'");
  auto* options = handle_from<weft_options>(options_owner, "'options'");
  if (prepared == nullptr || options == nullptr) return nullptr;
  auto* call = new PreparedCall{Py_NewRef(prepared_owner), Py_NewRef(options_owner), prepared, options};
  PyObject* capsule = PyCapsule_New(call, kPreparedCall, free_prepared_call);
  if (capsule == nullptr) return nullptr;
  PyObject* function = PyCFunction_New(&run_prepared_method, capsule);
  Py_DECREF(capsule);
  return function;
}

}  // namespace
