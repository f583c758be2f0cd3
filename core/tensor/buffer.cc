// Reference-counted bytes.
#include "core/tensor/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "core/tensor/form_cache.h"

namespace weft {

namespace {

struct Account {
  std::atomic<int64_t> in_use{0};
  std::atomic<int64_t> peak{0};
  std::atomic<int64_t> limit{0};
};
Account& account() {
  static Account account;
  return account;
}

constexpr int64_t kHugePage = int64_t{2} << 20;

class FileSource : public ByteSource {
 public:
  FileSource(std::shared_ptr<const FileBytes> file, int64_t offset, int64_t bytes)
      : file_(std::move(file)), offset_(offset), bytes_(bytes) {}

  void write(void* out) const override {
    // What has been copied need not be in memory twice.
    for (int64_t at = 0; at < bytes_; at += kHugePage) {
      const int64_t part = std::min(bytes_ - at, kHugePage);
      std::memcpy(static_cast<char*>(out) + at, file_->data() + offset_ + at, part);
      file_->let_go(offset_ + at, part);
    }
  }
  void let_go() const override { file_->let_go(offset_, bytes_); }
  int64_t steps() const override { return 1; }
  Digest digest(FormCache& cache) const override { return cache.digest_in_file(*file_, offset_, bytes_); }

