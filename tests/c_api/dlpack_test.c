/* DLPack in and out, with structures that are written out here as its specification has them. */
#include "support.h"

typedef struct {
  void* data;
  int32_t device_type, device_id;
  int32_t ndim;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides;
  uint64_t byte_offset;
} DLTensor;
typedef struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(struct DLManagedTensor*);
} DLManagedTensor;
typedef struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(struct DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
} DLManagedTensorVersioned;
enum { kCpu = 1, kCuda = 2, kInt = 0, kFloat = 2, kReadOnly = 1, kPadded = 4 };

/* Six numbers of another library, as f32[2, 3], and how often they were given back. */
typedef struct {
  float values[6];
  int64_t shape[2], strides[2];
  int deleted;
  DLManagedTensorVersioned versioned;
  DLManagedTensor unversioned;
} Foreign;

static void delete_versioned(DLManagedTensorVersioned* self) { ++((Foreign*)self->context)->deleted; }
static void delete_unversioned(DLManagedTensor* self) { ++((Foreign*)self->context)->deleted; }
static void prepare(Foreign* f) {
  int i;
  DLTensor tensor = {0};
  memset(f, 0, sizeof *f);
  for (i = 0; i < 6; ++i) f->values[i] = (float)(i + 1);
  f->shape[0] = 2, f->shape[1] = 3;
  f->strides[0] = 3, f->strides[1] = 1;
  tensor.data = f->values;
  tensor.device_type = kCpu;
  tensor.ndim = 2;
  tensor.code = kFloat, tensor.bits = 32, tensor.lanes = 1;
  tensor.shape = f->shape;
  f->versioned.major = 1;
  f->versioned.context = f->unversioned.context = f;
  f->versioned.deleter = delete_versioned;
  f->unversioned.deleter = delete_unversioned;
  f->versioned.tensor = f->unversioned.tensor = tensor;
}
static int has_shape(const weft_tensor* tensor, int64_t rows, int64_t columns) {
  return weft_tensor_rank(tensor) == 2 && weft_tensor_dims(tensor)[0] == rows && weft_tensor_dims(tensor)[1] == columns;
}

static void test_in(void) {
  Foreign f;
  weft_tensor *tensor, *shared, *out;
  weft_buffer* buffer;
  const int64_t six = 6;
  Counting c = counting();
  void* data;
  int versioned;
  for (versioned = 0; versioned < 2; ++versioned) {
    prepare(&f);
    CHECK(weft_tensor_borrow_dlpack(versioned ? (void*)&f.versioned : &f.unversioned, versioned, &tensor));
    EXPECT(weft_tensor_data(tensor) == f.values && has_shape(tensor, 2, 3) && weft_tensor_dtype(tensor) == WEFT_F32);
    CHECK(weft_tensor_mutable(tensor, &data));
    ((float*)data)[0] = 7; /* the other library sees it */
    EXPECT(f.values[0] == 7);
    CHECK(weft_tensor_reshape(tensor, &six, 1, &shared));
    CHECK(weft_tensor_buffer(tensor, &buffer));
    weft_tensor_free(tensor);
    CHECK(weft_session_run(c.session, &c.x, (const weft_tensor* const*)&shared, 1, &c.twice, 1, NULL, 0, NULL, &out));
    EXPECT(at(out, 0) == 14 && at(out, 5) == 12);
    weft_tensor_free(out);
    EXPECT(f.deleted == 0);
    weft_tensor_free(shared);
    CHECK(weft_session_trim(c.session));
    EXPECT(f.deleted == 0);
    weft_buffer_free(buffer); /* the last that held it */
    EXPECT(f.deleted == 1);
  }
  prepare(&f);
  f.versioned.deleter = NULL; /* nothing to call */
  CHECK(weft_tensor_borrow_dlpack(&f.versioned, 1, &tensor));
  EXPECT(at(tensor, 5) == 6);
  weft_tensor_free(tensor);
  discard(&c);
}

