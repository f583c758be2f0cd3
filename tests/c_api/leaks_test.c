/* Every kind of handle opened and closed 10,000 times: no object stays alive, and after the first 1,000 rounds the memory
 * of the process does not grow. */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "support.h"

/* Sanitizers make everything slow, and keep what was freed. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { kFirst = 10, kRounds = 100, kMeasures = 0 };
#else
enum { kFirst = 1000, kRounds = 10000, kMeasures = 1 };
#endif
static const long kMost = 8L << 20; /* bytes by which the memory of the process may grow: what others than us keep */

static long resident_bytes(void) {
  long pages = -1;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == NULL) exit(1);
  if (fscanf(file, "%*s %ld", &pages) != 1) exit(1);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

/* What the rounds share. */
static Counting shared;
static weft_tensor* row;
static weft_dataset* rows;
static weft_options* fitting;

static void one_status(void) { weft_status_free(weft_status_new(WEFT_UNKNOWN, "nothing", NULL, NULL, NULL)); }
static void one_error(void) {
  int64_t value;
  weft_status* status = weft_graph_add(shared.graph, "Nothing", NULL, 0, NULL, NULL, WEFT_ORIGIN, &value, 1);
  EXPECT(status != NULL);
  weft_status_free(status);
}
static void one_bytes(void) {
  weft_bytes* text;
  CHECK(weft_tensor_text(row, &text));
  weft_bytes_free(text);
}
static void one_options(void) {
  weft_options* options;
  CHECK(weft_options_new("session", &options));
  CHECK(weft_options_add_string(options, "disable_pass", "*"));
  weft_options_free(options);
}
static void one_cancel(void) {
  weft_cancel* cancel;
  weft_options* options;
  CHECK(weft_cancel_new(&cancel));
  CHECK(weft_options_new("run", &options));
  CHECK(weft_options_set_cancel(options, cancel));
  weft_cancel_free(cancel);
  weft_options_free(options);
}
static void one_trace(void) {
  weft_trace* trace;
  weft_options* options;
  CHECK(weft_trace_new(&trace));
  CHECK(weft_options_new("run", &options));
  CHECK(weft_options_set_trace(options, trace));
  weft_options_free(options);
  weft_trace_free(trace);
}
static void one_tensor(void) { weft_tensor_free(scalar(1)); }
static void one_tensor_of_strings(void) {
  static const char* const strings[2] = {"one", "a longer one, which does not fit into the string itself"};
  const int64_t two = 2;
  weft_tensor* tensor;
  CHECK(weft_tensor_new_strings(&two, 1, strings, NULL, 2, &tensor));
  weft_tensor_free(tensor);
}
static void one_sequence(void) {
  weft_tensor* sequence;
  CHECK(weft_tensor_new_sequence((const weft_tensor* const*)&row, 1, &sequence));
  weft_tensor_free(sequence);
}
static void one_optional(void) {
  weft_tensor* optional;
  CHECK(weft_tensor_new_optional(row, &optional));
  weft_tensor_free(optional);
}
static void one_map(void) {
  const int64_t one = 1;
  const char* const name = "key";
  weft_tensor *keys, *map;
  CHECK(weft_tensor_new_strings(&one, 1, &name, NULL, 1, &keys));
  CHECK(weft_tensor_new_map(keys, row, &map));
  weft_tensor_free(map);
  weft_tensor_free(keys);
}
static void one_borrowed(void) {
  static float number = 1;
  weft_tensor* tensor;
  CHECK(weft_tensor_borrow(WEFT_F32, NULL, 0, &number, sizeof number, 0, &tensor, NULL, NULL));
  weft_tensor_free(tensor);
}
static void one_managed(void) { /* given away and taken over */
  void* managed;
  weft_tensor* tensor;
  CHECK(weft_tensor_dlpack(row, 1, &managed));
  CHECK(weft_tensor_borrow_dlpack(managed, 1, &tensor));
  weft_tensor_free(tensor);
}
static void one_buffer(void) {
  weft_buffer* buffer;
  CHECK(weft_tensor_buffer(row, &buffer));
  weft_buffer_free(buffer);
}
static void one_tensors(void) {
  weft_tensors* tensors;
  CHECK(weft_tensors_new(&tensors));
  CHECK(weft_tensors_set(tensors, "row", row));
  weft_tensors_free(tensors);
}
static void one_attrs(void) {
  weft_attrs* attrs;
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_tensor(attrs, "value", row));
  weft_attrs_free(attrs);
}
static void one_graph(void) {
  weft_graph *graph, *branch;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_new_sub(graph, &branch));
  binary(branch, "Add", constant(graph, 1), constant(branch, 2));
  weft_graph_free(graph);
  weft_graph_free(branch);
}
static void one_layer(void) {
  weft_graph* graph;
  weft_layer* layer;
  weft_attrs* attrs;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "channels", 2));
  CHECK(weft_layer_new(graph, "BatchNorm", attrs, "norm", WEFT_ORIGIN, &layer));
  weft_attrs_free(attrs);
  weft_graph_free(graph);
  weft_layer_free(layer);
}
static void one_session(void) {
  weft_session* session;
  CHECK(weft_session_new(shared.graph, NULL, NULL, &session));
  weft_session_free(session);
}
static void one_run(void) { /* of a session of its own, which has a plan and variables then */
  weft_session* session;
  weft_tensor* out;
  CHECK(weft_session_new(shared.graph, NULL, NULL, &session));
  CHECK(weft_session_run(session, NULL, NULL, 0, &shared.w, 1, &shared.step, 1, NULL, &out));
  weft_session_free(session);
  weft_tensor_free(out);
}
static void one_prepared(void) {
  weft_prepared* prepared;
  weft_tensor* out;
  CHECK(weft_session_prepare(shared.session, &shared.x, 1, &shared.twice, 1, NULL, 0, &prepared));
  CHECK(weft_prepared_bind_input(prepared, 0, row));
  CHECK(weft_prepared_run(prepared, NULL));
  CHECK(weft_prepared_output(prepared, 0, &out));
  weft_prepared_free(prepared);
  weft_tensor_free(out);
}
static void one_batch(weft_dataset* dataset) {
  weft_batches* batches;
  weft_tensor* batch;
  CHECK(weft_dataset_open(dataset, NULL, 0, &batches));
  CHECK(weft_batches_next(batches, &batch, 1));
  EXPECT(batch != NULL && weft_tensor_count(batch) == 1);
  weft_batches_free(batches);
  weft_tensor_free(batch);
}
static void one_dataset(void) {
  weft_dataset *dataset, *part;
  CHECK(weft_dataset_new((const weft_tensor* const*)&row, 1, &dataset));
  CHECK(weft_dataset_new_rows(dataset, 0, 1, &part));
  weft_dataset_free(dataset);
  one_batch(part);
  weft_dataset_free(part);
}
static weft_status* next(void* user, weft_tensors* out_batch) {
  (void)user;
  return weft_tensors_set(out_batch, "row", row);
}
static weft_status* pass(void* user, int64_t epoch, weft_batches** out_batches) {
  static const char* const name = "row";
  (void)user;
  (void)epoch;
  return weft_batches_new(&name, 1, out_batches, next, NULL, NULL);
}
static void one_dataset_of_a_function(void) {
  weft_dataset* dataset;
  CHECK(weft_dataset_new_function(1, &dataset, pass, NULL, NULL));
  one_batch(dataset);
  weft_dataset_free(dataset);
}
static void one_history(void) {
  weft_history* history;
  CHECK(weft_session_fit(shared.session, rows, &shared.x, 1, shared.step, &shared.mean, 1, fitting, &history));
  weft_history_free(history);
}

