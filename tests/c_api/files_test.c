/* Models, checkpoints and tensors in files: there and back, full disks, folders, damaged files, what the system said. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static char folder[] = "/tmp/weft_files_XXXXXX";
static char model[64], checkpoint[64], tensors[64], none[64];

/* Fails with this code, this errno and words. */
#define FAILS_WITH(call, code, number, part) fails_with((call), (code), (number), (part), __LINE__)
static void fails_with(weft_status* status, int32_t code, int number, const char* part, int line) {
  if (weft_status_errno(status) != number) {
    fprintf(stderr, "line %d: errno is %d\n", line, (int)weft_status_errno(status));
    ++failures;
  }
  fails(status, code, part, line);
}

typedef struct {
  char bytes[65536];
  size_t size;
} Content;
static Content content(const char* path) {
  Content c;
  FILE* file = fopen(path, "rb");
  if (file == NULL) exit(1);
  c.size = fread(c.bytes, 1, sizeof c.bytes, file);
  fclose(file);
  return c;
}
static void put(const char* path, const char* bytes, size_t size) {
  FILE* file = fopen(path, "wb");
  if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) exit(1);
}
static int same(const Content* a, const Content* b) {
  return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}
static int files_in_folder(void) {
  DIR* directory = opendir(folder);
  int count = -2; /* the folder and the one above */
  while (readdir(directory) != NULL) ++count;
  closedir(directory);
  return count;
}
static void set(const Counting* c, float number) {
  weft_tensor* tensor = scalar(number);
  CHECK(weft_session_set(c->session, "w", tensor));
  weft_tensor_free(tensor);
}
static weft_tensors* named(float number) {
  weft_tensors* set;
  weft_tensor* tensor = scalar(number);
  CHECK(weft_tensors_new(&set));
  CHECK(weft_tensors_set(set, "number", tensor));
  weft_tensor_free(tensor);
  return set;
}

/* Writes the three files; the number is in each. */
static void test_there_and_back(void) {
  Counting c = counting(), other = counting();
  const float number = 3;
  weft_tensor *in = floats(&number, 1), *out;
  weft_tensors* set_of = named(7);
  weft_options *training, *partial;
  weft_graph* loaded;
  weft_session* session;
  int64_t y = binary(c.graph, "Mul", c.x, c.w), x;
  set(&c, 5);
  CHECK(weft_session_save(c.session, checkpoint));
  CHECK(weft_session_load(other.session, checkpoint, NULL));
  EXPECT(variable(&other) == 5);
  CHECK(weft_graph_save(c.graph, &y, 1, c.session, model, NULL));
  CHECK(weft_graph_load(model, NULL, &loaded));
  EXPECT(weft_graph_input_count(loaded) == 1 && weft_graph_output_count(loaded) == 1);
  EXPECT(weft_graph_variable_count(loaded) == 0); /* weights are constants */
  CHECK(weft_session_new(loaded, NULL, NULL, &session));
  x = weft_graph_input(loaded, 0);
  y = weft_graph_output(loaded, 0);
  CHECK(weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out));
  EXPECT(at(out, 0) == 15);
  weft_tensor_free(out);
  weft_session_free(session);
  weft_graph_free(loaded);
  /* With its training it goes on where it was. */
  CHECK(weft_options_new("save", &training));
  CHECK(weft_options_set_int(training, "training", 1));
  CHECK(weft_graph_set_name(c.graph, c.step, "step"));
  FAILS(weft_graph_save(c.graph, &c.step, 1, c.session, model, NULL), WEFT_UNIMPLEMENTED, "'training'");
  CHECK(weft_graph_save(c.graph, &c.step, 1, c.session, model, training));
  CHECK(weft_graph_load(model, NULL, &loaded));
  CHECK(weft_session_new(loaded, NULL, NULL, &session));
  CHECK(weft_graph_find(loaded, "step", &y));
  CHECK(weft_session_run(session, NULL, NULL, 0, NULL, 0, &y, 1, NULL, NULL));
  CHECK(weft_session_get(session, "w", &out));
  EXPECT(at(out, 0) == 6);
  weft_tensor_free(out);
  CHECK(weft_options_new("load", &partial));
  CHECK(weft_options_set_int(partial, "partial", 1));
  CHECK(weft_tensors_save(set_of, tensors));
  FAILS(weft_session_load(session, tensors, NULL), WEFT_INVALID_ARGUMENT, "no value for the variable 'w'");
  CHECK(weft_session_load(session, tensors, partial)); /* it has nothing of the graph's */
  CHECK(weft_session_get(session, "w", &out));
  EXPECT(at(out, 0) == 6);
  weft_tensor_free(out);
  weft_tensors_free(set_of);
  CHECK(weft_tensors_load(tensors, NULL, &set_of));
  EXPECT(weft_tensors_count(set_of) == 1 && strcmp(weft_tensors_name(set_of, 0), "number") == 0);
  CHECK(weft_tensors_find(set_of, "number", &out));
  EXPECT(at(out, 0) == 7);
  weft_tensor_free(out);
  weft_tensors_free(set_of);
  weft_tensor_free(in);
  weft_options_free(partial);
  weft_options_free(training);
  weft_session_free(session);
  weft_graph_free(loaded);
  discard(&other);
  discard(&c);
  EXPECT(files_in_folder() == 3);
}

