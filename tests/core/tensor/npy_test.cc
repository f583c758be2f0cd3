// NPY files: the bytes that NumPy writes, and everything that is not one of them.
#include "core/tensor/npy.h"

#include <gtest/gtest.h>
#include <cstring>
#include <fstream>

#include "core/base/file.h"
#include "tests/test_folder.h"

namespace weft {
namespace {

using namespace std::string_literals;

class Npy : public testing::Test {
 protected:
  void put(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  std::string get() { return std::string((*read_file(path_))->text()); }
  Result<Tensor> read(const std::string& bytes) {
    put(bytes);
    return read_npy(path_);
  }
  std::string problem(const std::string& bytes) {
    auto tensor = read(bytes);
    if (tensor.ok()) return "none";
    std::string start = "cannot load '" + path_ + "': ";
    EXPECT_EQ(tensor.status().message().substr(0, start.size()), start);
    return tensor.status().message().substr(start.size());
  }

  TestFolder folder_;
  std::string path_ = folder_ / "x.npy";
};

// Version 1 as numpy.save (2.4) lays it out for these headers: 128 bytes before the data.
std::string numpy_file(const std::string& header, const std::string& data) {
  return "\x93NUMPY\x01\x00v\x00"s + header + std::string(117 - header.size(), ' ') + "\n" + data;
}
std::string version(int major, const std::string& header, const std::string& data) {
  std::string out = "\x93NUMPY"s + static_cast<char>(major) + "\0"s;
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) out += static_cast<char>(header.size() >> (8 * i));
  return out + header + data;
}

const std::string kMatrix = numpy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
                                       "\0\0\0\0\0\0\x80?\0\0\0@\0\0@@\0\0\x80@\0\0\xa0@"s);
Tensor matrix() { return *Tensor::vector<float>({0, 1, 2, 3, 4, 5}).reshaped({2, 3}); }

TEST_F(Npy, ReadsAndWritesWhatNumpyDoes) {
  EXPECT_TRUE(read(kMatrix)->same_bits(matrix()));
  ASSERT_TRUE(write_npy(path_, matrix()).ok());
  EXPECT_EQ(get(), kMatrix);

  std::string scalar = numpy_file("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", "\0\0\0\0\0\0\xf8?"s);
  EXPECT_TRUE(read(scalar)->same_bits(Tensor::scalar(1.5)));
  ASSERT_TRUE(write_npy(path_, Tensor::scalar(1.5)).ok());
  EXPECT_EQ(get(), scalar);

  Tensor flag = *Tensor::scalar(true).reshaped({1});
  std::string vector = numpy_file("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", "\1");
  EXPECT_TRUE(read(vector)->same_bits(flag));
  ASSERT_TRUE(write_npy(path_, flag).ok());
  EXPECT_EQ(get(), vector);

  Tensor none = *Tensor::make(DType::kI16, {0, 3});
  std::string empty = numpy_file("{'descr': '<i2', 'fortran_order': False, 'shape': (0, 3), }", "");
  EXPECT_TRUE(read(empty)->same_bits(none));
  ASSERT_TRUE(write_npy(path_, none).ok());
  EXPECT_EQ(get(), empty);
}

TEST_F(Npy, LeavesTheSameRoomAsNumpy) {
  ASSERT_TRUE(write_npy(path_, *Tensor::scalar(1.0f).reshaped(Shape(18, 1))).ok());
  EXPECT_EQ(get().substr(0, 10), "\x93NUMPY\x01\x00\xb6\x00"s);
  EXPECT_EQ(get().size(), 192u + 4);
}

TEST_F(Npy, EveryDtype) {
  for (DType dtype : {DType::kBool, DType::kI8, DType::kU8, DType::kI16, DType::kU16, DType::kI32, DType::kU32,
                      DType::kI64, DType::kU64, DType::kF16, DType::kF32, DType::kF64, DType::kC64, DType::kC128}) {
    Tensor tensor = *Tensor::make(dtype, {3, 1, 2});
    std::memset(tensor.mutable_data(), 1, tensor.bytes());
    ASSERT_TRUE(write_npy(path_, tensor).ok());
    EXPECT_TRUE(read_npy(path_)->same_bits(tensor)) << dtype_name(dtype);
  }
  for (DType dtype : {DType::kBF16, DType::kI4, DType::kF8E5M2, DType::kString}) {
    Status status = write_npy(path_, *Tensor::make(dtype, {2}));
    EXPECT_EQ(status.message(),
              cat("cannot save ", dtype_name(dtype), "[2] to '", path_, "': the NPY format has no type for it"));
  }
  EXPECT_EQ(write_npy(path_, Tensor::sequence({})).code(), Code::kUnimplemented);
}

TEST_F(Npy, OtherSpellings) {
  std::string data(8, '\0');
  for (const char* header :
       {"{\"shape\":(2,),\"descr\":\"<f4\",\"fortran_order\":False}",
        "{'descr':'=f4','fortran_order':False,'shape':(2L,)}",
        "  { 'descr' : '<f4' , 'fortran_order' : True , 'shape' : ( 2 , ) , } \n",
        "{'descr':'<f4','fortran_order':False,'shape':(1, 2)}", "{'descr':'<f4','fortran_order':False,'shape':(2)}"}) {
    for (int major : {1, 2, 3}) EXPECT_EQ(problem(version(major, header, data)), "none") << header;
  }
}

TEST_F(Npy, AsManyDimensionsAsATensorHas) {
  Tensor deep = *Tensor::scalar(1.0f).reshaped(Shape(64, 1));
  ASSERT_TRUE(write_npy(path_, deep).ok());
  EXPECT_EQ((get().size() - 4) % 64, 0u);
  EXPECT_TRUE(read_npy(path_)->same_bits(deep));
  EXPECT_EQ(Tensor::scalar(1.0f).reshaped(Shape(65, 1)).status().code(), Code::kInvalidArgument);
  std::string shape;
  for (int i = 0; i < 65; ++i) shape += "1,";
  std::string header = "{'descr':'<f4','fortran_order':False,'shape':(" + shape + ")}";
  EXPECT_NE(problem(version(2, header, std::string(4, '\0'))).find("at most 64 dimensions"), std::string::npos);
}

TEST_F(Npy, RefusesWhatItCannotRead) {
  auto of = [&](const std::string& descr, const std::string& rest = "'fortran_order': False, 'shape': (1,)") {
    return problem(version(1, "{'descr': " + descr + ", " + rest + ", }", std::string(8, '\0')));
  };
  EXPECT_EQ(of("'>f8'"), "its numbers are big-endian ('>f8'); save it with .astype('<f8')");
  EXPECT_EQ(of("'|O'"), "it holds Python objects, which only Python can load");
  EXPECT_EQ(of("'<U2'"), "it holds strings ('<U2')");
  EXPECT_EQ(of("'|S8'"), "it holds strings ('|S8')");
  EXPECT_EQ(of("'|V8'"), "it holds raw bytes ('|V8')");
  EXPECT_EQ(of("'<M8[ns]'"), "it holds dates or times ('<M8[ns]')");
  EXPECT_EQ(of("'<f16'"), "its dtype '<f16' is not supported");
  EXPECT_EQ(of("'f'"), "its dtype 'f' is not one of NumPy's");
  EXPECT_EQ(of("[('a', '<f4')]"), "its elements are records; save each field on its own");
  EXPECT_EQ(of("'<f4'", "'fortran_order': True, 'shape': (1, 2)"),
            "it is in Fortran order; save it with numpy.ascontiguousarray(...)");
  EXPECT_EQ(of("'<f4'", "'fortran_order': False, 'shape': (3,)"), "it should hold f32[3] but has 8 bytes of data");
  EXPECT_EQ(of("'<f4'", "'fortran_order': False, 'shape': (1,)"), "it should hold f32[1] but has 8 bytes of data");
  EXPECT_EQ(of("'<f4'", "'fortran_order': False, 'shape': (4611686018427387905,)"),
            "it should hold f32[4611686018427387905] but has 8 bytes of data");
  EXPECT_EQ(problem(numpy_file("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "\1\2")),
            "it holds a bool that is neither 0 nor 1, at 1");
}

TEST_F(Npy, RefusesBrokenHeaders) {
  const std::string malformed = "its header is not the dict that NumPy writes";
  for (const char* header :
       {"", "{", "{}", "x", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4, 'fortran_order': False}", "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
        "{'descr' '<f4'}", "{'de\\x73cr': '<f4'}"}) {
    EXPECT_EQ(problem(version(1, header, "")), malformed) << header;
  }
  EXPECT_EQ(problem(""), "it is too short for an NPY file");
  EXPECT_EQ(problem("\x93NUMPY\x02\0\0\0\0"s), "it is too short for an NPY file");
  EXPECT_EQ(problem("not an array file"), "it does not begin as NPY files do");
  EXPECT_EQ(problem(version(4, "{}", "")), "version 4 of the NPY format is not known");
  EXPECT_EQ(problem("\x93NUMPY\x01\0\xff\xff{}"s), "it ends within its header");
  EXPECT_EQ(problem("\x93NUMPY\x02\0\xff\xff\xff\xff{}"s),
            "its header claims 4294967295 bytes, more than the 1048576 allowed");
  EXPECT_EQ(read_npy(folder_ / "none").status().code(), Code::kNotFound);
}

TEST_F(Npy, SurvivesDamage) {
  for (size_t i = 0; i < 75 * 8; ++i) {  // what follows is blanks and numbers
    std::string bytes = kMatrix;
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ 1 << i % 8);
    auto tensor = read(bytes);
    if (tensor.ok()) {
      EXPECT_LE(tensor->bytes(), 24);
    }
  }
  for (size_t size = 0; size < kMatrix.size(); size += 3) EXPECT_NE(problem(kMatrix.substr(0, size)), "none");
}

}  // namespace
}  // namespace weft
