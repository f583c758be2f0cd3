/* Trains a small network on the digits through the C ABI, and checks that it learns and that nothing is left behind. */
#include "support.h"

static int64_t dense(weft_graph* graph, int64_t x, const char* name, int64_t inputs, int64_t units,
                     const char* activation) {
  weft_attrs* attrs;
  weft_layer* layer;
  int64_t y;
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "inputs", inputs));
  CHECK(weft_attrs_set_int(attrs, "units", units));
  CHECK(weft_attrs_set_int(attrs, "seed", 1));
  CHECK(weft_attrs_set_string(attrs, "activation", activation));
  CHECK(weft_layer_new(graph, "Dense", attrs, name, WEFT_ORIGIN, &layer));
  CHECK(weft_layer_call(layer, &x, 1, 1, WEFT_ORIGIN, &y, 1));
  weft_attrs_free(attrs);
  weft_layer_free(layer);
  return y;
}

int main(void) {
  weft_tensors* data;
  weft_tensor *columns[2], *batch[2], *out;
  weft_graph* graph;
  weft_session* session;
  weft_dataset* dataset;
  weft_options* options;
  int64_t x, labels, logits, loss[2], in[2], target, feeds[2];
  float first = 0, last = 0;
  int epoch;

  CHECK(weft_tensors_load("examples/data/digits.safetensors", NULL, &data));
  CHECK(weft_tensors_find(data, "images", &columns[0]));
  CHECK(weft_tensors_find(data, "labels", &columns[1]));
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "batch,64", WEFT_ORIGIN, &x));
  CHECK(weft_graph_add_input(graph, "labels", WEFT_I64, "batch", WEFT_ORIGIN, &labels));
  logits = dense(graph, dense(graph, x, "hidden", 64, 64, "relu"), "scores", 64, 10, "");
  in[0] = logits;
  in[1] = labels;
  CHECK(weft_graph_add(graph, "SoftmaxCrossEntropyLoss", in, 2, NULL, NULL, WEFT_ORIGIN, loss, 1));
  CHECK(weft_optimizer_add(graph, "Adam", NULL, loss[0], NULL, 0, 0, WEFT_ORIGIN, &target));
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  CHECK(weft_dataset_new((const weft_tensor* const*)columns, 2, &dataset));
  CHECK(weft_options_new("dataset", &options));
  CHECK(weft_options_set_int(options, "batch_size", 32));
  CHECK(weft_options_set_int(options, "shuffle", 1));
  CHECK(weft_options_set_int(options, "seed", 1));
  feeds[0] = x;
  feeds[1] = labels;
  for (epoch = 0; epoch < 5; ++epoch) {
    weft_batches* batches;
    CHECK(weft_dataset_open(dataset, options, epoch, &batches));
    for (;;) {
      CHECK(weft_batches_next(batches, batch, 2));
      if (batch[0] == NULL) break;
      CHECK(weft_session_run(session, feeds, (const weft_tensor* const*)batch, 2, loss, 1, &target, 1, NULL, &out));
      last = *(const float*)weft_tensor_data(out);
      if (first == 0) first = last;
      weft_tensor_free(out);
      weft_tensor_free(batch[0]);
      weft_tensor_free(batch[1]);
    }
    weft_batches_free(batches);
  }
  printf("loss %g -> %g\n", first, last);
  weft_options_free(options);
  weft_dataset_free(dataset);
  weft_session_free(session);
  weft_graph_free(graph);
  weft_tensor_free(columns[0]);
  weft_tensor_free(columns[1]);
  weft_tensors_free(data);
  EXPECT(last < 0.5f * first);
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
