// Buffers: alignment, borrowing, accounting and limits.
#include "core/tensor/buffer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "core/tensor/tensor.h"
#include "tests/test_folder.h"

namespace weft {
namespace {

TEST(Buffer, IsAlignedAndWritable) {
  for (int64_t bytes : {0, 1, 63, 64, 65, 100'000, 2 << 20, (2 << 20) + 1}) {
    auto buffer = Buffer::allocate(bytes);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ((*buffer)->bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>((*buffer)->data()) % 64, 0u);
    EXPECT_TRUE((*buffer)->writable());
    EXPECT_FALSE((*buffer)->borrowed());
    std::memset((*buffer)->data(), 1, bytes);
  }
}

TEST(Buffer, CountsBytesInUse) {
  int64_t before = buffer_bytes_in_use();
  {
    auto first = *Buffer::allocate(65);
    auto second = *Buffer::allocate(0);
    EXPECT_EQ(buffer_bytes_in_use(), before + 128 + 64);
    EXPECT_GE(buffer_bytes_peak(), before + 192);
    auto borrowed = Buffer::borrow(first->data(), 65, false, nullptr, nullptr);
    EXPECT_EQ(buffer_bytes_in_use(), before + 192);
    EXPECT_FALSE(borrowed->writable());
  }
  EXPECT_EQ(buffer_bytes_in_use(), before);
}

TEST(Buffer, RefusesWhatCannotBe) {
  int64_t before = buffer_bytes_in_use();
  for (int64_t bytes : {int64_t{-1}, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
                        (int64_t{1} << 47) + 1}) {
    EXPECT_EQ(Buffer::allocate(bytes).status().code(), Code::kResourceExhausted) << bytes;
  }
  EXPECT_EQ(buffer_bytes_in_use(), before);
}

TEST(Buffer, LimitFailsCleanly) {
  int64_t before = buffer_bytes_in_use();
  set_buffer_limit(before + 1000);
  EXPECT_EQ(buffer_limit(), before + 1000);
  auto fits = Buffer::allocate(900);
  auto too_much = Buffer::allocate(100);
  set_buffer_limit(0);
  EXPECT_TRUE(fits.ok());
  EXPECT_EQ(too_much.status().code(), Code::kResourceExhausted);
  EXPECT_EQ(too_much.status().message(),
            cat("allocating 100 bytes would pass the limit of ", before + 1000, " bytes (", before + 960, " in use)"));
  EXPECT_EQ(buffer_bytes_in_use(), before + 960);
}

TEST(Buffer, LimitCountsStrings) {
  int64_t before = buffer_bytes_in_use();
  set_buffer_limit(before + 1000);
  auto fits = Tensor::make(DType::kString, {31});
  auto too_much = Tensor::make(DType::kString, {1});
  set_buffer_limit(0);
  ASSERT_TRUE(fits.ok());
  EXPECT_EQ(too_much.status().code(), Code::kResourceExhausted);
  fits->clear();
  EXPECT_EQ(buffer_bytes_in_use(), before);
}

TEST(Buffer, DropsBorrowedMemoryOnce) {
  int drops = 0;
  char memory[4];
  {
    auto buffer = Buffer::borrow(
        memory, 4, true, [](void* user) { ++*static_cast<int*>(user); }, &drops);
    auto second = buffer;
    EXPECT_TRUE(buffer->borrowed());
    EXPECT_EQ(buffer->data(), memory);
    buffer.reset();
    EXPECT_EQ(drops, 0);
  }
  EXPECT_EQ(drops, 1);
  Buffer::borrow(memory, 4, true, nullptr, nullptr);  // nobody to tell
}

TEST(Buffer, FormsAreMadeOnceAndLiveAsLongAsTheyAreHeld) {
  std::shared_ptr<Buffer> buffer = *Buffer::allocate(4);
  int made = 0;
  auto ask = [&](const char* name) {
    return *buffer->form(name, 8, [&](void* to) {
      std::memset(to, ++made, 8);
      return Status();
    });
  };
  std::shared_ptr<const Buffer> first = ask("turned");
  EXPECT_EQ(first->bytes(), 8);
  EXPECT_EQ(static_cast<const char*>(first->data())[7], 1);
  EXPECT_EQ(ask("turned"), first);
  EXPECT_NE(ask("packed"), first);
  EXPECT_EQ(made, 2);
  first.reset();
  EXPECT_EQ(static_cast<const char*>(ask("turned")->data())[0], 3);
}

TEST(Buffer, AFormThatCannotBeAllocatedIsAskedForAgain) {
  std::shared_ptr<Buffer> buffer = *Buffer::allocate(4);
  EXPECT_FALSE(buffer->form("large", kMostBytes + 1, [](void*) { return Status(); }).ok());
  EXPECT_TRUE(buffer->form("large", 8, [](void*) { return Status(); }).ok());
}

// A file of 256 KiB whose bytes count up, mapped.
std::shared_ptr<const FileBytes> counting() {
  const TestFolder folder;
  const std::string path = folder / "counting";
  std::string bytes(1 << 18, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  EXPECT_TRUE(write_file(path, bytes).ok());
  return *map_file(path);
}

TEST(Buffer, LiesInAFileWhereThatHasItRight) {
  std::shared_ptr<const FileBytes> file = counting();
  std::shared_ptr<Buffer> buffer = *Buffer::in_file(file, 8, 100'000, 8);
  EXPECT_EQ(buffer->data(), file->data() + 8);
  EXPECT_FALSE(buffer->unfilled());
  EXPECT_FALSE(buffer->writable());
  buffer->let_go_of_file();
  EXPECT_EQ(static_cast<const char*>(buffer->data())[50'000], static_cast<char>(50'008 % 251));
  Result<Tensor> nothing = Tensor::in_file(DType::kF32, {0}, file, 3);
  ASSERT_TRUE(nothing.ok()) << nothing.status().text();
  EXPECT_EQ(nothing->count(), 0);
}

TEST(Buffer, IsFilledFromAFileOnceItIsAskedFor) {
  std::shared_ptr<const FileBytes> file = counting();
  const int64_t before = buffer_bytes_in_use();
  Tensor tensor = *Tensor::in_file(DType::kI32, {25'000}, file, 6);
  EXPECT_EQ(buffer_bytes_in_use(), before);
  {
    const Tensor brief = *tensor.briefly();
    EXPECT_EQ(std::memcmp(brief.data(), file->data() + 6, 100'000), 0);
    EXPECT_TRUE(tensor.buffer()->unfilled());
  }
  EXPECT_EQ(buffer_bytes_in_use(), before);
  std::vector<std::thread> readers;
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&, tensor] { right += std::memcmp(tensor.data(), file->data() + 6, 100'000) == 0; });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(right, 4);
  EXPECT_FALSE(tensor.buffer()->unfilled());
  EXPECT_EQ(buffer_bytes_in_use(), before + 100'000);
  EXPECT_EQ(tensor.briefly()->data(), tensor.data());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data()) % 64, 0u);
  tensor.clear();
  EXPECT_EQ(buffer_bytes_in_use(), before);
}

// Counts up, and counts how often it is asked.
class CountingSource : public ByteSource {
 public:
  explicit CountingSource(int64_t bytes) : bytes_(bytes) {}
  void write(void* out) const override {
    ++writes;
    for (int64_t i = 0; i < bytes_; ++i) static_cast<char*>(out)[i] = static_cast<char>(i % 251);
  }
  void let_go() const override { ++let_goes; }
  int64_t steps() const override { return 1; }
  Digest digest(FormCache&) const override { return {}; }

  mutable std::atomic<int> writes{0}, let_goes{0};

 private:
  int64_t bytes_;
};

TEST(Buffer, DeferredBytesComeWhenTheyAreAskedFor) {
  const int64_t before = buffer_bytes_in_use();
  auto source = std::make_shared<const CountingSource>(100'000);
  Tensor tensor = *Tensor::deferred(DType::kI8, {100'000}, source);
  const Tensor turned = *tensor.reshaped({1000, 100});
  EXPECT_EQ(source->writes, 0);
  for (int i = 1; i <= 2; ++i) {
    EXPECT_EQ(static_cast<const char*>(turned.briefly()->data())[300], 49);
    EXPECT_EQ(source->writes, i);
    EXPECT_EQ(buffer_bytes_in_use(), before);
  }
  EXPECT_TRUE(tensor.buffer()->unfilled());
  EXPECT_FALSE(tensor.buffer()->writable());
  std::vector<std::thread> readers;
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&, tensor] { right += static_cast<const char*>(tensor.data())[99'999] == 99'999 % 251; });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(right, 4);
  EXPECT_EQ(source->writes, 3);
  EXPECT_EQ(turned.briefly()->data(), tensor.data());
  EXPECT_EQ(turned.data(), tensor.data());
  EXPECT_EQ(source->writes, 3);
  EXPECT_EQ(buffer_bytes_in_use(), before + 100'000);
  tensor.buffer()->let_go_of_file();
  EXPECT_EQ(source->let_goes, 1);
}

// Nobody who asks for an element can be told of an error.
TEST(Buffer, DeferredBytesPassTheLimitOnlyForGood) {
  const Tensor tensor = *Tensor::deferred(DType::kI8, {100'000}, std::make_shared<const CountingSource>(100'000));
  set_buffer_limit(buffer_bytes_in_use() + 50'000);
  EXPECT_EQ(tensor.briefly().status().code(), Code::kResourceExhausted);
  EXPECT_EQ(tensor.as<char>()[250], static_cast<char>(250));
  set_buffer_limit(0);
}

TEST(Buffer, OfAFileEndsWithTheFile) {
  std::shared_ptr<const FileBytes> file = counting();
  EXPECT_TRUE(Tensor::in_file(DType::kI8, {10}, file, (1 << 18) - 10).ok());
  EXPECT_FALSE(Tensor::in_file(DType::kI8, {11}, file, (1 << 18) - 10).ok());
  EXPECT_FALSE(Tensor::in_file(DType::kI8, {1}, file, -1).ok());
}

}  // namespace
}  // namespace weft
