// Maps: ZipMap, CastMap and DictVectorizer. Expected values are those of ONNX Runtime 1.32, but where a comment says so.
#include "core/format/onnx.h"
#include "tests/core/runtime/model_common.h"

namespace weft {
namespace {

Tensor texts(std::vector<std::string> values) {
  const auto count = static_cast<int64_t>(values.size());
  return *Tensor::from_strings({count}, std::move(values));
}
Tensor whole(const std::vector<int64_t>& values) { return Tensor::vector(values); }
Tensor singles(const std::vector<float>& values) { return Tensor::vector(values); }
Tensor row(const Tensor& values) { return *values.reshaped({1, values.count()}); }

struct Maps : TestModel {
  Expr fed(const char* name, const char* type) {
    Result<ValueId> id = graph->add_input(name, *ValueType::parse(type));
    EXPECT_TRUE(id.ok()) << id.status().text();
    return Expr(scope, *id);
  }
  // The output of an operator on a map of that type.
  Result<Tensor> of_map(const char* op, const char* type, Tensor keys, Tensor values, Attrs attrs) {
    Expr x = fed(cat("x", graph->value_count()).c_str(), type);
    Expr y = make(scope, op, {x}, std::move(attrs));
    WEFT_CHECK(scope.status());
    WEFT_TRY(std::vector<Tensor> out, run({x}, {Tensor::map(std::move(keys), std::move(values))}, {y}));
    return out[0];
  }
};

TEST(MapTypes, AreReadFromText) {
  EXPECT_EQ(ValueType::parse("map(string, f32)")->text(), "map(string, f32)");
  EXPECT_EQ(ValueType::parse("map(i64,string)")->text(), "map(i64, string)");
  EXPECT_EQ(ValueType::parse("seq(map(i64, f32))")->text(), "sequence(map(i64, f32))");
  EXPECT_FALSE(*ValueType::parse("map(i64, f32)") == *ValueType::parse("map(string, f32)"));
  EXPECT_FALSE(ValueType::parse("seq(map(i64, f32))")->alike(*ValueType::parse("seq(f32)")));
  for (const char* text : {"map(f32)", "map(f32, f32)", "map(i64, f32[2])", "map(i64, seq(f32))", "map(i64, f32",
                           "optional(map(i64, f32))", "optional(seq(map(i64, f32)))"}) {
    expect_error(ValueType::parse(text).status(), Code::kInvalidArgument, "is no type");
  }
}

TEST(ZipMap, GivesAMapForEachRow) {
  Maps m;
  Expr x = m.input("x", DType::kF32, {Dim::symbol("n"), 2});
  Expr z = make(m.scope, "ai.onnx.ml.ZipMap", {x}, {{"classlabels_int64s", std::vector<int64_t>{7, 3}}});
  ASSERT_TRUE(m.scope.status().ok()) << m.scope.status().text();
  EXPECT_EQ(z.type().text(), "sequence(map(i64, f32))");
  const Tensor given = *singles({1, 2, 3, 4}).reshaped({2, 2});
  auto out = m.run({x}, {given}, {z});
  ASSERT_TRUE(out.ok()) << out.status().text();
  ASSERT_EQ((*out)[0].count(), 2);
  EXPECT_TRUE((*out)[0].items()[0].same_bits(Tensor::map(whole({7, 3}), singles({1, 2}))));
  EXPECT_TRUE((*out)[0].items()[1].same_bits(Tensor::map(whole({7, 3}), singles({3, 4}))));
  EXPECT_EQ((*out)[0].items()[0].summary(), "map of 2 from i64 to f32");
  // What a run gave stays when the next one computes something else.
  auto next = m.run({x}, {*singles({5, 6}).reshaped({1, 2})}, {z});
  ASSERT_TRUE(next.ok()) << next.status().text();
  EXPECT_TRUE((*out)[0].items()[0].items()[1].same_bits(singles({1, 2})));
  auto none = m.run({x}, {*Tensor::make(DType::kF32, {0, 2})}, {z});
  ASSERT_TRUE(none.ok()) << none.status().text();
  EXPECT_EQ((*none)[0].count(), 0);
}

TEST(ZipMap, TakesOneRowAsAVector) {
  Maps m;
  Expr x = m.input("x", DType::kF32, {2});
  Expr z = make(m.scope, "ai.onnx.ml.ZipMap", {x}, {{"classlabels_strings", std::vector<std::string>{"b", "a"}}});
  auto out = m.run({x}, {singles({1, 2})}, {z});
  ASSERT_TRUE(out.ok()) << out.status().text();
  ASSERT_EQ((*out)[0].count(), 1);
  EXPECT_TRUE((*out)[0].items()[0].same_bits(Tensor::map(texts({"b", "a"}), singles({1, 2}))));
}

TEST(ZipMap, TellsWhatDoesNotFit) {
  Maps m;
  const std::vector<std::string> labels = {"a", "b"};
  const auto fails = [&](Dims dims, Attrs attrs, const char* text) {
    Expr x = m.input(cat("x", m.graph->value_count()).c_str(), DType::kF32, std::move(dims));
    ExprScope scope(*m.graph);
    make(scope, "ai.onnx.ml.ZipMap", {Expr(scope, x.id())}, std::move(attrs));
    expect_error(scope.status(), Code::kInvalidArgument, text);
  };
  fails({1, 3}, {{"classlabels_strings", labels}}, "X is f32[1, 3] but there are 2 keys");
  fails({1, 1, 2}, {{"classlabels_strings", labels}}, "X must be [N, C] or [C]");
  fails({1, 2}, {}, "one of 'classlabels_strings' and 'classlabels_int64s' must have keys");
  fails({1, 2}, {{"classlabels_strings", labels}, {"classlabels_int64s", std::vector<int64_t>{1, 2}}}, "and not both");
  fails({1, 2}, {{"classlabels_strings", std::vector<std::string>{"a", "a"}}}, "has the key a twice");
  // What is known only when it runs.
  Expr x = m.input("late", DType::kF32, {1, Dim::symbol("c")});
  Expr z = make(m.scope, "ai.onnx.ml.ZipMap", {x}, {{"classlabels_strings", labels}});
  expect_error(m.run({x}, {row(singles({1, 2, 3}))}, {z}).status(), Code::kInvalidArgument, "there are 2 keys");
  // What only the node before it tells.
  Expr wide = m.input("wide", DType::kF32, {2, 4});
  Expr some = make(m.scope, "Unique", {wide}, {{"axis", int64_t{1}}});
  Expr zipped = make(m.scope, "ai.onnx.ml.ZipMap", {some}, {{"classlabels_strings", labels}});
  const Tensor twice = *singles({1, 2, 3, 3, 4, 5, 6, 6}).reshaped({2, 4});
  expect_error(m.run({wide}, {twice}, {zipped}).status(), Code::kInvalidArgument, "there are 2 keys");
}

TEST(CastMap, IsInOrderOfTheKeys) {
  Maps m;
  const auto cast = [&](Attrs attrs) {
    return m.of_map("ai.onnx.ml.CastMap", "map(i64, f32)", whole({5, -1, 3}), singles({1.5f, 2.75f, -0.5f}), attrs);
  };
  EXPECT_TRUE(cast({})->same_bits(row(singles({2.75f, -0.5f, 1.5f}))));
  EXPECT_TRUE(cast({{"cast_to", "TO_INT64"}})->same_bits(row(whole({2, 0, 1}))));
  // As Cast says them; ONNX Runtime has six digits behind the point.
  EXPECT_TRUE(cast({{"cast_to", "TO_STRING"}})->same_bits(row(texts({"2.75", "-0.5", "1.5"}))));
  // Of the schema.
  EXPECT_TRUE(m.of_map("ai.onnx.ml.CastMap", "map(i64, string)", whole({5, 1}), texts({"1.5", "2"}), {})
                  ->same_bits(row(singles({2, 1.5f}))));
  EXPECT_TRUE(m.of_map("ai.onnx.ml.CastMap", "map(i64, f32)", whole({}), singles({}), {})
                  ->same_bits(*Tensor::make(DType::kF32, {1, 0})));
}

TEST(CastMap, PutsValuesWhereKeysSay) {
  Maps m;
  const auto sparse = [&](std::vector<int64_t> keys, Tensor values, const char* type, const char* to, int64_t size) {
    return m.of_map("ai.onnx.ml.CastMap", type, whole(keys), std::move(values),
                    {{"map_form", "SPARSE"}, {"cast_to", to}, {"max_map", size}});
  };
  EXPECT_TRUE(
      sparse({3, 0}, singles({1.5f, 2}), "map(i64, f32)", "TO_FLOAT", 4)->same_bits(row(singles({2, 0, 0, 1.5f}))));
  EXPECT_TRUE(sparse({2, 1}, texts({"15", "2"}), "map(i64, string)", "TO_INT64", 3)->same_bits(row(whole({0, 2, 15}))));
  EXPECT_TRUE(sparse({1}, texts({"x"}), "map(i64, string)", "TO_STRING", 2)->same_bits(row(texts({"", "x"}))));
  expect_error(sparse({-1}, singles({1}), "map(i64, f32)", "TO_FLOAT", 4).status(), Code::kInvalidArgument,
               "the key -1 is outside the 4 places from 0 on");
  expect_error(sparse({4}, singles({1}), "map(i64, f32)", "TO_FLOAT", 4).status(), Code::kInvalidArgument,
               "the key 4 is outside the 4 places from 0 on");
}

TEST(CastMap, TellsWhatDoesNotFit) {
  Maps m;
  Expr x = m.fed("x", "map(i64, f32)"), strings = m.fed("strings", "map(string, f32)");
  const auto fails = [&](Expr value, Attrs attrs, const char* text) {
    ExprScope scope(*m.graph);
    make(scope, "ai.onnx.ml.CastMap", {Expr(scope, value.id())}, std::move(attrs));
    expect_error(scope.status(), Code::kInvalidArgument, text);
  };
  fails(x, {{"cast_to", "TO_DOUBLE"}}, "'cast_to' is \"TO_DOUBLE\" but must be");
  fails(x, {{"map_form", "dense"}}, "'map_form' is \"dense\" but must be");
  fails(x, {{"map_form", "SPARSE"}, {"max_map", int64_t{0}}}, "'max_map' is 0 but must be 1 or more");
  fails(strings, {}, "the type of keys of input 'X' is string but must be i64");
  fails(m.fed("doubles", "map(i64, f64)"), {}, "the type of values of input 'X' is f64 but must be one of");
  fails(m.input("tensor", DType::kF32, {2}), {}, "input 'X' must be a map but is f32[2]");
  fails(m.fed("many", "seq(map(i64, f32))"), {}, "input 'X' must be a map but is sequence(map(i64, f32))");
}

TEST(DictVectorizer, LooksKeysUp) {
  Maps m;
  const std::vector<std::string> words = {"a", "b", "c"};
  const std::vector<int64_t> numbers_of = {2, 7, 5};
  constexpr const char* kOp = "ai.onnx.ml.DictVectorizer";
  EXPECT_TRUE(m.of_map(kOp, "map(string, f32)", texts({"c", "a"}), singles({2, 1.5f}), {{"string_vocabulary", words}})
                  ->same_bits(row(singles({1.5f, 0, 2}))));
  // Of the schema.
  EXPECT_TRUE(m.of_map(kOp, "map(i64, string)", whole({5, 2}), texts({"15", "2"}), {{"int64_vocabulary", numbers_of}})
                  ->same_bits(row(texts({"2", "", "15"}))));
  EXPECT_TRUE(m.of_map(kOp, "map(i64, f64)", whole({5, 9}), numbers({15.5, 2}), {{"int64_vocabulary", numbers_of}})
                  ->same_bits(row(numbers({0, 0, 15.5}))));
  EXPECT_TRUE(m.of_map(kOp, "map(string, i64)", texts({"b"}), whole({15}), {{"string_vocabulary", words}})
                  ->same_bits(row(whole({0, 15, 0}))));
}

TEST(DictVectorizer, TellsWhatDoesNotFit) {
  Maps m;
  Expr x = m.fed("x", "map(i64, f32)");
  const std::vector<std::string> words = {"a"};
  const auto fails = [&](Attrs attrs, const char* text) {
    ExprScope scope(*m.graph);
    make(scope, "ai.onnx.ml.DictVectorizer", {Expr(scope, x.id())}, std::move(attrs));
    expect_error(scope.status(), Code::kInvalidArgument, text);
  };
  fails({{"string_vocabulary", words}}, "the keys are i64 but the vocabulary is string");
  fails({}, "one of 'string_vocabulary' and 'int64_vocabulary' must have keys");
}

TEST(Maps, AreFedAndFetched) {
  Maps m;
  Expr x = m.fed("x", "map(string, f32)"), many = m.fed("many", "seq(map(i64, f32))");
  const Tensor map = Tensor::map(texts({"b", "a"}), singles({1, 2}));
  const Tensor maps = Tensor::sequence({Tensor::map(whole({1}), singles({1})), Tensor::map(whole({}), singles({}))});
  Expr same = make(m.scope, "Identity", {x});
  const std::vector<Expr> items = make_all(m.scope, "weft.MapItems", {x}, {}, 2);
  auto out = m.run({x, many}, {map, maps}, {same, many, items[0], items[1]});
  ASSERT_TRUE(out.ok()) << out.status().text();
  EXPECT_TRUE((*out)[0].same_bits(map));
  EXPECT_TRUE((*out)[1].same_bits(maps));
  EXPECT_TRUE((*out)[2].same_bits(texts({"a", "b"})));
  EXPECT_TRUE((*out)[3].same_bits(singles({2, 1})));
  const auto fails = [&](Tensor value, const char* text) {
    expect_error(m.run({x}, {std::move(value)}, {same}).status(), Code::kInvalidArgument, text);
  };
  fails(Tensor::map(whole({1}), singles({1})), "'x' is map of 1 from i64 to f32 but must be map(string, f32)");
  fails(Tensor::map(texts({"a"}), numbers({1})), "'x' is map of 1 from string to f64 but must be map(string, f32)");
  fails(singles({1}), "'x' is f32[1] but must be map(string, f32)");
  expect_error(m.run({many}, {Tensor::sequence({map})}, {many}).status(), Code::kInvalidArgument,
               "has an item that is map of 2 from string to f32 but must be sequence(map(i64, f32))");
  expect_error(m.run({many}, {Tensor::sequence({singles({1})})}, {many}).status(), Code::kInvalidArgument,
               "has an item that is f32[1]");
  // ONNX defines it for sequences of tensors alone.
  make(m.scope, "SequenceLength", {many});
  expect_error(m.scope.status(), Code::kInvalidArgument,
               "must be a sequence of tensors but is sequence(map(i64, f32))");
}

TEST(Maps, AreNoTensors) {
  Maps m;
  Expr many = m.fed("many", "seq(map(i64, f32))");
  const auto fails = [&](const char* op, const std::vector<Expr>& inputs, const char* text) {
    ExprScope scope(*m.graph);
    std::vector<Expr> moved;
    for (Expr value : inputs) moved.emplace_back(scope, value.id());
    make(scope, op, moved);
    expect_error(scope.status(), Code::kInvalidArgument, text);
  };
  fails("SequenceAt", {many, constant_int(m.scope, 0)}, "must be a sequence of tensors but is sequence(map(i64, f32))");
  fails("Optional", {many}, "an optional holds a tensor or a sequence of tensors");
  fails("Relu", {m.fed("x", "map(i64, f32)")}, "must be a tensor but is map(i64, f32)");
}

TEST(Maps, AreSavedAndLoaded) {
  Maps m;
  Expr x = m.fed("x", "map(string, f32)"), many = m.fed("many", "seq(map(i64, f32))");
  Expr row_of =
      make(m.scope, "ai.onnx.ml.DictVectorizer", {x}, {{"string_vocabulary", std::vector<std::string>{"a", "b"}}});
  Expr zipped = make(m.scope, "ai.onnx.ml.ZipMap", {row_of}, {{"classlabels_int64s", std::vector<int64_t>{4, 5}}});
  Expr same = make(m.scope, "Identity", {many});
  Result<std::string> bytes = save_onnx_bytes(*m.graph, {zipped.id(), same.id()}, {}, {});
  ASSERT_TRUE(bytes.ok()) << bytes.status().text();
  Result<std::shared_ptr<Graph>> loaded = load_onnx_bytes(builtin_ops(), *bytes, "", {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().text();
  TestModel again;
  again.graph = *loaded;
  ExprScope scope(*again.graph);
  const Expr fed(scope, again.graph->find("x")), out(scope, again.graph->outputs()[0]);
  EXPECT_EQ(fed.type().text(), "map(string, f32)");
  EXPECT_EQ(again.graph->type(again.graph->find("many")).text(), "sequence(map(i64, f32))");
  EXPECT_EQ(out.type().text(), "sequence(map(i64, f32))");
  auto ran = again.run({fed}, {Tensor::map(texts({"b"}), singles({3}))}, {out});
  ASSERT_TRUE(ran.ok()) << ran.status().text();
  EXPECT_TRUE((*ran)[0].items()[0].same_bits(Tensor::map(whole({4, 5}), singles({0, 3}))));
}

}  // namespace
}  // namespace weft
