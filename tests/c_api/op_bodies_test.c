/* Bodies of operators that do what they must not: at once or later, to graphs, sessions and attributes. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <unistd.h>

#include "op_support.h"

/* Each does one thing wrong. */
enum { NOTHING, FOREIGN, FAILING, OTHER_TYPE, ADDS_INPUT, ADDS_VARIABLE, WRONG_INSIDE, OUTSIDE, RIGHT };
static const char mine = 0; /* its address is the tag */
static int what;
static weft_graph* outside;
static int64_t foreign;
static weft_status* wrong(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                          const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  weft_status* status = NULL;
  weft_tensor* number;
  int64_t in[2], made;
  (void)input_count, (void)attrs, (void)output_count;
  in[0] = in[1] = inputs[0];
  out_values[0] = inputs[0];
  switch (what) {
    case NOTHING: out_values[0] = 0; break;
    case FOREIGN: out_values[0] = foreign; break;
    case FAILING: status = weft_status_new(WEFT_ABORTED, "not today", &mine, user, dropped); break;
    case OTHER_TYPE: status = weft_graph_add(graph, "Shape", in, 1, NULL, NULL, WEFT_ORIGIN, out_values, 1); break;
    case ADDS_INPUT: status = weft_graph_add_input(graph, "more", WEFT_F32, "", WEFT_ORIGIN, &made); break;
    case ADDS_VARIABLE:
      number = scalar(1);
      status = weft_graph_add_constant(graph, number, NULL, NULL, &made);
      weft_tensor_free(number);
      if (status == NULL) status = weft_graph_add_variable(graph, "w", made, 1, NULL, &made);
      break;
    case WRONG_INSIDE: status = weft_graph_add(graph, "MatMul", in, 1, NULL, NULL, "body.c:3", &made, 1); break;
    case OUTSIDE: status = weft_graph_add(outside, "Neg", &foreign, 1, NULL, NULL, NULL, &made, 1); break;
  }
  weft_graph_free(graph);
  return status;
}
static void refuse(const Model* m, int kind, int32_t code, const char* part) {
  weft_status* status;
  int64_t y;
  what = kind;
  status = weft_graph_add(m->graph, "com.acme.Wrong", &m->x, 1, NULL, "user", "user.c:9", &y, 1);
  EXPECT(strcmp(weft_status_op(status), "com.acme.Wrong") == 0 && strcmp(weft_status_node(status), "user") == 0);
  EXPECT(strcmp(weft_status_origin(status), "user.c:9") == 0);
  FAILS(status, code, part);
}
static void test_wrong_bodies(void) {
  Model m = model();
  static Calls thrown; /* of other tests too */
  weft_status* status;
  int64_t y;
  outside = m.graph;
  foreign = m.x;
  add_simple("com.acme.Wrong", wrong, &thrown);
  refuse(&m, NOTHING, WEFT_INVALID_ARGUMENT, "nothing as output 0, 'y'");
  refuse(&m, FOREIGN, WEFT_INVALID_ARGUMENT, "belongs to another graph");
  refuse(&m, OTHER_TYPE, WEFT_INVALID_ARGUMENT, "gives i64[1] as output 0, 'y', which must be f32");
  refuse(&m, ADDS_INPUT, WEFT_INVALID_ARGUMENT, "adds an input");
  refuse(&m, ADDS_VARIABLE, WEFT_INVALID_ARGUMENT, "adds the variable");
  refuse(&m, WRONG_INSIDE, WEFT_INVALID_ARGUMENT, "needs at least 2 inputs but has 1: 'B' is missing [MatMul");
  refuse(&m, WRONG_INSIDE, WEFT_INVALID_ARGUMENT, "(built at body.c:3)");
  refuse(&m, OUTSIDE, WEFT_FAILED_PRECONDITION, "the graph that it is given");
  what = FAILING;
  status = weft_graph_add(m.graph, "com.acme.Wrong", &m.x, 1, NULL, "user", "user.c:9", &y, 1);
  EXPECT(strcmp(weft_status_op(status), "com.acme.Wrong") == 0 && weft_status_payload(status, &mine) == &thrown);
  FAILS(status, WEFT_ABORTED, "its body cannot be built: not today");
  EXPECT(thrown.drops == 1 && weft_graph_node_count(m.graph) == 1);
  end(&m);
}

