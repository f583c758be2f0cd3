/* Programs that go wrong while they build and run: shapes, ranks, dtypes, names, feeds, foreign values, indices and
 * division by zero. Each error has the node and the line that built it, and all is usable afterwards. */
#include <math.h>

#include "support.h"

/* Fails with this code and words, for this node that was built at this line of this file; "" and 0 are none. */
#define FAILS_AT(call, code, part, node, at) fails_at((call), (code), (part), (node), (at), __LINE__)
static void fails_at(weft_status* status, int32_t code, const char* part, const char* node, int at, int line) {
  char origin[256] = "";
  if (at != 0) snprintf(origin, sizeof origin, "%s:%d", __FILE__, at);
  if (strcmp(weft_status_node(status), node) != 0 || strcmp(weft_status_origin(status), origin) != 0) {
    fprintf(stderr, "line %d: the node should be '%s', built at '%s'\n", line, node, origin);
    fails(status, -1, part, line);
    return;
  }
  fails(status, code, part, line);
}

static int64_t input(weft_graph* graph, const char* name, int32_t dtype, const char* shape) {
  int64_t value;
  CHECK(weft_graph_add_input(graph, name, dtype, shape, WEFT_ORIGIN, &value));
  return value;
}
static weft_tensor* whole(int32_t number) {
  weft_tensor* tensor;
  CHECK(weft_tensor_new_copy(WEFT_I32, NULL, 0, &number, sizeof number, &tensor));
  return tensor;
}
/* Runs one fetch of one feed. */
static weft_status* run(weft_session* session, int64_t feed, const weft_tensor* tensor, int64_t fetch,
                        weft_tensor** out) {
  return weft_session_run(session, &feed, &tensor, 1, &fetch, 1, NULL, 0, NULL, out);
}

/* What weft_graph_add refuses. Inputs count from 1 in the order of test_nodes: 0 is none. */
typedef struct {
  const char* op;
  int inputs[3], outputs, attrs;
  int32_t code;
  const char* part;
} Refused;
enum { kX = 1, kRow, kNumber, kWhole, kForeign }; /* f32[2, 3], f32[2], f32[], i32[2], f32[2] of another graph */
enum { kNoAttrs, kAxis, kMisspelt, kString, kAttrCount }; /* axis 0; alhpa 0.5; alpha "0.5" */
static const Refused kRefused[] = {
    {"MatMul", {kX, kX}, 1, kNoAttrs, WEFT_INVALID_ARGUMENT, "A f32[2, 3] has 3 columns but B f32[2, 3] has 2 rows"},
    {"Add", {kX, kRow}, 1, kNoAttrs, WEFT_INVALID_ARGUMENT, "[2, 3] and [2] do not broadcast: 3 meets 2"},
    {"Concat", {kX, kRow}, 1, kAxis, WEFT_INVALID_ARGUMENT, "have the ranks 2 and 1"},
    {"MatMul", {kX, kNumber}, 1, kNoAttrs, WEFT_INVALID_ARGUMENT, "both A and B need at least one dimension"},
    {"Add", {kRow, kWhole}, 1, kNoAttrs, WEFT_INVALID_ARGUMENT, "must have one dtype but are f32 and i32"},
    {"Gather", {kX, kRow}, 1, kNoAttrs, WEFT_INVALID_ARGUMENT, "is f32 but must be one of i32, i64"},
    {"MatMul", {kX}, 1, kNoAttrs, WEFT_INVALID_ARGUMENT, "needs at least 2 inputs but has 1"},
    {"MatMul", {kX, kX, kX}, 1, kNoAttrs, WEFT_INVALID_ARGUMENT, "takes at most 2 inputs but has 3"},
    {"Relu", {kX}, 2, kNoAttrs, WEFT_INVALID_ARGUMENT, "has at most 1 outputs but 2 are asked for"},
    {"MatMull", {kX, kX}, 1, kNoAttrs, WEFT_NOT_FOUND, "no operator 'MatMull'; did you mean 'MatMul'?"},
    {"Relu", {kX}, 1, kMisspelt, WEFT_INVALID_ARGUMENT, "there is no attribute 'alhpa'"},
    {"LeakyRelu", {kX}, 1, kMisspelt, WEFT_INVALID_ARGUMENT, "no attribute 'alhpa'; LeakyRelu has alpha"},
    {"LeakyRelu", {kX}, 1, kString, WEFT_INVALID_ARGUMENT, "'alpha' must be of kind float but is string"},
    {"Relu", {kForeign}, 1, kNoAttrs, WEFT_INVALID_ARGUMENT, "belongs to another graph"},
};

