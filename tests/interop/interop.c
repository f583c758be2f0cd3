/* The commands of README.md in C. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/weft.h"

static const char* const kLanguages[] = {"c", "cpp", "python", "java", "go"};
enum { kLanguageCount = 5 };

static void check(weft_status* status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", weft_status_text(status));
  exit(1);
}

static uint64_t fnv(uint64_t value, const weft_tensor* tensor) {
  const unsigned char* bytes = weft_tensor_data(tensor);
  size_t i;
  for (i = 0; i < weft_tensor_bytes(tensor); ++i) value = (value ^ bytes[i]) * 0x100000001b3u;
  return value;
}
static const uint64_t kStart = 0xcbf29ce484222325u;

static unsigned long long bits(double number) {
  unsigned long long raw;
  memcpy(&raw, &number, 8);
  return raw;
}

/* -- Attributes and nodes. */

static weft_attrs* attrs_new(void) {
  weft_attrs* attrs;
  check(weft_attrs_new(&attrs));
  return attrs;
}
static int64_t node(weft_graph* graph, const char* op, int64_t a, int64_t b, weft_attrs* attrs, const char* name) {
  int64_t inputs[2], out;
  inputs[0] = a;
  inputs[1] = b;
  check(weft_graph_add(graph, op, inputs, b != 0 ? 2 : 1, attrs, name, WEFT_ORIGIN, &out, 1));
  weft_attrs_free(attrs);
  return out;
}
static int64_t constant(weft_graph* graph, int32_t dtype, const int64_t* dims, int32_t rank, const void* data,
                        size_t bytes) {
  weft_tensor* tensor;
  int64_t out;
  check(weft_tensor_new_copy(dtype, dims, rank, data, bytes, &tensor));
  check(weft_graph_add_constant(graph, tensor, NULL, WEFT_ORIGIN, &out));
  weft_tensor_free(tensor);
  return out;
}
static weft_layer* layer(weft_graph* graph, const char* type, const char* name, weft_attrs* attrs) {
  weft_layer* out;
  check(weft_layer_new(graph, type, attrs, name, WEFT_ORIGIN, &out));
  weft_attrs_free(attrs);
  return out;
}
static int64_t call(weft_layer* used, int64_t x, int training) {
  int64_t out;
  check(weft_layer_call(used, &x, 1, training, WEFT_ORIGIN, &out, 1));
  return out;
}

/* -- The networks. */

typedef struct {
  weft_dataset* train;
  weft_graph* graph;
  weft_session* session;
  int64_t feeds[2], trained, logits, loss, step;
} Net;

