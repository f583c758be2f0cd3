// Times of prepared graphs through the C ABI: weft_bench [--plain] [--threads N] [--spin US] [--without PASS] [part of a row's name].
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "weft/weft.h"

namespace {

void check(weft_status* status) {
  if (status == nullptr) return;
  std::fprintf(stderr, "%s\n", weft_status_text(status));
  std::exit(1);
}

struct Setup {
  bool plain = false;
  int64_t threads = 0;
  int64_t spin = 0;               // "spin_after_run_us"
  const char* without = nullptr;  // a pass
  const char* only = "";
};

// Numbers of [-1, 1), labels below 10 (i64), or all numbers of 8 bits.
weft_tensor* filled(std::vector<int64_t> dims, int32_t dtype = WEFT_F32, uint64_t state = 1) {
  weft_tensor* tensor;
  check(weft_tensor_new(dtype, dims.data(), static_cast<int32_t>(dims.size()), &tensor));
  void* data;
  check(weft_tensor_mutable(tensor, &data));
  for (int64_t i = 0; i < weft_tensor_count(tensor); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    if (dtype == WEFT_I64)
      static_cast<int64_t*>(data)[i] = static_cast<int64_t>(state >> 33) % 10;
    else if (dtype != WEFT_F32)
      static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(state >> 56);
    else
      static_cast<float*>(data)[i] = static_cast<float>(state >> 40) / (1 << 23) - 1;
  }
  return tensor;
}

// A graph under construction, and what is fed to it.
struct Bench {
  weft_graph* graph;
  std::vector<int64_t> feeds;
  std::vector<weft_tensor*> tensors;
  uint64_t seed = 1;

