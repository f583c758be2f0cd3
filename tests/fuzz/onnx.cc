// Any bytes as an ONNX model: read, described, run, written, and read again.
#include <algorithm>

#include "core/format/onnx.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/fuzz/target.h"

namespace weft {
namespace {

constexpr int64_t kElements = 4096;  // of an input
constexpr int64_t kTimeout = 200'000'000;

// Zeros for an input, with 1 for each dimension that is not known; an empty tensor object for what is no small tensor.
Tensor zeros(const ValueType& type) {
  if (type.kind != Kind::kTensor || !type.has_rank) return {};
  Shape shape;
  int64_t count = 1;
  for (const Dim& dim : type.dims) {
    shape.push_back(dim.known() ? dim.value() : 1);
    if (shape.back() > kElements) return {};
    count *= shape.back();
    if (count > kElements) return {};
  }
  Result<Tensor> made = Tensor::make(type.dtype, shape);
  return made.ok() ? *made : Tensor();
}

void run(const std::shared_ptr<Graph>& graph) {
  Result<std::shared_ptr<Session>> session = Session::make(graph, {});
  must(session.ok());
  Signature signature{graph->inputs(), graph->outputs(), {}};
  std::vector<Tensor> feeds, outputs;
  for (ValueId input : signature.feeds) feeds.push_back(zeros(graph->type(input)));
  RunOptions options;
  options.timeout_ns = kTimeout;
  const Status status = (*session)->run(signature, feeds, options, &outputs);
  must(status.code() != Code::kInternal && status.code() != Code::kUnknown);
}

}  // namespace

void fuzz(std::string_view bytes) {
  const Result<std::string> described = inspect_onnx_bytes(builtin_ops(), bytes, "");
  must(described.ok() || !described.status().text().empty());
  OnnxLoadOptions options;
  options.trainable = {"*"};
  Result<std::shared_ptr<Graph>> graph = load_onnx_bytes(builtin_ops(), bytes, "", options);
  if (!graph.ok()) graph = load_onnx_bytes(builtin_ops(), bytes, "", {});
  if (!graph.ok()) {
    must(graph.status().code() != Code::kInternal && graph.status().code() != Code::kUnknown);
    return;
  }
  run(*graph);
  // A file of its own making is one that it can read.
  Result<std::shared_ptr<Graph>> plain = load_onnx_bytes(builtin_ops(), bytes, "", {});
  if (!plain.ok()) return;
  const Result<std::string> saved = save_onnx_bytes(**plain, (*plain)->outputs(), {}, {});
  if (!saved.ok()) return;
  const Result<std::shared_ptr<Graph>> again = load_onnx_bytes(builtin_ops(), *saved, "", {});
  must(again.ok());
}

}  // namespace weft
