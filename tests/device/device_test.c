/* Device plug-ins: what is no plug-in, devices, training on one, and tensors that lie there. WEFT_TEST_DEVICE is the plug-in's file. */
#include "../c_api/support.h"
#include "weft/plugin.h"

static weft_session* session_leaving(weft_graph* graph, const char* device, int device_outputs) {
  weft_options* options;
  weft_session* session;
  CHECK(weft_options_new("session", &options));
  CHECK(weft_options_set_string(options, "device", device));
  if (device_outputs) CHECK(weft_options_set_int(options, "device_outputs", 1));
  CHECK(weft_session_new(graph, options, NULL, &session));
  weft_options_free(options);
  return session;
}
static weft_session* session_on(weft_graph* graph, const char* device) { return session_leaving(graph, device, 0); }

static weft_tensor* moved(const weft_tensor* tensor, const char* device) {
  weft_tensor* there;
  CHECK(weft_tensor_to(tensor, device, &there));
  return there;
}
/* Whether it lies on the device and has these elements. */
static int holds(const weft_tensor* tensor, const char* device, const float* numbers, int64_t count) {
  weft_tensor* host = moved(tensor, "cpu");
  int same = strcmp(weft_tensor_device(tensor), device) == 0 && weft_tensor_count(tensor) == count &&
             memcmp(weft_tensor_data(host), numbers, (size_t)count * sizeof *numbers) == 0;
  weft_tensor_free(host);
  return same;
}
static int says(const weft_tensor* tensor, const char* wanted) {
  weft_bytes* text;
  int same;
  CHECK(weft_tensor_text(tensor, &text));
  same = weft_bytes_size(text) == strlen(wanted) && memcmp(weft_bytes_data(text), wanted, strlen(wanted)) == 0;
  weft_bytes_free(text);
  return same;
}

static void expect_refusals(weft_graph* graph) {
  weft_options* options;
  weft_session* session;
  FAILS(weft_device_load(NULL), WEFT_INVALID_ARGUMENT, "'path'");
  FAILS(weft_device_load("/nowhere/libweft_none.so"), WEFT_NOT_FOUND, "'/nowhere/libweft_none.so' cannot be loaded: ");
  FAILS(weft_device_load("libm.so.6"), WEFT_INVALID_ARGUMENT, "'libm.so.6' is no device plug-in");
  EXPECT(weft_device_count() == 1);
  EXPECT(weft_device_name(1) == NULL && weft_device_name(-1) == NULL);
  CHECK(weft_options_new("session", &options));
  CHECK(weft_options_set_string(options, "device", "cuda:0"));
  FAILS(weft_session_new(graph, options, NULL, &session), WEFT_NOT_FOUND,
        "option 'device': there is no device 'cuda:0'; the devices are cpu");
  EXPECT(session == NULL);
  weft_options_free(options);
}

static void expect_devices(void) {
  int i;
  for (i = 0; i < 2; ++i) { /* the second time changes nothing */
    CHECK(weft_device_load(WEFT_TEST_DEVICE));
    EXPECT(weft_device_count() == 3);
    EXPECT(strcmp(weft_device_name(0), "cpu") == 0);
    EXPECT(strcmp(weft_device_name(1), "test:0") == 0);
    EXPECT(strcmp(weft_device_name(2), "test:1") == 0);
  }
}

/* Three steps of w := w + 1, and the double of what is fed. */
static void count_on(const char* device) {
  static const float fed[3] = {1, 2, 3};
  Counting c = counting();
  weft_tensor *x = floats(fed, 3), *twice;
  int i;
  weft_session_free(c.session);
  c.session = session_on(c.graph, device);
  for (i = 1; i <= 3; ++i) {
    CHECK(weft_session_run(c.session, &c.x, (const weft_tensor* const*)&x, 1, &c.twice, 1, &c.step, 1, NULL, &twice));
    EXPECT(at(twice, 0) == 2 && at(twice, 1) == 4 && at(twice, 2) == 6);
    EXPECT(variable(&c) == (float)i);
    weft_tensor_free(twice);
  }
  weft_tensor_free(x);
  discard(&c);
}

