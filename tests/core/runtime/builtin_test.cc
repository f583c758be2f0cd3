// Each operator of the library is whole: documented, with cases, something that computes it, and a gradient or a reason.
#include "core/runtime/builtin.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace weft {
namespace {

// The operators that files of tests/ops name.
std::set<std::string> with_cases() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("tests/ops")) {
    std::ifstream file(entry.path());
    std::string line;
    while (std::getline(file, line)) {
      if (line.rfind("op ", 0) == 0) names.insert(line.substr(3));
    }
  }
  return names;
}

TEST(BuiltinOps, AreDocumented) {
  for (const OpDef* op : builtin_ops().all()) {
    EXPECT_FALSE(op->doc_text().empty()) << op->full_name();
    for (const auto& input : op->inputs()) EXPECT_FALSE(input.doc.empty()) << op->full_name() << " " << input.name;
    for (const auto& output : op->outputs()) EXPECT_FALSE(output.doc.empty()) << op->full_name() << " " << output.name;
    for (const auto& attr : op->attrs()) EXPECT_FALSE(attr.doc.empty()) << op->full_name() << " " << attr.name;
  }
}

TEST(BuiltinOps, HaveCases) {
  // Case files have no sub-graphs, optionals, maps and functions of the host; those have tests of their own.
  const std::set<std::string> without = {"If",
                                         "Loop",
                                         "Scan",
                                         "SequenceMap",
                                         "ai.onnx.ml.CastMap",
                                         "ai.onnx.ml.DictVectorizer",
                                         "ai.onnx.ml.ZipMap",
                                         "ai.onnx.preview.FlexAttention",
                                         "weft.HostCall",
                                         "weft.MapItems",
                                         "weft.OptionalAdd",
                                         "weft.OptionalElementOrZeros"};
  const std::set<std::string> names = with_cases();
  for (const OpDef* op : builtin_ops().all()) {
    std::string name = op->full_name();
    if (!op->is_listed()) continue;
    EXPECT_EQ(names.count(name) + without.count(name), 1u) << name;
  }
}

TEST(BuiltinOps, AreComputed) {
  // By the executor itself.
  const std::set<std::string> without = {"Constant",      "If",         "Loop",         "Scan", "weft.Assign",
                                         "weft.HostCall", "weft.Input", "weft.Variable"};
  for (const OpDef* op : builtin_ops().all()) {
    std::string name = op->full_name();
    bool computed = cpu_kernels().has(name) || op->body_fn() != nullptr || op->is_view();
    EXPECT_NE(computed, without.count(name) != 0) << name;
  }
}

TEST(BuiltinOps, HaveAGradientOrAReason) {
  for (const OpDef* op : builtin_ops().all()) {
    // Those of their sub-graphs, by core/passes/differentiate_if.cc and differentiate_loop.cc.
    if (op->full_name() == "If" || op->full_name() == "Loop" || op->full_name() == "Scan") continue;
    // A body may be held back by a reason.
    bool has_reason = !op->no_gradient_reason().empty();
    EXPECT_TRUE(op->has_gradient() || has_reason) << op->full_name();
    EXPECT_FALSE(op->grad_fn() != nullptr && has_reason) << op->full_name();
  }
}

}  // namespace
}  // namespace weft
