// Tensors of the C++ header, and files of them.
#include <complex>
#include <cstring>

#include "support.h"

namespace {

using weft::DType;
using weft::Tensor;
using Tensors = NoLeaks;

TEST_F(Tensors, AreMadeOfEveryCppType) {
  EXPECT_EQ(Tensor::from<bool>({3}, {true, false, true}).to_vector<bool>(), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(Tensor::scalar(true).item<bool>(), true);
  EXPECT_EQ(Tensor::scalar(true).dtype(), DType::boolean);
  EXPECT_EQ(Tensor::scalar(2.5f).text(), "f32[]");
  EXPECT_EQ(Tensor::scalar(2.5).text(), "f64[]");
  EXPECT_EQ(Tensor::scalar(-1).text(), "i32[]");
  EXPECT_EQ(Tensor::scalar(-1LL).text(), "i64[]");
  EXPECT_EQ(Tensor::scalar(-1L).text(), "i64[]");
  EXPECT_EQ(Tensor::scalar(uint64_t{1} << 63).item<uint64_t>(), 9223372036854775808u);
  EXPECT_EQ(Tensor::scalar<int8_t>(-128).item<int8_t>(), -128);
  EXPECT_EQ(Tensor::scalar<uint16_t>(65535).item<uint16_t>(), 65535);
  EXPECT_EQ(Tensor::from<int16_t>({0, 3}, {}).count(), 0);
  EXPECT_EQ(Tensor::zeros(DType::f64, {2, 1}).to_vector<double>(), (std::vector<double>{0, 0}));
}

TEST_F(Tensors, TypesHaveNamesAndBits) {
  const std::tuple<DType, const char*, int> types[] = {
      {DType::f32, "f32", 32},
      {DType::u8, "u8", 8},
      {DType::i8, "i8", 8},
      {DType::u16, "u16", 16},
      {DType::i16, "i16", 16},
      {DType::i32, "i32", 32},
      {DType::i64, "i64", 64},
      {DType::string, "string", 0},
      {DType::boolean, "bool", 8},
      {DType::f16, "f16", 16},
      {DType::f64, "f64", 64},
      {DType::u32, "u32", 32},
      {DType::u64, "u64", 64},
      {DType::c64, "c64", 64},
      {DType::c128, "c128", 128},
      {DType::bf16, "bf16", 16},
      {DType::f8e4m3fn, "f8e4m3fn", 8},
      {DType::f8e4m3fnuz, "f8e4m3fnuz", 8},
      {DType::f8e5m2, "f8e5m2", 8},
      {DType::f8e5m2fnuz, "f8e5m2fnuz", 8},
      {DType::u4, "u4", 4},
      {DType::i4, "i4", 4},
      {DType::f4e2m1, "f4e2m1", 4},
      {DType::f8e8m0, "f8e8m0", 8},
      {DType::u2, "u2", 2},
      {DType::i2, "i2", 2},
  };
  for (const auto& [dtype, name, bits] : types) {
    EXPECT_EQ(weft::dtype_name(dtype), name);
    EXPECT_EQ(weft::dtype_bits(dtype), bits) << name;
    EXPECT_EQ(weft::find_dtype(name), dtype);
    EXPECT_EQ(Tensor::zeros(dtype, {4}).dtype(), dtype);
  }
  EXPECT_EQ(weft::dtype_name(DType::unknown), "unknown");
  EXPECT_EQ(error_of([] { weft::find_dtype("f33"); }).code(), WEFT_NOT_FOUND);
}

TEST_F(Tensors, AreMadeOfBytes) {
  const uint16_t halves[] = {0x3c00, 0xc000};  // 1, -2 as IEEE 754 has them
  Tensor half = Tensor::from_bytes(DType::f16, {2}, halves, sizeof halves);
  EXPECT_EQ(half.text(), "f16[2]");
  EXPECT_EQ(half.bytes(), 4u);
  EXPECT_EQ(std::memcmp(half.raw_data(), halves, 4), 0);
  weft::Graph graph;
  EXPECT_EQ(computed<float>(graph, weft::cast(graph.constant(half), {DType::f32})), (std::vector<float>{1, -2}));
  const std::complex<float> number(1, -2);
  EXPECT_EQ(Tensor::from_bytes(DType::c64, {}, &number, 8).text(), "c64[]");
  EXPECT_EQ(error_of([&] { Tensor::from_bytes(DType::f16, {3}, halves, 4); }).code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(error_of([&] { Tensor::from<float>({3}, {1, 2}); }).code(), WEFT_INVALID_ARGUMENT);
}

TEST_F(Tensors, SayWhatWasAskedForWrongly) {
  Tensor numbers = Tensor::from<float>({2}, {1, 2});
  weft::Error error = error_of([&] { numbers.data<double>(); });
  EXPECT_STREQ(error.what(), "INVALID_ARGUMENT: f32[2] has no elements of f64, which were asked for");
  EXPECT_EQ(error_of([&] { numbers.item<float>(); }).code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(error_of([&] { numbers.to_strings(); }).code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(error_of([&] { numbers.at(0); }).code(), WEFT_OUT_OF_RANGE);
  EXPECT_EQ(error_of([&] { Tensor::sequence({numbers}).data<float>(); }).code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(error_of([&] { Tensor().count(); }).code(), WEFT_FAILED_PRECONDITION);
  Tensor moved = std::move(numbers);
  EXPECT_EQ(error_of([&] { numbers.count(); }).code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(moved.count(), 2);
}

TEST_F(Tensors, HoldStringsOfAnyBytes) {
  const std::vector<std::string> words{"", std::string("a\0b", 3), "\xc3\xa9"};
  Tensor tensor = Tensor::strings({3}, words);
  EXPECT_EQ(tensor.to_strings(), words);
  EXPECT_EQ(tensor.text(), "string[3]");
  EXPECT_EQ(tensor.raw_data(), nullptr);
  weft::Graph graph;
  weft::Value x = graph.input("x", DType::string, "3");
  EXPECT_EQ(weft::Session(graph).run({{x, tensor}}, {weft::identity(x)})[0].to_strings(), words);
}

TEST_F(Tensors, SequencesHoldTensors) {
  Tensor items = Tensor::sequence({Tensor::scalar(1.0f), Tensor::from<int64_t>({2}, {2, 3})});
  EXPECT_EQ(items.kind(), weft::Kind::sequence);
  EXPECT_EQ(items.count(), 2);
  EXPECT_EQ(items.at(1).to_vector<int64_t>(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(error_of([&] { items.at(2); }).code(), WEFT_OUT_OF_RANGE);
}

TEST_F(Tensors, ShareTheirElements) {
  Tensor tensor = Tensor::from<float>({2, 2}, {1, 2, 3, 4});
  Tensor same = tensor, flat = tensor.reshape({4}), own = tensor.copy();
  tensor.mutable_data<float>()[0] = 9;
  EXPECT_EQ(same.data<float>()[0], 9);
  EXPECT_EQ(flat.data<float>()[0], 9);
  EXPECT_EQ(own.data<float>()[0], 1);
  EXPECT_EQ(flat.shape(), (weft::Shape{4}));
  EXPECT_EQ(error_of([&] { tensor.reshape({3}); }).code(), WEFT_INVALID_ARGUMENT);
  std::shared_ptr<const void> memory = tensor.buffer();
  tensor = same = flat = Tensor();
  EXPECT_EQ(static_cast<const float*>(memory.get())[3], 4);
}

TEST_F(Tensors, LieOnADevice) {
  Tensor tensor = Tensor::from<float>({2}, {1, 2});
  EXPECT_EQ(tensor.device(), "cpu");
  EXPECT_EQ(tensor.to("cpu").data<float>(), tensor.data<float>());
  EXPECT_EQ(error_of([&] { tensor.to("cuda:7"); }).code(), WEFT_NOT_FOUND);
}

TEST_F(Tensors, BorrowWhatMayOnlyBeRead) {
  const std::vector<double> numbers{1, 2};
  auto kept = std::make_shared<int>(0);
  Tensor tensor = Tensor::borrow({2}, numbers.data(), 2, kept);
  EXPECT_EQ(tensor.data<double>(), numbers.data());
  EXPECT_EQ(error_of([&] { tensor.mutable_data<double>(); }).code(), WEFT_FAILED_PRECONDITION);
  tensor = Tensor();
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_EQ(error_of([&] { Tensor::borrow({3}, numbers.data(), 2, kept); }).code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(kept.use_count(), 1);
}

std::string bytes_of(std::initializer_list<float> numbers) {
  return std::string(reinterpret_cast<const char*>(numbers.begin()), numbers.size() * 4);
}

TEST_F(Tensors, AreReadFromFiles) {
  std::string header = R"({"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  header.resize(56, ' ');
  TemporaryFile named("in.safetensors", std::string("\x38\0\0\0\0\0\0\0", 8) + header + bytes_of({1.5f, -2}));
  for (bool map : {false, true}) {
    weft::Tensors found = weft::load_tensors(named.path(), map);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found.at("b").to_vector<float>(), (std::vector<float>{1.5f, -2}));
    EXPECT_EQ(weft::load_tensor(named.path(), "b", map).text(), "f32[2]");
  }
  EXPECT_EQ(error_of([&] { weft::load_tensor(named.path(), "c"); }).code(), WEFT_NOT_FOUND);

  std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
  head.resize(117, ' ');
  TemporaryFile numpy("in.npy", std::string("\x93NUMPY\x01\0\x76\0", 10) + head + "\n" + bytes_of({1, 2, 3}));
  EXPECT_EQ(weft::load_tensor(numpy.path()).to_vector<float>(), (std::vector<float>{1, 2, 3}));

  TemporaryFile csv("in.csv", "a,b\n1,2\n3,4\n");
  Tensor table = weft::load_tensor(csv.path());
  EXPECT_EQ(table.text(), "f32[2, 2]");
  EXPECT_EQ(table.to_vector<float>(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(error_of([] { weft::load_tensors("/no/such.safetensors"); }).code(), WEFT_NOT_FOUND);
}

TEST_F(Tensors, AreWrittenToFiles) {
  TemporaryFile file("out.safetensors");
  weft::save_tensors(file.path(), {{"b", Tensor::from<float>({2}, {1.5f, -2})}, {"flag", Tensor::scalar(true)}});
  EXPECT_NE(file.content().find(bytes_of({1.5f, -2})), std::string::npos);
  weft::Tensors found = weft::load_tensors(file.path());
  EXPECT_EQ(found.at("b").to_vector<float>(), (std::vector<float>{1.5f, -2}));
  EXPECT_EQ(found.at("flag").item<bool>(), true);
  EXPECT_THROW(weft::save_tensors("/no/such/folder/x.safetensors", found), weft::Error);
  EXPECT_EQ(error_of([&] { weft::save_tensors(file.path(), {{"x", Tensor()}}); }).code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(weft::load_tensors(file.path()).size(), 2u);
}

}  // namespace