 private:
  std::shared_ptr<const FileBytes> file_;
  int64_t offset_, bytes_;
};

// First touch of a huge page costs a sixth of that of 512 small ones. What does not fill one has small ones.
void ask_for_huge_pages(void* data, int64_t bytes) {
  if (bytes >= kHugePage) madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
}

void note_peak(int64_t now) {
  Account& a = account();
  int64_t peak = a.peak.load(std::memory_order_relaxed);
  while (now > peak && !a.peak.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

}  // namespace

int64_t buffer_bytes_in_use() { return account().in_use.load(std::memory_order_relaxed); }
int64_t buffer_bytes_peak() { return account().peak.load(std::memory_order_relaxed); }
int64_t buffer_limit() { return account().limit.load(std::memory_order_relaxed); }
void set_buffer_limit(int64_t bytes) { account().limit.store(bytes, std::memory_order_relaxed); }

Result<MemoryCharge> MemoryCharge::take(int64_t bytes, int64_t asked) {
  Account& a = account();
  const int64_t now = a.in_use.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  const int64_t limit = a.limit.load(std::memory_order_relaxed);
  if (limit != 0 && now > limit) {
    a.in_use.fetch_sub(bytes, std::memory_order_relaxed);
    return make_error(Code::kResourceExhausted, "allocating ", asked, " bytes would pass the limit of ", limit,
                      " bytes (", now - bytes, " in use)");
  }
  note_peak(now);
  return MemoryCharge(bytes);
}

MemoryCharge MemoryCharge::take_anyway(int64_t bytes) {
  note_peak(account().in_use.fetch_add(bytes, std::memory_order_relaxed) + bytes);
  return MemoryCharge(bytes);
}

MemoryCharge::~MemoryCharge() { account().in_use.fetch_sub(bytes_, std::memory_order_relaxed); }

Result<std::shared_ptr<Buffer>> Buffer::allocate(int64_t bytes) {
  if (bytes < 0 || bytes > kMostBytes) {
    return make_error(Code::kResourceExhausted, "cannot allocate ", bytes, " bytes");
  }
  int64_t rounded = (bytes + kAlign - 1) / kAlign * kAlign;
  if (rounded == 0) rounded = kAlign;
  WEFT_TRY(MemoryCharge charge, MemoryCharge::take(rounded, bytes));
  void* data = std::aligned_alloc(rounded >= kHugePage ? kHugePage : kAlign,
                                  rounded >= kHugePage ? (rounded + kHugePage - 1) / kHugePage * kHugePage : rounded);
  if (data == nullptr) return make_error(Code::kResourceExhausted, "out of memory: cannot allocate ", bytes, " bytes");
  ask_for_huge_pages(data, rounded);
  Buffer* buffer = new (std::nothrow) Buffer(data, bytes, std::move(charge), false, true, nullptr, nullptr);
  if (buffer == nullptr) {
    std::free(data);
    return make_error(Code::kResourceExhausted, "out of memory");
  }
  return std::shared_ptr<Buffer>(buffer);
}

Result<std::shared_ptr<Buffer>> Buffer::allocate_briefly(int64_t bytes) {
  if (bytes <= 0 || bytes > kMostBytes) return allocate(bytes);
  WEFT_TRY(MemoryCharge charge, MemoryCharge::take(bytes, bytes));
  WEFT_TRY(std::unique_ptr<ReservedPages> place, ReservedPages::make(bytes));
  ask_for_huge_pages(place->data(), bytes);
  std::shared_ptr<Buffer> buffer(new Buffer(place->data(), bytes, std::move(charge), true, true, nullptr, nullptr));
  buffer->place_ = std::move(place);
  return buffer;
}

Result<std::shared_ptr<Buffer>> Buffer::allocate_in(std::shared_ptr<Memory> memory, int64_t bytes) {
  if (bytes < 0 || bytes > kMostBytes) {
    return make_error(Code::kResourceExhausted, "cannot allocate ", bytes, " bytes on ", memory->name());
  }
  WEFT_TRY(void* data, memory->allocate(std::max<int64_t>(bytes, kAlign)));
  std::shared_ptr<Buffer> buffer(new Buffer(data, bytes, {}, false, true, nullptr, nullptr));
  buffer->memory_ = std::move(memory);
  return buffer;
}

std::shared_ptr<Buffer> Buffer::borrow(void* data, int64_t bytes, bool writable, Drop drop, void* user,
                                       std::shared_ptr<Memory> memory) {
  std::shared_ptr<Buffer> buffer(new Buffer(data, bytes, {}, true, writable, drop, user));
  buffer->memory_ = std::move(memory);
  return buffer;
}

Result<std::shared_ptr<Buffer>> Buffer::deferred(std::shared_ptr<const ByteSource> source, int64_t bytes) {
  WEFT_TRY(std::unique_ptr<ReservedPages> place, ReservedPages::make(bytes));
  std::shared_ptr<Buffer> buffer(new Buffer(place->data(), bytes, {}, true, false, nullptr, nullptr));
  buffer->source_ = std::move(source);
  buffer->place_ = std::move(place);
  buffer->unfilled_.store(true, std::memory_order_release);
  return buffer;
}

Result<std::shared_ptr<Buffer>> Buffer::in_file(std::shared_ptr<const FileBytes> file, int64_t offset, int64_t bytes,
                                                int64_t align) {
  // No bytes lie where the file begins, which has any alignment.
  char* at = const_cast<char*>(file->data()) + (bytes > 0 ? offset : 0);
  auto source = std::make_shared<const FileSource>(std::move(file), offset, bytes);
  if (bytes > 0 && reinterpret_cast<uintptr_t>(at) % align != 0) return deferred(std::move(source), bytes);
  std::shared_ptr<Buffer> buffer(new Buffer(at, bytes, {}, true, false, nullptr, nullptr));
  buffer->source_ = std::move(source);
  return buffer;
}

void Buffer::fill() {
  if (!unfilled()) return;
  const std::lock_guard<std::mutex> lock(fill_mutex_);
  if (!unfilled()) return;
  charge_ = MemoryCharge::take_anyway(bytes_);
  ask_for_huge_pages(data_, bytes_);
  source_->write(data_);
  unfilled_.store(false, std::memory_order_release);
}

void Buffer::let_go_of_file() const {
  if (source_ != nullptr) source_->let_go();
}

Result<std::shared_ptr<const Buffer>> Buffer::form(std::string_view name, int64_t bytes,
                                                   const std::function<Status(void*)>& make, FormCache* cache) {
  const std::lock_guard<std::mutex> lock(forms_mutex_);
  forms_.erase(std::remove_if(forms_.begin(), forms_.end(), [](const Form& form) { return form.buffer.expired(); }),
               forms_.end());
  for (const Form& form : forms_) {
    if (form.name != name) continue;
    // A name that says too little may give wrong numbers, but leads nobody past the end.
    if (std::shared_ptr<const Buffer> found = form.buffer.lock(); found != nullptr && found->bytes() == bytes)
      return found;
  }
  std::shared_ptr<const Buffer> made;
  if (cache != nullptr) {
    WEFT_TRY(made, cache->form(*this, name, bytes, make));
  } else {
    WEFT_TRY(std::shared_ptr<Buffer> filled, allocate(bytes));
    WEFT_CHECK(make(filled->data()));
    made = std::move(filled);
  }
  forms_.push_back({std::string(name), made});
  return made;
}

Result<std::shared_ptr<Buffer>> Buffer::copy_on(const Memory& device, int64_t offset, int64_t bytes,
                                                const std::function<Result<std::shared_ptr<Buffer>>()>& copy) {
  const std::lock_guard<std::mutex> lock(forms_mutex_);
  copies_.erase(std::remove_if(copies_.begin(), copies_.end(), [](const Copy& made) { return made.buffer.expired(); }),
                copies_.end());
  for (const Copy& made : copies_) {
    if (made.device != &device || made.offset != offset || made.bytes != bytes) continue;
    if (std::shared_ptr<Buffer> found = made.buffer.lock(); found != nullptr) return found;
  }
  WEFT_TRY(std::shared_ptr<Buffer> made, copy());
  copies_.push_back({&device, offset, bytes, made});
  return made;
}

Buffer::~Buffer() {
  if (borrowed_) {
    if (drop_ != nullptr) drop_(user_);
  } else if (memory_ != nullptr) {
    memory_->free(data_);
  } else {
    std::free(data_);
  }
}

}  // namespace weft
