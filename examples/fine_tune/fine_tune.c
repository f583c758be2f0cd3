/* Trains nets of PyTorch, Keras and scikit-learn further, and runs a forest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/weft.h"

static void check(weft_status* status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", weft_status_text(status));
  exit(1);
}

static void count_right(const char* maker, const char* path, const weft_dataset* test) {
  weft_graph* model;
  weft_session* session;
  weft_tensor *predicted, *labels;
  int64_t feeds[2] = {0, 0}, digit, row, rows = weft_dataset_count(test); /* the labels are fed to nothing */
  int right = 0;
  check(weft_graph_load(path, NULL, &model));
  check(weft_session_new(model, NULL, NULL, &session));
  feeds[0] = weft_graph_input(model, 0);
  digit = weft_graph_output(model, 0);
  check(weft_session_predict(session, test, feeds, 2, &digit, 1, NULL, &predicted));
  check(weft_dataset_at(test, 1, &labels));
  for (row = 0; row < rows; ++row) {
    right += ((const int64_t*)weft_tensor_data(predicted))[row] == ((const int64_t*)weft_tensor_data(labels))[row];
  }
  printf("%s: %d of %d digits are right\n", maker, right, (int)rows);
  weft_tensor_free(labels);
  weft_tensor_free(predicted);
  weft_session_free(session);
  weft_graph_free(model);
}

static void tune(const char* maker, const weft_dataset* train, const weft_dataset* test) {
  char path[64];
  weft_graph* graph;
  weft_session* session;
  weft_options* options;
  weft_attrs* attrs;
  weft_history* history;
  int64_t feeds[2], pair[2], loss, accuracy, step, digit, epoch;
  double before;

  snprintf(path, sizeof path, "examples/exported/%s.onnx", maker);
  check(weft_options_new("load", &options));
  check(weft_options_add_string(options, "trainable", "*"));
  check(weft_graph_load(path, options, &graph));
  weft_options_free(options);
  feeds[0] = weft_graph_input(graph, 0);
  pair[0] = weft_graph_output(graph, weft_graph_output_count(graph) - 1);
  /* Of scikit-learn there are labels, and then probabilities, whose logarithms are as good as scores. */
  if (strcmp(maker, "sklearn_mlp") == 0) {
    check(weft_graph_add(graph, "Log", pair, 1, NULL, NULL, WEFT_ORIGIN, &pair[0], 1));
  }
  check(weft_graph_add_input(graph, "labels", WEFT_I64, "batch", WEFT_ORIGIN, &feeds[1]));
  pair[1] = feeds[1];
  check(weft_graph_add(graph, "SoftmaxCrossEntropyLoss", pair, 2, NULL, "loss", WEFT_ORIGIN, &loss, 1));
  check(weft_graph_add(graph, "weft.Accuracy", pair, 2, NULL, "accuracy", WEFT_ORIGIN, &accuracy, 1));
  check(weft_options_new("optimizer", &options));
  check(weft_options_set_float(options, "learning_rate", 2e-3));
  check(weft_optimizer_add(graph, "Adam", options, loss, NULL, 0, 0, WEFT_ORIGIN, &step));
  weft_options_free(options);

  check(weft_session_new(graph, NULL, NULL, &session));
  check(weft_session_evaluate(session, test, feeds, 2, &accuracy, 1, NULL, &before));
  printf("%s: accuracy %.6f as exported\n", maker, before);
  check(weft_options_new("fit", &options));
  check(weft_options_set_int(options, "epochs", 5));
  check(weft_options_set_int(options, "batch_size", 32));
  check(weft_options_set_int(options, "seed", 1));
  check(weft_session_fit(session, train, feeds, 2, step, &loss, 1, options, &history));
  for (epoch = 0; epoch < weft_history_count(history); ++epoch) {
    printf("epoch %d  loss %.6f\n", (int)epoch + 1, weft_history_data(history)[epoch]);
  }

  /* What is saved gives the digit itself. */
  check(weft_attrs_new(&attrs));
  check(weft_attrs_set_int(attrs, "axis", 1));
  check(weft_attrs_set_int(attrs, "keepdims", 0));
  check(weft_graph_add(graph, "ArgMax", pair, 1, attrs, NULL, WEFT_ORIGIN, &digit, 1));
  snprintf(path, sizeof path, "%s_tuned.onnx", maker);
  check(weft_graph_save(graph, &digit, 1, session, path, NULL));
  count_right(maker, path, test);

  weft_attrs_free(attrs);
  weft_history_free(history);
  weft_options_free(options);
  weft_session_free(session);
  weft_graph_free(graph);
}

int main(void) {
  const char* names[] = {"images", "labels"};
  weft_dataset *digits, *train, *test;
  check(weft_dataset_load("examples/data/digits.safetensors", names, 2, NULL, &digits));
  check(weft_dataset_new_rows(digits, 0, 1500, &train));
  check(weft_dataset_new_rows(digits, 1500, 297, &test));
  tune("pytorch", train, test);
  tune("torchscript", train, test);
  tune("keras", train, test);
  tune("sklearn_mlp", train, test);
  count_right("sklearn", "examples/exported/sklearn.onnx", test);
  weft_dataset_free(test);
  weft_dataset_free(train);
  weft_dataset_free(digits);
  return 0;
}
