// Reference-counted bytes: 64-byte aligned memory of our own, a device's, borrowed from a caller with a drop callback, a
// part of a mapped file, or what comes into memory only when it is asked for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/base/file.h"
#include "core/base/pages.h"
#include "core/base/status.h"
#include "core/tensor/byte_source.h"
#include "core/tensor/memory.h"

namespace weft {

// No memory is larger: addresses have no more bits. What asks for more is refused before anything is computed of it.
constexpr int64_t kMostBytes = int64_t{1} << 47;

// Bytes taken from the process-wide account, given back with the object.
class MemoryCharge {
 public:
  // RESOURCE_EXHAUSTED when the limit does not allow it; the error speaks of the `asked` bytes.
  static Result<MemoryCharge> take(int64_t bytes, int64_t asked);
  // Whatever the limit says: what a mapped file was promised to need.
  static MemoryCharge take_anyway(int64_t bytes);
  MemoryCharge() = default;
  MemoryCharge(MemoryCharge&& other) noexcept : bytes_(std::exchange(other.bytes_, 0)) {}
  MemoryCharge& operator=(MemoryCharge&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MemoryCharge();

 private:
  explicit MemoryCharge(int64_t bytes) : bytes_(bytes) {}
  int64_t bytes_ = 0;
};

class Buffer {
 public:
  static constexpr size_t kAlign = 64;
  using Drop = void (*)(void* user);

  // Not initialised. RESOURCE_EXHAUSTED when memory, or the process-wide limit, does not allow it.
  static Result<std::shared_ptr<Buffer>> allocate(int64_t bytes);
  // The same for a moment: the memory goes back to the system with the buffer, where a heap would keep holes of its size.
  static Result<std::shared_ptr<Buffer>> allocate_briefly(int64_t bytes);
  // In a device's memory, which the buffer holds.
  static Result<std::shared_ptr<Buffer>> allocate_in(std::shared_ptr<Memory> memory, int64_t bytes);
  // `drop(user)` runs once, when the last holder lets go. `memory` says whose address `data` is.
  static std::shared_ptr<Buffer> borrow(void* data, int64_t bytes, bool writable, Drop drop, void* user,
                                        std::shared_ptr<Memory> memory = nullptr);

  // What `source` writes, read-only: there is a place for it, which `fill` brings it to.
  static Result<std::shared_ptr<Buffer>> deferred(std::shared_ptr<const ByteSource> source, int64_t bytes);
  // Bytes of a mapped file, read-only, for elements that want to lie at multiples of `align`: where they are in the file, or
  // deferred where it does not have them so.
  static Result<std::shared_ptr<Buffer>> in_file(std::shared_ptr<const FileBytes> file, int64_t offset, int64_t bytes,
                                                 int64_t align);

  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  // An address of `memory` where that is not null.
  void* data() { return data_; }
  const void* data() const { return data_; }
  const std::shared_ptr<Memory>& memory() const { return memory_; }  // the device's; null for the process's own
  int64_t bytes() const { return bytes_; }
  bool writable() const { return writable_; }
  bool borrowed() const { return borrowed_; }

  // Where the bytes come from; null if they are in memory alone.
  const std::shared_ptr<const ByteSource>& source() const { return source_; }
  // Whether `data` is an address whose bytes have not come from their source. `fill` brings them there, once for all.
  bool unfilled() const { return unfilled_.load(std::memory_order_acquire); }
  void fill();
  // The system may have the memory of what a file's mapping holds of them back, until somebody reads them there again.
  void let_go_of_file() const;

  // Another form of these bytes, which never change again. Whoever asks for a form of that name shares one buffer, as long
  // as anybody holds it. `make` fills one where there is none, unless `cache`, which may be null, has it; who asks
  // meanwhile waits.
  Result<std::shared_ptr<const Buffer>> form(std::string_view name, int64_t bytes,
                                             const std::function<Status(void*)>& make, FormCache* cache = nullptr);
  // A part of these bytes in a device's memory, which `copy` brings there; they never change again. Whoever asks for that part
  // there shares one buffer, as long as anybody holds it, and waits for who makes it.
  Result<std::shared_ptr<Buffer>> copy_on(const Memory& device, int64_t offset, int64_t bytes,
                                          const std::function<Result<std::shared_ptr<Buffer>>()>& copy);

 private:
  Buffer(void* data, int64_t bytes, MemoryCharge charge, bool borrowed, bool writable, Drop drop, void* user)
      : data_(data),
        bytes_(bytes),
        charge_(std::move(charge)),
        borrowed_(borrowed),
        writable_(writable),
        drop_(drop),
        user_(user) {}

  void* data_;
  int64_t bytes_;
  MemoryCharge charge_;
  bool borrowed_;
  bool writable_;
  Drop drop_;
  void* user_;
  std::shared_ptr<Memory> memory_;

  std::shared_ptr<const ByteSource> source_;
  std::unique_ptr<ReservedPages> place_;  // where data_ is, if the bytes are deferred or there briefly
  std::atomic<bool> unfilled_{false};
  std::mutex fill_mutex_;

  struct Form {
    std::string name;
    std::weak_ptr<const Buffer> buffer;
  };
  struct Copy {
    const Memory* device;
    int64_t offset, bytes;
    std::weak_ptr<Buffer> buffer;  // which holds the memory of the device
  };
  std::mutex forms_mutex_;
  std::vector<Form> forms_;
  std::vector<Copy> copies_;
};

// Memory of the process's own buffers and strings. A limit of 0 means none; an allocation past it fails cleanly.
int64_t buffer_bytes_in_use();
int64_t buffer_bytes_peak();
void set_buffer_limit(int64_t bytes);
int64_t buffer_limit();

}  // namespace weft
