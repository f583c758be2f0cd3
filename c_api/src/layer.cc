// Layers of the C ABI.
#include "weft/layer.h"

#include <algorithm>

#include "c_api/src/handles.h"
#include "core/base/json.h"
#include "core/op/describe.h"
#include "core/runtime/builtin.h"

struct weft_layer {
  std::shared_ptr<weft::Layer> layer;
  weft::Live live;
};

using namespace weft;
using namespace weft::c_api;

namespace {

std::string layer_json(const LayerDef& def) {
  std::string out = cat("{\"name\": ", json_string(def.name()), ", \"doc\": ", json_string(def.doc_text()),
                        ", \"input\": ", json_string(def.input_doc()), ", \"output\": ", json_string(def.output_doc()),
                        ", \"attrs\": ", describe_attrs(def.attrs()));
  return out + "}";
}

}  // namespace

int32_t weft_layer_count(void) { return static_cast<int32_t>(builtin_layers().all().size()); }
const char* weft_layer_name(int32_t i) {
  return i >= 0 && i < weft_layer_count() ? builtin_layers().all()[static_cast<size_t>(i)]->name().c_str() : nullptr;
}
weft_status* weft_layer_inspect(const char* type, weft_bytes** out_json) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_json);
    *out_json = nullptr;
    WEFT_NOT_NULL(type);
    WEFT_TRY(const LayerDef* def, builtin_layers().get(type));
    *out_json = make_bytes(layer_json(*def));
    return {};
  });
}

weft_status* weft_layer_new(weft_graph* graph, const char* type, const weft_attrs* attrs, const char* name,
                            const char* origin, weft_layer** out_layer) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_layer);
    *out_layer = nullptr;
    WEFT_NOT_NULL(graph);
    WEFT_NOT_NULL(type);
    WEFT_NOT_NULL(name);
    const std::shared_ptr<Graph> kept = graph->graph;  // a body that this calls may free the handle
    GraphWriting writing(*kept);
    WEFT_CHECK(writing.alone());
    WEFT_TRY(std::shared_ptr<Layer> layer,
             Layer::make(kept, builtin_layers(), type, attrs != nullptr ? attrs->attrs : Attrs(), name,
                         origin != nullptr ? origin : ""));
    *out_layer = new weft_layer{std::move(layer), {}};
    return {};
  });
}
weft_status* weft_layer_call(weft_layer* layer, const int64_t* inputs, int32_t input_count, int32_t training,
                             const char* origin, int64_t* out_values, int32_t output_count) {
  return guard([&]() -> Status {
    if (output_count < 0) return invalid("argument 'output_count' is negative");
    if (output_count > 0) WEFT_NOT_NULL(out_values);
    std::fill_n(out_values, output_count, 0);
    WEFT_NOT_NULL(layer);
    const Layer& l = *layer->layer;
    const Graph& graph = *l.graph();
    GraphWriting writing(*l.graph());
    WEFT_CHECK(writing.alone());
    Result<std::vector<ValueId>> ids = from_values(graph, inputs, input_count, "input");
    std::string where = origin != nullptr ? origin : "";
    if (!ids.ok()) return ids.status().at(l.name(), l.def().name(), where);
    WEFT_TRY(std::vector<ValueId> outputs, l.call(*ids, training != 0, where));
    if (static_cast<int32_t>(outputs.size()) < output_count) {
      return invalid("layer '", l.name(), "' has ", outputs.size(), " outputs but ", output_count, " are asked for");
    }
    for (int32_t i = 0; i < output_count; ++i) out_values[i] = to_value(graph, outputs[static_cast<size_t>(i)]);
    return {};
  });
}
int32_t weft_layer_variable_count(const weft_layer* layer) {
  return layer == nullptr ? 0 : static_cast<int32_t>(layer->layer->variables().size());
}
int64_t weft_layer_variable(const weft_layer* layer, int32_t i) {
  if (i < 0 || i >= weft_layer_variable_count(layer)) return 0;
  return to_value(*layer->layer->graph(), layer->layer->variables()[static_cast<size_t>(i)].second);
}
void weft_layer_free(weft_layer* layer) { delete layer; }
