/* Numbers that other programs die of: division by zero, the least integer by -1, indices that are NaN or out of range. */
#include "support.h"

/* What c = op(a, b) gives for two inputs of one type, which go in as feeds or as constants. */
typedef struct {
  const char* op;
  int32_t dtype;
  int64_t fmod; /* attribute of Mod */
  int constants;
} Division;

static int64_t add_division(weft_graph* graph, const Division* division, const int64_t* in) {
  weft_attrs* attrs;
  int64_t out;
  CHECK(weft_attrs_new(&attrs));
  if (strcmp(division->op, "Mod") == 0) CHECK(weft_attrs_set_int(attrs, "fmod", division->fmod));
  CHECK(weft_graph_add(graph, division->op, in, 2, attrs, "quotient", "here.c:3", &out, 1));
  weft_attrs_free(attrs);
  return out;
}
static weft_status* divide(const Division* division, const void* a, const void* b, int64_t count, weft_tensor** out) {
  const size_t bytes = (size_t)count * (size_t)weft_dtype_bits(division->dtype) / 8;
  weft_graph* graph;
  weft_session* session;
  weft_tensor* tensors[2];
  weft_status* status;
  int64_t in[2], y;
  int i;
  CHECK(weft_tensor_new_copy(division->dtype, &count, 1, a, bytes, &tensors[0]));
  CHECK(weft_tensor_new_copy(division->dtype, &count, 1, b, bytes, &tensors[1]));
  CHECK(weft_graph_new(0, &graph));
  for (i = 0; i < 2; ++i) {
    if (division->constants) {
      CHECK(weft_graph_add_constant(graph, tensors[i], NULL, WEFT_ORIGIN, &in[i]));
    } else {
      CHECK(weft_graph_add_input(graph, "", division->dtype, "n", WEFT_ORIGIN, &in[i]));
    }
  }
  y = add_division(graph, division, in);
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  status = weft_session_run(session, in, (const weft_tensor* const*)tensors, division->constants ? 0 : 2, &y, 1, NULL,
                            0, NULL, out);
  weft_session_free(session);
  weft_graph_free(graph);
  weft_tensor_free(tensors[0]);
  weft_tensor_free(tensors[1]);
  return status;
}

static const struct {
  int32_t dtype;
  const char* by_zero;
} kIntegers[] = {
    {WEFT_I8, "by zero of i8"},   {WEFT_I16, "by zero of i16"}, {WEFT_I32, "by zero of i32"},
    {WEFT_I64, "by zero of i64"}, {WEFT_U8, "by zero of u8"},   {WEFT_U16, "by zero of u16"},
    {WEFT_U32, "by zero of u32"}, {WEFT_U64, "by zero of u64"},
};
static const Division kDivisions[] = {{"Div", 0, 0, 0}, {"Mod", 0, 0, 0}, {"Mod", 0, 1, 0}};

/* Element i, written in a type of so many bits. */
static void store(void* to, int64_t i, int32_t bits, int64_t number) {
  const int8_t i8 = (int8_t)number;
  const int16_t i16 = (int16_t)number;
  const int32_t i32 = (int32_t)number;
  const void* from = bits == 8    ? (const void*)&i8
                     : bits == 16 ? (const void*)&i16
                     : bits == 32 ? (const void*)&i32
                                  : &number;
  memcpy((char*)to + i * bits / 8, from, (size_t)bits / 8);
}

static void test_by_zero(void) {
  size_t type, k;
  for (type = 0; type < sizeof kIntegers / sizeof *kIntegers; ++type) {
    for (k = 0; k < 6; ++k) {
      int64_t a[3] = {0}, b[3] = {0}, i;
      Division division = kDivisions[k % 3];
      weft_tensor* out;
      weft_status* status;
      division.dtype = kIntegers[type].dtype;
      division.constants = k >= 3; /* which are computed before the run */
      for (i = 0; i < 3; ++i) store(a, i, weft_dtype_bits(division.dtype), 7);
      for (i = 0; i < 2; ++i) store(b, i, weft_dtype_bits(division.dtype), 2);
      status = divide(&division, a, b, 3, &out);
      EXPECT(out == NULL && strcmp(weft_status_node(status), "quotient") == 0);
      EXPECT(strcmp(weft_status_op(status), division.op) == 0 && strcmp(weft_status_origin(status), "here.c:3") == 0);
      FAILS(status, WEFT_INVALID_ARGUMENT, kIntegers[type].by_zero);
      CHECK(divide(&division, a, b, 2, &out)); /* without the zero, and in the same process */
      weft_tensor_free(out);
      CHECK(divide(&division, a, b, 0, &out));
      EXPECT(weft_tensor_count(out) == 0);
      weft_tensor_free(out);
    }
  }
}

