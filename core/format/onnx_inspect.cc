// Tells what is in an ONNX file.
#include <algorithm>

#include "core/base/json.h"
#include "core/base/text.h"
#include "core/format/onnx.h"
#include "core/format/onnx_file.h"
#include "core/format/onnx_operators.h"
#include "core/format/onnx_tensor.h"
#include "core/format/onnx_type.h"

namespace weft {

namespace {

using namespace onnx;

std::string list(const std::vector<std::string>& items) { return cat("[", join(items), "]"); }
std::string pair(std::string_view key, const std::string& value) { return cat(json_string(key), ": ", value); }
std::string object(const std::vector<std::string>& pairs) { return cat("{", join(pairs), "}"); }

std::string named(std::string_view name, const std::string& type) {
  return object({pair("name", json_string(name)), pair("type", json_string(type))});
}

std::string named(const ValueWire& value) {
  const Result<ValueType> type = to_type(value, value.name);
  return named(value.name, type.ok() ? type->text() : "");
}

class Inspection {
 public:
  Inspection(const OpRegistry& ops, std::string_view bytes) : ops_(ops), bytes_(bytes) {}

  // `load` tells whether the file can be loaded, and why not.
  template <typename Load>
  Result<std::string> run(Load load) {
    WEFT_TRY(const ModelWire model, read_model(bytes_));
    WEFT_TRY(const Opsets opsets, opsets_of(model));
    WEFT_TRY(const Functions functions, Functions::read(model.functions, opsets));
    WEFT_TRY(const GraphWire graph, read_graph(model.graph));
    WEFT_TRY(const ModelUse use, used_by(model, functions, opsets, ops_));
    std::vector<std::string> problems = problems_of(use);
    if (problems.empty()) {
      const Status status = load();
      if (!status.ok()) problems.push_back(json_string(readable(status.text())));
    }
    WEFT_TRY(const std::string weights, weights_of(graph));  // before the inputs, which leave these out
    const std::string parameters =
        object({pair("tensors", cat(use.weights)), pair("elements", cat(use.weight_elements)),
                pair("bytes", cat(use.weight_bytes))});
    return object({pair("ir_version", cat(model.ir_version)), pair("producer", json_string(model.producer)),
                   pair("producer_version", json_string(model.producer_version)), pair("opsets", opsets_text(model)),
                   pair("inputs", inputs_of(graph)), pair("outputs", outputs_of(graph)),
                   pair("operators", operators_of(use, false)), pair("functions", operators_of(use, true)),
                   pair("parameters", parameters), pair("weights", weights), pair("metadata", metadata_of(model)),
                   pair("unsupported", list(problems))});
  }

 private:
  static std::vector<std::string> problems_of(const ModelUse& use) {
    std::vector<std::string> out;
    for (const auto& [name, one] : use.operators) {
      if (one.problem.empty()) continue;
      const std::string where = one.nodes == 1 ? cat(" (the node '", one.first, "')")
                                               : cat(" (", one.nodes, " nodes, the first '", one.first, "')");
      out.push_back(json_string(cat(one.problem, where)));
    }
    return out;
  }

  static std::string opsets_text(const ModelWire& model) {
    std::vector<std::string> out;
    std::vector<std::string_view> seen;
    for (const auto& [written, version] : model.opsets) {
      const std::string_view domain = onnx_domain(written);
      if (std::find(seen.begin(), seen.end(), domain) != seen.end()) continue;
      seen.push_back(domain);
      out.push_back(pair(domain.empty() ? "ai.onnx" : domain, cat(version == 0 ? 1 : version)));
    }
    return object(out);
  }

  // Those that are weights too are no inputs of the graph.
  std::string inputs_of(const GraphWire& graph) const {
    std::vector<std::string> out;
    for (const ValueWire& input : graph.inputs) {
      if (!std::binary_search(weight_names_.begin(), weight_names_.end(), input.name)) out.push_back(named(input));
    }
    return list(out);
  }

  static std::string outputs_of(const GraphWire& graph) {
    std::vector<std::string> out;
    for (const ValueWire& output : graph.outputs) out.push_back(named(output));
    return list(out);
  }

  static std::string operators_of(const ModelUse& use, bool functions) {
    std::vector<std::string> out;
    for (const auto& [name, one] : use.operators) {
      if (one.function == functions) out.push_back(pair(name, cat(one.nodes)));
    }
    return object(out);
  }

  Result<std::string> weights_of(const GraphWire& graph) {
    std::vector<std::string> out;
    const auto add = [&](std::string_view name, int32_t dtype, const std::vector<int64_t>& dims) {
      weight_names_.push_back(name);
      const bool known = dtype >= 1 && dtype < kDTypeCount;
      out.push_back(named(name, known ? cat(dtype_name(static_cast<DType>(dtype)), shape_text(dims)) : ""));
    };
    for (std::string_view bytes : graph.initializers) {
      WEFT_TRY(const TensorWire weight, read_tensor(bytes));
      add(weight.name, weight.data_type, weight.dims);
    }
    for (std::string_view bytes : graph.sparse_initializers) {
      WEFT_TRY(const SparseWire weight, read_sparse(bytes));
      add(weight.values.name, weight.values.data_type, weight.dims);
    }
    std::sort(weight_names_.begin(), weight_names_.end());
    return list(out);
  }

  static std::string metadata_of(const ModelWire& model) {
    std::vector<std::string> out;
    for (const auto& [key, value] : model.metadata) out.push_back(pair(key, json_string(value)));
    return object(out);
  }

  const OpRegistry& ops_;
  std::string_view bytes_;
  std::vector<std::string_view> weight_names_;  // sorted
};

}  // namespace

Result<std::string> inspect_onnx(const OpRegistry& ops, const std::string& path) {
  WEFT_TRY(const ModelFile file, ModelFile::open(path, true));
  OnnxLoadOptions options;
  options.map = true;
  Result<std::string> out = Inspection(ops, file.bytes()).run([&] { return load_onnx(ops, path, options).status(); });
  return out.ok() ? std::move(out) : out.status().within(cat("cannot inspect '", path, "': "));
}

Result<std::string> inspect_onnx_bytes(const OpRegistry& ops, std::string_view bytes, const std::string& folder) {
  Result<std::string> out =
      Inspection(ops, bytes).run([&] { return load_onnx_bytes(ops, bytes, folder, {}).status(); });
  return out.ok() ? std::move(out) : out.status().within("cannot inspect the model: ");
}

}  // namespace weft
