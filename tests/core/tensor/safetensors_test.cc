// Safetensors files: the bytes that the reference library writes, every way in which a header can
// lie, and damage.
#include "core/tensor/safetensors.h"
#include "tests/test_folder.h"

#include <gtest/gtest.h>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

namespace weft {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

std::string with_length(const std::string& header, const std::string& data = "") {
  uint64_t size = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &size, 8);
  return out + header + data;
}

// safetensors.numpy.save of safetensors 0.8.0 with the metadata {"k": "v\n"}.
const std::string kReference = with_length(
    R"({"__metadata__":{"k":"v\n"},"i":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
    R"("w":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},"h":{"dtype":"F16","shape":[1],"data_offsets":[32,34]},)"
    R"("b":{"dtype":"BOOL","shape":[2],"data_offsets":[34,36]}} )",
    "\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\x80?\0\0\0@\0\0@@\0\0\x80@\0\0\xa0@\0>\x01\0"s);

Result<SafetensorsFile> parse(const std::string& bytes) {
  auto buffer = Buffer::allocate(static_cast<int64_t>(bytes.size()));
  std::memcpy((*buffer)->data(), bytes.data(), bytes.size());
  return SafetensorsFile::over(*buffer);
}

std::string problem(const std::string& header, const std::string& data = "") {
  auto file = parse(with_length(header, data));
  return file.ok() ? "none" : file.status().message();
}

class Safetensors : public testing::Test {
 protected:
  void put(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  std::string get() { return std::string((*read_file(path_))->text()); }

  TestFolder folder_;
  std::string path_ = folder_ / "x.safetensors";
};

NamedTensors reference_tensors() {
  Tensor w = *Tensor::vector<float>({0, 1, 2, 3, 4, 5}).reshaped({2, 3});
  Tensor b = *Tensor::make(DType::kBool, {2});
  b.as<bool>()[0] = true;
  b.as<bool>()[1] = false;
  Tensor h = *Tensor::make(DType::kF16, {1});
  h.as<uint16_t>()[0] = 0x3e00;
  return {{"i", Tensor::scalar<int64_t>(7)}, {"w", w}, {"h", h}, {"b", b}};
}

void expect_reference(const SafetensorsFile& file) {
  ASSERT_EQ(file.entries().size(), 4u);
  EXPECT_EQ(file.metadata(), (Metadata{{"k", "v\n"}}));
  NamedTensors expected = reference_tensors();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(file.entries()[i].name, expected[i].first);
    auto tensor = file.tensor(static_cast<int64_t>(i));
    ASSERT_TRUE(tensor.ok()) << tensor.status().text();
    EXPECT_TRUE(tensor->same_bits(expected[i].second)) << expected[i].first;
  }
  EXPECT_EQ(file.find("h"), 2);
  EXPECT_EQ(file.find("x"), -1);
  EXPECT_EQ(file.tensor("x").status().code(), Code::kNotFound);
  EXPECT_EQ(file.tensor(4).status().code(), Code::kOutOfRange);
  EXPECT_EQ(file.tensor(-1).status().code(), Code::kOutOfRange);
}

TEST_F(Safetensors, ReadsTheReference) {
  put(kReference);
  for (bool map : {false, true}) {
    auto file = SafetensorsFile::open(path_, map);
    ASSERT_TRUE(file.ok()) << file.status().text();
    expect_reference(*file);
  }
  expect_reference(*parse(kReference));
}

TEST_F(Safetensors, WritesTheReference) {
  ASSERT_TRUE(write_safetensors(path_, reference_tensors(), {{"k", "v\n"}}).ok());
  EXPECT_EQ(get(), kReference);
}

TEST_F(Safetensors, MappedTensorsOutliveTheFileObject) {
  put(kReference);
  Tensor w;
  {
    auto file = SafetensorsFile::open(path_, true);
    w = *file->tensor("w");
  }
  fs::remove(path_);
  EXPECT_EQ(w.as<float>()[5], 5.0f);
  EXPECT_FALSE(w.buffer()->writable());
}

