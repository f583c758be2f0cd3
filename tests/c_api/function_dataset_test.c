/* Datasets whose batches a function gives: passes, fit, evaluate, predict, what goes wrong. Expected numbers are worked
 * out by hand. */
#include <math.h>
#include <pthread.h>

#include "support.h"

/* Gives the numbers 1 .. rows as batches of 4, the last one shorter, as "x"; and says what was asked of it. */
typedef struct Source {
  int rows, passes, drops, calls, batches, batch_drops;
  int64_t epochs[8];
  const char* name;                    /* of the tensor that is given */
  int fail_at;                         /* the batch that fails, from 1; 0: none */
  weft_status* (*between)(void* user); /* called for every batch */
  void* user;
  weft_cancel* cancel; /* set at batch `cancel_at` */
  int cancel_at;
} Source;
typedef struct {
  Source* source;
  int given;
} Pass;

static weft_status* next_batch(void* user, weft_tensors* out_batch) {
  Pass* pass = user;
  Source* source = pass->source;
  static float values[4]; /* the same for every batch */
  int64_t count = 0;
  weft_tensor* tensor;
  ++source->calls;
  if (source->between != NULL) {
    weft_status* status = source->between(source->user);
    if (status != NULL) return status;
  }
  while (count < 4 && pass->given < source->rows) values[count++] = (float)++pass->given;
  if (count == 0) return NULL;
  ++source->batches;
  if (source->batches == source->fail_at) return weft_status_new(WEFT_ABORTED, "no more", source, source, NULL);
  if (source->batches == source->cancel_at) weft_cancel_set(source->cancel, 1);
  CHECK(weft_tensor_borrow(WEFT_F32, &count, 1, values, (size_t)count * 4, 0, &tensor, NULL, NULL));
  CHECK(weft_tensors_set(out_batch, "unused", tensor));
  CHECK(weft_tensors_set(out_batch, source->name, tensor));
  weft_tensor_free(tensor);
  return NULL;
}
static void drop_pass(void* user) {
  ++((Pass*)user)->source->batch_drops;
  free(user);
}
static weft_status* begin_pass(void* user, int64_t epoch, weft_batches** out_batches) {
  static const char* const names[1] = {"x"};
  Source* source = user;
  Pass* pass = calloc(1, sizeof *pass);
  pass->source = source;
  source->epochs[source->passes++ % 8] = epoch;
  return weft_batches_new(names, 1, out_batches, next_batch, pass, drop_pass);
}
static void drop_source(void* user) { ++((Source*)user)->drops; }

static Source source_of(int rows) {
  Source source = {0};
  source.rows = rows;
  source.name = "x";
  return source;
}
static weft_dataset* dataset_of(Source* source) {
  weft_dataset* dataset;
  CHECK(weft_dataset_new_function(1, &dataset, begin_pass, source, drop_source));
  return dataset;
}

static weft_options* fit_options(void) {
  weft_options* options;
  CHECK(weft_options_new("fit", &options));
  return options;
}

