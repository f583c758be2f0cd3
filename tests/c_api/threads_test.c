/* Two threads where one may be: in a prepared call, in a graph that is built; and many where many may be. */
#include <pthread.h>

#include "support.h"

static pthread_t start(void* (*function)(void*), void* user) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, function, user) != 0) exit(1);
  return thread;
}

/* A prepared call whose host function has another thread try everything that the call offers. */
typedef struct {
  weft_prepared* prepared;
  weft_tensor* tensor;
  int refused;
} Intruder;
static void* intrude(void* user) {
  Intruder* intruder = user;
  weft_tensor* out;
  static const char* const part = "in use on another thread";
  FAILS(weft_prepared_run(intruder->prepared, NULL), WEFT_FAILED_PRECONDITION, part);
  FAILS(weft_prepared_bind_input(intruder->prepared, 0, intruder->tensor), WEFT_FAILED_PRECONDITION, part);
  FAILS(weft_prepared_bind_output(intruder->prepared, 0, intruder->tensor), WEFT_FAILED_PRECONDITION, part);
  FAILS(weft_prepared_output(intruder->prepared, 0, &out), WEFT_FAILED_PRECONDITION, part);
  ++intruder->refused;
  return NULL;
}
static weft_status* let_in(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                           int32_t output_count) {
  (void)input_count, (void)output_count;
  pthread_join(start(intrude, user), NULL);
  CHECK(weft_tensor_copy(inputs[0], &out_tensors[0]));
  return NULL;
}
static void test_one_prepared_call(void) {
  static const char* const dtypes[1] = {"f32"};
  static const char* const shapes[1] = {"n"};
  const float numbers[2] = {4, 5};
  Counting c = counting();
  Intruder intruder = {0};
  weft_attrs* attrs;
  weft_tensor* out;
  int64_t y;
  int i;
  CHECK(weft_host_function_set("c/let_in", let_in, &intruder, NULL));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_string(attrs, "name", "c/let_in"));
  CHECK(weft_attrs_set_strings(attrs, "dtypes", dtypes, 1));
  CHECK(weft_attrs_set_strings(attrs, "shapes", shapes, 1));
  CHECK(weft_graph_add(c.graph, "weft.HostCall", &c.x, 1, attrs, NULL, WEFT_ORIGIN, &y, 1));
  weft_attrs_free(attrs);
  intruder.tensor = floats(numbers, 2);
  CHECK(weft_session_prepare(c.session, &c.x, 1, &y, 1, NULL, 0, &intruder.prepared));
  FAILS(weft_prepared_run(intruder.prepared, NULL), WEFT_FAILED_PRECONDITION, "not bound");
  CHECK(weft_prepared_bind_input(intruder.prepared, 0, intruder.tensor));
  for (i = 1; i <= 2; ++i) { /* what was refused has changed nothing */
    CHECK(weft_prepared_run(intruder.prepared, NULL));
    CHECK(weft_prepared_output(intruder.prepared, 0, &out));
    EXPECT(at(out, 1) == 5 && intruder.refused == i);
    weft_tensor_free(out);
  }
  CHECK(weft_host_function_set("c/let_in", NULL, NULL, NULL));
  weft_prepared_free(intruder.prepared);
  weft_tensor_free(intruder.tensor);
  discard(&c);
}

/* Two threads run one prepared call until each has 500 runs: a run is whole or refused. */
static void* race(void* prepared) {
  int done = 0;
  while (done < 500) {
    weft_status* status = weft_prepared_run(prepared, NULL);
    if (status == NULL) {
      ++done;
    } else {
      FAILS(status, WEFT_FAILED_PRECONDITION, "make one for each thread");
    }
  }
  return NULL;
}
static void test_racing_for_a_prepared_call(void) {
  Counting c = counting();
  weft_prepared* prepared;
  pthread_t other;
  CHECK(weft_session_prepare(c.session, NULL, 0, NULL, 0, &c.step, 1, &prepared));
  other = start(race, prepared);
  race(prepared);
  pthread_join(other, NULL);
  EXPECT(variable(&c) == 1000); /* each has raised it by one */
  weft_prepared_free(prepared);
  discard(&c);
}

/* Two threads add to one graph until each has added 1,000 nodes: what was not refused is there. */
typedef struct {
  weft_graph* graph;
  int64_t x;
} Building;
static void* build(void* user) {
  const Building* building = user;
  int added = 0;
  while (added < 1000) {
    int64_t y;
    weft_status* status = weft_graph_add(building->graph, "Neg", &building->x, 1, NULL, NULL, WEFT_ORIGIN, &y, 1);
    if (status == NULL) {
      ++added;
    } else {
      EXPECT(y == 0);
      FAILS(status, WEFT_FAILED_PRECONDITION, "thread");
    }
  }
  return NULL;
}
static void test_one_graph(void) {
  Counting c = counting();
  Building building;
  pthread_t other;
  weft_tensor *in = scalar(3), *out;
  int64_t y;
  int before;
  building.graph = c.graph;
  CHECK(weft_graph_add_input(c.graph, "one", WEFT_F32, "", WEFT_ORIGIN, &building.x));
  before = weft_graph_node_count(c.graph);
  other = start(build, &building);
  build(&building);
  pthread_join(other, NULL);
  EXPECT(weft_graph_node_count(c.graph) == before + 2000);
  CHECK(weft_graph_add(c.graph, "Neg", &building.x, 1, NULL, "last", WEFT_ORIGIN, &y, 1)); /* as good as before */
  CHECK(weft_session_run(c.session, &building.x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out));
  EXPECT(at(out, 0) == -3);
  weft_tensor_free(out);
  weft_tensor_free(in);
  discard(&c);
}

/* Many threads run one session, with assignments and without. */
static void* run_both(void* user) {
  const Counting* c = user;
  const float numbers[2] = {1, 2};
  weft_tensor *in = floats(numbers, 2), *out;
  int i;
  for (i = 0; i < 100; ++i) {
    CHECK(weft_session_run(c->session, NULL, NULL, 0, NULL, 0, &c->step, 1, NULL, NULL));
    CHECK(weft_session_run(c->session, &c->x, (const weft_tensor* const*)&in, 1, &c->mean, 1, NULL, 0, NULL, &out));
    EXPECT(at(out, 0) == 1.5f);
    weft_tensor_free(out);
  }
  weft_tensor_free(in);
  return NULL;
}
static void test_one_session(void) {
  Counting c = counting();
  pthread_t threads[4];
  int i;
  for (i = 0; i < 4; ++i) threads[i] = start(run_both, &c);
  for (i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  EXPECT(variable(&c) == 400); /* no step is lost */
  discard(&c);
}

int main(void) {
  test_one_prepared_call();
  test_racing_for_a_prepared_call();
  test_one_graph();
  test_one_session();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
