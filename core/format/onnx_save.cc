// Saves a graph as an ONNX file, with or without a file of weights beside it.
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/text.h"
#include "core/format/onnx_history.h"
#include "core/format/onnx_write.h"
#include "core/graph/walk.h"

namespace weft {

namespace {

using namespace onnx;

Status check_outputs(const Graph& graph, const std::vector<ValueId>& outputs, bool training) {
  for (ValueId id : outputs) {
    if (!graph.has_value(id)) return invalid("an output is not a value of this graph");
  }
  if (graph.parent() != nullptr) return invalid("only an outermost graph can be saved");
  if (outputs.empty() && !training) {
    return invalid("there is nothing to save: give outputs, or set the graph's own");
  }
  return {};
}

Status check_opset(const OnnxSaveOptions& options) {
  const int last = Opsets::last_of(kOnnxDomain);
  if (options.opset == 0) return {};
  if (options.opset < kOldestSavedOpset || options.opset > last) {
    return invalid("option 'opset' is ", options.opset, " but must be ", kOldestSavedOpset, " to ", last,
                   ", or 0 for the newest released");
  }
  if (options.training) {
    return invalid("options 'training' and 'opset' are both given, but what is kept for training is of the newest ",
                   "opset");
  }
  return {};
}

bool exists(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0;
}

// Model and weights. At every moment the model that is at `path` finds its own weights: what was there before keeps
// its files until all new ones are on the disk; then a model comes that reads the new weights from their temporary
// file, then the weights, then the model that reads them from where they belong.
Status save_pair(const ModelContents& contents, const std::string& path) {
  const std::string& name = contents.options.weights;
  // What the reader would refuse must not be written.
  if (name.find_first_of("/\\:") != std::string::npos || name == "." || name == ".." || !is_utf8(name)) {
    return invalid("option 'weights' is '", readable(name), "' but must be the name of a file beside the model, in ",
                   "UTF-8 and without '/', '\\' and ':'");
  }
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
  std::string beside = folder + name;
  if (beside == path) return invalid("the weights cannot be in the same file as the model");
  struct stat info;
  if (::lstat(beside.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
    return invalid("'", beside, "' is a link; weights are only read from the model's own folder");
  }
  NamedTensors outside;
  WEFT_CHECK(model_text(contents, nullptr, &outside).status());
  WEFT_TRY(FileWriter weights, FileWriter::create(beside));
  WEFT_CHECK(write_safetensors(weights, outside));
  WEFT_CHECK(weights.finish());
  WeightsFile file;
  file.name = name;
  {
    WEFT_TRY(SafetensorsFile written, SafetensorsFile::open(weights.temporary()));
    for (const SafetensorsFile::Entry& entry : written.entries()) {
      file.places.emplace(entry.name, WeightsFile::Place{entry.begin, entry.end - entry.begin});
    }
  }
  auto write_model = [&](FileWriter& model) -> Status {
    WEFT_TRY(std::string text, model_text(contents, &file, nullptr));
    WEFT_CHECK(model.write(text));
    return model.finish();
  };
  WEFT_TRY(FileWriter model, FileWriter::create(path));
  WEFT_CHECK(write_model(model));
  if (!exists(path) || !exists(beside)) {
    WEFT_CHECK(weights.commit());
    return model.commit();
  }
  WEFT_TRY(FileWriter twin, weights.twin());
  file.name = weights.temporary().substr(folder.size());
  WEFT_TRY(FileWriter bridge, FileWriter::create(path));
  WEFT_CHECK(write_model(bridge));
  WEFT_CHECK(bridge.commit());
  Status status = twin.commit();
  if (status.ok()) status = model.commit();
  if (!status.ok()) weights.keep();  // the model that is there reads them
  return status;
}

}  // namespace

Result<std::vector<std::string>> saved_variables(Graph& graph, const std::vector<ValueId>& outputs, bool training) {
  GraphReading reading(graph);
  WEFT_CHECK(check_outputs(graph, outputs, training));
  std::vector<bool> needed = needed_nodes(graph, outputs);
  std::vector<std::string> names;
  for (const VariableInfo& variable : graph.variables()) {
    if (training || needed[static_cast<size_t>(graph.value(variable.value).node)]) names.push_back(variable.name);
  }
  return names;
}

namespace {

// What is to be written, given to `write` while nobody else changes the graph.
template <typename Write>
Status with_contents(Graph& graph, const std::vector<ValueId>& outputs, const VariableValues& values,
                     const OnnxSaveOptions& options, Write write) {
  GraphReading reading(graph);
  WEFT_CHECK(check_opset(options));
  WEFT_CHECK(check_outputs(graph, outputs, options.training));
  std::vector<bool> needed = options.training ? std::vector<bool>(static_cast<size_t>(graph.node_count()), true)
                                              : needed_nodes(graph, outputs);
  return write(ModelContents{graph, outputs, needed, values, options});
}

}  // namespace

Status save_onnx(Graph& graph, const std::vector<ValueId>& outputs, const VariableValues& values,
                 const std::string& path, const OnnxSaveOptions& options) {
  auto write = [&](const ModelContents& contents) -> Status {
    if (!options.weights.empty()) return save_pair(contents, path);
    WEFT_TRY(std::string text, model_text(contents, nullptr, nullptr));
    return write_file(path, text);
  };
  return with_contents(graph, outputs, values, options, write).within(cat("cannot save '", path, "': "));
}

Result<std::string> save_onnx_bytes(Graph& graph, const std::vector<ValueId>& outputs, const VariableValues& values,
                                    const OnnxSaveOptions& options) {
  if (!options.weights.empty()) return invalid("a model in memory cannot have a file of weights");
  std::string text;
  auto write = [&](const ModelContents& contents) -> Status {
    WEFT_TRY(text, model_text(contents, nullptr, nullptr));
    return {};
  };
  WEFT_CHECK(with_contents(graph, outputs, values, options, write).within("cannot save the graph: "));
  return text;
}

}  // namespace weft