static void test_passes(void) {
  Source source = source_of(10);
  weft_dataset *dataset = dataset_of(&source), *rows;
  weft_batches *first, *second;
  weft_tensor* out;
  int i;
  EXPECT(weft_dataset_count(dataset) == -1 && weft_dataset_width(dataset) == 1);
  CHECK(weft_dataset_open(dataset, NULL, 3, &first));
  CHECK(weft_dataset_open(dataset, NULL, 4, &second)); /* two passes at once do not meet */
  EXPECT(source.passes == 2 && source.epochs[0] == 3 && source.epochs[1] == 4);
  for (i = 0; i < 3; ++i) {
    CHECK(weft_batches_next(first, &out, 1));
    EXPECT(weft_tensor_count(out) == (i < 2 ? 4 : 2));
    EXPECT(*(const float*)weft_tensor_data(out) == (float)(4 * i + 1));
    weft_tensor_free(out);
    if (i == 1) {
      CHECK(weft_batches_next(second, &out, 1));
      EXPECT(*(const float*)weft_tensor_data(out) == 1);
      weft_tensor_free(out);
    }
  }
  for (i = 0; i < 2; ++i) {
    CHECK(weft_batches_next(first, &out, 1));
    EXPECT(out == NULL);
  }
  EXPECT(source.calls == 5 && source.batches == 4 && source.batch_drops == 0);
  weft_batches_free(first);
  EXPECT(source.batch_drops == 1);
  FAILS(weft_dataset_new_rows(dataset, 0, 1, &rows), WEFT_FAILED_PRECONDITION, "a function gives");
  FAILS(weft_dataset_at(dataset, 0, &out), WEFT_FAILED_PRECONDITION, "a function gives");
  FAILS(weft_dataset_open(dataset, NULL, -1, &first), WEFT_INVALID_ARGUMENT, "-1");
  weft_dataset_free(dataset);
  EXPECT(source.drops == 0); /* the pass keeps it */
  CHECK(weft_batches_next(second, &out, 1));
  EXPECT(*(const float*)weft_tensor_data(out) == 5);
  weft_tensor_free(out);
  weft_batches_free(second);
  EXPECT(source.batch_drops == 2 && source.drops == 1);
}

static void test_the_function_decides(void) {
  static const char* const keys[3] = {"shuffle", "batch_size", "drop_last"};
  Counting c = counting();
  Source source = source_of(10);
  weft_dataset* dataset = dataset_of(&source);
  weft_batches* batches;
  weft_history* history;
  weft_tensor* out;
  double mean;
  int i;
  for (i = 0; i < 3; ++i) {
    weft_options* options;
    CHECK(weft_options_new("dataset", &options));
    CHECK(weft_options_set_int(options, keys[i], 1));
    FAILS(weft_dataset_open(dataset, options, 0, &batches), WEFT_INVALID_ARGUMENT, keys[i]);
    weft_options_free(options);
    options = fit_options();
    CHECK(weft_options_set_int(options, keys[i], 1));
    FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_INVALID_ARGUMENT,
          keys[i]);
    if (i == 1) {
      FAILS(weft_session_evaluate(c.session, dataset, &c.x, 1, &c.mean, 1, options, &mean), WEFT_INVALID_ARGUMENT,
            keys[i]);
      FAILS(weft_session_predict(c.session, dataset, &c.x, 1, &c.twice, 1, options, &out), WEFT_INVALID_ARGUMENT,
            keys[i]);
    }
    weft_options_free(options);
  }
  EXPECT(source.passes == 0 && variable(&c) == 0);
  weft_dataset_free(dataset);
  discard(&c);
}

static void test_evaluate_and_predict(void) {
  Counting c = counting();
  Source source = source_of(10), none = source_of(0);
  weft_dataset *dataset = dataset_of(&source), *empty = dataset_of(&none);
  weft_tensor* outs[2];
  int64_t fetches[2];
  double mean = 0;
  int i;
  /* Batches of 4, 4 and 2 rows have the means 2.5, 6.5 and 9.5: weighted by rows 5.5, unweighted 6.17. */
  CHECK(weft_session_evaluate(c.session, dataset, &c.x, 1, &c.mean, 1, NULL, &mean));
  EXPECT(mean == 5.5);
  fetches[0] = c.twice;
  fetches[1] = c.x;
  CHECK(weft_session_predict(c.session, dataset, &c.x, 1, fetches, 2, NULL, outs));
  EXPECT(weft_tensor_rank(outs[0]) == 1 && weft_tensor_dims(outs[0])[0] == 10 && weft_tensor_count(outs[1]) == 10);
  for (i = 0; i < 10; ++i) {
    EXPECT(((const float*)weft_tensor_data(outs[0]))[i] == 2.0f * (float)(i + 1));
    EXPECT(((const float*)weft_tensor_data(outs[1]))[i] == (float)(i + 1));
  }
  weft_tensor_free(outs[0]);
  weft_tensor_free(outs[1]);
  EXPECT(source.passes == 2 && source.batch_drops == 2);
  FAILS(weft_session_evaluate(c.session, empty, &c.x, 1, &c.mean, 1, NULL, &mean), WEFT_INVALID_ARGUMENT, "no rows");
  FAILS(weft_session_predict(c.session, empty, &c.x, 1, &c.twice, 1, NULL, outs), WEFT_INVALID_ARGUMENT, "no batch");
  FAILS(weft_session_predict(c.session, dataset, &c.x, 1, &c.mean, 1, NULL, outs), WEFT_INVALID_ARGUMENT, "one row");
  FAILS(weft_session_evaluate(c.session, dataset, NULL, 0, &c.mean, 1, NULL, &mean), WEFT_INVALID_ARGUMENT, "0 feeds");
  weft_dataset_free(dataset);
  weft_dataset_free(empty);
  EXPECT(source.drops == 1 && none.drops == 1 && source.batch_drops == source.passes);
  discard(&c);
}