TEST_F(Safetensors, KeepsOrderAndAligns) {
  NamedTensors tensors = {{"z", Tensor::scalar<bool>(true)}, {"a", Tensor::scalar<float>(1)},
                          {"m", Tensor::scalar<double>(2)},  {"empty", *Tensor::make(DType::kF32, {0, 5})},
                          {"", Tensor::scalar<int32_t>(3)},  {"\u00e9\"\\\n", Tensor::scalar<int64_t>(4)}};
  ASSERT_TRUE(write_safetensors(path_, tensors, {{"b", "1"}, {"a", "\u20ac"}}).ok());
  auto file = SafetensorsFile::open(path_, true);
  ASSERT_TRUE(file.ok()) << file.status().text();
  EXPECT_EQ(file->metadata(), (Metadata{{"b", "1"}, {"a", "\u20ac"}}));
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(file->entries()[i].name, tensors[i].first);
    EXPECT_EQ(file->entries()[i].begin % dtype_size(file->entries()[i].dtype), 0);
    EXPECT_TRUE(file->tensor(static_cast<int64_t>(i))->same_bits(tensors[i].second));
    EXPECT_TRUE(file->tensor(static_cast<int64_t>(i))->buffer()->borrowed());
  }
}

TEST_F(Safetensors, WritesNothingAndManyBytes) {
  ASSERT_TRUE(write_safetensors(path_, {}).ok());
  EXPECT_EQ(get(), with_length("{}      "));
  EXPECT_TRUE(SafetensorsFile::open(path_)->entries().empty());
  Tensor large = *Tensor::make(DType::kU8, {1'000'003});
  for (int64_t i = 0; i < large.count(); ++i) large.as<uint8_t>()[i] = static_cast<uint8_t>(i * 7);
  ASSERT_TRUE(write_safetensors(path_, {{"x", large}}).ok());
  EXPECT_TRUE(SafetensorsFile::open(path_)->tensor("x")->same_bits(large));
}

TEST_F(Safetensors, EveryDtypeOfTheFormat) {
  const std::pair<const char*, DType> types[] = {{"BOOL", DType::kBool},
                                                 {"U8", DType::kU8},
                                                 {"I8", DType::kI8},
                                                 {"U16", DType::kU16},
                                                 {"I16", DType::kI16},
                                                 {"U32", DType::kU32},
                                                 {"I32", DType::kI32},
                                                 {"U64", DType::kU64},
                                                 {"I64", DType::kI64},
                                                 {"F16", DType::kF16},
                                                 {"BF16", DType::kBF16},
                                                 {"F32", DType::kF32},
                                                 {"F64", DType::kF64},
                                                 {"C64", DType::kC64},
                                                 {"F8_E4M3", DType::kF8E4M3FN},
                                                 {"F8_E5M2", DType::kF8E5M2},
                                                 {"F8_E4M3FNUZ", DType::kF8E4M3FNUZ},
                                                 {"F8_E5M2FNUZ", DType::kF8E5M2FNUZ},
                                                 {"F8_E8M0", DType::kF8E8M0},
                                                 {"F4", DType::kF4E2M1}};
  for (auto [name, dtype] : types) {
    int64_t bytes = dtype_bytes(dtype, 6);
    auto file =
        parse(with_length(cat(R"({"x":{"dtype":")", name, R"(","shape":[2,3],"data_offsets":[0,)", bytes, "]}}"),
                          std::string(bytes, '\1')));
    ASSERT_TRUE(file.ok()) << name << " " << file.status().text();
    auto tensor = file->tensor("x");
    ASSERT_TRUE(tensor.ok());
    EXPECT_EQ(tensor->dtype(), dtype);
    ASSERT_TRUE(write_safetensors(path_, {{"x", *tensor}}).ok());
    EXPECT_TRUE(SafetensorsFile::open(path_)->tensor("x")->same_bits(*tensor)) << name;
  }
}

