// A run as one call: what is fed becomes tensors, what is fetched becomes arrays.
#pragma once

#include <structmember.h>

#include <cstring>

#include "arrays.h"

namespace {

// What Python does of what is rare: feeds -> dict; (value, what it is fed) -> tensor; (values, what they are) -> numbers;
// (tensor, whether a Tensor is wanted) -> what a run gives of it.
PyObject *dict_function = nullptr, *feed_function = nullptr, *ids_function = nullptr, *result_function = nullptr;

PyObject* set_run_functions(PyObject*, PyObject* args) {  // dict, feed, ids, result
  PyObject *dict = nullptr, *feed = nullptr, *ids = nullptr, *result = nullptr;
  if (!PyArg_ParseTuple(args, "OOOO", &dict, &feed, &ids, &result)) return nullptr;
  dict_function = Py_NewRef(dict);
  feed_function = Py_NewRef(feed);
  ids_function = Py_NewRef(ids);
  result_function = Py_NewRef(result);
  Py_RETURN_NONE;
}

// The base class of Value, with its `id`: dicts ask for the hash, and runs for the number, at each feed.
struct Numbered {
  PyObject_HEAD PyObject* id;
};
PyMemberDef value_members[] = {{"id", T_OBJECT_EX, offsetof(Numbered, id), 0, nullptr}, {}};
PyObject* value_type = nullptr;

bool is_value(PyObject* object) { return PyObject_TypeCheck(object, reinterpret_cast<PyTypeObject*>(value_type)) != 0; }

// What `id` is, as a new reference.
PyObject* id_of(PyObject* value) {
  PyObject* id = is_value(value) ? reinterpret_cast<Numbered*>(value)->id : nullptr;
  return id != nullptr ? Py_NewRef(id) : PyObject_GetAttrString(value, "id");
}
Py_hash_t value_hash(PyObject* self) {
  PyObject* id = id_of(self);
  if (id == nullptr) return -1;
  Py_hash_t hash = PyObject_Hash(id);
  Py_DECREF(id);
  return hash;
}
void value_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_XDECREF(reinterpret_cast<Numbered*>(self)->id);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}
PyType_Slot value_slots[] = {{Py_tp_hash, reinterpret_cast<void*>(value_hash)},
                             {Py_tp_members, value_members},
                             {Py_tp_dealloc, reinterpret_cast<void*>(value_dealloc)},
                             {0, nullptr}};
PyType_Spec value_spec = {"weft._native.Numbered", sizeof(Numbered), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                          value_slots};

int add_type(PyObject* module, PyType_Spec* spec, const char* name, PyObject** out) {
  *out = PyType_FromSpec(spec);
  return *out == nullptr ? -1 : PyModule_AddObjectRef(module, name, *out);
}
int add_types(PyObject* module) {
  if (add_type(module, &value_spec, "Numbered", &value_type) < 0) return -1;
  if (add_type(module, &memory_spec, "Memory", &memory_type) < 0) return -1;
  return add_type(module, &exporter_spec, "Exporter", &exporter_type);
}

bool to_id(PyObject* value, int64_t* out) {
  PyObject* id = id_of(value);
  if (id == nullptr) return false;
  bool ok = to_number(id, "an item", out);
  Py_DECREF(id);
  return ok;
}

// Memory of one call: that of a small run is on the stack.
class CallMemory {
 public:
  std::pmr::memory_resource* get() { return &resource_; }

 private:
  std::byte place_[1024];
  std::pmr::monotonic_buffer_resource resource_{place_, sizeof(place_)};
};
using Ids = std::pmr::vector<int64_t>;

// The numbers of one value or several.
bool to_ids(PyObject* values, const char* what, Ids* out) {
  if (is_value(values)) return to_id(values, &out->emplace_back());
  if (PyTuple_CheckExact(values) || PyList_CheckExact(values)) {
    bool odd = false;
    bool ok = each(values, [&](PyObject* item) {
      odd = !is_value(item);
      return !odd && to_id(item, &out->emplace_back());
    });
    if (ok || !odd) return ok;
    out->clear();
  }
  PyObject* ids = PyObject_CallFunction(ids_function, "Os", values, what);
  if (ids == nullptr) return false;
  bool ok = to_ints(ids, out);
  Py_DECREF(ids);
  return ok;
}

// The tensors that go into a run, for as long as it lasts.
class Feeds {
 public:
  explicit Feeds(std::pmr::memory_resource* memory)
      : ids_(memory), tensors_(memory), borrowed_(memory), capsules_(memory) {}
  Feeds(const Feeds&) = delete;
  Feeds& operator=(const Feeds&) = delete;
  ~Feeds() {
    LetGoHere here;
    borrowed_.clear();
    for (PyObject* capsule : capsules_) Py_DECREF(capsule);
    Py_XDECREF(dict_);
    here.let_go();
  }

  bool open(PyObject* feeds) {
    dict_ = PyDict_CheckExact(feeds) ? Py_NewRef(feeds) : PyObject_CallFunctionObjArgs(dict_function, feeds, nullptr);
    return dict_ != nullptr;
  }
  bool take() {
    PyObject *value = nullptr, *fed = nullptr;
    Py_ssize_t at = 0, count = PyDict_Size(dict_);
    ids_.reserve(static_cast<size_t>(count));
    tensors_.reserve(static_cast<size_t>(count));
    borrowed_.reserve(static_cast<size_t>(count));
    while (PyDict_Next(dict_, &at, &value, &fed)) {
      Py_INCREF(value);  // what Python does for one may change the dict
      Py_INCREF(fed);
      bool ok = add(value, fed);
      Py_DECREF(value);
      Py_DECREF(fed);
      if (!ok) return false;
      if (PyDict_Size(dict_) != count) {
        PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
        return false;
      }
    }
    return true;
  }

