// Building graphs with the C++ header: expressions, constants, attributes, branches, host calls, what is known of values.
#include <cmath>
#include <limits>

#include "support.h"

namespace {

using weft::DType;
using weft::Tensor;
using weft::Value;
using Building = NoLeaks;

template <typename T>
Value constant(weft::Graph& graph, const std::vector<T>& values) {
  return graph.constant(values);
}

TEST_F(Building, ExpressionsCompute) {
  weft::Graph graph;
  Value x = constant<float>(graph, {-7, 2, 3});
  using F = std::vector<float>;
  EXPECT_EQ(computed<float>(graph, x + 1), (F{-6, 3, 4}));
  EXPECT_EQ(computed<float>(graph, 1 - x), (F{8, -1, -2}));
  EXPECT_EQ(computed<float>(graph, x * x), (F{49, 4, 9}));
  EXPECT_EQ(computed<float>(graph, x / 2.0), (F{-3.5f, 1, 1.5f}));
  EXPECT_EQ(computed<float>(graph, 6 / x), (F{-6.0f / 7, 3, 2}));
  EXPECT_EQ(computed<float>(graph, -x), (F{7, -2, -3}));
  EXPECT_EQ(computed<float>(graph, x % 3.0f), (F{-1, 2, 0}));
  EXPECT_EQ(computed<float>(graph, weft::pow(x, 2)), (F{49, 4, 9}));
  EXPECT_EQ(computed<float>(graph, weft::pow(2.0, x)), (F{0.0078125f, 4, 8}));
  EXPECT_EQ(computed<float>(graph, weft::pow(x, x * 0 + 1)), (F{-7, 2, 3}));
  Value i = constant<int64_t>(graph, {-7, 2, 3});
  EXPECT_EQ(computed<int64_t>(graph, i % 3), (std::vector<int64_t>{2, 2, 0}));
  EXPECT_EQ(computed<int64_t>(graph, 7 % i), (std::vector<int64_t>{0, 1, 1}));
  EXPECT_EQ(computed<int64_t>(graph, i + std::numeric_limits<int64_t>::max() - 9),
            (std::vector<int64_t>{9223372036854775791, 9223372036854775800, 9223372036854775801}));
}

TEST_F(Building, MethodsOfValuesCompute) {
  weft::Graph graph;
  Value x = graph.constant(Tensor::from<float>({2, 2}, {1, -2, 3, 4}));
  using F = std::vector<float>;
  auto is = [&](const Value& value, const std::string& shape, const F& want) {
    EXPECT_EQ(value.shape(), shape);
    const F got = computed<float>(graph, value);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-6) << i;
  };
  is(x.sum(), "[]", {6});
  is(x.sum({0}), "[2]", {4, 2});
  is(x.sum({1}, true), "[2, 1]", {-1, 7});
  is(x.mean({-1}), "[2]", {-0.5f, 3.5f});
  is(x.max({0}), "[2]", {3, 4});
  is(x.min({0, 1}), "[]", {-2});
  is(x.prod(), "[]", {-24});
  is(x.reshape({-1}), "[4]", {1, -2, 3, 4});
  is(x.t(), "[2, 2]", {1, 3, -2, 4});
  is(x.reshape({1, 2, 2}).transpose({2, 0, 1}), "[2, 1, 2]", {1, 3, -2, 4});
  is(x.abs(), "[2, 2]", {1, 2, 3, 4});
  is(x.relu(), "[2, 2]", {1, 0, 3, 4});
  is(x.exp().at(0), "[2]", {2.71828183f, 0.13533528f});
  is(x.at(1).log(), "[2]", {1.09861229f, 1.38629436f});
  is(x.at(1).sqrt(), "[2]", {1.73205081f, 2});
  is(x.at(0).sigmoid(), "[2]", {0.73105858f, 0.11920292f});
  is(x.at(0).tanh(), "[2]", {0.76159416f, -0.96402758f});
  is(x.softmax().at(0), "[2]", {0.95257413f, 0.04742587f});
  is(x.softmax(0).at(0), "[2]", {0.11920292f, 0.00247262f});
  EXPECT_EQ(computed<bool>(graph, x.equal(3)), (std::vector<bool>{false, false, true, false}));
  EXPECT_EQ(computed<bool>(graph, x.not_equal(x.abs())), (std::vector<bool>{false, true, false, false}));
  for (const Value& whole : {x.cast(DType::i32), weft::cast(x, DType::i32), weft::cast(x, {DType::i32})}) {
    EXPECT_EQ(computed<int32_t>(graph, whole), (std::vector<int32_t>{1, -2, 3, 4}));
  }
  is(weft::concat({x, x}, 1).at(0), "[4]", {1, -2, 1, -2});
  EXPECT_NE(error_of([&] { x.sum({5}); }).origin().find("graph_test.cc"), std::string::npos);
}

