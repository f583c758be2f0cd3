// Files: read whole, in parts or mapped; written so that a failure leaves the old file as it was.
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/base/cancel.h"

namespace weft {

namespace {

// Linux moves at most a little under 2 GiB in one call.
constexpr int64_t kMostPerCall = int64_t{1} << 30;
constexpr size_t kPending = size_t{1} << 16;

Code code_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR: return Code::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS: return Code::kPermissionDenied;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE: return Code::kResourceExhausted;
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL: return Code::kInvalidArgument;
    default: return Code::kUnavailable;
  }
}

// In English whatever the locale; those that a user meets.
std::string error_text(int error) {
  switch (error) {
    case ENOENT: return "there is no such file or folder";
    case ENOTDIR: return "a part of the path is not a folder";
    case EACCES: return "permission denied";
    case EPERM: return "operation not permitted";
    case EROFS: return "the file system is read-only";
    case ENOMEM: return "out of memory";
    case ENOSPC: return "no space is left on the device";
    case EDQUOT: return "the disk quota is used up";
    case EFBIG: return "the file would pass the limit on file sizes";
    case EMFILE:
    case ENFILE: return "too many files are open";
    case EISDIR: return "it is a folder";
    case ELOOP: return "too many symbolic links";
    case ENAMETOOLONG: return "the name is too long";
    case EIO: return "input or output error";
    default: return cat("error ", error);
  }
}

// Identifies a payload that is an errno.
const char kErrnoTag = 0;

Status file_error(std::string_view verb, std::string_view path, int error) {
  Status status = make_error(code_of(error), "cannot ", verb, " '", path, "': ", error_text(error));
  void* data = reinterpret_cast<void*>(static_cast<intptr_t>(error));
  return status.with_payload(std::make_shared<const Payload>(&kErrnoTag, data, nullptr));
}

