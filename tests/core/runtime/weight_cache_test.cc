// Sessions whose packed weights are kept in a folder: found by the next session and process, with the same bits.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/simd/isa.h"
#include "core/tensor/form_cache.h"
#include "tests/core/expect_error.h"
#include "tests/core/passes/rules_common.h"
#include "tests/test_folder.h"

namespace weft {
namespace {

// A net whose weights are packed in every way: Winograd's, taps, pixels, one filter for each channel, a product; two of
// the convolutions take up a BatchNormalization.
struct Net : FuseTest {
  ValueId y = kNoValue;

  explicit Net(float shift = 0) {
    Expr x = in({1, 64, 16, 16});
    x = norm(conv(x, {256, 64, 3, 3}, 1, {}, shift));
    x = conv(x, {256, 1, 9, 9}, 4, {{"group", int64_t{256}}});
    x = norm(conv(x, {128, 256, 1, 1}, 0, {}));
    x = conv(x, {32, 128, 2, 2}, 0, {{"strides", Ints{2, 2}}});
    Expr flat = reshape(x, constant_ints(scope, {1, 32 * 8 * 8}));
    y = make(scope, "MatMul", {flat, fixed({32 * 8 * 8, 16})}).id();
  }

  using Ints = std::vector<int64_t>;
  Expr conv(Expr x, const Shape& w, int64_t pad, Attrs attrs, float shift = 0) {
    attrs.set("pads", Ints(4, pad));
    return make(scope, "Conv", {x, fixed(w, shift)}, attrs);
  }
  Expr norm(Expr x) {
    const int64_t channels = x.type().dims[1].value();
    return make(scope, "BatchNormalization",
                {x, fixed({channels}), fixed({channels}), fixed({channels}), fixed({channels}, 2)});
  }

  struct Outcome {
    Tensor y;
    FormCache::Counts counts;
  };
  Outcome run(const std::string& folder) {
    SessionOptions options;
    options.weight_cache = folder;
    Result<std::shared_ptr<Session>> session = Session::make(graph, options);
    EXPECT_TRUE(session.ok()) << session.status().text();
    std::vector<Tensor> out;
    const Status status = (*session)->run({feeds, {y}, {}}, values, {}, &out);
    EXPECT_TRUE(status.ok()) << status.text();
    const FormCache* cache = (*session)->form_cache().get();
    return {out[0], cache != nullptr ? cache->counts() : FormCache::Counts()};
  }
};
constexpr int64_t kForms = 5;

TEST(WeightCache, GivesTheSameBitsFromTheFolder) {
  TestFolder folder;
  const Tensor plain = Net().run("").y;
  const Net::Outcome first = Net().run(folder.path()), second = Net().run(folder.path());
  EXPECT_EQ(first.counts.made, kForms);
  EXPECT_EQ(first.counts.found, 0);
  EXPECT_EQ(second.counts.made, 0);
  EXPECT_EQ(second.counts.found, kForms);
  EXPECT_TRUE(plain.same_bits(first.y));
  EXPECT_TRUE(plain.same_bits(second.y));
  EXPECT_EQ(folder.count(), static_cast<size_t>(kForms));
}

// What is packed is found by later versions of the library. If this fails because a packing has changed, kPackingVersion
// has to be raised, and the digests here with it.
TEST(WeightCache, PackingsAreThoseOfTheirVersion) {
  TestFolder folder;
  Net().run(folder.path());
  std::vector<std::string> payloads;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    const std::string text((*read_file(entry.path().string()))->text());
    EXPECT_NE(text.find(", packing 1 for "), std::string::npos);
    payloads.push_back(text.substr(text.find("payload "), 40));
  }
  std::sort(payloads.begin(), payloads.end());
  const std::map<std::string, std::string> wanted = {{"avx512", "18b48671e07e4f37e5a2ecda90dba57b"},
                                                     {"avx512vnni", "18b48671e07e4f37e5a2ecda90dba57b"},
                                                     {"avx2", "141a4b8e3f05ac98e9c03f0d85bf6851"},
                                                     {"baseline", "979c27734a8c5ef3b702101989141744"}};
  const auto of_isa = wanted.find(isa_name(current_isa()));
  if (of_isa == wanted.end()) GTEST_SKIP();
  EXPECT_EQ(digest_of(join(payloads)).text(), of_isa->second);
}

TEST(WeightCache, SessionsOfOneGraphShareWhatIsInMemory) {
  TestFolder folder;
  Net net;
  SessionOptions options;
  auto session = *Session::make(net.graph, options);
  std::vector<Tensor> out;
  ASSERT_TRUE(session->run({net.feeds, {net.y}, {}}, net.values, {}, &out).ok());
  // Those of folded weights belong to the session that folded them.
  EXPECT_EQ(net.run(folder.path()).counts.made, 2);
}

TEST(WeightCache, OtherWeightsOfTheSameShapeAreOtherForms) {
  TestFolder folder;
  Net net, changed(0.25f);
  const Tensor plain = changed.run("").y;
  net.run(folder.path());
  const Net::Outcome other = Net(0.25f).run(folder.path());
  EXPECT_EQ(other.counts.made, 1);
  EXPECT_EQ(other.counts.found, kForms - 1);
  EXPECT_TRUE(plain.same_bits(other.y));
}

TEST(WeightCache, DamagedFilesDoNotReachARun) {
  TestFolder folder;
  const Tensor plain = Net().run("").y;
  Net().run(folder.path());
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(entry.file_size() / 2));
    file.write("damage", 6);
  }
  const Net::Outcome again = Net().run(folder.path());
  EXPECT_EQ(again.counts.made, kForms);
  EXPECT_TRUE(plain.same_bits(again.y));
  EXPECT_EQ(Net().run(folder.path()).counts.found, kForms);
}

