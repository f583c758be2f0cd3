/* Trains a small convolutional network on handwritten digits. Adam's rate is 1e-3 and a batch has 32 rows by default. */
#include <stdio.h>
#include <stdlib.h>

#include "weft/weft.h"

static weft_graph* graph;

static void check(weft_status* status) {
  if (status == NULL) return;
  exit(fprintf(stderr, "%s\n", weft_status_text(status)) < 0 ? 2 : 1);
}

static weft_layer* layer(const char* type, const char* name, const char* key_a, int64_t a, const char* key_b,
                         int64_t b) {
  const int64_t three = 3, one = 1;
  weft_attrs* attrs;
  weft_layer* made;
  check(weft_attrs_new(&attrs));
  check(weft_attrs_set_int(attrs, key_a, a));
  check(weft_attrs_set_int(attrs, key_b, b));
  if (type[0] != 'B') check(weft_attrs_set_int(attrs, "seed", 1));
  if (type[0] == 'C') {
    check(weft_attrs_set_ints(attrs, "kernel", &three, 1));
    check(weft_attrs_set_ints(attrs, "pads", &one, 1));
  }
  check(weft_layer_new(graph, type, attrs, name, WEFT_ORIGIN, &made));
  weft_attrs_free(attrs);
  return made;
}
static int64_t call(weft_layer* used, int64_t x, int training) {
  int64_t y;
  check(weft_layer_call(used, &x, 1, training, WEFT_ORIGIN, &y, 1));
  return y;
}
static int64_t node(const char* op, int64_t a, int64_t b, const weft_attrs* attrs, const char* name) {
  int64_t inputs[] = {a, b}, y;
  check(weft_graph_add(graph, op, inputs, 2, attrs, name, WEFT_ORIGIN, &y, 1));
  return y;
}
static int64_t network(int64_t images, int64_t shape, weft_layer** layers, const weft_attrs* pool, int training) {
  int64_t x = node("Reshape", images, shape, NULL, NULL);
  for (int i = 0; i < 3; ++i) {
    x = node("Relu", call(layers[2 * i + 1], call(layers[2 * i], x, training), training), 0, NULL, NULL);
    if (i == 1) x = node("MaxPool", x, 0, pool, NULL);
  }
  return call(layers[6], node("Flatten", node("GlobalAveragePool", x, 0, NULL, NULL), 0, NULL, NULL), training);
}

int main(void) {
  const char *names[] = {"images", "labels"}, *layer_names[] = {"conv1", "norm1", "conv2", "norm2", "conv3", "norm3"};
  const int64_t channels[] = {1, 32, 32, 64}, image[] = {-1, 1, 8, 8}, four[] = {4}, two[] = {2, 2};
  weft_dataset *data, *train, *test;
  weft_session* session;
  weft_options* options;
  weft_history* history;
  weft_tensor *scores, *labels, *dims;
  weft_layer* layers[7];
  weft_attrs* pool;
  int64_t feeds[2], logits, shape, loss, step, right = 0;

  check(weft_dataset_load("examples/data/digits.safetensors", names, 2, NULL, &data));
  check(weft_dataset_new_rows(data, 0, 1500, &train));
  check(weft_dataset_new_rows(data, 1500, 297, &test));
  check(weft_graph_new(0, &graph));
  check(weft_graph_add_input(graph, "images", WEFT_F32, "batch,64", WEFT_ORIGIN, &feeds[0]));
  check(weft_graph_add_input(graph, "labels", WEFT_I64, "batch", WEFT_ORIGIN, &feeds[1]));
  check(weft_tensor_new_copy(WEFT_I64, four, 1, image, sizeof image, &dims));
  check(weft_graph_add_constant(graph, dims, NULL, WEFT_ORIGIN, &shape));
  check(weft_attrs_new(&pool));
  check(weft_attrs_set_ints(pool, "kernel_shape", two, 2));
  check(weft_attrs_set_ints(pool, "strides", two, 2));
  for (int i = 0; i < 3; ++i) {
    layers[2 * i] = layer("Conv2d", layer_names[2 * i], "inputs", channels[i], "filters", channels[i + 1]);
    layers[2 * i + 1] =
        layer("BatchNorm", layer_names[2 * i + 1], "channels", channels[i + 1], "channels", channels[i + 1]);
  }
  layers[6] = layer("Dense", "scores", "inputs", 64, "units", 10);
  loss = node("SoftmaxCrossEntropyLoss", network(feeds[0], shape, layers, pool, 1), feeds[1], NULL, "loss");
  logits = network(feeds[0], shape, layers, pool, 0);
  check(weft_optimizer_add(graph, "Adam", NULL, loss, NULL, 0, 0, WEFT_ORIGIN, &step));

  check(weft_session_new(graph, NULL, NULL, &session));
  check(weft_options_new("fit", &options));
  check(weft_options_set_int(options, "epochs", 20));
  check(weft_options_set_int(options, "seed", 1));
  check(weft_session_fit(session, train, feeds, 2, step, &loss, 1, options, &history));
  for (int64_t epoch = 0; epoch < weft_history_count(history); ++epoch) {
    printf("epoch %2d  loss %.6f\n", (int)epoch + 1, weft_history_data(history)[epoch]);
  }
  feeds[1] = 0; /* prediction needs no labels */
  check(weft_session_predict(session, test, feeds, 2, &logits, 1, NULL, &scores));
  check(weft_dataset_at(test, 1, &labels));
  for (int64_t row = 0; row < weft_dataset_count(test); ++row) {
    const float* of = (const float*)weft_tensor_data(scores) + 10 * row;
    int best = 0;
    for (int digit = 1; digit < 10; ++digit) best = of[digit] > of[best] ? digit : best;
    right += best == ((const int64_t*)weft_tensor_data(labels))[row];
  }
  printf("test accuracy %.1f%%\n", 100.0 * (double)right / (double)weft_dataset_count(test));

  weft_tensor_free(scores);
  weft_tensor_free(labels);
  weft_tensor_free(dims);
  weft_attrs_free(pool);
  for (int i = 0; i < 7; ++i) weft_layer_free(layers[i]);
  weft_history_free(history);
  weft_options_free(options);
  weft_session_free(session);
  weft_graph_free(graph);
  weft_dataset_free(test);
  weft_dataset_free(train);
  weft_dataset_free(data);
}
