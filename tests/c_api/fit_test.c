/* Fit, evaluate and predict: averages by rows, early stop, callbacks, errors. Expected numbers are worked out by hand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/weft.h"

static int failures = 0;
#define EXPECT(condition)                                                   \
  do {                                                                      \
    if (!(condition)) {                                                     \
      fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #condition); \
      ++failures;                                                           \
    }                                                                       \
  } while (0)
#define CHECK(call) check((call), __LINE__)
#define FAILS(call, code, part) fails((call), (code), (part), __LINE__)

static void check(weft_status* status, int line) {
  if (status == NULL) return;
  fprintf(stderr, "line %d: %s\n", line, weft_status_text(status));
  weft_status_free(status);
  exit(1);
}
static void fails(weft_status* status, int32_t code, const char* part, int line) {
  if (weft_status_code(status) != code || strstr(weft_status_message(status), part) == NULL) {
    fprintf(stderr, "line %d: got %s\n", line, status == NULL ? "success" : weft_status_text(status));
    ++failures;
  }
  weft_status_free(status);
}

/* Ten rows, x = 1 .. 10. The variable w starts at 0; each step adds 1 to it. */
typedef struct {
  weft_graph* graph;
  weft_session* session;
  weft_dataset* dataset;
  weft_options* options;
  int64_t x, w, step, twice, mean;
} Counting;

static Counting counting(void) {
  Counting c;
  weft_tensor *column, *zero, *one;
  const int64_t rows = 10;
  const float x[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, number[2] = {0, 1};
  int64_t initial, unit, in[2], sum;
  weft_attrs* attrs;
  CHECK(weft_tensor_new_copy(WEFT_F32, &rows, 1, x, sizeof x, &column));
  CHECK(weft_dataset_new((const weft_tensor* const*)&column, 1, &c.dataset));
  CHECK(weft_tensor_new_copy(WEFT_F32, NULL, 0, &number[0], 4, &zero));
  CHECK(weft_tensor_new_copy(WEFT_F32, NULL, 0, &number[1], 4, &one));
  CHECK(weft_graph_new(0, &c.graph));
  CHECK(weft_graph_add_input(c.graph, "x", WEFT_F32, "batch", WEFT_ORIGIN, &c.x));
  CHECK(weft_graph_add_constant(c.graph, zero, NULL, WEFT_ORIGIN, &initial));
  CHECK(weft_graph_add_constant(c.graph, one, NULL, WEFT_ORIGIN, &unit));
  CHECK(weft_graph_add_variable(c.graph, "w", initial, 1, WEFT_ORIGIN, &c.w));
  in[0] = c.w;
  in[1] = unit;
  CHECK(weft_graph_add(c.graph, "Add", in, 2, NULL, NULL, WEFT_ORIGIN, &sum, 1));
  in[1] = sum;
  CHECK(weft_graph_add(c.graph, "weft.Assign", in, 2, NULL, NULL, WEFT_ORIGIN, &c.step, 1));
  in[0] = c.x;
  in[1] = c.x;
  CHECK(weft_graph_add(c.graph, "Add", in, 2, NULL, "twice", WEFT_ORIGIN, &c.twice, 1));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "keepdims", 0));
  CHECK(weft_graph_add(c.graph, "ReduceMean", in, 1, attrs, "mean", WEFT_ORIGIN, &c.mean, 1));
  CHECK(weft_session_new(c.graph, NULL, NULL, &c.session));
  CHECK(weft_options_new("fit", &c.options));
  CHECK(weft_options_set_int(c.options, "batch_size", 4));
  weft_attrs_free(attrs);
  weft_tensor_free(column);
  weft_tensor_free(zero);
  weft_tensor_free(one);
  return c;
}
static void discard(Counting* c) {
  weft_options_free(c->options);
  weft_session_free(c->session);
  weft_dataset_free(c->dataset);
  weft_graph_free(c->graph);
}
static float variable(const Counting* c) {
  weft_tensor* value;
  float w;
  CHECK(weft_session_get(c->session, "w", &value));
  w = *(const float*)weft_tensor_data(value);
  weft_tensor_free(value);
  return w;
}