TEST_F(Building, ComparisonsAreValues) {
  weft::Graph graph;
  Value x = constant<float>(graph, {1, 2, 3});
  using B = std::vector<bool>;
  EXPECT_EQ(computed<bool>(graph, x < 2), (B{true, false, false}));
  EXPECT_EQ(computed<bool>(graph, x <= 2), (B{true, true, false}));
  EXPECT_EQ(computed<bool>(graph, x > 2), (B{false, false, true}));
  EXPECT_EQ(computed<bool>(graph, 2 >= x), (B{true, true, false}));
  EXPECT_EQ(computed<bool>(graph, (x > 1) & (x < 3)), (B{false, true, false}));
  EXPECT_EQ(computed<bool>(graph, (x < 2) | (x > 2)), (B{true, false, true}));
  EXPECT_EQ(computed<bool>(graph, (x < 3) ^ true), (B{false, false, true}));
  EXPECT_EQ(computed<bool>(graph, !(x < 2)), (B{false, true, true}));
  Value same = x, other = x + 0;
  EXPECT_TRUE(x == same);
  EXPECT_TRUE(x != other);
}

TEST_F(Building, NumbersTakeTheTypeBesideThem) {
  weft::Graph graph;
  auto one = [&](DType dtype) { return weft::cast(graph.constant(1), {dtype}); };
  for (DType dtype : {DType::i8, DType::i16, DType::i32, DType::i64, DType::u8, DType::u16, DType::u32, DType::u64,
                      DType::f16, DType::bf16, DType::f32, DType::f64}) {
    Value sum = one(dtype) + 2;
    EXPECT_EQ(sum.dtype(), dtype);
    EXPECT_EQ(computed<float>(graph, weft::cast(sum, {DType::f32})), (std::vector<float>{3}));
  }
  EXPECT_EQ(computed<uint8_t>(graph, one(DType::u8) + 254), (std::vector<uint8_t>{255}));
  EXPECT_EQ(computed<int8_t>(graph, one(DType::i8) - 2.0), (std::vector<int8_t>{-1}));
  const std::pair<DType, double> wrong[] = {{DType::i64, 2.5}, {DType::u8, 256},  {DType::u64, -1},
                                            {DType::i8, 128},  {DType::i32, NAN}, {DType::boolean, 2}};
  for (const auto& [type, number] : wrong) {
    const DType dtype = type;
    const double value = number;
    const int line = __LINE__ + 1;
    const weft::Error error = error_of([&] { one(dtype) + value; });
    EXPECT_EQ(error.code(), WEFT_INVALID_ARGUMENT) << weft::dtype_name(dtype);
    EXPECT_EQ(error.origin(), std::string(__FILE__) + ":" + std::to_string(line));
    EXPECT_NE(error.message().find(weft::dtype_name(dtype)), std::string::npos) << error.what();
  }
  EXPECT_THROW(graph.constant(1.0f) + Value(), weft::Error);
}

