// Tensors over numpy's arrays, and arrays over a tensor's memory. What cannot be shared is left to Python.
#pragma once

#include <iterator>
#include <memory>
#include <type_traits>

#include "lists.h"

#define NPY_NO_DEPRECATED_API NPY_1_23_API_VERSION
#define NPY_TARGET_VERSION NPY_1_23_API_VERSION  // the oldest numpy that the module can be used with
#include <numpy/arrayobject.h>

namespace {

static_assert(std::is_same_v<npy_intp, int64_t>, "dimensions are numpy's");

struct ArrayType {
  int32_t dtype;
  int number;  // numpy's
};
constexpr ArrayType kArrayTypes[] = {
    {WEFT_F32, NPY_FLOAT32},   {WEFT_U8, NPY_UINT8},        {WEFT_I8, NPY_INT8},      {WEFT_U16, NPY_UINT16},
    {WEFT_I16, NPY_INT16},     {WEFT_I32, NPY_INT32},       {WEFT_I64, NPY_INT64},    {WEFT_BOOL, NPY_BOOL},
    {WEFT_F16, NPY_FLOAT16},   {WEFT_F64, NPY_FLOAT64},     {WEFT_U32, NPY_UINT32},   {WEFT_U64, NPY_UINT64},
    {WEFT_C64, NPY_COMPLEX64}, {WEFT_C128, NPY_COMPLEX128}, {WEFT_I64, NPY_LONGLONG}, {WEFT_U64, NPY_ULONGLONG},
};

PyObject* import_numpy(PyObject*, PyObject*) {  // before all else of this file
  if (PyArray_ImportNumPyAPI() < 0) return nullptr;
  Py_RETURN_NONE;
}

struct FreeTensor {
  void operator()(weft_tensor* tensor) const { weft_tensor_free(tensor); }
};
using OwnTensor = std::unique_ptr<weft_tensor, FreeTensor>;

// Holds the memory of a tensor for as long as an array looks at it: by a handle that is its own now, or by the buffer of
// somebody else's.
struct Memory {
  PyObject_HEAD weft_tensor* tensor;
  weft_buffer* buffer;
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
  weft_tensor_free(reinterpret_cast<Memory*>(self)->tensor);
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

PyObject* memory_of(weft_tensor* tensor, OwnTensor* owner) {
  weft_buffer* buffer = nullptr;
  if (weft_status* status = owner != nullptr ? nullptr : weft_tensor_buffer(tensor, &buffer); status != nullptr) {
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
  memory->tensor = owner == nullptr ? nullptr : owner->release();
  memory->buffer = buffer;
  memory->size = static_cast<Py_ssize_t>(weft_tensor_bytes(tensor));
  void* writable = nullptr;
  weft_status* refused = weft_tensor_mutable(tensor, &writable);
  memory->read_only = refused != nullptr;
  weft_status_free(refused);
  memory->data = const_cast<void*>(weft_tensor_data(tensor));
  return self;
}

// An array of such elements and dimensions over the memory of a tensor, which takes over the handle from its owner if that is
// given.
PyObject* array_over(weft_tensor* tensor, int number, int rank, const int64_t* dims, OwnTensor* owner) {
  PyObject* memory = nullptr;  // of no elements there is none
  if (weft_tensor_bytes(tensor) != 0 && (memory = memory_of(tensor, owner)) == nullptr) return nullptr;
  auto* held = reinterpret_cast<Memory*>(memory);
  int flags = held == nullptr ? 0 : held->read_only != 0 ? NPY_ARRAY_CARRAY_RO : NPY_ARRAY_CARRAY;
  PyObject* array = PyArray_NewFromDescr(&PyArray_Type, PyArray_DescrFromType(number), rank, dims, nullptr,
                                         held == nullptr ? nullptr : held->data, flags, nullptr);
  if (array == nullptr) {
    Py_XDECREF(memory);
    return nullptr;
  }
  auto* made = reinterpret_cast<PyArrayObject*>(array);
  PyArray_UpdateFlags(made, NPY_ARRAY_UPDATE_ALL);
  if (memory != nullptr && PyArray_SetBaseObject(made, memory) < 0) Py_CLEAR(array);
  return array;
}

// The elements as an array, by `array_over`; NULL without an error for what numpy has no elements for.
PyObject* to_array(weft_tensor* tensor, OwnTensor* owner = nullptr) {
  int32_t dtype = weft_tensor_dtype(tensor);
  auto* type = std::find_if(std::begin(kArrayTypes), std::end(kArrayTypes),
                            [&](const ArrayType& row) { return row.dtype == dtype; });
  if (type == std::end(kArrayTypes) || weft_tensor_kind(tensor) != WEFT_TENSOR) return nullptr;
  return array_over(tensor, type->number, weft_tensor_rank(tensor), weft_tensor_dims(tensor), owner);
}

// A tensor over the memory of an array, which it keeps, or of its size if that is 0. NULL without an error if it is no
// plain array, or one of other elements, strides, alignment or order of bytes than those of a tensor.
OwnTensor from_array(PyObject* object) {
  if (!PyArray_CheckExact(object)) return nullptr;
  auto* array = reinterpret_cast<PyArrayObject*>(object);
  auto* type = std::find_if(std::begin(kArrayTypes), std::end(kArrayTypes),
                            [&](const ArrayType& row) { return row.number == PyArray_TYPE(array); });
  if (type == std::end(kArrayTypes) || !PyArray_ISCARRAY_RO(array)) return nullptr;
  weft_tensor* tensor = nullptr;
  weft_status* status = nullptr;
  auto bytes = static_cast<size_t>(PyArray_NBYTES(array));
  if (bytes == 0) {
    status = weft_tensor_new(type->dtype, PyArray_DIMS(array), PyArray_NDIM(array), &tensor);
  } else {
    status = weft_tensor_borrow(type->dtype, PyArray_DIMS(array), PyArray_NDIM(array), PyArray_DATA(array), bytes,
                                PyArray_ISWRITEABLE(array), &tensor, Py_NewRef(object), drop_object);
  }
  if (status != nullptr) raise_status(status);
  return OwnTensor(tensor);
}

PyObject* tensor_array(PyObject*, PyObject* args) {  // tensor -> array, or None where numpy has no elements for it
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  auto* tensor = handle_from<weft_tensor>(object, "'tensor'");
  if (tensor == nullptr) return nullptr;
  PyObject* array = to_array(tensor);
  return array != nullptr || PyErr_Occurred() ? array : Py_NewRef(Py_None);
}

PyObject* tensor_bytes(PyObject*, PyObject* args) {  // tensor -> array of its bytes, whatever its elements
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  auto* tensor = handle_from<weft_tensor>(object, "'tensor'");
  if (tensor == nullptr) return nullptr;
  auto bytes = static_cast<int64_t>(weft_tensor_bytes(tensor));
  return array_over(tensor, NPY_UINT8, 1, &bytes, nullptr);
}

PyObject* tensor_from_bytes(PyObject*, PyObject* args) {  // dtype, dims, bytes -> tensor of a copy of them
  int dtype = 0;
  PyObject* dims_object = nullptr;
  const char* data = nullptr;
  Py_ssize_t size = 0;
  if (!PyArg_ParseTuple(args, "iOy#", &dtype, &dims_object, &data, &size)) return nullptr;
  std::vector<int64_t> dims;
  if (!to_ints(dims_object, &dims)) return nullptr;
  weft_tensor* tensor = nullptr;
  weft_status* status = weft_tensor_new_copy(dtype, dims.data(), static_cast<int32_t>(dims.size()), data,
                                             static_cast<size_t>(size), &tensor);
  if (status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  return own(tensor);
}

PyObject* tensor_borrow(PyObject*,
                        PyObject* args) {  // array -> tensor over its memory, or None where it has to be copied
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  OwnTensor tensor = from_array(object);
  if (tensor == nullptr && PyErr_Occurred()) return nullptr;
  return own(tensor.release());
}

}  // namespace