  Bench() { check(weft_graph_new(0, &graph)); }
  ~Bench() {
    for (weft_tensor* tensor : tensors) weft_tensor_free(tensor);
    weft_graph_free(graph);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  int64_t input(std::vector<int64_t> dims, int32_t dtype = WEFT_F32) {
    std::string shape;
    for (int64_t dim : dims) shape += (shape.empty() ? "" : ",") + std::to_string(dim);
    int64_t value;
    std::string name = "in" + std::to_string(feeds.size());
    check(weft_graph_add_input(graph, name.c_str(), dtype, shape.c_str(), nullptr, &value));
    feeds.push_back(value);
    tensors.push_back(filled(dims, dtype));
    return value;
  }
  // No two are equal: what is computed twice is computed once.
  int64_t weights(std::vector<int64_t> dims, int32_t dtype = WEFT_F32) {
    weft_tensor* tensor = filled(std::move(dims), dtype, ++seed);
    int64_t value;
    check(weft_graph_add_constant(graph, tensor, nullptr, nullptr, &value));
    weft_tensor_free(tensor);
    return value;
  }
  int64_t add(const char* op, std::vector<int64_t> inputs, const weft_attrs* attrs = nullptr) {
    int64_t out;
    check(weft_graph_add(graph, op, inputs.data(), static_cast<int32_t>(inputs.size()), attrs, nullptr, nullptr, &out,
                         1));
    return out;
  }
  int64_t dense(const char* name, int64_t x, int64_t inputs, int64_t units, const char* activation) {
    weft_attrs* attrs;
    weft_layer* layer;
    int64_t y;
    check(weft_attrs_new(&attrs));
    check(weft_attrs_set_int(attrs, "inputs", inputs));
    check(weft_attrs_set_int(attrs, "units", units));
    check(weft_attrs_set_string(attrs, "activation", activation));
    check(weft_layer_new(graph, "Dense", attrs, name, nullptr, &layer));
    check(weft_layer_call(layer, &x, 1, 1, nullptr, &y, 1));
    weft_layer_free(layer);
    weft_attrs_free(attrs);
    return y;
  }
};

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Samples of at least 5 ms each, for half a second.
void measure(const Setup& setup, const char* name, Bench& bench, int64_t fetch, bool is_step, double flops) {
  weft_options* options;
  weft_session* session;
  weft_prepared* prepared;
  check(weft_options_new("session", &options));
  check(weft_options_set_int(options, "threads", setup.threads));
  check(weft_options_set_int(options, "spin_after_run_us", setup.spin));
  check(weft_options_set_int(options, "reference_kernels", setup.plain));
  if (setup.without != nullptr) check(weft_options_add_string(options, "disable_pass", setup.without));
  check(weft_session_new(bench.graph, options, nullptr, &session));
  weft_options_free(options);
  int32_t count = static_cast<int32_t>(bench.feeds.size());
  check(weft_session_prepare(session, bench.feeds.data(), count, &fetch, is_step ? 0 : 1, &fetch, is_step ? 1 : 0,
                             &prepared));
  for (int32_t i = 0; i < count; ++i) check(weft_prepared_bind_input(prepared, i, bench.tensors[i]));
  // Bound like the inputs.
  weft_tensor* out = nullptr;
  if (!is_step) {
    check(weft_prepared_run(prepared, nullptr));
    check(weft_prepared_output(prepared, 0, &out));
    check(weft_prepared_bind_output(prepared, 0, out));
  }
  auto time_of = [&](int64_t runs) {
    double begin = seconds();
    for (int64_t i = 0; i < runs; ++i) check(weft_prepared_run(prepared, nullptr));
    return (seconds() - begin) / static_cast<double>(runs);
  };
  time_of(3);
  int64_t runs = std::max<int64_t>(1, static_cast<int64_t>(5e-3 / time_of(3)));
  std::vector<double> samples;
  for (double begin = seconds(); samples.size() < 5 || seconds() - begin < 0.5;) samples.push_back(time_of(runs));
  std::sort(samples.begin(), samples.end());
  double least = samples[0], median = samples[samples.size() / 2];
  std::printf("%-40s %12.2f %12.2f", name, least * 1e6, median * 1e6);
  if (flops > 0) std::printf(" %10.1f", flops / least * 1e-9);
  std::printf("\n");
  weft_prepared_free(prepared);
  weft_tensor_free(out);
  weft_session_free(session);
}

bool wanted(const Setup& setup, const std::string& name) { return name.find(setup.only) != std::string::npos; }

void elementwise(const Setup& setup) {
  if (wanted(setup, "one Add of 4")) {
    Bench b;
    int64_t x = b.input({4});
    measure(setup, "one Add of 4", b, b.add("Add", {x, b.input({4})}), false, 0);
  }
  if (wanted(setup, "chain of 100 Adds of 4")) {
    Bench b;
    int64_t x = b.input({4}), y = x;
    for (int i = 0; i < 100; ++i) y = b.add("Add", {y, x});
    measure(setup, "chain of 100 Adds of 4", b, y, false, 0);
  }
  for (const char* op : {"Exp", "Log", "Tanh", "Sigmoid", "Erf", "Gelu", "Softmax", "ReduceSum"}) {
    std::string name = std::string(op) + " of 256 x 256";
    if (!wanted(setup, name)) continue;
    Bench b;
    measure(setup, name.c_str(), b, b.add(op, {b.input({256, 256})}), false, 0);
  }
}

void products(const Setup& setup) {
  for (int64_t n : {32, 256, 512, 1024}) {
    std::string name = "MatMul " + std::to_string(n);
    if (!wanted(setup, name)) continue;
    Bench b;
    int64_t x = b.input({n, n});
    measure(setup, name.c_str(), b, b.add("MatMul", {x, b.input({n, n})}), false, 2.0 * static_cast<double>(n * n * n));
  }
  // By constant weights; the peak of 8-bit numbers is four times that of f32 (fma_peak) with VNNI, else about twice.
  for (int64_t rows : {1, 128}) {
    for (bool integer : {false, true}) {
      const std::string name =
          std::string(integer ? "MatMulInteger " : "MatMul ") + std::to_string(rows) + " x 768 x 3072";
      if (!wanted(setup, name)) continue;
      Bench b;
      int64_t x = b.input({rows, 768}, integer ? WEFT_U8 : WEFT_F32);
      int64_t y =
          b.add(integer ? "MatMulInteger" : "MatMul", {x, b.weights({768, 3072}, integer ? WEFT_I8 : WEFT_F32)});
      measure(setup, name.c_str(), b, y, false, 2.0 * static_cast<double>(rows * 768 * 3072));
    }
  }
  if (wanted(setup, "MatMul 512, Gelu")) {
    Bench b;
    int64_t x = b.input({512, 512});
    int64_t y = b.add("Gelu", {b.add("MatMul", {x, b.input({512, 512})})});
    measure(setup, "MatMul 512, Gelu", b, y, false, 2.0 * 512 * 512 * 512);
  }
  struct {
    const char* name;
    int64_t images, in, out, size;
  } rows[] = {{"Conv 3x3 1->16, 32 images of 28", 32, 1, 16, 28}, {"Conv 3x3 64->64, 1 image of 56", 1, 64, 64, 56}};
  for (const auto& row : rows) {
    if (!wanted(setup, row.name)) continue;
    Bench b;
    weft_attrs* attrs;
    const int64_t pads[] = {1, 1, 1, 1};
    check(weft_attrs_new(&attrs));
    check(weft_attrs_set_ints(attrs, "pads", pads, 4));
    int64_t x = b.input({row.images, row.in, row.size, row.size});
    int64_t y = b.add("Conv", {x, b.input({row.out, row.in, 3, 3})}, attrs);
    weft_attrs_free(attrs);
    measure(setup, row.name, b, y, false,
            18.0 * static_cast<double>(row.images * row.in * row.out * row.size * row.size));
  }
}

// A convolution with Relu, 3 x 3 or 1 x 1, that keeps the size of the image.
int64_t conv(Bench& b, int64_t x, int64_t in, int64_t out, int64_t size) {
  weft_attrs* attrs;
  const std::vector<int64_t> pads(4, size / 2);
  check(weft_attrs_new(&attrs));
  check(weft_attrs_set_ints(attrs, "pads", pads.data(), 4));
  int64_t y = b.add("Conv", {x, b.weights({out, in, size, size})}, attrs);
  weft_attrs_free(attrs);
  return b.add("Relu", {y});
}

// Graphs that are wide: what one thread does beside another matters more than how a step is divided.
void branches(const Setup& setup) {
  weft_attrs* axis;
  check(weft_attrs_new(&axis));
  check(weft_attrs_set_int(axis, "axis", 1));
  if (wanted(setup, "100 branches of Add and Relu of 4")) {
    Bench b;
    int64_t x = b.input({1, 4});
    std::vector<int64_t> ends;
    for (int i = 0; i < 100; ++i) ends.push_back(b.add("Relu", {b.add("Add", {x, b.weights({4})})}));
    measure(setup, "100 branches of Add and Relu of 4", b, b.add("Concat", ends, axis), false, 0);
  }
  if (wanted(setup, "8 towers of 6 layers 256 x 256")) {
    Bench b;
    int64_t x = b.input({1, 256});
    std::vector<int64_t> ends;
    for (int tower = 0; tower < 8; ++tower) {
      int64_t y = x;
      for (int layer = 0; layer < 6; ++layer) y = b.add("Tanh", {b.add("MatMul", {y, b.weights({256, 256})})});
      ends.push_back(y);
    }
    measure(setup, "8 towers of 6 layers 256 x 256", b, b.add("Concat", ends, axis), false, 8 * 6 * 2.0 * 256 * 256);
  }
  // As in GoogLeNet: its first one, whose convolutions divide well, and small ones one after another.
  struct {
    const char* name;
    int64_t blocks, pixels, filters[6];
  } rows[] = {{"an inception block, 28 x 28 x 192", 1, 28, {64, 96, 128, 16, 32, 32}},
              {"4 inception blocks, 7 x 7 x 128", 4, 7, {48, 32, 48, 8, 16, 16}}};
  for (const auto& row : rows) {
    if (!wanted(setup, row.name)) continue;
    Bench b;
    const int64_t* f = row.filters;
    int64_t channels = row.pixels == 28 ? 192 : 128;
    int64_t y = conv(b, b.input({1, channels, row.pixels, row.pixels}), channels, channels, 1);
    for (int64_t block = 0; block < row.blocks; ++block) {
      const int64_t window[] = {3, 3}, pads[] = {1, 1, 1, 1};
      weft_attrs* pool;
      check(weft_attrs_new(&pool));
      check(weft_attrs_set_ints(pool, "kernel_shape", window, 2));
      check(weft_attrs_set_ints(pool, "pads", pads, 4));
      const int64_t pooled = b.add("MaxPool", {y}, pool);
      weft_attrs_free(pool);
      y = b.add("Concat",
                {conv(b, y, channels, f[0], 1), conv(b, conv(b, y, channels, f[1], 1), f[1], f[2], 3),
                 conv(b, conv(b, y, channels, f[3], 1), f[3], f[4], 5), conv(b, pooled, channels, f[5], 1)},
                axis);
      channels = f[0] + f[2] + f[4] + f[5];
    }
    measure(setup, row.name, b, y, false, 0);
  }
  weft_attrs_free(axis);
}

void training(const Setup& setup) {
  if (!wanted(setup, "MLP 64-64-10, a step of Adam, batch 32")) return;
  Bench b;
  int64_t x = b.input({32, 64}), labels = b.input({32}, WEFT_I64);
  int64_t scores = b.dense("scores", b.dense("hidden", x, 64, 64, "relu"), 64, 10, "");
  int64_t loss = b.add("SoftmaxCrossEntropyLoss", {scores, labels}), step;
  check(weft_optimizer_add(b.graph, "Adam", nullptr, loss, nullptr, 0, 0, nullptr, &step));
  measure(setup, "MLP 64-64-10, a step of Adam, batch 32", b, step, true, 0);
}

}  // namespace

int main(int argc, char** argv) {
  Setup setup;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--plain") == 0)
      setup.plain = true;
    else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
      setup.threads = std::atoll(argv[++i]);
    else if (std::strcmp(argv[i], "--spin") == 0 && i + 1 < argc)
      setup.spin = std::atoll(argv[++i]);
    else if (std::strcmp(argv[i], "--without") == 0 && i + 1 < argc)
      setup.without = argv[++i];
    else
      setup.only = argv[i];
  }
  std::printf("%-40s %12s %12s %10s\n", "", "least us", "median us", "GFLOP/s");
  elementwise(setup);
  products(setup);
  branches(setup);
  training(setup);
  return 0;
}