/* The least number by -1, and what a quotient and a rest are with signs; as numpy has them in the same type. */
static void test_least_by_minus_one(void) {
  static const int64_t want[3][4] = {{0, 3, -3, -3}, {0, 1, 1, -1}, {0, 1, -1, 1}};
  size_t type, k;
  for (type = 0; type < 4; ++type) {
    const int32_t bits = weft_dtype_bits(kIntegers[type].dtype);
    const int64_t least = bits == 64 ? INT64_MIN : -((int64_t)1 << (bits - 1));
    const int64_t dividends[4] = {least, 7, -7, 7}, divisors[4] = {-1, 2, 2, -2};
    for (k = 0; k < 6; ++k) {
      int64_t a[4] = {0}, b[4] = {0}, wanted[4] = {0}, i;
      Division division = kDivisions[k % 3];
      weft_tensor* out;
      division.dtype = kIntegers[type].dtype;
      division.constants = k >= 3;
      for (i = 0; i < 4; ++i) {
        store(a, i, bits, dividends[i]);
        store(b, i, bits, divisors[i]);
        store(wanted, i, bits, k % 3 == 0 && i == 0 ? least : want[k % 3][i]);
      }
      CHECK(divide(&division, a, b, 4, &out));
      if (memcmp(weft_tensor_data(out), wanted, (size_t)bits / 8 * 4) != 0) {
        fprintf(stderr, "%s of %s, fmod %d, is wrong\n", division.op, weft_dtype_name(division.dtype),
                (int)division.fmod);
        ++failures;
      }
      weft_tensor_free(out);
    }
  }
}

/* Shapes are computed before anything runs. */
static void test_in_shapes(void) {
  static const struct {
    int64_t dividend, divisor;
  } kShapes[] = {{6, 0}, {INT64_MIN, -1}, {INT64_MIN, 0}, {INT64_MIN, 1}};
  const int64_t one = 1;
  const float numbers[2] = {1, 2};
  size_t i;
  for (i = 0; i < 4 * sizeof kShapes / sizeof *kShapes; ++i) {
    const int64_t dividend = kShapes[i / 4].dividend, divisor = kShapes[i / 4].divisor;
    Division division = kDivisions[i % 2];
    weft_graph* graph;
    weft_session* session;
    weft_tensor *in = floats(numbers, 2), *a, *b, *out = NULL;
    weft_status* status;
    int64_t x, parts[2], reshaped[2], y;
    CHECK(weft_graph_new(0, &graph));
    CHECK(weft_graph_add_input(graph, "x", WEFT_F32, i % 4 < 2 ? "2" : "n", WEFT_ORIGIN, &x));
    CHECK(weft_tensor_new_copy(WEFT_I64, &one, 1, &dividend, 8, &a));
    CHECK(weft_tensor_new_copy(WEFT_I64, &one, 1, &divisor, 8, &b));
    if (i % 4 < 2) {
      CHECK(weft_graph_add_constant(graph, a, NULL, WEFT_ORIGIN, &parts[0]));
    } else {
      CHECK(weft_graph_add(graph, "Shape", &x, 1, NULL, NULL, WEFT_ORIGIN, &parts[0], 1));
    }
    CHECK(weft_graph_add_constant(graph, b, NULL, WEFT_ORIGIN, &parts[1]));
    reshaped[0] = x;
    reshaped[1] = add_division(graph, &division, parts);
    status = weft_graph_add(graph, "Reshape", reshaped, 2, NULL, NULL, WEFT_ORIGIN, &y, 1);
    if (status == NULL) {
      CHECK(weft_session_new(graph, NULL, NULL, &session));
      status = weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out);
      weft_session_free(session);
    }
    /* Only 2 / 1 is a length that fits; a rest is 0, which keeps the length. */
    if (status == NULL) {
      EXPECT(divisor == 1 || strcmp(division.op, "Mod") == 0);
      EXPECT(weft_tensor_count(out) == 2);
    } else {
      EXPECT(weft_status_code(status) == WEFT_INVALID_ARGUMENT);
    }
    EXPECT(divisor != 0 || status != NULL);
    weft_status_free(status);
    weft_tensor_free(out);
    weft_tensor_free(in);
    weft_tensor_free(a);
    weft_tensor_free(b);
    weft_graph_free(graph);
  }
}

