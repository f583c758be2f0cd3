// What the tests of the C++ header have in common.
#pragma once

#include <gtest/gtest.h>

#include "weft.hpp"

// Every test ends by asserting that nothing of the library is left alive.
struct NoLeaks : testing::Test {
  ~NoLeaks() override { EXPECT_EQ(weft::live_objects(), 0); }
};

// The error that the call throws.
template <typename Call>
weft::Error error_of(Call call) {
  try {
    call();
  } catch (const weft::Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return weft::Error(WEFT_UNKNOWN, "");
}

// An exception of the program's own.
struct Mine : std::runtime_error {
  Mine() : std::runtime_error("mine") {}
};

// What a value without inputs is, as elements of T.
template <typename T>
std::vector<T> computed(const weft::Graph& graph, const weft::Value& value, const weft::Feeds& feeds = {}) {
  return weft::Session(graph).run(feeds, {value})[0].to_vector<T>();
}

// A file that is gone with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name, const std::string& content = "");
  ~TemporaryFile();
  const std::string& path() const { return path_; }
  std::string content() const;
  void write(const std::string& content) const;

 private:
  std::string path_;
};
