/* What the C ABI refuses so that nothing later goes wrong: nested sequences, names, sub-graphs too deep, foreign values. */
#include "support.h"

static void nested_sequences(void) {
  weft_tensor *item = scalar(1), *sequence, *optional, *nested = NULL;
  CHECK(weft_tensor_new_sequence((const weft_tensor* const*)&item, 1, &sequence));
  FAILS(weft_tensor_new_sequence((const weft_tensor* const*)&sequence, 1, &nested), WEFT_INVALID_ARGUMENT,
        "item 0 is a sequence of 1 but the items of a sequence must be tensors, or all maps");
  EXPECT(nested == NULL);
  EXPECT(weft_tensor_dtype(sequence) == 0 && weft_tensor_data(sequence) == NULL); /* its items have one */
  CHECK(weft_tensor_new_optional(sequence, &optional));
  EXPECT(weft_tensor_kind(optional) == WEFT_OPTIONAL && weft_tensor_count(optional) == 1);
  FAILS(weft_tensor_new_optional(optional, &nested), WEFT_INVALID_ARGUMENT,
        "the element is a optional sequence of 1 but an optional holds a tensor or a sequence of tensors");
  EXPECT(nested == NULL);
  CHECK(weft_tensor_at(optional, 0, &nested));
  EXPECT(weft_tensor_kind(nested) == WEFT_SEQUENCE);
  weft_tensor_free(nested);
  weft_tensor_free(optional);
  CHECK(weft_tensor_new_optional(NULL, &optional));
  EXPECT(weft_tensor_count(optional) == 0);
  FAILS(weft_tensor_at(optional, 0, &nested), WEFT_OUT_OF_RANGE, "0");
  weft_tensor_free(optional);
  weft_tensor_free(sequence);
  weft_tensor_free(item);
}

static void names(void) {
  weft_graph* graph;
  int64_t first, second;
  const char* name;
  CHECK(weft_graph_new(0, &graph));
  FAILS(weft_graph_add_input(graph, "\xff", WEFT_F32, "", WEFT_ORIGIN, &first), WEFT_INVALID_ARGUMENT, "UTF-8");
  FAILS(weft_graph_open_scope(graph, "\xc3("), WEFT_INVALID_ARGUMENT, "UTF-8");
  CHECK(weft_graph_add_input(graph, "", WEFT_F32, "", WEFT_ORIGIN, &first));
  CHECK(weft_graph_add_input(graph, "", WEFT_F32, "", WEFT_ORIGIN, &second));
  CHECK(weft_graph_value(graph, first, &name, NULL, NULL, NULL));
  EXPECT(strcmp(name, "input") == 0);
  CHECK(weft_graph_value(graph, second, &name, NULL, NULL, NULL));
  EXPECT(strcmp(name, "input_1") == 0);
  weft_graph_free(graph);
}

static void deep_graphs(void) {
  weft_graph *graphs[64], *one_more = NULL;
  int count = 1;
  weft_status* status = NULL;
  CHECK(weft_graph_new(0, &graphs[0]));
  while (count < 64 && (status = weft_graph_new_sub(graphs[count - 1], &graphs[count])) == NULL) ++count;
  EXPECT(count == 32);
  weft_status_free(status);
  FAILS(weft_graph_new_sub(graphs[31], &one_more), WEFT_UNIMPLEMENTED, "32 deep");
  while (count > 0) weft_graph_free(graphs[--count]);
}

static void foreign_values(void) {
  weft_graph *graph, *other;
  weft_session* session;
  weft_tensor* out;
  int64_t x;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_new(0, &other));
  CHECK(weft_graph_add_input(other, "x", WEFT_F32, "", "model.c:7", &x));
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  FAILS(weft_session_run(session, NULL, NULL, 0, &x, 1, NULL, 0, NULL, &out), WEFT_INVALID_ARGUMENT,
        "fetch 0 is 'x' (built at model.c:7): it belongs to another graph");
  FAILS(weft_graph_value(graph, x, NULL, NULL, NULL, NULL), WEFT_INVALID_ARGUMENT,
        "argument 'value' is 'x' (built at model.c:7): it belongs to another graph");
  weft_graph_free(other); /* and nobody knows any more what it was called */
  FAILS(weft_session_run(session, NULL, NULL, 0, &x, 1, NULL, 0, NULL, &out), WEFT_INVALID_ARGUMENT,
        "fetch 0 is value 0 of graph ");
  weft_session_free(session);
  weft_graph_free(graph);
}