static void test_nodes(void) {
  weft_graph *graph, *other;
  weft_attrs* attrs[kAttrCount] = {NULL};
  int64_t values[5];
  size_t i;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_new(0, &other));
  values[0] = input(graph, "x", WEFT_F32, "2,3");
  values[1] = input(graph, "row", WEFT_F32, "2");
  values[2] = input(graph, "number", WEFT_F32, "");
  values[3] = input(graph, "whole", WEFT_I32, "2");
  values[4] = input(other, "x", WEFT_F32, "2");
  for (i = 1; i < kAttrCount; ++i) CHECK(weft_attrs_new(&attrs[i]));
  CHECK(weft_attrs_set_int(attrs[kAxis], "axis", 0));
  CHECK(weft_attrs_set_float(attrs[kMisspelt], "alhpa", 0.5));
  CHECK(weft_attrs_set_string(attrs[kString], "alpha", "0.5"));
  for (i = 0; i < sizeof kRefused / sizeof *kRefused; ++i) {
    const Refused* row = &kRefused[i];
    const weft_attrs* with = attrs[row->attrs];
    const int line = __LINE__ + 5;
    weft_status* status;
    int64_t in[3], out[2] = {1, 1};
    int32_t count = 0;
    for (; count < 3 && row->inputs[count] != 0; ++count) in[count] = values[row->inputs[count] - 1];
    status = weft_graph_add(graph, row->op, in, count, with, "node", WEFT_ORIGIN, out, row->outputs);
    EXPECT(strcmp(weft_status_op(status), row->op) == 0 && out[0] == 0);
    FAILS_AT(status, row->code, row->part, "node", line);
  }
  EXPECT(weft_graph_node_count(graph) == 4);
  for (i = 1; i < kAttrCount; ++i) weft_attrs_free(attrs[i]);
  weft_graph_free(other);
  weft_graph_free(graph);
}

static void test_inputs(void) {
  static const struct {
    const char* name;
    int32_t dtype, code;
    const char *shape, *part;
  } rows[] = {
      {"y", 99, WEFT_INVALID_ARGUMENT, "2", "dtype 99 is not one of"},
      {"y", WEFT_F32, WEFT_INVALID_ARGUMENT, "2,-3", "dimension -3 is negative"},
      {"x", WEFT_F32, WEFT_ALREADY_EXISTS, "2", "has a value 'x' already"},
  };
  weft_graph* graph;
  int64_t out;
  int i;
  CHECK(weft_graph_new(0, &graph));
  input(graph, "x", WEFT_F32, "2");
  for (i = 0; i < 3; ++i) {
    const int line = __LINE__ + 1;
    weft_status* status = weft_graph_add_input(graph, rows[i].name, rows[i].dtype, rows[i].shape, WEFT_ORIGIN, &out);
    EXPECT(out == 0);
    FAILS_AT(status, rows[i].code, rows[i].part, rows[i].name, line);
  }
  FAILS_AT(weft_graph_find(graph, "none", &out), WEFT_NOT_FOUND, "has no value 'none'", "", 0);
  weft_graph_free(graph);
}

