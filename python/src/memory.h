// Ways in and out besides arrays: strings, dimensions, DLPack, the buffer protocol.
#pragma once

#include <new>

#include "lists.h"

namespace {

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

PyObject* exporter_type = nullptr;

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
// DLTensor, DLManagedTensorVersioned and DLManagedTensor, as the specification has them.
constexpr uint64_t kIsReadOnly = 1, kIsCopied = 2;
constexpr int32_t kOnCpu = 1;
struct Elements {
  void* data;
  int32_t device[2];  // type and number
  int32_t ndim;
  struct {
    uint8_t code, bits;
    uint16_t lanes;
  } dtype;
  int64_t *shape, *strides;
  uint64_t offset;
};
struct Versioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(Versioned*);
  uint64_t flags;
  Elements tensor;
};
struct Plain {
  Elements tensor;
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

// What lies on a device is let go of without the interpreter's lock: the device is waited for, whose work may want it. Other
// libraries call the deleter with the lock or without.
template <typename Managed>
struct Unlocked {
  Managed head;    // as others see it
  Managed* inner;  // whose elements and dimensions they are

  // NULL with an error, and the elements let go of, if there is no memory for it.
  static Managed* over(Managed* inner) {
    auto* made = new (std::nothrow) Unlocked{*inner, inner};
    if (made == nullptr) {
      Py_BEGIN_ALLOW_THREADS;
      inner->deleter(inner);
      Py_END_ALLOW_THREADS;
      PyErr_NoMemory();
      return nullptr;
    }
    made->head.context = made;
    made->head.deleter = [](Managed* self) {
      auto* unlocked = static_cast<Unlocked*>(self->context);
      Managed* held = unlocked->inner;
      delete unlocked;
      const auto let_go = [held] {
        Py_BEGIN_ALLOW_THREADS;
        held->deleter(held);
        Py_END_ALLOW_THREADS;
      };
      // To give it away one has to have it. When Python ends, nobody else wants it any more.
      if ((ending.load() && !is_main_thread()) || !with_lock(let_go)) held->deleter(held);
    };
    return &made->head;
  }
};

// A capsule of elements that others may take over; NULL with an error, and the elements let go of, if there is no memory
// for it.
template <typename Managed>
PyObject* capsule_of(Managed* managed, const char* name, PyCapsule_Destructor destructor) {
  if (managed->tensor.device[0] != kOnCpu && (managed = Unlocked<Managed>::over(managed)) == nullptr) return nullptr;
  PyObject* capsule = PyCapsule_New(managed, name, destructor);
  if (capsule == nullptr) managed->deleter(managed);
  return capsule;
}

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
  if (versioned == 0) return capsule_of(static_cast<Plain*>(managed), "dltensor", free_plain);
  auto* head = static_cast<Versioned*>(managed);
  if (copied != 0) head->flags |= kIsCopied;
  return capsule_of(head, "dltensor_versioned", free_versioned);
}

// tensor -> DLPack's type and number of its device
PyObject* tensor_place(PyObject*, PyObject* args) {
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  auto* tensor = handle_from<weft_tensor>(object, "'tensor'");
  if (tensor == nullptr) return nullptr;
  void* made = nullptr;
  if (weft_status* status = weft_tensor_dlpack(tensor, 1, &made); status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  auto* managed = static_cast<Versioned*>(made);
  PyObject* place = Py_BuildValue("ii", managed->tensor.device[0], managed->tensor.device[1]);
  Py_BEGIN_ALLOW_THREADS;
  managed->deleter(managed);
  Py_END_ALLOW_THREADS;
  return place;
}

// tensor on a device -> the same for others who are told its address alone: with the last holder the device is waited for,
// before the memory is freed or written again; the address; whether it is read-only
PyObject* tensor_lend(PyObject*, PyObject* args) {
  PyObject* object = nullptr;
  if (!PyArg_ParseTuple(args, "O", &object)) return nullptr;
  auto* tensor = handle_from<weft_tensor>(object, "'tensor'");
  if (tensor == nullptr) return nullptr;
  void* made = nullptr;
  if (weft_status* status = weft_tensor_dlpack(tensor, 1, &made); status != nullptr) {
    raise_status(status);
    return nullptr;
  }
  auto* managed = Unlocked<Versioned>::over(static_cast<Versioned*>(made));
  if (managed == nullptr) return nullptr;
  const auto address = static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(managed->tensor.data));
  const int read_only = (managed->flags & kIsReadOnly) != 0 ? 1 : 0;
  weft_tensor* lent = nullptr;
  weft_status* status = nullptr;
  Py_BEGIN_ALLOW_THREADS;
  status = weft_tensor_borrow_dlpack(managed, 1, &lent);
  Py_END_ALLOW_THREADS;
  if (status != nullptr) {
    managed->deleter(managed);
    raise_status(status);
    return nullptr;
  }
  PyObject* owner = own(lent);
  return owner == nullptr ? nullptr : Py_BuildValue("NKi", owner, address, read_only);
}

PyObject* tensor_from_dlpack(PyObject*, PyObject* args) {  // capsule -> tensor
  PyObject* capsule = nullptr;
  if (!PyArg_ParseTuple(args, "O", &capsule)) return nullptr;
  bool versioned = PyCapsule_IsValid(capsule, "dltensor_versioned");
  const char* name = versioned ? "dltensor_versioned" : "dltensor";
  void* managed = PyCapsule_GetPointer(capsule, name);
  if (managed == nullptr) return nullptr;
  const Elements& elements =
      versioned ? static_cast<const Versioned*>(managed)->tensor : static_cast<const Plain*>(managed)->tensor;
  // At once, so that nobody else takes it while the device is waited for.
  PyCapsule_SetName(capsule, versioned ? "used_dltensor_versioned" : "used_dltensor");
  weft_tensor* tensor = nullptr;
  weft_status* status = nullptr;
  if (elements.device[0] == kOnCpu) {
    status = weft_tensor_borrow_dlpack(managed, versioned, &tensor);
  } else {  // it is waited for
    Py_BEGIN_ALLOW_THREADS;
    status = weft_tensor_borrow_dlpack(managed, versioned, &tensor);
    Py_END_ALLOW_THREADS;
  }
  if (status != nullptr) {
    PyCapsule_SetName(capsule, name);  // whose it was
    raise_status(status);
    return nullptr;
  }
  return own(tensor);
}

}  // namespace