TEST_F(Safetensors, RefusesToWriteWhatTheFormatCannotHold) {
  put("old");
  auto refuse = [&](const std::string& name, Tensor tensor, Metadata metadata = {}) {
    Status status = write_safetensors(path_, {{"ok", Tensor::scalar(1.0f)}, {name, tensor}}, metadata);
    EXPECT_EQ(get(), "old");
    return status.message();
  };
  EXPECT_EQ(refuse("s", *Tensor::from_strings({2}, {"a", "b"})),
            "'s' is string[2]; safetensors has no dtype for string");
  EXPECT_EQ(refuse("c", *Tensor::make(DType::kC128, {1})), "'c' is c128[1]; safetensors has no dtype for c128");
  EXPECT_EQ(refuse("f", *Tensor::make(DType::kF4E2M1, {3})), "'f' is f4e2m1[3], which does not fill whole bytes");
  EXPECT_EQ(refuse("q", Tensor::sequence({})),
            "'q' is no tensor but sequence of 0; a safetensors file holds tensors alone");
  EXPECT_EQ(refuse("ok", Tensor::scalar(1.0f)), "two tensors have the name 'ok'");
  EXPECT_EQ(refuse("__metadata__", Tensor::scalar(1.0f)), "'__metadata__' is not allowed as the name of a tensor");
  EXPECT_EQ(refuse("\xff", Tensor::scalar(1.0f)), "the name of a tensor is not UTF-8");
  EXPECT_EQ(refuse("x", Tensor::scalar(1.0f), {{"k", "1"}, {"k", "2"}}), "the metadata has two entries 'k'");
  EXPECT_EQ(refuse("x", Tensor::scalar(1.0f), {{"k", "\x80"}}), "the metadata entry 'k' is not UTF-8");
  EXPECT_EQ(refuse("e", Tensor()).substr(0, 16), "'e' is no tensor");
}

TEST(SafetensorsHeader, SizeIsChecked) {
  EXPECT_EQ(parse("1234567").status().message(), "it has 7 bytes; the size of the header alone takes 8");
  EXPECT_EQ(parse(std::string(8, '\xff')).status().message(),
            "it is no safetensors file, or damaged: the header claims 18446744073709551615 bytes, more than the "
            "100000000 allowed");
  EXPECT_EQ(parse("\x05\0\0\0\0\0\0\0{}"s).status().message(), "the header claims 5 bytes but only 2 follow");
  EXPECT_EQ(parse(std::string(8, '\0')).status().message(), "not valid JSON at byte 0: it ends too early");
}

std::string entry(const std::string& inside) { return R"({"x":{)" + inside + "}}"; }

TEST(SafetensorsHeader, EveryClaimIsChecked) {
  const std::string dtype = R"("dtype":"F32")", shape = R"("shape":[2])", offsets = R"("data_offsets":[0,8])";
  const std::string data(8, '\0');
  EXPECT_EQ(problem(entry(dtype + "," + shape + "," + offsets), data), "none");
  EXPECT_EQ(problem(entry(offsets + R"(,"later":[{"a":1}],)" + shape + "," + dtype), data), "none");
  EXPECT_EQ(problem("[]"), "the header should be an object but is an array");
  EXPECT_EQ(problem("{} x"), "not valid JSON at byte 3: something follows the value");
  EXPECT_EQ(problem(R"({"x":1})"), "tensor 'x' should be an object but is a number");
  EXPECT_EQ(problem(entry(shape + "," + offsets), data), "tensor 'x' has no dtype");
  EXPECT_EQ(problem(entry(dtype + "," + offsets), data), "tensor 'x' has no shape");
  EXPECT_EQ(problem(entry(dtype + "," + shape), data), "tensor 'x' has no data_offsets");
  EXPECT_EQ(problem(entry(dtype + "," + dtype + "," + shape + "," + offsets), data),
            "tensor 'x' has two entries 'dtype'");
  EXPECT_EQ(problem(entry(R"("dtype":"F7",)" + shape + "," + offsets), data),
            "tensor 'x': safetensors dtype 'F7' is not supported");
  EXPECT_EQ(problem(entry(R"("dtype":1,)" + shape + "," + offsets), data),
            "the dtype of tensor 'x' should be a string but is a number");
  for (const char* bad : {"[-1]", "[1.0]", "[1e1]", "[9223372036854775808]", "[\"2\"]", "[null]", "[true]"}) {
    EXPECT_EQ(problem(entry(dtype + R"(,"shape":)" + bad + "," + offsets), data),
              "the shape of tensor 'x' has a dimension that is no size")
        << bad;
  }
  EXPECT_EQ(problem(entry(dtype + R"(,"shape":2,)" + offsets), data),
            "the shape of tensor 'x' should be an array but is a number");
  for (const char* huge : {"[3]", "[4611686018427387904]", "[9223372036854775807]", "[0]", "[]"}) {
    EXPECT_EQ(problem(entry(dtype + R"(,"shape":)" + huge + "," + offsets), data),
              cat("tensor 'x' is f32", huge, " but has 8 bytes"))
        << huge;
  }
  EXPECT_EQ(problem(entry(dtype + R"(,"shape":[4294967296,4294967296],)" + offsets), data),
            "tensor 'x': shape [4294967296, 4294967296] has too many elements");
  EXPECT_EQ(parse(with_length(entry(dtype + R"(,"shape":[4294967296,4294967296],)" + offsets), data)).status().code(),
            Code::kDataLoss);
  for (const char* range : {"[0,9]", "[-1,8]", "[8,0]", "[9,9]", "[0,9223372036854775807]"}) {
    EXPECT_EQ(problem(entry(dtype + "," + shape + R"(,"data_offsets":)" + range), data).substr(0, 25),
              "tensor 'x' lies at bytes ")
        << range;
  }
  for (const char* odd : {"[0]", "[0,8,8]", "0", "[0,8.0]", "[]"}) {
    EXPECT_NE(problem(entry(dtype + "," + shape + R"(,"data_offsets":)" + odd), data), "none") << odd;
  }
  EXPECT_EQ(problem(entry(R"("dtype":"F4","shape":[3],"data_offsets":[0,2])"), "ab"),
            "tensor 'x' is f4e2m1[3] but has 2 bytes");
  std::string ones = "1";
  for (int i = 1; i < 65; ++i) ones += ",1";
  EXPECT_EQ(problem(entry(dtype + R"(,"shape":[)" + ones + R"(],"data_offsets":[0,4])"), std::string(4, '\0')),
            "tensor 'x' has 65 dimensions; tensors have at most 64");
}

