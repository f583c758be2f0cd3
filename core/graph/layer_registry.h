// Layers: what makes variables once and can be called often. A registry like the operators'.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/live.h"
#include "core/graph/expr.h"

namespace weft {

class Layer;

// What a layer's `make` sees: attributes, and where to put variables.
class LayerMake {
 public:
  LayerMake(ExprScope& scope, Layer& layer) : scope_(scope), layer_(layer) {}
  ExprScope& scope() { return scope_; }
  const Attrs& attrs() const;
  // The full name of a variable of this layer; initial values take it as their random stream.
  std::string full_name(std::string_view name) const;
  void add_variable(std::string_view name, Expr initial, bool trainable);

 private:
  friend class Layer;
  struct Variable {
    std::string name;
    Expr initial;
    bool trainable;
  };
  // Once all are known to be right: a layer that could not be made leaves its names free.
  Status make_variables();

  ExprScope& scope_;
  Layer& layer_;
  std::vector<Variable> variables_;
};

// What a layer's `call` sees: its variables and the inputs; where it leaves the outputs.
class LayerCall {
 public:
  LayerCall(ExprScope& scope, const Layer& layer, std::vector<Expr> inputs, bool training)
      : scope_(scope), layer_(layer), inputs_(std::move(inputs)), training_(training) {}
  ExprScope& scope() { return scope_; }
  const Attrs& attrs() const;
  const Layer& layer() const { return layer_; }
  Expr input(int i) const { return i < static_cast<int>(inputs_.size()) ? inputs_[i] : Expr(); }
  bool training() const { return training_; }
  Expr variable(std::string_view name) const;
  bool has_variable(std::string_view name) const;
  void add_output(Expr value) { outputs_.push_back(value); }
  const std::vector<Expr>& outputs() const { return outputs_; }

 private:
  ExprScope& scope_;
  const Layer& layer_;
  std::vector<Expr> inputs_;
  bool training_;
  std::vector<Expr> outputs_;
};

class LayerDef : public WithAttrs<LayerDef> {
 public:
  explicit LayerDef(std::string_view name) : name_(name) {}
  const std::string& name() const { return name_; }
  const std::string& doc_text() const { return doc_; }
  const std::string& input_doc() const { return input_doc_; }
  const std::string& output_doc() const { return output_doc_; }

  LayerDef& doc(std::string_view doc) {
    doc_ = doc;
    return *this;
  }
  LayerDef& input(std::string_view doc) {
    input_doc_ = doc;
    return *this;
  }
  LayerDef& output(std::string_view doc) {
    output_doc_ = doc;
    return *this;
  }
  LayerDef& make(Status (*fn)(LayerMake&)) {
    make_ = fn;
    return *this;
  }
  LayerDef& call(Status (*fn)(LayerCall&)) {
    call_ = fn;
    return *this;
  }

 private:
  friend class Layer;
  std::string name_, doc_, input_doc_, output_doc_;
  Status (*make_)(LayerMake&) = nullptr;
  Status (*call_)(LayerCall&) = nullptr;
};

class LayerRegistry {
 public:
  LayerDef& add(std::string_view name);
  Result<const LayerDef*> get(std::string_view name) const;
  std::vector<const LayerDef*> all() const;  // sorted by name

 private:
  std::map<std::string, std::unique_ptr<LayerDef>, std::less<>> layers_;
};

// A layer of a graph: its variables are made, "name/kernel" and so on.
class Layer {
 public:
  static Result<std::shared_ptr<Layer>> make(std::shared_ptr<Graph> graph, const LayerRegistry& layers,
                                             std::string_view type, Attrs attrs, std::string_view name,
                                             std::string_view origin);
  // Adds the nodes of one use. In training, dropout drops and running averages move.
  Result<std::vector<ValueId>> call(const std::vector<ValueId>& inputs, bool training, std::string_view origin) const;

  const std::shared_ptr<Graph>& graph() const { return graph_; }
  const LayerDef& def() const { return *def_; }
  const Attrs& attrs() const { return attrs_; }
  const std::string& name() const { return name_; }
  const std::vector<std::pair<std::string, ValueId>>& variables() const { return variables_; }

 private:
  friend class LayerMake;
  Layer() = default;
  std::shared_ptr<Graph> graph_;
  const LayerDef* def_ = nullptr;
  Attrs attrs_;
  std::string name_;
  std::vector<std::pair<std::string, ValueId>> variables_;
};

}  // namespace weft
