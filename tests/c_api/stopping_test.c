/* Cancelling and deadlines in the middle of long runs: between steps, inside one kernel, in prepared calls. */
#include <pthread.h>

#include "support.h"

/* y = x x x ..., 2,000 products of 512 x 512 numbers, and a variable that a run of it would raise. */
typedef struct {
  weft_graph* graph;
  weft_session* session;
  weft_tensor* zeros;
  int64_t x, y, step;
} Long;
static Long long_graph(int64_t side, int products) {
  Long l;
  weft_options* two;
  char shape[32];
  int64_t dims[2], w;
  int i;
  dims[0] = dims[1] = side;
  snprintf(shape, sizeof shape, "%d,%d", (int)side, (int)side);
  CHECK(weft_tensor_new(WEFT_F32, dims, 2, &l.zeros));
  CHECK(weft_graph_new(0, &l.graph));
  CHECK(weft_graph_add_input(l.graph, "x", WEFT_F32, shape, WEFT_ORIGIN, &l.x));
  for (i = 0, l.y = l.x; i < products; ++i) l.y = binary(l.graph, "MatMul", l.y, l.x);
  CHECK(weft_graph_add_variable(l.graph, "w", constant(l.graph, 1), 1, WEFT_ORIGIN, &w));
  l.step = binary(l.graph, "weft.Assign", w, binary(l.graph, "Add", w, constant(l.graph, 1)));
  CHECK(weft_options_new("session", &two));
  CHECK(weft_options_set_int(two, "threads", 2)); /* so that it lasts on any machine */
  CHECK(weft_session_new(l.graph, two, NULL, &l.session));
  weft_options_free(two);
  return l;
}
static void discard_long(Long* l) {
  weft_session_free(l->session);
  weft_graph_free(l->graph);
  weft_tensor_free(l->zeros);
}
static weft_status* run(const Long* l, const weft_options* options) {
  weft_tensor* out;
  weft_status* status = weft_session_run(l->session, &l->x, (const weft_tensor* const*)&l->zeros, 1, &l->y, 1, &l->step,
                                         1, options, &out);
  EXPECT((status == NULL) == (out != NULL));
  weft_tensor_free(out);
  return status;
}
/* No run that was stopped has changed it. */
static void expect_variable(const Long* l, float want) {
  weft_tensor* value;
  CHECK(weft_session_get(l->session, "w", &value));
  EXPECT(at(value, 0) == want);
  weft_tensor_free(value);
}
static weft_options* run_options(void) {
  weft_options* options;
  CHECK(weft_options_new("run", &options));
  return options;
}

/* What is called while a run lasts: when it begins and some time after, when it is in the middle. */
typedef struct {
  weft_cancel* cancel;
  pthread_t caller;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int polls, drops;
} Poll;
static void prepare(Poll* poll) {
  memset(poll, 0, sizeof *poll);
  CHECK(weft_cancel_new(&poll->cancel));
  poll->caller = pthread_self();
  pthread_mutex_init(&poll->mutex, NULL);
  pthread_cond_init(&poll->changed, NULL);
}
static void finish(Poll* poll) {
  weft_cancel_free(poll->cancel);
  pthread_cond_destroy(&poll->changed);
  pthread_mutex_destroy(&poll->mutex);
}
static void dropped(void* user) { ++((Poll*)user)->drops; }
static weft_status* tell(void* user) {
  Poll* poll = user;
  EXPECT(pthread_equal(poll->caller, pthread_self()));
  pthread_mutex_lock(&poll->mutex);
  ++poll->polls;
  pthread_cond_signal(&poll->changed);
  pthread_mutex_unlock(&poll->mutex);
  return NULL;
}
static weft_status* cancel_it(void* user) {
  Poll* poll = user;
  if (++poll->polls == 2) weft_cancel_set(poll->cancel, 1);
  return NULL;
}
static weft_status* fail(void* user) {
  if (++((Poll*)user)->polls < 2) return NULL;
  return weft_status_new(WEFT_ABORTED, "the user said so", user, user, NULL);
}
static void* cancel_once_it_runs(void* user) {
  Poll* poll = user;
  pthread_mutex_lock(&poll->mutex);
  while (poll->polls < 2) pthread_cond_wait(&poll->changed, &poll->mutex);
  pthread_mutex_unlock(&poll->mutex);
  weft_cancel_set(poll->cancel, 1);
  return NULL;
}