static weft_dataset* digits(int64_t first, int64_t count) {
  const char* names[] = {"images", "labels"};
  weft_dataset *data, *rows;
  check(weft_dataset_load("examples/data/digits.safetensors", names, 2, NULL, &data));
  check(weft_dataset_new_rows(data, first, count, &rows));
  weft_dataset_free(data);
  return rows;
}
static weft_layer* dense(Net* net, const char* name, int64_t inputs, int64_t units, const char* activation, int seed) {
  weft_attrs* attrs = attrs_new();
  check(weft_attrs_set_int(attrs, "inputs", inputs));
  check(weft_attrs_set_int(attrs, "units", units));
  check(weft_attrs_set_string(attrs, "activation", activation));
  check(weft_attrs_set_int(attrs, "seed", seed));
  return layer(net->graph, "Dense", name, attrs);
}
static void mlp(Net* net, int drops) {
  weft_layer* hidden = dense(net, "hidden", 64, 64, "relu", 1);
  weft_layer* scores = dense(net, "scores", 64, 10, "", 2);
  int64_t x = call(hidden, net->feeds[0], 0);
  net->trained = net->logits = call(scores, x, 0);
  if (drops) {
    weft_attrs* attrs = attrs_new();
    weft_layer* drop;
    check(weft_attrs_set_float(attrs, "rate", 0.25));
    check(weft_attrs_set_int(attrs, "seed", 3));
    drop = layer(net->graph, "Dropout", "drop", attrs);
    net->trained = call(scores, call(drop, x, 1), 1);
    weft_layer_free(drop);
  }
  weft_layer_free(hidden);
  weft_layer_free(scores);
}
static int64_t network(Net* net, weft_layer** convs, weft_layer** norms, weft_layer* scores, int training) {
  const int64_t shape[] = {-1, 1, 8, 8}, four[] = {4}, two[] = {2, 2};
  int64_t x = node(net->graph, "Reshape", net->feeds[0], constant(net->graph, WEFT_I64, four, 1, shape, sizeof shape),
                   NULL, NULL);
  int i;
  for (i = 0; i < 3; ++i) {
    x = node(net->graph, "Relu", call(norms[i], call(convs[i], x, training), training), 0, NULL, NULL);
    if (i == 1) {
      weft_attrs* attrs = attrs_new();
      check(weft_attrs_set_ints(attrs, "kernel_shape", two, 2));
      check(weft_attrs_set_ints(attrs, "strides", two, 2));
      x = node(net->graph, "MaxPool", x, 0, attrs, NULL);
    }
  }
  x = node(net->graph, "GlobalAveragePool", x, 0, NULL, NULL);
  return call(scores, node(net->graph, "Flatten", x, 0, NULL, NULL), training);
}
static void cnn(Net* net) {
  const int64_t channels[] = {1, 32, 32, 64}, three = 3, one = 1;
  weft_layer *convs[3], *norms[3], *scores;
  int i;
  for (i = 0; i < 3; ++i) {
    char name[8];
    weft_attrs* attrs = attrs_new();
    check(weft_attrs_set_int(attrs, "inputs", channels[i]));
    check(weft_attrs_set_int(attrs, "filters", channels[i + 1]));
    check(weft_attrs_set_ints(attrs, "kernel", &three, 1));
    check(weft_attrs_set_ints(attrs, "pads", &one, 1));
    check(weft_attrs_set_int(attrs, "seed", 1));
    snprintf(name, sizeof name, "conv%d", i + 1);
    convs[i] = layer(net->graph, "Conv2d", name, attrs);
    attrs = attrs_new();
    check(weft_attrs_set_int(attrs, "channels", channels[i + 1]));
    snprintf(name, sizeof name, "norm%d", i + 1);
    norms[i] = layer(net->graph, "BatchNorm", name, attrs);
  }
  scores = dense(net, "scores", 64, 10, "", 1);
  net->trained = network(net, convs, norms, scores, 1);
  net->logits = network(net, convs, norms, scores, 0);
  for (i = 0; i < 3; ++i) {
    weft_layer_free(convs[i]);
    weft_layer_free(norms[i]);
  }
  weft_layer_free(scores);
}
static Net net_new(const char* kind) {
  Net net;
  weft_options* options;
  memset(&net, 0, sizeof net);
  net.train = digits(0, 1500);
  check(weft_graph_new(0, &net.graph));
  check(weft_graph_add_input(net.graph, "images", WEFT_F32, "batch,64", WEFT_ORIGIN, &net.feeds[0]));
  check(weft_graph_add_input(net.graph, "labels", WEFT_I64, "batch", WEFT_ORIGIN, &net.feeds[1]));
  if (strcmp(kind, "cnn") == 0)
    cnn(&net);
  else
    mlp(&net, strcmp(kind, "dropout") == 0);
  net.loss = node(net.graph, "SoftmaxCrossEntropyLoss", net.trained, net.feeds[1], NULL, "loss");
  check(weft_options_new("optimizer", &options));
  check(weft_options_set_float(options, "learning_rate", 1e-3));
  check(weft_optimizer_add(net.graph, "Adam", options, net.loss, NULL, 0, 0, WEFT_ORIGIN, &net.step));
  weft_options_free(options);
  check(weft_session_new(net.graph, NULL, NULL, &net.session));
  return net;
}
static void net_free(Net* net) {
  weft_session_free(net->session);
  weft_graph_free(net->graph);
  weft_dataset_free(net->train);
}
/* The last loss; all are written to `losses`, which may be NULL. */
static double fit(Net* net, int64_t first, int64_t last, double* losses) {
  weft_options* options;
  weft_history* history;
  double final = 0;
  int64_t i;
  check(weft_options_new("fit", &options));
  check(weft_options_set_int(options, "first_epoch", first));
  check(weft_options_set_int(options, "epochs", last));
  check(weft_options_set_int(options, "seed", 1));
  check(weft_session_fit(net->session, net->train, net->feeds, 2, net->step, &net->loss, 1, options, &history));
  for (i = 0; i < weft_history_count(history); ++i) {
    final = weft_history_data(history)[i];
    if (losses != NULL) losses[i] = final;
  }
  weft_history_free(history);
  weft_options_free(options);
  return final;
}

