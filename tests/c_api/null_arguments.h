/* What null_arguments_*_test.c call with: one object of each type, and the checks of what comes back. */
#ifndef WEFT_TESTS_NULL_ARGUMENTS_H_
#define WEFT_TESTS_NULL_ARGUMENTS_H_

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/weft.h"

static int failures = 0;
static const int64_t poison[1] = {0}; /* its address stands for what was there before */

static float floats[4] = {1, 2, 3, 4};
static const double doubles[1] = {1};
static const int64_t dims[1] = {4};
static const char* const strings[4] = {"a", "b", "c", "d"};
static const char* const column_names[1] = {"images"};
static weft_options *session_options, *run_options, *save_options, *fit_options;
static weft_cancel* cancel;
static weft_attrs* attrs;
static weft_schema* schema;
static weft_graph* graph;
static weft_layer* layer;
static weft_session* session;
static weft_prepared* prepared;
static weft_trace* trace;
static weft_dataset* dataset;
static weft_batches* batches;
static weft_history* history;
static weft_tensors* named;
static weft_tensor *tensor, *weight, *sequence, *map_keys, *map_values;
static const weft_tensor* tensors[1];
static int64_t y, loss, constant, target;
static int64_t feeds[1], fetches[1], metrics[1], targets[1], variables[1];
static char folder[] = "/tmp/weft_null_XXXXXX";
static char model_path[64], checkpoint_path[64], tensors_path[64];
static char model[65536];
static size_t model_bytes;

static inline void refused(weft_status* status, const char* function, const char* argument) {
  if (weft_status_code(status) != WEFT_INVALID_ARGUMENT || strstr(weft_status_message(status), argument) == NULL) {
    fprintf(stderr, "%s with %s NULL: %s\n", function, argument, weft_status_text(status));
    ++failures;
  }
  weft_status_free(status);
}
static inline void succeeded(weft_status* status, const char* function) {
  if (status != NULL) {
    fprintf(stderr, "%s with what is optional NULL: %s\n", function, weft_status_text(status));
    ++failures;
  }
  weft_status_free(status);
}
static inline void emptied(int empty, const char* function, const char* argument, const char* out) {
  if (empty) return;
  fprintf(stderr, "%s with %s NULL leaves *%s as it was\n", function, argument, out);
  ++failures;
}

static inline const char* fresh_name(void) {
  static char name[32];
  static int count = 0;
  snprintf(name, sizeof name, "name%d", count++);
  return name;
}
static inline weft_status* on_poll(void* user) {
  (void)user;
  return NULL;
}
static inline weft_status* on_batch(void* user, weft_tensors* out_batch) {
  (void)user, (void)out_batch;
  return NULL;
}
static inline weft_status* on_pass(void* user, int64_t epoch, weft_batches** out_batches) {
  (void)user, (void)epoch, (void)out_batches;
  return NULL;
}
static inline weft_status* on_fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                                  const char* const* names, const double* averages, int32_t metric_count,
                                  int32_t* out_stop) {
  (void)user, (void)event, (void)epoch, (void)batch, (void)batch_count, (void)names, (void)averages, (void)metric_count;
  (void)out_stop;
  return NULL;
}

static inline weft_status* on_body(void* user, weft_graph* graph_of_body, const int64_t* inputs, int32_t input_count,
                                   const weft_attrs* attrs_of_node, int64_t* out_values, int32_t output_count) {
  (void)user, (void)inputs, (void)input_count, (void)attrs_of_node, (void)out_values, (void)output_count;
  weft_graph_free(graph_of_body);
  return NULL;
}