static void test_feeds(void) {
  const float numbers[3] = {1, 2, 3};
  const double doubles[2] = {1, 2};
  const int64_t two = 2;
  const int line = __LINE__ + 9;
  weft_graph* graph;
  weft_session* session;
  weft_prepared* prepared;
  weft_tensor *right = floats(numbers, 2), *longer = floats(numbers, 3), *number = scalar(1), *wide, *out;
  const weft_tensor* tensors[2];
  int64_t x, y, feeds[2];
  CHECK(weft_tensor_new_copy(WEFT_F64, &two, 1, doubles, sizeof doubles, &wide));
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "2", WEFT_ORIGIN, &x));
  y = binary(graph, "Mul", x, x);
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  feeds[0] = feeds[1] = x;
  tensors[0] = tensors[1] = right;
  FAILS_AT(weft_session_run(session, NULL, NULL, 0, &y, 1, NULL, 0, NULL, &out), WEFT_INVALID_ARGUMENT,
           "input 'x' is needed by what is fetched but was not fed", "x", line);
  EXPECT(out == NULL);
  FAILS_AT(weft_session_run(session, feeds, tensors, 2, &y, 1, NULL, 0, NULL, &out), WEFT_INVALID_ARGUMENT,
           "'x' is fed twice", "", 0);
  FAILS_AT(run(session, x, wide, y, &out), WEFT_INVALID_ARGUMENT, "is f64[2] but must be f32[2]", "x", line);
  FAILS_AT(run(session, x, longer, y, &out), WEFT_INVALID_ARGUMENT, "is f32[3] but must be f32[2]", "x", line);
  FAILS_AT(run(session, x, number, y, &out), WEFT_INVALID_ARGUMENT, "is f32[] but must be f32[2]", "x", line);
  FAILS_AT(weft_session_prepare(session, feeds, 2, &y, 1, NULL, 0, &prepared), WEFT_INVALID_ARGUMENT,
           "'x' is fed twice", "", 0);
  EXPECT(out == NULL && prepared == NULL);
  CHECK(weft_session_prepare(session, &x, 1, &y, 1, NULL, 0, &prepared));
  FAILS_AT(weft_prepared_run(prepared, NULL), WEFT_FAILED_PRECONDITION, "input 0 ('x') is not bound", "", 0);
  FAILS_AT(weft_prepared_bind_input(prepared, 1, right), WEFT_OUT_OF_RANGE, "there is no input 1", "", 0);
  FAILS_AT(weft_prepared_bind_input(prepared, -1, right), WEFT_OUT_OF_RANGE, "there is no input -1", "", 0);
  FAILS_AT(weft_prepared_bind_output(prepared, 1, right), WEFT_OUT_OF_RANGE, "there is no output 1", "", 0);
  FAILS_AT(weft_prepared_bind_input(prepared, 0, wide), WEFT_INVALID_ARGUMENT, "is f64[2] but must be f32[2]", "x",
           line);
  CHECK(weft_prepared_bind_input(prepared, 0, right));
  CHECK(weft_prepared_run(prepared, NULL));
  CHECK(weft_prepared_output(prepared, 0, &out));
  EXPECT(at(out, 0) == 1 && at(out, 1) == 4);
  weft_tensor_free(out);
  CHECK(run(session, x, right, y, &out));
  EXPECT(at(out, 0) == 1 && at(out, 1) == 4);
  weft_tensor_free(out);
  weft_tensor_free(right);
  weft_tensor_free(longer);
  weft_tensor_free(number);
  weft_tensor_free(wide);
  weft_prepared_free(prepared);
  weft_session_free(session);
  weft_graph_free(graph);
}

static void test_values_of_another_graph(void) {
  static const char part[] = "belongs to another graph";
  const float numbers[2] = {1, 2};
  weft_graph *graph, *other;
  weft_session* session;
  weft_prepared* prepared;
  weft_tensor *tensor = floats(numbers, 2), *out;
  int64_t x, foreign, value;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_new(0, &other));
  x = input(graph, "x", WEFT_F32, "2");
  foreign = input(other, "x", WEFT_F32, "2");
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  FAILS_AT(run(session, x, tensor, foreign, &out), WEFT_INVALID_ARGUMENT, part, "", 0);
  FAILS_AT(run(session, foreign, tensor, x, &out), WEFT_INVALID_ARGUMENT, part, "", 0);
  FAILS_AT(weft_session_run(session, &x, (const weft_tensor* const*)&tensor, 1, &x, 1, &foreign, 1, NULL, &out),
           WEFT_INVALID_ARGUMENT, part, "", 0);
  FAILS_AT(weft_session_prepare(session, &x, 1, &foreign, 1, NULL, 0, &prepared), WEFT_INVALID_ARGUMENT, part, "", 0);
  FAILS_AT(weft_session_prepare(session, &foreign, 1, &x, 1, NULL, 0, &prepared), WEFT_INVALID_ARGUMENT, part, "", 0);
  FAILS_AT(weft_graph_differentiate(graph, &foreign, 1, &x, 1, NULL, WEFT_ORIGIN, &value), WEFT_INVALID_ARGUMENT, part,
           "", 0);
  FAILS_AT(weft_graph_differentiate(graph, &x, 1, &foreign, 1, NULL, WEFT_ORIGIN, &value), WEFT_INVALID_ARGUMENT, part,
           "", 0);
  FAILS_AT(weft_graph_set_outputs(graph, &foreign, 1), WEFT_INVALID_ARGUMENT, part, "", 0);
  EXPECT(out == NULL && prepared == NULL && weft_graph_node_count(graph) == 1);
  weft_tensor_free(tensor);
  weft_session_free(session);
  weft_graph_free(other);
  weft_graph_free(graph);
}