/* -- The commands. */

static const char* path_of(const char* folder, const char* language, const char* kind, const char* ending) {
  static char path[1024];
  snprintf(path, sizeof path, "%s/%s.%s.%s", folder, language, kind, ending);
  return path;
}

static void train(const char* kind, const char* folder, int epochs) {
  Net net = net_new(kind);
  double* losses = calloc((size_t)epochs + 1, sizeof *losses);
  int i;
  fit(&net, 0, epochs / 2, losses);
  check(weft_session_save(net.session, path_of(folder, "c", kind, "half")));
  fit(&net, epochs / 2, epochs, losses + epochs / 2);
  check(weft_session_save(net.session, path_of(folder, "c", kind, "full")));
  check(weft_graph_save(net.graph, &net.logits, 1, net.session, path_of(folder, "c", kind, "onnx"), NULL));
  for (i = 0; i < epochs; ++i) printf("loss %d %016llx\n", i + 1, bits(losses[i]));
  free(losses);
  net_free(&net);
}

static void load(const char* kind, const char* folder) {
  weft_dataset* test = digits(1500, 297);
  weft_tensor* labels;
  int64_t rows = weft_dataset_count(test);
  int language;
  check(weft_dataset_at(test, 1, &labels));
  for (language = 0; language < kLanguageCount; ++language) {
    weft_graph* graph;
    weft_session* session;
    weft_tensor* logits;
    int64_t feeds[2] = {0, 0}, fetch, row, right = 0;
    check(weft_graph_load(path_of(folder, kLanguages[language], kind, "onnx"), NULL, &graph));
    check(weft_session_new(graph, NULL, NULL, &session));
    feeds[0] = weft_graph_input(graph, 0);
    fetch = weft_graph_output(graph, 0);
    check(weft_session_predict(session, test, feeds, 2, &fetch, 1, NULL, &logits));
    for (row = 0; row < rows; ++row) {
      const float* of = (const float*)weft_tensor_data(logits) + 10 * row;
      int best = 0, digit;
      for (digit = 1; digit < 10; ++digit) best = of[digit] > of[best] ? digit : best;
      right += best == ((const int64_t*)weft_tensor_data(labels))[row];
    }
    printf("model %s %016llx %016llx\n", kLanguages[language], bits((double)right / (double)rows),
           (unsigned long long)fnv(kStart, logits));
    weft_tensor_free(logits);
    weft_session_free(session);
    weft_graph_free(graph);
  }
  weft_tensor_free(labels);
  weft_dataset_free(test);
}