static inline void start(void) {
  const int64_t square[2] = {2, 2}, column[2] = {2, 1};
  int64_t in[2];
  weft_options* naming;
  FILE* file;
  if (mkdtemp(folder) == NULL) exit(1);
  snprintf(model_path, sizeof model_path, "%s/model.onnx", folder);
  snprintf(checkpoint_path, sizeof checkpoint_path, "%s/checkpoint.safetensors", folder);
  snprintf(tensors_path, sizeof tensors_path, "%s/tensors.safetensors", folder);
  succeeded(weft_options_new("session", &session_options), "start");
  succeeded(weft_options_new("run", &run_options), "start");
  succeeded(weft_options_new("save", &save_options), "start");
  succeeded(weft_options_new("fit", &fit_options), "start");
  succeeded(weft_cancel_new(&cancel), "start");
  succeeded(weft_attrs_new(&attrs), "start");
  succeeded(weft_schema_new("com.acme.Null", 1, NULL, &schema), "start");
  succeeded(weft_schema_add_output(schema, "first", "f32", WEFT_FORM_ONE, NULL), "start");
  succeeded(weft_tensor_new_copy(WEFT_F32, square, 2, floats, sizeof floats, &tensor), "start");
  succeeded(weft_tensor_new_copy(WEFT_F32, column, 2, floats, 8, &weight), "start");
  succeeded(weft_tensor_new_copy(WEFT_I64, column, 1, column, sizeof column, &map_keys), "start");
  succeeded(weft_tensor_new_copy(WEFT_F32, column, 1, floats, 8, &map_values), "start");
  tensors[0] = tensor;
  succeeded(weft_tensor_new_sequence(tensors, 1, &sequence), "start");
  succeeded(weft_tensors_new(&named), "start");
  succeeded(weft_tensors_set(named, "tensor", tensor), "start");
  succeeded(weft_graph_new(0, &graph), "start");
  succeeded(weft_graph_add_input(graph, "x", WEFT_F32, "batch,2", NULL, &feeds[0]), "start");
  succeeded(weft_graph_add_constant(graph, weight, NULL, NULL, &constant), "start");
  succeeded(weft_graph_add_variable(graph, "w", constant, 1, NULL, &variables[0]), "start");
  in[0] = feeds[0];
  in[1] = variables[0];
  succeeded(weft_graph_add(graph, "MatMul", in, 2, NULL, NULL, NULL, &y, 1), "start");
  succeeded(weft_attrs_set_int(attrs, "keepdims", 0), "start");
  succeeded(weft_graph_add(graph, "ReduceMean", &y, 1, attrs, NULL, NULL, &loss, 1), "start");
  /* Not by the name that the calls to be tested have when they set none. */
  succeeded(weft_options_new("optimizer", &naming), "start");
  succeeded(weft_options_set_string(naming, "name", "start"), "start");
  succeeded(weft_optimizer_add(graph, "Sgd", naming, loss, NULL, 0, 0, NULL, &target), "start");
  weft_options_free(naming);
  succeeded(weft_layer_new(graph, "Dropout", NULL, "dropout", NULL, &layer), "start");
  fetches[0] = y;
  metrics[0] = loss;
  targets[0] = target;
  succeeded(weft_session_new(graph, NULL, NULL, &session), "start");
  succeeded(weft_session_prepare(session, feeds, 1, fetches, 1, NULL, 0, &prepared), "start");
  succeeded(weft_prepared_bind_input(prepared, 0, tensor), "start");
  succeeded(weft_prepared_run(prepared, NULL), "start");
  succeeded(weft_trace_new(&trace), "start");
  succeeded(weft_dataset_new(tensors, 1, &dataset), "start");
  succeeded(weft_dataset_open(dataset, NULL, 0, &batches), "start");
  succeeded(weft_session_fit(session, dataset, feeds, 1, target, metrics, 1, NULL, &history), "start");
  succeeded(weft_session_save(session, checkpoint_path), "start");
  succeeded(weft_graph_save(graph, fetches, 1, NULL, model_path, NULL), "start");
  file = fopen(model_path, "rb");
  if (file == NULL) exit(1);
  model_bytes = fread(model, 1, sizeof model, file);
  fclose(file);
}

static inline int finish(void) {
  weft_options_free(session_options);
  weft_options_free(run_options);
  weft_options_free(save_options);
  weft_options_free(fit_options);
  weft_cancel_free(cancel);
  weft_attrs_free(attrs);
  weft_schema_free(schema);
  weft_tensors_free(named);
  weft_batches_free(batches);
  weft_dataset_free(dataset);
  weft_history_free(history);
  weft_trace_free(trace);
  weft_prepared_free(prepared);
  weft_session_free(session);
  weft_layer_free(layer);
  weft_graph_free(graph);
  weft_tensor_free(tensor);
  weft_tensor_free(weight);
  weft_tensor_free(sequence);
  weft_tensor_free(map_keys);
  weft_tensor_free(map_values);
  remove(model_path);
  remove(checkpoint_path);
  remove(tensors_path);
  remove(folder);
  if (weft_live_objects() != 0) {
    fprintf(stderr, "%lld objects are still alive\n", (long long)weft_live_objects());
    ++failures;
  }
  return failures == 0 ? 0 : 1;
}

#endif
