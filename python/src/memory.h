// Tensors over Python's memory, and Python's view of a tensor's memory.
#pragma once

#include "lists.h"

namespace {

// Holds the memory of a tensor for as long as an array looks at it.
struct Memory {
  PyObject_HEAD weft_buffer* buffer;
  void* data;
  Py_ssize_t size;
  int read_only;
};

int memory_get_buffer(PyObject* self, Py_buffer* view, int flags) {
  auto* memory = reinterpret_cast<Memory*>(self);
  return PyBuffer_FillInfo(view, self, memory->data, memory->size, memory->read_only, flags);
}
void memory_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  weft_buffer_free(reinterpret_cast<Memory*>(self)->buffer);
  freefunc release = reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free));
  release(self);
  Py_DECREF(type);
}
PyType_Slot memory_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(memory_get_buffer)},
                              {Py_tp_dealloc, reinterpret_cast<void*>(memory_dealloc)},
                              {0, nullptr}};
PyType_Spec memory_spec = {"weft._native.Memory", sizeof(Memory), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, memory_slots};
PyObject* memory_type = nullptr;

// A base class that gives the buffer protocol to a class in Python: the buffer is that of what `_buffer()` gives.
int exporter_get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  PyObject* array = PyObject_CallMethod(self, "_buffer", nullptr);
  if (array == nullptr) return -1;
  int result = PyObject_GetBuffer(array, view, flags);
  Py_DECREF(array);
  return result;
}
PyType_Slot exporter_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(exporter_get_buffer)}, {0, nullptr}};
PyType_Spec exporter_spec = {"weft._native.Exporter", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                             exporter_slots};

int add_type(PyObject* module, PyType_Spec* spec, const char* name, PyObject** out) {
  *out = PyType_FromSpec(spec);
  return *out == nullptr ? -1 : PyModule_AddObjectRef(module, name, *out);
}
int add_types(PyObject* module) {
  static PyObject* exporter_type = nullptr;
  if (add_type(module, &memory_spec, "Memory", &memory_type) < 0) return -1;
  return add_type(module, &exporter_spec, "Exporter", &exporter_type);
}

PyObject* memory_of(const weft_tensor* tensor) {
  weft_buffer* buffer = nullptr;
  if (weft_status* status = weft_tensor_buffer(tensor, &buffer); status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  auto allocate =
      reinterpret_cast<allocfunc>(PyType_GetSlot(reinterpret_cast<PyTypeObject*>(memory_type), Py_tp_alloc));
  PyObject* self = allocate(reinterpret_cast<PyTypeObject*>(memory_type), 0);
  if (self == nullptr) {
    weft_buffer_free(buffer);
    return nullptr;
  }
  auto* memory = reinterpret_cast<Memory*>(self);
  memory->buffer = buffer;
  memory->size = static_cast<Py_ssize_t>(weft_tensor_bytes(tensor));
  void* writable = nullptr;
  weft_status* refused = weft_tensor_mutable(const_cast<weft_tensor*>(tensor), &writable);
  memory->read_only = refused != nullptr;
  weft_status_free(refused);
  memory->data = const_cast<void*>(weft_tensor_data(tensor));
  return self;
}

// tensor -> (dtype, dims, Memory); the dtype is 0 for other kinds, Memory is None for them, for strings and for nothing
PyObject* tensor_view(PyObject*, PyObject* args) {
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  auto* tensor = handle_from<weft_tensor>(object, "'tensor'");
  if (tensor == nullptr) return nullptr;
  bool plain = weft_tensor_kind(tensor) == WEFT_TENSOR;
  int32_t rank = weft_tensor_rank(tensor);
  const int64_t* dims = weft_tensor_dims(tensor);
  PyObject* shape = PyTuple_New(rank);
  for (int32_t i = 0; shape != nullptr && i < rank; ++i) PyTuple_SetItem(shape, i, PyLong_FromLongLong(dims[i]));
  if (shape == nullptr) return nullptr;
  bool seen = plain && weft_tensor_dtype(tensor) != WEFT_STRING && weft_tensor_bytes(tensor) != 0;
  PyObject* memory = seen ? memory_of(tensor) : Py_NewRef(Py_None);
  if (memory == nullptr) {
    Py_DECREF(shape);
    return nullptr;
  }
  return Py_BuildValue("iNN", plain ? weft_tensor_dtype(tensor) : 0, shape, memory);
}

void release_buffer(void* view) {
  PyBuffer_Release(static_cast<Py_buffer*>(view));
  delete static_cast<Py_buffer*>(view);
}
void drop_buffer(void* view) { let_go_later(release_buffer, view); }

PyObject* tensor_borrow(PyObject*, PyObject* args) {  // dtype, dims, object with a buffer -> tensor over its memory
  int dtype = 0;
  PyObject *dims_object = nullptr, *object = nullptr;
  if (!PyArg_ParseTuple(args, "iOO", &dtype, &dims_object, &object)) return nullptr;
  std::vector<int64_t> dims;
  if (!to_ints(dims_object, &dims)) return nullptr;
  auto* view = new Py_buffer;
  bool writable = PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) == 0;
  if (!writable) {
    PyErr_Clear();
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS) != 0) {
      delete view;
      return nullptr;
    }
  }
  weft_tensor* tensor = nullptr;
  weft_status* status = weft_tensor_borrow(dtype, dims.data(), static_cast<int32_t>(dims.size()), view->buf,
                                           static_cast<size_t>(view->len), writable, &tensor, view, drop_buffer);
  if (status != nullptr) {  // the view was dropped
    raise_status(status);
    return nullptr;
  }
  return own(tensor);
}