static void test_evaluate_and_predict(void) {
  Counting c = counting();
  weft_dataset *rows, *none;
  weft_tensor* out;
  const int64_t zero_feed = 0;
  double mean = 0;
  int i;
  /* Batches of 4, 4 and 2 rows have the means 2.5, 6.5 and 9.5: weighted by rows 5.5, unweighted 6.17. */
  CHECK(weft_session_evaluate(c.session, c.dataset, &c.x, 1, &c.mean, 1, c.options, &mean));
  EXPECT(mean == 5.5);
  CHECK(weft_session_predict(c.session, c.dataset, &c.x, 1, &c.twice, 1, c.options, &out));
  EXPECT(weft_tensor_rank(out) == 1 && weft_tensor_dims(out)[0] == 10);
  for (i = 0; i < 10; ++i) EXPECT(((const float*)weft_tensor_data(out))[i] == 2.0f * (float)(i + 1));
  weft_tensor_free(out);
  CHECK(weft_dataset_new_rows(c.dataset, 7, 3, &rows));
  CHECK(weft_session_predict(c.session, rows, &c.x, 1, &c.twice, 1, c.options, &out));
  EXPECT(weft_tensor_count(out) == 3 && ((const float*)weft_tensor_data(out))[0] == 16);
  weft_tensor_free(out);
  CHECK(weft_dataset_new_rows(c.dataset, 10, 0, &none));
  CHECK(weft_session_predict(c.session, none, &c.x, 1, &c.twice, 1, c.options, &out));
  EXPECT(weft_tensor_rank(out) == 1 && weft_tensor_count(out) == 0);
  weft_tensor_free(out);
  FAILS(weft_session_evaluate(c.session, none, &c.x, 1, &c.mean, 1, NULL, &mean), WEFT_INVALID_ARGUMENT, "no rows");
  FAILS(weft_session_predict(c.session, c.dataset, &c.x, 1, &c.mean, 1, NULL, &out), WEFT_INVALID_ARGUMENT, "one row");
  FAILS(weft_session_evaluate(c.session, c.dataset, &c.x, 1, &c.twice, 1, NULL, &mean), WEFT_INVALID_ARGUMENT,
        "scalar");
  FAILS(weft_session_evaluate(c.session, c.dataset, NULL, 0, &c.mean, 1, NULL, &mean), WEFT_INVALID_ARGUMENT,
        "0 feeds");
  FAILS(weft_session_evaluate(c.session, c.dataset, &zero_feed, 1, &c.mean, 1, NULL, &mean), WEFT_INVALID_ARGUMENT,
        "x");
  weft_dataset_free(none);
  weft_dataset_free(rows);
  FAILS(weft_dataset_new_rows(c.dataset, 8, 3, &rows), WEFT_INVALID_ARGUMENT, "8");
  discard(&c);
}

static void test_fit(void) {
  Counting c = counting();
  weft_history* history;
  const int64_t metrics[2] = {c.w, c.mean};
  CHECK(weft_options_set_int(c.options, "epochs", 2));
  CHECK(weft_options_set_validation(c.options, c.dataset, &c.w, 1));
  CHECK(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, metrics, 2, c.options, &history));
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
  CHECK(weft_options_set_int(c.options, "drop_last", 1));
  CHECK(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, NULL, 0, c.options, &history));
  EXPECT(weft_history_count(history) == 2 && variable(&c) == 10);
  weft_history_free(history);
  discard(&c);
}

static void test_early_stop(void) {
  Counting c = counting();
  weft_history* history;
  CHECK(weft_options_set_int(c.options, "epochs", 10));
  CHECK(weft_options_set_string(c.options, "monitor", "val_w"));
  FAILS(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, &c.w, 1, c.options, &history), WEFT_INVALID_ARGUMENT,
        "val_w");
  CHECK(weft_options_set_validation(c.options, c.dataset, &c.w, 1));
  CHECK(weft_options_set_int(c.options, "patience", 2));
  CHECK(weft_options_set_int(c.options, "restore_best", 1));
  /* w only grows, so the first epoch is the best; the two after it are waited for, the third ends the training. */
  CHECK(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, NULL, 0, c.options, &history));
  EXPECT(weft_history_count(history) == 4 && weft_history_stopped(history));
  EXPECT(variable(&c) == 3);
  weft_history_free(history);
  CHECK(weft_options_set_string(c.options, "mode", "max"));
  CHECK(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, NULL, 0, c.options, &history));
  EXPECT(weft_history_count(history) == 10 && !weft_history_stopped(history));
  EXPECT(variable(&c) == 33);
  weft_history_free(history);
  CHECK(weft_options_set_string(c.options, "mode", "up"));
  FAILS(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, NULL, 0, c.options, &history), WEFT_INVALID_ARGUMENT,
        "'up'");
  discard(&c);
}

