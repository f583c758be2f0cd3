// The commands of README.md in C++.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "weft.hpp"

namespace {

const char* const kLanguages[] = {"c", "cpp", "python", "java", "go"};
constexpr uint64_t kStart = 0xcbf29ce484222325u;

uint64_t fnv(uint64_t value, const weft::Tensor& tensor) {
  auto* bytes = static_cast<const unsigned char*>(tensor.raw_data());
  for (size_t i = 0; i < tensor.bytes(); ++i) value = (value ^ bytes[i]) * 0x100000001b3u;
  return value;
}

std::string bits(double number) {
  uint64_t raw;
  std::memcpy(&raw, &number, 8);
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(raw));
  return text;
}

weft::Dataset digits() { return weft::Dataset::load("examples/data/digits.safetensors", {"images", "labels"}); }

struct Net {
  weft::Dataset train = digits().rows(0, 1500);
  weft::Graph graph;
  weft::Value images = graph.input("images", weft::DType::f32, "batch,64");
  weft::Value labels = graph.input("labels", weft::DType::i64, "batch");
  weft::Value trained, logits, loss, step;
  weft::Session session{graph};

  explicit Net(const std::string& kind) {
    kind == "cnn" ? cnn() : mlp(kind == "dropout");
    loss = weft::softmax_cross_entropy_loss(trained, labels);
    loss.set_name("loss");
    step = weft::Adam(1e-3).minimize(loss);
  }

  weft::layers::Dense dense(const char* name, int64_t inputs, int64_t units, const char* activation, int64_t seed) {
    weft::layers::DenseAttrs attrs{inputs, units};
    attrs.activation = activation;
    attrs.seed = seed;
    return weft::layers::Dense(graph, name, attrs);
  }
  void mlp(bool drops) {
    auto hidden = dense("hidden", 64, 64, "relu", 1), scores = dense("scores", 64, 10, "", 2);
    auto x = hidden(images);
    trained = logits = scores(x);
    if (!drops) return;
    weft::layers::DropoutAttrs attrs;
    attrs.rate = 0.25;
    attrs.seed = 3;
    trained = scores(weft::layers::Dropout(graph, "drop", attrs)(x, true));
  }
  void cnn() {
    const int64_t channels[] = {1, 32, 32, 64};
    std::vector<weft::Layer> convs, norms;
    for (int i = 0; i < 3; ++i) {
      weft::layers::Conv2dAttrs conv{channels[i], channels[i + 1], {3}};
      conv.pads = {1};
      conv.seed = 1;
      convs.push_back(weft::layers::Conv2d(graph, "conv" + std::to_string(i + 1), conv));
      norms.push_back(weft::layers::BatchNorm(graph, "norm" + std::to_string(i + 1), {channels[i + 1]}));
    }
    auto scores = dense("scores", 64, 10, "", 1);
    auto network = [&](bool training) {
      auto x = weft::reshape(images, graph.constant(std::vector<int64_t>{-1, 1, 8, 8}));
      weft::MaxPoolAttrs pool{{2, 2}};
      pool.strides = {2, 2};
      for (size_t i = 0; i < 3; ++i) {
        x = weft::relu(norms[i](convs[i](x), training));
        if (i == 1) x = weft::max_pool(x, pool);
      }
      return scores(weft::flatten(weft::global_average_pool(x)));
    };
    trained = network(true);
    logits = network(false);
  }
  std::vector<double> fit(int64_t first, int64_t last) {
    weft::FitOptions options;
    options.first_epoch = first;
    options.epochs = last;
    options.seed = 1;
    return session.fit(train, {images, labels}, step, {loss}, options)[loss.name()];
  }
};

void train(const std::string& kind, const std::string& folder, int epochs) {
  Net net(kind);
  auto losses = net.fit(0, epochs / 2);
  net.session.save(folder + "/cpp." + kind + ".half");
  for (double loss : net.fit(epochs / 2, epochs)) losses.push_back(loss);
  net.session.save(folder + "/cpp." + kind + ".full");
  net.graph.save(folder + "/cpp." + kind + ".onnx", {net.logits}, &net.session);
  for (size_t i = 0; i < losses.size(); ++i) std::printf("loss %zu %s\n", i + 1, bits(losses[i]).c_str());
}

void load(const std::string& kind, const std::string& folder) {
  auto test = digits().rows(1500, 297);
  auto labels = test.at(1).to_vector<int64_t>();
  for (const char* language : kLanguages) {
    auto graph = weft::Graph::load(folder + "/" + language + "." + kind + ".onnx");
    weft::Session session(graph);
    auto logits = session.predict(test, {graph.inputs()[0], {}}, {graph.outputs()[0]})[0];
    auto* rows = logits.data<float>();
    int right = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      right += std::max_element(rows + 10 * i, rows + 10 * i + 10) - (rows + 10 * i) == labels[i];
    }
    std::printf("model %s %s %016llx\n", language, bits(right / static_cast<double>(labels.size())).c_str(),
                static_cast<unsigned long long>(fnv(kStart, logits)));
  }
}

void resume(const std::string& kind, const std::string& folder, int epochs) {
  for (const char* language : kLanguages) {
    Net net(kind);
    net.session.load(folder + "/" + language + "." + kind + ".half");
    double last = net.fit(epochs / 2, epochs).back();
    uint64_t value = kStart;
    for (auto& variable : net.graph.variables()) value = fnv(value, net.session.get(variable.name()));
    std::printf("resumed %s %s %016llx\n", language, bits(last).c_str(), static_cast<unsigned long long>(value));
  }
}

