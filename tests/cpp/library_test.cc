// What the C++ header says of the library itself.
#include <algorithm>

#include "support.h"

namespace {

using Library = NoLeaks;

TEST_F(Library, SaysWhatItIs) {
  EXPECT_EQ(weft::version(), std::to_string(WEFT_VERSION_MAJOR) + "." + std::to_string(WEFT_VERSION_MINOR) + "." +
                                 std::to_string(WEFT_VERSION_PATCH));
  EXPECT_EQ(weft::version_number(), WEFT_VERSION_MAJOR * 1000000 + WEFT_VERSION_MINOR * 1000 + WEFT_VERSION_PATCH);
  EXPECT_GE(weft::threads(), 1);
  EXPECT_EQ(weft::devices().at(0), "cpu");
}

TEST_F(Library, SaysWhichDevicesThereAre) {
  EXPECT_EQ(error_of([] { weft::load_devices("/nowhere/libweft_none.so"); }).code(), WEFT_NOT_FOUND);
  weft::Graph graph;
  weft::SessionOptions options;
  options.device = "cuda:0";
  const weft::Error error = error_of([&] { weft::Session(graph, options); });
  EXPECT_EQ(error.code(), WEFT_NOT_FOUND);
  EXPECT_NE(error.message().find("there is no device 'cuda:0'; the devices are cpu"), std::string::npos)
      << error.what();
}

TEST_F(Library, ListsOperatorsAndLayers) {
  const std::vector<std::string> ops = weft::operators(), types = weft::layer_types();
  for (const char* op : {"MatMul", "Relu", "weft.Adam"}) EXPECT_EQ(std::count(ops.begin(), ops.end(), op), 1) << op;
  EXPECT_EQ(std::count(types.begin(), types.end(), "Dense"), 1);
  EXPECT_NE(weft::describe_operator("MatMul").find("\"name\": \"MatMul\""), std::string::npos);
  EXPECT_NE(weft::describe_layer("Dense").find("\"units\""), std::string::npos);
  EXPECT_EQ(error_of([] { weft::describe_operator("MatMull"); }).code(), WEFT_NOT_FOUND);
  EXPECT_EQ(error_of([] { weft::describe_layer("Denser"); }).code(), WEFT_NOT_FOUND);
}

TEST_F(Library, LimitsItsMemory) {
  const int64_t before = weft::memory_bytes();
  {
    auto tensor = weft::Tensor::zeros(weft::DType::f32, {1024, 1024});
    EXPECT_GE(weft::memory_bytes(), before + 4194304);
    EXPECT_GE(weft::memory_peak(), before + 4194304);
  }
  EXPECT_EQ(weft::memory_bytes(), before);
  EXPECT_EQ(weft::memory_limit(), 0);
  weft::set_memory_limit(before + 1048576);
  EXPECT_EQ(weft::memory_limit(), before + 1048576);
  EXPECT_EQ(error_of([] { weft::Tensor::zeros(weft::DType::f32, {1024, 1024}); }).code(), WEFT_RESOURCE_EXHAUSTED);
  weft::set_memory_limit(0);
  weft::Tensor::zeros(weft::DType::f32, {1024, 1024});
  EXPECT_EQ(error_of([] { weft::set_memory_limit(-1); }).code(), WEFT_INVALID_ARGUMENT);
}

TEST_F(Library, LetsGoOfLogFunctions) {
  auto held = std::make_shared<int>(0);
  weft::set_log([held](weft::LogLevel, const std::string&) {});
  EXPECT_EQ(held.use_count(), 2);
  weft::set_log([](weft::LogLevel, const std::string&) {}, weft::LogLevel::error);
  EXPECT_EQ(held.use_count(), 1);
  weft::set_log([held](weft::LogLevel, const std::string&) {});
  weft::set_log(nullptr);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(Library, ErrorsOfTheHeaderLookLikeThoseOfTheLibrary) {
  EXPECT_STREQ(weft::Error(WEFT_NOT_FOUND, "no x").what(), "NOT_FOUND: no x");
  const weft::Error error(WEFT_OUT_OF_RANGE, "too far", "Slice", "a.cc:7");
  EXPECT_STREQ(error.what(), "OUT_OF_RANGE: too far [Slice] (built at a.cc:7)");
  EXPECT_STREQ(error.code_name(), "OUT_OF_RANGE");
  const int line = __LINE__ + 1;
  const weft::Error none = error_of([] { weft::relu(weft::Value()); });
  EXPECT_EQ(none.code(), WEFT_INVALID_ARGUMENT);
  const std::string tail = " [Relu] (built at " + std::string(__FILE__) + ":" + std::to_string(line) + ")";
  EXPECT_NE(std::string(none.what()).find(tail), std::string::npos) << none.what();
}

}  // namespace
