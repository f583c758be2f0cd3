/* Operators of a program's own: schemas, bodies, gradients, files, host functions inside, and threads. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <unistd.h>

#include "op_support.h"

/* alpha x + bias, where the bias may be left out. */
static weft_status* affine(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                           const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  int64_t in[2], alpha;
  weft_tensor* number;
  weft_status* failed;
  if (user != NULL) ++((Calls*)user)->calls;
  EXPECT(input_count == 2 && output_count == 1 && inputs[0] != 0 && out_values[0] == 0);
  TRY(weft_attrs_get(attrs, "alpha", &number));
  EXPECT(weft_tensor_dtype(number) == WEFT_F64 && weft_tensor_rank(number) == 0);
  failed = weft_graph_add_constant(graph, number, NULL, WEFT_ORIGIN, &alpha);
  weft_tensor_free(number);
  TRY(failed);
  in[0] = alpha;
  in[1] = inputs[0];
  TRY(weft_graph_add(graph, "CastLike", in, 2, NULL, NULL, WEFT_ORIGIN, &in[0], 1));
  TRY(weft_graph_add(graph, "Mul", in, 2, NULL, NULL, WEFT_ORIGIN, &out_values[0], 1));
  in[0] = out_values[0];
  in[1] = inputs[1];
  if (inputs[1] != 0) TRY(weft_graph_add(graph, "Add", in, 2, NULL, NULL, WEFT_ORIGIN, &out_values[0], 1));
  weft_graph_free(graph);
  return NULL;
}

/* The schema of com.acme.<name>: x and a bias that may be left out, y, and alpha. */
static weft_schema* affine_schema(const char* name) {
  weft_schema* schema;
  weft_attrs* defaults;
  CHECK(weft_schema_new(name, 1, "alpha x + bias.", &schema));
  CHECK(weft_schema_add_type(schema, "T", "f32, f64"));
  CHECK(weft_schema_add_input(schema, "x", "T", WEFT_FORM_ONE, "Any shape."));
  CHECK(weft_schema_add_input(schema, "bias", "T", WEFT_FORM_OPTIONAL, NULL));
  CHECK(weft_schema_add_output(schema, "y", "T", WEFT_FORM_ONE, "The shape of x."));
  CHECK(weft_attrs_new(&defaults));
  CHECK(weft_attrs_set_float(defaults, "alpha", 1));
  CHECK(weft_schema_add_attribute(schema, "alpha", "float", 0, defaults, "The factor."));
  weft_attrs_free(defaults);
  return schema;
}
static weft_status* add_affine(weft_graph* graph, int64_t x, int64_t bias, double alpha, int64_t* out_y) {
  int64_t in[2];
  weft_attrs* attrs;
  weft_status* status;
  in[0] = x;
  in[1] = bias;
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_float(attrs, "alpha", alpha));
  status = weft_graph_add(graph, "com.acme.Affine", in, 2, attrs, "affine", "here.c:7", out_y, 1);
  weft_attrs_free(attrs);
  return status;
}

static Calls calls;

static void test_registering(void) {
  const int32_t before = weft_op_count();
  weft_schema* schema = affine_schema("com.acme.Affine");
  weft_bytes* json;
  Calls second = {0};
  int32_t i;
  CHECK(weft_op_add(schema, 0, affine, &calls, dropped));
  EXPECT(weft_op_count() == before + 1);
  for (i = 0; i < before + 1 && strcmp(weft_op_name(i), "com.acme.Affine") != 0;) ++i;
  EXPECT(i <= before && weft_op_name(before + 1) == NULL && weft_op_name(-1) == NULL);
  CHECK(weft_op_inspect("com.acme.Affine", &json));
  EXPECT(strstr(weft_bytes_data(json), "\"alpha x + bias.\"") != NULL);
  EXPECT(strstr(weft_bytes_data(json), "\"T\": \"f32, f64\"") != NULL);
  EXPECT(strstr(weft_bytes_data(json), "\"name\": \"bias\", \"type\": \"T\", \"optional\": true") != NULL);
  weft_bytes_free(json);
  FAILS(weft_op_add(schema, 0, affine, &second, dropped), WEFT_ALREADY_EXISTS, "com.acme.Affine");
  EXPECT(second.drops == 1 && calls.drops == 0);
  FAILS(weft_op_add(schema, 99, affine, &second, dropped), WEFT_INVALID_ARGUMENT, "opset 99");
  EXPECT(second.drops == 2);
  weft_schema_free(schema);
}

