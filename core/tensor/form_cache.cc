// Forms of constants in a folder.
#include "core/tensor/form_cache.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <vector>

namespace weft {

namespace {

// Where vectors end: as with memory of our own, what reads whole ones stays within the file.
int64_t padded(int64_t bytes) { return (bytes + Buffer::kAlign - 1) / Buffer::kAlign * Buffer::kAlign; }

// What stands before the payload, which begins at a multiple of kAlign.
std::string head_of(std::string_view what, const Digest& payload) {
  std::string head = cat("weft form 1\n", what, "\npayload ", payload.text(), "\n");
  head.resize(padded(head.size()), '\0');
  return head;
}

// Null where the file is not there, or not what it should be.
std::shared_ptr<const Buffer> read_form(const std::string& path, std::string_view what, int64_t bytes) {
  Result<std::shared_ptr<const FileBytes>> file = map_file(path);
  if (!file.ok()) return nullptr;
  const int64_t head_bytes = static_cast<int64_t>(head_of(what, {}).size());
  if ((*file)->size() != head_bytes + padded(bytes)) return nullptr;
  (*file)->read_ahead();
  const Digest digest = digest_of((*file)->data() + head_bytes, bytes);
  if ((*file)->text().substr(0, head_bytes) != head_of(what, digest)) return nullptr;
  Result<std::shared_ptr<Buffer>> buffer = Buffer::in_file(*file, head_bytes, bytes, Buffer::kAlign);
  return buffer.ok() ? *buffer : nullptr;
}

Status write_form(const std::string& path, std::string_view what, const void* data, int64_t bytes) {
  WEFT_TRY(FileWriter file, FileWriter::create(path));
  WEFT_CHECK(file.write(head_of(what, digest_of(data, bytes))));
  WEFT_CHECK(file.write(data, bytes));
  WEFT_CHECK(file.write(std::string(padded(bytes) - bytes, '\0')));
  return file.publish();
}

int64_t now_ns() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

// A file of digests: these numbers, then one record for each part, then the digest of all before.
constexpr char kDigestsMagic[] = "weft digests 1\n";
struct DigestsHead {
  char magic[sizeof kDigestsMagic];
  FileIdentity file;
};
struct DigestsPart {
  int64_t offset, bytes;
  Digest digest;
};
constexpr int64_t kMostOfDigests = int64_t{1} << 28;

}  // namespace

Result<std::shared_ptr<FormCache>> FormCache::open(const std::string& folder, int64_t settled_ns) {
  WEFT_TRY(std::string absolute, make_folder(folder));
  return std::shared_ptr<FormCache>(new FormCache(std::move(absolute), settled_ns));
}

Result<std::shared_ptr<const Buffer>> FormCache::form(const Buffer& of, std::string_view name, int64_t bytes,
                                                      const std::function<Status(void*)>& make) {
  const bool worth = bytes >= kLeastBytes;
  std::string what, path;
  if (worth) {
    what = cat("weft ", WEFT_VERSION, ": ", bytes, " bytes, ", name, ", of ", digest_of(of).text());
    path = cat(folder_, "/", weft::digest_of(what).text(), ".form");
    if (std::shared_ptr<const Buffer> found = read_form(path, what, bytes)) {
      found_.fetch_add(1);
      return found;
    }
  }
  WEFT_TRY(std::shared_ptr<Buffer> made, Buffer::allocate(bytes));
  WEFT_CHECK(make(made->data()));
  if (worth) {
    made_.fetch_add(1);
    // Where it cannot be written, the next session makes the form again.
    (void)write_form(path, what, made->data(), bytes);
  }
  return std::shared_ptr<const Buffer>(std::move(made));
}

Digest FormCache::digest_of(const Buffer& buffer) {
  if (buffer.source() != nullptr) return buffer.source()->digest(*this);
  return weft::digest_of(buffer.data(), buffer.bytes());
}

Digest FormCache::digest_of(const Tensor& tensor) {
  if (tensor.buffer() == nullptr) return {};
  return weft::digest_of(cat(digest_of(*tensor.buffer()).text(), " at ", tensor.offset()));
}

std::string FormCache::path_of(const FileIdentity& file) const {
  return cat(folder_, "/", weft::digest_of(cat("file ", file.inode, " of ", file.device)).text(), ".digests");
}

FormCache::Known& FormCache::known(const FileIdentity& file) {
  const auto [at, added] = known_.try_emplace({file.device, file.inode});
  Known& known = at->second;
  if (!added && known.file == file) return known;
  known = {file, {}, false};
  Result<std::shared_ptr<const FileBytes>> read = read_file(path_of(file), kMostOfDigests);
  if (!read.ok()) return known;
  const int64_t parts = (*read)->size() - static_cast<int64_t>(sizeof(DigestsHead) + sizeof(Digest));
  if (parts < 0 || parts % static_cast<int64_t>(sizeof(DigestsPart)) != 0) return known;
  const char* data = (*read)->data();
  DigestsHead head;
  std::memcpy(&head, data, sizeof head);
  Digest digest;
  std::memcpy(&digest, data + sizeof head + parts, sizeof digest);
  if (std::memcmp(head.magic, kDigestsMagic, sizeof kDigestsMagic) != 0 || !(head.file == file) ||
      !(digest == weft::digest_of(data, static_cast<int64_t>(sizeof head) + parts))) {
    return known;
  }
  for (int64_t i = 0; i < parts; i += sizeof(DigestsPart)) {
    DigestsPart part;
    std::memcpy(&part, data + sizeof head + i, sizeof part);
    known.parts.insert({{part.offset, part.bytes}, part.digest});
  }
  return known;
}

Digest FormCache::digest_in_file(const FileBytes& file, int64_t offset, int64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (file.mapped()) {
    const Known& found = known(file.identity());
    if (auto part = found.parts.find({offset, bytes}); part != found.parts.end()) return part->second;
  }
  const int64_t now = now_ns();
  const Digest digest = weft::digest_of(file.data() + offset, bytes);
  file.let_go(offset, bytes);
  if (!file.mapped()) return digest;
  digested_.fetch_add(1);
  const FileIdentity& identity = file.identity();
  if (std::max(identity.modified_ns, identity.changed_ns) < now - settled_ns_) {
    Known& all = known(identity);
    all.parts.insert({{offset, bytes}, digest});
    all.changed = true;
  }
  return digest;
}

void FormCache::remember() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [key, known] : known_) {
    if (!known.changed) continue;
    known.changed = false;
    DigestsHead head{};
    std::memcpy(head.magic, kDigestsMagic, sizeof kDigestsMagic);
    head.file = known.file;
    std::string text(reinterpret_cast<const char*>(&head), sizeof head);
    for (const auto& [part, digest] : known.parts) {
      const DigestsPart record{part.first, part.second, digest};
      text.append(reinterpret_cast<const char*>(&record), sizeof record);
    }
    const Digest digest = weft::digest_of(text);
    text.append(reinterpret_cast<const char*>(&digest), sizeof digest);
    Result<FileWriter> file = FileWriter::create(path_of(known.file));
    if (file.ok() && file->write(text).ok()) (void)file->publish();
  }
}

}  // namespace weft
