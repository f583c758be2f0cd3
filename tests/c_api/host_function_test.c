/* Host functions: outputs, gradients, errors with their payload, Weft used inside one, replacing and removing them. */
#include <pthread.h>

#include "support.h"

/* y of HostCall(name, x), one output. `gradient` may be NULL. */
static int64_t host_call(weft_graph* graph, const char* name, int64_t x, const char* shape, const char* gradient) {
  static const char* const dtypes[1] = {"f32"};
  weft_attrs* attrs;
  int64_t y;
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_string(attrs, "name", name));
  CHECK(weft_attrs_set_strings(attrs, "dtypes", dtypes, 1));
  if (shape != NULL) CHECK(weft_attrs_set_strings(attrs, "shapes", &shape, 1));
  if (gradient != NULL) CHECK(weft_attrs_set_string(attrs, "gradient", gradient));
  CHECK(weft_graph_add(graph, "weft.HostCall", &x, 1, attrs, "call", "here.c:7", &y, 1));
  weft_attrs_free(attrs);
  return y;
}

/* A graph with an input x of any length, and a session of it. */
typedef struct {
  weft_graph* graph;
  weft_session* session;
  int64_t x;
} Model;
static Model model(void) {
  Model m;
  CHECK(weft_graph_new(0, &m.graph));
  CHECK(weft_graph_add_input(m.graph, "x", WEFT_F32, "n", WEFT_ORIGIN, &m.x));
  CHECK(weft_session_new(m.graph, NULL, NULL, &m.session));
  return m;
}
static void end(Model* m) {
  weft_session_free(m->session);
  weft_graph_free(m->graph);
}
static weft_status* run(const Model* m, int64_t y, weft_tensor** out) {
  const float numbers[3] = {1, -2, 3};
  weft_tensor* in = floats(numbers, 3);
  weft_status* status =
      weft_session_run(m->session, &m->x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, out);
  weft_tensor_free(in);
  return status;
}

typedef struct {
  int calls, drops;
  pthread_t thread;
} Calls;
static void dropped(void* user) { ++((Calls*)user)->drops; }

/* Squares and cubes. */
static weft_status* powers(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                           int32_t output_count) {
  Calls* calls = user;
  float made[3];
  int64_t i, k, count = weft_tensor_count(inputs[0]);
  ++calls->calls;
  calls->thread = pthread_self();
  EXPECT(input_count == 1 && count == 3);
  for (k = 0; k < output_count; ++k) {
    for (i = 0; i < 3; ++i) made[i] = at(inputs[0], i) * at(inputs[0], i) * (k == 1 ? at(inputs[0], i) : 1);
    out_tensors[k] = floats(made, 3);
  }
  return NULL;
}
/* 2 x g, from x and the gradient g of the squares. */
static weft_status* slope(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                          int32_t output_count) {
  float made[3];
  int i;
  ++((Calls*)user)->calls;
  EXPECT(input_count == 2 && output_count == 1);
  for (i = 0; i < 3; ++i) made[i] = 2 * at(inputs[0], i) * at(inputs[1], i);
  out_tensors[0] = floats(made, 3);
  return NULL;
}

static void test_outputs(void) {
  static const char* const dtypes[2] = {"f32", "f32"};
  Model m = model();
  Calls calls = {0};
  weft_attrs* attrs;
  weft_tensor *in, *out[2];
  const float numbers[3] = {1, -2, 3}, cubes[3] = {1, -8, 27};
  int64_t y[2];
  CHECK(weft_host_function_set("c/powers", powers, &calls, dropped));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_string(attrs, "name", "c/powers"));
  CHECK(weft_attrs_set_strings(attrs, "dtypes", dtypes, 2));
  CHECK(weft_graph_add(m.graph, "weft.HostCall", &m.x, 1, attrs, NULL, WEFT_ORIGIN, y, 2));
  weft_attrs_free(attrs);
  in = floats(numbers, 3);
  CHECK(weft_session_run(m.session, &m.x, (const weft_tensor* const*)&in, 1, y, 2, NULL, 0, NULL, out));
  EXPECT(at(out[0], 0) == 1 && at(out[0], 1) == 4 && at(out[0], 2) == 9);
  EXPECT(memcmp(weft_tensor_data(out[1]), cubes, sizeof cubes) == 0);
  EXPECT(calls.calls == 1 && pthread_equal(calls.thread, pthread_self()));
  weft_tensor_free(out[0]);
  weft_tensor_free(out[1]);
  weft_tensor_free(in);
  CHECK(weft_host_function_set("c/powers", NULL, NULL, NULL));
  EXPECT(calls.drops == 1);
  end(&m);
}