static void test_running(void) {
  Model m = model();
  int64_t y, z, w, dx;
  int32_t rank;
  CHECK(add_affine(m.graph, m.x, 0, 2, &y));
  EXPECT(calls.calls > 0);
  CHECK(weft_graph_value(m.graph, y, NULL, NULL, NULL, &rank));
  EXPECT(rank == 1);
  expect(&m, m.x, y, 2, -4, 6, __LINE__);
  CHECK(add_affine(m.graph, y, m.x, 0.5, &z)); /* x + x */
  expect(&m, m.x, z, 2, -4, 6, __LINE__);
  CHECK(weft_graph_add(m.graph, "com.acme.Affine", &m.x, 1, NULL, NULL, NULL, &w, 1)); /* the default is 1 */
  expect(&m, m.x, w, 1, -2, 3, __LINE__);
  y = binary(m.graph, "Mul", z, z); /* 4 x x */
  CHECK(weft_graph_differentiate(m.graph, &y, 1, &m.x, 1, NULL, WEFT_ORIGIN, &dx));
  expect(&m, m.x, dx, 8, -16, 24, __LINE__);
  CHECK(weft_graph_differentiate(m.graph, &dx, 1, &m.x, 1, NULL, WEFT_ORIGIN, &dx));
  expect(&m, m.x, dx, 8, 8, 8, __LINE__);
  end(&m);
}

static void test_files(void) {
  char path[] = "/tmp/weft_op_XXXXXX";
  Model m = model(), n;
  weft_bytes* json;
  int64_t y;
  close(mkstemp(path));
  CHECK(add_affine(m.graph, m.x, 0, 2, &y));
  CHECK(weft_graph_save(m.graph, &y, 1, NULL, path, NULL));
  end(&m);
  CHECK(weft_model_inspect(path, &json));
  EXPECT(strstr(weft_bytes_data(json), "\"com.acme.Affine\": 1") != NULL);
  EXPECT(strstr(weft_bytes_data(json), "\"com.acme\": 1") != NULL);
  EXPECT(strstr(weft_bytes_data(json), "\"unsupported\": []") != NULL);
  weft_bytes_free(json);
  CHECK(weft_graph_load(path, NULL, &n.graph));
  CHECK(weft_session_new(n.graph, NULL, NULL, &n.session));
  expect(&n, weft_graph_input(n.graph, 0), weft_graph_output(n.graph, 0), 2, -4, 6, __LINE__);
  end(&n);
  remove(path);
}

