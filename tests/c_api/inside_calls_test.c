/* What callbacks do to the call that they are part of: they close and free its session, prepared call or options and give
 * inputs back; outputs that are written where inputs stand; and reading a graph that another thread builds. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <unistd.h>

#include "support.h"

typedef struct {
  weft_graph* graph;
  weft_session* session;
  weft_prepared* prepared;
  weft_options* options;
  int64_t x, y[2];
  int read_only, polls, drops;
} Inside;

/* y[0], y[1] = a host function of x and x. */
static Inside inside(const char* name) {
  static const char* const dtypes[2] = {"f32", "f32"};
  Inside c = {0};
  int64_t in[2];
  weft_attrs* attrs;
  CHECK(weft_graph_new(0, &c.graph));
  CHECK(weft_graph_add_input(c.graph, "x", WEFT_F32, "2", WEFT_ORIGIN, &c.x));
  CHECK(weft_session_new(c.graph, NULL, NULL, &c.session));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_string(attrs, "name", name));
  CHECK(weft_attrs_set_strings(attrs, "dtypes", dtypes, 2));
  in[0] = in[1] = c.x;
  CHECK(weft_graph_add(c.graph, "weft.HostCall", in, 2, attrs, NULL, WEFT_ORIGIN, c.y, 2));
  weft_attrs_free(attrs);
  return c;
}
static void expect_given(weft_tensor* const* out) {
  EXPECT(at(out[0], 0) == 3 && at(out[0], 1) == 4 && at(out[1], 0) == 3 && at(out[1], 1) == 4);
}
static void run(Inside* c) {
  const float numbers[2] = {3, 4};
  weft_tensor *in = floats(numbers, 2), *out[2];
  CHECK(weft_session_run(c->session, &c->x, (const weft_tensor* const*)&in, 1, c->y, 2, NULL, 0, c->options, out));
  expect_given(out);
  weft_tensor_free(out[0]);
  weft_tensor_free(out[1]);
  weft_tensor_free(in);
}

/* Frees all that the run needs and gives its inputs back. */
static weft_status* leave_nothing(void* user, const weft_tensor* const* inputs, int32_t input_count,
                                  weft_tensor** out_tensors, int32_t output_count) {
  Inside* c = (Inside*)user;
  void* data;
  weft_status* writing = weft_tensor_mutable((weft_tensor*)inputs[0], &data);
  (void)input_count;
  (void)output_count;
  c->read_only = writing != NULL;
  weft_status_free(writing);
  weft_prepared_free(c->prepared);
  weft_session_free(c->session);
  weft_graph_free(c->graph);
  weft_options_free(c->options);
  out_tensors[0] = (weft_tensor*)inputs[0];
  out_tensors[1] = (weft_tensor*)inputs[1];
  return NULL;
}
/* One tensor as both outputs. */
static weft_status* one_for_two(void* user, const weft_tensor* const* inputs, int32_t input_count,
                                weft_tensor** out_tensors, int32_t output_count) {
  const float numbers[2] = {3, 4};
  (void)user;
  (void)inputs;
  (void)input_count;
  (void)output_count;
  out_tensors[0] = out_tensors[1] = floats(numbers, 2);
  return NULL;
}

static void test_one_tensor_twice(void) {
  Inside c = inside("c/one_for_two");
  CHECK(weft_host_function_set("c/one_for_two", one_for_two, NULL, NULL));
  run(&c);
  CHECK(weft_host_function_set("c/one_for_two", NULL, NULL, NULL));
  weft_session_free(c.session);
  weft_graph_free(c.graph);
}

static void test_freed_in_its_run(void) {
  Inside c = inside("c/leave_nothing");
  CHECK(weft_options_new("run", &c.options));
  CHECK(weft_host_function_set("c/leave_nothing", leave_nothing, &c, NULL));
  run(&c);
  EXPECT(c.read_only);
  CHECK(weft_host_function_set("c/leave_nothing", NULL, NULL, NULL));
}

static void test_freed_in_its_prepared_run(void) {
  const float numbers[2] = {3, 4};
  Inside c = inside("c/leave_nothing");
  weft_tensor *in = floats(numbers, 2), *out[2];
  int i;
  CHECK(weft_session_prepare(c.session, &c.x, 1, c.y, 2, NULL, 0, &c.prepared));
  CHECK(weft_prepared_bind_input(c.prepared, 0, in));
  for (i = 0; i < 2; ++i) {
    const int64_t two = 2;
    CHECK(weft_tensor_new(WEFT_F32, &two, 1, &out[i]));
    CHECK(weft_prepared_bind_output(c.prepared, i, out[i]));
  }
  CHECK(weft_host_function_set("c/leave_nothing", leave_nothing, &c, NULL));
  CHECK(weft_prepared_run(c.prepared, NULL));
  expect_given(out);
  CHECK(weft_host_function_set("c/leave_nothing", NULL, NULL, NULL));
  weft_tensor_free(out[0]);
  weft_tensor_free(out[1]);
  weft_tensor_free(in);
}