/* An error that comes when the device has got so far names the node all the same. */
static void fail_on(const char* device) {
  static const float row[3] = {1, 2, 3};
  const int64_t place = 7;
  weft_graph* graph;
  weft_session* session;
  weft_tensor *out, *fed[2];
  weft_status* status;
  int64_t in[2], y;
  fed[0] = floats(row, 3);
  CHECK(weft_tensor_new_copy(WEFT_I64, NULL, 0, &place, sizeof place, &fed[1]));
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "3", WEFT_ORIGIN, &in[0]));
  CHECK(weft_graph_add_input(graph, "at", WEFT_I64, "", WEFT_ORIGIN, &in[1]));
  CHECK(weft_graph_add(graph, "Gather", in, 2, NULL, "look_up", WEFT_ORIGIN, &y, 1));
  session = session_on(graph, device);
  status = weft_session_run(session, in, (const weft_tensor* const*)fed, 2, &y, 1, NULL, 0, NULL, &out);
  EXPECT(weft_status_code(status) == WEFT_OUT_OF_RANGE);
  EXPECT(strcmp(weft_status_node(status), "look_up") == 0);
  EXPECT(strstr(weft_status_origin(status), "device_test.c") != NULL);
  weft_status_free(status);
  weft_session_free(session);
  weft_graph_free(graph);
  weft_tensor_free(fed[0]);
  weft_tensor_free(fed[1]);
}

/* The head of DLPack's DLManagedTensorVersioned, as its specification has it. */
typedef struct Managed {
  uint32_t major, minor;
  void* context;
  void (*deleter)(struct Managed*);
  uint64_t flags;
  void* data;
  int32_t device_type, device_id;
} Managed;

static void move_to(const char* device, int32_t number) {
  static const float row[3] = {1, 2, 3};
  const int64_t column[2] = {3, 1};
  weft_tensor *host = floats(row, 3), *there = moved(host, device), *same, *copy, *shaped, *taken;
  weft_buffer* buffer;
  void *data, *managed;
  EXPECT(strcmp(weft_tensor_device(host), "cpu") == 0 && strcmp(weft_tensor_device(there), device) == 0);
  EXPECT(weft_tensor_data(there) == NULL && weft_tensor_bytes(there) == 12 && weft_tensor_dtype(there) == WEFT_F32);
  FAILS(weft_tensor_mutable(there, &data), WEFT_FAILED_PRECONDITION, "'to' with the device 'cpu' copies them");
  FAILS(weft_tensor_buffer(there, &buffer), WEFT_FAILED_PRECONDITION, "the elements of f32[3] lie on 'test:");
  EXPECT(says(there, number == 0 ? "f32[3] on test:0" : "f32[3] on test:1") && says(host, "f32[3]"));
  CHECK(weft_tensor_copy(there, &copy));
  CHECK(weft_tensor_reshape(there, column, 2, &shaped));
  same = moved(host, "cpu"); /* where it is: shared */
  EXPECT(weft_tensor_data(same) == weft_tensor_data(host));
  EXPECT(holds(there, device, row, 3) && holds(copy, device, row, 3) && holds(shaped, device, row, 3));
  CHECK(weft_tensor_dlpack(there, 1, &managed));
  EXPECT(((Managed*)managed)->device_type == 12 && ((Managed*)managed)->device_id == number);
  weft_tensor_free(there);
  CHECK(weft_tensor_borrow_dlpack(managed, 1, &taken));
  EXPECT(holds(taken, device, row, 3));
  FAILS(weft_tensor_to(taken, "cuda:0", &there), WEFT_NOT_FOUND,
        "there is no device 'cuda:0'; the devices are cpu, test:0, test:1");
  EXPECT(there == NULL);
  weft_tensor_free(taken);
  weft_tensor_free(shaped);
  weft_tensor_free(copy);
  weft_tensor_free(same);
  weft_tensor_free(host);
}

