/* Trains a two-layer network on handwritten digits. */
#include <stdio.h>
#include <stdlib.h>

#include "weft/weft.h"

static void check(weft_status* status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", weft_status_text(status));
  exit(1);
}

static int64_t dense(weft_graph* graph, const char* name, int64_t x, int64_t units, const char* activation, int seed) {
  weft_attrs* attrs;
  weft_layer* layer;
  int64_t y;
  check(weft_attrs_new(&attrs));
  check(weft_attrs_set_int(attrs, "inputs", 64));
  check(weft_attrs_set_int(attrs, "units", units));
  check(weft_attrs_set_int(attrs, "seed", seed));
  check(weft_attrs_set_string(attrs, "activation", activation));
  check(weft_layer_new(graph, "Dense", attrs, name, WEFT_ORIGIN, &layer));
  check(weft_layer_call(layer, &x, 1, 0, WEFT_ORIGIN, &y, 1));
  weft_layer_free(layer);
  weft_attrs_free(attrs);
  return y;
}

int main(void) {
  const char* names[] = {"images", "labels"};
  weft_dataset *data, *train, *test;
  weft_graph* graph;
  weft_session* session;
  weft_options* options;
  weft_history* history;
  weft_tensor *scores, *labels;
  int64_t feeds[2], pair[2], loss, step, epoch, row, right = 0;

  check(weft_dataset_load("examples/data/digits.safetensors", names, 2, NULL, &data));
  check(weft_dataset_new_rows(data, 0, 1500, &train));
  check(weft_dataset_new_rows(data, 1500, 297, &test));
  check(weft_graph_new(0, &graph));
  check(weft_graph_add_input(graph, "images", WEFT_F32, "batch,64", WEFT_ORIGIN, &feeds[0]));
  check(weft_graph_add_input(graph, "labels", WEFT_I64, "batch", WEFT_ORIGIN, &feeds[1]));
  pair[0] = dense(graph, "scores", dense(graph, "hidden", feeds[0], 64, "relu", 1), 10, "", 2);
  pair[1] = feeds[1];
  check(weft_graph_add(graph, "SoftmaxCrossEntropyLoss", pair, 2, NULL, "loss", WEFT_ORIGIN, &loss, 1));
  check(weft_options_new("optimizer", &options));
  check(weft_options_set_float(options, "learning_rate", 1e-3));
  check(weft_optimizer_add(graph, "Adam", options, loss, NULL, 0, 0, WEFT_ORIGIN, &step));
  weft_options_free(options);

  check(weft_session_new(graph, NULL, NULL, &session));
  check(weft_options_new("fit", &options));
  check(weft_options_set_int(options, "epochs", 20));
  check(weft_options_set_int(options, "batch_size", 32));
  check(weft_options_set_int(options, "seed", 1));
  check(weft_session_fit(session, train, feeds, 2, step, &loss, 1, options, &history));
  for (epoch = 0; epoch < weft_history_count(history); ++epoch) {
    printf("epoch %2d  loss %.6f\n", (int)epoch + 1, weft_history_data(history)[epoch]);
  }
  feeds[1] = 0; /* prediction needs no labels */
  check(weft_session_predict(session, test, feeds, 2, pair, 1, NULL, &scores));
  check(weft_dataset_at(test, 1, &labels));
  for (row = 0; row < weft_dataset_count(test); ++row) {
    const float* of = (const float*)weft_tensor_data(scores) + 10 * row;
    int best = 0, digit;
    for (digit = 1; digit < 10; ++digit) best = of[digit] > of[best] ? digit : best;
    right += best == ((const int64_t*)weft_tensor_data(labels))[row];
  }
  printf("test accuracy %.1f%%\n", 100.0 * (double)right / (double)weft_dataset_count(test));

  weft_tensor_free(scores);
  weft_tensor_free(labels);
  weft_history_free(history);
  weft_options_free(options);
  weft_session_free(session);
  weft_graph_free(graph);
  weft_dataset_free(test);
  weft_dataset_free(train);
  weft_dataset_free(data);
  return 0;
}