TEST_F(Building, PartsOfValues) {
  weft::Graph graph;
  Value x = graph.constant(Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  using F = std::vector<float>;
  EXPECT_EQ(*x.at(1).dims(), (weft::Shape{3}));
  EXPECT_EQ(computed<float>(graph, x.at(1)), (F{4, 5, 6}));
  EXPECT_EQ(computed<float>(graph, x.at(-1, 1)), (F{3, 6}));
  EXPECT_EQ(computed<float>(graph, x.at(0).at(-2)), (F{2}));
  EXPECT_EQ(computed<float>(graph, x.slice(1, 2)), (F{4, 5, 6}));
  EXPECT_EQ(computed<float>(graph, x.slice(1, std::nullopt, 1)), (F{2, 3, 5, 6}));
  EXPECT_EQ(computed<float>(graph, x.slice(0, -1, -1)), (F{1, 2, 4, 5}));
  EXPECT_EQ(computed<float>(graph, x.slice(-1, std::nullopt, 1, -2)), (F{3, 1, 6, 4}));
  EXPECT_EQ(computed<float>(graph, x.matmul(weft::transpose(x))), (F{14, 32, 32, 77}));
}

TEST_F(Building, NumbersAndListsAsConstantsAndVariables) {
  weft::Graph graph;
  EXPECT_EQ(graph.constant(2.0f).dtype(), DType::f32);
  EXPECT_EQ(graph.constant(2.0).dtype(), DType::f64);
  EXPECT_EQ(graph.constant(true).dtype(), DType::boolean);
  EXPECT_EQ(*graph.constant(std::vector<bool>{true, false}).dims(), (weft::Shape{2}));
  EXPECT_EQ(graph.constant(int64_t{3}, "three").name(), "three");
  Value v = graph.variable("v", 1.0), frozen = graph.variable("frozen", std::vector<float>{1, 2}.size(), false);
  EXPECT_EQ(v.dtype(), DType::f64);
  EXPECT_EQ(graph.variables().size(), 2u);
  weft::Session session(graph);
  EXPECT_EQ(session.get(v).item<double>(), 1);
  EXPECT_EQ(session.get(frozen).item<uint64_t>(), 2u);
  EXPECT_EQ(error_of([&] { graph.variable("v", 2.0); }).code(), WEFT_ALREADY_EXISTS);
}

TEST_F(Building, AttributesOfEveryKind) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "1,1,4,4");
  Value pooled = graph.add("MaxPool", {x}, weft::Attrs().set("kernel_shape", {2, 2}).set("strides", {2, 2}))[0];
  EXPECT_EQ(*pooled.dims(), (weft::Shape{1, 1, 2, 2}));
  weft::MaxPoolAttrs attrs{{2, 2}};
  attrs.strides = {2, 2};
  EXPECT_EQ(*weft::max_pool(x, attrs).dims(), (weft::Shape{1, 1, 2, 2}));
  attrs.strides = {};
  EXPECT_EQ(*weft::max_pool(x, attrs).dims(), (weft::Shape{1, 1, 3, 3}));
  attrs.pads = std::vector<int64_t>{1, 1, 1, 1};
  EXPECT_EQ(*weft::max_pool(x, attrs).dims(), (weft::Shape{1, 1, 5, 5}));
  EXPECT_EQ(graph.add("Cast", {x}, weft::Attrs().set("to", DType::i32))[0].dtype(), DType::i32);
  Value filled = graph.add("ConstantOfShape", {constant<int64_t>(graph, {2})},
                           weft::Attrs().set("value", Tensor::from<double>({1}, {7})))[0];
  EXPECT_EQ(computed<double>(graph, filled), (std::vector<double>{7, 7}));
  weft::Attrs twice;
  twice.set("alpha", 3.0).set("alpha", 0.5);  // the last one counts
  EXPECT_EQ(computed<float>(graph, graph.add("LeakyRelu", {constant<float>(graph, {-4})}, twice)[0]),
            (std::vector<float>{-2}));
  EXPECT_EQ(error_of([&] { graph.add("Relu", {x}, weft::Attrs().set("alpha", "wrong")); }).code(),
            WEFT_INVALID_ARGUMENT);
}

TEST_F(Building, OperatorsGiveAValueOrAllOutputs) {
  weft::Graph graph;
  Value x = graph.constant(Tensor::from<float>({1, 1, 2, 2}, {1, 4, 3, 2}));
  Value most = weft::max_pool(x, {{2, 2}});
  weft::MaxPoolOutputs both = weft::max_pool_outputs(x, {{2, 2}});
  EXPECT_EQ(computed<float>(graph, most), (std::vector<float>{4}));
  EXPECT_EQ(computed<float>(graph, both.y), (std::vector<float>{4}));
  EXPECT_EQ(computed<int64_t>(graph, both.indices), (std::vector<int64_t>{1}));
  auto [values, indices] = weft::top_k(constant<float>(graph, {1, 3, 2}), constant<int64_t>(graph, {2}));
  EXPECT_EQ(computed<float>(graph, values), (std::vector<float>{3, 2}));
  EXPECT_EQ(computed<int64_t>(graph, indices), (std::vector<int64_t>{1, 2}));
  std::vector<Value> parts = weft::split(constant<float>(graph, {1, 2, 3}), 2, constant<int64_t>(graph, {1, 2}));
  EXPECT_EQ(computed<float>(graph, parts.at(1)), (std::vector<float>{2, 3}));
}

