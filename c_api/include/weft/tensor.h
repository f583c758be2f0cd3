/* Tensors and other values: made from memory, borrowed, taken apart, read from and written to files. */
#ifndef WEFT_TENSOR_H_
#define WEFT_TENSOR_H_

#include "weft/base.h"

/** A value: a tensor, or a sequence, optional or map of them. Row-major, no strides.
 *
 * The elements of a tensor lie in the process's memory, or in that of a device (weft_tensor_device): there come tensors from
 * weft_tensor_to, from sessions with the option "device_outputs", and from DLPack. Sessions on the device use them where they
 * lie. What reads elements in the process's memory is FAILED_PRECONDITION for them; what keeps values (constants, attributes,
 * datasets of rows, files, and items of sequences, optionals and maps) copies them there. */
typedef struct weft_tensor weft_tensor;
/** The memory of a tensor; outlives the tensor. */
typedef struct weft_buffer weft_buffer;
/** Tensors by name, in order. */
typedef struct weft_tensors weft_tensors;

/** Element types; the numbers are ONNX's. */
enum {
  WEFT_F32 = 1,
  WEFT_U8 = 2,
  WEFT_I8 = 3,
  WEFT_U16 = 4,
  WEFT_I16 = 5,
  WEFT_I32 = 6,
  WEFT_I64 = 7,
  WEFT_STRING = 8,
  WEFT_BOOL = 9,
  WEFT_F16 = 10,
  WEFT_F64 = 11,
  WEFT_U32 = 12,
  WEFT_U64 = 13,
  WEFT_C64 = 14,
  WEFT_C128 = 15,
  WEFT_BF16 = 16,
  WEFT_F8E4M3FN = 17,
  WEFT_F8E4M3FNUZ = 18,
  WEFT_F8E5M2 = 19,
  WEFT_F8E5M2FNUZ = 20,
  WEFT_U4 = 21,
  WEFT_I4 = 22,
  WEFT_F4E2M1 = 23,
  WEFT_F8E8M0 = 24,
  WEFT_U2 = 25,
  WEFT_I2 = 26
};
/** Kinds of values. */
enum { WEFT_TENSOR = 0, WEFT_SEQUENCE = 1, WEFT_OPTIONAL = 2, WEFT_MAP = 3 };

/** The name of an element type, such as "f32"; NULL if there is no such type. */
WEFT_API const char* weft_dtype_name(int32_t dtype);
/** The bits of an element; 0 for strings, -1 if there is no such type. */
WEFT_API int32_t weft_dtype_bits(int32_t dtype);
/** The element type of that name; 0 if there is none. */
WEFT_API int32_t weft_dtype_find(const char* name);

/** Makes a tensor of zeros (of empty strings for WEFT_STRING). `dims` has `rank` numbers; it may be NULL if rank is
 * 0. */
WEFT_API weft_status* weft_tensor_new(int32_t dtype, const int64_t* dims, int32_t rank,
                                      weft_tensor** out_tensor) WEFT_MUST_USE;
/** Makes a tensor from a copy of `bytes` bytes at `data`, which must be what dtype and shape need. */
WEFT_API weft_status* weft_tensor_new_copy(int32_t dtype, const int64_t* dims, int32_t rank, const void* data,
                                           size_t bytes, weft_tensor** out_tensor) WEFT_MUST_USE;
/** Makes a tensor of strings. String i has sizes[i] bytes; with `sizes` NULL they end in NUL. */
WEFT_API weft_status* weft_tensor_new_strings(const int64_t* dims, int32_t rank, const char* const* strings,
                                              const int64_t* sizes, int64_t count,
                                              weft_tensor** out_tensor) WEFT_MUST_USE;
/** Makes a sequence of copies of the handles, all of tensors or all of maps; the elements are shared. */
WEFT_API weft_status* weft_tensor_new_sequence(const weft_tensor* const* items, int64_t count,
                                               weft_tensor** out_tensor) WEFT_MUST_USE;
/** Makes an optional of a copy of the handle, which must be of a tensor or a sequence of tensors; the elements are
 * shared. With `element` NULL, an optional that is empty. */
