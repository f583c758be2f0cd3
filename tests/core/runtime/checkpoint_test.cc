// Checkpoints: what is written, what is read back, what is refused without a change, what a failure leaves.
#include "core/runtime/checkpoint.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "core/tensor/safetensors.h"
#include "tests/core/runtime/model_common.h"

namespace weft {
namespace {

using Doubles = std::vector<double>;

// A folder of its own that goes away with the test.
struct Folder {
  std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "weft_checkpoint_test";
  Folder() {
    std::filesystem::remove_all(path);
    std::filesystem::create_directory(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path)) out.push_back(entry.path().filename());
    return out;
  }
};

// Variables of several dtypes and shapes, made in an order that is not that of their names. A step changes each.
struct Model : TestModel {
  Folder folder;
  const std::string path = folder.file("model.safetensors");

  Expr add(const char* name, Tensor initial) {
    return Expr(scope, *graph->add_variable(name, constant(scope, std::move(initial)).id(), true));
  }
  Expr weight = add("weight", *Tensor::vector<float>({1, 2, 3, 4, 5, 6}).reshaped({2, 3}));
  Expr bias = add("bias", Tensor::vector<double>({-1, 0.5}));
  Expr count = add("count", Tensor::scalar<int64_t>(7));
  Expr none = add("none", *Tensor::make(DType::kF32, {0, 4}));
  std::vector<Expr> steps{make(scope, "weft.Assign", {weight, weight + 1.0}),
                          make(scope, "weft.Assign", {bias, bias * 2.0}),
                          make(scope, "weft.Assign", {count, count + constant_int(scope, 1)})};

