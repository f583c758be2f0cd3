/* Device plug-ins: what is no plug-in, devices, and training on one. WEFT_TEST_DEVICE is the plug-in's file. */
#include "../c_api/support.h"
#include "weft/plugin.h"

static weft_session* session_on(weft_graph* graph, const char* device) {
  weft_options* options;
  weft_session* session;
  CHECK(weft_options_new("session", &options));
  CHECK(weft_options_set_string(options, "device", device));
  CHECK(weft_session_new(graph, options, NULL, &session));
  weft_options_free(options);
  return session;
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
  }
  EXPECT(weft_live_objects() == 0);
  return failures != 0;
}
