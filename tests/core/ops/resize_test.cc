// What Resize knows of its output before a run, and what it and its gradient do with scales that only a run gives.
#include <gtest/gtest.h>

#include "core/graph/expr.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"

namespace weft {
namespace {

struct ResizeGraph {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope{*graph};

  Expr input(const char* name, DType dtype, const char* dims) {
    return Expr(scope, *graph->add_input(name, ValueType::tensor(dtype, *parse_dims(dims, name))));
  }
  Expr floats(const std::vector<float>& values) { return constant(scope, Tensor::vector<float>(values)); }
  Expr x() { return input("X", DType::kF32, "n,3,h,w"); }
  // The shape of the output, or the error.
  std::string shape(Expr scales, Expr sizes, Attrs attrs = {}) {
    Expr y = make(scope, "Resize", {x(), Expr(), scales, sizes}, std::move(attrs));
    return scope.status().ok() ? dims_text(y.dims()) : scope.status().text();
  }
};

TEST(Resize, ScalesOfSymbols) {
  ResizeGraph whole;
  EXPECT_EQ(whole.shape(whole.floats({1, 1, 2, 3}), Expr()), "[n, 3, 2*h, 3*w]");
  ResizeGraph half;
  EXPECT_EQ(half.shape(half.floats({1, 2, 1, 0.25f}), Expr()), "[n, 6, h, floor((w)/(4))]");
  // Neither is exact, so that sizes are known in numbers alone.
  ResizeGraph inexact;
  const std::string shape = inexact.shape(inexact.floats({1, 0.7f, 1.5f, 1}), Expr());
  EXPECT_EQ(shape.substr(0, 8), "[n, 2, ?") << shape;
  EXPECT_EQ(shape.substr(shape.size() - 4), ", w]") << shape;
}

TEST(Resize, SizesOfSymbols) {
  ResizeGraph own;
  Expr sizes = shape_of(own.input("like", DType::kF32, "a,b,8"));
  EXPECT_EQ(own.shape(Expr(), sizes, {{"axes", std::vector<int64_t>{3, 2, 0}}}), "[8, 3, b, a]");
  // One axis has the scale that all have.
  ResizeGraph one;
  EXPECT_EQ(one.shape(Expr(), constant_ints(one.scope, {5}),
                      {{"axes", std::vector<int64_t>{-1}}, {"keep_aspect_ratio_policy", "not_larger"}}),
            "[n, 3, h, 5]");
  ResizeGraph two;
  const std::string shape =
      two.shape(Expr(), constant_ints(two.scope, {5, 5}),
                {{"axes", std::vector<int64_t>{2, 3}}, {"keep_aspect_ratio_policy", "not_larger"}});
  EXPECT_EQ(shape.substr(0, 8), "[n, 3, ?") << shape;
}

TEST(Upsample, ScalesThatAreKnownAreAtLeastOne) {
  ResizeGraph b;
  const std::vector<ValueId> inputs{b.x().id(), b.floats({1, 1, 2, 0.5f}).id()};
  const Status status = b.graph->add("", "Upsample", inputs, {}, {}).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.text().find("a scale is 0.5 but must be at least 1"), std::string::npos) << status.text();
}

TEST(Resize, UnknownScalesLeaveTheAxesOpen) {
  ResizeGraph b;
  const std::string shape =
      b.shape(b.input("scales", DType::kF32, "2"), Expr(), {{"axes", std::vector<int64_t>{3, 2}}});
  EXPECT_EQ(shape.substr(0, 8), "[n, 3, ?") << shape;
}

// Of x = 1 2 4 in f32, linear: the values are those of numpy.interp at the half pixels.
struct ThreeResized {
  ResizeGraph b;
  Expr x = b.input("X", DType::kF32, "3"), fed = b.input("fed", DType::kF32, "1");
  Expr scales = fed * 0.5;
  Attrs attrs = {{"mode", "linear"}};
  Tensor values = Tensor::vector<float>({1, 2, 4});

