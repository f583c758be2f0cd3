// What ONNX's own operators are like in each opset.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/op/op_def.h"

namespace weft::onnx {

// The oldest opset that can be written.
constexpr int kOldestSavedOpset = 7;
// What readers of the time of opset 21 and later know; it is enough for all that is written.
constexpr int kIrVersion = 10;
// The first version of the file format whose nodes have metadata.
constexpr int kNodeMetadataVersion = 10;

// A node of the domain ai.onnx, to be looked at.
struct NodeForm {
  std::string_view op;                   // its name in the file, which may have been another once
  const OpDef& def;                      // as it is today: for names, and for what attributes mean that are not given
  std::vector<const ValueType*> inputs;  // null for one that is omitted
  std::vector<const ValueType*> outputs;
  const Attrs& attrs;
};

// Made from a table of the schemas of ONNX. Of the newest one of each operator it says what inputs and outputs may be, as
// graphs have more types; graphs were checked against its attributes.
class OpHistory {
 public:
  OpHistory();

  // Why the opset does not have such a node; "" if it has, or if ONNX does not know the operator at all. Attributes that it
  // lacks count only where their values are not those that nodes without them have.
  std::string misfit(const NodeForm& node, int opset) const;
  // Whether nodes of the operator may have the attribute in that opset.
  bool has_attr(std::string_view op, std::string_view name, int opset) const;
  // Whether the operator is in that opset what it is today.
  bool is_newest(std::string_view op, int opset) const;

 private:
  struct Parameter {
    char variable = 'a';  // those that have one letter are of one type
    bool optional = false, variadic = false, mixed = false;
    int min_count = 1;
  };
  struct Version {
    int since = 1;
    bool newest = false;   // nothing is said of its attributes
    bool is_gone = false;  // it is deprecated from here on
    std::vector<Parameter> inputs, outputs;
    std::vector<int> sets;  // what the variables a, b, c, ... may be
    std::vector<std::string_view> attrs, required;
  };
  class Types;

  static Version read_version(std::string_view line);
  static std::vector<Parameter> read_parameters(std::string_view text);
  const std::vector<Version>* versions(std::string_view op) const;
  // Null if there is none yet in that opset.
  static const Version* version_at(const std::vector<Version>& versions, int opset);
  static std::string misfit(const NodeForm& node, const Version& version);
  static std::string misfit_of_attrs(const NodeForm& node, const Version& version);
  static std::string misfit_of_values(const char* what, const std::vector<const ValueType*>& values,
                                      const std::vector<Parameter>& parameters, Types* types);

  std::map<std::string_view, std::vector<Version>> versions_;
};

// The version of the file format that came with an opset, at most kIrVersion.
int ir_version_of(int opset);

}  // namespace weft::onnx