/* Three numbers looked up at an index that is fed as a number of floating point. */
static void test_indices(void) {
  static const struct {
    float index;
    const char* wrong; /* NULL: gives the number `want` */
    float want;
  } kIndices[] = {{0, NULL, 10},
                  {2, NULL, 30},
                  {-3, NULL, 10},
                  {3, "index 3 is outside axis 0 of size 3", 0},
                  {-4, "index -4 is outside axis 0 of size 3", 0},
                  {1e30f, "index 9223372036854775807 is outside", 0},
                  {-1e30f, "index -9223372036854775808 is outside", 0}};
  const float numbers[3] = {10, 20, 30};
  const float zero = 0;
  weft_graph* graph;
  weft_session* session;
  weft_attrs* attrs;
  weft_tensor *data = floats(numbers, 3), *in, *out;
  int64_t x, i, table, y, all, loss[2], logits, label, pair[2];
  size_t k;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_constant(graph, data, NULL, WEFT_ORIGIN, &table));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "n", WEFT_ORIGIN, &x));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "to", WEFT_I64));
  CHECK(weft_graph_add(graph, "Cast", &x, 1, attrs, NULL, WEFT_ORIGIN, &i, 1));
  weft_attrs_free(attrs);
  y = binary(graph, "Gather", table, i);
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  for (k = 0; k < sizeof kIndices / sizeof *kIndices; ++k) {
    weft_status* status;
    in = floats(&kIndices[k].index, 1);
    status = weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out);
    if (kIndices[k].wrong == NULL) {
      CHECK(status);
      EXPECT(at(out, 0) == kIndices[k].want);
    } else {
      FAILS(status, WEFT_OUT_OF_RANGE, kIndices[k].wrong);
    }
    weft_tensor_free(out);
    weft_tensor_free(in);
  }
  { /* NaN becomes the lowest number, as Cast says */
    const float nan = zero / zero;
    in = floats(&nan, 1);
    FAILS(weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out),
          WEFT_OUT_OF_RANGE, "index -9223372036854775808 is outside axis 0 of size 3");
    weft_tensor_free(in);
  }
  /* An index that is known is an error where it is added; a label is one too. */
  {
    const int64_t three = 3, dims[2] = {1, 3};
    weft_tensor *constant_index, *scores, *feeds[2];
    CHECK(weft_tensor_new_copy(WEFT_I64, NULL, 0, &three, 8, &constant_index));
    CHECK(weft_graph_add_constant(graph, constant_index, NULL, WEFT_ORIGIN, &i));
    CHECK(weft_graph_add(graph, "Shape", &table, 1, NULL, NULL, WEFT_ORIGIN, &all, 1));
    pair[0] = all, pair[1] = i;
    FAILS(weft_graph_add(graph, "Gather", pair, 2, NULL, NULL, WEFT_ORIGIN, &y, 1), WEFT_OUT_OF_RANGE, "index 3");
    weft_tensor_free(constant_index);
    CHECK(weft_graph_add_input(graph, "logits", WEFT_F32, "batch,3", WEFT_ORIGIN, &logits));
    CHECK(weft_graph_add_input(graph, "label", WEFT_I64, "batch", WEFT_ORIGIN, &label));
    pair[0] = logits, pair[1] = label;
    CHECK(weft_graph_add(graph, "SoftmaxCrossEntropyLoss", pair, 2, NULL, NULL, WEFT_ORIGIN, loss, 1));
    CHECK(weft_tensor_new(WEFT_F32, dims, 2, &scores));
    feeds[0] = scores;
    CHECK(weft_tensor_new_copy(WEFT_I64, dims, 1, &three, 8, &feeds[1]));
    FAILS(weft_session_run(session, pair, (const weft_tensor* const*)feeds, 2, loss, 1, NULL, 0, NULL, &out),
          WEFT_OUT_OF_RANGE, "a label is 3 but there are 3 classes");
    weft_tensor_free(feeds[1]);
    weft_tensor_free(scores);
  }
  weft_tensor_free(data);
  weft_session_free(session);
  weft_graph_free(graph);
}

int main(void) {
  test_by_zero();
  test_least_by_minus_one();
  test_in_shapes();
  test_indices();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
