/* A graph 100,000 nodes deep on a thread with a stack of 256 KiB: built, differentiated, run, saved, loaded, closed. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <unistd.h>

#include "support.h"

/* Sanitizers make everything slow; a call for each of 20,000 nodes would not fit on the stack either. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { kDepth = 20000 };
#else
enum { kDepth = 100000 };
#endif
enum { kStack = 256 * 1024 };
static char folder[] = "/tmp/weft_deep_XXXXXX";

/* y and dx of x, for x = 2.5. */
static void expect_values(weft_session* session, int64_t x, const int64_t* fetches) {
  weft_tensor *in = scalar(2.5f), *out[2];
  CHECK(weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, fetches, 2, NULL, 0, NULL, out));
  EXPECT(at(out[0], 0) == 2.5f && at(out[1], 0) == 1); /* negated an even number of times */
  weft_tensor_free(out[0]);
  weft_tensor_free(out[1]);
  weft_tensor_free(in);
}

static void* on_a_small_stack(void* ignored) {
  weft_graph *graph, *loaded;
  weft_session* session;
  weft_options* plain;
  weft_bytes* text;
  char path[64];
  int64_t x, fetches[2];
  int i;
  snprintf(path, sizeof path, "%s/deep.onnx", folder);
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "", WEFT_ORIGIN, &x));
  fetches[0] = x;
  for (i = 0; i < kDepth; ++i) {
    const int64_t before = fetches[0];
    CHECK(weft_graph_add(graph, "Neg", &before, 1, NULL, NULL, WEFT_ORIGIN, &fetches[0], 1));
  }
  CHECK(weft_graph_differentiate(graph, &fetches[0], 1, &x, 1, NULL, WEFT_ORIGIN, &fetches[1]));
  EXPECT(weft_graph_node_count(graph) > 2 * kDepth);
  CHECK(weft_graph_convert(graph, "text", &text));
  EXPECT(weft_bytes_size(text) > kDepth);
  weft_bytes_free(text);
  /* With the passes, and every node as it stands. */
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  expect_values(session, x, fetches);
  weft_session_free(session);
  CHECK(weft_options_new("session", &plain));
  CHECK(weft_options_add_string(plain, "disable_pass", "*"));
  CHECK(weft_session_new(graph, plain, NULL, &session));
  expect_values(session, x, fetches);
  CHECK(weft_graph_save(graph, fetches, 2, session, path, NULL));
  weft_session_free(session);
  weft_graph_free(graph);
  CHECK(weft_graph_load(path, NULL, &loaded));
  x = weft_graph_input(loaded, 0);
  for (i = 0; i < 2; ++i) fetches[i] = weft_graph_output(loaded, i);
  CHECK(weft_session_new(loaded, NULL, NULL, &session));
  weft_graph_free(loaded);
  expect_values(session, x, fetches);
  weft_session_free(session);
  weft_options_free(plain);
  remove(path);
  return ignored;
}

int main(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  if (mkdtemp(folder) == NULL) return 1;
  pthread_attr_init(&attributes);
  if (pthread_attr_setstacksize(&attributes, kStack) != 0) return 1;
  if (pthread_create(&thread, &attributes, on_a_small_stack, NULL) != 0) return 1;
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
  rmdir(folder);
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