/* Doubles in a function of the program, when the graph runs. */
static weft_status* doubled(void* user, const weft_tensor* const* inputs, int32_t input_count,
                            weft_tensor** out_tensors, int32_t output_count) {
  float made[3];
  int i;
  (void)user;
  EXPECT(input_count == 1 && output_count == 1);
  for (i = 0; i < 3; ++i) made[i] = 2 * at(inputs[0], i);
  out_tensors[0] = floats(made, 3);
  return NULL;
}
static weft_status* calling(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                            const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  static const char *const dtypes[1] = {"f32"}, *const shapes[1] = {"n"};
  weft_attrs* call;
  (void)user, (void)input_count, (void)attrs, (void)output_count;
  CHECK(weft_attrs_new(&call));
  CHECK(weft_attrs_set_string(call, "name", "c/doubled"));
  CHECK(weft_attrs_set_strings(call, "dtypes", dtypes, 1));
  CHECK(weft_attrs_set_strings(call, "shapes", shapes, 1));
  CHECK(weft_graph_add(graph, "weft.HostCall", inputs, 1, call, NULL, WEFT_ORIGIN, out_values, 1));
  weft_attrs_free(call);
  weft_graph_free(graph);
  return NULL;
}
static void test_host_function_inside(void) {
  Model m = model();
  int64_t y;
  add_simple("com.acme.Doubled", calling, NULL);
  CHECK(weft_host_function_set("c/doubled", doubled, NULL, NULL));
  CHECK(weft_graph_add(m.graph, "com.acme.Doubled", &m.x, 1, NULL, NULL, NULL, &y, 1));
  expect(&m, m.x, y, 2, -4, 6, __LINE__);
  CHECK(weft_host_function_set("c/doubled", NULL, NULL, NULL));
  end(&m);
}

static void test_schemas(void) {
  weft_schema* s;
  weft_attrs* defaults;
  FAILS(weft_schema_new("FastGelu", 1, NULL, &s), WEFT_INVALID_ARGUMENT, "domain");
  EXPECT(s == NULL);
  FAILS(weft_schema_new("com.acme.", 1, NULL, &s), WEFT_INVALID_ARGUMENT, "''");
  FAILS(weft_schema_new("com..acme.X", 1, NULL, &s), WEFT_INVALID_ARGUMENT, "com..acme");
  FAILS(weft_schema_new("com.acme.2D", 1, NULL, &s), WEFT_INVALID_ARGUMENT, "2D");
  FAILS(weft_schema_new("ai.onnx.Mine", 1, NULL, &s), WEFT_INVALID_ARGUMENT, "ONNX's");
  FAILS(weft_schema_new("ai.onnx.ml.Mine", 1, NULL, &s), WEFT_INVALID_ARGUMENT, "ONNX's");
  FAILS(weft_schema_new("weft.Mine", 1, NULL, &s), WEFT_INVALID_ARGUMENT, "the library's");
  FAILS(weft_schema_new("com.acme.X", 0, NULL, &s), WEFT_INVALID_ARGUMENT, "version");
  CHECK(weft_schema_new("com.acme.X", 2, NULL, &s));
  FAILS(weft_op_add(s, 0, affine, NULL, NULL), WEFT_INVALID_ARGUMENT, "no output");
  FAILS(weft_schema_add_type(s, "T", "f33"), WEFT_INVALID_ARGUMENT, "f33");
  FAILS(weft_schema_add_type(s, "T", ""), WEFT_INVALID_ARGUMENT, "some dtype");
  FAILS(weft_schema_add_type(s, "f32", "f32"), WEFT_INVALID_ARGUMENT, "is a dtype");
  CHECK(weft_schema_add_type(s, "T", "f32,f64"));
  FAILS(weft_schema_add_type(s, "T", "i32"), WEFT_ALREADY_EXISTS, "'T'");
  FAILS(weft_schema_add_input(s, "x", "U", WEFT_FORM_ONE, NULL), WEFT_INVALID_ARGUMENT, "'U'");
  FAILS(weft_schema_add_input(s, "x", "seq(U)", WEFT_FORM_ONE, NULL), WEFT_INVALID_ARGUMENT, "seq(U)");
  FAILS(weft_schema_add_input(s, "x y", "T", WEFT_FORM_ONE, NULL), WEFT_INVALID_ARGUMENT, "x y");
  FAILS(weft_schema_add_input(s, "x", "T", 3, NULL), WEFT_INVALID_ARGUMENT, "form");
  CHECK(weft_schema_add_input(s, "x", "seq(T)", WEFT_FORM_ONE, NULL));
  FAILS(weft_schema_add_input(s, "x", "T", WEFT_FORM_ONE, NULL), WEFT_ALREADY_EXISTS, "'x'");
  CHECK(weft_schema_add_input(s, "y", "map(string, T)", WEFT_FORM_OPTIONAL, NULL));
  FAILS(weft_schema_add_input(s, "z", "T", WEFT_FORM_ONE, NULL), WEFT_INVALID_ARGUMENT, "optional");
  FAILS(weft_schema_add_output(s, "y", "T", WEFT_FORM_OPTIONAL, NULL), WEFT_INVALID_ARGUMENT, "first output");
  CHECK(weft_schema_add_output(s, "y", "i64", WEFT_FORM_VARIADIC, NULL));
  FAILS(weft_schema_add_output(s, "z", "T", WEFT_FORM_ONE, NULL), WEFT_INVALID_ARGUMENT, "variadic");
  FAILS(weft_schema_add_attribute(s, "a", "graph", 0, NULL, NULL), WEFT_INVALID_ARGUMENT, "must be one of int");
  CHECK(weft_attrs_new(&defaults));
  FAILS(weft_schema_add_attribute(s, "a", "int", 0, defaults, NULL), WEFT_INVALID_ARGUMENT, "no attribute 'a'");
  CHECK(weft_attrs_set_string(defaults, "a", "1"));
  FAILS(weft_schema_add_attribute(s, "a", "int", 0, defaults, NULL), WEFT_INVALID_ARGUMENT, "kind int");
  FAILS(weft_schema_add_attribute(s, "a", "string", 1, defaults, NULL), WEFT_INVALID_ARGUMENT, "required");
  CHECK(weft_attrs_set_int(defaults, "a", 2));
  FAILS(weft_schema_add_attribute(s, "a", "bool", 0, defaults, NULL), WEFT_INVALID_ARGUMENT, "0 or 1");
  CHECK(weft_schema_add_attribute(s, "a", "float", 0, defaults, NULL)); /* a whole number serves */
  FAILS(weft_schema_add_attribute(s, "a", "int", 1, NULL, NULL), WEFT_ALREADY_EXISTS, "'a'");
  weft_attrs_free(defaults);
  weft_schema_free(s);
}