/* The opset is one that can be written, and not of what is kept for training. */
static void test_older_opset(void) {
  Counting c = counting();
  weft_options* options;
  weft_bytes* told;
  int64_t y = binary(c.graph, "Mul", c.x, c.w);
  CHECK(weft_options_new("save", &options));
  CHECK(weft_options_set_int(options, "opset", 13));
  CHECK(weft_graph_save(c.graph, &y, 1, c.session, model, options));
  CHECK(weft_model_inspect(model, &told));
  EXPECT(strstr(weft_bytes_data(told), "\"ai.onnx\": 13") != NULL);
  weft_bytes_free(told);
  CHECK(weft_options_set_int(options, "opset", 6));
  FAILS(weft_graph_save(c.graph, &y, 1, c.session, model, options), WEFT_INVALID_ARGUMENT, "option 'opset' is 6");
  CHECK(weft_options_set_int(options, "opset", 13));
  CHECK(weft_options_set_int(options, "training", 1));
  FAILS(weft_graph_save(c.graph, &y, 1, c.session, model, options), WEFT_INVALID_ARGUMENT, "'training' and 'opset'");
  weft_options_free(options);
  discard(&c);
}

/* No file may have more than 16 bytes: what is there stays as it is, and nothing is left beside it. */
static void test_full_disk(void) {
  Counting c = counting();
  Content before[3], after;
  const char* paths[3];
  weft_tensors* set_of = named(8);
  struct rlimit limit, small;
  int i;
  paths[0] = model, paths[1] = checkpoint, paths[2] = tensors;
  for (i = 0; i < 3; ++i) before[i] = content(paths[i]);
  set(&c, 100);
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0) exit(1);
  small = limit;
  small.rlim_cur = 16;
  /* SIGXFSZ is not ignored: had it come, the test would be gone. */
  if (setrlimit(RLIMIT_FSIZE, &small) != 0) exit(1);
  FAILS_WITH(weft_graph_save(c.graph, &c.mean, 1, c.session, model, NULL), WEFT_RESOURCE_EXHAUSTED, EFBIG, model);
  FAILS_WITH(weft_session_save(c.session, checkpoint), WEFT_RESOURCE_EXHAUSTED, EFBIG, checkpoint);
  FAILS_WITH(weft_tensors_save(set_of, tensors), WEFT_RESOURCE_EXHAUSTED, EFBIG, tensors);
  FAILS_WITH(weft_session_save(c.session, none), WEFT_RESOURCE_EXHAUSTED, EFBIG, none);
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) exit(1);
  for (i = 0; i < 3; ++i) {
    after = content(paths[i]);
    EXPECT(same(&before[i], &after));
  }
  EXPECT(files_in_folder() == 3);
  CHECK(weft_session_load(c.session, checkpoint, NULL));
  EXPECT(variable(&c) == 5);
  CHECK(weft_session_save(c.session, checkpoint)); /* there is room again */
  /* Devices are no files to replace, not even the full one. */
  FAILS_WITH(weft_session_save(c.session, "/dev/full"), WEFT_INVALID_ARGUMENT, 0, "not a regular file");
  FAILS_WITH(weft_tensors_save(set_of, "/dev/full"), WEFT_INVALID_ARGUMENT, 0, "not a regular file");
  FAILS_WITH(weft_graph_save(c.graph, &c.mean, 1, NULL, "/dev/full", NULL), WEFT_INVALID_ARGUMENT, 0, "regular");
  weft_tensors_free(set_of);
  discard(&c);
}

