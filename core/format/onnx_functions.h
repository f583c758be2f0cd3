// The functions of a model's own, and what a call of one gives its nodes.
#pragma once

#include <map>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/format/onnx_wire.h"
#include "core/op/opsets.h"

namespace weft::onnx {

// "" and "ai.onnx" are one.
inline std::string_view onnx_domain(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }
// The versions of ONNX's domains that these say; of a domain that they do not name, that of `otherwise`. An error for two
// versions of one domain, or if no operator of ONNX's own domain of such a version can be read.
Result<Opsets> read_opsets(const OpsetsWire& wire, const Opsets& otherwise);
// Of a model's graph; DATA_LOSS for what holds none.
Result<Opsets> opsets_of(const ModelWire& model);

struct Function {
  FunctionWire wire;
  Opsets opsets;  // of its nodes
  // That a call comes to at the least, those of the calls within it counted in: not those in graphs of nodes, nor what is left
  // of a function that calls itself. At most kMostCounted.
  int64_t nodes = 0;
};
constexpr int64_t kMostCounted = int64_t{1} << 40;

class Functions {
 public:
  // `model` are the versions of the domains that a function does not name.
  static Result<Functions> read(const std::vector<std::string_view>& functions, const Opsets& model);
  // Null if there is none.
  const Function* find(std::string_view domain, std::string_view name, std::string_view overload) const;
  template <typename Fn>
  void for_each(Fn fn) const {
    for (const auto& [key, function] : functions_) fn(function);
  }

 private:
  void count_nodes();

  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, Function> functions_;
};

// An attribute as a call has it: `frame` is the number of the call in whose words it is written (names in its graphs).
struct GivenAttribute {
  AttributeWire wire;
  size_t frame = 0;
};
using GivenAttributes = std::map<std::string_view, GivenAttribute>;

// The attributes that a node of a call means: references are replaced by what the call was given, and left out where it was
// given nothing. `given` is null outside of functions.
Result<GivenAttributes> given_attributes(const NodeWire& node, const GivenAttributes* given, size_t frame);
// With the defaults of the function, a call of which is that frame; an error for an attribute that the function has not.
Status complete_attributes(const Function& function, size_t frame, GivenAttributes* given);

}  // namespace weft::onnx
