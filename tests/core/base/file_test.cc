// Files: reading, mapping, and writing that never harms the old file.
#include "core/base/file.h"
#include "tests/core/expect_error.h"
#include "tests/test_folder.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <thread>

// What the whole program does to files, in order; and a disk that is full after so many bytes. Sanitizers have functions
// of their own in these places.
namespace {
std::string calls;
ssize_t room = -1;  // no limit

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
}  // namespace
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WATCHES_CALLS 1
extern "C" int fsync(int file) {
  calls += "fsync ";
  return real<int(int)>("fsync")(file);
}
extern "C" int rename(const char* from, const char* to) {
  calls += "rename ";
  return real<int(const char*, const char*)>("rename")(from, to);
}
extern "C" ssize_t write(int file, const void* data, size_t bytes) {
  if (room == 0) {
    errno = ENOSPC;
    return -1;
  }
  if (room > 0) bytes = std::min(bytes, static_cast<size_t>(room));
  ssize_t put = real<ssize_t(int, const void*, size_t)>("write")(file, data, bytes);
  if (room > 0 && put > 0) room -= put;
  return put;
}
#else
#define WATCHES_CALLS 0
#endif

namespace weft {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  std::string at(const char* name) const { return folder_ / name; }
  std::string content(const std::string& path) const {
    auto bytes = read_file(path);
    return bytes.ok() ? std::string((*bytes)->text()) : bytes.status().text();
  }
  int entries() const { return static_cast<int>(folder_.count()); }

  TestFolder folder_;
};

TEST_F(Files, ReadsWhatWasWritten) {
  std::string text("a\0b\n", 4);
  ASSERT_TRUE(write_file(at("x"), text).ok());
  EXPECT_EQ(content(at("x")), text);
  auto mapped = map_file(at("x"));
  ASSERT_TRUE(mapped.ok());
  EXPECT_TRUE((*mapped)->mapped());
  EXPECT_EQ((*mapped)->text(), text);
  EXPECT_EQ(entries(), 1);
}

TEST_F(Files, EmptyFiles) {
  ASSERT_TRUE(write_file(at("x"), "").ok());
  EXPECT_EQ(content(at("x")), "");
  auto mapped = map_file(at("x"));
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ((*mapped)->size(), 0);
  EXPECT_EQ(FileReader::open(at("x"))->size(), 0);
}

TEST_F(Files, MappingOutlivesTheName) {
  ASSERT_TRUE(write_file(at("x"), "kept").ok());
  auto mapped = map_file(at("x"));
  ASSERT_TRUE(write_file(at("x"), "new!").ok());
  EXPECT_EQ((*mapped)->text(), "kept");
  fs::remove(at("x"));
  EXPECT_EQ((*mapped)->text(), "kept");
}

