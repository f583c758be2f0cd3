/* Fit, evaluate and predict: averages by rows, early stop, callbacks, errors. Expected numbers are worked out by hand. */
#include <math.h>

#include "support.h"

/* Ten rows, x = 1 .. 10. */
static weft_dataset* ten_rows(void) {
  const float x[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  weft_tensor* column = floats(x, 10);
  weft_dataset* dataset;
  CHECK(weft_dataset_new((const weft_tensor* const*)&column, 1, &dataset));
  weft_tensor_free(column);
  return dataset;
}
static weft_options* batches_of_four(void) {
  weft_options* options;
  CHECK(weft_options_new("fit", &options));
  CHECK(weft_options_set_int(options, "batch_size", 4));
  return options;
}

static void test_evaluate_and_predict(void) {
  Counting c = counting();
  weft_dataset* dataset = ten_rows();
  weft_options* options = batches_of_four();
  weft_dataset *rows, *none;
  weft_tensor* out;
  const int64_t zero_feed = 0;
  double mean = 0;
  int i;
  /* Batches of 4, 4 and 2 rows have the means 2.5, 6.5 and 9.5: weighted by rows 5.5, unweighted 6.17. */
  CHECK(weft_session_evaluate(c.session, dataset, &c.x, 1, &c.mean, 1, options, &mean));
  EXPECT(mean == 5.5);
  CHECK(weft_session_predict(c.session, dataset, &c.x, 1, &c.twice, 1, options, &out));
  EXPECT(weft_tensor_rank(out) == 1 && weft_tensor_dims(out)[0] == 10);
  for (i = 0; i < 10; ++i) EXPECT(((const float*)weft_tensor_data(out))[i] == 2.0f * (float)(i + 1));
  weft_tensor_free(out);
  CHECK(weft_dataset_new_rows(dataset, 7, 3, &rows));
  CHECK(weft_session_predict(c.session, rows, &c.x, 1, &c.twice, 1, options, &out));
  EXPECT(weft_tensor_count(out) == 3 && ((const float*)weft_tensor_data(out))[0] == 16);
  weft_tensor_free(out);
  CHECK(weft_dataset_new_rows(dataset, 10, 0, &none));
  CHECK(weft_session_predict(c.session, none, &c.x, 1, &c.twice, 1, options, &out));
  EXPECT(weft_tensor_rank(out) == 1 && weft_tensor_count(out) == 0);
  weft_tensor_free(out);
  FAILS(weft_session_evaluate(c.session, none, &c.x, 1, &c.mean, 1, NULL, &mean), WEFT_INVALID_ARGUMENT, "no rows");
  FAILS(weft_session_predict(c.session, dataset, &c.x, 1, &c.mean, 1, NULL, &out), WEFT_INVALID_ARGUMENT, "one row");
  FAILS(weft_session_evaluate(c.session, dataset, &c.x, 1, &c.twice, 1, NULL, &mean), WEFT_INVALID_ARGUMENT, "scalar");
  FAILS(weft_session_evaluate(c.session, dataset, NULL, 0, &c.mean, 1, NULL, &mean), WEFT_INVALID_ARGUMENT, "0 feeds");
  FAILS(weft_session_evaluate(c.session, dataset, &zero_feed, 1, &c.mean, 1, NULL, &mean), WEFT_INVALID_ARGUMENT, "x");
  weft_dataset_free(none);
  weft_dataset_free(rows);
  FAILS(weft_dataset_new_rows(dataset, 8, 3, &rows), WEFT_INVALID_ARGUMENT, "8");
  weft_options_free(options);
  weft_dataset_free(dataset);
  discard(&c);
}

static void test_fit(void) {
  Counting c = counting();
  weft_dataset* dataset = ten_rows();
  weft_options* options = batches_of_four();
  weft_history* history;
  const int64_t metrics[2] = {c.w, c.mean};
  CHECK(weft_options_set_int(options, "epochs", 2));
  CHECK(weft_options_set_validation(options, dataset, &c.w, 1));
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, metrics, 2, options, &history));
  EXPECT(weft_history_count(history) == 2 && weft_history_width(history) == 3 && !weft_history_stopped(history));
  EXPECT(strcmp(weft_history_name(history, 0), "w") == 0 && strcmp(weft_history_name(history, 1), "mean") == 0);
  EXPECT(strcmp(weft_history_name(history, 2), "val_w") == 0 && weft_history_name(history, 3) == NULL);
  /* w is 0, 1, 2 in batches of 4, 4 and 2 rows: (0 * 4 + 1 * 4 + 2 * 2) / 10; then 3 more each. */
  EXPECT(fabs(weft_history_data(history)[0] - 0.8) < 1e-12);
  EXPECT(fabs(weft_history_data(history)[3] - 3.8) < 1e-12);
  EXPECT(weft_history_data(history)[2] == 3 && weft_history_data(history)[5] == 6);
  EXPECT(fabs(weft_history_data(history)[1] - 5.5) < 1e-6);
  EXPECT(variable(&c) == 6);
  weft_history_free(history);
  CHECK(weft_options_set_int(options, "drop_last", 1));
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history));
  EXPECT(weft_history_count(history) == 2 && variable(&c) == 10);
  weft_history_free(history);
  weft_options_free(options);
  weft_dataset_free(dataset);
  discard(&c);
}