static void test_wrong_nodes(void) {
  Model m = model();
  weft_attrs* attrs;
  int64_t y, i;
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "beta", 1));
  FAILS(weft_graph_add(m.graph, "com.acme.Affine", &m.x, 1, attrs, NULL, NULL, &y, 1), WEFT_INVALID_ARGUMENT, "'beta'");
  FAILS(weft_graph_add(m.graph, "com.acme.Affin", &m.x, 1, NULL, NULL, NULL, &y, 1), WEFT_NOT_FOUND, "com.acme.Affine");
  FAILS(weft_graph_add(m.graph, "com.acme.Affine", NULL, 0, NULL, NULL, NULL, &y, 1), WEFT_INVALID_ARGUMENT,
        "'x' is missing");
  CHECK(weft_graph_add_input(m.graph, "i", WEFT_I32, "n", NULL, &i));
  FAILS(weft_graph_add(m.graph, "com.acme.Affine", &i, 1, NULL, NULL, NULL, &y, 1), WEFT_INVALID_ARGUMENT, "f32, f64");
  EXPECT(y == 0);
  weft_attrs_free(attrs);
  end(&m);
}

/* Adds a node of the operator that `user` names. */
static weft_status* adding(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                           const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  (void)attrs;
  TRY(weft_graph_add(graph, user, inputs, input_count, NULL, NULL, WEFT_ORIGIN, out_values, output_count));
  weft_graph_free(graph);
  return NULL;
}
/* The same in a graph that it makes. */
static weft_status* adding_elsewhere(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count,
                                     const weft_attrs* attrs, int64_t* out_values, int32_t output_count) {
  weft_status* status;
  weft_graph* other;
  int64_t x, y;
  (void)input_count, (void)attrs, (void)output_count;
  TRY(weft_graph_new(0, &other));
  CHECK(weft_graph_add_input(other, "x", WEFT_F32, "n", NULL, &x));
  status = weft_graph_add(other, user, &x, 1, NULL, NULL, NULL, &y, 1);
  weft_graph_free(other);
  TRY(status);
  out_values[0] = inputs[0];
  weft_graph_free(graph);
  return NULL;
}
static void test_recursion(void) {
  static char self[] = "com.acme.Self", ping[] = "com.acme.Ping", pong[] = "com.acme.Pong", spawn[] = "com.acme.Spawn";
  static char doubled_op[] = "com.acme.Doubled";
  Model m = model();
  int64_t y;
  add_simple(self, adding, self);
  FAILS(weft_graph_add(m.graph, self, &m.x, 1, NULL, NULL, NULL, &y, 1), WEFT_INVALID_ARGUMENT,
        "com.acme.Self is made of com.acme.Self");
  add_simple(ping, adding, pong);
  add_simple(pong, adding, ping);
  FAILS(weft_graph_add(m.graph, ping, &m.x, 1, NULL, NULL, NULL, &y, 1), WEFT_INVALID_ARGUMENT,
        "com.acme.Ping is made of com.acme.Pong, which is made of com.acme.Ping");
  add_simple(spawn, adding_elsewhere, spawn);
  FAILS(weft_graph_add(m.graph, spawn, &m.x, 1, NULL, NULL, NULL, &y, 1), WEFT_UNIMPLEMENTED, "deep");
  add_simple("com.acme.Nested", adding, doubled_op); /* of another operator it may be made */
  CHECK(weft_host_function_set("c/doubled", doubled, NULL, NULL));
  CHECK(weft_graph_add(m.graph, "com.acme.Nested", &m.x, 1, NULL, NULL, NULL, &y, 1));
  expect(&m, m.x, y, 2, -4, 6, __LINE__);
  CHECK(weft_host_function_set("c/doubled", NULL, NULL, NULL));
  end(&m);
}

