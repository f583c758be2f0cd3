// Libraries that are loaded when they are first needed.
#include "core/base/library.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "plugins/text.h"

namespace weft {
namespace {

constexpr size_t kTextSize = sizeof(weft_text_plugin);

std::filesystem::path file_of(const void* address) {
  Dl_info info;
  return dladdr(address, &info) != 0 ? info.dli_fname : "";
}

TEST(Library, ThatIsNowhereIsAnError) {
  const Result<void*> library = open_library("/nowhere/libx.so");
  ASSERT_FALSE(library.ok());
  EXPECT_EQ(library.status().code(), Code::kNotFound);
  EXPECT_NE(library.status().message().find("/nowhere/libx.so: cannot open"), std::string::npos);
}

TEST(Companion, ThatIsNowhereSaysWhereItWasLookedFor) {
  Companion nowhere("libweft_nowhere.so", "weft_text_open", WEFT_TEXT_VERSION, kTextSize);
  const Status status = nowhere.table().status();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  const std::string folder = std::filesystem::canonical("/proc/self/exe").parent_path();
  for (const std::string& part :
       {std::string("it needs libweft_nowhere.so"), "neither in '" + folder + "/'", std::string("WEFT_PLUGINS"),
        std::string("libweft_nowhere.so: cannot open shared object file")}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }
}

TEST(Companion, OfAnotherVersionIsRefused) {
  Companion newer("libweft_text.so", "weft_text_open", WEFT_TEXT_VERSION + 1, kTextSize);
  Companion larger("libweft_text.so", "weft_text_open", WEFT_TEXT_VERSION, kTextSize + 1);
  for (Companion* other : {&newer, &larger}) {
    const Status status = other->table().status();
    EXPECT_EQ(status.code(), Code::kFailedPrecondition);
    EXPECT_NE(status.message().find("'libweft_text.so' has version 2 of weft_text_open"), std::string::npos)
        << status.message();
  }
  Companion stranger("libweft_text.so", "weft_none_open", WEFT_TEXT_VERSION, kTextSize);
  EXPECT_NE(stranger.table().status().message().find("it lacks weft_none_open"), std::string::npos);
}

TEST(Companion, ThatComesLaterIsFoundLater) {
  Companion text("libweft_text.so", "weft_text_open", WEFT_TEXT_VERSION, kTextSize);
  const Result<const void*> table = text.table();
  ASSERT_TRUE(table.ok()) << table.status().text();
  const std::string name = "libweft_late" + std::to_string(getpid()) + ".so";
  const std::filesystem::path place = std::filesystem::canonical("/proc/self/exe").parent_path() / name;
  Companion late(name.c_str(), "weft_text_open", WEFT_TEXT_VERSION, kTextSize);
  EXPECT_EQ(late.table().status().code(), Code::kFailedPrecondition);
  std::ofstream(place) << "no library";
  EXPECT_NE(late.table().status().message().find("'" + place.string() + "', which cannot be loaded"), std::string::npos)
      << late.table().status().message();
  std::filesystem::copy_file(file_of(*table), place, std::filesystem::copy_options::overwrite_existing);
  const Result<const void*> found = late.table();
  std::filesystem::remove(place);
  ASSERT_TRUE(found.ok()) << found.status().text();
  EXPECT_EQ(file_of(*found), place);
  EXPECT_EQ(*late.table(), *found);
}

TEST(Companion, IsLoadedByManyThreadsAtOnce) {
  Companion text("libweft_text.so", "weft_text_open", WEFT_TEXT_VERSION, kTextSize);
  std::vector<const void*> tables(8);
  std::vector<std::thread> threads;
  for (const void*& table : tables) {
    threads.emplace_back([&text, &table] { table = *text.table(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const void* table : tables) {
    EXPECT_NE(table, nullptr);
    EXPECT_EQ(table, tables[0]);
  }
}

}  // namespace
}  // namespace weft