static void test_cancel(void) {
  Long l = long_graph(512, 2000);
  weft_options* options = run_options();
  pthread_t other;
  Poll poll;
  prepare(&poll);
  CHECK(weft_options_set_cancel(options, poll.cancel));
  CHECK(weft_options_set_poll(options, tell, &poll, dropped));
  if (pthread_create(&other, NULL, cancel_once_it_runs, &poll) != 0) exit(1);
  FAILS(run(&l, options), WEFT_CANCELLED, "");
  pthread_join(other, NULL);
  EXPECT(poll.polls >= 2 && weft_cancel_get(poll.cancel) == 1);
  FAILS(run(&l, options), WEFT_CANCELLED, ""); /* every later one too, until it is set to 0 */
  weft_cancel_set(poll.cancel, 0);
  CHECK(weft_options_set_poll(options, cancel_it, &poll, dropped));
  EXPECT(poll.drops == 1);
  poll.polls = 0;
  FAILS(run(&l, options), WEFT_CANCELLED, "");
  EXPECT(poll.polls >= 2);
  expect_variable(&l, 1);
  weft_cancel_free(poll.cancel); /* the options keep it as it is */
  poll.cancel = NULL;
  FAILS(run(&l, options), WEFT_CANCELLED, "");
  weft_options_free(options);
  EXPECT(poll.drops == 2);
  CHECK(weft_session_run(l.session, NULL, NULL, 0, NULL, 0, &l.step, 1, NULL, NULL));
  expect_variable(&l, 2);
  finish(&poll);
  discard_long(&l);
}

static void test_deadline(void) {
  static const char* const keys[2] = {"timeout_ms", "timeout_s"};
  Long l = long_graph(512, 2000);
  weft_options* options;
  int i;
  for (i = 0; i < 2; ++i) {
    options = run_options();
    if (i == 0) {
      CHECK(weft_options_set_int(options, keys[i], 5));
    } else {
      CHECK(weft_options_set_float(options, keys[i], 0.005));
    }
    FAILS(run(&l, options), WEFT_DEADLINE_EXCEEDED, "");
    weft_options_free(options);
  }
  expect_variable(&l, 1);
  discard_long(&l);
  l = long_graph(8, 3); /* with time enough nothing is different */
  options = run_options();
  CHECK(weft_options_set_int(options, "timeout_ms", 3600000));
  CHECK(run(&l, options));
  expect_variable(&l, 2);
  CHECK(weft_options_set_int(options, "timeout_ms", 0));
  FAILS(run(&l, options), WEFT_DEADLINE_EXCEEDED, "");
  weft_options_free(options);
  discard_long(&l);
}

static void test_poll(void) {
  Long l = long_graph(512, 2000);
  weft_options* options = run_options();
  weft_status* status;
  Poll poll;
  prepare(&poll);
  CHECK(weft_options_set_poll(options, fail, &poll, dropped));
  status = run(&l, options);
  EXPECT(weft_status_code(status) == WEFT_ABORTED && weft_status_payload(status, &poll) == &poll);
  EXPECT(strcmp(weft_status_message(status), "the user said so") == 0 && poll.polls == 2);
  weft_status_free(status);
  expect_variable(&l, 1);
  weft_options_free(options);
  finish(&poll);
  discard_long(&l);
}

/* One product alone, of 137 thousand million operations. */
static void test_inside_a_kernel(void) {
  Long l = long_graph(4096, 1);
  weft_options* options = run_options();
  Poll poll;
  prepare(&poll);
  CHECK(weft_options_set_cancel(options, poll.cancel));
  CHECK(weft_options_set_poll(options, cancel_it, &poll, dropped));
  FAILS(run(&l, options), WEFT_CANCELLED, "");
  EXPECT(poll.polls >= 2);
  weft_options_free(options);
  options = run_options();
  CHECK(weft_options_set_int(options, "timeout_ms", 5));
  FAILS(run(&l, options), WEFT_DEADLINE_EXCEEDED, "");
  weft_options_free(options);
  expect_variable(&l, 1);
  finish(&poll);
  discard_long(&l);
}

static void test_prepared(void) {
  Long l = long_graph(512, 2000);
  weft_options* options = run_options();
  weft_prepared* prepared;
  weft_tensor* out;
  Poll poll;
  prepare(&poll);
  CHECK(weft_session_prepare(l.session, &l.x, 1, &l.y, 1, &l.step, 1, &prepared));
  CHECK(weft_prepared_bind_input(prepared, 0, l.zeros));
  CHECK(weft_options_set_cancel(options, poll.cancel));
  CHECK(weft_options_set_poll(options, cancel_it, &poll, dropped));
  FAILS(weft_prepared_run(prepared, options), WEFT_CANCELLED, "");
  FAILS(weft_prepared_output(prepared, 0, &out), WEFT_FAILED_PRECONDITION, "last run failed");
  expect_variable(&l, 1);
  weft_prepared_free(prepared);
  CHECK(weft_session_prepare(l.session, &l.x, 1, &l.x, 1, &l.step, 1, &prepared)); /* a short one */
  CHECK(weft_prepared_bind_input(prepared, 0, l.zeros));
  FAILS(weft_prepared_run(prepared, options), WEFT_CANCELLED, "");
  CHECK(weft_prepared_run(prepared, NULL)); /* the same call runs where nothing stops it */
  expect_variable(&l, 2);
  weft_prepared_free(prepared);
  weft_options_free(options);
  finish(&poll);
  discard_long(&l);
}

int main(void) {
  test_cancel();
  test_deadline();
  test_poll();
  test_inside_a_kernel();
  test_prepared();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