typedef struct {
  int batches, epochs, last_count;
} Watch;
static weft_status* watch(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                          const char* const* names, const double* averages, int32_t metric_count, int32_t* out_stop) {
  Watch* w = user;
  (void)epoch, (void)out_stop;
  EXPECT(strcmp(names[0], "w") == 0 && strcmp(names[1], "mean") == 0);
  if (event == WEFT_FIT_EPOCH) {
    EXPECT(metric_count == 3 && strcmp(names[2], "val_mean") == 0 && fabs(averages[2] - 3) < 1e-6);
    ++w->epochs;
    EXPECT(batch == 2);
    w->last_count = (int)batch_count;
  } else {
    EXPECT(batch == w->batches++ % 3 && batch_count == -1);
  }
  return NULL;
}

static void test_fit(void) {
  Counting c = counting();
  Source source = source_of(10), other = source_of(5);
  weft_dataset *dataset = dataset_of(&source), *validation = dataset_of(&other), *rows;
  weft_options* options = fit_options();
  weft_history* history;
  weft_tensor* column;
  Watch w = {0};
  const float values[3] = {1, 2, 6};
  const int64_t three = 3, metrics[2] = {c.w, c.mean};
  const double* data;
  CHECK(weft_options_set_int(options, "epochs", 4));
  CHECK(weft_options_set_int(options, "first_epoch", 2));
  CHECK(weft_options_set_int(options, "shuffle", 0));
  CHECK(weft_options_set_validation(options, validation, &c.mean, 1));
  CHECK(weft_options_set_callback(options, watch, &w, NULL));
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, metrics, 2, options, &history));
  data = weft_history_data(history);
  /* w is 0, 1, 2 in batches of 4, 4 and 2 rows: (0 * 4 + 1 * 4 + 2 * 2) / 10; then 3 more each. */
  EXPECT(weft_history_count(history) == 2 && fabs(data[0] - 0.8) < 1e-12 && fabs(data[3] - 3.8) < 1e-12);
  EXPECT(fabs(data[1] - 5.5) < 1e-6 && fabs(data[2] - 3) < 1e-6);
  EXPECT(variable(&c) == 6 && w.batches == 6 && w.epochs == 2 && w.last_count == 3);
  EXPECT(source.passes == 2 && source.epochs[0] == 2 && source.epochs[1] == 3 && source.batch_drops == 2);
  EXPECT(other.passes == 2 && other.epochs[0] == 2 && other.epochs[1] == 3 && other.batch_drops == 2);
  weft_history_free(history);
  weft_options_free(options);
  weft_dataset_free(validation);
  EXPECT(other.drops == 1);
  /* The batch size is for the rows of the validation. */
  CHECK(weft_tensor_new_copy(WEFT_F32, &three, 1, values, sizeof values, &column));
  CHECK(weft_dataset_new((const weft_tensor* const*)&column, 1, &rows));
  weft_tensor_free(column);
  options = fit_options();
  CHECK(weft_options_set_int(options, "batch_size", 2));
  CHECK(weft_options_set_validation(options, rows, &c.mean, 1));
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history));
  EXPECT(fabs(weft_history_data(history)[0] - 3) < 1e-6 && variable(&c) == 9);
  weft_history_free(history);
  /* It is for the rows of the training. */
  CHECK(weft_options_set_validation(options, dataset, &c.mean, 1));
  CHECK(weft_session_fit(c.session, rows, &c.x, 1, c.step, NULL, 0, options, &history));
  EXPECT(fabs(weft_history_data(history)[0] - 5.5) < 1e-6 && variable(&c) == 11);
  weft_history_free(history);
  weft_options_free(options);
  weft_dataset_free(rows);
  weft_dataset_free(dataset);
  EXPECT(source.drops == 1 && source.batch_drops == source.passes);
  discard(&c);
}

