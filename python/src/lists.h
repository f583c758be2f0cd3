// Lists, strings and bytes between Python and the C ABI.
#pragma once

#include <algorithm>
#include <climits>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "handles.h"

namespace {

// The first result replaces None; further ones make a tuple.
PyObject* replace_result(PyObject* before, PyObject* value) {
  if (value == nullptr) {
    Py_XDECREF(before);
    return nullptr;
  }
  if (before == nullptr || before == Py_None) {
    Py_XDECREF(before);
    return value;
  }
  PyObject* pair = PyTuple_Pack(2, before, value);
  Py_DECREF(before);
  Py_DECREF(value);
  return pair;
}

// Calls take(item) for every item of a sequence; None is an empty one.
template <typename Take>
bool each(PyObject* sequence, Take&& take) {
  if (sequence == Py_None) return true;
  Py_ssize_t count = PySequence_Size(sequence);
  if (count < 0) return false;
  if (count > INT_MAX) {
    PyErr_SetString(PyExc_ValueError, "the list is too long");
    return false;
  }
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = PySequence_GetItem(sequence, i);
    if (item == nullptr) return false;
    bool ok = take(item);
    Py_DECREF(item);
    if (!ok) return false;
  }
  return true;
}

// A whole number that the C type can hold.
template <typename Number>
bool to_number(PyObject* object, const char* what, Number* out) {
  PyObject* index = PyNumber_Index(object);
  if (index == nullptr) {
    PyErr_Clear();
    return raise_type(object, what, "a whole number");
  }
  int overflow = 0;
  long long value = PyLong_AsLongLongAndOverflow(index, &overflow);
  if (overflow != 0 || value < std::numeric_limits<Number>::min() || value > std::numeric_limits<Number>::max()) {
    PyObject* message = PyUnicode_FromFormat("%s is %S, which does not fit into %d bits", what, index,
                                             static_cast<int>(8 * sizeof(Number)));
    raise_error(WEFT_INVALID_ARGUMENT, message);
    Py_DECREF(index);
    return false;
  }
  Py_DECREF(index);
  *out = static_cast<Number>(value);
  return true;
}

// Whether C has the whole string, which ends at the first NUL there.
bool is_whole(const char* text, size_t size) {
  if (std::strlen(text) == size) return true;
  PyObject* message = PyUnicode_FromString("a string with a NUL character in it cannot be used here");
  raise_error(WEFT_INVALID_ARGUMENT, message);
  return false;
}
// Text that lives as long as the object; NULL for None.
bool to_text(PyObject* object, const char* what, const char** out) {
  *out = nullptr;
  if (object == Py_None) return true;
  if (!PyUnicode_Check(object)) {
    return raise_type(object, what, "a str");
  }
  Py_ssize_t size = 0;
  *out = PyUnicode_AsUTF8AndSize(object, &size);
  return *out != nullptr && is_whole(*out, static_cast<size_t>(size));
}

template <typename Ints>
bool to_ints(PyObject* sequence, Ints* out) {
  return each(sequence, [&](PyObject* item) { return to_number(item, "an item", &out->emplace_back()); });
}
bool to_doubles(PyObject* sequence, std::vector<double>* out) {
  return each(sequence, [&](PyObject* item) {
    out->push_back(PyFloat_AsDouble(item));
    return !(out->back() == -1 && PyErr_Occurred());
  });
}
template <typename Handle>
bool to_handles(PyObject* sequence, std::vector<Handle*>* out) {
  return each(sequence, [&](PyObject* item) { return to_handle(item, "an item", &out->emplace_back()); });
}
// Room for as many items as the number says.
template <typename Item>
bool to_room(PyObject* number, std::vector<Item>* out) {
  int32_t count = 0;
  if (!to_number(number, "the number of results", &count)) return false;
  if (count < 0) {
    PyErr_SetString(PyExc_ValueError, "the number of results is negative");
    return false;
  }
  if (count > 1 << 20) {  // whose room would be gigabytes
    raise_error(WEFT_INVALID_ARGUMENT, PyUnicode_FromFormat("the number of results is %d, which no node has", count));
    return false;
  }
  out->resize(static_cast<size_t>(count));
  return true;
}

template <typename Item, typename Make>
PyObject* list_of(Item* items, Py_ssize_t count, Make&& make) {
  PyObject* list = PyList_New(count);
  for (Py_ssize_t i = 0; list != nullptr && i < count; ++i) {
    PyObject* item = make(items[i]);
    if (item == nullptr) {
      Py_DECREF(list);
      return nullptr;
    }
    PyList_SetItem(list, i, item);
  }
  return list;
}
PyObject* from_ints(const int64_t* items, Py_ssize_t count) {
  return list_of(items, count, [](int64_t item) { return PyLong_FromLongLong(item); });
}
PyObject* from_doubles(const double* items, Py_ssize_t count) {
  return list_of(items, count, [](double item) { return PyFloat_FromDouble(item); });
}

