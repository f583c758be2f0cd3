/* What the tests of programs' operators have in common: operators of one input, and a graph with an input and a session. */
#ifndef WEFT_TESTS_OP_SUPPORT_H_
#define WEFT_TESTS_OP_SUPPORT_H_

#include "support.h"

/* Ends a body with the error of a call. */
#define TRY(call)                  \
  do {                             \
    weft_status* failed_ = (call); \
    if (failed_ != NULL) {         \
      weft_graph_free(graph);      \
      return failed_;              \
    }                              \
  } while (0)

typedef struct {
  int calls, drops;
} Calls;
static inline void dropped(void* user) { ++((Calls*)user)->drops; }

/* An operator with one input and one output of f32. */
static inline void add_simple(const char* name, weft_body_fn body, void* user) {
  weft_schema* schema;
  CHECK(weft_schema_new(name, 1, NULL, &schema));
  CHECK(weft_schema_add_input(schema, "x", "f32", WEFT_FORM_ONE, NULL));
  CHECK(weft_schema_add_output(schema, "y", "f32", WEFT_FORM_ONE, NULL));
  CHECK(weft_op_add(schema, 0, body, user, NULL));
  weft_schema_free(schema);
}

typedef struct {
  weft_graph* graph;
  weft_session* session;
  int64_t x;
} Model;
static inline Model model(void) {
  Model m;
  CHECK(weft_graph_new(0, &m.graph));
  CHECK(weft_graph_add_input(m.graph, "x", WEFT_F32, "n", WEFT_ORIGIN, &m.x));
  CHECK(weft_session_new(m.graph, NULL, NULL, &m.session));
  return m;
}
static inline void end(Model* m) {
  weft_session_free(m->session);
  weft_graph_free(m->graph);
}
/* What y is where x is {1, -2, 3}. */
static inline void expect(const Model* m, int64_t x, int64_t y, float a, float b, float c, int line) {
  const float numbers[3] = {1, -2, 3};
  weft_tensor *in = floats(numbers, 3), *out;
  check(weft_session_run(m->session, &x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out), line);
  if (at(out, 0) != a || at(out, 1) != b || at(out, 2) != c) {
    fprintf(stderr, "line %d: got %g %g %g\n", line, at(out, 0), at(out, 1), at(out, 2));
    ++failures;
  }
  weft_tensor_free(in);
  weft_tensor_free(out);
}

#endif
