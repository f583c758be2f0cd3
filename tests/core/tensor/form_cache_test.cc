// Forms in a folder: found again, told from others, and never believed when they are damaged.
#include "core/tensor/form_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/expect_error.h"
#include "tests/test_folder.h"

namespace weft {
namespace {

constexpr int64_t kBytes = FormCache::kLeastBytes + 100;

std::string read(const std::string& path) { return std::string((*read_file(path))->text()); }

// The one file in a folder with that ending.
std::string only(const TestFolder& folder, const std::string& ending) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().extension() != ending) continue;
    EXPECT_EQ(found, "");
    found = entry.path().string();
  }
  return found;
}

struct Forms {
  TestFolder folder;
  std::shared_ptr<Buffer> constant = *Buffer::allocate(16);
  std::shared_ptr<FormCache> cache = *FormCache::open(folder.path());

  Forms() { std::memcpy(constant->data(), "sixteen letters.", 16); }

  // A form of the constant as a session of its own finds or makes it: letters of `letter`.
  char ask(const char* name = "turned", char letter = 'a', int64_t bytes = kBytes) {
    auto make = [&](void* to) {
      std::memset(to, letter, static_cast<size_t>(bytes));
      return Status();
    };
    Result<std::shared_ptr<const Buffer>> form = cache->form(*constant, name, bytes, make);
    EXPECT_TRUE(form.ok()) << form.status().text();
    EXPECT_EQ((*form)->bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>((*form)->data()) % Buffer::kAlign, 0u);
    const std::string_view text(static_cast<const char*>((*form)->data()), static_cast<size_t>(bytes));
    EXPECT_EQ(text, std::string(text.size(), text[0]));
    return text[0];
  }
  void expect(int64_t made, int64_t found) {
    EXPECT_EQ(cache->counts().made, made);
    EXPECT_EQ(cache->counts().found, found);
  }
};

TEST(FormCache, FindsWhatWasMade) {
  Forms t;
  EXPECT_EQ(t.ask("turned", 'a'), 'a');
  t.expect(1, 0);
  EXPECT_EQ(t.ask("turned", 'b'), 'a');
  t.expect(1, 1);
  EXPECT_EQ(t.folder.count(), 1u);
  // Small ones are made each time.
  EXPECT_EQ(t.ask("small", 'c', 100), 'c');
  EXPECT_EQ(t.ask("small", 'd', 100), 'd');
  t.expect(1, 1);
  EXPECT_EQ(t.folder.count(), 1u);
}

TEST(FormCache, OtherNamesSizesAndContentsAreOtherForms) {
  Forms t;
  t.ask("turned", 'a');
  EXPECT_EQ(t.ask("packed", 'b'), 'b');
  EXPECT_EQ(t.ask("turned", 'c', kBytes + 1), 'c');
  static_cast<char*>(t.constant->data())[15] = '!';
  EXPECT_EQ(t.ask("turned", 'd'), 'd');
  t.expect(4, 0);
  static_cast<char*>(t.constant->data())[15] = '.';
  EXPECT_EQ(t.ask("turned", 'e'), 'a');
  t.expect(4, 1);
}

TEST(FormCache, TheNameOfAFileSaysItsContent) {
  Forms t;
  t.ask();
  const std::string text = read(only(t.folder, ".form"));
  EXPECT_EQ(text.substr(0, text.find(' ', 17)), "weft form 1\nweft 0.1.0:");
  EXPECT_NE(text.find(" bytes, turned, of "), std::string::npos);
  // XXH3's 128 bits of "sixteen letters.", by the Python package xxhash.
  EXPECT_NE(text.find("of 4cc524846a3fe087e88bc4bf0e6ec506\n"), std::string::npos) << text.substr(0, 200);
  // Both the head and the payload end at multiples of 64 bytes.
  const size_t payload = text.size() - 65'664;
  EXPECT_EQ(payload % 64, 0u);
  EXPECT_EQ(text.substr(payload, kBytes), std::string(kBytes, 'a'));
  EXPECT_EQ(text.substr(payload + kBytes), std::string(28, '\0'));
}

// Whatever is wrong with a file, the form is made again and the file replaced.
TEST(FormCache, DamagedFilesAreMadeAgain) {
  Forms t;
  t.ask();
  const std::string path = only(t.folder, ".form"), whole = read(path);
  std::vector<std::string> damaged{"",
                                   "w",
                                   whole.substr(0, whole.size() - 1),
                                   whole.substr(0, 64),
                                   whole + '\0',
                                   std::string(whole.size(), '\0'),
                                   std::string(whole.size(), 'a')};
  const size_t digest = whole.find("payload ") + 8;
  for (size_t at : {size_t{0}, size_t{10}, whole.find("0.1.0"), whole.find("turned"), whole.find(", of ") + 6, digest,
                    digest + 31, digest + 33, whole.size() - 65'664, whole.size() - 29}) {
    damaged.push_back(whole);
    damaged.back()[at] ^= 1;
  }
  int64_t made = 1;
  for (const std::string& text : damaged) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    EXPECT_EQ(t.ask("turned", 'a'), 'a');
    ++made;
    t.expect(made, made - 2);
    EXPECT_EQ(read(path), whole);
    EXPECT_EQ(t.ask("turned", 'z'), 'a');
    t.expect(made, made - 1);
    EXPECT_EQ(t.folder.count(), 1u);
  }
}

