/* Traces: what runs write into them, on how many threads, and who keeps them. */
#include <pthread.h>

#include "support.h"

/* How often the text stands in the trace. */
static int count_of(const weft_trace* trace, const char* text) {
  weft_bytes* json;
  const char* found;
  int count = 0;
  CHECK(weft_trace_json(trace, &json));
  found = weft_bytes_data(json);
  EXPECT(strlen(found) == weft_bytes_size(json)); /* text is followed by a NUL that is not counted */
  while ((found = strstr(found, text)) != NULL) ++found, ++count;
  weft_bytes_free(json);
  return count;
}
static weft_options* traced(const char* kind, weft_trace* trace) {
  weft_options* options;
  CHECK(weft_options_new(kind, &options));
  CHECK(weft_options_set_trace(options, trace));
  return options;
}
static weft_tensor* run(const Counting* c, int64_t fetch, const weft_options* options) {
  const float numbers[2] = {3, 4};
  weft_tensor *in = floats(numbers, 2), *out;
  CHECK(weft_session_run(c->session, &c->x, (const weft_tensor* const*)&in, 1, &fetch, 1, NULL, 0, options, &out));
  weft_tensor_free(in);
  return out;
}

static void test_runs(void) {
  Counting c = counting();
  weft_trace* trace;
  weft_options *options, *none;
  weft_prepared* prepared;
  weft_bytes* json;
  CHECK(weft_trace_new(&trace));
  EXPECT(count_of(trace, "\"ph\":\"X\"") == 0 && count_of(trace, "\"traceEvents\":[") == 1);
  options = traced("run", trace);
  weft_tensor_free(run(&c, c.mean, options));
  EXPECT(count_of(trace, "\"name\":\"ReduceMean\"") == 1 && count_of(trace, "\"node\":\"mean\"") == 1);
  EXPECT(count_of(trace, "Add") == 0); /* no run needed it */
  weft_tensor_free(run(&c, c.twice, options));
  weft_tensor_free(run(&c, c.twice, NULL)); /* not asked for */
  EXPECT(count_of(trace, "\"node\":\"twice\"") == 1 && count_of(trace, "\"ph\":\"X\"") == 2);
  CHECK(weft_session_prepare(c.session, NULL, 0, NULL, 0, &c.step, 1, &prepared));
  CHECK(weft_prepared_run(prepared, options));
  EXPECT(variable(&c) == 1 && count_of(trace, "\"ph\":\"X\"") > 2);
  weft_prepared_free(prepared);
  weft_options_free(options);
  CHECK(weft_options_new("session", &none));
  FAILS(weft_options_set_trace(none, trace), WEFT_INVALID_ARGUMENT, "trace");
  weft_options_free(none);
  discard(&c);
  CHECK(weft_trace_json(trace, &json)); /* after the session is gone */
  weft_trace_free(trace);
  EXPECT(strstr(weft_bytes_data(json), "ReduceMean") != NULL);
  weft_bytes_free(json);
}

static void test_fit(void) {
  Counting c = counting();
  const float numbers[6] = {1, 2, 3, 4, 5, 6};
  weft_tensor* column = floats(numbers, 6);
  weft_trace* trace;
  weft_dataset* dataset;
  weft_options* options;
  weft_history* history;
  CHECK(weft_trace_new(&trace));
  options = traced("fit", trace);
  CHECK(weft_options_set_int(options, "batch_size", 2));
  CHECK(weft_dataset_new((const weft_tensor* const*)&column, 1, &dataset));
  CHECK(weft_session_fit(c.session, dataset, &c.x, 1, c.step, &c.mean, 1, options, &history));
  EXPECT(count_of(trace, "\"node\":\"mean\"") == 3); /* one for each batch */
  weft_history_free(history);
  weft_options_free(options);
  weft_dataset_free(dataset);
  weft_tensor_free(column);
  weft_trace_free(trace);
  discard(&c);
}

typedef struct {
  const Counting* counting;
  const weft_options* options;
  weft_trace* trace;
} Shared;
static void* fifty_runs(void* user) {
  const Shared* shared = user;
  int i;
  for (i = 0; i < 50; ++i) {
    weft_tensor_free(run(shared->counting, shared->counting->twice, shared->options));
    if (i % 10 == 0) EXPECT(count_of(shared->trace, "twice") > i); /* read while others write */
  }
  return NULL;
}
static void test_threads(void) {
  Counting c = counting();
  Shared shared;
  weft_options* options;
  pthread_t threads[3];
  int i;
  CHECK(weft_trace_new(&shared.trace));
  shared.counting = &c;
  shared.options = options = traced("run", shared.trace);
  for (i = 0; i < 3; ++i) {
    if (pthread_create(&threads[i], NULL, fifty_runs, &shared) != 0) exit(1);
  }
  for (i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  EXPECT(count_of(shared.trace, "twice") == 150);
  weft_trace_free(shared.trace);
  weft_tensor_free(run(&c, c.twice, options)); /* the options keep it */
  weft_options_free(options);
  discard(&c);
}

int main(void) {
  test_runs();
  test_fit();
  test_threads();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
