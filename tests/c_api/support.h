/* What the C tests have in common: checks, short ways to tensors and nodes, and a graph that counts. */
#ifndef WEFT_TESTS_SUPPORT_H_
#define WEFT_TESTS_SUPPORT_H_

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/weft.h"

static int failures = 0;
#define EXPECT(condition)                                                   \
  do {                                                                      \
    if (!(condition)) {                                                     \
      fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #condition); \
      ++failures;                                                           \
    }                                                                       \
  } while (0)
#define CHECK(call) check((call), __LINE__)
#define FAILS(call, code, part) fails((call), (code), (part), __LINE__)

static inline void check(weft_status* status, int line) {
  if (status == NULL) return;
  fprintf(stderr, "line %d: %s\n", line, weft_status_text(status));
  weft_status_free(status);
  exit(1);
}
static inline void fails(weft_status* status, int32_t code, const char* part, int line) {
  if (weft_status_code(status) != code || strstr(weft_status_message(status), part) == NULL) {
    fprintf(stderr, "line %d: got %s\n", line, status == NULL ? "success" : weft_status_text(status));
    ++failures;
  }
  weft_status_free(status);
}

static inline weft_tensor* scalar(float number) {
  weft_tensor* tensor;
  CHECK(weft_tensor_new_copy(WEFT_F32, NULL, 0, &number, sizeof number, &tensor));
  return tensor;
}
static inline weft_tensor* floats(const float* numbers, int64_t count) {
  weft_tensor* tensor;
  CHECK(weft_tensor_new_copy(WEFT_F32, &count, 1, numbers, (size_t)count * sizeof *numbers, &tensor));
  return tensor;
}
/* Element i of a tensor of f32. */
static inline float at(const weft_tensor* tensor, int64_t i) { return ((const float*)weft_tensor_data(tensor))[i]; }
static inline int64_t constant(weft_graph* graph, float number) {
  weft_tensor* tensor = scalar(number);
  int64_t value;
  CHECK(weft_graph_add_constant(graph, tensor, NULL, WEFT_ORIGIN, &value));
  weft_tensor_free(tensor);
  return value;
}
static inline int64_t binary(weft_graph* graph, const char* op, int64_t a, int64_t b) {
  int64_t in[2], out;
  in[0] = a;
  in[1] = b;
  CHECK(weft_graph_add(graph, op, in, 2, NULL, NULL, WEFT_ORIGIN, &out, 1));
  return out;
}

/* The variable w starts at 0; each step adds 1 to it. */
typedef struct {
  weft_graph* graph;
  weft_session* session;
  int64_t x, w, step, twice, mean;
} Counting;

static inline Counting counting(void) {
  Counting c;
  int64_t in[2];
  weft_attrs* attrs;
  CHECK(weft_graph_new(0, &c.graph));
  CHECK(weft_graph_add_input(c.graph, "x", WEFT_F32, "batch", WEFT_ORIGIN, &c.x));
  CHECK(weft_graph_add_variable(c.graph, "w", constant(c.graph, 0), 1, WEFT_ORIGIN, &c.w));
  c.step = binary(c.graph, "weft.Assign", c.w, binary(c.graph, "Add", c.w, constant(c.graph, 1)));
  in[0] = in[1] = c.x;
  CHECK(weft_graph_add(c.graph, "Add", in, 2, NULL, "twice", WEFT_ORIGIN, &c.twice, 1));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "keepdims", 0));
  CHECK(weft_graph_add(c.graph, "ReduceMean", in, 1, attrs, "mean", WEFT_ORIGIN, &c.mean, 1));
  CHECK(weft_session_new(c.graph, NULL, NULL, &c.session));
  weft_attrs_free(attrs);
  return c;
}
static inline void discard(Counting* c) {
  weft_session_free(c->session);
  weft_graph_free(c->graph);
}
static inline float variable(const Counting* c) {
  weft_tensor* value;
  float w;
  CHECK(weft_session_get(c->session, "w", &value));
  w = at(value, 0);
  weft_tensor_free(value);
  return w;
}

#endif
