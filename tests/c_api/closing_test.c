/* Closing: while others run, from several threads, in every order; and what handles that are kept still do. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <time.h>

#include "support.h"

/* A host function that is in a run until its session has been closed around it. */
typedef struct {
  weft_graph* graph;
  weft_session* session;
  weft_prepared* prepared;
  int64_t y;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int inside, left; /* how often the function was begun and ended */
  int told;         /* that it may end */
} Held;

static void come_in(Held* held) {
  pthread_mutex_lock(&held->mutex);
  ++held->inside;
  pthread_cond_broadcast(&held->changed);
  pthread_mutex_unlock(&held->mutex);
}
static void wait_inside(Held* held, int times) {
  pthread_mutex_lock(&held->mutex);
  while (held->inside < times) pthread_cond_wait(&held->changed, &held->mutex);
  pthread_mutex_unlock(&held->mutex);
}
static weft_status* until_closed(void* user, const weft_tensor* const* inputs, int32_t input_count,
                                 weft_tensor** out_tensors, int32_t output_count) {
  Held* held = user;
  weft_status* status = NULL;
  weft_tensor* value;
  (void)inputs, (void)input_count, (void)output_count;
  come_in(held);
  while (status == NULL) { /* the session says itself when it is being closed */
    status = weft_session_get(held->session, "w", &value);
    weft_tensor_free(value);
  }
  FAILS(status, WEFT_FAILED_PRECONDITION, "this session is closed");
  out_tensors[0] = scalar(8);
  ++held->left;
  return NULL;
}

/* The output of a node that calls the function of that name. */
static int64_t host_call(weft_graph* graph, const char* name) {
  static const char* const dtypes[1] = {"f32"};
  weft_attrs* attrs;
  int64_t y;
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_string(attrs, "name", name));
  CHECK(weft_attrs_set_strings(attrs, "dtypes", dtypes, 1));
  CHECK(weft_graph_add(graph, "weft.HostCall", NULL, 0, attrs, NULL, WEFT_ORIGIN, &y, 1));
  weft_attrs_free(attrs);
  return y;
}
static void hold(Held* held, weft_host_fn function) {
  int64_t w;
  memset(held, 0, sizeof *held);
  pthread_mutex_init(&held->mutex, NULL);
  pthread_cond_init(&held->changed, NULL);
  CHECK(weft_host_function_set("c/held", function, held, NULL));
  CHECK(weft_graph_new(0, &held->graph));
  CHECK(weft_graph_add_variable(held->graph, "w", constant(held->graph, 1), 1, WEFT_ORIGIN, &w));
  held->y = host_call(held->graph, "c/held");
  CHECK(weft_session_new(held->graph, NULL, NULL, &held->session));
}
static void let_go(Held* held) {
  weft_graph_free(held->graph);
  CHECK(weft_host_function_set("c/held", NULL, NULL, NULL));
  pthread_cond_destroy(&held->changed);
  pthread_mutex_destroy(&held->mutex);
}
static pthread_t start(void* (*function)(void*), void* user) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, function, user) != 0) exit(1);
  return thread;
}
static void* run(void* user) {
  Held* held = user;
  weft_tensor* out;
  CHECK(weft_session_run(held->session, NULL, NULL, 0, &held->y, 1, NULL, 0, NULL, &out));
  EXPECT(at(out, 0) == 8);
  weft_tensor_free(out);
  return NULL;
}
static void* run_prepared(void* user) {
  CHECK(weft_prepared_run(((Held*)user)->prepared, NULL));
  return NULL;
}
static void* close_session(void* user) {
  Held* held = user;
  CHECK(weft_session_close(held->session));
  EXPECT(held->left == 1); /* it has waited */
  return NULL;
}