static weft_status* later_poll(void* user) {
  (void)user;
  return NULL;
}
/* A poll that puts another in its own place, and then frees its options. */
static weft_status* poll(void* user) {
  Inside* c = (Inside*)user;
  if (c->polls++ > 0) return NULL;
  CHECK(weft_options_set_poll(c->options, later_poll, NULL, NULL));
  EXPECT(c->drops == 0);
  weft_options_free(c->options);
  c->options = NULL;
  return NULL;
}
static void drop(void* user) { ++((Inside*)user)->drops; }

static void test_options_freed_in_their_poll(void) {
  Inside c = inside("c/one_for_two");
  CHECK(weft_host_function_set("c/one_for_two", one_for_two, NULL, NULL));
  CHECK(weft_options_new("run", &c.options));
  CHECK(weft_options_set_poll(c.options, poll, &c, drop));
  run(&c);
  EXPECT(c.polls >= 1 && c.drops == 1);
  CHECK(weft_host_function_set("c/one_for_two", NULL, NULL, NULL));
  weft_session_free(c.session);
  weft_graph_free(c.graph);
}

typedef struct {
  weft_session* session;
  weft_prepared* prepared;
  int polls;
} Closing;
static weft_status* close_it(void* user) {
  Closing* closing = (Closing*)user;
  ++closing->polls;
  FAILS(weft_session_close(closing->session), WEFT_FAILED_PRECONDITION, "inside");
  if (closing->prepared != NULL) {
    FAILS(weft_prepared_close(closing->prepared), WEFT_FAILED_PRECONDITION, "inside");
  }
  return NULL;
}
static void test_closed_in_a_poll(void) {
  Counting c = counting();
  Closing closing = {NULL, NULL, 0};
  weft_prepared* prepared;
  weft_options* options;
  alarm(60); /* where a call waits for itself */
  closing.session = c.session;
  CHECK(weft_options_new("run", &options));
  CHECK(weft_options_set_poll(options, close_it, &closing, NULL));
  CHECK(weft_session_prepare(c.session, NULL, 0, NULL, 0, &c.step, 1, &prepared));
  closing.prepared = prepared;
  CHECK(weft_prepared_run(prepared, options)); /* it is first asked while w gets its initial value */
  closing.prepared = NULL;
  CHECK(weft_session_run(c.session, NULL, NULL, 0, NULL, 0, &c.step, 1, options, NULL));
  EXPECT(closing.polls >= 2 && variable(&c) == 2);
  alarm(0);
  weft_prepared_free(prepared);
  weft_options_free(options);
  discard(&c);
}

static void test_outputs_in_the_place_of_inputs(void) {
  weft_graph* graph;
  int64_t x, value;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "2", WEFT_ORIGIN, &x));
  value = x;
  CHECK(weft_graph_add(graph, "Neg", &value, 1, NULL, NULL, WEFT_ORIGIN, &value, 1));
  EXPECT(value != x && value != 0);
  CHECK(weft_graph_differentiate(graph, &value, 1, &x, 1, NULL, WEFT_ORIGIN, &value));
  EXPECT(value != x && value != 0);
  weft_graph_free(graph);
}

/* Reads all that can be read until the graph is whole. */
static void* read_graph(void* user) {
  const weft_graph* graph = (const weft_graph*)user;
  while (weft_graph_node_count(graph) < 2001) {
    int64_t value = 0, dims[1];
    const char* name;
    int32_t kind, dtype, rank;
    weft_bytes* text;
    CHECK(weft_graph_find(graph, "x", &value));
    CHECK(weft_graph_value(graph, value, &name, &kind, &dtype, &rank));
    EXPECT(strcmp(name, "x") == 0 && rank == 1);
    CHECK(weft_graph_value_dims(graph, value, dims, 1));
    CHECK(weft_graph_value_shape(graph, value, &text));
    weft_bytes_free(text);
    EXPECT(weft_graph_input(graph, 0) == value && weft_graph_variable(graph, 0) == 0);
    CHECK(weft_graph_convert(graph, "text", &text));
    weft_bytes_free(text);
  }
  return NULL;
}

static void test_readers_beside_a_builder(void) {
  weft_graph* graph;
  pthread_t readers[2];
  int64_t value;
  int i;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "2", WEFT_ORIGIN, &value));
  for (i = 0; i < 2; ++i) EXPECT(pthread_create(&readers[i], NULL, read_graph, graph) == 0);
  for (i = 0; i < 2000; ++i) CHECK(weft_graph_add(graph, "Neg", &value, 1, NULL, NULL, WEFT_ORIGIN, &value, 1));
  for (i = 0; i < 2; ++i) EXPECT(pthread_join(readers[i], NULL) == 0);
  weft_graph_free(graph);
}

int main(void) {
  test_one_tensor_twice();
  test_freed_in_its_run();
  test_freed_in_its_prepared_run();
  test_options_freed_in_their_poll();
  test_closed_in_a_poll();
  test_outputs_in_the_place_of_inputs();
  test_readers_beside_a_builder();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