WEFT_API weft_status* weft_tensor_new_optional(const weft_tensor* element, weft_tensor** out_tensor) WEFT_MUST_USE;
/** Makes a map of copies of two handles, of tensors [n]: keys, i64 or strings, none of them twice, and as many values.
 * The elements are shared. */
WEFT_API weft_status* weft_tensor_new_map(const weft_tensor* keys, const weft_tensor* values,
                                          weft_tensor** out_tensor) WEFT_MUST_USE;
/** Makes a tensor over the caller's memory, aligned to the element (at most 8 bytes), without a copy. The memory must
 * stay until `drop(user)`, which comes when the last tensor or run over it has let go. `writable` 0: nothing may be
 * written to it. */
WEFT_API weft_status* weft_tensor_borrow(int32_t dtype, const int64_t* dims, int32_t rank, void* data, size_t bytes,
                                         int32_t writable, weft_tensor** out_tensor, void* user,
                                         weft_drop drop) WEFT_MUST_USE;
/** A tensor with elements of its own, on the same device. */
WEFT_API weft_status* weft_tensor_copy(const weft_tensor* tensor, weft_tensor** out_tensor) WEFT_MUST_USE;
/** A tensor of the same elements on a device, which is a name of weft_device_name; "cpu" is the process's memory. They are
 * shared if they lie there already, else copied; the copy is done when the function returns. NOT_FOUND if there is no such
 * device, UNIMPLEMENTED for strings, sequences, optionals and maps on a device, RESOURCE_EXHAUSTED if it has no memory left. */
WEFT_API weft_status* weft_tensor_to(const weft_tensor* tensor, const char* device,
                                     weft_tensor** out_tensor) WEFT_MUST_USE;
/** The same elements under another shape, shared. */
WEFT_API weft_status* weft_tensor_reshape(const weft_tensor* tensor, const int64_t* dims, int32_t rank,
                                          weft_tensor** out_tensor) WEFT_MUST_USE;
/** Frees the handle. The elements stay as long as another tensor, a buffer or a run holds them. */
WEFT_API void weft_tensor_free(weft_tensor* tensor);

/** The kind of value, such as WEFT_SEQUENCE; 0 for NULL. */
WEFT_API int32_t weft_tensor_kind(const weft_tensor* tensor);
/** The element type; 0 for NULL and for kinds other than tensors. */
WEFT_API int32_t weft_tensor_dtype(const weft_tensor* tensor);
/** The number of dimensions; 0 for NULL and for kinds other than tensors. */
WEFT_API int32_t weft_tensor_rank(const weft_tensor* tensor);
/** The dimensions, weft_tensor_rank of them; NULL for NULL. */
WEFT_API const int64_t* weft_tensor_dims(const weft_tensor* tensor);
/** The number of elements, of items of a sequence or of keys of a map; of an optional, 1 or 0. */
WEFT_API int64_t weft_tensor_count(const weft_tensor* tensor);
/** The bytes of all elements; 0 for NULL, for strings and for kinds other than tensors. */
WEFT_API size_t weft_tensor_bytes(const weft_tensor* tensor);
/** Where the elements lie: "cpu", which is the process's memory, or the name of a device; "cpu" for strings and for kinds other
 * than tensors, NULL for NULL. Stays until the process ends. */
WEFT_API const char* weft_tensor_device(const weft_tensor* tensor);
/** The elements; NULL for strings, for kinds other than tensors, and on a device. */
WEFT_API const void* weft_tensor_data(const weft_tensor* tensor);
/** The elements for writing; FAILED_PRECONDITION if the memory was borrowed read-only, or is that of a device. Other holders see
 * the change. */