  const int64_t* ids() const { return ids_.data(); }
  const weft_tensor* const* tensors() const { return tensors_.data(); }
  int32_t count() const { return static_cast<int32_t>(ids_.size()); }

 private:
  bool add(PyObject* value, PyObject* fed) {
    if (is_value(value)) {
      if (OwnTensor tensor = from_array(fed); tensor != nullptr) {
        tensors_.push_back(tensor.get());
        borrowed_.push_back(std::move(tensor));
        return to_id(value, &ids_.emplace_back());
      }
      if (PyErr_Occurred()) return false;
    }
    PyObject* capsule = PyObject_CallFunctionObjArgs(feed_function, value, fed, nullptr);
    if (capsule == nullptr) return false;
    capsules_.push_back(capsule);
    auto* tensor = handle_from<weft_tensor>(capsule, "an item");
    tensors_.push_back(tensor);
    return tensor != nullptr && to_id(value, &ids_.emplace_back());
  }

  PyObject* dict_ = nullptr;
  Ids ids_;
  std::pmr::vector<const weft_tensor*> tensors_;
  std::pmr::vector<OwnTensor> borrowed_;
  std::pmr::vector<PyObject*> capsules_;
};

// What a run gives of a tensor: a Tensor if `as_tensor` is True, else an array or what has no array.
PyObject* to_result(OwnTensor tensor, PyObject* as_tensor) {
  // What has memory here is not on a device; of no elements, and of strings, the name of the device says it.
  if (as_tensor != Py_True &&
      (weft_tensor_data(tensor.get()) != nullptr || std::strcmp(weft_tensor_device(tensor.get()), "cpu") == 0)) {
    PyObject* array = to_array(tensor.get(), &tensor);
    if (array != nullptr || PyErr_Occurred()) return array;
  }
  PyObject* capsule = own(tensor.release());
  PyObject* made =
      capsule == nullptr ? nullptr : PyObject_CallFunctionObjArgs(result_function, capsule, as_tensor, nullptr);
  Py_XDECREF(capsule);
  return made;
}

bool need_arguments(const char* what, Py_ssize_t wanted, Py_ssize_t count) {
  if (count == wanted) return true;
  PyErr_Format(PyExc_TypeError, "%s takes %zd arguments but got %zd", what, wanted, count);
  return false;
}

// session, options, feeds, fetches, targets, whether Tensors are wanted -> one result for a Value, a list for a sequence
PyObject* session_run(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (!need_arguments("session_run", 6, count)) return nullptr;
  auto* session = handle_from<weft_session>(args[0], "'session'");
  const weft_options* options = nullptr;
  if (session == nullptr || !to_handle(args[1], "'options'", &options)) return nullptr;
  PyObject *feeds = args[2], *fetches = args[3], *targets = args[4], *as_tensors = args[5];
  CallMemory memory;
  Ids wanted(memory.get()), effects(memory.get());
  Feeds fed(memory.get());
  if (!fed.open(feeds) || !to_ids(fetches, "a fetch", &wanted) || !to_ids(targets, "a target", &effects) ||
      !fed.take()) {
    return nullptr;
  }
  std::pmr::vector<weft_tensor*> made(wanted.size(), memory.get());
  weft_status* status = nullptr;
  Py_BEGIN_ALLOW_THREADS;
  status = weft_session_run(session, fed.ids(), fed.tensors(), fed.count(), wanted.data(),
                            static_cast<int32_t>(wanted.size()), effects.data(), static_cast<int32_t>(effects.size()),
                            options, made.data());
  Py_END_ALLOW_THREADS;
  std::pmr::vector<OwnTensor> results(made.begin(), made.end(), memory.get());
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  if (is_value(fetches)) return to_result(std::move(results[0]), as_tensors);
  return list_of(results.data(), static_cast<Py_ssize_t>(results.size()),
                 [as_tensors](OwnTensor& tensor) { return to_result(std::move(tensor), as_tensors); });
}

// prepared, number, whether a Tensor is wanted -> its output of the last run
PyObject* prepared_output(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (!need_arguments("prepared_output", 3, count)) return nullptr;
  auto* prepared = handle_from<weft_prepared>(args[0], "'prepared'");
  int32_t i = 0;
  if (prepared == nullptr || !to_number(args[1], "'i'", &i)) return nullptr;
  weft_tensor* tensor = nullptr;
  if (weft_status* status = weft_prepared_output(prepared, i, &tensor); status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  return to_result(OwnTensor(tensor), args[2]);
}

// Those that are called most get their arguments without a tuple, which SWIG knows nothing of.
using Fast = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);
PyCFunction method_of(Fast function) { return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)); }
int add_run_functions(PyObject* module) {
  static PyMethodDef methods[] = {{"session_run", method_of(session_run), METH_FASTCALL, nullptr},
                                  {"prepared_output", method_of(prepared_output), METH_FASTCALL, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};
  return PyModule_AddFunctions(module, methods);
}

}  // namespace
