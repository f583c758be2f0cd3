/* Runs a pipeline of scikit-learn on numbers, names and texts. */
#include <stdio.h>
#include <stdlib.h>

#include "weft/weft.h"

static void check(weft_status* status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", weft_status_text(status));
  exit(1);
}

/* What a map says of a row: keys are its item 0, values its item 1. */
static void print_shares(const weft_tensor* map) {
  weft_tensor *names, *shares;
  int64_t i;
  check(weft_tensor_at(map, 0, &names));
  check(weft_tensor_at(map, 1, &shares));
  for (i = 0; i < weft_tensor_count(names); ++i) {
    printf(" %s %.6f", weft_tensor_string(names, i, NULL), ((const float*)weft_tensor_data(shares))[i]);
  }
  printf("\n");
  weft_tensor_free(shares);
  weft_tensor_free(names);
}

int main(void) {
  /* Each column of the table is an input by itself. */
  const char* inputs[] = {"months", "plan", "text"};
  const float months[] = {4, 12, 26};
  const char* plans[] = {"free", "team", "guest"};
  const char* texts[] = {"The password is not accepted since the update.", "Why is the invoice so high?",
                         "An error shows up when I open the export."};
  const int64_t dims[] = {3, 1};
  weft_graph* graph;
  weft_session* session;
  weft_tensor *columns[3], *results[2], *map;
  int64_t feeds[3], fetches[2], row;
  int i;

  check(weft_graph_load("examples/exported/sklearn_text.onnx", NULL, &graph));
  check(weft_session_new(graph, NULL, NULL, &session));
  check(weft_tensor_new_copy(WEFT_F32, dims, 2, months, sizeof months, &columns[0]));
  check(weft_tensor_new_strings(dims, 2, plans, NULL, 3, &columns[1]));
  check(weft_tensor_new_strings(dims, 2, texts, NULL, 3, &columns[2]));
  for (i = 0; i < 3; ++i) check(weft_graph_find(graph, inputs[i], &feeds[i]));
  for (i = 0; i < 2; ++i) fetches[i] = weft_graph_output(graph, i);
  check(weft_session_run(session, feeds, (const weft_tensor* const*)columns, 3, fetches, 2, NULL, 0, NULL, results));

  /* A class for each row, and a map from all classes to their probabilities. */
  for (row = 0; row < 3; ++row) {
    check(weft_tensor_at(results[1], row, &map));
    printf("%s:", weft_tensor_string(results[0], row, NULL));
    print_shares(map);
    weft_tensor_free(map);
  }

  for (i = 0; i < 2; ++i) weft_tensor_free(results[i]);
  for (i = 0; i < 3; ++i) weft_tensor_free(columns[i]);
  weft_session_free(session);
  weft_graph_free(graph);
  return 0;
}
