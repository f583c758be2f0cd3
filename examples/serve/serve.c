/* Answers requests on many threads with one session. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "weft/weft.h"

static weft_session* session;
static weft_options* limits;
static int64_t x, digit, count;
static const float* pixels;
static const int64_t* labels;

static void check(weft_status* status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", weft_status_text(status));
  exit(1);
}

/* Answer a request, on any thread. */
static int64_t answer(const float* row) {
  const int64_t dims[] = {1, 64};
  weft_tensor *in, *out;
  int64_t found;
  check(weft_tensor_new_copy(WEFT_F32, dims, 2, row, 64 * sizeof *row, &in));
  check(weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, &digit, 1, NULL, 0, limits, &out));
  found = *(const int64_t*)weft_tensor_data(out);
  weft_tensor_free(out);
  weft_tensor_free(in);
  return found;
}

static void* work(void* first) {
  intptr_t right = 0;
  int64_t i;
  for (i = 1500 + (intptr_t)first; i < count; i += 4) right += answer(pixels + 64 * i) == labels[i];
  return (void*)right;
}

int main(void) {
  const float nothing[64] = {0};
  weft_options *mapped, *single;
  weft_attrs* attrs;
  weft_graph* graph;
  weft_tensors* digits;
  weft_tensor *images, *classes;
  pthread_t threads[4];
  void* right;
  intptr_t i, sum = 0;
  int64_t scores;

  /* Load the model once, and plan for the shape of requests before the first one comes. */
  check(weft_options_new("load", &mapped));
  check(weft_options_set_int(mapped, "map", 1));
  check(weft_graph_load("examples/exported/pytorch.onnx", mapped, &graph));
  x = weft_graph_input(graph, 0);
  scores = weft_graph_output(graph, 0);
  check(weft_attrs_new(&attrs));
  check(weft_attrs_set_int(attrs, "axis", 1));
  check(weft_attrs_set_int(attrs, "keepdims", 0));
  check(weft_graph_add(graph, "ArgMax", &scores, 1, attrs, NULL, WEFT_ORIGIN, &digit, 1));
  check(weft_options_new("session", &single));
  check(weft_options_set_int(single, "threads", 1));
  check(weft_session_new(graph, single, NULL, &session));
  check(weft_options_new("run", &limits));
  check(weft_options_set_float(limits, "timeout_s", 5));
  answer(nothing);

  /* Here requests are digits that the model was not trained on, and four threads answer them. */
  check(weft_tensors_load("examples/data/digits.safetensors", NULL, &digits));
  check(weft_tensors_find(digits, "images", &images));
  check(weft_tensors_find(digits, "labels", &classes));
  pixels = weft_tensor_data(images);
  labels = weft_tensor_data(classes);
  count = weft_tensor_count(classes);
  for (i = 0; i < 4; ++i) {
    if (pthread_create(&threads[i], NULL, work, (void*)i) != 0) return 1;
  }
  for (i = 0; i < 4; ++i) {
    pthread_join(threads[i], &right);
    sum += (intptr_t)right;
  }
  printf("%d of %d digits are right\n", (int)sum, (int)count - 1500);

  weft_tensor_free(classes);
  weft_tensor_free(images);
  weft_tensors_free(digits);
  weft_session_free(session); /* would wait for runs under way */
  weft_options_free(limits);
  weft_options_free(single);
  weft_options_free(mapped);
  weft_attrs_free(attrs);
  weft_graph_free(graph);
  return 0;
}