WEFT_API weft_status* weft_tensor_mutable(weft_tensor* tensor, void** out_data) WEFT_MUST_USE;
/** String i; out_size, which may be NULL, gets its bytes without the NUL. NULL if there is none. */
WEFT_API const char* weft_tensor_string(const weft_tensor* tensor, int64_t i, int64_t* out_size);
/** Item i of a sequence or optional; of a map, 0 is the keys and 1 the values. */
WEFT_API weft_status* weft_tensor_at(const weft_tensor* tensor, int64_t i, weft_tensor** out_item) WEFT_MUST_USE;
/** "f32[2, 3]", or "f32[2, 3] on cuda:0", for messages. */
WEFT_API weft_status* weft_tensor_text(const weft_tensor* tensor, weft_bytes** out_text) WEFT_MUST_USE;

/** A hold on the memory of the tensor: it stays valid until the hold is freed, though the tensor is freed before.
 * FAILED_PRECONDITION, which says how to copy the elements, if they lie on a device. */
WEFT_API weft_status* weft_tensor_buffer(const weft_tensor* tensor, weft_buffer** out_buffer) WEFT_MUST_USE;
/** Lets go of the memory. */
WEFT_API void weft_buffer_free(weft_buffer* buffer);

/** DLPack (dmlc, version 1): gives a DLManagedTensor, or a DLManagedTensorVersioned if `versioned` is not 0, that
 * shares the memory; its deleter lets go. Elements on a device ("cuda:0" is kDLCUDA, 0) have been written when the function
 * returns, so any stream may read them. Work that uses them must be done, or be ordered before what is put on the device's
 * default stream (of CUDA the legacy one), when the deleter is called, which waits for that. UNIMPLEMENTED for strings and for
 * a device that DLPack has no number for. */
WEFT_API weft_status* weft_tensor_dlpack(const weft_tensor* tensor, int32_t versioned,
                                         void** out_managed) WEFT_MUST_USE;
/** Makes a tensor over what a managed tensor holds and takes it over: its deleter is
 * called once, when the last holder has let go. After an error it is still the caller's. Elements may lie on a device that has
 * been loaded. What writes them must be done, or be ordered before what is put on the device's default stream (of CUDA the
 * legacy one, whose number is 1 in Python's protocol), for which this function waits. Nobody waits for what is written there
 * later. UNIMPLEMENTED for other devices, and for strides. */
WEFT_API weft_status* weft_tensor_borrow_dlpack(void* managed, int32_t versioned,
                                                weft_tensor** out_tensor) WEFT_MUST_USE;

/** Makes an empty set of tensors. */
WEFT_API weft_status* weft_tensors_new(weft_tensors** out_tensors) WEFT_MUST_USE;
/** Frees the set. Tensors that were taken from it stay. */
WEFT_API void weft_tensors_free(weft_tensors* tensors);
/** Adds or replaces a tensor; the elements are shared. */
WEFT_API weft_status* weft_tensors_set(weft_tensors* tensors, const char* name,
                                       const weft_tensor* tensor) WEFT_MUST_USE;
/** The number of tensors; 0 for NULL. */
WEFT_API int64_t weft_tensors_count(const weft_tensors* tensors);
/** The name of tensor i; NULL if there is none. */
WEFT_API const char* weft_tensors_name(const weft_tensors* tensors, int64_t i);
/** Tensor i, sharing its elements; OUT_OF_RANGE if there is none. */
WEFT_API weft_status* weft_tensors_at(const weft_tensors* tensors, int64_t i, weft_tensor** out_tensor) WEFT_MUST_USE;
/** The tensor of that name, sharing its elements; NOT_FOUND if there is none. */
WEFT_API weft_status* weft_tensors_find(const weft_tensors* tensors, const char* name,
                                        weft_tensor** out_tensor) WEFT_MUST_USE;
/** Reads a file by its extension: .safetensors, .npy (one tensor, "data") or .csv (one f32 matrix, "data"; a header
 * line is recognised). Keys of "load" options: int "map" (1: safetensors are mapped, not read; the file must then not
 * be made shorter). `options` may be NULL. */
WEFT_API weft_status* weft_tensors_load(const char* path, const weft_options* options,
                                        weft_tensors** out_tensors) WEFT_MUST_USE;
/** Writes a safetensors file: to a temporary file first, so a failure leaves the old one. */
WEFT_API weft_status* weft_tensors_save(const weft_tensors* tensors, const char* path) WEFT_MUST_USE;

#endif