  Status run(const std::vector<Expr>& feeds, Expr fetch, const std::vector<Tensor>& fed_values, Tensor* out) {
    WEFT_CHECK(b.scope.status());
    std::vector<ValueId> ids;
    for (const Expr& feed : feeds) ids.push_back(feed.id());
    WEFT_TRY(auto session, Session::make(b.graph, {}));
    std::vector<Tensor> outputs;
    WEFT_CHECK(session->run({ids, {fetch.id()}, {}}, fed_values, {}, &outputs));
    *out = outputs[0];
    return {};
  }
};

std::vector<float> floats_of(const Tensor& t) { return {t.as<float>(), t.as<float>() + t.count()}; }

TEST(Resize, ScalesThatAreComputed) {
  ThreeResized r;
  Expr y = make(r.b.scope, "Resize", {r.x, Expr(), r.scales}, r.attrs);
  Tensor out;
  Status status = r.run({r.x, r.fed}, y, {r.values, Tensor::vector<float>({4})}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(floats_of(out), (std::vector<float>{1, 1.25, 1.75, 2.5, 3.5, 4}));
}

// Here all shapes are known, so that nothing waits for the scales.
TEST(Resize, GradientByScalesThatAreComputed) {
  ThreeResized r;
  Expr dy = r.b.input("dY", DType::kF32, "6");
  Expr dx = make(r.b.scope, "weft.ResizeGrad", {dy, r.x, Expr(), r.scales}, r.attrs);
  Tensor out;
  const Tensor ones = Tensor::vector<float>({1, 2, 3, 4, 5, 6});
  Status status = r.run({r.x, r.fed, dy}, dx, {r.values, Tensor::vector<float>({4}), ones}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  // Columns of the matrix [[1], [.75, .25], [.25, .75], [0, .75, .25], [0, .25, .75], [0, 0, 1]].
  EXPECT_EQ(floats_of(out), (std::vector<float>{3.25, 7, 10.75}));
  status = r.run({r.x, r.fed, dy}, dx, {r.values, Tensor::vector<float>({2}), ones}, &out);
  EXPECT_NE(status.text().find("axis 0 of X has 3 elements and becomes one of 3, but that of dY has 6"),
            std::string::npos)
      << status.text();
  status = r.run({r.x, r.fed, dy}, dx, {r.values, Tensor::vector<float>({-1}), ones}, &out);
  EXPECT_NE(status.text().find("a scale is -0.5 but must be a positive number"), std::string::npos) << status.text();
}

// The places are 0, 1.5 and 3, of which the last lies outside. The slopes are those to the right, 1 and 2; each place
// moves by as much of the last one, 2, as it is near to the start and to the end.
TEST(Resize, GradientByTheRegion) {
  ThreeResized r;
  Expr roi = r.b.input("roi", DType::kF32, "2");
  Attrs attrs = {
      {"mode", "linear"}, {"coordinate_transformation_mode", "tf_crop_and_resize"}, {"extrapolation_value", 7.0}};
  Expr y = make(r.b.scope, "Resize", {r.x, roi, Expr(), constant_ints(r.b.scope, {3})}, attrs);
  std::vector<ValueId> d = *differentiate(*r.b.graph, {y.id()}, {r.x.id(), roi.id()}, {});
  Tensor out;
  const Tensor region = Tensor::vector<float>({0, 1.5f});
  Status status = r.run({r.x, roi}, y, {r.values, region}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(floats_of(out), (std::vector<float>{1, 3, 7}));
  status = r.run({r.x, roi}, Expr(r.b.scope, d[0]), {r.values, region}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(floats_of(out), (std::vector<float>{1, 0.5, 0.5}));
  status = r.run({r.x, roi}, Expr(r.b.scope, d[1]), {r.values, region}, &out);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_EQ(floats_of(out), (std::vector<float>{4, 2}));
}

TEST(Resize, TheNearestDoesNotChangeWithTheRegion) {
  ThreeResized r;
  Expr roi = r.b.input("roi", DType::kF32, "2");
  const Attrs attrs = {{"coordinate_transformation_mode", "tf_crop_and_resize"}};
  Expr y = make(r.b.scope, "Resize", {r.x, roi, Expr(), constant_ints(r.b.scope, {3})}, attrs);
  EXPECT_EQ((*differentiate(*r.b.graph, {y.id()}, {roi.id()}, {}))[0], kNoValue);
}

TEST(Resize, AntialiasHasNoGradientByTheRegion) {
  ThreeResized r;
  Expr roi = r.b.input("roi", DType::kF32, "2");
  const Attrs attrs = {{"mode", "linear"}, {"antialias", 1}, {"coordinate_transformation_mode", "tf_crop_and_resize"}};
  Expr y = make(r.b.scope, "Resize", {r.x, roi, Expr(), constant_ints(r.b.scope, {2})}, attrs);
  const Status status = differentiate(*r.b.graph, {y.id()}, {roi.id()}, {}).status();
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_NE(status.text().find("with attribute 'antialias' there is no gradient by input 'roi'"), std::string::npos)
      << status.text();
}

struct ByScales {
  const char* mode;
  const char* coordinates;
  bool excludes;
  double a, first, second;
};

// Of 1/4, 1/2, ... times a matrix of 3 x 4 resized by 1.45 and 0.65; expected values from numpy, by central differences in
// f64 while the sizes stay.
TEST(Resize, GradientByScales) {
  const ByScales kForms[] = {
      {"linear", "half_pixel", false, -0.75, 8.8041952, -13.4883239},
      {"linear", "half_pixel_symmetric", false, -0.75, 0.3367098, 12.1021231},
      {"linear", "pytorch_half_pixel", false, -0.75, 8.8041952, -13.4883239},
      {"linear", "align_corners", false, -0.75, 10.2249962, -18.4351754},
      {"linear", "asymmetric", false, -0.75, 0.9786887, -1.1834328},
      {"cubic", "half_pixel", false, -0.75, 10.19789, -3.9082429},
      {"cubic", "half_pixel_symmetric", false, -0.75, 1.5519308, 14.6989441},
      {"cubic", "align_corners", false, -0.75, 12.4388141, 6.4332395},
      {"cubic", "half_pixel", true, -0.5, 9.4835962, -6.7610717},
      {"cubic", "asymmetric", true, -0.5, 2.7851498, -1.55901},
  };
  for (const ByScales& form : kForms) {
    SCOPED_TRACE(cat(form.mode, " ", form.coordinates));
    ResizeGraph b;
    const Expr x = b.input("x", DType::kF64, "3,4"), scales = b.input("s", DType::kF32, "2");
    const Attrs attrs = {{"mode", form.mode},
                         {"coordinate_transformation_mode", form.coordinates},
                         {"exclude_outside", int64_t{form.excludes}},
                         {"cubic_coeff_a", form.a}};
    const Expr y = make(b.scope, "Resize", {x, Expr(), scales}, attrs);
    const Expr dy = b.input("dy", DType::kF64, "4,2");
    const std::vector<ValueId> d = *differentiate(*b.graph, {y.id()}, {scales.id()}, {dy.id()});
    auto session = *Session::make(b.graph, {});
    std::vector<Tensor> out;
    const Tensor values =
        *Tensor::vector<double>({1.5, -0.25, 2, 0.75, -1, 0.5, 3.25, -2, 0.25, 1.75, -0.5, 1}).reshaped({3, 4});
    const Tensor weights = *Tensor::vector<double>({0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2}).reshaped({4, 2});
    const Status status = session->run({{x.id(), scales.id(), dy.id()}, d, {}},
                                       {values, Tensor::vector<float>({1.45f, 0.65f}), weights}, {}, &out);
    ASSERT_TRUE(status.ok()) << status.text();
    EXPECT_NEAR(out[0].as<float>()[0], form.first, 2e-5);
    EXPECT_NEAR(out[0].as<float>()[1], form.second, 2e-5);
  }
}

// With sizes the scales say nothing.
TEST(Resize, ScalesBesideSizesHaveNoGradient) {
  ResizeGraph b;
  const Expr x = b.input("x", DType::kF32, "3"), scales = b.input("s", DType::kF32, "0");
  const Expr y = make(b.scope, "Resize", {x, Expr(), scales, constant_ints(b.scope, {5})}, {{"mode", "linear"}});
  ASSERT_TRUE(b.scope.status().ok()) << b.scope.status().text();
  EXPECT_EQ((*differentiate(*b.graph, {y.id()}, {scales.id()}, {}))[0], kNoValue);
}

}  // namespace
}  // namespace weft