PyObject* take_bytes(weft_bytes* bytes) {
  PyObject* out = PyBytes_FromStringAndSize(static_cast<const char*>(weft_bytes_data(bytes)),
                                            static_cast<Py_ssize_t>(weft_bytes_size(bytes)));
  weft_bytes_free(bytes);
  return out;
}

// Strings that go in as an array of pointers.
struct Strings {
  std::vector<std::string> strings;
  std::vector<const char*> pointers;

  bool take(PyObject* sequence) {
    bool ok = each(sequence, [&](PyObject* item) {
      PyObject* bytes = PyBytes_Check(item) ? Py_NewRef(item) : PyUnicode_AsUTF8String(item);
      if (bytes == nullptr) return false;
      char* data = nullptr;
      Py_ssize_t size = 0;
      PyBytes_AsStringAndSize(bytes, &data, &size);
      strings.emplace_back(data, static_cast<size_t>(size));
      Py_DECREF(bytes);
      return true;
    });
    for (const std::string& string : strings) pointers.push_back(string.c_str());
    return ok;
  }
  bool are_text() const {
    return std::all_of(strings.begin(), strings.end(),
                       [](const std::string& string) { return is_whole(string.c_str(), string.size()); });
  }
};

PyObject* graph_value(PyObject*, PyObject* args) {  // graph, value -> name, kind, dtype, shape as text
  PyObject* object = nullptr;
  long long value = 0;
  if (!PyArg_ParseTuple(args, "OL", &object, &value)) return nullptr;
  auto* graph = handle_from<weft_graph>(object, "'graph'");
  if (graph == nullptr) return nullptr;
  const char* name = nullptr;
  int32_t kind = 0, dtype = 0, rank = 0;
  std::string copy;
  weft_status* status = nullptr;
  Py_BEGIN_ALLOW_THREADS;  // it waits while another thread has the graph, to compile it or to add to it
  status = weft_graph_value(graph, value, &name, &kind, &dtype, &rank);
  if (status == nullptr) copy = name;
  Py_END_ALLOW_THREADS;
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  return Py_BuildValue("siii", copy.c_str(), static_cast<int>(kind), static_cast<int>(dtype), static_cast<int>(rank));
}

PyObject* graph_load_bytes(PyObject*, PyObject* args) {  // bytes, folder or None, options or None -> graph
  const char *data = nullptr, *folder = nullptr;
  Py_ssize_t size = 0;
  PyObject *folder_object = nullptr, *options_object = nullptr;
  if (!PyArg_ParseTuple(args, "y#OO", &data, &size, &folder_object, &options_object)) return nullptr;
  if (!to_text(folder_object, "'folder'", &folder)) return nullptr;
  const weft_options* options = nullptr;
  if (!to_handle(options_object, "'options'", &options)) return nullptr;
  weft_graph* graph = nullptr;
  weft_status* status = nullptr;
  Py_BEGIN_ALLOW_THREADS;  // the arguments hold the bytes and the text
  status = weft_graph_load_bytes(data, static_cast<size_t>(size), folder, options, &graph);
  Py_END_ALLOW_THREADS;
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  return own(graph);
}

PyObject* model_inspect_bytes(PyObject*, PyObject* args) {  // bytes, folder or None -> JSON
  const char *data = nullptr, *folder = nullptr;
  Py_ssize_t size = 0;
  PyObject* folder_object = nullptr;
  if (!PyArg_ParseTuple(args, "y#O", &data, &size, &folder_object)) return nullptr;
  if (!to_text(folder_object, "'folder'", &folder)) return nullptr;
  weft_bytes* json = nullptr;
  weft_status* status = nullptr;
  Py_BEGIN_ALLOW_THREADS;  // the arguments hold the bytes and the text
  status = weft_model_inspect_bytes(data, static_cast<size_t>(size), folder, &json);
  Py_END_ALLOW_THREADS;
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  return take_bytes(json);
}

PyObject* history_data(PyObject*, PyObject* args) {  // history -> list of numbers
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  auto* history = handle_from<weft_history>(object, "'history'");
  if (history == nullptr) return nullptr;
  return from_doubles(weft_history_data(history),
                      static_cast<Py_ssize_t>(weft_history_count(history) * weft_history_width(history)));
}

}  // namespace
