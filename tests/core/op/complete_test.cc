// Every operator is complete: documentation, a kernel or a body, a gradient or why there is none, cases.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "core/runtime/builtin.h"

namespace weft {
namespace {

// Run by the executor or made into something else when a graph is cut; tested in core/runtime and in the languages,
// since cases have neither sub-graphs nor functions.
const std::set<std::string> kWithoutKernel = {"If", "Constant", "weft.Input", "weft.HostCall", "weft.Variable"};
const std::set<std::string> kWithoutCases = {"If", "weft.Input", "weft.HostCall", "weft.Variable"};

bool has_cases(const OpDef& op) { return std::filesystem::exists("tests/ops/" + op.name() + ".case"); }

TEST(Operators, HaveDocumentation) {
  for (const OpDef* op : builtin_ops().all()) {
    EXPECT_FALSE(op->doc_text().empty()) << op->full_name();
    EXPECT_NE(op->group_name(), "other") << op->full_name();
    for (const Formal& formal : op->inputs()) EXPECT_FALSE(formal.doc.empty()) << op->full_name() << " " << formal.name;
    for (const Formal& formal : op->outputs())
      EXPECT_FALSE(formal.doc.empty()) << op->full_name() << " " << formal.name;
    for (const AttrDef& attr : op->attrs()) EXPECT_FALSE(attr.doc.empty()) << op->full_name() << " " << attr.name;
  }
}

TEST(Operators, HaveAKernelOrABody) {
  for (const OpDef* op : builtin_ops().all()) {
    if (kWithoutKernel.count(op->full_name()) != 0) continue;
    EXPECT_TRUE(op->is_view() || op->body_fn() != nullptr || cpu_kernels().has(op->full_name())) << op->full_name();
  }
}

TEST(Operators, HaveAGradientOrAReasonForNone) {
  for (const OpDef* op : builtin_ops().all()) {
    bool known = op->grad_fn() != nullptr || op->body_fn() != nullptr || op->name() == "If";
    EXPECT_NE(known, !op->no_gradient_reason().empty() && op->body_fn() == nullptr)
        << op->full_name() << ": " << op->no_gradient_reason();
  }
}

TEST(Operators, HaveCases) {
  for (const OpDef* op : builtin_ops().all()) {
    // Internal ones are made by passes, whose tests run them.
    if (op->is_internal() || kWithoutCases.count(op->full_name()) != 0) continue;
    EXPECT_TRUE(has_cases(*op)) << op->full_name();
  }
}

TEST(Operators, TheExceptionsAreOperators) {
  std::set<std::string> names;
  for (const OpDef* op : builtin_ops().all()) names.insert(op->full_name());
  for (const std::string& name : kWithoutKernel) EXPECT_EQ(names.count(name), 1u) << name;
  for (const std::string& name : kWithoutCases) EXPECT_EQ(names.count(name), 1u) << name;
}

}  // namespace
}  // namespace weft