static void test_close_waits_for_runs(void) {
  Held held;
  weft_tensor* out;
  pthread_t runner, closers[3];
  int i;
  hold(&held, until_closed);
  runner = start(run, &held);
  wait_inside(&held, 1);
  for (i = 0; i < 3; ++i) closers[i] = start(close_session, &held);
  close_session(&held);
  for (i = 0; i < 3; ++i) pthread_join(closers[i], NULL);
  pthread_join(runner, NULL);
  CHECK(weft_session_close(held.session));
  FAILS(weft_session_run(held.session, NULL, NULL, 0, &held.y, 1, NULL, 0, NULL, &out), WEFT_FAILED_PRECONDITION,
        "this session is closed");
  FAILS(weft_session_get(held.session, "w", &out), WEFT_FAILED_PRECONDITION, "closed");
  FAILS(weft_session_initialise(held.session), WEFT_FAILED_PRECONDITION, "closed");
  FAILS(weft_session_prepare(held.session, NULL, 0, &held.y, 1, NULL, 0, &held.prepared), WEFT_FAILED_PRECONDITION,
        "closed");
  FAILS(weft_session_save(held.session, "/tmp/weft_never_written"), WEFT_FAILED_PRECONDITION, "closed");
  CHECK(weft_session_trim(held.session));
  weft_session_free(held.session);
  let_go(&held);
}

static void test_free_waits_for_runs(void) {
  Held held;
  pthread_t runner;
  int prepared;
  for (prepared = 0; prepared < 2; ++prepared) {
    hold(&held, until_closed);
    if (prepared) CHECK(weft_session_prepare(held.session, NULL, 0, &held.y, 1, NULL, 0, &held.prepared));
    runner = start(prepared ? run_prepared : run, &held);
    wait_inside(&held, 1);
    weft_session_free(held.session); /* closes it first */
    EXPECT(held.left == 1);
    pthread_join(runner, NULL);
    if (prepared) {
      FAILS(weft_prepared_run(held.prepared, NULL), WEFT_FAILED_PRECONDITION, "this session is closed");
    }
    weft_prepared_free(held.prepared);
    let_go(&held);
  }
}

/* Only gives a number. */
static weft_status* eight(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                          int32_t output_count) {
  Held* held = user;
  (void)inputs, (void)input_count, (void)output_count;
  if (held->prepared != NULL) FAILS(weft_prepared_close(held->prepared), WEFT_FAILED_PRECONDITION, "inside");
  come_in(held);
  out_tensors[0] = scalar(8);
  return NULL;
}
static void* run_until_closed(void* user) {
  weft_prepared* prepared = ((Held*)user)->prepared;
  weft_status* status = NULL;
  while (status == NULL) status = weft_prepared_run(prepared, NULL);
  FAILS(status, WEFT_FAILED_PRECONDITION, "this prepared call is"); /* closed, or being closed by another thread */
  return NULL;
}
static void test_prepared_close_waits_for_runs(void) {
  Held held;
  weft_tensor* out;
  pthread_t runner;
  int free_it;
  for (free_it = 0; free_it < 2; ++free_it) {
    hold(&held, eight);
    CHECK(weft_session_prepare(held.session, NULL, 0, &held.y, 1, NULL, 0, &held.prepared));
    runner = start(free_it ? run_prepared : run_until_closed, &held);
    wait_inside(&held, free_it ? 1 : 3);
    if (!free_it) {
      CHECK(weft_prepared_close(held.prepared));
      CHECK(weft_prepared_close(held.prepared));
      pthread_join(runner, NULL);
      FAILS(weft_prepared_run(held.prepared, NULL), WEFT_FAILED_PRECONDITION, "this prepared call is closed");
      FAILS(weft_prepared_output(held.prepared, 0, &out), WEFT_FAILED_PRECONDITION, "");
      weft_prepared_free(held.prepared);
      held.prepared = NULL;
      run(&held); /* the session goes on */
    } else {
      weft_prepared_free(held.prepared); /* maybe at the end of the run */
      pthread_join(runner, NULL);
    }
    weft_session_free(held.session);
    let_go(&held);
  }
}