  Model() {
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    session = *Session::make(graph, {});
  }
  void step() {
    std::vector<Tensor> out;
    EXPECT_TRUE(session->run({{}, {}, {steps[0].id(), steps[1].id(), steps[2].id()}}, {}, {}, &out).ok());
  }
  Doubles value(const char* name) {
    Tensor tensor = *session->get_variable(name);
    Doubles out;
    for (int64_t i = 0; i < tensor.count(); ++i) {
      out.push_back(tensor.dtype() == DType::kF32   ? static_cast<double>(tensor.as<float>()[i])
                    : tensor.dtype() == DType::kI64 ? static_cast<double>(tensor.as<int64_t>()[i])
                                                    : tensor.as<double>()[i]);
    }
    return out;
  }
  void expect_initial() {
    EXPECT_EQ(value("weight"), (Doubles{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(value("bias"), (Doubles{-1, 0.5}));
    EXPECT_EQ(value("count"), Doubles{7});
  }
  // What a file of these tensors does to a session of initial values.
  Status load(const NamedTensors& tensors, bool partial = false) {
    EXPECT_TRUE(write_safetensors(path, tensors).ok());
    return load_checkpoint(*session, path, partial);
  }
};

NamedTensors complete() {
  return {{"weight", *Tensor::vector<float>({9, 8, 7, 6, 5, 4}).reshaped({2, 3})},
          {"bias", Tensor::vector<double>({3, 4})},
          {"count", Tensor::scalar<int64_t>(-2)},
          {"none", *Tensor::make(DType::kF32, {0, 4})}};
}
// The same with another tensor under `name`, or without it.
NamedTensors with(const char* name, const Tensor& other) {
  NamedTensors out;
  for (auto& item : complete()) {
    if (item.first != name) {
      out.push_back(item);
    } else if (!other.empty()) {
      out.emplace_back(name, other);
    }
  }
  return out;
}

TEST(Checkpoint, HasEveryVariableInTheOrderOfTheNames) {
  Model m;
  m.step();
  m.step();
  ASSERT_TRUE(save_checkpoint(*m.session, m.path).ok());
  SafetensorsFile file = *SafetensorsFile::open(m.path);
  EXPECT_EQ(file.metadata(), (Metadata{{"format", "weft checkpoint"}}));
  std::vector<std::string> entries;
  for (const auto& entry : file.entries()) {
    entries.push_back(cat(entry.name, " ", dtype_name(entry.dtype), shape_text(entry.shape)));
  }
  EXPECT_EQ(entries, (std::vector<std::string>{"bias f64[2]", "count i64[]", "none f32[0, 4]", "weight f32[2, 3]"}));
  EXPECT_TRUE(file.tensor("weight")->same_bits(*Tensor::vector<float>({3, 4, 5, 6, 7, 8}).reshaped({2, 3})));
  EXPECT_TRUE(file.tensor("bias")->same_bits(Tensor::vector<double>({-4, 2})));
  EXPECT_TRUE(file.tensor("count")->same_bits(Tensor::scalar<int64_t>(9)));
}

TEST(Checkpoint, VariablesThatNoRunHasSeenHaveTheirInitialValue) {
  Model m;
  ASSERT_TRUE(save_checkpoint(*m.session, m.path).ok());
  SafetensorsFile file = *SafetensorsFile::open(m.path);
  EXPECT_TRUE(file.tensor("count")->same_bits(Tensor::scalar<int64_t>(7)));
}

TEST(Checkpoint, HasWhatIsNotTrainedToo) {
  TestModel m;
  Folder folder;
  Expr counter(m.scope, *m.graph->add_variable("drop/counter", constant_int(m.scope, 0).id(), false));
  Expr slot(m.scope, *m.graph->add_variable("w/Adam/m", scalar(m.scope, DType::kF32, 0).id(), false));
  m.session = *Session::make(m.graph, {});
  ASSERT_TRUE(m.session->set_variable("drop/counter", Tensor::scalar<int64_t>(12)).ok());
  ASSERT_TRUE(save_checkpoint(*m.session, folder.file("c")).ok());
  SafetensorsFile file = *SafetensorsFile::open(folder.file("c"));
  ASSERT_EQ(file.entries().size(), 2u);
  EXPECT_TRUE(file.tensor("drop/counter")->same_bits(Tensor::scalar<int64_t>(12)));
  EXPECT_TRUE(file.tensor("w/Adam/m")->same_bits(Tensor::scalar<float>(0)));
}

TEST(Checkpoint, IsReadBackIntoASessionThatGoesOn) {
  Model m;
  m.step();
  ASSERT_TRUE(save_checkpoint(*m.session, m.path).ok());
  m.step();
  auto other = *Session::make(m.graph, {});
  ASSERT_TRUE(load_checkpoint(*other, m.path, false).ok());
  m.session = other;
  EXPECT_EQ(m.value("weight"), (Doubles{2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(m.value("count"), Doubles{8});
  m.step();
  EXPECT_EQ(m.value("weight"), (Doubles{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(m.value("bias"), (Doubles{-4, 2}));
  EXPECT_EQ(m.value("count"), Doubles{9});
}

TEST(Checkpoint, TakesTheTensorsOfAnyFileInAnyOrder) {
  Model m;
  ASSERT_TRUE(m.load(complete()).ok());
  EXPECT_EQ(m.value("weight"), (Doubles{9, 8, 7, 6, 5, 4}));
  EXPECT_EQ(m.value("bias"), (Doubles{3, 4}));
  EXPECT_EQ(m.value("count"), Doubles{-2});
}

TEST(Checkpoint, WhatDoesNotFitIsRefusedAndChangesNothing) {
  Model m;
  auto refused = [&](const NamedTensors& tensors, bool partial, const std::string& wanted) {
    expect_error(m.load(tensors, partial), Code::kInvalidArgument, wanted);
    m.expect_initial();
  };
  const std::string file = cat("'", m.path, "'");
  // The last of the graph's variables each time, so that all others had been found to fit.
  refused(with("none", Tensor()), false,
          cat(file, " has no value for the variable 'none'; option 'partial' sets those that it has"));
  refused(with("none", *Tensor::make(DType::kF32, {4, 0})), false,
          cat("the variable 'none' is f32[0, 4] in the graph but f32[4, 0] in ", file));
  refused(with("count", Tensor::scalar<int32_t>(1)), false,
          cat("the variable 'count' is i64[] in the graph but i32[] in ", file));
  refused(with("count", Tensor::vector<int64_t>({1})), true,
          cat("the variable 'count' is i64[] in the graph but i64[1] in ", file));
  NamedTensors more = complete();
  more.emplace_back("extra", Tensor::scalar<float>(1));
  refused(more, false, cat(file, " has a value for 'extra', which is no variable of the graph"));
}

TEST(Checkpoint, SetsThoseThatAreInBothIfPartial) {
  Model m;
  NamedTensors some = with("weight", Tensor());
  some.emplace_back("extra", Tensor::scalar<float>(1));
  ASSERT_TRUE(m.load(some, true).ok());
  EXPECT_EQ(m.value("weight"), (Doubles{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(m.value("bias"), (Doubles{3, 4}));
  EXPECT_EQ(m.value("count"), Doubles{-2});
  EXPECT_TRUE(m.load({}, true).ok());
  EXPECT_EQ(m.value("bias"), (Doubles{3, 4}));
}

TEST(Checkpoint, OfAnotherGraphSaysWhatIsMissing) {
  Model m;
  TestModel other;
  other.variable("v", 2);
  other.session = *Session::make(other.graph, {});
  ASSERT_TRUE(save_checkpoint(*other.session, m.path).ok());
  expect_error(load_checkpoint(*m.session, m.path, false), Code::kInvalidArgument,
               "has no value for the variable 'weight'");
  ASSERT_TRUE(save_checkpoint(*m.session, m.path).ok());
  expect_error(load_checkpoint(*other.session, m.path, false), Code::kInvalidArgument,
               "has no value for the variable 'v'");
  m.expect_initial();
}

TEST(Checkpoint, AFileThatIsNoneOrCutOffChangesNothing) {
  Model m;
  EXPECT_EQ(load_checkpoint(*m.session, m.folder.file("nowhere"), false).code(), Code::kNotFound);
  EXPECT_TRUE(write_file(m.path, "not a checkpoint at all").ok());
  EXPECT_FALSE(load_checkpoint(*m.session, m.path, false).ok());
  ASSERT_TRUE(write_safetensors(m.path, complete()).ok());
  const std::string whole((*read_file(m.path))->text());
  for (size_t bytes = 0; bytes < whole.size(); bytes += 7) {
    ASSERT_TRUE(write_file(m.path, whole.substr(0, bytes)).ok());
    EXPECT_FALSE(load_checkpoint(*m.session, m.path, true).ok()) << bytes << " bytes of " << whole.size();
  }
  m.expect_initial();
}

TEST(Checkpoint, AnOldOneStaysUntilTheNewOneIsWhole) {
  Model m;
  ASSERT_TRUE(save_checkpoint(*m.session, m.path).ok());
  const std::string old((*read_file(m.path))->text());
  std::ifstream reader(m.path, std::ios::binary);
  m.step();
  ASSERT_TRUE(save_checkpoint(*m.session, m.path).ok());
  EXPECT_EQ(m.folder.names(), (std::vector<std::string>{"model.safetensors"})) << "nothing temporary is left";
  EXPECT_NE((*read_file(m.path))->text(), old);
  // It is another file, put in place of the old one: who has that open still reads it.
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(reader), {}), old);
}

TEST(Checkpoint, WhatCannotBeWrittenIsAnErrorAndLeavesNothing) {
  Model m;
  EXPECT_FALSE(save_checkpoint(*m.session, m.folder.file("no/such/folder/c")).ok());
  std::filesystem::create_directory(m.folder.file("taken"));
  EXPECT_FALSE(save_checkpoint(*m.session, m.folder.file("taken")).ok()) << "a folder has that name";
  EXPECT_EQ(m.folder.names(), std::vector<std::string>{"taken"});
}

TEST(Checkpoint, AClosedSessionHasNone) {
  Model m;
  ASSERT_TRUE(save_checkpoint(*m.session, m.path).ok());
  ASSERT_TRUE(m.session->close().ok());
  expect_error(load_checkpoint(*m.session, m.path, false), Code::kFailedPrecondition, "closed");
  expect_error(save_checkpoint(*m.session, m.folder.file("other")), Code::kFailedPrecondition, "closed");
  EXPECT_EQ(m.folder.names(), (std::vector<std::string>{"model.safetensors"}));
}

TEST(Checkpoint, ValuesAreAllOfOneMoment) {
  TestModel m;
  Folder folder;
  Expr a = m.variable("a", 0), b = m.variable("b", 0);
  Expr next_a = make(m.scope, "weft.Assign", {a, a + 1.0}), next_b = make(m.scope, "weft.Assign", {b, b + 1.0});
  m.session = *Session::make(m.graph, {});
  ASSERT_TRUE(m.session->initialise().ok());
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) {
      std::vector<Tensor> out;
      EXPECT_TRUE(m.session->run({{}, {}, {next_a.id(), next_b.id()}}, {}, {}, &out).ok());
    }
  });
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(save_checkpoint(*m.session, folder.file("c")).ok());
    SafetensorsFile file = *SafetensorsFile::open(folder.file("c"));
    EXPECT_TRUE(file.tensor("a")->same_bits(*file.tensor("b")));
    Result<NamedTensors> now = values_at_once(*m.session, {"b", "a"});
    ASSERT_TRUE(now.ok()) << now.status().text();
    EXPECT_EQ((*now)[0].first, "b");
    EXPECT_TRUE((*now)[0].second.same_bits((*now)[1].second));
  }
  writer.join();
}

}  // namespace
}  // namespace weft