/* Integers that stand for something, and defaults that JSON has no number for. */
static void test_uses(void) {
  static const double rates[2] = {0.5, -HUGE_VAL};
  Model m = model();
  weft_schema* schema;
  weft_attrs *defaults, *attrs;
  weft_bytes* json;
  int64_t y;
  CHECK(weft_attrs_new(&defaults));
  CHECK(weft_attrs_set_float(defaults, "limit", HUGE_VAL));
  CHECK(weft_attrs_set_floats(defaults, "rates", rates, 2));
  CHECK(weft_schema_new("com.acme.Uses", 1, NULL, &schema));
  CHECK(weft_schema_add_input(schema, "x", "f32", WEFT_FORM_ONE, NULL));
  CHECK(weft_schema_add_output(schema, "y", "f32", WEFT_FORM_ONE, NULL));
  CHECK(weft_schema_add_attribute(schema, "d", "dtype", 0, NULL, NULL));
  CHECK(weft_schema_add_attribute(schema, "b", "bool", 0, NULL, NULL));
  CHECK(weft_schema_add_attribute(schema, "limit", "float", 0, defaults, NULL));
  CHECK(weft_schema_add_attribute(schema, "rates", "floats", 0, defaults, NULL));
  CHECK(weft_op_add(schema, 0, wrong, NULL, NULL));
  what = RIGHT;
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "d", 99));
  FAILS(weft_graph_add(m.graph, "com.acme.Uses", &m.x, 1, attrs, NULL, NULL, &y, 1), WEFT_INVALID_ARGUMENT,
        "'d' is 99, which is the number of no dtype");
  CHECK(weft_attrs_set_int(attrs, "d", WEFT_I64));
  CHECK(weft_attrs_set_int(attrs, "b", 5));
  FAILS(weft_graph_add(m.graph, "com.acme.Uses", &m.x, 1, attrs, NULL, NULL, &y, 1), WEFT_INVALID_ARGUMENT,
        "'b' is 5 but must be 0 or 1");
  CHECK(weft_attrs_set_int(attrs, "b", 1));
  CHECK(weft_graph_add(m.graph, "com.acme.Uses", &m.x, 1, attrs, NULL, NULL, &y, 1));
  CHECK(weft_op_inspect("com.acme.Uses", &json));
  EXPECT(strstr(weft_bytes_data(json), "\"default\": \"inf\"") != NULL);
  EXPECT(strstr(weft_bytes_data(json), "\"default\": [0.5, \"-inf\"]") != NULL);
  weft_bytes_free(json);
  weft_schema_free(schema);
  weft_attrs_free(attrs);
  weft_attrs_free(defaults);
  end(&m);
}

/* A body that was good when its node was added and is wrong later. */
static void refuse_later(weft_status* status, int32_t code) {
  EXPECT(status != NULL && strstr(weft_status_text(status), "com.acme.Wrong") != NULL);
  FAILS(status, code, "");
}
static void test_later_errors(void) {
  static const float numbers[2] = {1, 2};
  static const int kinds[3] = {FAILING, OTHER_TYPE, NOTHING};
  static const int32_t codes[3] = {WEFT_ABORTED, WEFT_INVALID_ARGUMENT, WEFT_INVALID_ARGUMENT};
  char path[] = "/tmp/weft_later_XXXXXX";
  Model m = model();
  weft_tensor *in = floats(numbers, 2), *out;
  weft_prepared* prepared;
  weft_graph* loaded;
  int64_t y, dx;
  int i;
  close(mkstemp(path));
  what = RIGHT;
  CHECK(weft_graph_add(m.graph, "com.acme.Wrong", &m.x, 1, NULL, "later", NULL, &y, 1));
  CHECK(weft_graph_save(m.graph, &y, 1, NULL, path, NULL));
  for (i = 0; i < 3; ++i) {
    what = kinds[i];
    refuse_later(weft_session_run(m.session, &m.x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out),
                 codes[i]);
    refuse_later(weft_session_prepare(m.session, &m.x, 1, &y, 1, NULL, 0, &prepared), codes[i]);
    refuse_later(weft_graph_differentiate(m.graph, &y, 1, &m.x, 1, NULL, NULL, &dx), codes[i]);
    refuse_later(weft_graph_load(path, NULL, &loaded), codes[i]);
  }
  what = RIGHT;
  expect(&m, m.x, y, 1, -2, 3, __LINE__);
  weft_tensor_free(in);
  remove(path);
  end(&m);
}