PyObject* tensor_from_strings(PyObject*, PyObject* args) {  // dims, strings or bytes -> tensor
  PyObject *dims_object = nullptr, *list = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &dims_object, &list)) return nullptr;
  std::vector<int64_t> dims, sizes;
  Strings strings;
  if (!to_ints(dims_object, &dims) || !strings.take(list)) return nullptr;
  for (const std::string& string : strings.strings) sizes.push_back(static_cast<int64_t>(string.size()));
  weft_tensor* tensor = nullptr;
  weft_status* status = weft_tensor_new_strings(dims.data(), static_cast<int32_t>(dims.size()), strings.pointers.data(),
                                                sizes.data(), static_cast<int64_t>(sizes.size()), &tensor);
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  return own(tensor);
}

PyObject* tensor_strings(PyObject*, PyObject* args) {  // tensor -> list of str (of bytes where they are not UTF-8)
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  auto* tensor = handle_from<weft_tensor>(object, "'tensor'");
  if (tensor == nullptr) return nullptr;
  Py_ssize_t count = static_cast<Py_ssize_t>(weft_tensor_count(tensor));
  PyObject* list = PyList_New(count);
  for (Py_ssize_t i = 0; list != nullptr && i < count; ++i) {
    int64_t size = 0;
    const char* data = weft_tensor_string(tensor, i, &size);
    PyObject* item = PyUnicode_DecodeUTF8(data, static_cast<Py_ssize_t>(size), nullptr);
    if (item == nullptr) {
      PyErr_Clear();
      item = PyBytes_FromStringAndSize(data, static_cast<Py_ssize_t>(size));
    }
    PyList_SetItem(list, i, item);
  }
  return list;
}

PyObject* tensor_dims(PyObject*, PyObject* args) {
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  auto* tensor = handle_from<weft_tensor>(object, "'tensor'");
  if (tensor == nullptr) return nullptr;
  return from_ints(weft_tensor_dims(tensor), weft_tensor_rank(tensor));
}

// -- DLPack. A capsule that nobody took over lets go of what it holds.
// The first members of DLManagedTensorVersioned; all of DLManagedTensor that matters here is its deleter.
constexpr uint64_t kIsCopied = 2;
struct Versioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(Versioned*);
  uint64_t flags;
};
struct Plain {
  struct {
    void* data;
    int32_t device[2];
    int32_t ndim;
    struct {
      uint8_t code, bits;
      uint16_t lanes;
    } dtype;
    int64_t *shape, *strides;
    uint64_t offset;
  } tensor;
  void* context;
  void (*deleter)(Plain*);
};
template <typename Managed>
void free_capsule(PyObject* capsule, const char* name) {
  if (!PyCapsule_IsValid(capsule, name)) return;  // it was renamed by who took it over
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (managed->deleter != nullptr) managed->deleter(managed);
}
void free_plain(PyObject* capsule) { free_capsule<Plain>(capsule, "dltensor"); }
void free_versioned(PyObject* capsule) { free_capsule<Versioned>(capsule, "dltensor_versioned"); }

PyObject* tensor_to_dlpack(PyObject*, PyObject* args) {  // tensor, versioned, is a copy -> capsule
  PyObject* object = nullptr;
  int versioned = 0, copied = 0;
  if (!PyArg_ParseTuple(args, "Oii", &object, &versioned, &copied)) return nullptr;
  auto* tensor = handle_from<weft_tensor>(object, "'tensor'");
  if (tensor == nullptr) return nullptr;
  void* managed = nullptr;
  if (weft_status* status = weft_tensor_dlpack(tensor, versioned, &managed); status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  if (versioned == 0) return PyCapsule_New(managed, "dltensor", free_plain);
  if (copied != 0) static_cast<Versioned*>(managed)->flags |= kIsCopied;
  return PyCapsule_New(managed, "dltensor_versioned", free_versioned);
}

PyObject* tensor_from_dlpack(PyObject*, PyObject* args) {  // capsule -> tensor
  PyObject* capsule = nullptr;
  if (!PyArg_ParseTuple(args, "O", &capsule)) return nullptr;
  bool versioned = PyCapsule_IsValid(capsule, "dltensor_versioned");
  const char* name = versioned ? "dltensor_versioned" : "dltensor";
  void* managed = PyCapsule_GetPointer(capsule, name);
  if (managed == nullptr) return nullptr;
  weft_tensor* tensor = nullptr;
  if (weft_status* status = weft_tensor_borrow_dlpack(managed, versioned, &tensor); status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  PyCapsule_SetName(capsule, versioned ? "used_dltensor_versioned" : "used_dltensor");
  return own(tensor);
}

}  // namespace