/* Threads register operators, build and run with them, and try to register one and the same. */
enum { THREADS = 4, ROUNDS = 20 };
static int won[THREADS];
static void* work(void* argument) {
  const int thread = *(int*)argument;
  int i;
  for (i = 0; i < ROUNDS; ++i) {
    char name[64];
    weft_schema* schema;
    weft_status* status;
    Model m = model();
    int64_t y;
    snprintf(name, sizeof name, "com.acme.threads.Op%d_%d", thread, i);
    schema = affine_schema(name);
    CHECK(weft_op_add(schema, 0, affine, NULL, NULL));
    weft_schema_free(schema);
    snprintf(name, sizeof name, "com.acme.threads.Shared%d", i);
    schema = affine_schema(name);
    status = weft_op_add(schema, 0, affine, NULL, NULL);
    if (status == NULL) ++won[thread];
    if (status != NULL && weft_status_code(status) != WEFT_ALREADY_EXISTS) ++failures;
    weft_status_free(status);
    weft_schema_free(schema);
    CHECK(weft_graph_add(m.graph, name, &m.x, 1, NULL, NULL, NULL, &y, 1));
    expect(&m, m.x, y, 1, -2, 3, __LINE__);
    end(&m);
  }
  return NULL;
}
static void test_threads(void) {
  pthread_t threads[THREADS];
  int numbers[THREADS], i, total = 0;
  const int32_t before = weft_op_count();
  for (i = 0; i < THREADS; ++i) {
    numbers[i] = i;
    EXPECT(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0);
  }
  for (i = 0; i < THREADS; ++i) {
    pthread_join(threads[i], NULL);
    total += won[i];
  }
  EXPECT(total == ROUNDS && weft_op_count() == before + THREADS * ROUNDS + ROUNDS);
}

int main(void) {
  test_registering();
  test_running();
  test_files();
  test_host_function_inside();
  test_schemas();
  test_wrong_nodes();
  test_recursion();
  test_threads();
  EXPECT(calls.drops == 0 && weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