TEST_F(Building, ValuesSayWhatIsKnown) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "batch,3,batch");
  EXPECT_EQ(x.shape(), "[batch, 3, batch]");
  EXPECT_EQ(*x.dims(), (weft::Shape{-1, 3, -1}));
  Value open = graph.input("open", DType::i8);
  EXPECT_EQ(open.dims(), std::nullopt);
  EXPECT_EQ(open.shape(), "[...]");
  EXPECT_EQ(*graph.input("scalar", DType::i8, "").dims(), weft::Shape());
  weft::Session session(graph);
  for (const weft::Shape& shape : {weft::Shape{}, weft::Shape{1, 2}}) {
    EXPECT_EQ(session.run({{open, Tensor::zeros(DType::i8, shape)}}, {open})[0].shape(), shape);
  }
  x.set_name("images");
  EXPECT_EQ(graph.find("images"), x);
  EXPECT_EQ(error_of([&] { open.set_name("images"); }).code(), WEFT_ALREADY_EXISTS);
  EXPECT_EQ(error_of([&] { graph.find("x"); }).code(), WEFT_NOT_FOUND);
  EXPECT_EQ(graph.inputs().size(), 3u);
  graph.set_outputs({open, x});
  EXPECT_EQ(graph.outputs(), (std::vector<Value>{open, x}));
  EXPECT_EQ(graph.node_count(), 3);
  EXPECT_NE(graph.text().find("images"), std::string::npos);
  EXPECT_NE(graph.dot().find("digraph"), std::string::npos);
}

TEST_F(Building, ScopesNameWhatIsAdded) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "2");
  {
    weft::Graph::Scope outer(graph, "encoder"), inner(graph, "block");
    EXPECT_EQ(weft::relu(x).name(), "encoder/block/Relu");
  }
  EXPECT_EQ(weft::relu(x).name(), "Relu");
  EXPECT_EQ(weft::relu(x, "mine").name(), "mine");
}

TEST_F(Building, BranchesNest) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "");
  auto sign = graph.if_(
      x > 0, [&] { return std::vector{graph.constant(1.0f)}; },
      [&] {
        Value negated = -x;  // of this branch, used in the one in it
        return graph.if_(
            negated > 0, [&] { return std::vector{negated * 0 - 1}; }, [&] { return std::vector{x}; });
      });
  weft::Session session(graph);
  for (float number : {5.0f, -5.0f, 0.0f}) {
    const float want = number > 0 ? 1.0f : number < 0 ? -1.0f : 0.0f;
    EXPECT_EQ(session.run({{x, Tensor::scalar(number)}}, sign)[0].item<float>(), want);
  }
  const weft::Error error = error_of([&] {
    graph.if_(
        x > 0,
        [&] {
          return std::vector{x, x};
        },
        [&] { return std::vector{x}; });
  });
  EXPECT_NE(error.message().find("2 and 1"), std::string::npos) << error.what();
  EXPECT_THROW(graph.if_(
                   x > 0, []() -> std::vector<Value> { throw Mine(); }, [&] { return std::vector{x}; }),
               Mine);
  EXPECT_EQ(weft::relu(x).graph_state(), graph.state());  // the branch that failed is over
}