static void test_strides_and_offset(void) {
  Foreign f;
  weft_tensor* tensor;
  prepare(&f);
  f.versioned.tensor.strides = f.strides; /* row-major, said in full */
  f.versioned.tensor.byte_offset = 8;
  f.shape[0] = 1, f.strides[0] = 1000; /* of a dimension of 1 a stride says nothing */
  CHECK(weft_tensor_borrow_dlpack(&f.versioned, 1, &tensor));
  EXPECT(has_shape(tensor, 1, 3) && weft_tensor_data(tensor) == f.values + 2);
  EXPECT(at(tensor, 0) == 3 && at(tensor, 2) == 5);
  weft_tensor_free(tensor);
  EXPECT(f.deleted == 1);
  prepare(&f);
  f.versioned.tensor.strides = f.strides;
  f.strides[0] = 1, f.strides[1] = 2; /* transposed */
  FAILS(weft_tensor_borrow_dlpack(&f.versioned, 1, &tensor), WEFT_UNIMPLEMENTED, "strides [1, 2]");
  f.strides[0] = 4, f.strides[1] = 1; /* with gaps */
  FAILS(weft_tensor_borrow_dlpack(&f.versioned, 1, &tensor), WEFT_UNIMPLEMENTED, "strides [4, 1]");
  f.strides[0] = 3, f.strides[1] = -1; /* backwards */
  FAILS(weft_tensor_borrow_dlpack(&f.versioned, 1, &tensor), WEFT_UNIMPLEMENTED, "strides [3, -1]");
  EXPECT(tensor == NULL && f.deleted == 0);
  f.shape[1] = 0; /* without elements strides and data say nothing */
  f.versioned.tensor.data = NULL;
  CHECK(weft_tensor_borrow_dlpack(&f.versioned, 1, &tensor));
  EXPECT(has_shape(tensor, 2, 0) && weft_tensor_count(tensor) == 0);
  weft_tensor_free(tensor);
  EXPECT(f.deleted == 1);
}

/* After an error the tensor is still the caller's. */
static void refused(Foreign* f, int versioned, int32_t code, const char* part, int line) {
  weft_tensor* tensor;
  fails(weft_tensor_borrow_dlpack(versioned ? (void*)&f->versioned : &f->unversioned, versioned, &tensor), code, part,
        line);
  EXPECT(tensor == NULL && f->deleted == 0);
  prepare(f);
}
#define REFUSED(versioned, code, part) refused(&f, (versioned), (code), (part), __LINE__)
static void test_wrong_ones(void) {
  Foreign f;
  weft_tensor* tensor;
  prepare(&f);
  f.versioned.major = 2;
  REFUSED(1, WEFT_UNIMPLEMENTED, "version 2");
  f.versioned.tensor.device_type = kCuda;
  REFUSED(1, WEFT_UNIMPLEMENTED, "device of DLPack type 2");
  f.unversioned.tensor.device_type = kCuda;
  REFUSED(0, WEFT_UNIMPLEMENTED, "device of DLPack type 2");
  f.versioned.tensor.lanes = 4;
  REFUSED(1, WEFT_UNIMPLEMENTED, "4 lanes");
  f.unversioned.tensor.bits = 24;
  REFUSED(0, WEFT_UNIMPLEMENTED, "24 bits");
  f.versioned.tensor.code = 99;
  REFUSED(1, WEFT_UNIMPLEMENTED, "code 99");
  f.versioned.tensor.code = kInt, f.versioned.tensor.bits = 4, f.versioned.flags = kPadded;
  REFUSED(1, WEFT_UNIMPLEMENTED, "packed");
  f.unversioned.tensor.code = kInt, f.unversioned.tensor.bits = 4;
  REFUSED(0, WEFT_UNIMPLEMENTED, "smaller than a byte");
  f.versioned.tensor.ndim = -1;
  REFUSED(1, WEFT_INVALID_ARGUMENT, "-1 dimensions");
  f.versioned.tensor.ndim = 1000;
  REFUSED(1, WEFT_INVALID_ARGUMENT, "1000 dimensions");
  f.versioned.tensor.shape = NULL;
  REFUSED(1, WEFT_INVALID_ARGUMENT, "no shape");
  f.shape[0] = -2;
  REFUSED(1, WEFT_INVALID_ARGUMENT, "-2");
  f.shape[0] = f.shape[1] = INT64_MAX;
  REFUSED(1, WEFT_RESOURCE_EXHAUSTED, "too many elements");
  f.versioned.tensor.data = NULL;
  REFUSED(1, WEFT_INVALID_ARGUMENT, "no memory");
  f.versioned.tensor.byte_offset = 2; /* not where an f32 may lie */
  REFUSED(1, WEFT_INVALID_ARGUMENT, "align");
  FAILS(weft_tensor_borrow_dlpack(NULL, 1, &tensor), WEFT_INVALID_ARGUMENT, "managed");
}