static void resume(const char* kind, const char* folder, int epochs) {
  int language;
  int32_t i;
  for (language = 0; language < kLanguageCount; ++language) {
    Net net = net_new(kind);
    double last;
    uint64_t value = kStart;
    check(weft_session_load(net.session, path_of(folder, kLanguages[language], kind, "half"), NULL));
    last = fit(&net, epochs / 2, epochs, NULL);
    for (i = 0; i < weft_graph_variable_count(net.graph); ++i) {
      const char* name;
      weft_tensor* tensor;
      check(weft_graph_value(net.graph, weft_graph_variable(net.graph, i), &name, NULL, NULL, NULL));
      check(weft_session_get(net.session, name, &tensor));
      value = fnv(value, tensor);
      weft_tensor_free(tensor);
    }
    printf("resumed %s %016llx %016llx\n", kLanguages[language], bits(last), (unsigned long long)value);
    net_free(&net);
  }
}

typedef struct {
  const char *name, *type;
  const char* keys[4]; /* of whole numbers, with their values */
  int64_t values[4];
} layer_row;

/* Every kind of layer in one graph that trains: what it computes, and the gradient of its mean by the looked-up table. */
static void all_layers(void) {
  static const layer_row kRows[] = {
      {"embedding", "Embedding", {"count", "size", "seed"}, {11, 8, 1}},
      {"layer_norm", "LayerNorm", {"units"}, {8}},
      {"lstm", "LSTM", {"inputs", "units", "seed"}, {8, 8, 5}},
      {"attention", "SelfAttention", {"units", "heads", "seed"}, {8, 2, 6}},
      {"rms_norm", "RMSNorm", {"units"}, {8}},
      {"gru", "GRU", {"inputs", "units", "bidirectional", "seed"}, {8, 4, 1, 7}},
      {"dropout", "Dropout", {"seed"}, {2}},
      {"conv", "Conv2d", {"inputs", "filters", "seed"}, {3, 4, 3}},
      {"batch_norm", "BatchNorm", {"channels"}, {4}},
      {"group_norm", "GroupNorm", {"channels", "groups"}, {4, 2}},
      {"flatten", "Flatten", {NULL}, {0}},
      {"dense", "Dense", {"inputs", "units", "seed"}, {12, 5, 4}},
  };
  enum { kLayers = sizeof kRows / sizeof kRows[0] };
  const int64_t rows[] = {0, 3, 5, 10, 2, 2, 7, 1, 9, 4, 0, 6}, four_three[] = {4, 3};
  const int64_t image[] = {-1, 3, 2, 4}, four = 4, two = 2;
  weft_graph* graph;
  weft_session* session;
  weft_layer* layers[kLayers];
  weft_tensor *fed, *out[2];
  int64_t ids, x, table, fetches[2];
  int i, key;
  check(weft_graph_new(0, &graph));
  check(weft_graph_add_input(graph, "ids", WEFT_I64, "4,3", WEFT_ORIGIN, &ids));
  x = ids;
  for (i = 0; i < kLayers; ++i) {
    const layer_row* row = &kRows[i];
    weft_attrs* attrs = attrs_new();
    for (key = 0; key < 4 && row->keys[key] != NULL; ++key) {
      check(weft_attrs_set_int(attrs, row->keys[key], row->values[key]));
    }
    if (strcmp(row->type, "Dropout") == 0) check(weft_attrs_set_float(attrs, "rate", 0.25));
    if (strcmp(row->type, "Dense") == 0) check(weft_attrs_set_string(attrs, "activation", "tanh"));
    if (strcmp(row->type, "Conv2d") == 0) {
      check(weft_attrs_set_ints(attrs, "kernel", &two, 1));
      x = node(graph, "Reshape", x, constant(graph, WEFT_I64, &four, 1, image, sizeof image), NULL, NULL);
    }
    layers[i] = layer(graph, row->type, row->name, attrs);
    x = call(layers[i], x, 1);
  }
  table = weft_layer_variable(layers[0], 0);
  fetches[0] = x;
  x = node(graph, "ReduceMean", x, 0, NULL, NULL);
  check(weft_graph_differentiate(graph, &x, 1, &table, 1, NULL, WEFT_ORIGIN, &fetches[1]));
  check(weft_session_new(graph, NULL, NULL, &session));
  check(weft_tensor_new_copy(WEFT_I64, four_three, 2, rows, sizeof rows, &fed));
  check(weft_session_run(session, &ids, (const weft_tensor* const*)&fed, 1, fetches, 2, NULL, 0, NULL, out));
  printf("example layers %016llx\n", (unsigned long long)fnv(fnv(kStart, out[0]), out[1]));
  for (i = 0; i < 2; ++i) weft_tensor_free(out[i]);
  for (i = 0; i < kLayers; ++i) weft_layer_free(layers[i]);
  weft_tensor_free(fed);
  weft_session_free(session);
  weft_graph_free(graph);
}