/* Loop first tries what its body is like with sharper types: what a function of the program throws there comes out. */
static void test_errors_in_copies(void) {
  Model m = model();
  weft_graph* body;
  weft_attrs* attrs;
  int64_t in[3], out[2], y;
  CHECK(weft_graph_new_sub(m.graph, &body));
  CHECK(weft_graph_add_input(body, "i", WEFT_I64, "", NULL, &in[0]));
  CHECK(weft_graph_add_input(body, "go", WEFT_BOOL, "", NULL, &out[0]));
  CHECK(weft_graph_add_input(body, "carried", WEFT_F32, NULL, NULL, &in[2]));
  what = RIGHT;
  CHECK(weft_graph_add(body, "com.acme.Wrong", &in[2], 1, NULL, "inner", NULL, &out[1], 1));
  CHECK(weft_graph_set_outputs(body, out, 2));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_graph(attrs, "body", body));
  in[0] = in[1] = 0;
  in[2] = m.x;
  what = FAILING;
  FAILS(weft_graph_add(m.graph, "Loop", in, 3, attrs, NULL, NULL, &y, 1), WEFT_ABORTED, "not today");
  weft_attrs_free(attrs);
  weft_graph_free(body);
  end(&m);
}

/* Adds to the graph `outside` whenever it is called, which is refused each time; gives x. */
static int meddled, let_through;
static weft_status* meddling(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                             const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  int64_t made;
  weft_status* status = weft_graph_add(outside, "Neg", &foreign, 1, NULL, NULL, NULL, &made, 1);
  (void)user, (void)input_count, (void)attrs, (void)output_count;
  ++meddled;
  if (weft_status_code(status) != WEFT_FAILED_PRECONDITION) ++let_through;
  weft_status_free(status);
  out_values[0] = inputs[0];
  weft_graph_free(graph);
  return NULL;
}
static void test_graphs_around(void) {
  static const float three[3] = {4, 5, 6};
  Model m = model();
  weft_graph* branch;
  weft_tensor* number = floats(three, 3);
  int64_t c, y;
  int before;
  CHECK(weft_graph_add_constant(m.graph, number, NULL, NULL, &c));
  weft_tensor_free(number);
  outside = m.graph;
  foreign = m.x;
  /* Of a node in a branch, the graph around it. */
  CHECK(weft_graph_new_sub(m.graph, &branch));
  what = OUTSIDE;
  FAILS(weft_graph_add(branch, "com.acme.Wrong", &m.x, 1, NULL, NULL, NULL, &y, 1), WEFT_FAILED_PRECONDITION,
        "the graph that it is given");
  weft_graph_free(branch);
  /* And the graph that a run cuts its program from: c is fed, so that its number counts no more. */
  add_simple("com.acme.Meddling", meddling, NULL);
  CHECK(weft_graph_add(m.graph, "com.acme.Meddling", &c, 1, NULL, NULL, NULL, &y, 1));
  before = meddled;
  expect(&m, c, y, 1, -2, 3, __LINE__);
  EXPECT(before > 0 && meddled > before && let_through == 0);
  EXPECT(weft_graph_node_count(m.graph) == 3); /* x, c and y */
  end(&m);
}