static void feeds_without_a_tensor(void) {
  const weft_tensor* none = NULL;
  weft_graph* graph;
  weft_session* session;
  weft_tensor* out;
  int64_t x;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "", WEFT_ORIGIN, &x));
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  FAILS(weft_session_run(session, &x, &none, 1, &x, 1, NULL, 0, NULL, &out), WEFT_INVALID_ARGUMENT,
        "the tensor that is fed to 'x' is NULL");
  weft_session_free(session);
  weft_graph_free(graph);
}

/* A value of a body is told of in the same words wherever it is used, while the body is built and after. */
static void values_of_bodies(void) {
  static const char building[] =
      "input 0 is 'y' (built at model.c:9): it belongs to the body of a sub-graph (a loop, a scan or a branch); "
      "what the body is to give outside must be one of its results";
  static const char finished[] =
      "input 0 is 'y' (built at model.c:9): it belongs to the body of a sub-graph (a loop, a scan or a branch), "
      "which is finished; what the body is to give outside must be one of its results";
  weft_graph *graph, *branches[2];
  weft_attrs* attrs;
  int64_t x, condition, y[2], out;
  int i;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "", WEFT_ORIGIN, &x));
  CHECK(weft_graph_add_input(graph, "condition", WEFT_BOOL, "", WEFT_ORIGIN, &condition));
  CHECK(weft_attrs_new(&attrs));
  for (i = 0; i < 2; ++i) {
    CHECK(weft_graph_new_sub(graph, &branches[i]));
    CHECK(weft_graph_add(branches[i], "Neg", &x, 1, NULL, "y", "model.c:9", &y[i], 1));
    FAILS(weft_graph_add(graph, "Abs", &y[i], 1, NULL, NULL, WEFT_ORIGIN, &out, 1), WEFT_INVALID_ARGUMENT, building);
    CHECK(weft_graph_set_outputs(branches[i], &y[i], 1));
    CHECK(weft_attrs_set_graph(attrs, i == 0 ? "then_branch" : "else_branch", branches[i]));
  }
  CHECK(weft_graph_add(graph, "If", &condition, 1, attrs, NULL, WEFT_ORIGIN, &out, 1));
  for (i = 0; i < 2; ++i) {
    FAILS(weft_graph_add(graph, "Abs", &y[i], 1, NULL, NULL, WEFT_ORIGIN, &out, 1), WEFT_INVALID_ARGUMENT, finished);
    FAILS(weft_graph_add(branches[i], "Abs", &y[i], 1, NULL, NULL, WEFT_ORIGIN, &out, 1), WEFT_FAILED_PRECONDITION,
          finished);
    FAILS(weft_graph_add_input(branches[i], "z", WEFT_F32, "", WEFT_ORIGIN, &out), WEFT_FAILED_PRECONDITION,
          "this is the body of a sub-graph (a loop, a scan or a branch), which is finished and can no longer change; "
          "what the body is to give outside must be one of its results");
    weft_graph_free(branches[i]);
  }
  weft_attrs_free(attrs);
  weft_graph_free(graph);
}

/* Numbers that no graph has given out: either half may be anything. */
static void made_up_values(void) {
  static const int64_t whole[] = {1, 2147483647, 2147483648, 4294967295, -1, INT64_MIN, INT64_MAX};
  static const int64_t lower[] = {0, 2, 2147483647, 2147483648, 4294967295};
  weft_graph* graph;
  int64_t x;
  size_t i;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "", WEFT_ORIGIN, &x));
  for (i = 0; i < sizeof whole / sizeof *whole; ++i) {
    FAILS(weft_graph_value(graph, whole[i], NULL, NULL, NULL, NULL), WEFT_INVALID_ARGUMENT, "argument 'value' is ");
  }
  for (i = 0; i < sizeof lower / sizeof *lower; ++i) {
    FAILS(weft_graph_value(graph, x / 4294967296 * 4294967296 + lower[i], NULL, NULL, NULL, NULL),
          WEFT_INVALID_ARGUMENT, "argument 'value' is not a value of this graph");
  }
  weft_graph_free(graph);
}

int main(void) {
  made_up_values();
  nested_sequences();
  names();
  deep_graphs();
  foreign_values();
  feeds_without_a_tensor();
  values_of_bodies();
  EXPECT(weft_live_objects() == 0);
  return failures != 0;
}