static void test_read_only(void) {
  Foreign f;
  weft_tensor *tensor, *copy;
  DLManagedTensorVersioned* out;
  void* managed;
  void* data;
  prepare(&f);
  f.versioned.flags = kReadOnly;
  CHECK(weft_tensor_borrow_dlpack(&f.versioned, 1, &tensor));
  FAILS(weft_tensor_mutable(tensor, &data), WEFT_FAILED_PRECONDITION, "read-only");
  FAILS(weft_tensor_dlpack(tensor, 0, &managed), WEFT_FAILED_PRECONDITION, "read-only");
  EXPECT(managed == NULL);
  CHECK(weft_tensor_dlpack(tensor, 1, &managed));
  out = managed;
  EXPECT(out->flags == kReadOnly && out->tensor.data == f.values);
  CHECK(weft_tensor_copy(tensor, &copy));
  weft_tensor_free(tensor);
  EXPECT(f.deleted == 0);
  out->deleter(out); /* what went out holds what came in */
  EXPECT(f.deleted == 1);
  CHECK(weft_tensor_mutable(copy, &data));
  EXPECT(at(copy, 3) == 4);
  weft_tensor_free(copy);
}

static void test_out(void) {
  const int64_t dims[3] = {2, 1, 3}, values[6] = {1, 2, 3, 4, 5, 6};
  const int64_t before = weft_memory_bytes();
  weft_tensor *tensor, *back, *strings;
  const char* const words[1] = {"a"};
  const DLTensor* tensors[2];
  void *versioned, *unversioned, *none;
  const void* data;
  int i;
  CHECK(weft_tensor_new_copy(WEFT_I64, dims, 3, values, sizeof values, &tensor));
  data = weft_tensor_data(tensor);
  CHECK(weft_tensor_dlpack(tensor, 1, &versioned));
  CHECK(weft_tensor_dlpack(tensor, 0, &unversioned));
  weft_tensor_free(tensor);
  EXPECT(weft_memory_bytes() > before);
  tensors[0] = &((DLManagedTensorVersioned*)versioned)->tensor;
  tensors[1] = &((DLManagedTensor*)unversioned)->tensor;
  EXPECT(((DLManagedTensorVersioned*)versioned)->major == 1 && ((DLManagedTensorVersioned*)versioned)->flags == 0);
  for (i = 0; i < 2; ++i) {
    EXPECT(tensors[i]->data == data && tensors[i]->byte_offset == 0);
    EXPECT(((const int64_t*)tensors[i]->data)[5] == 6);
    EXPECT(tensors[i]->device_type == kCpu && tensors[i]->device_id == 0);
    EXPECT(tensors[i]->code == kInt && tensors[i]->bits == 64 && tensors[i]->lanes == 1 && tensors[i]->ndim == 3);
    EXPECT(memcmp(tensors[i]->shape, dims, sizeof dims) == 0);
    EXPECT(tensors[i]->strides[0] == 3 && tensors[i]->strides[1] == 3 && tensors[i]->strides[2] == 1);
  }
  CHECK(weft_tensor_borrow_dlpack(versioned, 1, &back)); /* one of its own, taken over */
  EXPECT(weft_tensor_data(back) == data);
  ((DLManagedTensor*)unversioned)->deleter(unversioned);
  EXPECT(weft_memory_bytes() > before && ((const int64_t*)weft_tensor_data(back))[4] == 5);
  weft_tensor_free(back);
  EXPECT(weft_memory_bytes() == before);
  CHECK(weft_tensor_new_strings(NULL, 0, words, NULL, 1, &strings));
  FAILS(weft_tensor_dlpack(strings, 1, &none), WEFT_UNIMPLEMENTED, "string");
  EXPECT(none == NULL);
  CHECK(weft_tensor_new_sequence((const weft_tensor* const*)&strings, 1, &back));
  FAILS(weft_tensor_dlpack(back, 1, &none), WEFT_INVALID_ARGUMENT, "sequence");
  weft_tensor_free(back);
  weft_tensor_free(strings);
}

int main(void) {
  test_in();
  test_strides_and_offset();
  test_wrong_ones();
  test_read_only();
  test_out();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