/* Uses a session of the graph that the node is in, in the way that `using` says. */
enum { RUNS, PREPARES, INSPECTS, GETS, CLOSES, TRIMS, FREES, NO_USE };
static int using = NO_USE;
static weft_session* used;
static weft_status* using_session(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                                  const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  weft_status* status = NULL;
  weft_tensor* out;
  weft_prepared* prepared;
  weft_bytes* json;
  (void)user, (void)input_count, (void)attrs, (void)output_count;
  switch (using) {
    case RUNS: status = weft_session_run(used, NULL, NULL, 0, &foreign, 1, NULL, 0, NULL, &out); break;
    case PREPARES: status = weft_session_prepare(used, NULL, 0, &foreign, 1, NULL, 0, &prepared); break;
    case INSPECTS: status = weft_session_inspect(used, &json); break;
    case GETS: status = weft_session_get(used, "none", &out); break;
    case CLOSES: status = weft_session_close(used); break;
    case TRIMS: status = weft_session_trim(used); break;
    case FREES:
      weft_session_free(used); /* which lives on until the run that needs the body is over */
      using = NO_USE;
      break;
  }
  out_values[0] = inputs[0];
  weft_graph_free(graph);
  return status;
}
static void test_sessions_in_bodies(void) {
  static const float numbers[3] = {1, -2, 3};
  static const char op[] = "com.acme.UsingSession";
  Model m = model();
  weft_prepared* prepared;
  weft_tensor *in = floats(numbers, 3), *out;
  int64_t y, z;
  alarm(60); /* what is wrong here hangs */
  foreign = constant(m.graph, 1);
  used = m.session;
  add_simple(op, using_session, NULL);
  CHECK(weft_graph_add(m.graph, op, &m.x, 1, NULL, NULL, NULL, &y, 1));
  for (using = RUNS; using <= CLOSES; ++using) {
    FAILS(weft_graph_add(m.graph, op, &m.x, 1, NULL, NULL, NULL, &z, 1), WEFT_FAILED_PRECONDITION,
          "must not use a session of the graph");
    FAILS(weft_session_run(m.session, &m.x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out),
          WEFT_FAILED_PRECONDITION, "must not use a session of the graph");
    FAILS(weft_session_prepare(m.session, &m.x, 1, &y, 1, NULL, 0, &prepared), WEFT_FAILED_PRECONDITION,
          "must not use a session of the graph");
  }
  using = TRIMS; /* of which nothing comes */
  CHECK(weft_graph_add(m.graph, op, &m.x, 1, NULL, NULL, NULL, &z, 1));
  expect(&m, m.x, z, 1, -2, 3, __LINE__);
  using = FREES;
  expect(&m, m.x, y, 1, -2, 3, __LINE__);
  EXPECT(using == NO_USE);
  weft_tensor_free(in);
  weft_graph_free(m.graph);
  alarm(0);
}

/* table x, of a table that it tries to change; and the graph's handle is freed, where there is one. */
static weft_graph* freed;
static weft_status* table(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                          const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  weft_tensor* values;
  weft_status* status;
  void* data;
  int64_t in[2];
  (void)user, (void)input_count, (void)output_count;
  TRY(weft_attrs_get(attrs, "table", &values));
  status = weft_tensor_mutable(values, &data);
  if (status == NULL) ((float*)data)[0] *= 2;
  FAILS(status, WEFT_FAILED_PRECONDITION, "read-only");
  status = weft_graph_add_constant(graph, values, NULL, WEFT_ORIGIN, &in[0]);
  weft_tensor_free(values);
  TRY(status);
  in[1] = inputs[0];
  weft_graph_free(freed);
  freed = NULL;
  TRY(weft_graph_add(graph, "Mul", in, 2, NULL, NULL, WEFT_ORIGIN, out_values, 1));
  weft_graph_free(graph);
  return NULL;
}
static void test_what_bodies_are_given(void) {
  static const float numbers[3] = {2, 3, 4};
  Model m = model();
  weft_graph* again;
  weft_schema* schema;
  weft_attrs* defaults;
  weft_tensor* values = floats(numbers, 3);
  int64_t y, x;
  CHECK(weft_attrs_new(&defaults));
  CHECK(weft_attrs_set_tensor(defaults, "table", values));
  CHECK(weft_schema_new("com.acme.Table", 1, NULL, &schema));
  CHECK(weft_schema_add_input(schema, "x", "f32", WEFT_FORM_ONE, NULL));
  CHECK(weft_schema_add_output(schema, "y", "f32", WEFT_FORM_ONE, NULL));
  CHECK(weft_schema_add_attribute(schema, "table", "tensor", 0, defaults, NULL));
  CHECK(weft_op_add(schema, 0, table, NULL, NULL));
  weft_schema_free(schema);
  weft_attrs_free(defaults);
  weft_tensor_free(values);
  CHECK(weft_graph_add(m.graph, "com.acme.Table", &m.x, 1, NULL, NULL, NULL, &y, 1));
  expect(&m, m.x, y, 2, -6, 12, __LINE__);
  end(&m);
  /* The last handle of a graph that nothing else holds. */
  CHECK(weft_graph_new(0, &again));
  CHECK(weft_graph_add_input(again, "x", WEFT_F32, "3", NULL, &x));
  freed = again;
  CHECK(weft_graph_add(again, "com.acme.Table", &x, 1, NULL, NULL, NULL, &y, 1));
  EXPECT(freed == NULL && y != 0);
}