static void test_early_stop(void) {
  Counting c = counting();
  weft_dataset* dataset = ten_rows();
  weft_options* options = batches_of_four();
  weft_history* history;
  CHECK(weft_options_set_int(options, "epochs", 10));
  CHECK(weft_options_set_string(options, "monitor", "val_w"));
  CHECK(weft_options_set_int(options, "patience", 2));
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, &c.w, 1, options, &history), WEFT_INVALID_ARGUMENT,
        "val_w");
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_INVALID_ARGUMENT,
        "there are no metrics");
  CHECK(weft_options_set_validation(options, dataset, &c.w, 1));
  CHECK(weft_options_set_int(options, "restore_best", 1));
  /* w only grows, so the first epoch is the best, and the second one after it ends the training. */
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history));
  EXPECT(weft_history_count(history) == 3 && weft_history_stopped(history));
  EXPECT(variable(&c) == 3);
  weft_history_free(history);
  CHECK(weft_options_set_string(options, "mode", "max"));
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history));
  EXPECT(weft_history_count(history) == 10 && !weft_history_stopped(history));
  EXPECT(variable(&c) == 33);
  weft_history_free(history);
  CHECK(weft_options_set_string(options, "mode", "up"));
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_INVALID_ARGUMENT,
        "'up'");
  weft_options_free(options);
  weft_dataset_free(dataset);
  discard(&c);
}

typedef struct {
  Counting* counting;
  int batches, epochs, drops, stop_at, fail_at;
  double last;
} Watch;
static weft_status* watch(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                          const char* const* names, const double* averages, int32_t metric_count, int32_t* out_stop) {
  Watch* w = user;
  EXPECT(batch_count == 3 && batch >= 0 && batch < 3 && epoch >= 0);
  EXPECT(metric_count == 1 && strcmp(names[0], "w") == 0);
  w->last = averages[0];
  if (event == WEFT_FIT_EPOCH) {
    ++w->epochs;
    return NULL;
  }
  EXPECT(variable(w->counting) == (float)(++w->batches)); /* the session may be used in between */
  if (w->batches == w->fail_at) return weft_status_new(WEFT_ABORTED, "enough", w, w, NULL);
  if (w->batches == w->stop_at) *out_stop = 1;
  return NULL;
}
static void dropped(void* user) { ++((Watch*)user)->drops; }

static weft_status* count_two(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                              const char* const* names, const double* averages, int32_t metric_count,
                              int32_t* out_stop) {
  (void)user, (void)event, (void)epoch, (void)names, (void)averages, (void)metric_count, (void)out_stop;
  EXPECT(batch < 2 && batch_count == 2); /* a short batch that is left out does not count */
  return NULL;
}

