/* Learns XOR, saves the model and runs it from the file. */
#include <stdio.h>
#include <stdlib.h>

#include "weft/weft.h"

static void check(weft_status* status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", weft_status_text(status));
  exit(1);
}

static int64_t dense(weft_graph* graph, const char* name, int64_t x, int64_t inputs, int64_t units,
                     const char* activation, int64_t seed) {
  weft_attrs* attrs;
  weft_layer* layer;
  int64_t y;
  check(weft_attrs_new(&attrs));
  check(weft_attrs_set_int(attrs, "inputs", inputs));
  check(weft_attrs_set_int(attrs, "units", units));
  check(weft_attrs_set_string(attrs, "activation", activation));
  check(weft_attrs_set_int(attrs, "seed", seed));
  check(weft_layer_new(graph, "Dense", attrs, name, WEFT_ORIGIN, &layer));
  check(weft_layer_call(layer, &x, 1, 0, WEFT_ORIGIN, &y, 1));
  weft_layer_free(layer);
  weft_attrs_free(attrs);
  return y;
}

int main(void) {
  const int64_t dims[] = {4, 2}, column[] = {4, 1};
  const float points[] = {0, 0, 0, 1, 1, 0, 1, 1}, answers[] = {0, 1, 1, 0};
  weft_graph *graph, *model;
  weft_attrs* attrs;
  weft_options* options;
  weft_session *session, *loaded;
  weft_tensor *fed[2], *result;
  int64_t feeds[2], pair[2], y, error, square, loss, step, x;
  int i;

  /* Build a network of two layers, its loss and a step that lowers it. */
  check(weft_graph_new(0, &graph));
  check(weft_graph_add_input(graph, "x", WEFT_F32, "batch,2", WEFT_ORIGIN, &feeds[0]));
  check(weft_graph_add_input(graph, "wanted", WEFT_F32, "batch,1", WEFT_ORIGIN, &feeds[1]));
  y = dense(graph, "y", dense(graph, "hidden", feeds[0], 2, 8, "tanh", 1), 8, 1, "", 2);
  pair[0] = y, pair[1] = feeds[1];
  check(weft_graph_add(graph, "Sub", pair, 2, NULL, NULL, WEFT_ORIGIN, &error, 1));
  pair[0] = pair[1] = error;
  check(weft_graph_add(graph, "Mul", pair, 2, NULL, NULL, WEFT_ORIGIN, &square, 1));
  check(weft_attrs_new(&attrs));
  check(weft_attrs_set_int(attrs, "keepdims", 0));
  check(weft_graph_add(graph, "ReduceMean", &square, 1, attrs, "loss", WEFT_ORIGIN, &loss, 1));
  check(weft_options_new("optimizer", &options));
  check(weft_options_set_float(options, "learning_rate", 0.05));
  check(weft_optimizer_add(graph, "Adam", options, loss, NULL, 0, 0, WEFT_ORIGIN, &step));

  /* Train it. */
  check(weft_tensor_new_copy(WEFT_F32, dims, 2, points, sizeof points, &fed[0]));
  check(weft_tensor_new_copy(WEFT_F32, column, 2, answers, sizeof answers, &fed[1]));
  check(weft_session_new(graph, NULL, NULL, &session));
  for (i = 0; i < 40; ++i) {
    check(weft_session_run(session, feeds, (const weft_tensor* const*)fed, 2, &loss, 1, &step, 1, NULL, &result));
    printf("loss %.8e\n", *(const float*)weft_tensor_data(result));
    weft_tensor_free(result);
  }

  /* Save the model, load it and predict. */
  check(weft_graph_save(graph, &y, 1, session, "xor.onnx", NULL));
  check(weft_graph_load("xor.onnx", NULL, &model));
  check(weft_session_new(model, NULL, NULL, &loaded));
  x = weft_graph_input(model, 0);
  y = weft_graph_output(model, 0);
  check(weft_session_run(loaded, &x, (const weft_tensor* const*)fed, 1, &y, 1, NULL, 0, NULL, &result));
  for (i = 0; i < 4; ++i) printf("%.3f\n", ((const float*)weft_tensor_data(result))[i]);

  weft_tensor_free(result);
  weft_tensor_free(fed[0]);
  weft_tensor_free(fed[1]);
  weft_session_free(loaded);
  weft_session_free(session);
  weft_options_free(options);
  weft_attrs_free(attrs);
  weft_graph_free(model);
  weft_graph_free(graph);
  return 0;
}
