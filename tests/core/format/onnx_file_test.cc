// Models of large weights, from files: where their elements are read to, and when.
#include "core/format/onnx_file.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tests/core/format/onnx_common.h"

namespace weft {
namespace {

constexpr int64_t kRows = 96, kColumns = 192;  // 73,728 bytes

std::vector<float> elements() {
  std::vector<float> out(kRows * kColumns);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(i % 97) - 48;
  return out;
}

// y = x w, with as many bytes before w as make its elements lie at `offset` beyond a multiple of 64 in the file.
Bytes product_with(int64_t offset) {
  const std::vector<float> w = elements();
  const Message weight = Message()
                             .number(1, kRows)
                             .number(1, kColumns)
                             .number(2, kFloat)
                             .text(8, "w")
                             .text(9, std::string(reinterpret_cast<const char*>(w.data()), w.size() * sizeof(float)));
  for (size_t letters = 0;; ++letters) {
    Message out =
        Message().number(1, 8).part(8, Message().text(1, "").number(2, 20)).text(2, std::string(letters, 'a'));
    out.part(7, graph_proto({{node_proto("MatMul", {"x", "w"}, {"y"})},
                             {weight},
                             {value_proto("x", kFloat, {1, kRows})},
                             {value_proto("y", kFloat, {1, kColumns})}}));
    const std::string raw(reinterpret_cast<const char*>(w.data()), 64);
    if (static_cast<int64_t>(out.str().find(raw)) % 64 == offset) return out.str();
  }
}

std::string saved(const TestFolder& folder, const Bytes& bytes) {
  EXPECT_TRUE(write_file(folder / "model.onnx", bytes).ok());
  return folder / "model.onnx";
}
Result<std::shared_ptr<Graph>> load_file(const std::string& path, bool map) {
  OnnxLoadOptions options;
  options.map = map;
  return load_onnx(builtin_ops(), path, options);
}
const Tensor& weight_of(const Graph& graph) { return *graph.value(graph.find("w")).constant; }

TEST(ModelFile, ReadsElementsOfLargeWeightsOnlyToWhereTheyStay) {
  TestFolder folder;
  const Bytes bytes = product_with(3);
  Result<onnx::ModelFile> file = onnx::ModelFile::open(saved(folder, bytes), false);
  ASSERT_TRUE(file.ok());
  const std::vector<float> w = elements();
  const size_t at = bytes.find(std::string(reinterpret_cast<const char*>(w.data()), 64));
  const size_t size = w.size() * sizeof(float);
  const std::string_view read = file->bytes();
  ASSERT_EQ(read.size(), bytes.size());
  EXPECT_EQ(read.substr(0, at), bytes.substr(0, at));
  EXPECT_EQ(read.substr(at + size), bytes.substr(at + size));
  EXPECT_EQ(
      std::count(read.begin() + static_cast<int64_t>(at) + 4096, read.begin() + static_cast<int64_t>(at + size), 0),
      static_cast<int64_t>(size) - 4096);
  Result<Tensor> tensor = file->tensor(DType::kF32, {kRows, kColumns}, read.substr(at, size));
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(floats_of(*tensor), w);
}

TEST(ModelFile, AllWaysToLoadGiveTheSameProduct) {
  TestFolder folder;
  Tensor x = *Tensor::make(DType::kF32, {1, kRows});
  std::iota(x.as<float>(), x.as<float>() + kRows, 0.0f);
  // The first column of w times x: sum over i of i * (192 i mod 97 - 48), in whole numbers.
  float first = 0;
  for (int64_t i = 0; i < kRows; ++i) first += static_cast<float>(i * (i * kColumns % 97 - 48));
  for (int64_t offset : {0, 1, 4}) {
    const Bytes bytes = product_with(offset);
    const std::string path = saved(folder, bytes);
    for (const auto& graph : {load(bytes), load_file(path, false), load_file(path, true)}) {
      ASSERT_TRUE(graph.ok()) << graph.status().text();
      Result<std::vector<Tensor>> out = run_graph(*graph, {x});
      ASSERT_TRUE(out.ok()) << out.status().text();
      EXPECT_EQ((*out)[0].as<float>()[0], first);
      EXPECT_EQ(floats_of(weight_of(**graph)), elements());
    }
  }
}

TEST(ModelFile, WhatKernelsPackStaysInTheMappedFile) {
  TestFolder folder;
  Result<std::shared_ptr<Graph>> graph = load_file(saved(folder, product_with(2)), true);
  ASSERT_TRUE(graph.ok()) << graph.status().text();
  EXPECT_TRUE(weight_of(**graph).buffer()->unfilled());
  ASSERT_TRUE(run_graph(*graph, {*Tensor::make(DType::kF32, {1, kRows})}).ok());
  ASSERT_TRUE(save_onnx(**graph, (*graph)->outputs(), {}, folder / "again.onnx", {}).ok());
  EXPECT_TRUE(weight_of(**graph).buffer()->unfilled());
  EXPECT_EQ(floats_of(weight_of(**graph)), elements());
  EXPECT_FALSE(weight_of(**graph).buffer()->unfilled());
  Result<std::shared_ptr<Graph>> again = load_file(folder / "again.onnx", false);
  ASSERT_TRUE(again.ok()) << again.status().text();
  EXPECT_EQ(floats_of(weight_of(**again)), elements());
}

// A file that is read in parts is understood as one that is read whole.
TEST(ModelFile, DamagedFilesAreToldAlikeFromWhereverTheyCome) {
  TestFolder folder;
  const Bytes whole = product_with(1);
  int64_t loaded = 0, refused = 0;
  uint32_t state = 1;
  auto below = [&state](size_t n) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes
    return (state >> 8) % n;
  };
  for (int round = 0; round < 600; ++round) {
    Bytes bytes = whole;
    const size_t at = below(2) == 0 ? below(200) : whole.size() - 200 + below(200);
    switch (below(4)) {
      case 0: bytes.resize(below(bytes.size())); break;
      case 1: bytes.erase(at, 1 + below(3)); break;
      case 2: bytes.insert(at, 1 + below(3), '\xff'); break;
      default: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8))); break;
    }
    const std::string path = saved(folder, bytes);
    Result<std::shared_ptr<Graph>> expected = load(bytes);
    for (bool map : {false, true}) {
      Result<std::shared_ptr<Graph>> graph = load_file(path, map);
      ASSERT_EQ(graph.ok(), expected.ok()) << "round " << round;
      if (!graph.ok()) {
        EXPECT_EQ(graph.status().code(), expected.status().code());
        const std::string& why = expected.status().message();
        EXPECT_EQ(graph.status().message(), cat("cannot load '", path, "': ", why.substr(why.find(": ") + 2)));
      } else if (expected.value()->find("w") != kNoValue) {
        EXPECT_TRUE(weight_of(**graph).same_bits(weight_of(**expected))) << "round " << round;
      }
    }
    (expected.ok() ? loaded : refused) += 1;
  }
  EXPECT_GT(loaded, 50);
  EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace weft
