// Layers: a registry like the operators', and layers of a graph.
#include "core/graph/layer_registry.h"

namespace weft {

LayerDef& LayerRegistry::add(std::string_view name) {
  auto def = std::make_unique<LayerDef>(name);
  LayerDef& out = *def;
  layers_[std::string(name)] = std::move(def);
  return out;
}

Result<const LayerDef*> LayerRegistry::get(std::string_view name) const {
  auto at = layers_.find(name);
  if (at != layers_.end()) return static_cast<const LayerDef*>(at->second.get());
  std::vector<std::string> known;
  for (const auto& [known_name, def] : layers_) known.push_back(known_name);
  return not_found("there is no layer '", name, "'; there are ", join(known));
}

std::vector<const LayerDef*> LayerRegistry::all() const {
  std::vector<const LayerDef*> out;
  for (const auto& [name, def] : layers_) out.push_back(def.get());
  return out;
}

const Attrs& LayerMake::attrs() const { return layer_.attrs(); }
std::string LayerMake::full_name(std::string_view name) const { return cat(layer_.name(), "/", name); }

void LayerMake::add_variable(std::string_view name, Expr initial, bool trainable) {
  variables_.push_back({std::string(name), initial, trainable});
}

Status LayerMake::make_variables() {
  for (const auto& [name, initial, trainable] : variables_) {
    // The layer's name is a full one already, so the scope under way is not put before it again.
    WEFT_TRY(ValueId id, layer_.graph_->add_variable_full(full_name(name), initial.id(), trainable, scope_.origin()));
    layer_.variables_.emplace_back(name, id);
  }
  return {};
}

const Attrs& LayerCall::attrs() const { return layer_.attrs(); }

bool LayerCall::has_variable(std::string_view name) const {
  for (const auto& [known, id] : layer_.variables()) {
    if (known == name) return true;
  }
  return false;
}

Expr LayerCall::variable(std::string_view name) const {
  for (const auto& [known, id] : layer_.variables()) {
    if (known == name) return Expr(scope_, id);
  }
  scope_.fail(internal_error("the layer has no variable '", name, "'"));
  return {};
}

Result<std::shared_ptr<Layer>> Layer::make(std::shared_ptr<Graph> graph, const LayerRegistry& layers,
                                           std::string_view type, Attrs attrs, std::string_view name,
                                           std::string_view origin) {
  std::shared_ptr<Layer> layer(new Layer);
  layer->name_ = graph->scoped(name);
  auto where = [&](const Status& status) { return status.at(layer->name_, type, origin); };
  Result<const LayerDef*> found = layers.get(type);
  if (!found.ok()) return where(found.status());
  const LayerDef* def = *found;
  if (name.empty()) return where(invalid("a layer needs a name: files know its variables by that"));
  if (!is_utf8(name)) return where(invalid("the name of a layer must be UTF-8"));
  Status status = complete_attrs(def->name(), def->attrs(), &attrs);
  if (!status.ok()) return where(status);
  layer->graph_ = graph;
  layer->def_ = def;
  layer->attrs_ = std::move(attrs);
  ExprScope scope(*graph, std::string(origin));
  LayerMake make(scope, *layer);
  status = def->make_ != nullptr ? def->make_(make) : Status();
  if (status.ok()) status = scope.status();
  if (status.ok()) status = make.make_variables();
  if (!status.ok()) return where(status);
  return layer;
}

Result<std::vector<ValueId>> Layer::call(const std::vector<ValueId>& inputs, bool training,
                                         std::string_view origin) const {
  ExprScope scope(*graph_, std::string(origin));
  std::vector<Expr> arguments;
  for (ValueId id : inputs) arguments.emplace_back(scope, id);
  LayerCall call(scope, *this, std::move(arguments), training);
  Status status = inputs.empty() ? invalid("a layer needs an input") : def_->call_(call);
  if (status.ok()) status = scope.status();
  if (!status.ok())
    return status.within(cat("layer '", name_, "' (", def_->name(), "): ")).at(name_, def_->name(), origin);
  std::vector<ValueId> out;
  for (const Expr& output : call.outputs()) out.push_back(output.id());
  return out;
}

}  // namespace weft
