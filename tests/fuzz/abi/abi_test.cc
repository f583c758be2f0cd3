// The fuzzer of the C ABI forgets no function: each one of c_api/abi.txt is called by its programs, or it is said why not; and
// those of the corpus do call each, with success.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/fuzz/abi/machine.h"

namespace weft::abi_fuzz {
namespace {

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The functions of abi.txt: each stands before the first parenthesis of its line.
std::set<std::string> functions() {
  std::set<std::string> out;
  std::istringstream lines(content("c_api/abi.txt"));
  for (std::string line; std::getline(lines, line);) {
    const size_t end = line.find('(');
    if (line.empty() || line[0] == '#' || end == std::string::npos) continue;
    const size_t begin = line.find_last_of(" *", end) + 1;
    out.insert(line.substr(begin, end - begin));
  }
  return out;
}

TEST(AbiFuzzer, KnowsEveryFunction) {
  std::set<std::string> known;
  for (const Entry& entry : entries()) EXPECT_TRUE(known.insert(entry.name).second) << entry.name;
  for (const LeftOut& left : left_out()) {
    EXPECT_TRUE(known.insert(left.name).second) << left.name << " is left out, and called";
    EXPECT_NE(std::string(left.reason), "") << left.name;
  }
  EXPECT_GT(known.size(), 180u);
  EXPECT_EQ(known, functions());
}

TEST(AbiFuzzer, FindsFunctionsByTheirNumbers) {
  for (size_t i = 1; i < entries().size(); ++i) EXPECT_LT(entries()[i - 1].id, entries()[i].id) << entries()[i].name;
}

// Those of which a program sees nothing but errors: a plug-in and an operator would stay for good.
const std::set<std::string> kRefused = {"weft_device_load", "weft_op_add"};

TEST(AbiFuzzer, TheCorpusCallsEveryFunction) {
  start();
  Machine::seconds_of_a_run = Machine::seconds_of_a_program = 600;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fuzz/corpus/abi")) {
    const std::string program = content(entry.path());
    Machine(program).run();
  }
  EXPECT_EQ(weft_live_objects(), 0);
  for (size_t i = 0; i < entries().size(); ++i) {
    const std::string name = entries()[i].name;
    EXPECT_GT(tallies()[i].calls, 0) << name;
    EXPECT_EQ(tallies()[i].successes > 0, kRefused.count(name) == 0) << name;
  }
}

}  // namespace
}  // namespace weft::abi_fuzz