int open_retrying(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

struct Descriptor {
  int fd;
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int release() { return std::exchange(fd, -1); }
};

Status check_name(std::string_view verb, const std::string& path) {
  if (path.empty()) return invalid("cannot ", verb, " a file: the path is empty");
  if (path.find('\0') != std::string::npos) {
    return invalid("cannot ", verb, " a file: the path contains a zero byte");
  }
  return {};
}

// Refuses folders and all that has no size of its own.
Status check_kind(std::string_view verb, const std::string& path, int fd, struct stat* info) {
  if (::fstat(fd, info) != 0) return file_error(verb, path, errno);
  if (S_ISDIR(info->st_mode)) return file_error(verb, path, EISDIR);
  if (!S_ISREG(info->st_mode)) {
    return invalid("cannot ", verb, " '", path, "': it is not a regular file");
  }
  return {};
}

Result<std::string> real_path(std::string_view verb, const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return file_error(verb, path, errno);
  std::string out = real;
  ::free(real);
  return out;
}

// Opens the file at `path` from `folder` on. What links make of the path is found first; then that is walked without
// following any, so that one put there in between is not followed either.
Result<int> open_in_folder(const std::string& folder, const std::string& path) {
  WEFT_CHECK(check_name("read", path));
  std::string whole = cat(folder, "/", path);
  auto outside = [&] { return invalid("'", path, "' lies outside the folder '", folder, "'"); };
  for (std::string_view rest = path; !rest.empty();) {
    size_t slash = rest.find('/');
    if (slash == 0 || rest.substr(0, slash) == "..") return outside();
    // Behind the last name there may be nothing more, or only slashes.
    rest.remove_prefix(std::min(rest.find_first_not_of('/', std::min(slash, rest.size())), rest.size()));
  }
  WEFT_TRY(std::string real_folder, real_path("read", folder));
  WEFT_TRY(std::string real, real_path("read", whole));
  if (real_folder.back() != '/') real_folder += '/';
  if (real.compare(0, real_folder.size(), real_folder) != 0) return outside();
  Descriptor at(open_retrying(real_folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (at.fd < 0) return file_error("read", folder, errno);
  for (size_t begin = real_folder.size(); begin < real.size();) {
    size_t end = std::min(real.find('/', begin), real.size());
    int flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | (end < real.size() ? O_DIRECTORY : 0);
    int next = ::openat(at.fd, real.substr(begin, end - begin).c_str(), flags);
    if (next < 0) return file_error("read", whole, errno);
    ::close(std::exchange(at.fd, next));
    begin = end + 1;
  }
  return at.release();
}

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

FileBytes::~FileBytes() {
  if (mapped_) {
    ::munmap(data_, size_);
  } else {
    ::free(data_);
  }
}

void FileBytes::read_ahead() const {
  if (!mapped_) return;
#ifdef MADV_POPULATE_READ
  // One call for what would be many faults.
  if (::madvise(data_, static_cast<size_t>(size_), MADV_POPULATE_READ) == 0) return;
#endif
  ::madvise(data_, static_cast<size_t>(size_), MADV_WILLNEED);
}

void FileBytes::let_go(int64_t offset, int64_t bytes) const {
  if (!mapped_) return;
  const int64_t page = ::sysconf(_SC_PAGESIZE);
  const int64_t begin = (offset + page - 1) / page * page, end = (offset + bytes) / page * page;
  if (begin < end) ::madvise(data_ + begin, static_cast<size_t>(end - begin), MADV_DONTNEED);
}

Result<std::shared_ptr<const FileBytes>> read_file(const std::string& path, int64_t limit) {
  WEFT_CHECK(check_name("read", path));
  Descriptor file(open_retrying(path.c_str(), O_RDONLY | O_NONBLOCK));
  if (file.fd < 0) return file_error("read", path, errno);
  struct stat info;
  WEFT_CHECK(check_kind("read", path, file.fd, &info));
  auto too_long = [&](int64_t found) {
    return make_error(Code::kResourceExhausted, "cannot read '", path, "': it has ", found, " bytes, more than the ",
                      limit, " allowed");
  };
  if (info.st_size > limit) return too_long(info.st_size);
  // A byte more than the file claims, so that its end is seen without growing; those of the kernel claim none.
  int64_t room = info.st_size > 0 ? info.st_size + 1 : 4096;
  char* data = static_cast<char*>(::malloc(room));
  if (data == nullptr) return file_error("read", path, ENOMEM);
  int64_t size = 0;
  std::shared_ptr<FileBytes> bytes(new FileBytes(data, 0, false));
  for (;;) {
    if (size == room) {
      int64_t more = room > std::numeric_limits<int64_t>::max() / 2 ? 0 : room * 2;
      data = static_cast<char*>(more > 0 ? ::realloc(bytes->data_, more) : nullptr);
      if (data == nullptr) return file_error("read", path, ENOMEM);
      bytes->data_ = data;
      room = more;
    }
    ssize_t got = ::read(file.fd, data + size, std::min(room - size, kMostPerCall));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path, errno);
    if (got == 0) break;
    size += got;
    if (size > limit) return too_long(size);
  }
  bytes->size_ = size;
  return std::shared_ptr<const FileBytes>(std::move(bytes));
}

Result<std::shared_ptr<const FileBytes>> FileBytes::map(const std::string& path, int fd) {
  Descriptor file(fd);
  struct stat info;
  WEFT_CHECK(check_kind("map", path, file.fd, &info));
  if (info.st_size == 0) {  // nothing to map
    return std::shared_ptr<const FileBytes>(new FileBytes(nullptr, 0, false));
  }
  void* data = ::mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) return file_error("map", path, errno);
  std::shared_ptr<FileBytes> bytes(new FileBytes(static_cast<char*>(data), info.st_size, true));
  auto ns = [](const timespec& time) { return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec; };
  bytes->identity_ = {info.st_dev, info.st_ino, info.st_size, ns(info.st_mtim), ns(info.st_ctim)};
  return std::shared_ptr<const FileBytes>(std::move(bytes));
}

Result<std::shared_ptr<const FileBytes>> map_file(const std::string& path) {
  WEFT_CHECK(check_name("map", path));
  int fd = open_retrying(path.c_str(), O_RDONLY | O_NONBLOCK);
  if (fd < 0) return file_error("map", path, errno);
  return FileBytes::map(path, fd);
}

Result<std::shared_ptr<const FileBytes>> map_file_in(const std::string& folder, const std::string& path) {
  WEFT_TRY(int fd, open_in_folder(folder, path));
  return FileBytes::map(cat(folder, "/", path), fd);
}

Result<FileReader> FileReader::over(const std::string& path, int fd) {
  Descriptor file(fd);
  struct stat info;
  WEFT_CHECK(check_kind("read", path, file.fd, &info));
  return FileReader(path, file.release(), info.st_size);
}

Result<FileReader> FileReader::open(const std::string& path) {
  WEFT_CHECK(check_name("read", path));
  // Without O_NONBLOCK the open of a pipe that nobody writes to would not return.
  int fd = open_retrying(path.c_str(), O_RDONLY | O_NONBLOCK);
  if (fd < 0) return file_error("read", path, errno);
  return over(path, fd);
}

Result<FileReader> FileReader::open_in(const std::string& folder, const std::string& path) {
  WEFT_TRY(int fd, open_in_folder(folder, path));
  return over(cat(folder, "/", path), fd);
}

FileReader::FileReader(FileReader&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

FileReader::~FileReader() {
  if (fd_ >= 0) ::close(fd_);
}

Status FileReader::read_at(int64_t offset, void* out, int64_t bytes) const {
  char* to = static_cast<char*>(out);
  while (bytes > 0) {
    ssize_t got = ::pread(fd_, to, std::min(bytes, kMostPerCall), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path_, errno);
    if (got == 0) {
      return data_loss("cannot read '", path_, "': it ends at byte ", offset, ", ", bytes, " bytes too early");
    }
    to += got;
    offset += got;
    bytes -= got;
  }
  return {};
}

Result<FileWriter> FileWriter::create(const std::string& path) {
  WEFT_CHECK(check_name("write", path));
  std::string target = path;
  struct stat old;
  bool exists = ::lstat(path.c_str(), &old) == 0;
  if (exists && S_ISLNK(old.st_mode)) {
    // The link stays one; what it leads to is replaced.
    WEFT_TRY(target, real_path("write", path));
    exists = ::stat(target.c_str(), &old) == 0;
  }
  if (exists && S_ISDIR(old.st_mode)) return file_error("write", path, EISDIR);
  if (exists && !S_ISREG(old.st_mode)) {
    return invalid("cannot write '", path, "': it is not a regular file");
  }
  // Renaming over a write-protected file would work; nobody who protected it wants that.
  if (exists && ::access(target.c_str(), W_OK) != 0) return file_error("write", path, errno);
  std::string temporary;
  int fd = -1;
  for (int attempt = 0; attempt < 100 && fd < 0; ++attempt) {
    temporary = temporary_for(target);
    fd = open_retrying(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0 && errno != EEXIST) return file_error("write", path, errno);
  }
  if (fd < 0) return file_error("write", path, EEXIST);
  FileWriter writer(std::move(target), std::move(temporary), fd);
  if (exists && ::fchmod(fd, old.st_mode & 07777) != 0) return file_error("write", path, errno);
  return writer;
}

std::string FileWriter::temporary_for(const std::string& path) {
  static std::atomic<uint32_t> counter{0};
  return cat(path, ".", ::getpid(), "-", counter.fetch_add(1, std::memory_order_relaxed), "-",
             monotonic_ns() % 1'000'000'000, ".tmp");
}

FileWriter::FileWriter(std::string path, std::string temporary, int fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {
  pending_.reserve(kPending);
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      position_(other.position_),
      pending_(std::move(other.pending_)),
      failed_(std::move(other.failed_)) {}

FileWriter::~FileWriter() { discard(); }

void FileWriter::discard() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

Status FileWriter::write(const void* data, int64_t bytes) {
  if (!failed_.ok()) return failed_;
  if (fd_ < 0) return failed_precondition("'", path_, "' is written already");
  const char* from = static_cast<const char*>(data);
  if (pending_.size() + bytes > kPending) WEFT_CHECK(flush());
  if (bytes >= static_cast<int64_t>(kPending)) {
    WEFT_CHECK(write_through(from, bytes));
  } else if (bytes > 0) {
    pending_.append(from, bytes);
  }
  position_ += bytes;
  return {};
}

Status FileWriter::flush() {
  WEFT_CHECK(write_through(pending_.data(), static_cast<int64_t>(pending_.size())));
  pending_.clear();
  return {};
}

Status FileWriter::write_through(const char* data, int64_t bytes) {
  if (bytes == 0) return {};
  // To write past this limit would not only fail but send SIGXFSZ, which ends the process.
  rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    off_t at = ::lseek(fd_, 0, SEEK_CUR);
    if (at < 0) return fail(errno);
    if (static_cast<rlim_t>(at) + static_cast<rlim_t>(bytes) > limit.rlim_cur) return fail(EFBIG);
  }
  while (bytes > 0) {
    ssize_t put = ::write(fd_, data, std::min(bytes, kMostPerCall));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail(errno);
    data += put;
    bytes -= put;
  }
  return {};
}

Status FileWriter::fail(int error) {
  failed_ = file_error("write", path_, error);
  discard();
  return failed_;
}

Status FileWriter::finish() {
  if (!failed_.ok()) return failed_;
  if (fd_ < 0) return failed_precondition("'", path_, "' is written already");
  WEFT_CHECK(flush());
  if (::fsync(fd_) != 0) return fail(errno);
  return end();
}

Status FileWriter::end() {
  // Before the rename: some file systems tell only here that bytes did not arrive.
  if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) return fail(errno);
  return {};
}

Result<FileWriter> FileWriter::twin() const {
  std::string name = temporary_for(path_);
  if (::link(temporary_.c_str(), name.c_str()) == 0) return FileWriter(path_, std::move(name), -1);
  WEFT_TRY(FileReader from, FileReader::open(temporary_));
  WEFT_TRY(FileWriter to, create(path_));
  std::string part(static_cast<size_t>(std::min<int64_t>(from.size(), 1 << 20)), '\0');
  for (int64_t at = 0; at < from.size(); at += static_cast<int64_t>(part.size())) {
    int64_t bytes = std::min(static_cast<int64_t>(part.size()), from.size() - at);
    WEFT_CHECK(from.read_at(at, part.data(), bytes));
    WEFT_CHECK(to.write(part.data(), bytes));
  }
  WEFT_CHECK(to.finish());
  return to;
}

Status FileWriter::commit() {
  if (!failed_.ok()) return failed_;
  if (temporary_.empty()) return failed_precondition("'", path_, "' is written already");
  if (fd_ >= 0) WEFT_CHECK(finish());
  WEFT_CHECK(put_in_place());
  Descriptor folder(open_retrying(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY));
  // A folder that may be written but not read, or whose file system has no such call, cannot be
  // synced.
  if (folder.fd >= 0 && ::fsync(folder.fd) != 0 && errno == EIO) {
    return failed_ = file_error("write", path_, errno);
  }
  return {};
}

Status FileWriter::publish() {
  if (!failed_.ok()) return failed_;
  if (fd_ < 0) return failed_precondition("'", path_, "' is written already");
  WEFT_CHECK(flush());
  WEFT_CHECK(end());
  return put_in_place();
}

Status FileWriter::put_in_place() {
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return fail(errno);
  temporary_.clear();
  return {};
}

int system_error(const Status& status) {
  const Payload* payload = status.payload();
  bool known = payload != nullptr && payload->tag == &kErrnoTag;
  return known ? static_cast<int>(reinterpret_cast<intptr_t>(payload->data)) : 0;
}

Result<std::string> make_folder(const std::string& path) {
  WEFT_CHECK(check_name("make", path));
  struct stat info;
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    // What is there needs no right to make it.
    if (::stat(part.c_str(), &info) != 0 && ::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return file_error("make the folder", path, errno);
    }
    if (end == std::string::npos) break;
  }
  WEFT_TRY(std::string real, real_path("make the folder", path));
  if (::stat(real.c_str(), &info) != 0) return file_error("make the folder", path, errno);
  if (!S_ISDIR(info.st_mode)) return invalid("cannot make the folder '", path, "': it is a file");
  return real;
}

Status write_file(const std::string& path, std::string_view text) {
  WEFT_TRY(FileWriter writer, FileWriter::create(path));
  WEFT_CHECK(writer.write(text));
  return writer.commit();
}

}  // namespace weft