static void test_gradient(void) {
  Model m = model();
  Calls calls = {0}, slopes = {0};
  weft_tensor* out;
  int64_t square = host_call(m.graph, "c/square", m.x, "n", "c/slope"), y, dx;
  CHECK(weft_host_function_set("c/square", powers, &calls, dropped));
  CHECK(weft_host_function_set("c/slope", slope, &slopes, dropped));
  y = binary(m.graph, "Mul", square, constant(m.graph, 5));
  CHECK(weft_graph_differentiate(m.graph, &y, 1, &m.x, 1, NULL, WEFT_ORIGIN, &dx));
  CHECK(run(&m, dx, &out));
  EXPECT(at(out, 0) == 10 && at(out, 1) == -20 && at(out, 2) == 30); /* 5 times 2 x */
  EXPECT(slopes.calls == 1);
  weft_tensor_free(out);
  CHECK(weft_host_function_set("c/square", NULL, NULL, NULL));
  CHECK(weft_host_function_set("c/slope", NULL, NULL, NULL));
  y = host_call(m.graph, "c/square", m.x, "n", NULL);
  FAILS(weft_graph_differentiate(m.graph, &y, 1, &m.x, 1, NULL, WEFT_ORIGIN, &dx), WEFT_INVALID_ARGUMENT,
        "no gradient");
  EXPECT(calls.drops == 1 && slopes.drops == 1);
  end(&m);
}

static const char mine = 0; /* its address is the tag */

/* Fails with an object of the program's own. */
static weft_status* failing(void* user, const weft_tensor* const* inputs, int32_t input_count,
                            weft_tensor** out_tensors, int32_t output_count) {
  (void)inputs, (void)input_count, (void)output_count;
  out_tensors[0] = scalar(1); /* which is let go of */
  return weft_status_new(WEFT_ABORTED, "not today", &mine, user, dropped);
}
static void test_error(void) {
  Model m = model();
  Calls thrown = {0}, calls = {0};
  weft_tensor* out;
  weft_status* status;
  int64_t y = host_call(m.graph, "c/failing", m.x, "n", NULL);
  CHECK(weft_host_function_set("c/failing", failing, &thrown, NULL));
  status = run(&m, y, &out);
  EXPECT(out == NULL && weft_status_code(status) == WEFT_ABORTED);
  EXPECT(strcmp(weft_status_message(status), "not today") == 0);
  EXPECT(strcmp(weft_status_node(status), "call") == 0 && strcmp(weft_status_op(status), "weft.HostCall") == 0);
  EXPECT(strcmp(weft_status_origin(status), "here.c:7") == 0 && weft_status_errno(status) == 0);
  EXPECT(weft_status_payload(status, &mine) == &thrown && weft_status_payload(status, &m) == NULL);
  EXPECT(thrown.drops == 0);
  weft_status_free(status);
  EXPECT(thrown.drops == 1);
  CHECK(weft_host_function_set("c/failing", powers, &calls, dropped)); /* the same node works from now on */
  CHECK(run(&m, y, &out));
  EXPECT(at(out, 2) == 9);
  weft_tensor_free(out);
  CHECK(weft_host_function_set("c/failing", NULL, NULL, NULL));
  end(&m);
}

