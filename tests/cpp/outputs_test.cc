// One value as several outputs, an input and a weight as an output; maps and optionals through their functions.
#include "../test_folder.h"
#include "support.h"

namespace {

using weft::DType;
using weft::Tensor;
using weft::Value;
using Outputs = NoLeaks;
using Numbers = std::vector<float>;

TEST_F(Outputs, OneValueIsSeveral) {
  const std::vector<Numbers> wanted = {{11, 18}, {1, -2}, {11, 18}, {10, 20}, {1, -2}, {10, 20}};
  const auto check = [&](const weft::Graph& graph, const Value& x, const std::vector<Value>& outputs) {
    const Tensor fed = Tensor::from<float>({2}, {1, -2});
    std::vector<Tensor> results = weft::Session(graph).run({{x, fed}}, outputs);
    ASSERT_EQ(results.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(results[i].to_vector<float>(), wanted[i]) << i;
      results[i] = Tensor();  // the others stay
    }
    EXPECT_EQ(fed.to_vector<float>(), (Numbers{1, -2}));
  };
  const weft::TestFolder folder;
  weft::Graph graph;
  const Value x = graph.input("x", DType::f32, "2"), w = graph.constant(Numbers{10, 20}), y = x + w;
  const std::vector<Value> outputs = {y, x, y, w, x, w};
  check(graph, x, outputs);
  graph.save(folder / "outputs.onnx", outputs);
  const weft::Graph loaded = weft::Graph::load(folder / "outputs.onnx");
  check(loaded, loaded.inputs()[0], loaded.outputs());
}

// CastMap of x, a map from i64 to f32: no function makes an input that is a map. Written with onnx.
std::string cast_map() {
  const std::string hex =
      "08083a460a1b0a01781201792207436173744d61703a0a61692e6f6e6e782e6d6c1201675a110a0178120c2a0a080712060a"
      "040801120062110a0179120c0a0a080112060a0208010a00420e0a0a61692e6f6e6e782e6d6c100142040a001014";
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

TEST_F(Outputs, MapsGoThroughFunctions) {
  const std::string bytes = cast_map();
  weft::Graph graph = weft::Graph::load_bytes(bytes.data(), bytes.size());
  const Value x = graph.find("x");
  weft::MlCastMapAttrs cast;
  cast.cast_to = "TO_INT64";
  weft::MlDictVectorizerAttrs vocabulary;
  vocabulary.int64_vocabulary = std::vector<int64_t>{3, 7, 5};
  const weft::MapItemsOutputs items = weft::map_items(x);
  const Value row = weft::ml_cast_map(x, cast), places = weft::ml_dict_vectorizer(x, vocabulary);
  weft::MlZipMapAttrs labels;
  labels.classlabels_strings = std::vector<std::string>{"a", "b", "c"};
  const Value rows = weft::ml_zip_map(places, labels);
  const Tensor fed = Tensor::map(std::map<int64_t, float>{{5, 1.5f}, {1, 2.75f}, {3, -0.5f}});
  const auto out = weft::Session(graph).run({{x, fed}}, {items.keys, items.values, row, places, rows});
  EXPECT_EQ(out[0].to_vector<int64_t>(), (std::vector<int64_t>{1, 3, 5}));
  EXPECT_EQ(out[1].to_vector<float>(), (Numbers{2.75f, -0.5f, 1.5f}));
  EXPECT_EQ(out[2].to_vector<int64_t>(), (std::vector<int64_t>{2, 0, 1}));
  EXPECT_EQ(out[3].to_vector<float>(), (Numbers{-0.5f, 0, 1.5f}));
  EXPECT_EQ((out[4].to_maps<std::string, float>()),
            (std::vector<std::map<std::string, float>>{{{"a", -0.5f}, {"b", 0}, {"c", 1.5f}}}));
}

TEST_F(Outputs, OptionalsGoThroughFunctions) {
  weft::Graph graph;
  const Value x = graph.input("x", DType::f32, "2");
  weft::OptionalAttrs type;
  type.type = "f32[2]";
  const Value held = weft::optional(graph, x), none = weft::optional(graph, Value(), type);
  const auto out =
      weft::Session(graph).run({{x, Tensor::from<float>({2}, {3, -1})}},
                               {weft::optional_get_element(weft::optional_add(held, held)),
                                weft::optional_get_element(weft::optional_add(none, held)),
                                weft::optional_element_or_zeros(held, x), weft::optional_element_or_zeros(none, x)});
  EXPECT_EQ(out[0].to_vector<float>(), (Numbers{6, -2}));
  EXPECT_EQ(out[1].to_vector<float>(), (Numbers{3, -1}));
  EXPECT_EQ(out[2].to_vector<float>(), (Numbers{3, -1}));
  EXPECT_EQ(out[3].to_vector<float>(), (Numbers{0, 0}));
}

}  // namespace
