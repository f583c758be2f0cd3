/* The memory limit: what is counted, what reaches it, and that everything is usable afterwards. */
#include "support.h"

enum { kCount = 1 << 18 }; /* 1 MiB of f32 */
static const int64_t kMiB = 1 << 20;

static void test_tensors(void) {
  const int64_t dims[1] = {kCount};
  const int64_t before = weft_memory_bytes();
  weft_tensor *tensor, *shared, *other;
  weft_buffer* buffer;
  EXPECT(weft_memory_limit() == 0);
  CHECK(weft_tensor_new(WEFT_F32, dims, 1, &tensor));
  CHECK(weft_tensor_reshape(tensor, dims, 1, &shared));
  EXPECT(weft_memory_bytes() == before + kMiB && weft_memory_peak() >= before + kMiB);
  CHECK(weft_memory_set_limit(before + 2 * kMiB));
  EXPECT(weft_memory_limit() == before + 2 * kMiB);
  CHECK(weft_tensor_copy(tensor, &other)); /* exactly what is left */
  weft_tensor_free(other);
  CHECK(weft_memory_set_limit(before + 2 * kMiB - 1));
  FAILS(weft_tensor_copy(tensor, &other), WEFT_RESOURCE_EXHAUSTED, "limit");
  EXPECT(other == NULL && weft_memory_bytes() == before + kMiB);
  FAILS(weft_tensor_new(WEFT_F64, dims, 1, &other), WEFT_RESOURCE_EXHAUSTED, "2097152 bytes");
  CHECK(weft_memory_set_limit(1)); /* what is held already stays */
  FAILS(weft_tensor_new(WEFT_F32, NULL, 0, &other), WEFT_RESOURCE_EXHAUSTED, "limit of 1 bytes");
  CHECK(weft_tensor_buffer(tensor, &buffer));
  weft_tensor_free(tensor);
  weft_tensor_free(shared);
  EXPECT(weft_memory_bytes() == before + kMiB); /* the buffer holds it */
  weft_buffer_free(buffer);
  EXPECT(weft_memory_bytes() == before);
  FAILS(weft_memory_set_limit(-1), WEFT_INVALID_ARGUMENT, "-1");
  EXPECT(weft_memory_limit() == 1);
  CHECK(weft_memory_set_limit(0));
}

/* A run of assignments that needs more than there may be changes nothing, and the same session runs once there is. */
static void test_runs(void) {
  weft_graph* graph;
  weft_session* session;
  weft_prepared* prepared;
  weft_tensor *in, *out[2], *w;
  weft_status* status;
  const int64_t dims[1] = {kCount};
  int64_t x, variable_w, y, fetches[2], target, initial;
  void* data;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_tensor_new(WEFT_F32, dims, 1, &in));
  CHECK(weft_graph_add_constant(graph, in, NULL, WEFT_ORIGIN, &initial));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "262144", WEFT_ORIGIN, &x));
  CHECK(weft_graph_add_variable(graph, "w", initial, 1, WEFT_ORIGIN, &variable_w));
  weft_tensor_free(in);
  y = binary(graph, "Add", variable_w, x);
  target = binary(graph, "weft.Assign", variable_w, y);
  fetches[0] = y;
  fetches[1] = binary(graph, "Mul", y, y);
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  CHECK(weft_tensor_new(WEFT_F32, dims, 1, &in));
  CHECK(weft_tensor_mutable(in, &data));
  ((float*)data)[0] = 3;
  CHECK(weft_session_initialise(session));
  CHECK(weft_session_prepare(session, &x, 1, fetches, 2, &target, 1, &prepared));
  CHECK(weft_prepared_bind_input(prepared, 0, in));
  CHECK(weft_memory_set_limit(weft_memory_bytes() + kMiB * 3 / 2));
  FAILS(weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, fetches, 2, &target, 1, NULL, out),
        WEFT_RESOURCE_EXHAUSTED, "would pass the limit");
  EXPECT(out[0] == NULL && out[1] == NULL);
  status = weft_prepared_run(prepared, NULL);
  EXPECT(weft_status_code(status) == WEFT_RESOURCE_EXHAUSTED && weft_status_errno(status) == 0);
  weft_status_free(status);
  CHECK(weft_session_get(session, "w", &w)); /* a copy, which there is room for */
  EXPECT(at(w, 0) == 0);
  weft_tensor_free(w);
  CHECK(weft_memory_set_limit(0));
  CHECK(weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, fetches, 2, &target, 1, NULL, out));
  EXPECT(at(out[0], 0) == 3 && at(out[1], 0) == 9 && at(out[1], kCount - 1) == 0);
  weft_tensor_free(out[0]);
  weft_tensor_free(out[1]);
  CHECK(weft_prepared_run(prepared, NULL));
  CHECK(weft_prepared_output(prepared, 1, &out[1]));
  EXPECT(at(out[1], 0) == 36);
  weft_tensor_free(out[1]);
  CHECK(weft_session_get(session, "w", &w));
  EXPECT(at(w, 0) == 6);
  weft_tensor_free(w);
  weft_prepared_free(prepared);
  weft_tensor_free(in);
  weft_session_free(session);
  weft_graph_free(graph);
}