TEST(FormCache, WhatIsInTheWayCostsOnlyTheSaving) {
  Forms t;
  t.ask();
  const std::string path = only(t.folder, ".form");
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_EQ(t.ask("turned", 'b'), 'b');
  std::filesystem::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(t.ask("turned", 'c'), 'c');
  std::filesystem::remove(path);
  std::filesystem::create_symlink(t.folder / "nothing", path);
  EXPECT_EQ(t.ask("turned", 'd'), 'd');
  t.expect(4, 0);
  std::filesystem::remove_all(t.folder.path());
  EXPECT_EQ(t.ask("turned", 'e'), 'e');
  t.expect(5, 0);
  std::filesystem::create_directory(t.folder.path());
}

TEST(FormCache, FormsThatCannotBeMadeLeaveNoFile) {
  Forms t;
  auto fail = [](void*) { return invalid("no"); };
  EXPECT_EQ(t.cache->form(*t.constant, "none", kBytes, fail).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(t.cache->form(*t.constant, "huge", kMostBytes + 1, fail).status().code(), Code::kResourceExhausted);
  EXPECT_EQ(t.folder.count(), 0u);
}

TEST(FormCache, ManyMayMakeAndFindAForm) {
  Forms t;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&t] {
      const std::shared_ptr<FormCache> cache = *FormCache::open(t.folder.path());
      for (int round = 0; round < 20; ++round) {
        auto form = *cache->form(*t.constant, cat("round ", round), kBytes, [&](void* to) {
          std::memset(to, round, kBytes);
          return Status();
        });
        const char* data = static_cast<const char*>(form->data());
        EXPECT_TRUE(std::all_of(data, data + kBytes, [&](char c) { return c == round; }));
      }
      EXPECT_EQ(cache->counts().made + cache->counts().found, 20);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(t.folder.count(), 20u);
}

TEST(FormCache, FoldersAreMade) {
  TestFolder folder;
  const std::string path = folder / "a/b//c/";
  EXPECT_TRUE(FormCache::open(path).ok());
  EXPECT_TRUE(FormCache::open(path).ok());
  EXPECT_EQ(*make_folder(folder / "a/../a/b"), folder / "a/b");
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
  ASSERT_TRUE(write_file(folder / "file", "").ok());
  expect_error(FormCache::open(folder / "file").status(), Code::kInvalidArgument, "it is a file");
  expect_error(FormCache::open(folder / "file/under").status(), Code::kNotFound, "a part of the path is not a folder");
  expect_error(FormCache::open("").status(), Code::kInvalidArgument, "the path is empty");
  expect_error(FormCache::open(std::string("a\0b", 3)).status(), Code::kInvalidArgument, "zero byte");
}

// A mapped file and the constant in it, through a cache for which every file has settled.
struct InFile {
  TestFolder folder, model;
  std::string path = model / "weights";

  InFile() { EXPECT_TRUE(write_file(path, std::string(1000, 'w')).ok()); }
  std::shared_ptr<FormCache> cache() { return *FormCache::open(folder.path(), -1'000'000'000'000); }
  // The digests that a cache computes for two constants.
  int64_t digested(FormCache& cache) {
    auto file = *map_file(path);
    const Tensor a = *Tensor::in_file(DType::kI8, {400}, file, 0), b = *Tensor::in_file(DType::kI8, {600}, file, 400);
    const int64_t before = cache.counts().digested;
    EXPECT_EQ(cache.digest_of(*a.buffer()), digest_of(std::string(400, a.as<char>()[0])));
    EXPECT_EQ(cache.digest_of(*b.buffer()), digest_of(std::string(600, 'w')));
    cache.remember();
    return cache.counts().digested - before;
  }
};

TEST(FormCache, RemembersDigestsOfFiles) {
  InFile t;
  const std::shared_ptr<FormCache> first = t.cache();
  EXPECT_EQ(t.digested(*first), 2);
  EXPECT_EQ(t.digested(*first), 0);
  EXPECT_EQ(t.digested(*t.cache()), 0);
  EXPECT_EQ(t.folder.count(), 1u);
  // One byte of the same file.
  std::fstream(t.path, std::ios::in | std::ios::out).write(std::string(400, 'v').data(), 400);
  EXPECT_EQ(t.digested(*t.cache()), 2);
  EXPECT_EQ(t.digested(*t.cache()), 0);
  EXPECT_EQ(t.folder.count(), 1u);
}

// A change within the time that a file system tells apart would not show.
TEST(FormCache, FilesThatJustChangedAreReadAgain) {
  InFile t;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(t.digested(**FormCache::open(t.folder.path())), 2);
  EXPECT_EQ(t.folder.count(), 0u);
}

TEST(FormCache, DamagedDigestsAreComputedAgain) {
  InFile t;
  t.digested(*t.cache());
  const std::string path = only(t.folder, ".digests"), whole = read(path);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string text = whole;
    text[at] ^= 4;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    EXPECT_EQ(t.digested(*t.cache()), 2);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, at);
    EXPECT_EQ(t.digested(*t.cache()), 2);
    EXPECT_EQ(read(path), whole);
  }
}

}  // namespace
}  // namespace weft
