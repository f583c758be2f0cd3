/* Weft, called from C: an Add with its memory bound or with new results, and a training. */
#include "child.h"

#include <string.h>

#include "weft/weft.h"

static void check(weft_status* status) {
  if (status != NULL) fail(weft_status_text(status));
}

static weft_tensor* tensor(const char* folder, const char* name, int32_t dtype, int64_t rows, int64_t columns) {
  const int64_t dims[] = {rows, columns};
  weft_tensor* made;
  void* data;
  check(weft_tensor_new(dtype, dims, columns == 0 ? 1 : 2, &made));
  check(weft_tensor_mutable(made, &data));
  read_values(folder, name, data, weft_tensor_bytes(made));
  return made;
}

static weft_session* session(weft_graph* graph, int64_t threads) {
  weft_options* options;
  weft_session* made;
  check(weft_options_new("session", &options));
  check(weft_options_set_int(options, "threads", threads));
  check(weft_session_new(graph, options, NULL, &made));
  weft_options_free(options);
  return made;
}

static size_t numbers(const weft_tensor* from, double* values) {
  const int64_t count = weft_tensor_count(from);
  int64_t i;
  for (i = 0; i < count; ++i) values[i] = ((const float*)weft_tensor_data(from))[i];
  return (size_t)count;
}

/* -- One Add. */

typedef struct {
  weft_session* session;
  int64_t feeds[2], fetch;
  const weft_tensor* inputs[2];
  weft_tensor* output;
  weft_prepared* prepared;
} Add;

static void run_bound(void* self) { check(weft_prepared_run(((Add*)self)->prepared, NULL)); }

static size_t bound_results(void* self, double* values) {
  run_bound(self);
  return numbers(((Add*)self)->output, values);
}

static weft_tensor* run_new(const Add* add) {
  weft_tensor* made;
  check(weft_session_run(add->session, add->feeds, add->inputs, 2, &add->fetch, 1, NULL, 0, NULL, &made));
  return made;
}

static void run_named(void* self) { weft_tensor_free(run_new((const Add*)self)); }

static size_t named_results(void* self, double* values) {
  weft_tensor* made = run_new((const Add*)self);
  const size_t count = numbers(made, values);
  weft_tensor_free(made);
  return count;
}

static void time_add(const char* folder, int64_t threads, int bound) {
  static const char* const names[] = {"x", "other"};
  const int64_t size = ADD_SIZE;
  char path[4096];
  weft_graph* graph;
  Add add;
  Contender who = {weft_version(), run_named, named_results, &add};
  int32_t i;
  snprintf(path, sizeof path, "%s/model.onnx", folder);
  check(weft_graph_load(path, NULL, &graph));
  add.session = session(graph, threads);
  add.fetch = weft_graph_output(graph, 0);
  for (i = 0; i < 2; ++i) {
    check(weft_graph_find(graph, names[i], &add.feeds[i]));
    add.inputs[i] = tensor(folder, names[i], WEFT_F32, ADD_SIZE, 0);
  }
  if (bound) {
    check(weft_session_prepare(add.session, add.feeds, 2, &add.fetch, 1, NULL, 0, &add.prepared));
    for (i = 0; i < 2; ++i) check(weft_prepared_bind_input(add.prepared, i, add.inputs[i]));
    check(weft_tensor_new(WEFT_F32, &size, 1, &add.output));
    check(weft_prepared_bind_output(add.prepared, 0, add.output));
    who.call = run_bound;
    who.results = bound_results;
  }
  serve(&who);
}

/* -- Training. */

typedef struct {
  weft_prepared *step, *with_loss;
} Training;

static void run_step(void* self) { check(weft_prepared_run(((Training*)self)->step, NULL)); }

static size_t losses(void* self, double* values) {
  Training* training = (Training*)self;
  weft_tensor* loss;
  int i;
  for (i = 0; i < STEPS; ++i) {
    check(weft_prepared_run(training->with_loss, NULL));
    check(weft_prepared_output(training->with_loss, 0, &loss));
    numbers(loss, &values[i]);
    weft_tensor_free(loss);
  }
  return STEPS;
}

static int64_t variable(weft_graph* graph, const char* folder, const char* name, int64_t rows, int64_t columns) {
  weft_tensor* initial = tensor(folder, name, WEFT_F32, rows, columns);
  int64_t constant, made;
  check(weft_graph_add_constant(graph, initial, NULL, WEFT_ORIGIN, &constant));
  check(weft_graph_add_variable(graph, name, constant, 1, WEFT_ORIGIN, &made));
  weft_tensor_free(initial);
  return made;
}

static int64_t add_node(weft_graph* graph, const char* op, const int64_t* inputs, int32_t count) {
  int64_t made;
  check(weft_graph_add(graph, op, inputs, count, NULL, NULL, WEFT_ORIGIN, &made, 1));
  return made;
}

static int64_t training_loss(weft_graph* graph, const char* folder, const int64_t feeds[2]) {
  const int64_t hidden[] = {feeds[0], variable(graph, folder, "kernel0", INPUTS, HIDDEN),
                            variable(graph, folder, "bias0", HIDDEN, 0)};
  const int64_t sums = add_node(graph, "Gemm", hidden, 3);
  const int64_t scores[] = {add_node(graph, "Relu", &sums, 1), variable(graph, folder, "kernel1", HIDDEN, CLASSES),
                            variable(graph, folder, "bias1", CLASSES, 0)};
  const int64_t pair[] = {add_node(graph, "Gemm", scores, 3), feeds[1]};
  return add_node(graph, "SoftmaxCrossEntropyLoss", pair, 2);
}

static void time_training(const char* folder, int64_t threads) {
  weft_graph* graph;
  weft_options* options;
  weft_session* with;
  weft_tensor* batch[2];
  int64_t feeds[2], loss, step;
  Training training;
  const Contender who = {weft_version(), run_step, losses, &training};
  int32_t i;
  check(weft_graph_new(0, &graph));
  check(weft_graph_add_input(graph, "inputs", WEFT_F32, "32,64", WEFT_ORIGIN, &feeds[0]));
  check(weft_graph_add_input(graph, "labels", WEFT_I64, "32", WEFT_ORIGIN, &feeds[1]));
  loss = training_loss(graph, folder, feeds);
  check(weft_options_new("optimizer", &options));
  check(weft_options_set_float(options, "learning_rate", 1e-3));
  check(weft_optimizer_add(graph, "Adam", options, loss, NULL, 0, 0, WEFT_ORIGIN, &step));
  weft_options_free(options);
  with = session(graph, threads);
  batch[0] = tensor(folder, "inputs", WEFT_F32, BATCH, INPUTS);
  batch[1] = tensor(folder, "labels", WEFT_I64, BATCH, 0);
  check(weft_session_prepare(with, feeds, 2, NULL, 0, &step, 1, &training.step));
  check(weft_session_prepare(with, feeds, 2, &loss, 1, &step, 1, &training.with_loss));
  for (i = 0; i < 2; ++i) {
    check(weft_prepared_bind_input(training.step, i, batch[i]));
    check(weft_prepared_bind_input(training.with_loss, i, batch[i]));
  }
  serve(&who);
}

int main(int argc, char** argv) {
  if (argc != 4) fail("weft_c <bound|named|training> <threads> <folder>");
  if (strcmp(argv[1], "training") == 0)
    time_training(argv[3], atoll(argv[2]));
  else
    time_add(argv[3], atoll(argv[2]), strcmp(argv[1], "bound") == 0);
  return 0;
}