TEST_F(Building, LoopsCarryAndStack) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, ""), n = graph.input("n", DType::i64, "");
  using Values = std::vector<Value>;
  Values powers = graph.loop(
      n, Value(), {x},
      [&](const Values& in) {
        return Values{in[1], in[2] * x, in[2]};
      },
      weft::Attrs().set("recompute", true));
  Values until = graph.loop(Value(), Value(), {x}, [&](const Values& in) {
    Value next = in[2] * in[2];
    return Values{next < 100, next};
  });
  Values sums = graph.scan({graph.constant(0.0f)}, {powers[1]}, [&](const Values& in) {
    return Values{in[0] + in[1], in[0] + in[1]};
  });
  Value gradient = graph.gradients({powers[0]}, {x})[0];
  weft::Session session(graph);
  const auto out = session.run({{x, Tensor::scalar(2.0f)}, {n, Tensor::scalar(int64_t{3})}},
                               {powers[0], powers[1], until[0], sums[1], gradient});
  EXPECT_EQ(out[0].item<float>(), 16);
  EXPECT_EQ(out[1].to_vector<float>(), (std::vector<float>{2, 4, 8}));
  EXPECT_EQ(out[2].item<float>(), 256);
  EXPECT_EQ(out[3].to_vector<float>(), (std::vector<float>{2, 6, 14}));
  EXPECT_EQ(out[4].item<float>(), 32);
  EXPECT_THROW(graph.loop(n, Value(), {x}, [&](const Values&) { return Values{}; }), weft::Error);
  EXPECT_THROW(graph.scan({x}, {n}, [&](const Values& in) { return in; }), weft::Error);
}

TEST_F(Building, SequencesAreMapped) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "2"), y = graph.input("y", DType::f32, "1");
  using Values = std::vector<Value>;
  Value pair = weft::sequence_construct({x, y});
  Values mapped = graph.sequence_map({pair, y}, [&](const Values& in) { return Values{in[0] * in[1] + y}; });
  weft::Session session(graph);
  const auto out = session.run({{x, Tensor::from<float>({2}, {1, 2})}, {y, Tensor::from<float>({1}, {3})}}, mapped);
  EXPECT_EQ(out[0].kind(), weft::Kind::sequence);
  EXPECT_EQ(out[0].at(0).to_vector<float>(), (std::vector<float>{6, 9}));
  EXPECT_EQ(out[0].at(1).to_vector<float>(), std::vector<float>{12});
  EXPECT_THROW(out[0].to_vector<float>(), weft::Error);
  EXPECT_THROW(graph.sequence_map({y}, [&](const Values& in) { return in; }), weft::Error);
}

TEST_F(Building, AttentionGoesThroughFunctions) {
  weft::Graph graph;
  Value q = graph.input("q", DType::f32, "1, 1, 1, 1"), k = graph.input("k", DType::f32, "1, 1, n, 1");
  Value w = graph.input("w", DType::f32, "");
  Value plain = graph.flex_attention(q, k, k);
  Value y = graph.flex_attention(
      q, k, k, [](const Value& scores) { return scores * 0.0f; }, [&](const Value& weights) { return weights * w; },
      weft::Attrs().set("scale", 2.0));
  weft::Session session(graph);
  const weft::Feeds feeds = {{q, Tensor::from<float>({1, 1, 1, 1}, {0})},
                             {k, Tensor::from<float>({1, 1, 2, 1}, {1, 3})},
                             {w, Tensor::scalar(5.0f)}};
  const auto out = session.run(feeds, {plain, y});
  EXPECT_EQ(out[0].item<float>(), 2);
  EXPECT_EQ(out[1].item<float>(), 10);
  EXPECT_THROW(graph.flex_attention(q, k, k, [&](const Value&) { return w; }), weft::Error);
}

TEST_F(Building, OptionalsHoldATensorOrNothing) {
  const Tensor none = Tensor::optional(), held = Tensor::optional(Tensor::scalar(2.0f));
  EXPECT_EQ(none.kind(), weft::Kind::optional);
  EXPECT_EQ(none.count(), 0);
  EXPECT_EQ(held.at(0).item<float>(), 2);
  EXPECT_THROW(Tensor::optional(held), weft::Error);
}