TEST_F(Files, SaysWhyItCannotRead) {
  auto missing = read_file(at("none"));
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_EQ(missing.status().message(), "cannot read '" + at("none") + "': there is no such file or folder");
  EXPECT_EQ(read_file(at("none/x")).status().code(), Code::kNotFound);
  EXPECT_EQ(map_file(at("none")).status().code(), Code::kNotFound);
  EXPECT_EQ(FileReader::open(at("none")).status().code(), Code::kNotFound);
  EXPECT_EQ(read_file(folder_.path()).status().message(), "cannot read '" + folder_.path() + "': it is a folder");
  EXPECT_EQ(map_file(folder_.path()).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(FileReader::open(folder_.path()).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(read_file("").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(read_file(std::string("a\0b", 3)).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(read_file(std::string(5000, 'n')).status().code(), Code::kInvalidArgument);
  ASSERT_TRUE(write_file(at("x"), "text").ok());
  EXPECT_EQ(read_file(at("x/y")).status().code(), Code::kNotFound);
  EXPECT_EQ(system_error(read_file(at("x/y")).status()), ENOTDIR);
  EXPECT_EQ(system_error(read_file(at("none")).status().within("a model: ").at("n", "Op", "")), ENOENT);
  EXPECT_EQ(system_error(read_file(at("x"), 1).status()), 0);
  EXPECT_EQ(system_error(Status()), 0);
  if (geteuid() != 0) {
    chmod(at("x").c_str(), 0);
    EXPECT_EQ(read_file(at("x")).status().code(), Code::kPermissionDenied);
  }
}

TEST_F(Files, LimitsWhatItReads) {
  ASSERT_TRUE(write_file(at("x"), "12345").ok());
  EXPECT_TRUE(read_file(at("x"), 5).ok());
  auto status = read_file(at("x"), 4).status();
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_EQ(status.message(), "cannot read '" + at("x") + "': it has 5 bytes, more than the 4 allowed");
}

TEST_F(Files, RefusesWhatNeedNotEnd) {
  EXPECT_GT((*read_file("/proc/self/status"))->size(), 100);
  ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_file(at("pipe")).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(read_file("/dev/zero").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(FileReader::open(at("pipe")).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(map_file(at("pipe")).status().code(), Code::kInvalidArgument);
}

TEST_F(Files, ReadsParts) {
  ASSERT_TRUE(write_file(at("x"), "0123456789").ok());
  auto reader = FileReader::open(at("x"));
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader->size(), 10);
  char part[4] = {};
  ASSERT_TRUE(reader->read_at(3, part, 3).ok());
  EXPECT_STREQ(part, "345");
  ASSERT_TRUE(reader->read_at(10, part, 0).ok());
  Status late = reader->read_at(8, part, 4);
  EXPECT_EQ(late.code(), Code::kDataLoss);
  EXPECT_EQ(late.message(), "cannot read '" + at("x") + "': it ends at byte 10, 2 bytes too early");
}

TEST_F(Files, WritesInPieces) {
  std::string expected;
  auto writer = FileWriter::create(at("x"));
  ASSERT_TRUE(writer.ok());
  for (size_t size : {size_t{1}, size_t{65'535}, size_t{65'536}, size_t{0}, size_t{3}, size_t{200'000}, size_t{7}}) {
    std::string piece(size, static_cast<char>('a' + expected.size() % 26));
    ASSERT_TRUE(writer->write(piece).ok());
    expected += piece;
    EXPECT_EQ(writer->position(), static_cast<int64_t>(expected.size()));
  }
  EXPECT_FALSE(fs::exists(at("x")));
  ASSERT_TRUE(writer->commit().ok());
  EXPECT_EQ(content(at("x")), expected);
  EXPECT_EQ(entries(), 1);
  EXPECT_EQ(writer->write("more").code(), Code::kFailedPrecondition);
  EXPECT_EQ(writer->commit().code(), Code::kFailedPrecondition);
}

TEST_F(Files, WithoutCommitTheOldFileStays) {
  ASSERT_TRUE(write_file(at("x"), "old").ok());
  {
    auto writer = FileWriter::create(at("x"));
    ASSERT_TRUE(writer->write(std::string(100'000, 'n')).ok());
    FileWriter moved = std::move(*writer);
    ASSERT_TRUE(moved.write("n").ok());
    EXPECT_EQ(entries(), 2);
  }
  EXPECT_EQ(content(at("x")), "old");
  EXPECT_EQ(entries(), 1);
}

TEST_F(Files, ALimitOnSizesLeavesTheOldFile) {
  ASSERT_TRUE(write_file(at("x"), "old").ok());
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 100'000;
  setrlimit(RLIMIT_FSIZE, &small);  // SIGXFSZ is not ignored: had it come, the test would be gone
  Status all_at_once = write_file(at("x"), std::string(200'000, 'n'));
  Status in_pieces;
  {
    auto writer = FileWriter::create(at("x"));
    for (int i = 0; i < 20'000 && in_pieces.ok(); ++i) in_pieces = writer->write("0123456789");
    EXPECT_EQ(writer->commit().code(), Code::kResourceExhausted);
  }
  Status at_commit = write_file(at("y"), std::string(100'001, 'n'));
  Status just_fits = write_file(at("z"), std::string(100'000, 'n'));
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(all_at_once.code(), Code::kResourceExhausted);
  EXPECT_EQ(all_at_once.message(), "cannot write '" + at("x") + "': the file would pass the limit on file sizes");
  EXPECT_EQ(in_pieces.code(), Code::kResourceExhausted);
  EXPECT_EQ(at_commit.code(), Code::kResourceExhausted);
  EXPECT_TRUE(just_fits.ok()) << just_fits.text();
  EXPECT_EQ(content(at("x")), "old");
  EXPECT_EQ(entries(), 2);  // x and z
}

TEST_F(Files, RefusesWhatItMustNotReplace) {
  EXPECT_EQ(write_file(folder_.path(), "x").message(), "cannot write '" + folder_.path() + "': it is a folder");
  EXPECT_EQ(write_file("/dev/null", "x").message(), "cannot write '/dev/null': it is not a regular file");
  EXPECT_EQ(write_file(at("no/folder"), "x").code(), Code::kNotFound);
  EXPECT_EQ(write_file("", "x").code(), Code::kInvalidArgument);
  if (geteuid() != 0) {
    ASSERT_TRUE(write_file(at("x"), "old").ok());
    chmod(at("x").c_str(), 0444);
    EXPECT_EQ(write_file(at("x"), "new").code(), Code::kPermissionDenied);
    EXPECT_EQ(content(at("x")), "old");
  }
}

TEST_F(Files, KeepsModeAndLinks) {
  mode_t mask = umask(022);
  ASSERT_TRUE(write_file(at("x"), "old").ok());
  umask(mask);
  struct stat info;
  ASSERT_EQ(stat(at("x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0644u);
  chmod(at("x").c_str(), 0640);
  ASSERT_EQ(symlink("x", at("link").c_str()), 0);
  ASSERT_TRUE(write_file(at("link"), "new").ok());
  EXPECT_EQ(content(at("x")), "new");
  EXPECT_TRUE(fs::is_symlink(at("link")));
  ASSERT_EQ(stat(at("x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
}

TEST_F(Files, WritesInTheWorkingFolder) {
  fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  Status status = write_file("bare", "text");
  fs::current_path(before);
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(content(at("bare")), "text");
}

TEST_F(Files, AreOnTheDiskBeforeTheyTakeTheirPlace) {
  if (!WATCHES_CALLS) GTEST_SKIP() << "a sanitizer has these calls";
  calls.clear();
  ASSERT_TRUE(write_file(at("x"), "abc").ok());
  EXPECT_EQ(calls, "fsync rename fsync ") << "the file, its name, the folder";
}

TEST_F(Files, AFullDiskLeavesTheOldFile) {
  if (!WATCHES_CALLS) GTEST_SKIP() << "a sanitizer has these calls";
  ASSERT_TRUE(write_file(at("x"), "old").ok());
  calls.clear();
  for (ssize_t left : {0, 2}) {
    room = left;
    Status status = write_file(at("x"), "much longer");
    room = -1;
    EXPECT_EQ(status.message(), "cannot write '" + at("x") + "': no space is left on the device");
    EXPECT_EQ(system_error(status), ENOSPC);
    EXPECT_EQ(content(at("x")), "old");
    EXPECT_EQ(entries(), 1);
  }
  EXPECT_EQ(calls, "");
}

// What follows the last slash of a name is nothing; what lies before the name in memory is no part of it.
TEST(FilesInAFolder, NamesMayEndInSlashes) {
  const TestFolder folder;
  const std::string file = "a_name_that_is_too_long_for_the_string_itself", inner = file + "_of_a_folder";
  ASSERT_TRUE(write_file(folder / file, "12345678").ok());
  ASSERT_TRUE(fs::create_directory(folder / inner));
  for (const char* slashes : {"/", "//", "///"}) {
    for (const Status& status : {FileReader::open_in(folder.path(), file + slashes).status(),
                                 map_file_in(folder.path(), file + slashes).status()}) {
      expect_error(status, Code::kNotFound, "a part of the path is not a folder");
    }
    for (const Status& status : {FileReader::open_in(folder.path(), inner + slashes).status(),
                                 map_file_in(folder.path(), inner + slashes).status()}) {
      expect_error(status, Code::kInvalidArgument, "it is a folder");
    }
    expect_error(map_file_in(folder.path(), cat(inner, slashes, "..", slashes)).status(), Code::kInvalidArgument,
                 "outside the folder");
    EXPECT_EQ((*map_file_in(folder.path(), cat(".", slashes, file)))->text(), "12345678");
  }
}

}  // namespace
}  // namespace weft