static void example(void) {
  const double matrix[] = {1, 2, 3, 4, 5, 6};
  const float w[] = {1, -2, 0.5f, 3}, b[] = {0.25f, -1}, rows[] = {1, 2, 3, -4};
  const int64_t two_three[] = {2, 3}, two_two[] = {2, 2};
  weft_graph* graph;
  weft_session* session;
  weft_tensor *fed, *out[4];
  int64_t a, l1, product, parts[4], relu;
  uint64_t value = kStart;
  int i;
  check(weft_graph_new(0, &graph));
  check(weft_graph_add_input(graph, "A", WEFT_F64, "2,3", WEFT_ORIGIN, &a));
  product = node(graph, "MatMul", a, node(graph, "Transpose", a, 0, NULL, NULL), NULL, NULL);
  check(weft_graph_add(graph, "weft.Eig", &product, 1, NULL, NULL, WEFT_ORIGIN, parts, 4));
  check(weft_graph_add_input(graph, "l1", WEFT_F32, "2,2", WEFT_ORIGIN, &l1));
  relu = node(graph, "MatMul", l1, constant(graph, WEFT_F32, two_two, 2, w, sizeof w), NULL, NULL);
  relu = node(graph, "Add", relu, constant(graph, WEFT_F32, two_two, 1, b, sizeof b), NULL, NULL);
  relu = node(graph, "Relu", relu, 0, NULL, NULL);
  check(weft_session_new(graph, NULL, NULL, &session));
  check(weft_tensor_new_copy(WEFT_F64, two_three, 2, matrix, sizeof matrix, &fed));
  check(weft_session_run(session, &a, (const weft_tensor* const*)&fed, 1, parts, 4, NULL, 0, NULL, out));
  for (i = 0; i < 4; ++i) {
    value = fnv(value, out[i]);
    weft_tensor_free(out[i]);
  }
  weft_tensor_free(fed);
  printf("example eig %016llx\n", (unsigned long long)value);
  check(weft_tensor_new_copy(WEFT_F32, two_two, 2, rows, sizeof rows, &fed));
  check(weft_session_run(session, &l1, (const weft_tensor* const*)&fed, 1, &relu, 1, NULL, 0, NULL, out));
  printf("example relu %016llx\n", (unsigned long long)fnv(kStart, out[0]));
  weft_tensor_free(out[0]);
  weft_tensor_free(fed);
  weft_session_free(session);
  weft_graph_free(graph);
  all_layers();
}

static void print_code(weft_status* status) {
  printf("device error %s\n", weft_code_name(weft_status_code(status)));
  weft_status_free(status);
}
static void print_values(const weft_tensor* tensor) {
  weft_tensor* host;
  const float* values;
  check(weft_tensor_to(tensor, "cpu", &host));
  values = weft_tensor_data(host);
  printf("device values %g %g %g\n", values[0], values[1], values[2]);
  weft_tensor_free(host);
}