/* What keeps values takes them into the process's memory. */
static void keep_from(const char* device) {
  static const float row[3] = {1, 2, 3};
  static const char* const words[1] = {"a"};
  weft_tensor *host = floats(row, 3), *there = moved(host, device), *strings, *sequence, *item, *none;
  const weft_tensor* both[2];
  weft_dataset* dataset;
  weft_graph* graph;
  weft_session* session;
  int64_t value;
  both[0] = host;
  both[1] = there;
  CHECK(weft_tensor_new_sequence(both, 2, &sequence));
  EXPECT(strcmp(weft_tensor_device(sequence), "cpu") == 0);
  CHECK(weft_tensor_at(sequence, 1, &item));
  EXPECT(holds(item, "cpu", row, 3));
  weft_tensor_free(item);
  FAILS(weft_tensor_to(sequence, device, &none), WEFT_UNIMPLEMENTED, "sequence of 2 cannot lie on 'test:");
  CHECK(weft_tensor_new_strings(NULL, 0, words, NULL, 1, &strings));
  FAILS(weft_tensor_to(strings, device, &none), WEFT_UNIMPLEMENTED, "string[] cannot lie on 'test:");
  EXPECT(none == NULL && strcmp(weft_tensor_device(strings), "cpu") == 0);
  CHECK(weft_dataset_new(both, 2, &dataset));
  CHECK(weft_dataset_at(dataset, 1, &item));
  EXPECT(holds(item, "cpu", row, 3));
  weft_tensor_free(item);
  weft_dataset_free(dataset);
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_constant(graph, there, NULL, WEFT_ORIGIN, &value));
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  CHECK(weft_session_run(session, NULL, NULL, 0, &value, 1, NULL, 0, NULL, &item));
  EXPECT(holds(item, "cpu", row, 3));
  weft_tensor_free(item);
  weft_session_free(session);
  weft_graph_free(graph);
  weft_tensor_free(strings);
  weft_tensor_free(sequence);
  weft_tensor_free(there);
  weft_tensor_free(host);
}

/* Fed and fetched there: x, and the same again as what was fetched. */
static void stay_on(const char* device, const char* other) {
  static const float row[3] = {1, 2, 3}, doubled[3] = {2, 4, 6}, again[3] = {4, 8, 12}, one = 1;
  Counting c = counting();
  weft_tensor *host = floats(row, 3), *x = moved(host, device), *elsewhere = moved(host, other), *out[2], *none;
  const weft_tensor* fed[1];
  weft_prepared* call;
  int64_t fetches[2];
  weft_session_free(c.session);
  c.session = session_leaving(c.graph, device, 1);
  fetches[0] = c.twice;
  fetches[1] = c.step;
  fed[0] = x;
  CHECK(weft_session_run(c.session, &c.x, fed, 1, fetches, 2, NULL, 0, NULL, out));
  EXPECT(holds(out[0], device, doubled, 3) && holds(out[1], device, &one, 1) && variable(&c) == 1);
  weft_tensor_free(x);
  CHECK(weft_session_prepare(c.session, &c.x, 1, &c.twice, 1, NULL, 0, &call));
  CHECK(weft_prepared_bind_input(call, 0, out[0]));
  CHECK(weft_prepared_run(call, NULL));
  CHECK(weft_prepared_output(call, 0, &none));
  EXPECT(holds(none, device, again, 3));
  weft_tensor_free(none);
  CHECK(weft_prepared_bind_output(call, 0, host));
  CHECK(weft_prepared_run(call, NULL));
  EXPECT(holds(host, "cpu", again, 3));
  FAILS(weft_prepared_bind_input(call, 0, elsewhere), WEFT_INVALID_ARGUMENT, "the session runs on 'test:");
  FAILS(weft_prepared_bind_output(call, 0, elsewhere), WEFT_INVALID_ARGUMENT, "bound to output '0' lies on 'test:");
  weft_prepared_free(call);
  fed[0] = elsewhere;
  FAILS(weft_session_run(c.session, &c.x, fed, 1, &c.twice, 1, NULL, 0, NULL, &none), WEFT_INVALID_ARGUMENT,
        "the tensor fed to 'x' lies on 'test:");
  CHECK(weft_session_set(c.session, "w", out[1]));
  EXPECT(variable(&c) == 1);
  weft_tensor_free(out[0]);
  weft_tensor_free(out[1]);
  weft_tensor_free(elsewhere);
  weft_tensor_free(host);
  discard(&c);
}

int main(void) {
  weft_graph* graph;
  int i;
  CHECK(weft_graph_new(0, &graph));
  expect_refusals(graph);
  weft_graph_free(graph);
  expect_devices();
  for (i = 0; i < weft_device_count(); ++i) {
    count_on(weft_device_name(i));
    fail_on(weft_device_name(i));
    if (i == 0) continue;
    move_to(weft_device_name(i), i - 1);
    keep_from(weft_device_name(i));
    stay_on(weft_device_name(i), weft_device_name(3 - i));
  }
  EXPECT(weft_live_objects() == 0);
  return failures != 0;
}
