// Operators that C++ programs add.
#include "support.h"

namespace {

using weft::Attrs;
using weft::DType;
using weft::Graph;
using weft::Tensor;
using weft::Value;
using Operators = NoLeaks;
using Numbers = std::vector<float>;

// scale x^power + sum of the others; the power's list may be left out.
weft::Operator polynomial(const std::string& name) {
  weft::Operator op;
  op.name = name;
  op.doc = "scale x^power + the others.";
  op.types = {{"T", {DType::f32, DType::f64}}};
  op.inputs = {{"x", "T"}, {"others", "T", false, true}};
  op.outputs = {{"y", "T"}};
  op.attributes = {
      {"scale", "float", 1.0}, {"power", "int", {}, true}, {"negate", "bool", int64_t{0}}, {"notes", "strings"}};
  return op;
}

std::vector<Value> build_polynomial(Graph&, const std::vector<Value>& in, const Attrs& attrs) {
  Value y = in[0];
  for (int64_t i = 1; i < attrs.get<int64_t>("power"); ++i) y = y * in[0];
  y = y * attrs.get<double>("scale");
  for (size_t i = 1; i < in.size(); ++i) y = y + in[i];
  if (attrs.get<bool>("negate")) y = -y;
  return {y};
}

TEST_F(Operators, AreAddedRunAndDifferentiated) {
  weft::add_operator(polynomial("com.acme.cpp.Polynomial"), build_polynomial);
  Graph graph;
  const Value x = graph.input("x", DType::f32, "n");
  Attrs attrs;
  attrs.set("power", 3).set("scale", 2.0);
  const Value y = graph.add("com.acme.cpp.Polynomial", {x, x, x}, attrs)[0];  // 2 x^3 + 2 x
  const Value slope = graph.gradients({y}, {x})[0];                           // 6 x^2 + 2
  const weft::Session session(graph);
  const Tensor fed = Tensor::from({3}, Numbers{1, -2, 3});
  EXPECT_EQ(session.run({{x, fed}}, {y})[0].to_vector<float>(), (Numbers{4, -20, 60}));
  EXPECT_EQ(session.run({{x, fed}}, {slope})[0].to_vector<float>(), (Numbers{8, 26, 56}));
  EXPECT_NE(weft::describe_operator("com.acme.cpp.Polynomial").find("scale x^power"), std::string::npos);
}

TEST_F(Operators, AreLoadedAndSaved) {
  weft::add_operator(polynomial("com.acme.cpp.Saved"), build_polynomial);
  const TemporaryFile file("operator.onnx");
  {
    Graph graph;
    const Value x = graph.input("x", DType::f64, "n");
    Attrs attrs;
    attrs.set("power", 2).set("negate", true);
    graph.save(file.path(), {graph.add("com.acme.cpp.Saved", {x, x}, attrs)[0]});
  }
  EXPECT_NE(weft::inspect(file.path()).find("\"unsupported\": []"), std::string::npos);
  const Graph graph = Graph::load(file.path());
  const Tensor fed = Tensor::from({2}, std::vector<double>{2, 3});
  EXPECT_EQ(weft::Session(graph).run({{graph.inputs()[0], fed}}, {graph.outputs()[0]})[0].to_vector<double>(),
            (std::vector<double>{-6, -12}));
}

TEST_F(Operators, KindsOfAttributesComeAsTheyAre) {
  weft::Operator op;
  op.name = "com.acme.cpp.Kinds";
  op.inputs = {{"x", "f32"}, {"left_out", "f32", true}};
  op.outputs = {{"y", "f32"}};
  op.attributes = {{"text", "string"},  {"type", "dtype"},    {"table", "tensor"}, {"sizes", "ints"},
                   {"rates", "floats"}, {"words", "strings"}, {"absent", "int"}};
  const std::vector<weft::Attribute> defaults = {{"to", "dtype", DType::f64},
                                                 {"axis", "int", 3},
                                                 {"slope", "float", 0.5},
                                                 {"mode", "string", "fast"},
                                                 {"flag", "bool", true},
                                                 {"none", "dtype", std::nullopt},
                                                 {"pads", "ints", std::vector<int64_t>{1, 2}}};
  op.attributes.insert(op.attributes.end(), defaults.begin(), defaults.end());
  weft::add_operator(op, [](Graph& graph, const std::vector<Value>& in, const Attrs& attrs) {
    EXPECT_EQ(attrs.get<std::string>("text"), "two words");
    EXPECT_EQ(attrs.get<DType>("type"), DType::i64);
    EXPECT_EQ(attrs.get<Tensor>("table").to_vector<float>(), (Numbers{1, 2}));
    EXPECT_EQ(attrs.get<std::vector<int64_t>>("sizes"), (std::vector<int64_t>{3, 4}));
    EXPECT_EQ(attrs.get<std::vector<double>>("rates"), (std::vector<double>{0.5}));
    EXPECT_EQ(attrs.get<std::vector<std::string>>("words"), (std::vector<std::string>{"a", "b"}));
    EXPECT_FALSE(attrs.has("absent") || attrs.has("none"));
    EXPECT_EQ(attrs.get<DType>("to"), DType::f64);
    EXPECT_EQ(attrs.get<int64_t>("axis"), 3);
    EXPECT_EQ(attrs.get<double>("slope"), 0.5);
    EXPECT_EQ(attrs.get<std::string>("mode"), "fast");
    EXPECT_TRUE(attrs.get<bool>("flag"));
    EXPECT_EQ(attrs.get<std::vector<int64_t>>("pads"), (std::vector<int64_t>{1, 2}));
    EXPECT_EQ(error_of([&] { attrs.get<int64_t>("absent"); }).code(), WEFT_NOT_FOUND);
    EXPECT_EQ(error_of([&] { attrs.get<double>("text"); }).code(), WEFT_INVALID_ARGUMENT);
    EXPECT_EQ(in.size(), 2u);
    EXPECT_TRUE(in[1].empty());
    return std::vector<Value>{graph.constant(attrs.get<Tensor>("table"))};
  });
  Graph graph;
  Attrs attrs;
  attrs.set("text", "two words").set("type", DType::i64).set("table", Tensor::from({2}, Numbers{1, 2}));
  attrs.set("sizes", {3, 4}).set("rates", {0.5}).set("words", {"a", "b"});
  const Value y = graph.add("com.acme.cpp.Kinds", {graph.constant(1.0f)}, attrs)[0];
  EXPECT_EQ(computed<float>(graph, y), (Numbers{1, 2}));
}

TEST_F(Operators, ErrorsNameTheNodeAndWhatIsWrong) {
  const auto simple = [](const char* name) {
    weft::Operator op;
    op.name = name;
    op.inputs = {{"x", "f32"}};
    op.outputs = {{"y", "f32"}};
    return op;
  };
  const weft::Operator op = simple("com.acme.cpp.Simple");
  EXPECT_EQ(error_of([&] { weft::add_operator(op, nullptr); }).code(), WEFT_INVALID_ARGUMENT);
  int way = 0;
  weft::add_operator(op, [&way](Graph&, const std::vector<Value>& in, const Attrs&) -> std::vector<Value> {
    if (way == 0) throw Mine();
    if (way == 1) return {};
    if (way == 2) return {in[0], in[0]};
    if (way == 3) return {Value()};
    return {in[0].matmul(in[0])};
  });
  EXPECT_EQ(error_of([&] { weft::add_operator(op, [](auto&, const auto& in, const auto&) { return in; }); }).code(),
            WEFT_ALREADY_EXISTS);
  EXPECT_EQ(error_of([&] {
              weft::add_operator(simple("Simple"), [](auto&, const auto& in, const auto&) { return in; });
            }).code(),
            WEFT_INVALID_ARGUMENT);
  weft::Operator both = simple("com.acme.cpp.Both");
  both.inputs[0].optional = both.inputs[0].variadic = true;
  EXPECT_EQ(error_of([&] { weft::add_operator(both, [](auto&, const auto& in, const auto&) { return in; }); }).code(),
            WEFT_INVALID_ARGUMENT);
  Graph graph;
  const Value x = graph.input("x", DType::f32, "2,3");
  const auto add = [&] { graph.add(op.name, {x}, {}, "mine"); };
  EXPECT_THROW(add(), Mine);
  for (const char* said : {"it gave 0 values", "it gave 2 values", "nothing as output 0", "[MatMul"}) {
    ++way;
    const weft::Error error = error_of(add);
    EXPECT_NE(error.message().find(said), std::string::npos) << error.what();
    EXPECT_EQ(error.op(), op.name);
    EXPECT_EQ(error.node(), "mine");
    EXPECT_NE(error.origin().find("operator_test.cc:"), std::string::npos);
  }
  EXPECT_EQ(graph.node_count(), 1);
}

// An error that says something else of itself than weft::Error does.
struct Terse : weft::Error {
  using Error::Error;
  const char* what() const noexcept override { return "x"; }
};

TEST_F(Operators, DerivedErrorsSayTheirMessage) {
  weft::Operator op;
  op.name = "com.acme.cpp.Terse";
  op.outputs = {{"y", "f32"}};
  weft::add_operator(op, [](Graph&, const std::vector<Value>&, const Attrs&) -> std::vector<Value> {
    throw Terse(WEFT_ABORTED, "not today", "Neg");
  });
  const weft::Error error = error_of([] { Graph().add("com.acme.cpp.Terse", {}); });
  EXPECT_EQ(error.code(), WEFT_ABORTED);
  EXPECT_EQ(error.message(), "its body cannot be built: not today [Neg]");
}

}  // namespace
