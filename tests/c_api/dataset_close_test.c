/* Closing a dataset: what still works, what does not, from inside, and while another thread trains. */
#include <pthread.h>
#include <sched.h>

#include "support.h"

static weft_dataset* three_rows(void) {
  const float x[3] = {1, 2, 3};
  weft_tensor* column = floats(x, 3);
  weft_dataset* dataset;
  CHECK(weft_dataset_new((const weft_tensor* const*)&column, 1, &dataset));
  weft_tensor_free(column);
  return dataset;
}

static void test_later_calls_fail_and_passes_go_on(void) {
  Counting c = counting();
  weft_dataset *dataset = three_rows(), *rows, *more;
  weft_options *options, *fit;
  weft_batches *pass, *late;
  weft_tensor* out;
  weft_history* history;
  double mean;
  CHECK(weft_options_new("dataset", &options));
  CHECK(weft_options_set_int(options, "batch_size", 2));
  CHECK(weft_dataset_open(dataset, options, 0, &pass));
  CHECK(weft_dataset_new_rows(dataset, 1, 2, &rows));
  CHECK(weft_options_new("fit", &fit));
  CHECK(weft_options_set_validation(fit, dataset, &c.mean, 1));
  CHECK(weft_dataset_close(dataset));
  CHECK(weft_dataset_close(dataset));
  FAILS(weft_dataset_open(dataset, NULL, 0, &late), WEFT_FAILED_PRECONDITION, "this dataset is closed");
  FAILS(weft_dataset_at(dataset, 0, &out), WEFT_FAILED_PRECONDITION, "closed");
  FAILS(weft_dataset_new_rows(dataset, 0, 1, &more), WEFT_FAILED_PRECONDITION, "closed");
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, NULL, &history), WEFT_FAILED_PRECONDITION,
        "this dataset is closed");
  FAILS(weft_session_fit(c.session, rows, &c.x, 1, c.step, NULL, 0, fit, &history), WEFT_FAILED_PRECONDITION,
        "this dataset is closed");
  FAILS(weft_session_evaluate(c.session, dataset, &c.x, 1, &c.mean, 1, NULL, &mean), WEFT_FAILED_PRECONDITION,
        "this dataset is closed");
  FAILS(weft_session_predict(c.session, dataset, &c.x, 1, &c.twice, 1, NULL, &out), WEFT_FAILED_PRECONDITION,
        "this dataset is closed");
  EXPECT(variable(&c) == 0);
  CHECK(weft_batches_next(pass, &out, 1));
  EXPECT(weft_tensor_count(out) == 2 && at(out, 1) == 2);
  weft_tensor_free(out);
  CHECK(weft_session_evaluate(c.session, rows, &c.x, 1, &c.mean, 1, NULL, &mean));
  EXPECT(mean == 2.5);
  weft_batches_free(pass);
  weft_options_free(fit);
  weft_options_free(options);
  weft_dataset_free(rows);
  weft_dataset_free(dataset);
  discard(&c);
}

static weft_status* close_it(void* user, int64_t epoch, weft_batches** out_batches) {
  (void)epoch, (void)out_batches;
  return weft_dataset_close(*(weft_dataset**)user);
}
static weft_status* close_in_fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                                 const char* const* names, const double* averages, int32_t metric_count,
                                 int32_t* out_stop) {
  (void)event, (void)epoch, (void)batch, (void)batch_count, (void)names, (void)averages, (void)metric_count;
  (void)out_stop;
  return weft_dataset_close(user);
}

static void test_not_from_inside(void) {
  Counting c = counting();
  weft_dataset *given, *dataset = three_rows();
  weft_options* options;
  weft_history* history;
  weft_batches* pass;
  const char* refused = "a dataset cannot be closed from inside a call that goes through it";
  CHECK(weft_dataset_new_function(1, &given, close_it, &given, NULL));
  FAILS(weft_dataset_open(given, NULL, 0, &pass), WEFT_FAILED_PRECONDITION, refused);
  FAILS(weft_session_fit(c.session, given, &c.x, 1, c.step, NULL, 0, NULL, &history), WEFT_FAILED_PRECONDITION,
        refused);
  CHECK(weft_options_new("fit", &options));
  CHECK(weft_options_set_callback(options, close_in_fit, dataset, NULL));
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_FAILED_PRECONDITION,
        refused);
  /* That of the validation, too. */
  CHECK(weft_options_set_validation(options, dataset, &c.mean, 1));
  {
    weft_dataset* other = three_rows();
    FAILS(weft_session_fit(c.session, other, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_FAILED_PRECONDITION,
          refused);
    weft_dataset_free(other);
  }
  CHECK(weft_dataset_close(given));
  CHECK(weft_dataset_close(dataset));
  weft_options_free(options);
  weft_dataset_free(given);
  weft_dataset_free(dataset);
  discard(&c);
}

/* A training that goes on until its dataset is being closed. */
typedef struct {
  Counting* counting;
  weft_dataset* dataset;
  int inside, left; /* `inside` by atomic operations, `left` ordered by closing */
} Training;
static weft_status* until_closed(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                                 const char* const* names, const double* averages, int32_t metric_count,
                                 int32_t* out_stop) {
  Training* t = user;
  weft_status* status = NULL;
  (void)event, (void)epoch, (void)batch, (void)batch_count, (void)names, (void)averages, (void)metric_count;
  __atomic_store_n(&t->inside, 1, __ATOMIC_SEQ_CST);
  while (status == NULL) { /* the dataset says itself when it is being closed */
    weft_tensor* column;
    status = weft_dataset_at(t->dataset, 0, &column);
    weft_tensor_free(column);
  }
  FAILS(status, WEFT_FAILED_PRECONDITION, "this dataset is closed");
  *out_stop = 1;
  t->left = 1;
  return NULL;
}
static void* train(void* user) {
  Training* t = user;
  weft_options* options;
  weft_history* history;
  CHECK(weft_options_new("fit", &options));
  CHECK(weft_options_set_callback(options, until_closed, t, NULL));
  CHECK(weft_session_fit(t->counting->session, t->dataset, &t->counting->x, 1, t->counting->step, NULL, 0, options,
                         &history));
  weft_history_free(history);
  weft_options_free(options);
  return NULL;
}

static void test_close_waits(void) {
  Counting c = counting();
  Training t = {0};
  pthread_t trainer;
  t.counting = &c;
  t.dataset = three_rows();
  if (pthread_create(&trainer, NULL, train, &t) != 0) exit(1);
  while (!__atomic_load_n(&t.inside, __ATOMIC_SEQ_CST)) sched_yield();
  CHECK(weft_dataset_close(t.dataset));
  EXPECT(t.left == 1);
  pthread_join(trainer, NULL);
  weft_dataset_free(t.dataset);
  discard(&c);
}

int main(void) {
  test_later_calls_fail_and_passes_go_on();
  test_not_from_inside();
  test_close_waits();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