static void test_no_files(void) {
  Counting c = counting();
  weft_graph* loaded;
  weft_tensors* set_of = named(1);
  weft_tensors* read;
  weft_dataset* dataset;
  char below[80], sub[80];
  FAILS_WITH(weft_graph_load(none, NULL, &loaded), WEFT_NOT_FOUND, ENOENT, none);
  FAILS_WITH(weft_session_load(c.session, none, NULL), WEFT_NOT_FOUND, ENOENT, none);
  FAILS_WITH(weft_tensors_load(none, NULL, &read), WEFT_NOT_FOUND, ENOENT, none);
  FAILS_WITH(weft_dataset_load(none, NULL, 0, NULL, &dataset), WEFT_NOT_FOUND, ENOENT, none);
  EXPECT(loaded == NULL && read == NULL && dataset == NULL);
  snprintf(below, sizeof below, "%s/below", model); /* a file is no folder */
  FAILS_WITH(weft_graph_load(below, NULL, &loaded), WEFT_NOT_FOUND, ENOTDIR, "not a folder");
  FAILS_WITH(weft_session_save(c.session, below), WEFT_NOT_FOUND, ENOTDIR, "not a folder");
  /* A folder is no file. */
  snprintf(sub, sizeof sub, "%s/sub.safetensors", folder);
  if (mkdir(sub, 0700) != 0) exit(1);
  FAILS_WITH(weft_graph_load(sub, NULL, &loaded), WEFT_INVALID_ARGUMENT, EISDIR, "it is a folder");
  FAILS_WITH(weft_session_load(c.session, sub, NULL), WEFT_INVALID_ARGUMENT, EISDIR, "it is a folder");
  FAILS_WITH(weft_tensors_load(sub, NULL, &read), WEFT_INVALID_ARGUMENT, EISDIR, "it is a folder");
  FAILS_WITH(weft_graph_save(c.graph, &c.mean, 1, NULL, sub, NULL), WEFT_INVALID_ARGUMENT, EISDIR, "it is a folder");
  FAILS_WITH(weft_session_save(c.session, sub), WEFT_INVALID_ARGUMENT, EISDIR, "it is a folder");
  FAILS_WITH(weft_tensors_save(set_of, sub), WEFT_INVALID_ARGUMENT, EISDIR, "it is a folder");
  rmdir(sub);
  EXPECT(files_in_folder() == 3);
  if (geteuid() == 0) {
    printf("skipped: everything is permitted to root\n");
  } else {
    chmod(checkpoint, 0400);
    FAILS_WITH(weft_session_save(c.session, checkpoint), WEFT_PERMISSION_DENIED, EACCES, "permission denied");
    chmod(checkpoint, 0600);
  }
  FAILS_WITH(weft_session_save(c.session, ""), WEFT_INVALID_ARGUMENT, 0, "empty");
  FAILS_WITH(weft_tensors_load(folder, NULL, &read), WEFT_INVALID_ARGUMENT, 0, "safetensors");
  EXPECT(weft_status_errno(NULL) == 0);
  weft_tensors_free(set_of);
  discard(&c);
}

/* Cut off anywhere, and with any byte another: an error or, where nothing says that it is wrong, a result; and the
 * session that reads a damaged checkpoint keeps its variables. */
static void test_damaged_files(void) {
  Counting c = counting();
  Content good = content(checkpoint), graph = content(model);
  weft_graph* loaded;
  weft_tensors* read;
  weft_bytes* told;
  weft_status* status;
  size_t i;
  set(&c, 2);
  for (i = 0; i < good.size; ++i) {
    put(checkpoint, good.bytes, i);
    FAILS_WITH(weft_session_load(c.session, checkpoint, NULL), WEFT_DATA_LOSS, 0, checkpoint);
    FAILS_WITH(weft_tensors_load(checkpoint, NULL, &read), WEFT_DATA_LOSS, 0, checkpoint);
    EXPECT(read == NULL);
  }
  EXPECT(variable(&c) == 2);
  for (i = 0; i < graph.size; ++i) { /* some cuts leave a valid file, such as one before the opset */
    status = weft_graph_load_bytes(graph.bytes, i, NULL, NULL, &loaded);
    EXPECT((status == NULL) == (loaded != NULL));
    weft_status_free(status);
    weft_graph_free(loaded);
  }
  put(model, graph.bytes, graph.size / 2);
  FAILS_WITH(weft_graph_load(model, NULL, &loaded), WEFT_DATA_LOSS, 0, model);
  FAILS_WITH(weft_model_inspect(model, &told), WEFT_DATA_LOSS, 0, model);
  for (i = 0; i < graph.size; ++i) {
    graph.bytes[i] = (char)(graph.bytes[i] ^ 0x55);
    status = weft_graph_load_bytes(graph.bytes, graph.size, NULL, NULL, &loaded);
    EXPECT((status == NULL) == (loaded != NULL) && weft_status_code(status) != WEFT_INTERNAL);
    weft_status_free(status);
    weft_graph_free(loaded);
    status = weft_model_inspect_bytes(graph.bytes, graph.size, NULL, &told);
    EXPECT((status == NULL) == (told != NULL) && weft_status_code(status) != WEFT_INTERNAL);
    weft_status_free(status);
    weft_bytes_free(told);
    graph.bytes[i] = (char)(graph.bytes[i] ^ 0x55);
  }
  put(model, graph.bytes, graph.size);
  put(checkpoint, good.bytes, good.size);
  CHECK(weft_session_load(c.session, checkpoint, NULL));
  EXPECT(variable(&c) == 5);
  discard(&c);
}

int main(void) {
  if (mkdtemp(folder) == NULL) return 1;
  snprintf(model, sizeof model, "%s/model.onnx", folder);
  snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint.safetensors", folder);
  snprintf(tensors, sizeof tensors, "%s/tensors.safetensors", folder);
  snprintf(none, sizeof none, "%s/none.safetensors", folder);
  test_older_opset();
  test_there_and_back();
  test_full_disk();
  test_no_files();
  test_damaged_files();
  remove(model);
  remove(checkpoint);
  remove(tensors);
  EXPECT(rmdir(folder) == 0);
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