/* Building, loading and training past the limit fail too, and leave nothing behind. */
static void test_what_else_allocates(void) {
  weft_tensors* data;
  weft_dataset* dataset;
  weft_batches* batches;
  weft_tensor *columns[1], *batch;
  weft_layer* layer;
  weft_attrs* attrs;
  weft_options* options;
  const int64_t before = weft_memory_bytes();
  const char* names[1] = {"images"};
  Counting c = counting();
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "inputs", 1024));
  CHECK(weft_attrs_set_int(attrs, "units", 1024));
  CHECK(weft_layer_new(c.graph, "Dense", attrs, "dense", WEFT_ORIGIN, &layer));
  CHECK(weft_tensors_load("examples/data/digits.safetensors", NULL, &data));
  CHECK(weft_tensors_find(data, "images", &columns[0])); /* 1797 x 64 of f32: 460,032 bytes */
  CHECK(weft_dataset_new((const weft_tensor* const*)columns, 1, &dataset));
  CHECK(weft_options_new("dataset", &options));
  CHECK(weft_options_set_int(options, "batch_size", 1000));
  CHECK(weft_options_set_int(options, "shuffle", 1));
  CHECK(weft_dataset_open(dataset, options, 0, &batches));
  CHECK(weft_memory_set_limit(weft_memory_bytes() + 65536));
  FAILS(weft_session_initialise(c.session), WEFT_RESOURCE_EXHAUSTED, "");
  FAILS(weft_batches_next(batches, &batch, 1), WEFT_RESOURCE_EXHAUSTED, "");
  EXPECT(batch == NULL);
  weft_tensors_free(data);
  weft_dataset_free(dataset);
  weft_batches_free(batches);
  weft_tensor_free(columns[0]);
  CHECK(weft_memory_set_limit(before + 262144)); /* with what the graph holds */
  FAILS(weft_tensors_load("examples/data/digits.safetensors", NULL, &data), WEFT_RESOURCE_EXHAUSTED, "");
  EXPECT(data == NULL);
  FAILS(weft_dataset_load("examples/data/digits.safetensors", names, 1, NULL, &dataset), WEFT_RESOURCE_EXHAUSTED, "");
  EXPECT(dataset == NULL);
  CHECK(weft_memory_set_limit(0));
  CHECK(weft_session_initialise(c.session));
  EXPECT(variable(&c) == 0 && weft_memory_bytes() > before + 4 * kMiB);
  weft_options_free(options);
  weft_attrs_free(attrs);
  weft_layer_free(layer);
  discard(&c);
  EXPECT(weft_memory_bytes() == before);
}

int main(void) {
  test_tensors();
  test_runs();
  test_what_else_allocates();
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