TEST(SafetensorsHeader, TensorsCoverTheData) {
  auto two = [](int a, int b, int c, int d, int bytes) {
    return problem(cat(R"({"a":{"dtype":"U8","shape":[)", b - a, R"(],"data_offsets":[)", a, ",", b,
                       R"(]},"b":{"dtype":"U8","shape":[)", d - c, R"(],"data_offsets":[)", c, ",", d, "]}}"),
                   std::string(bytes, '\0'));
  };
  EXPECT_EQ(two(0, 2, 2, 5, 5), "none");
  EXPECT_EQ(two(3, 5, 0, 3, 5), "none");
  EXPECT_EQ(two(0, 0, 0, 5, 5), "none");
  EXPECT_EQ(two(5, 5, 0, 5, 5), "none");
  EXPECT_EQ(two(0, 3, 2, 5, 5), "tensor 'b' begins at byte 2 of the data where 3 was expected");
  EXPECT_EQ(two(0, 5, 0, 5, 5), "tensor 'b' begins at byte 0 of the data where 5 was expected");
  EXPECT_EQ(two(0, 2, 3, 5, 5), "tensor 'b' begins at byte 3 of the data where 2 was expected");
  EXPECT_EQ(two(1, 2, 2, 5, 5), "tensor 'a' begins at byte 1 of the data where 0 was expected");
  EXPECT_EQ(two(0, 2, 2, 4, 5), "its tensors take 4 bytes but 5 follow the header");
  EXPECT_EQ(problem("{}", "x"), "its tensors take 0 bytes but 1 follow the header");
}

TEST(SafetensorsHeader, NamesAndMetadataAreChecked) {
  std::string x = R"("x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_EQ(problem("{" + x + "," + x + "}"), "the header has two entries 'x'");
  EXPECT_EQ(problem(R"({"__metadata__":{},"__metadata__":{}})"), "the header has two entries '__metadata__'");
  EXPECT_EQ(problem(R"({"__metadata__":{"a":"1","a":"2"}})"), "the metadata has two entries 'a'");
  EXPECT_EQ(problem(R"({"__metadata__":{"a":1}})"), "the metadata entry 'a' should be a string but is a number");
  EXPECT_EQ(problem(R"({"__metadata__":[]})"), "the metadata should be an object but is an array");
  EXPECT_EQ(problem("{\"x\xff\":1}").substr(0, 14), "not valid JSON");
  EXPECT_EQ(
      problem(R"({"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"y":)" + std::string(100, '[')).substr(0, 14),
      "not valid JSON");
}