static void test_indices_outside_and_no_numbers(void) {
  const float rows[2] = {10, 20}, outside[6] = {2, -3, INFINITY, -INFINITY, 1e30f, NAN};
  weft_graph* graph;
  weft_session* session;
  weft_attrs* attrs;
  weft_tensor *table = floats(rows, 2), *out;
  int64_t x, in[2], y;
  int i, line;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_constant(graph, table, NULL, WEFT_ORIGIN, &in[0]));
  x = input(graph, "x", WEFT_F32, "");
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "to", WEFT_I64));
  CHECK(weft_graph_add(graph, "Cast", &x, 1, attrs, NULL, WEFT_ORIGIN, &in[1], 1));
  line = __LINE__ + 1;
  CHECK(weft_graph_add(graph, "Gather", in, 2, NULL, "pick", WEFT_ORIGIN, &y, 1));
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  for (i = 0; i < 6; ++i) {
    weft_tensor* index = scalar(outside[i]);
    FAILS_AT(run(session, x, index, y, &out), WEFT_OUT_OF_RANGE, "is outside axis 0 of size 2", "pick", line);
    EXPECT(out == NULL);
    weft_tensor_free(index);
  }
  {
    weft_tensor* index = scalar(-2);
    CHECK(run(session, x, index, y, &out));
    EXPECT(at(out, 0) == 10);
    weft_tensor_free(out);
    weft_tensor_free(index);
  }
  weft_attrs_free(attrs);
  weft_tensor_free(table);
  weft_session_free(session);
  weft_graph_free(graph);
}

/* A run that divides by zero says where, and leaves the variable that it would have changed. */
static void test_division_by_zero(void) {
  static const char* const ops[2] = {"Div", "Mod"};
  Counting c = counting();
  weft_tensor *seven = whole(7), *zero = whole(0), *two = whole(2), *out;
  int i;
  for (i = 0; i < 2; ++i) {
    const int line = __LINE__ + 6;
    int64_t in[2], y;
    const weft_tensor* tensors[2];
    char names[2][16];
    snprintf(names[0], sizeof names[0], "a%d", i), snprintf(names[1], sizeof names[1], "b%d", i);
    in[0] = input(c.graph, names[0], WEFT_I32, ""), in[1] = input(c.graph, names[1], WEFT_I32, "");
    CHECK(weft_graph_add(c.graph, ops[i], in, 2, NULL, ops[i], WEFT_ORIGIN, &y, 1));
    tensors[0] = seven;
    tensors[1] = zero;
    FAILS_AT(weft_session_run(c.session, in, tensors, 2, &y, 1, &c.step, 1, NULL, &out), WEFT_INVALID_ARGUMENT,
             "division by zero", ops[i], line);
    EXPECT(out == NULL && variable(&c) == (float)i);
    tensors[1] = two;
    CHECK(weft_session_run(c.session, in, tensors, 2, &y, 1, &c.step, 1, NULL, &out));
    EXPECT(*(const int32_t*)weft_tensor_data(out) == (i == 0 ? 3 : 1) && variable(&c) == (float)i + 1);
    weft_tensor_free(out);
  }
  weft_tensor_free(seven);
  weft_tensor_free(zero);
  weft_tensor_free(two);
  discard(&c);
}

int main(void) {
  test_nodes();
  test_inputs();
  test_feeds();
  test_values_of_another_graph();
  test_indices_outside_and_no_numbers();
  test_division_by_zero();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