/* x + x of tensors that lie on a device and stay there. */
static void device(const char* plugin, const char* name) {
  const float numbers[] = {1, 2, 3};
  const int64_t three = 3, one = 1;
  const char* const words[] = {"a"};
  weft_graph* graph;
  weft_options* options;
  weft_session *session, *cpu;
  weft_prepared* prepared;
  weft_tensor *host, *there, *once, *taken, *again, *output, *copied, *strings, *none;
  weft_bytes* text;
  weft_buffer* buffer;
  void* managed;
  int64_t x, twice, fetches[2];
  check(weft_device_load(plugin));
  check(weft_graph_new(0, &graph));
  check(weft_graph_add_input(graph, "x", WEFT_F32, "3", WEFT_ORIGIN, &x));
  twice = node(graph, "Add", x, x, NULL, NULL);
  check(weft_options_new("session", &options));
  check(weft_options_set_string(options, "device", name));
  check(weft_options_set_int(options, "device_outputs", 1));
  check(weft_session_new(graph, options, NULL, &session));
  weft_options_free(options);
  check(weft_tensor_new_copy(WEFT_F32, &three, 1, numbers, sizeof numbers, &host));
  check(weft_tensor_to(host, name, &there));
  check(weft_session_run(session, &x, (const weft_tensor* const*)&there, 1, &twice, 1, NULL, 0, NULL, &once));
  check(weft_tensor_dlpack(once, 1, &managed));
  check(weft_tensor_borrow_dlpack(managed, 1, &taken));
  check(weft_session_run(session, &x, (const weft_tensor* const*)&taken, 1, &twice, 1, NULL, 0, NULL, &again));
  fetches[0] = twice;
  fetches[1] = x;
  check(weft_session_prepare(session, &x, 1, fetches, 2, NULL, 0, &prepared));
  check(weft_prepared_bind_input(prepared, 0, again));
  check(weft_prepared_bind_output(prepared, 0, there));
  check(weft_prepared_run(prepared, NULL));
  check(weft_prepared_output(prepared, 1, &output));
  check(weft_tensor_copy(output, &copied));
  check(weft_tensor_text(once, &text));
  printf("device place %s, %.*s, %s, %s\n", weft_tensor_device(host), (int)weft_bytes_size(text),
         (const char*)weft_bytes_data(text), weft_tensor_device(again), weft_tensor_device(copied));
  weft_bytes_free(text);
  print_values(once);
  print_values(again);
  print_values(there);
  print_code(weft_tensor_mutable(there, &managed));
  print_code(weft_tensor_buffer(there, &buffer));
  print_code(weft_tensor_to(host, "nowhere:0", &none));
  check(weft_tensor_new_strings(&one, 1, words, NULL, 1, &strings));
  print_code(weft_tensor_to(strings, name, &none));
  check(weft_session_new(graph, NULL, NULL, &cpu));
  print_code(weft_session_run(cpu, &x, (const weft_tensor* const*)&there, 1, &twice, 1, NULL, 0, NULL, &none));
  weft_session_free(cpu);
  weft_tensor_free(strings);
  weft_tensor_free(copied);
  weft_tensor_free(output);
  weft_prepared_free(prepared);
  weft_tensor_free(again);
  weft_tensor_free(taken);
  weft_tensor_free(once);
  weft_tensor_free(there);
  weft_tensor_free(host);
  weft_session_free(session);
  weft_graph_free(graph);
}

int main(int argc, char** argv) {
  if (argc == 5 && strcmp(argv[1], "train") == 0)
    train(argv[2], argv[3], atoi(argv[4]));
  else if (argc == 4 && strcmp(argv[1], "load") == 0)
    load(argv[2], argv[3]);
  else if (argc == 5 && strcmp(argv[1], "resume") == 0)
    resume(argv[2], argv[3], atoi(argv[4]));
  else if (argc == 4 && strcmp(argv[1], "device") == 0)
    device(argv[2], argv[3]);
  else
    example();
  if (weft_live_objects() != 0) {
    fprintf(stderr, "%lld objects are still alive\n", (long long)weft_live_objects());
    return 1;
  }
  return 0;
}
