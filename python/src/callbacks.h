// Python functions that the library calls: interrupts, fit callbacks, datasets, host functions, the log.
#pragma once

#include <time.h>

#include <chrono>

#include "lists.h"
#include "lock.h"

namespace {

PyObject* set_main_thread(PyObject*, PyObject* args) {  // its identifier
  unsigned long thread = 0;
  if (!PyArg_ParseTuple(args, "k", &thread)) return nullptr;
  main_thread = thread;
  asking = 0;  // in a forked child the others are gone
  Py_RETURN_NONE;
}

// Called when Python begins to end: afterwards no other thread is in a function of it that needs a living interpreter.
PyObject* end_callbacks(PyObject*, PyObject*) {
  let_go_pending(nullptr);
  {
    std::lock_guard<std::mutex> lock(pending_mutex);
    ending = true;
  }
  Py_BEGIN_ALLOW_THREADS;
  while (asking.load() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Py_END_ALLOW_THREADS;
  Py_RETURN_NONE;
}

// The library asks at the beginning of a run too, when Python itself has just looked; as looking takes the lock, short
// runs one after another look once in 10 ms.
weft_status* check_interrupt(void*) {
  static int64_t last = 0;
  if (!is_main_thread()) return nullptr;
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  int64_t now = int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
  if (now - last < 10) return nullptr;
  last = now;
  return status_with_lock([] { return PyErr_CheckSignals() == 0 ? nullptr : status_of_exception(WEFT_CANCELLED); });
}
PyObject* options_interruptible(PyObject*, PyObject* args) {  // options: Ctrl-C ends what runs with them
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  auto* options = handle_from<weft_options>(object, "'options'");
  if (options == nullptr) return nullptr;
  if (weft_status* status = weft_options_set_poll(options, check_interrupt, nullptr, nullptr); status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  Py_RETURN_NONE;
}

weft_status* call_fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                      const char* const* names, const double* averages, int32_t metric_count, int32_t* out_stop) {
  return status_with_lock([&]() -> weft_status* {
    PyObject* metrics = PyDict_New();
    for (int32_t i = 0; i < metric_count && metrics != nullptr; ++i) {
      PyObject* average = PyFloat_FromDouble(averages[i]);
      if (average == nullptr || PyDict_SetItemString(metrics, names[i], average) != 0) Py_CLEAR(metrics);
      Py_XDECREF(average);
    }
    PyObject* result = metrics == nullptr
                           ? nullptr
                           : PyObject_CallFunction(static_cast<PyObject*>(user), "iLLLN", static_cast<int>(event),
                                                   static_cast<long long>(epoch), static_cast<long long>(batch),
                                                   static_cast<long long>(batch_count), metrics);
    if (result == nullptr) return status_of_exception(WEFT_ABORTED);
    int stop = PyObject_IsTrue(result);
    Py_DECREF(result);
    if (stop < 0) return status_of_exception(WEFT_ABORTED);
    *out_stop = stop;
    return nullptr;
  });
}
PyObject* options_callback(PyObject*, PyObject* args) {  // options, function
  PyObject *object = nullptr, *function = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &object, &function)) return nullptr;
  auto* options = handle_from<weft_options>(object, "'options'");
  if (options == nullptr) return nullptr;
  Py_INCREF(function);
  if (weft_status* status = weft_options_set_callback(options, call_fit, function, drop_object); status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  Py_RETURN_NONE;
}

// The function gets a handle of named tensors, there for the call, to set those of the next batch in.
weft_status* call_batch(void* user, weft_tensors* out_batch) {
  return status_with_lock([&]() -> weft_status* {
    let_go_pending(nullptr);  // of earlier batches, as the main thread may wait for this one
    PyObject* batch = lend(out_batch);
    PyObject* result = batch == nullptr ? nullptr : PyObject_CallFunction(static_cast<PyObject*>(user), "N", batch);
    if (result == nullptr) return status_of_exception(WEFT_UNKNOWN);
    Py_DECREF(result);
    return nullptr;
  });
}
// A generator ends with its pass, on the thread that went through it, so what it holds is let go of then and there.
void drop_pass(void* function) {
  with_lock([&] { Py_DECREF(static_cast<PyObject*>(function)); });
}
PyObject* batches_new(PyObject*, PyObject* args) {  // names, function -> pass
  PyObject *list = nullptr, *function = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &list, &function)) return nullptr;
  Strings names;
  if (!names.take(list) || !names.are_text()) return nullptr;
  Py_INCREF(function);
  weft_batches* batches = nullptr;
  weft_status* status = weft_batches_new(names.pointers.data(), static_cast<int32_t>(names.pointers.size()), &batches,
                                         call_batch, function, drop_pass);
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  return own(batches);
}