/* What it gives is not what the node says. */
static weft_status* giving(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                           int32_t output_count) {
  (void)inputs, (void)input_count, (void)output_count;
  if (user != NULL) CHECK(weft_tensor_copy(user, &out_tensors[0]));
  return NULL;
}
static void test_wrong_outputs(void) {
  Model m = model();
  const int64_t dims[2] = {2, 3};
  weft_tensor *out, *other = scalar(1);
  int64_t y = host_call(m.graph, "c/giving", m.x, "n", NULL), z = host_call(m.graph, "c/giving", m.x, "2", NULL);
  CHECK(weft_host_function_set("c/giving", giving, NULL, NULL));
  FAILS(run(&m, y, &out), WEFT_INVALID_ARGUMENT, "output 0 empty");
  CHECK(weft_host_function_set("c/giving", giving, other, NULL));
  FAILS(run(&m, y, &out), WEFT_INVALID_ARGUMENT, "f32[]");
  weft_tensor_free(other);
  CHECK(weft_tensor_new(WEFT_I64, dims, 1, &other));
  CHECK(weft_host_function_set("c/giving", giving, other, NULL));
  FAILS(run(&m, z, &out), WEFT_INVALID_ARGUMENT, "i64[2]");
  weft_tensor_free(other);
  CHECK(weft_tensor_new(WEFT_F32, dims + 1, 1, &other));
  CHECK(weft_host_function_set("c/giving", giving, other, NULL));
  FAILS(run(&m, z, &out), WEFT_INVALID_ARGUMENT, "f32[3]");
  EXPECT(out == NULL);
  weft_tensor_free(other);
  CHECK(weft_host_function_set("c/giving", NULL, NULL, NULL));
  FAILS(run(&m, y, &out), WEFT_FAILED_PRECONDITION, "c/giving");
  end(&m);
}

/* Uses a session of its own inside, and the one that runs it, which it must not run. */
static weft_status* inside(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                           int32_t output_count) {
  Model* outer = user;
  Counting c = counting();
  weft_tensor* out;
  (void)input_count, (void)output_count;
  CHECK(weft_session_run(c.session, &c.x, inputs, 1, &c.twice, 1, NULL, 0, NULL, &out_tensors[0]));
  discard(&c);
  FAILS(run(outer, outer->x, &out), WEFT_FAILED_PRECONDITION, "host function");
  FAILS(weft_session_close(outer->session), WEFT_FAILED_PRECONDITION, "inside");
  CHECK(weft_session_trim(outer->session));
  return NULL;
}
static void test_weft_inside(void) {
  Model m = model();
  weft_tensor* out;
  int64_t y = host_call(m.graph, "c/inside", m.x, "n", NULL);
  int i;
  CHECK(weft_host_function_set("c/inside", inside, &m, NULL));
  for (i = 0; i < 2; ++i) {
    CHECK(run(&m, y, &out));
    EXPECT(at(out, 0) == 2 && at(out, 1) == -4 && at(out, 2) == 6);
    weft_tensor_free(out);
  }
  CHECK(weft_host_function_set("c/inside", NULL, NULL, NULL));
  end(&m);
}

/* Takes itself away; it is dropped only once it has returned. */
static weft_status* leaving(void* user, const weft_tensor* const* inputs, int32_t input_count,
                            weft_tensor** out_tensors, int32_t output_count) {
  Calls* calls = user;
  (void)input_count, (void)output_count;
  CHECK(weft_host_function_set("c/leaving", NULL, NULL, NULL));
  EXPECT(calls->drops == 0);
  CHECK(weft_tensor_copy(inputs[0], &out_tensors[0]));
  return NULL;
}
static void test_removal(void) {
  Model m = model();
  Calls first = {0}, second = {0}, unnamed = {0};
  weft_tensor* out;
  int64_t y = host_call(m.graph, "c/leaving", m.x, NULL, NULL);
  CHECK(weft_host_function_set("c/leaving", powers, &first, dropped));
  CHECK(weft_host_function_set("c/leaving", leaving, &second, dropped));
  EXPECT(first.drops == 1 && second.drops == 0);
  CHECK(run(&m, y, &out));
  EXPECT(at(out, 1) == -2 && second.drops == 1);
  weft_tensor_free(out);
  FAILS(run(&m, y, &out), WEFT_FAILED_PRECONDITION, "'c/leaving' is not registered");
  CHECK(weft_host_function_set("c/leaving", NULL, &first, dropped)); /* nothing to take away */
  FAILS(weft_host_function_set(NULL, powers, &unnamed, dropped), WEFT_INVALID_ARGUMENT, "name");
  EXPECT(first.drops == 2 && unnamed.drops == 1); /* also of calls that keep nothing */
  end(&m);
}

int main(void) {
  test_outputs();
  test_gradient();
  test_error();
  test_wrong_outputs();
  test_weft_inside();
  test_removal();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