static const struct {
  const char* name;
  void (*once)(void);
} kKinds[] = {
    {"status", one_status},     {"error", one_error},
    {"bytes", one_bytes},       {"options", one_options},
    {"cancel", one_cancel},     {"trace", one_trace},
    {"tensor", one_tensor},     {"tensor of strings", one_tensor_of_strings},
    {"sequence", one_sequence}, {"optional", one_optional},
    {"map", one_map},           {"borrowed tensor", one_borrowed},
    {"DLPack", one_managed},    {"buffer", one_buffer},
    {"tensors", one_tensors},   {"attrs", one_attrs},
    {"graph", one_graph},       {"layer", one_layer},
    {"session", one_session},   {"run", one_run},
    {"prepared", one_prepared}, {"dataset, batches", one_dataset},
    {"history", one_history},   {"dataset of a function", one_dataset_of_a_function},
};

int main(void) {
  const float number = 1;
  size_t kind;
  int i;
  shared = counting();
  row = floats(&number, 1);
  CHECK(weft_dataset_new((const weft_tensor* const*)&row, 1, &rows));
  CHECK(weft_options_new("fit", &fitting));
  for (kind = 0; kind < sizeof kKinds / sizeof *kKinds; ++kind) {
    const int64_t live = weft_live_objects();
    long before, after;
    for (i = 0; i < kFirst; ++i) kKinds[kind].once();
    before = resident_bytes();
    for (; i < kRounds; ++i) kKinds[kind].once();
    after = resident_bytes();
    if (weft_live_objects() != live || (kMeasures && after - before > kMost)) {
      fprintf(stderr, "%s: %d rounds left %d objects; the process grew by %ld bytes after the first %d\n",
              kKinds[kind].name, kRounds, (int)(weft_live_objects() - live), after - before, kFirst);
      ++failures;
    }
  }
  weft_options_free(fitting);
  weft_dataset_free(rows);
  weft_tensor_free(row);
  discard(&shared);
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