static void test_errors(void) {
  Counting c = counting();
  Source source = source_of(10), none = source_of(0);
  weft_dataset *dataset = dataset_of(&source), *empty = dataset_of(&none);
  weft_history* history;
  weft_batches* batches;
  weft_tensor* pair[2];
  weft_status* status;
  source.fail_at = 3;
  status = weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, NULL, &history);
  EXPECT(weft_status_code(status) == WEFT_ABORTED && strcmp(weft_status_message(status), "no more") == 0);
  EXPECT(weft_status_payload(status, &source) == &source && history == NULL);
  weft_status_free(status);
  EXPECT(variable(&c) == 2 && source.batch_drops == 1);
  source.fail_at = 0;
  source.name = "y";
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, NULL, &history), WEFT_INVALID_ARGUMENT,
        "batch 0 has no tensor 'x'; it has unused, y");
  source.name = "x";
  CHECK(weft_dataset_open(dataset, NULL, 0, &batches));
  FAILS(weft_batches_next(batches, pair, 2), WEFT_INVALID_ARGUMENT, "1 tensors");
  weft_batches_free(batches);
  FAILS(weft_session_fit(c.session, empty, &c.x, 1, c.step, NULL, 0, NULL, &history), WEFT_INVALID_ARGUMENT,
        "no batch");
  FAILS(weft_batches_new(&source.name, 0, &batches, next_batch, NULL, NULL), WEFT_INVALID_ARGUMENT, "name");
  weft_dataset_free(dataset);
  FAILS(weft_dataset_new_function(0, &dataset, begin_pass, &none, drop_source), WEFT_INVALID_ARGUMENT, "0");
  EXPECT(none.drops == 1 && dataset == NULL); /* also of a call that fails */
  weft_dataset_free(empty);
  EXPECT(none.drops == 2 && source.drops == 1);
  discard(&c);
}

/* Passes that are not what they must be. */
static weft_status* no_pass(void* user, int64_t epoch, weft_batches** out_batches) {
  (void)user, (void)epoch, (void)out_batches;
  return NULL;
}
static weft_status* failed_pass(void* user, int64_t epoch, weft_batches** out_batches) {
  CHECK(begin_pass(user, epoch, out_batches)); /* which is let go of */
  return weft_status_new(WEFT_UNAVAILABLE, "no file", NULL, NULL, NULL);
}
static weft_status* same_dataset(void* user, int64_t epoch, weft_batches** out_batches) {
  return weft_dataset_open(*(weft_dataset**)user, NULL, epoch, out_batches);
}
static weft_status* odd_batch(void* user, weft_tensors* out_batch) {
  const int64_t dims[2] = {0, 2};
  int32_t rank = *(int32_t*)user;
  weft_tensor* tensor;
  CHECK(weft_tensor_new(WEFT_F32, dims, rank, &tensor));
  CHECK(weft_tensors_set(out_batch, "x", tensor));
  weft_tensor_free(tensor);
  return NULL;
}

