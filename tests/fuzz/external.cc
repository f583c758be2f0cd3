// Any bytes as an ONNX model in a folder with files of weights: external, sparse and large ones, read and mapped alike, and
// none from outside the folder.
#include <filesystem>

#include "core/format/onnx.h"
#include "core/graph/graph.h"
#include "core/runtime/builtin.h"
#include "tests/fuzz/readers.h"

namespace weft {
namespace {

constexpr size_t kWeights = 4096;  // bytes in w.bin

std::string in_model(const char* name) { return std::string("model/") + name; }

// The folder of the model and what lies in it: w.bin, empty.bin, inner/w.bin, and links out of it.
void make_folder_of_model() {
  std::filesystem::create_directories(scratch() / in_model("inner"));
  std::string weights(kWeights, '\0');
  for (size_t i = 0; i < kWeights; ++i) weights[i] = static_cast<char>(i % 251);
  put(in_model("w.bin"), weights);
  put(in_model("inner/w.bin"), weights);
  put(in_model("empty.bin"), "");
  std::filesystem::create_symlink("../outside.bin", scratch() / in_model("link.bin"));
  std::filesystem::create_symlink("..", scratch() / in_model("up"));
}

using Loaded = Result<std::shared_ptr<Graph>>;

// What lies outside is another file each time.
Loaded load(const std::string& path, bool map) {
  put("outside.bin", std::string(kWeights, map ? 'm' : 'r'));
  OnnxLoadOptions options;
  options.map = map;
  Loaded graph = load_onnx(builtin_ops(), path, options);
  must_be_fair(graph.status());
  return graph;
}

const Tensor* constant_of(const Node& node) {
  if (!node.is(kOnnxDomain, "Constant")) return nullptr;
  return &node.attrs.tensor("value");
}

void must_be_one(const Graph& read, const Graph& mapped) {
  must(read.node_count() == mapped.node_count());
  for (NodeId id = 0; id < read.node_count(); ++id) {
    const Tensor *a = constant_of(read.node(id)), *b = constant_of(mapped.node(id));
    must((a == nullptr) == (b == nullptr));
    if (a != nullptr) must(a->same_bits(*b));
  }
}

}  // namespace

void fuzz(std::string_view bytes) {
  static const bool made = (make_folder_of_model(), true);
  must(made);
  const std::string path = put(in_model("m.onnx"), bytes);
  must_be_fair(inspect_onnx(builtin_ops(), path).status());
  const Loaded read = load(path, false), mapped = load(path, true);
  // What is mapped takes no memory of the limit.
  if (read.status().code() == Code::kResourceExhausted || mapped.status().code() == Code::kResourceExhausted) return;
  must(read.ok() == mapped.ok());
  if (read.ok()) must_be_one(**read, **mapped);
}

}  // namespace weft
