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
  CHECK(weft_graph_add_input(other, "x", WEFT_F32, "", WEFT_ORIGIN, &x));
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  FAILS(weft_session_run(session, NULL, NULL, 0, &x, 1, NULL, 0, NULL, &out), WEFT_INVALID_ARGUMENT,
        "fetch 0 is value 0 of graph ");
  weft_session_free(session);
  weft_graph_free(other);
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
  EXPECT(weft_live_objects() == 0);
  return failures != 0;
}