static void test_wrong_passes(void) {
  static const char* const names[2] = {"x", "x"};
  Source source = source_of(10);
  weft_dataset *dataset, *rows;
  weft_batches* batches;
  weft_tensor *column, *two[2];
  int32_t rank;
  CHECK(weft_dataset_new_function(1, &dataset, no_pass, NULL, NULL));
  FAILS(weft_dataset_open(dataset, NULL, 0, &batches), WEFT_INVALID_ARGUMENT, "gave no pass");
  weft_dataset_free(dataset);
  CHECK(weft_dataset_new_function(1, &dataset, failed_pass, &source, NULL));
  FAILS(weft_dataset_open(dataset, NULL, 0, &batches), WEFT_UNAVAILABLE, "no file");
  EXPECT(batches == NULL && source.batch_drops == 1);
  weft_dataset_free(dataset);
  CHECK(weft_dataset_new_function(1, &dataset, same_dataset, &dataset, NULL));
  FAILS(weft_dataset_open(dataset, NULL, 0, &batches), WEFT_FAILED_PRECONDITION, "deep");
  weft_dataset_free(dataset);
  FAILS(weft_batches_new(names, 2, &batches, odd_batch, &rank, NULL), WEFT_INVALID_ARGUMENT, "'x'");
  CHECK(weft_batches_new(names, 1, &batches, odd_batch, &rank, NULL));
  for (rank = 0; rank < 2; ++rank) {
    FAILS(weft_batches_next(batches, &column, 1), WEFT_INVALID_ARGUMENT, rank == 0 ? "f32[]" : "f32[0]");
  }
  weft_batches_free(batches);
  /* A pass over another dataset. */
  CHECK(weft_tensor_new(WEFT_F32, (const int64_t[]){3}, 1, &column));
  CHECK(weft_dataset_new((const weft_tensor* const*)&column, 1, &rows));
  weft_tensor_free(column);
  CHECK(weft_dataset_new_function(1, &dataset, same_dataset, &rows, NULL));
  CHECK(weft_dataset_open(dataset, NULL, 0, &batches));
  CHECK(weft_batches_next(batches, &column, 1));
  EXPECT(weft_tensor_count(column) == 3);
  weft_tensor_free(column);
  weft_batches_free(batches);
  weft_dataset_free(dataset);
  CHECK(weft_dataset_new_function(2, &dataset, same_dataset, &rows, NULL));
  CHECK(weft_dataset_open(dataset, NULL, 0, &batches));
  FAILS(weft_batches_next(batches, two, 2), WEFT_INVALID_ARGUMENT, "1 tensors");
  weft_batches_free(batches);
  weft_dataset_free(dataset);
  weft_dataset_free(rows);
}

/* What the function does between the runs of fit. */
typedef struct {
  Counting* counting;
  weft_dataset* dataset;
  int calls, close_at, free_at;
} Between;
static weft_status* use_session(void* user) {
  Between* b = user;
  weft_session* session = b->counting->session;
  double mean;
  if (++b->calls == b->close_at) {
    CHECK(weft_session_close(session));
  } else if (b->close_at == 0 && b->dataset != NULL) {
    weft_dataset* dataset = b->dataset;
    b->dataset = NULL; /* once is enough */
    CHECK(weft_session_evaluate(session, dataset, &b->counting->x, 1, &b->counting->mean, 1, NULL, &mean));
    EXPECT(mean == 5.5);
    CHECK(weft_session_save(session, "build/function_dataset_test.safetensors"));
    remove("build/function_dataset_test.safetensors");
    if (b->free_at != 0) weft_dataset_free(dataset);
  }
  return NULL;
}

static void test_the_session_may_be_used_in_between(void) {
  Counting c = counting();
  Source source = source_of(10);
  Between between = {0};
  weft_history* history;
  weft_dataset* dataset = dataset_of(&source);
  between.counting = &c;
  between.dataset = dataset;
  between.free_at = 1;
  source.between = use_session;
  source.user = &between;
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, NULL, &history));
  EXPECT(variable(&c) == 3 && source.passes == 2 && source.drops == 1 && source.batch_drops == 2);
  weft_history_free(history);
  dataset = dataset_of(&source);
  between.close_at = between.calls + 2;
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, NULL, &history), WEFT_FAILED_PRECONDITION,
        "closed");
  weft_dataset_free(dataset);
  discard(&c);
}

