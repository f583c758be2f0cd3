/* The log callback: levels, texts, the thread that calls, replacing and removing it. The lines are the warnings about
 * settings of the environment that make no sense; a process has each once, so every test is a child of its own. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

typedef struct {
  int lines, drops;
  int32_t level;
  char text[256];
  pthread_t thread;
} Log;
static void write_down(void* user, int32_t level, const char* text) {
  Log* log = user;
  ++log->lines;
  log->level = level;
  log->thread = pthread_self();
  snprintf(log->text, sizeof log->text, "%s", text);
}
static void dropped(void* user) { ++((Log*)user)->drops; }

/* Runs what chooses an instruction set. */
static void* compute(void* ignored) {
  const float numbers[2] = {0, 0};
  weft_graph* graph;
  weft_session* session;
  weft_tensor *in = floats(numbers, 2), *out;
  int64_t x, y;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "n", WEFT_ORIGIN, &x));
  CHECK(weft_graph_add(graph, "Exp", &x, 1, NULL, NULL, WEFT_ORIGIN, &y, 1));
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  CHECK(weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out));
  EXPECT(at(out, 0) == 1 && at(out, 1) == 1);
  weft_tensor_free(out);
  weft_tensor_free(in);
  weft_session_free(session);
  weft_graph_free(graph);
  return ignored;
}

static void lines_go_to_the_function_set_last(void) {
  Log first = {0}, second = {0};
  pthread_t other;
  weft_log_set(write_down, 0, &first, dropped);
  EXPECT(weft_threads() >= 1);
  EXPECT(first.lines == 1 && first.level == 2 && pthread_equal(first.thread, pthread_self()));
  EXPECT(strcmp(first.text, "WEFT_THREADS='many' is not a whole number from 0 to 1024; using 0") == 0);
  weft_log_set(write_down, 2, &second, dropped);
  EXPECT(first.drops == 1 && second.drops == 0);
  if (pthread_create(&other, NULL, compute, NULL) != 0) exit(1);
  pthread_join(other, NULL);
  EXPECT(first.lines == 1 && second.lines == 1 && second.level == 2);
  EXPECT(strstr(second.text, "WEFT_ISA='abacus' is not auto, baseline, avx2, avx512, avx512vnni or neon") ==
         second.text);
  EXPECT(!pthread_equal(second.thread, pthread_self())); /* but the one that computes */
  compute(NULL);
  EXPECT(weft_threads() >= 1 && second.lines == 1);
  weft_log_set(NULL, 0, NULL, NULL);
  EXPECT(first.drops == 1 && second.drops == 1);
}

static void lower_levels_are_left_out(void) {
  Log log = {0};
  weft_log_set(write_down, 3, &log, dropped);
  EXPECT(weft_threads() >= 1);
  compute(NULL);
  EXPECT(log.lines == 0);
  weft_log_set(write_down, 3, &log, dropped); /* the same function again is another one */
  EXPECT(log.drops == 1);
  weft_log_set(NULL, 0, NULL, NULL);
  EXPECT(log.drops == 2);
}

static void nothing_comes_after_removal(void) {
  Log log = {0};
  weft_log_set(write_down, 0, &log, dropped);
  weft_log_set(NULL, 0, &log, dropped); /* what comes with no function is dropped at once */
  EXPECT(log.drops == 2);
  EXPECT(weft_threads() >= 1);
  compute(NULL);
  EXPECT(log.lines == 0);
}

/* Nothing is written to stderr by itself. */
static void silence(void) {
  int ends[2], errors = dup(2);
  char text[64];
  ssize_t count;
  if (pipe(ends) != 0) exit(1);
  dup2(ends[1], 2);
  close(ends[1]);
  EXPECT(weft_threads() >= 1);
  compute(NULL);
  dup2(errors, 2); /* the last end that could write is closed with it */
  count = read(ends[0], text, sizeof text);
  EXPECT(count == 0);
}

static void child(void (*test)(void)) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    failures = 0; /* its own */
    test();
    EXPECT(weft_live_objects() == 0);
    exit(failures == 0 ? 0 : 1);
  }
  EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void) {
  setenv("WEFT_THREADS", "many", 1);
  setenv("WEFT_ISA", "abacus", 1);
  child(lines_go_to_the_function_set_last);
  child(lower_levels_are_left_out);
  child(nothing_comes_after_removal);
  child(silence);
  return failures == 0 ? 0 : 1;
}