static weft_status* until_told(void* user, const weft_tensor* const* inputs, int32_t input_count,
                               weft_tensor** out_tensors, int32_t output_count) {
  Held* held = user;
  (void)inputs, (void)input_count, (void)output_count;
  come_in(held);
  pthread_mutex_lock(&held->mutex);
  while (!held->told) pthread_cond_wait(&held->changed, &held->mutex);
  ++held->left;
  pthread_mutex_unlock(&held->mutex);
  out_tensors[0] = scalar(8);
  return NULL;
}
static void* tell(void* user) {
  const struct timespec moment = {0, 50000000}; /* in which the other thread comes to where it waits */
  Held* held = user;
  nanosleep(&moment, NULL);
  pthread_mutex_lock(&held->mutex);
  held->told = 1;
  pthread_cond_broadcast(&held->changed);
  pthread_mutex_unlock(&held->mutex);
  return NULL;
}
/* Closes the prepared call that another thread is in. */
static weft_status* close_prepared(void* user, const weft_tensor* const* inputs, int32_t input_count,
                                   weft_tensor** out_tensors, int32_t output_count) {
  Held* held = user;
  pthread_t teller = start(tell, held);
  (void)inputs, (void)input_count, (void)output_count;
  CHECK(weft_prepared_close(held->prepared));
  EXPECT(held->left == 1); /* it has waited */
  pthread_join(teller, NULL);
  out_tensors[0] = scalar(8);
  return NULL;
}
static void test_prepared_close_inside_another_run(void) {
  Held held;
  pthread_t runner;
  hold(&held, until_told);
  CHECK(weft_session_prepare(held.session, NULL, 0, &held.y, 1, NULL, 0, &held.prepared));
  CHECK(weft_host_function_set("c/closes", close_prepared, &held, NULL));
  held.y = host_call(held.graph, "c/closes");
  runner = start(run_prepared, &held);
  wait_inside(&held, 1);
  run(&held);
  pthread_join(runner, NULL);
  FAILS(weft_prepared_run(held.prepared, NULL), WEFT_FAILED_PRECONDITION, "this prepared call is closed");
  weft_prepared_free(held.prepared);
  weft_session_free(held.session);
  CHECK(weft_host_function_set("c/closes", NULL, NULL, NULL));
  let_go(&held);
}

/* The handles that the next test frees in every order. */
enum { kGraph, kLayer, kSession, kPrepared, kInput, kOptions, kCount };
typedef struct {
  weft_graph* graph;
  weft_layer* layer;
  weft_session* session;
  weft_prepared* prepared;
  weft_tensor* input;
  weft_options* options;
  int64_t x, y;
} All;
static All all(void) {
  All a;
  weft_attrs* attrs;
  const float one = 1;
  CHECK(weft_graph_new(0, &a.graph));
  CHECK(weft_graph_add_input(a.graph, "x", WEFT_F32, "n,1", WEFT_ORIGIN, &a.x));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "inputs", 1));
  CHECK(weft_attrs_set_int(attrs, "units", 1));
  CHECK(weft_attrs_set_string(attrs, "kernel_init", "ones"));
  CHECK(weft_attrs_set_string(attrs, "bias_init", "ones"));
  CHECK(weft_layer_new(a.graph, "Dense", attrs, "dense", WEFT_ORIGIN, &a.layer));
  weft_attrs_free(attrs);
  CHECK(weft_layer_call(a.layer, &a.x, 1, 0, WEFT_ORIGIN, &a.y, 1));
  CHECK(weft_tensor_new_copy(WEFT_F32, (const int64_t[]){1, 1}, 2, &one, 4, &a.input));
  CHECK(weft_session_new(a.graph, NULL, NULL, &a.session));
  CHECK(weft_session_prepare(a.session, &a.x, 1, &a.y, 1, NULL, 0, &a.prepared));
  CHECK(weft_prepared_bind_input(a.prepared, 0, a.input));
  CHECK(weft_options_new("run", &a.options));
  return a;
}
static void free_one(All* a, int which) {
  if (which == kGraph) weft_graph_free(a->graph), a->graph = NULL;
  if (which == kLayer) weft_layer_free(a->layer), a->layer = NULL;
  if (which == kSession) weft_session_free(a->session), a->session = NULL;
  if (which == kPrepared) weft_prepared_free(a->prepared), a->prepared = NULL;
  if (which == kInput) weft_tensor_free(a->input), a->input = NULL;
  if (which == kOptions) weft_options_free(a->options), a->options = NULL;
}
/* Everything that is left does what it did, but a prepared call needs its session to be open. */
static void use(All* a) {
  weft_tensor* out;
  int64_t y;
  if (a->session != NULL && a->input != NULL) {
    CHECK(weft_session_run(a->session, &a->x, (const weft_tensor* const*)&a->input, 1, &a->y, 1, NULL, 0, a->options,
                           &out));
    EXPECT(at(out, 0) == 2);
    weft_tensor_free(out);
  }
  if (a->prepared != NULL && a->session == NULL) {
    FAILS(weft_prepared_run(a->prepared, a->options), WEFT_FAILED_PRECONDITION, "this session is closed");
  } else if (a->prepared != NULL) {
    CHECK(weft_prepared_run(a->prepared, a->options));
    CHECK(weft_prepared_output(a->prepared, 0, &out));
    EXPECT(at(out, 0) == 2);
    weft_tensor_free(out);
  }
  if (a->layer != NULL) CHECK(weft_layer_call(a->layer, &a->x, 1, 0, WEFT_ORIGIN, &y, 1));
}
static void test_every_order(void) {
  int order[kCount], counter[kCount] = {0}, i, swap, done = 0;
  for (i = 0; i < kCount; ++i) order[i] = i;
  i = 0;
  while (i < kCount) { /* Heap's algorithm, without recursion: all 720 orders */
    All a = all();
    int k;
    for (k = 0; k < kCount; ++k) {
      free_one(&a, order[k]);
      if (done % 2 == 0) use(&a);
    }
    if (weft_live_objects() != 0) {
      fprintf(stderr, "order %d leaves something behind\n", done);
      ++failures;
      return;
    }
    ++done;
    while (i < kCount && counter[i] >= i) counter[i++] = 0;
    if (i == kCount) break;
    k = i % 2 == 0 ? 0 : counter[i];
    swap = order[k], order[k] = order[i], order[i] = swap;
    ++counter[i];
    i = 0;
  }
  EXPECT(done == 720);
}