// DictVectorizer with the vocabulary a, b, c: x, a map from strings to f32, gives y, f32[1, 3]. Written with onnx.
std::string dict_vectorizer() {
  const std::string hex =
      "080812003a700a430a0178120179220e44696374566563746f72697a65722a1f0a11737472696e675f766f636162756c6172"
      "794a01614a01624a0163a001083a0a61692e6f6e6e782e6d6c1201675a110a0178120c2a0a080812060a040801120062130a"
      "0179120e0a0c080112080a0208010a020803420e0a0a61692e6f6e6e782e6d6c100142040a001014";
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

TEST_F(Building, MapsAreFedAndFetched) {
  const std::string bytes = dict_vectorizer();
  weft::Graph graph = weft::Graph::load_bytes(bytes.data(), bytes.size());
  Value x = graph.find("x"), y = graph.find("y");
  EXPECT_EQ(x.kind(), weft::Kind::map);
  EXPECT_EQ(y.kind(), weft::Kind::tensor);
  const std::map<std::string, float> given = {{"c", 2}, {"a", 1.5f}};
  weft::Attrs labels;
  labels.set("classlabels_int64s", std::vector<int64_t>{7, 8, 9});
  Value zipped = graph.add("ai.onnx.ml.ZipMap", {y}, labels)[0];
  weft::Session session(graph);
  const auto out = session.run({{x, Tensor::map(given)}}, {y, zipped});
  EXPECT_EQ(out[0].to_vector<float>(), (std::vector<float>{1.5f, 0, 2}));
  EXPECT_EQ((out[1].to_maps<int64_t, float>()), (std::vector<std::map<int64_t, float>>{{{7, 1.5f}, {8, 0}, {9, 2}}}));
  EXPECT_EQ((Tensor::map(given).to_map<std::string, float>()), given);
  EXPECT_THROW((out[1].to_maps<std::string, float>()), weft::Error);
  EXPECT_THROW((out[0].to_map<std::string, float>()), weft::Error);
  EXPECT_THROW((out[0].to_maps<std::string, float>()), weft::Error);
  EXPECT_THROW(Tensor::map(out[0], out[0]), weft::Error);
}

TEST_F(Building, SubGraphsAreAttributes) {
  weft::Graph graph;
  Value flag = graph.input("flag", DType::boolean, ""), x = graph.input("x", DType::f32, "");
  weft::Graph then = graph.new_sub(), otherwise = graph.new_sub();
  Value three = then.constant(3.0f);
  then.set_outputs({x * three});  // goes to the innermost graph of the two
  otherwise.set_outputs({otherwise.add("Neg", {x})[0]});
  weft::Attrs attrs;
  attrs.set("then_branch", then).set("else_branch", otherwise);
  Value y = graph.add("If", {flag}, attrs)[0];
  weft::Session session(graph);
  const Tensor two = Tensor::scalar(2.0f);
  EXPECT_EQ(session.run({{flag, Tensor::scalar(true)}, {x, two}}, {y})[0].item<float>(), 6);
  EXPECT_EQ(session.run({{flag, Tensor::scalar(false)}, {x, two}}, {y})[0].item<float>(), -2);
  EXPECT_THROW(weft::relu(three + weft::Graph().constant(1.0f)), weft::Error);
}

TEST_F(Building, HostCallsHaveGradients) {
  weft::set_host_function("cpp/square", [](const std::vector<Tensor>& in) {
    const double x = in[0].item<double>();
    return std::vector{Tensor::scalar(x * x)};
  });
  weft::set_host_function("cpp/square_gradient", [](const std::vector<Tensor>& in) {
    return std::vector{Tensor::scalar(2 * in[0].item<double>() * in[1].item<double>())};
  });
  weft::Graph graph;
  Value x = graph.input("x", DType::f64, "");
  Value y = graph.host_call("cpp/square", {x}, {{DType::f64, ""}}, "cpp/square_gradient", "square")[0];
  EXPECT_EQ(y.name(), "square");
  Value slope = graph.gradients({y * 5.0}, {x})[0];
  weft::Session session(graph);
  auto out = session.run({{x, Tensor::scalar(3.0)}}, {y, slope});
  EXPECT_EQ(out[0].item<double>(), 9);
  EXPECT_EQ(out[1].item<double>(), 30);
  weft::remove_host_function("cpp/square_gradient");
  weft::set_host_function("cpp/square", nullptr);
  EXPECT_EQ(error_of([&] { session.run({{x, Tensor::scalar(3.0)}}, {y}); }).code(), WEFT_FAILED_PRECONDITION);
  Value open = graph.host_call("cpp/other", {x}, {{DType::f32, std::nullopt}})[0];
  EXPECT_EQ(open.dims(), std::nullopt);
}

TEST_F(Building, HostFunctionsGiveWhatIsWanted) {
  auto held = std::make_shared<int>(0);
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "2");
  Value y = graph.host_call("cpp/wrong", {x}, {{DType::f32, "2"}}, "", "caller")[0];
  weft::Session session(graph);
  auto run = [&] { session.run({{x, Tensor::zeros(DType::f32, {2})}}, {y}); };
  weft::set_host_function("cpp/wrong", [held](const std::vector<Tensor>&) { return std::vector<Tensor>(); });
  EXPECT_EQ(error_of(run).code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(error_of(run).node(), "caller");
  EXPECT_NE(error_of(run).origin().find("graph_test.cc"), std::string::npos);
  weft::set_host_function("cpp/wrong", [](const std::vector<Tensor>& in) {
    return std::vector{in[0].reshape({1, 2})};
  });
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(error_of(run).code(), WEFT_INVALID_ARGUMENT);
  weft::set_host_function("cpp/wrong", [](const std::vector<Tensor>&) { return std::vector{Tensor()}; });
  EXPECT_EQ(error_of(run).code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(error_of(run).node(), "caller");
  weft::set_host_function("cpp/wrong", [](const std::vector<Tensor>&) -> std::vector<Tensor> { throw 7; });
  EXPECT_THROW(run(), int);
  Tensor kept;
  weft::set_host_function("cpp/wrong", [&](const std::vector<Tensor>& in) { return std::vector{kept = in[0]}; });
  run();
  EXPECT_EQ(kept.to_vector<float>(), (std::vector<float>{0, 0}));
  weft::remove_host_function("cpp/wrong");
}

TEST_F(Building, GradientsTakeWeights) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f64, ""), y = x * x, z = x * 2;
  auto all = graph.gradients({y, z}, {x}), weighted = graph.gradients({y, z}, {x}, {graph.constant(10.0), Value()});
  auto out = weft::Session(graph).run({{x, Tensor::scalar(3.0)}}, {all[0], weighted[0]});
  EXPECT_EQ(out[0].item<double>(), 8);
  EXPECT_EQ(out[1].item<double>(), 62);
  EXPECT_EQ(error_of([&] { graph.gradients({y, z}, {x}, {y}); }).code(), WEFT_INVALID_ARGUMENT);
}