static void test_stopping(void) {
  Counting c = counting();
  Source source = source_of(10), endless = source_of(1 << 30);
  weft_dataset *dataset = dataset_of(&source), *forever = dataset_of(&endless);
  weft_options* options = fit_options();
  weft_history* history;
  CHECK(weft_cancel_new(&source.cancel));
  source.cancel_at = 2;
  CHECK(weft_options_set_cancel(options, source.cancel));
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_CANCELLED, "");
  EXPECT(variable(&c) == 1 && source.batches == 2 && source.batch_drops == 1);
  FAILS(weft_session_fit(c.session, dataset, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_CANCELLED, "");
  EXPECT(source.passes == 1); /* a cancelled call asks for nothing */
  weft_options_free(options);
  weft_cancel_free(source.cancel);
  options = fit_options();
  CHECK(weft_options_set_int(options, "timeout_ms", 30));
  FAILS(weft_session_fit(c.session, forever, &c.x, 1, c.step, NULL, 0, options, &history), WEFT_DEADLINE_EXCEEDED, "");
  EXPECT(endless.batch_drops == 1);
  weft_options_free(options);
  weft_dataset_free(dataset);
  weft_dataset_free(forever);
  discard(&c);
}

/* A pass that is asked for a batch while it gives one. */
static weft_batches* asked;
static void* ask(void* ignored) {
  weft_tensor* out;
  (void)ignored;
  FAILS(weft_batches_next(asked, &out, 1), WEFT_FAILED_PRECONDITION, "already");
  return NULL;
}
static weft_status* ask_twice(void* ignored) {
  pthread_t other;
  ask(ignored);
  if (pthread_create(&other, NULL, ask, NULL) != 0) exit(1);
  pthread_join(other, NULL);
  return NULL;
}
/* A pass without counters, for several threads at once. */
static weft_status* three_batches(void* user, weft_tensors* out_batch) {
  static const float values[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  int* given = user;
  int64_t count = *given < 8 ? 4 : 10 - *given;
  weft_tensor* tensor;
  if (count == 0) return NULL;
  CHECK(weft_tensor_new_copy(WEFT_F32, &count, 1, values + *given, (size_t)count * 4, &tensor));
  CHECK(weft_tensors_set(out_batch, "x", tensor));
  weft_tensor_free(tensor);
  *given += (int)count;
  return NULL;
}
static weft_status* begin_three(void* user, int64_t epoch, weft_batches** out_batches) {
  static const char* const names[1] = {"x"};
  (void)user, (void)epoch;
  return weft_batches_new(names, 1, out_batches, three_batches, calloc(1, sizeof(int)), free);
}
static void* go_through(void* dataset) {
  Counting c = counting();
  double mean = 0;
  int i, wrong = 0;
  for (i = 0; i < 50; ++i) {
    CHECK(weft_session_evaluate(c.session, dataset, &c.x, 1, &c.mean, 1, NULL, &mean));
    wrong += mean != 5.5;
  }
  discard(&c);
  return wrong != 0 ? dataset : NULL;
}

static void test_threads(void) {
  Source source = source_of(10);
  weft_dataset* dataset = dataset_of(&source);
  weft_tensor* out;
  pthread_t threads[4];
  int i;
  CHECK(weft_dataset_open(dataset, NULL, 0, &asked));
  source.between = ask_twice;
  CHECK(weft_batches_next(asked, &out, 1));
  weft_tensor_free(out);
  weft_batches_free(asked);
  weft_dataset_free(dataset);
  CHECK(weft_dataset_new_function(1, &dataset, begin_three, NULL, NULL));
  for (i = 0; i < 4; ++i) {
    if (pthread_create(&threads[i], NULL, go_through, dataset) != 0) exit(1);
  }
  for (i = 0; i < 4; ++i) {
    void* wrong;
    pthread_join(threads[i], &wrong);
    EXPECT(wrong == NULL);
  }
  weft_dataset_free(dataset);
}

int main(void) {
  test_passes();
  test_the_function_decides();
  test_evaluate_and_predict();
  test_fit();
  test_errors();
  test_wrong_passes();
  test_the_session_may_be_used_in_between();
  test_stopping();
  test_threads();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