/* What outlives what it was taken from. */
static void test_what_is_kept(void) {
  const float numbers[4] = {1, 2, 3, 4};
  weft_tensor *column = floats(numbers, 4), *out, *item, *sequence;
  weft_dataset *dataset, *rows;
  weft_batches* batches;
  weft_tensors* set;
  weft_buffer* buffer;
  const float* data;
  weft_options* options;
  CHECK(weft_dataset_new((const weft_tensor* const*)&column, 1, &dataset));
  CHECK(weft_tensor_new_sequence((const weft_tensor* const*)&column, 1, &sequence));
  CHECK(weft_tensors_new(&set));
  CHECK(weft_tensors_set(set, "column", column));
  CHECK(weft_tensor_buffer(column, &buffer));
  data = weft_tensor_data(column);
  weft_tensor_free(column);
  CHECK(weft_dataset_new_rows(dataset, 1, 2, &rows));
  weft_dataset_free(dataset);
  CHECK(weft_options_new("dataset", &options));
  CHECK(weft_options_set_int(options, "batch_size", 1));
  CHECK(weft_dataset_open(rows, options, 0, &batches));
  weft_dataset_free(rows);
  weft_options_free(options);
  CHECK(weft_batches_next(batches, &out, 1));
  EXPECT(at(out, 0) == 2);
  weft_batches_free(batches);
  CHECK(weft_tensor_at(sequence, 0, &item));
  weft_tensor_free(sequence);
  EXPECT(at(out, 0) == 2 && weft_tensor_data(item) == data && at(item, 3) == 4);
  weft_tensor_free(item);
  weft_tensor_free(out);
  CHECK(weft_tensors_find(set, "column", &out));
  weft_tensors_free(set);
  EXPECT(at(out, 2) == 3);
  weft_tensor_free(out);
  EXPECT(data[3] == 4);
  weft_buffer_free(buffer);
}

static void test_variables_outlive_their_session(void) {
  Counting c = counting();
  weft_session *first = c.session, *none;
  CHECK(weft_session_new(c.graph, NULL, first, &c.session));
  CHECK(weft_session_run(first, NULL, NULL, 0, NULL, 0, &c.step, 1, NULL, NULL));
  CHECK(weft_session_close(first));
  FAILS(weft_session_new(c.graph, NULL, first, &none), WEFT_FAILED_PRECONDITION, "closed");
  EXPECT(none == NULL);
  weft_session_free(first);
  weft_graph_free(c.graph);
  c.graph = NULL;
  CHECK(weft_session_run(c.session, NULL, NULL, 0, NULL, 0, &c.step, 1, NULL, NULL));
  EXPECT(variable(&c) == 2);
  discard(&c);
}

int main(void) {
  test_close_waits_for_runs();
  test_free_waits_for_runs();
  test_prepared_close_waits_for_runs();
  test_prepared_close_inside_another_run();
  test_every_order();
  test_what_is_kept();
  test_variables_outlive_their_session();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
