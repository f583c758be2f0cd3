// Files: read whole, in parts or mapped; written so that a failure leaves the old file as it was.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace weft {

// What tells a file from all others, and from itself before it changed.
struct FileIdentity {
  uint64_t device = 0, inode = 0;
  int64_t size = 0, modified_ns = 0, changed_ns = 0;

  bool operator==(const FileIdentity&) const = default;
};

// The bytes of a file, read or mapped; freed or unmapped with the object.
class FileBytes {
 public:
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes();

  const char* data() const { return data_; }
  int64_t size() const { return size_; }
  std::string_view text() const { return {data_, static_cast<size_t>(size_)}; }
  bool mapped() const { return mapped_; }
  const FileIdentity& identity() const { return identity_; }  // of a mapped file, when it was mapped
  // Of a mapped file: all of it is read soon.
  void read_ahead() const;
  // Of a mapped file: the memory of the pages that lie whole in these bytes goes back to the system. They are still there
  // to read, and come from the file again.
  void let_go(int64_t offset, int64_t bytes) const;

 private:
  friend Result<std::shared_ptr<const FileBytes>> read_file(const std::string&, int64_t);
  friend Result<std::shared_ptr<const FileBytes>> map_file(const std::string&);
  friend Result<std::shared_ptr<const FileBytes>> map_file_in(const std::string&, const std::string&);
  static Result<std::shared_ptr<const FileBytes>> map(const std::string& path, int fd);
  FileBytes(char* data, int64_t size, bool mapped) : data_(data), size_(size), mapped_(mapped) {}

  char* data_;
  int64_t size_;
  bool mapped_;
  FileIdentity identity_;
};

// All of a regular file; RESOURCE_EXHAUSTED if that is more than `limit` bytes. Pipes and devices, which need not end, are
// INVALID_ARGUMENT.
Result<std::shared_ptr<const FileBytes>> read_file(const std::string& path,
                                                   int64_t limit = std::numeric_limits<int64_t>::max());

// Read-only. If another process makes the file shorter while it is mapped, touching what was cut
// off ends this one.
Result<std::shared_ptr<const FileBytes>> map_file(const std::string& path);
// `path` from `folder` on. INVALID_ARGUMENT for one that is not in it: an absolute one, one with "..", one that a link
// leads out of the folder.
Result<std::shared_ptr<const FileBytes>> map_file_in(const std::string& folder, const std::string& path);

// A regular file open for reading at any place.
class FileReader {
 public:
  static Result<FileReader> open(const std::string& path);
  static Result<FileReader> open_in(const std::string& folder, const std::string& path);  // as map_file_in
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&&) = delete;
  ~FileReader();

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }  // when it was opened
  // DATA_LOSS if the file ends before that.
  Status read_at(int64_t offset, void* out, int64_t bytes) const;

 private:
  static Result<FileReader> over(const std::string& path, int fd);
  FileReader(std::string path, int fd, int64_t size) : path_(std::move(path)), fd_(fd), size_(size) {}

  std::string path_;
  int fd_;
  int64_t size_;
};

// A file in the making. Bytes go to a temporary file in the folder of `path`; `commit` brings them
// to the disk and takes the temporary file to `path` in one step. Without a successful commit,
// whatever was at `path` stays there and the temporary file goes away.
class FileWriter {
 public:
  static Result<FileWriter> create(const std::string& path);
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;
  ~FileWriter();

  Status write(const void* data, int64_t bytes);
  Status write(std::string_view text) { return write(text.data(), static_cast<int64_t>(text.size())); }
  int64_t position() const { return position_; }  // bytes written so far
  // Brings the bytes to the disk, still under the temporary file's name; nothing can be written after it.
  Status finish();
  Status commit();  // once
  // `commit` without waiting for the disk, for what can be made again: after a failure of the system the file at `path` may
  // have other bytes.
  Status publish();
  const std::string& temporary() const { return temporary_; }
  // After `finish`: another file in the making with the same bytes, which takes no more room where the file system
  // knows links.
  Result<FileWriter> twin() const;
  // The temporary file is not removed with the writer.
  void keep() { temporary_.clear(); }

 private:
  FileWriter(std::string path, std::string temporary, int fd);
  static std::string temporary_for(const std::string& path);
  Status flush();
  Status end();
  Status put_in_place();
  Status write_through(const char* data, int64_t bytes);
  void discard();
  Status fail(int error);

  std::string path_;  // with links followed
  std::string temporary_;
  int fd_;
  int64_t position_ = 0;
  std::string pending_;
  Status failed_;  // the first error; later calls give it again
};

// The errno behind an error of reading or writing a file; 0 for other errors.
int system_error(const Status& status);

// The folder, and those that it lies in, if there is none: for its owner alone. Its absolute path.
Result<std::string> make_folder(const std::string& path);

// `text` as the whole of the file.
Status write_file(const std::string& path, std::string_view text);

}  // namespace weft