typedef struct {
  Counting* counting;
  int batches, epochs, drops, stop_at, fail_at;
  double last;
} Watch;
static weft_status* watch(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                          const double* metrics, int32_t metric_count, int32_t* out_stop) {
  Watch* w = user;
  EXPECT(batch_count == 3 && batch >= 0 && batch < 3 && epoch >= 0);
  EXPECT(metric_count == 1);
  w->last = metrics[0];
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
                              const double* metrics, int32_t metric_count, int32_t* out_stop) {
  (void)user, (void)event, (void)epoch, (void)metrics, (void)metric_count, (void)out_stop;
  EXPECT(batch < 2 && batch_count == 2); /* a short batch that is left out does not count */
  return NULL;
}

static void test_callback(void) {
  Counting c = counting();
  Watch w = {0};
  weft_history* history = NULL;
  weft_status* status;
  w.counting = &c;
  w.stop_at = 4;
  CHECK(weft_options_set_int(c.options, "epochs", 5));
  CHECK(weft_options_set_callback(c.options, watch, &w, dropped));
  CHECK(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, &c.w, 1, c.options, &history));
  EXPECT(w.batches == 4 && w.epochs == 2 && w.last == 3);
  EXPECT(weft_history_count(history) == 2 && weft_history_stopped(history) && variable(&c) == 4);
  weft_history_free(history);
  w.fail_at = 6;
  status = weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, &c.w, 1, c.options, &history);
  EXPECT(weft_status_code(status) == WEFT_ABORTED && weft_status_payload(status, &w) == &w && history == NULL);
  weft_status_free(status);
  EXPECT(variable(&c) == 6);
  CHECK(weft_options_set_int(c.options, "drop_last", 1));
  CHECK(weft_options_set_int(c.options, "epochs", 1));
  CHECK(weft_options_set_callback(c.options, count_two, NULL, NULL));
  EXPECT(w.drops == 1);
  CHECK(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, &c.w, 1, c.options, &history));
  weft_history_free(history);
  discard(&c);
  EXPECT(w.drops == 1);
}

static weft_status* interrupt(void* user) {
  (void)user;
  return weft_status_new(WEFT_CANCELLED, "interrupted", NULL, NULL, NULL);
}
static void test_stopping(void) {
  Counting c = counting();
  weft_cancel* cancel;
  weft_options* options;
  weft_history* history;
  CHECK(weft_cancel_new(&cancel));
  weft_cancel_set(cancel, 1);
  CHECK(weft_options_set_cancel(c.options, cancel));
  FAILS(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, NULL, 0, c.options, &history), WEFT_CANCELLED, "");
  EXPECT(variable(&c) == 0);
  CHECK(weft_options_new("fit", &options));
  CHECK(weft_options_set_int(options, "epochs", 1000000000));
  CHECK(weft_options_set_int(options, "timeout_ms", 30));
  FAILS(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_DEADLINE_EXCEEDED,
        "");
  EXPECT(variable(&c) > 0);
  weft_options_free(options);
  CHECK(weft_options_new("fit", &options));
  CHECK(weft_options_set_int(options, "epochs", 1000000000));
  CHECK(weft_options_set_poll(options, interrupt, NULL, NULL));
  FAILS(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_CANCELLED,
        "interrupted");
  weft_options_free(options);
  CHECK(weft_session_close(c.session));
  FAILS(weft_session_fit(c.session, c.dataset, &c.x, 1, c.step, NULL, 0, NULL, &history), WEFT_FAILED_PRECONDITION,
        "closed");
  weft_cancel_free(cancel);
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
