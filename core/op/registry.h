// All operators, by domain and name. Only grows; safe to read from any thread. Nodes and plans hold definitions, so no run
// comes here.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/op/op_def.h"

namespace weft {

class OpRegistry {
 public:
  // For the operators' own files; the caller is the only one to know the registry then.
  OpDef& add(std::string_view name) { return add(kOnnxDomain, name); }
  OpDef& add(std::string_view domain, std::string_view name);
  // At run time: complete definitions of the callers' own. ALREADY_EXISTS for a name that is taken.
  Status publish(std::unique_ptr<OpDef> op);

  const OpDef* find(std::string_view domain, std::string_view name) const;
  // As `find`, with an error that proposes the nearest name.
  Result<const OpDef*> get(std::string_view domain, std::string_view name) const;
  std::vector<const OpDef*> all() const;  // sorted by domain, then name
  // Of these, the ones that users may add.
  int32_t public_count() const;
  const OpDef* public_at(int32_t i) const;  // null if there is none

 private:
  using Key = std::pair<std::string, std::string>;
  struct Less {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return std::pair<std::string_view, std::string_view>(a.first, a.second) <
             std::pair<std::string_view, std::string_view>(b.first, b.second);
    }
  };
  mutable std::shared_mutex mutex_;
  std::map<Key, std::unique_ptr<OpDef>, Less> ops_;
};

// "weft.Adam" -> {"weft", "Adam"}, "ai.onnx.ml.Scaler" -> {"ai.onnx.ml", "Scaler"}; a name without a dot is ONNX's.
std::pair<std::string_view, std::string_view> split_op_name(std::string_view full_name);

}  // namespace weft