TEST_F(Building, LayersByTypeAndByClass) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "n,2");
  weft::layers::DenseAttrs attrs{2, 3};
  attrs.kernel_init = attrs.bias_init = "ones";
  weft::layers::Dense by_class(graph, "a", attrs);
  weft::Layer by_type =
      graph.layer("Dense", weft::Attrs().set("inputs", 2).set("units", 3).set("kernel_init", "ones"), "b");
  EXPECT_EQ(by_class.variables().size(), 2u);
  EXPECT_EQ(by_class.variables()[0].name(), "a/kernel");
  EXPECT_EQ(by_type.variables()[1].name(), "b/bias");
  auto out =
      weft::Session(graph).run({{x, Tensor::from<float>({1, 2}, {4, 5})}}, {by_class(x), by_type.call({x}, true)[0]});
  EXPECT_EQ(out[0].to_vector<float>(), (std::vector<float>{10, 10, 10}));
  EXPECT_EQ(out[1].to_vector<float>(), (std::vector<float>{9, 9, 9}));
  EXPECT_EQ(error_of([&] { graph.layer("Denser", {}, "c"); }).code(), WEFT_NOT_FOUND);
  EXPECT_EQ(error_of([&] { graph.layer("Dense", {}, "c"); }).code(), WEFT_INVALID_ARGUMENT);
}

// What must be given cannot be left out.
static_assert(!std::is_default_constructible_v<weft::layers::DenseAttrs>);
static_assert(!std::is_default_constructible_v<weft::MaxPoolAttrs>);
static_assert(std::is_default_constructible_v<weft::layers::DropoutAttrs>);

TEST_F(Building, MovedAndForeignGraphsAreErrors) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "2");
  weft::Graph moved = std::move(graph);
  EXPECT_EQ(error_of([&] { graph.input("y", DType::f32, "2"); }).code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(error_of([&] { graph.node_count(); }).code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(moved.find("x"), x);
  EXPECT_THROW(moved.add("Add", {x, weft::Graph().input("x", DType::f32, "2")}), weft::Error);
}

}  // namespace