// Every kind of layer in one graph that trains: what it computes, and the gradient of its mean by the looked-up table.
void all_layers() {
  namespace layers = weft::layers;
  weft::Graph graph;
  auto ids = graph.input("ids", weft::DType::i64, "4,3");
  layers::EmbeddingAttrs embed{11, 8};
  embed.seed = 1;
  layers::LSTMAttrs lstm{8, 8};
  lstm.seed = 5;
  layers::SelfAttentionAttrs attention{8, 2};
  attention.seed = 6;
  layers::GRUAttrs gru{8, 4};
  gru.bidirectional = true;
  gru.seed = 7;
  layers::DropoutAttrs drop;
  drop.rate = 0.25;
  drop.seed = 2;
  layers::Conv2dAttrs conv{3, 4, {2}};
  conv.seed = 3;
  layers::DenseAttrs dense{12, 5};
  dense.activation = "tanh";
  dense.seed = 4;
  layers::Embedding embedding(graph, "embedding", embed);
  auto x = layers::LayerNorm(graph, "layer_norm", {8})(embedding(ids, true), true);
  x = layers::SelfAttention(graph, "attention", attention)(layers::LSTM(graph, "lstm", lstm)(x, true), true);
  x = layers::GRU(graph, "gru", gru)(layers::RMSNorm(graph, "rms_norm", {8})(x, true), true);
  x = layers::Dropout(graph, "dropout", drop)(x, true);
  x = weft::reshape(x, graph.constant(std::vector<int64_t>{-1, 3, 2, 4}));
  x = layers::BatchNorm(graph, "batch_norm", {4})(layers::Conv2d(graph, "conv", conv)(x, true), true);
  x = layers::GroupNorm(graph, "group_norm", {4, 2})(x, true);
  x = layers::Flatten(graph, "flatten")(x, true);
  x = layers::Dense(graph, "dense", dense)(x, true);
  auto slope = graph.gradients({weft::reduce_mean(x)}, {embedding.variables()[0]})[0];
  auto rows = weft::Tensor::from<int64_t>({4, 3}, {0, 3, 5, 10, 2, 2, 7, 1, 9, 4, 0, 6});
  auto out = weft::Session(graph).run({{ids, rows}}, {x, slope});
  std::printf("example layers %016llx\n", static_cast<unsigned long long>(fnv(fnv(kStart, out[0]), out[1])));
}

void example() {
  weft::Graph graph;
  auto a = graph.input("A", weft::DType::f64, "2,3");
  auto eig = weft::eig(weft::matmul(a, weft::transpose(a)));
  auto l1 = graph.input("l1", weft::DType::f32, "2,2");
  auto w1 = graph.constant(weft::Tensor::from<float>({2, 2}, {1, -2, 0.5f, 3}));
  auto b1 = graph.constant(weft::Tensor::from<float>({2}, {0.25f, -1}));
  auto layer = weft::relu(weft::matmul(l1, w1) + b1);
  weft::Session session(graph);
  auto matrix = weft::Tensor::from<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  uint64_t value = kStart;
  for (auto& part : session.run({{a, matrix}}, {eig.values_re, eig.values_im, eig.vectors_re, eig.vectors_im})) {
    value = fnv(value, part);
  }
  std::printf("example eig %016llx\n", static_cast<unsigned long long>(value));
  auto out = session.run({{l1, weft::Tensor::from<float>({2, 2}, {1, 2, 3, -4})}}, {layer});
  std::printf("example relu %016llx\n", static_cast<unsigned long long>(fnv(kStart, out[0])));
  all_layers();
}

template <typename Call>
std::string code_of(Call call) {
  try {
    call();
  } catch (const weft::Error& error) {
    return error.code_name();
  }
  return "OK";
}

// x + x of tensors that lie on a device and stay there.
void device(const std::string& plugin, const std::string& name) {
  weft::load_devices(plugin);
  weft::Graph graph;
  auto x = graph.input("x", weft::DType::f32, "3");
  auto twice = x + x;
  weft::SessionOptions options;
  options.device = name;
  options.device_outputs = true;
  weft::Session session(graph, options);
  auto host = weft::Tensor::from<float>({3}, {1, 2, 3});
  auto there = host.to(name);
  auto once = session.run({{x, there}}, {twice})[0];
  auto again = session.run({{x, weft::Tensor::from_dlpack(once.to_dlpack())}}, {twice})[0];
  auto prepared = session.prepare({x}, {twice, x});
  prepared.bind_input(0, again);
  prepared.bind_output(0, there);
  prepared.run();
  std::printf("device place %s, %s, %s, %s\n", host.device().c_str(), once.text().c_str(), again.device().c_str(),
              prepared.output(1).copy().device().c_str());
  for (const auto& tensor : {once, again, there}) {
    auto values = tensor.to("cpu").to_vector<float>();
    std::printf("device values %g %g %g\n", double{values[0]}, double{values[1]}, double{values[2]});
  }
  auto errors = {code_of([&] { there.to_vector<float>(); }), code_of([&] { there.mutable_data<float>(); }),
                 code_of([&] { host.to("nowhere:0"); }), code_of([&] { weft::Tensor::strings({1}, {"a"}).to(name); }),
                 code_of([&] {
                   weft::Session(graph).run({{x, there}}, {twice});
                 })};
  for (const auto& error : errors) std::printf("device error %s\n", error.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  args.resize(4);
  try {
    if (args[0] == "train") {
      train(args[1], args[2], std::atoi(args[3].c_str()));
    } else if (args[0] == "load") {
      load(args[1], args[2]);
    } else if (args[0] == "resume") {
      resume(args[1], args[2], std::atoi(args[3].c_str()));
    } else if (args[0] == "device") {
      device(args[1], args[2]);
    } else {
      example();
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
