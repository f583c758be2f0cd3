/* The side of a contender that is a program of C or C++: it says what it computes, and then makes as many calls as it is
 * told to, when it is told to. benchmarks/beside/programs.py says how it is started and what it answers. */
#ifndef WEFT_BENCHMARKS_CHILD_H
#define WEFT_BENCHMARKS_CHILD_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What the rows that there are programs for consist of: two inputs and an output of as many numbers, or a net of two layers and
 * a batch for it. */
enum { ADD_SIZE = 4, BATCH = 32, INPUTS = 64, HIDDEN = 64, CLASSES = 10 };
/* The first steps of a training, whose losses are compared. */
enum { STEPS = 5 };
enum { RESULTS_AT_MOST = 8 };

/* As in child.py. */
#define SAMPLE_SECONDS 40e-3
#define WARM_UP_SECONDS 3e-3

typedef struct {
  const char* version;
  void (*call)(void* self);                      /* what is timed */
  size_t (*results)(void* self, double* values); /* how many there are: RESULTS_AT_MOST */
  void* self;
} Contender;

static inline void fail(const char* why) {
  fprintf(stderr, "%s\n", why);
  exit(1);
}

/* Fills `data` from a file of the problem's folder. */
static inline void read_values(const char* folder, const char* name, void* data, size_t bytes) {
  char path[4096];
  FILE* file;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  file = fopen(path, "rb");
  if (file == NULL || fread(data, 1, bytes, file) != bytes || fgetc(file) != EOF) {
    fprintf(stderr, "%s has not the %zu bytes that are wanted\n", path, bytes);
    exit(1);
  }
  fclose(file);
}

static inline double seconds_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline double time_of(const Contender* who, int64_t calls) {
  const double begin = seconds_of(CLOCK_MONOTONIC);
  int64_t i;
  for (i = 0; i < calls; ++i) who->call(who->self);
  return seconds_of(CLOCK_MONOTONIC) - begin;
}

/* Twice as many calls until they take that long: the first ones are slower than the rest. */
static inline int64_t calls_in(const Contender* who, double seconds) {
  int64_t calls = 1;
  double spent;
  while ((spent = time_of(who, calls)) < seconds) calls *= 2;
  return (int64_t)((double)calls * seconds / spent + 0.5);
}

static inline void sample(const Contender* who, int64_t warm_up, int64_t calls) {
  double seconds, busy;
  time_of(who, warm_up);
  busy = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  seconds = time_of(who, calls);
  busy = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - busy;
  printf("{\"seconds\": %.9g, \"processor_seconds\": %.9g}\n", seconds / (double)calls, busy / (double)calls);
  fflush(stdout);
}

/* Answers until there is nothing more to be told. */
static inline void serve(const Contender* who) {
  double values[RESULTS_AT_MOST];
  const size_t count = who->results(who->self, values);
  const int64_t timed = calls_in(who, SAMPLE_SECONDS), calls = timed > 0 ? timed : 1;
  const int64_t warm_up = calls_in(who, WARM_UP_SECONDS); /* none where a call takes longer */
  size_t i;
  int asked;
  printf("{\"version\": \"%s\", \"results\": [", who->version);
  for (i = 0; i < count; ++i) printf("%s%.17g", i == 0 ? "" : ", ", values[i]);
  printf("]}\n");
  fflush(stdout);
  while ((asked = getchar()) != EOF) {
    if (asked == '\n') sample(who, warm_up, calls);
  }
}

#endif