TEST(SafetensorsHeader, BoolsAreChecked) {
  auto file = parse(with_length(R"({"x":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})", "\1\0\2"s));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->tensor("x").status().message(), "tensor 'x' holds the bool 2 at 2; only 0 and 1 are");
}

TEST(SafetensorsHeader, UnalignedTensorsAreCopied) {
  auto file = parse(with_length(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )", "\0\0\x80?"s));
  ASSERT_TRUE(file.ok());
  ASSERT_NE(file->entries()[0].begin % 4, 0);
  EXPECT_EQ(file->tensor("x")->as<float>()[0], 1.0f);
}

// Touches all that a reader gives.
void use(const std::string& bytes) {
  auto file = parse(bytes);
  if (!file.ok()) {
    EXPECT_FALSE(file.status().message().empty());
    return;
  }
  for (size_t i = 0; i < file->entries().size(); ++i) {
    auto tensor = file->tensor(static_cast<int64_t>(i));
    if (!tensor.ok()) continue;
    EXPECT_EQ(tensor->bytes(), file->entries()[i].end - file->entries()[i].begin);
    auto copy = tensor->copy();
    ASSERT_TRUE(copy.ok());
    EXPECT_TRUE(copy->same_bits(*tensor));
  }
}

TEST(SafetensorsDamage, EveryFlippedBit) {
  for (size_t i = 0; i < kReference.size() * 8; ++i) {
    std::string bytes = kReference;
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ 1 << i % 8);
    use(bytes);
  }
}

TEST(SafetensorsDamage, EveryTruncation) {
  for (size_t size = 0; size < kReference.size(); ++size) {
    EXPECT_FALSE(parse(kReference.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(parse(kReference + "x").ok());
}

// Every error of the bytes is damage, whoever found it; a dtype that others may know is not.
TEST(SafetensorsDamage, HasOneCode) {
  for (size_t i = 0; i < kReference.size(); ++i) {
    for (char c : "\0\xff\"{}[],:0-\\"s) {
      std::string bytes = kReference;
      bytes[i] = c;
      Status status = parse(bytes).status();
      if (status.ok()) continue;
      bool dtype = status.message().find("safetensors dtype '") != std::string::npos;
      EXPECT_EQ(status.code(), dtype ? Code::kUnimplemented : Code::kDataLoss) << status.text();
    }
  }
}

TEST(SafetensorsDamage, EveryByteReplaced) {
  for (size_t i = 0; i < kReference.size(); ++i) {
    for (char c : "\0\xff\"{}[],:0-\\"s) {
      std::string bytes = kReference;
      bytes[i] = c;
      use(bytes);
      bytes.erase(i, 1);
      use(bytes);
    }
  }
}

TEST_F(Safetensors, FilesThatAreWrongSayWhich) {
  put(kReference.substr(0, 100));
  for (bool map : {false, true}) {
    auto file = SafetensorsFile::open(path_, map);
    EXPECT_EQ(file.status().code(), Code::kDataLoss);
    EXPECT_EQ(file.status().message(), "cannot load '" + path_ + "': the header claims 248 bytes but only 92 follow");
    put("");
    EXPECT_EQ(SafetensorsFile::open(path_, map).status().message(),
              "cannot load '" + path_ + "': it has 0 bytes; the size of the header alone takes 8");
    put(kReference.substr(0, 100));
    EXPECT_EQ(SafetensorsFile::open(folder_ / "none", map).status().code(), Code::kNotFound);
    EXPECT_EQ(SafetensorsFile::open(folder_.path(), map).status().code(), Code::kInvalidArgument);
  }
}

TEST_F(Safetensors, AFileThatShrinksAfterOpeningIsAnError) {
  put(kReference);
  auto file = SafetensorsFile::open(path_);
  fs::resize_file(path_, kReference.size() - 1);
  EXPECT_EQ(file->tensor("b").status().code(), Code::kDataLoss);
  EXPECT_TRUE(file->tensor("w").ok());
}

}  // namespace
}  // namespace weft