// The function gets the number of the pass and gives the handle of one, which is taken over.
weft_status* call_pass(void* user, int64_t epoch, weft_batches** out_batches) {
  return status_with_lock([&]() -> weft_status* {
    PyObject* result = PyObject_CallFunction(static_cast<PyObject*>(user), "L", static_cast<long long>(epoch));
    *out_batches = result == nullptr ? nullptr : take_over<weft_batches>(result, "a pass over a dataset");
    Py_XDECREF(result);
    return *out_batches == nullptr ? status_of_exception(WEFT_UNKNOWN) : nullptr;
  });
}
PyObject* dataset_new_function(PyObject*, PyObject* args) {  // width, function -> dataset
  int width = 0;
  PyObject* function = nullptr;
  if (!PyArg_ParseTuple(args, "iO", &width, &function)) return nullptr;
  Py_INCREF(function);
  weft_dataset* dataset = nullptr;
  weft_status* status = weft_dataset_new_function(width, &dataset, call_pass, function, drop_object);
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  return own(dataset);
}

// The function gets a list of handles that are borrowed for the call, and the number of results; it gives a list of
// handles that are taken over.
weft_status* call_host(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                       int32_t output_count) {
  return status_with_lock([&]() -> weft_status* {
    PyObject* list = list_of(inputs, input_count, lend<weft_tensor>);
    PyObject* result = list == nullptr ? nullptr
                                       : PyObject_CallFunction(static_cast<PyObject*>(user), "Ni", list,
                                                               static_cast<int>(output_count));
    if (result == nullptr) return status_of_exception(WEFT_UNKNOWN);
    int32_t count = 0;
    // All are looked at before the first is taken over.
    bool ok = each(result, [](PyObject* item) { return handle_from<weft_tensor>(item, "a result") != nullptr; }) &&
              each(result, [&](PyObject* item) {
                if (count < output_count) out_tensors[count++] = take_over<weft_tensor>(item, "a result");
                return true;
              });
    Py_DECREF(result);
    return ok ? nullptr : status_of_exception(WEFT_UNKNOWN);
  });
}
PyObject* host_function(PyObject*, PyObject* args) {  // name, function or None
  const char* name = nullptr;
  PyObject *name_object = nullptr, *function = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &name_object, &function)) return nullptr;
  if (!to_text(name_object, "'name'", &name)) return nullptr;
  weft_status* status = nullptr;
  if (function == Py_None) {
    status = weft_host_function_set(name, nullptr, nullptr, nullptr);
  } else {
    Py_INCREF(function);
    status = weft_host_function_set(name, call_host, function, drop_object);
  }
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  Py_RETURN_NONE;
}

// The function gets the graph, which is its own from then on, the numbers of the inputs, the handle of the attributes, there
// for the call, and the number of outputs; it gives the numbers of as many values or more.
weft_status* call_body(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                       const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  weft_status* status = status_with_lock([&]() -> weft_status* {
    PyObject* owner = own(std::exchange(graph, nullptr));
    PyObject* values = owner == nullptr ? nullptr : from_ints(inputs, input_count);
    PyObject* lent = values == nullptr ? nullptr : lend(attrs);
    PyObject* result = lent == nullptr ? nullptr
                                       : PyObject_CallFunction(static_cast<PyObject*>(user), "OOOi", owner, values,
                                                               lent, static_cast<int>(output_count));
    Py_XDECREF(lent);
    Py_XDECREF(values);
    Py_XDECREF(owner);
    if (result == nullptr) return status_of_exception(WEFT_UNKNOWN);
    std::vector<int64_t> made;
    const bool ok = to_ints(result, &made);
    Py_DECREF(result);
    if (!ok) return status_of_exception(WEFT_UNKNOWN);
    for (size_t i = 0; i < made.size() && i < static_cast<size_t>(output_count); ++i) out_values[i] = made[i];
    return nullptr;
  });
  weft_graph_free(graph);  // if Python ends
  return status;
}
PyObject* op_add(PyObject*, PyObject* args) {  // schema, function
  PyObject *object = nullptr, *function = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &object, &function)) return nullptr;
  auto* schema = handle_from<weft_schema>(object, "'schema'");
  if (schema == nullptr) return nullptr;
  Py_INCREF(function);
  weft_status* status = nullptr;
  Py_BEGIN_ALLOW_THREADS;  // it waits while others look for operators
  status = weft_op_add(schema, 0, call_body, function, drop_object);
  Py_END_ALLOW_THREADS;
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  Py_RETURN_NONE;
}

void call_log(void* user, int32_t level, const char* text) {
  with_lock([&] {
    PyObject* result = PyObject_CallFunction(static_cast<PyObject*>(user), "is", static_cast<int>(level), text);
    if (result == nullptr) PyErr_WriteUnraisable(static_cast<PyObject*>(user));
    Py_XDECREF(result);
  });
}
PyObject* log_function(PyObject*, PyObject* args) {  // function or None, lowest level
  PyObject* function = nullptr;
  int level = 0;
  if (!PyArg_ParseTuple(args, "Oi", &function, &level)) return nullptr;
  if (function == Py_None) {
    weft_log_set(nullptr, 0, nullptr, nullptr);
  } else {
    Py_INCREF(function);
    weft_log_set(call_log, level, function, drop_object);
  }
  Py_RETURN_NONE;
}

}  // namespace