TEST(WeightCache, ServesSessionsAndProcessesAtOnce) {
  TestFolder folder;
  const Tensor plain = Net().run("").y;
  std::vector<pid_t> children;
#if !defined(__SANITIZE_THREAD__)  // threads made after a fork are beyond the thread sanitizer
  for (int i = 0; i < 2; ++i) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    ::alarm(60);
    ::_exit(Net().run(folder.path()).y.same_bits(plain) ? 7 : 1);
  }
#endif
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(Net().run(folder.path()).y.same_bits(plain)); });
  }
  for (std::thread& thread : threads) thread.join();
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  }
  EXPECT_EQ(Net().run(folder.path()).counts.found, kForms);
  EXPECT_EQ(folder.count(), static_cast<size_t>(kForms));
}

#if !defined(__SANITIZE_THREAD__)  // threads made after a fork are beyond the thread sanitizer
// As another user, since nothing is refused to root, for whom the folder is there to read.
TEST(WeightCache, AFolderThatCannotBeWrittenIsRead) {
  TestFolder folder;
  const Tensor plain = Net().run(folder.path()).y;
  std::filesystem::remove(std::filesystem::directory_iterator(folder.path())->path());
  ASSERT_EQ(::chmod(folder.path().c_str(), 0555), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    if (::access(folder.path().c_str(), W_OK) == 0) ::_exit(3);
    const Net::Outcome found = Net().run(folder.path());
    ::_exit(found.y.same_bits(plain) && found.counts.made == 1 && found.counts.found == kForms - 1 ? 7 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  EXPECT_EQ(folder.count(), static_cast<size_t>(kForms - 1));
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
}

// Wherever the disk is full, the run ends well and nothing half is left.
TEST(WeightCache, AFullDiskCostsOnlyTheSaving) {
  TestFolder folder;
  const Tensor plain = Net().run("").y;
  for (rlim_t most : {0, 10, 100'000, 200'000}) {
    const pid_t child = ::fork();
    if (child == 0) {
      const rlimit limit{most, most};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      ::_exit(Net().run(folder.path()).y.same_bits(plain) ? 7 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_EQ(entry.path().extension(), ".form");
  }
  const FormCache::Counts counts = Net().run(folder.path()).counts;
  EXPECT_GT(counts.made, 0);
  EXPECT_EQ(counts.made + counts.found, kForms);
}
#endif

TEST(WeightCache, WhatIsNoFolderIsAnErrorOfTheSession) {
  TestFolder folder;
  ASSERT_TRUE(write_file(folder / "file", "").ok());
  Net net;
  SessionOptions options;
  options.weight_cache = folder / "file";
  expect_error(Session::make(net.graph, options).status(), Code::kInvalidArgument, "option 'weight_cache': ");
}

}  // namespace
}  // namespace weft