/* What a body gives may change after the node was added: the shape of y, twice that of x, and the type of a condition. */
static int changed;
static weft_status* twofold(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                            const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  int64_t in[2];
  weft_attrs* axis;
  weft_status* status = NULL;
  (void)user, (void)input_count, (void)attrs, (void)output_count;
  out_values[0] = in[0] = in[1] = inputs[0];
  if (changed) {
    CHECK(weft_attrs_new(&axis));
    CHECK(weft_attrs_set_int(axis, "axis", 0));
    status = weft_graph_add(graph, "Concat", in, 2, axis, NULL, WEFT_ORIGIN, out_values, 1);
    weft_attrs_free(axis);
  }
  weft_graph_free(graph);
  return status;
}
static weft_status* condition(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                              const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  const char no = 0;
  const int64_t number = 0;
  weft_tensor* value;
  weft_status* status;
  (void)user, (void)inputs, (void)input_count, (void)attrs, (void)output_count;
  if (changed) {
    CHECK(weft_tensor_new_copy(WEFT_I64, NULL, 0, &number, sizeof number, &value));
  } else {
    CHECK(weft_tensor_new_copy(WEFT_BOOL, NULL, 0, &no, sizeof no, &value));
  }
  status = weft_graph_add_constant(graph, value, NULL, WEFT_ORIGIN, out_values);
  weft_tensor_free(value);
  weft_graph_free(graph);
  return status;
}
static void refuse_changed(weft_status* status, const char* node, const char* part) {
  EXPECT(strcmp(weft_status_node(status), node) == 0);
  FAILS(status, WEFT_INVALID_ARGUMENT, part);
}
static void test_changing_bodies(void) {
  static const float two[2] = {1, 2};
  Model m = model();
  weft_schema* schema;
  weft_graph* body;
  weft_attrs* attrs;
  weft_tensor *start, *out;
  weft_prepared* prepared;
  int64_t w, y, assigned, outputs[2], loop[3], result;
  add_simple("com.acme.Twofold", twofold, NULL);
  start = floats(two, 2);
  CHECK(weft_graph_add_constant(m.graph, start, NULL, NULL, &y));
  weft_tensor_free(start);
  CHECK(weft_graph_add_variable(m.graph, "w", y, 1, NULL, &w));
  CHECK(weft_graph_add(m.graph, "com.acme.Twofold", &w, 1, NULL, "grown", NULL, &y, 1));
  assigned = binary(m.graph, "weft.Assign", w, y);
  changed = 1;
  refuse_changed(weft_session_prepare(m.session, NULL, 0, NULL, 0, &assigned, 1, &prepared), "grown",
                 "it is f32[4] now but was f32[2]");
  refuse_changed(weft_session_run(m.session, NULL, NULL, 0, NULL, 0, &assigned, 1, NULL, NULL), "grown", "f32[4]");
  changed = 0;
  CHECK(weft_session_prepare(m.session, NULL, 0, NULL, 0, &assigned, 1, &prepared));
  CHECK(weft_prepared_run(prepared, NULL));
  weft_prepared_free(prepared);

  CHECK(weft_schema_new("com.acme.Condition", 1, NULL, &schema));
  CHECK(weft_schema_add_type(schema, "T", "bool, i64"));
  CHECK(weft_schema_add_output(schema, "y", "T", WEFT_FORM_ONE, NULL));
  CHECK(weft_op_add(schema, 0, condition, NULL, NULL));
  weft_schema_free(schema);
  loop[0] = loop[1] = 0; /* neither a number of times nor a condition at first */
  loop[2] = m.x;
  CHECK(weft_graph_new_body(m.graph, "Loop", loop, 3, NULL, &body));
  CHECK(weft_graph_add(body, "com.acme.Condition", NULL, 0, NULL, "again", NULL, &outputs[0], 1));
  outputs[1] = binary(body, "Add", weft_graph_input(body, 2), weft_graph_input(body, 2));
  CHECK(weft_graph_set_outputs(body, outputs, 2));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_graph(attrs, "body", body));
  CHECK(weft_graph_add(m.graph, "Loop", loop, 3, attrs, "loop", NULL, &result, 1));
  weft_attrs_free(attrs);
  weft_graph_free(body);
  changed = 1;
  start = floats(two, 2);
  refuse_changed(
      weft_session_run(m.session, &m.x, (const weft_tensor* const*)&start, 1, &result, 1, NULL, 0, NULL, &out), "again",
      "now but was bool");
  weft_tensor_free(start);
  changed = 0;
  expect(&m, m.x, result, 2, -4, 6, __LINE__);
  end(&m);
}

int main(void) {
  test_wrong_bodies();
  test_uses();
  test_later_errors();
  test_errors_in_copies();
  test_graphs_around();
  test_sessions_in_bodies();
  test_changing_bodies();
  test_what_bodies_are_given();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
