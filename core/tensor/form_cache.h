// Forms of constants in a folder, from where the next session or process maps them instead of making them again.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/file.h"
#include "core/tensor/digest.h"
#include "core/tensor/tensor.h"

namespace weft {

// A file of the folder has the name of a digest: of the library's version, the form's name, its size and the digest of the
// constant. It is used if its head says the same and its payload has the digest that it states; else the form is made again
// and the file replaced. Files are written under another name first, so that processes may share a folder. A folder that
// cannot be written costs the saving, never the work. Forms in memory are shared among sessions with a cache and without.
class FormCache {
 public:
  // Forms of fewer bytes are made faster than found.
  static constexpr int64_t kLeastBytes = int64_t{64} << 10;
  // A file that changed later than this before it was read may change again without showing it.
  static constexpr int64_t kSettledNs = 2'000'000'000;

  // The folder is made if there is none. An error if that cannot be, or it is no folder.
  static Result<std::shared_ptr<FormCache>> open(const std::string& folder, int64_t settled_ns = kSettledNs);

  // What `make` fills `bytes` bytes with, which the contents of `of` and `name` alone decide.
  Result<std::shared_ptr<const Buffer>> form(const Buffer& of, std::string_view name, int64_t bytes,
                                             const std::function<Status(void*)>& make);

  Digest digest_of(const Buffer& buffer);
  Digest digest_of(const Tensor& tensor);
  // Of a part of a file. One of a mapped file that has settled is remembered by what tells the file from others and from
  // itself before a change, so that the next process need not read it.
  Digest digest_in_file(const FileBytes& file, int64_t offset, int64_t bytes);
  // Writes what `digest_in_file` found since to the folder.
  void remember();

  struct Counts {
    int64_t made = 0;      // forms that the folder did not have
    int64_t found = 0;     // forms that it had
    int64_t digested = 0;  // digests of parts of mapped files that were computed
  };
  Counts counts() const { return {made_.load(), found_.load(), digested_.load()}; }

 private:
  // The digests of one file.
  struct Known {
    FileIdentity file;
    std::map<std::pair<int64_t, int64_t>, Digest> parts;  // by offset and bytes
    bool changed = false;
  };

  FormCache(std::string folder, int64_t settled_ns) : folder_(std::move(folder)), settled_ns_(settled_ns) {}
  std::string path_of(const FileIdentity& file) const;
  Known& known(const FileIdentity& file);

  const std::string folder_;
  const int64_t settled_ns_;
  std::mutex mutex_;
  std::map<std::pair<uint64_t, uint64_t>, Known> known_;  // by device and inode
  std::atomic<int64_t> made_{0}, found_{0}, digested_{0};
};

}  // namespace weft