static void test_callback(void) {
  Counting c = counting();
  weft_dataset* dataset = ten_rows();
  weft_options* options = batches_of_four();
  Watch w = {0};
  weft_history* history = NULL;
  weft_status* status;
  w.counting = &c;
  w.stop_at = 4;
  CHECK(weft_options_set_int(options, "epochs", 5));
  CHECK(weft_options_set_callback(options, watch, &w, dropped));
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, &c.w, 1, options, &history));
  EXPECT(w.batches == 4 && w.epochs == 2 && w.last == 3);
  EXPECT(weft_history_count(history) == 2 && weft_history_stopped(history) && variable(&c) == 4);
  weft_history_free(history);
  w.fail_at = 6;
  status = weft_session_fit(c.session, dataset, &c.x, 1, c.step, &c.w, 1, options, &history);
  EXPECT(weft_status_code(status) == WEFT_ABORTED && weft_status_payload(status, &w) == &w && history == NULL);
  weft_status_free(status);
  EXPECT(variable(&c) == 6);
  CHECK(weft_options_set_int(options, "drop_last", 1));
  CHECK(weft_options_set_int(options, "epochs", 1));
  CHECK(weft_options_set_callback(options, count_two, NULL, NULL));
  EXPECT(w.drops == 1);
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, &c.w, 1, options, &history));
  weft_history_free(history);
  weft_options_free(options);
  weft_dataset_free(dataset);
  discard(&c);
  EXPECT(w.drops == 1);
}

static weft_status* interrupt(void* user) {
  (void)user;
  return weft_status_new(WEFT_CANCELLED, "interrupted", NULL, NULL, NULL);
}
static void test_stopping(void) {
  Counting c = counting();
  weft_dataset* dataset = ten_rows();
  weft_options* options = batches_of_four();
  weft_cancel* cancel;
  weft_options* others;
  weft_history* history;
  CHECK(weft_cancel_new(&cancel));
  weft_cancel_set(cancel, 1);
  CHECK(weft_options_set_cancel(options, cancel));
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_CANCELLED, "");
  EXPECT(variable(&c) == 0);
  CHECK(weft_options_new("fit", &others));
  CHECK(weft_options_set_int(others, "epochs", 1000000000));
  CHECK(weft_options_set_int(others, "timeout_ms", 30));
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, others, &history), WEFT_DEADLINE_EXCEEDED, "");
  EXPECT(variable(&c) > 0);
  weft_options_free(others);
  CHECK(weft_options_new("fit", &others));
  CHECK(weft_options_set_int(others, "epochs", 1000000000));
  CHECK(weft_options_set_poll(others, interrupt, NULL, NULL));
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, others, &history), WEFT_CANCELLED,
        "interrupted");
  weft_options_free(others);
  CHECK(weft_session_close(c.session));
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, NULL, &history), WEFT_FAILED_PRECONDITION,
        "closed");
  weft_cancel_free(cancel);
  weft_options_free(options);
  weft_dataset_free(dataset);
  discard(&c);
}

static void test_load(void) {
  weft_dataset* dataset;
  weft_tensor* images;
  const char* names[2] = {"images", "labels"};
  CHECK(weft_dataset_load("examples/data/digits.safetensors", names, 2, NULL, &dataset));
  EXPECT(weft_dataset_count(dataset) == 1797 && weft_dataset_width(dataset) == 2);
  CHECK(weft_dataset_at(dataset, 0, &images));
  EXPECT(weft_tensor_dims(images)[1] == 64);
  weft_tensor_free(images);
  FAILS(weft_dataset_at(dataset, 2, &images), WEFT_OUT_OF_RANGE, "2");
  weft_dataset_free(dataset);
  names[1] = "label";
  FAILS(weft_dataset_load("examples/data/digits.safetensors", names, 2, NULL, &dataset), WEFT_NOT_FOUND,
        "labels, images");
}

int main(void) {
  test_evaluate_and_predict();
  test_fit();
  test_early_stop();
  test_callback();
  test_stopping();
  test_load();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
