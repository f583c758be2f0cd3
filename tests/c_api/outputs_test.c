/* One value as several outputs, an input as an output, a weight as an output: fetched, and in a file. */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "support.h"

#define COUNT 6
static const float kWanted[COUNT][2] = {{11, 18}, {1, -2}, {11, 18}, {10, 20}, {1, -2}, {10, 20}};

static void check_outputs(weft_graph* graph, int64_t x, const int64_t* outputs) {
  const float numbers[2] = {1, -2};
  weft_tensor *fed = floats(numbers, 2), *out[COUNT];
  weft_session* session;
  int i;
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  CHECK(weft_session_run(session, &x, (const weft_tensor* const*)&fed, 1, outputs, COUNT, NULL, 0, NULL, out));
  for (i = 0; i < COUNT; ++i) {
    EXPECT(at(out[i], 0) == kWanted[i][0] && at(out[i], 1) == kWanted[i][1]);
    weft_tensor_free(out[i]); /* the others stay */
  }
  EXPECT(at(fed, 0) == 1 && at(fed, 1) == -2);
  weft_session_free(session);
  weft_tensor_free(fed);
}

int main(void) {
  const float numbers[2] = {10, 20};
  weft_tensor* tensor = floats(numbers, 2);
  int64_t x, w, y, outputs[COUNT];
  weft_graph *graph, *loaded;
  char folder[] = "/tmp/weft_outputs_XXXXXX", path[64];
  int i;
  if (mkdtemp(folder) == NULL) return 1;
  snprintf(path, sizeof path, "%s/outputs.onnx", folder);
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "2", WEFT_ORIGIN, &x));
  CHECK(weft_graph_add_constant(graph, tensor, "w", WEFT_ORIGIN, &w));
  y = binary(graph, "Add", x, w);
  outputs[0] = outputs[2] = y;
  outputs[1] = outputs[4] = x;
  outputs[3] = outputs[5] = w;
  check_outputs(graph, x, outputs);

  CHECK(weft_graph_save(graph, outputs, COUNT, NULL, path, NULL));
  CHECK(weft_graph_load(path, NULL, &loaded));
  remove(path);
  rmdir(folder);
  EXPECT(weft_graph_output_count(loaded) == COUNT);
  for (i = 0; i < COUNT; ++i) outputs[i] = weft_graph_output(loaded, i);
  check_outputs(loaded, weft_graph_input(loaded, 0), outputs);
  weft_graph_free(loaded);
  weft_graph_free(graph);
  weft_tensor_free(tensor);
  EXPECT(weft_live_objects() == 0);
  return failures != 0;
}
