/* Closing a dataset: what still works and what does not, and from inside. */
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
  weft_dataset** both = user; /* this one and the rows that it gives */
  (void)epoch;
  CHECK(weft_dataset_close(both[0]));
  return weft_dataset_open(both[1], NULL, 0, out_batches);
}
static weft_status* close_in_fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                                 const char* const* names, const double* averages, int32_t metric_count,
                                 int32_t* out_stop) {
  (void)event, (void)epoch, (void)batch, (void)batch_count, (void)names, (void)averages, (void)metric_count;
  (void)out_stop;
  return weft_dataset_close(user);
}

static void test_from_inside(void) {
  Counting c = counting();
  weft_dataset *both[2], *rows = three_rows();
  weft_options* options;
  weft_history* history;
  both[1] = three_rows();
  CHECK(weft_dataset_new_function(1, &both[0], close_it, both, NULL));
  CHECK(weft_options_new("fit", &options));
  CHECK(weft_options_set_int(options, "epochs", 2));
  CHECK(weft_session_fit(c.session, both[0], &c.x, 1, c.step, NULL, 0, options, &history));
  EXPECT(weft_history_count(history) == 2 && variable(&c) == 2);
  weft_history_free(history);
  CHECK(weft_options_set_callback(options, close_in_fit, rows, NULL));
  CHECK(weft_options_set_validation(options, rows, &c.mean, 1));
  CHECK(weft_session_fit(c.session, rows, &c.x, 1, c.step, NULL, 0, options, &history));
  EXPECT(weft_history_count(history) == 2 && variable(&c) == 4);
  weft_history_free(history);
  FAILS(weft_session_fit(c.session, both[0], &c.x, 1, c.step, NULL, 0, NULL, &history), WEFT_FAILED_PRECONDITION,
        "this dataset is closed");
  weft_options_free(options);
  weft_dataset_free(rows);
  weft_dataset_free(both[0]);
  weft_dataset_free(both[1]);
  discard(&c);
}

int main(void) {
  test_later_calls_fail_and_passes_go_on();
  test_from_inside();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
