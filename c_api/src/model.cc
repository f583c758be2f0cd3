// Models and checkpoints of the C ABI.
#include "weft/model.h"

#include "c_api/src/handles.h"
#include "core/format/onnx.h"
#include "core/runtime/builtin.h"
#include "core/runtime/checkpoint.h"

using namespace weft;
using namespace weft::c_api;

namespace {

Result<OnnxLoadOptions> load_options(const weft_options* options) {
  OnnxLoadOptions load;
  WEFT_CHECK(check_options(options, "load"));
  if (options == nullptr) return load;
  load.map = options->int_or("map", 0) != 0;
  auto trainable = options->lists.find("trainable");
  if (trainable != options->lists.end()) load.trainable = trainable->second;
  return load;
}

// The values of the variables as the session has them; their initial ones without a session.
Result<VariableValues> values_of(const std::shared_ptr<Graph>& graph, Session* session,
                                 const std::vector<std::string>& names) {
  std::shared_ptr<Session> fresh;
  if (session == nullptr && !names.empty()) {
    WEFT_TRY(fresh, Session::make(graph, {}));
    session = fresh.get();
  }
  VariableValues values;
  if (names.empty()) return values;
  WEFT_TRY(NamedTensors now, values_at_once(*session, names));
  for (auto& [name, value] : now) values.emplace(name, std::move(value));
  return values;
}

}  // namespace

weft_status* weft_graph_save(const weft_graph* graph, const int64_t* outputs, int32_t output_count,
                             weft_session* session, const char* path, const weft_options* options) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(path);
    WEFT_CHECK(check_options(options, "save"));
    OnnxSaveOptions save;
    if (options != nullptr) {
      save.training = options->int_or("training", 0) != 0;
      save.opset = options->int_or("opset", 0);
      save.weights = options->string_or("weights", "");
    }
    const std::shared_ptr<Graph> kept = graph->graph;  // a body that this calls may free the handle
    if (session != nullptr && session->session->graph() != kept) {
      return invalid("the session runs another graph than the one to be saved");
    }
    WEFT_TRY(std::vector<ValueId> values, from_values(*kept, outputs, output_count, "output"));
    if (values.empty()) values = kept->outputs();
    VariableValues variables;
    // To go on training without a session, the graph of the initial values says more than they do.
    if (session != nullptr || !save.training) {
      std::shared_ptr<Session> of = session != nullptr ? session->session : nullptr;  // may be freed meanwhile
      WEFT_TRY(std::vector<std::string> names, saved_variables(*kept, values, save.training));
      WEFT_TRY(variables, values_of(kept, of.get(), names));
    }
    return save_onnx(*kept, values, variables, path, save);
  });
}
weft_status* weft_graph_load(const char* path, const weft_options* options, weft_graph** out_graph) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_graph);
    *out_graph = nullptr;
    WEFT_NOT_NULL(path);
    WEFT_TRY(OnnxLoadOptions load, load_options(options));
    WEFT_TRY(std::shared_ptr<Graph> graph, load_onnx(builtin_ops(), path, load));
    *out_graph = new weft_graph(std::move(graph));
    return {};
  });
}
weft_status* weft_graph_load_bytes(const void* data, size_t bytes, const char* folder, const weft_options* options,
                                   weft_graph** out_graph) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_graph);
    *out_graph = nullptr;
    WEFT_NOT_NULL(data);
    WEFT_TRY(OnnxLoadOptions load, load_options(options));
    std::string_view view(static_cast<const char*>(data), bytes);
    WEFT_TRY(std::shared_ptr<Graph> graph, load_onnx_bytes(builtin_ops(), view, folder != nullptr ? folder : "", load));
    *out_graph = new weft_graph(std::move(graph));
    return {};
  });
}
weft_status* weft_model_inspect(const char* path, weft_bytes** out_json) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_json);
    *out_json = nullptr;
    WEFT_NOT_NULL(path);
    WEFT_TRY(std::string json, inspect_onnx(builtin_ops(), path));
    *out_json = make_bytes(std::move(json));
    return {};
  });
}
weft_status* weft_model_inspect_bytes(const void* data, size_t bytes, const char* folder, weft_bytes** out_json) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_json);
    *out_json = nullptr;
    WEFT_NOT_NULL(data);
    std::string_view view(static_cast<const char*>(data), bytes);
    WEFT_TRY(std::string json, inspect_onnx_bytes(builtin_ops(), view, folder != nullptr ? folder : ""));
    *out_json = make_bytes(std::move(json));
    return {};
  });
}

weft_status* weft_session_save(weft_session* session, const char* path) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(session);
    WEFT_NOT_NULL(path);
    std::shared_ptr<Session> kept = session->session;  // it is used more than once; the handle may be freed in between
    return save_checkpoint(*kept, path);
  });
}
weft_status* weft_session_load(weft_session* session, const char* path, const weft_options* options) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(session);
    WEFT_NOT_NULL(path);
    WEFT_CHECK(check_options(options, "load"));
    std::shared_ptr<Session> kept = session->session;  // as above
    return load_checkpoint(*kept, path, options != nullptr && options->int_or("partial", 0) != 0);
  });
}
