#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace nuri {
namespace {

constexpr size_t kBufferBytes = size_t(1) << 20;
constexpr int kOpenForReading = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a named pipe is refused, not waited for

std::string remedy(int error) {
  switch (error) {
    case ENOENT:
      return "check the path";
    case EACCES:
    case EPERM:
      return "check the permissions";
    case ENOSPC:
    case EDQUOT:
      return "the disk is full: free some space and run again";
    case EROFS:
      return "the file system is read-only: choose another directory";
    case EISDIR:
      return "this is a directory, a file is needed";
    default:
      return "see the message of the system";
  }
}

[[noreturn]] void system_failure(const char* what, const fs::path& path) {
  const int error = errno;
  fail("{}: cannot {} ({}); {}", path.string(), what, std::strerror(error), remedy(error));
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

uint64_t regular_size(int fd, const fs::path& path) {
  struct stat status;
  if (::fstat(fd, &status) != 0) system_failure("read the size", path);
  NURI_CHECK(S_ISREG(status.st_mode), "{}: not a regular file; a file is needed here", path.string());
  return static_cast<uint64_t>(status.st_size);
}

/// Opens PATH.partial, empty and for this writer alone; PATH.2.partial and so on where others are writing theirs. What
/// a killed writer left is used again. A lock lies on the file, not on its name: one that was renamed into place
/// between opening and locking belongs to its readers and is let go.
int open_aside(const fs::path& path, fs::path& aside) {
  for (int n = 1;;) {
    aside = path;
    aside += (n == 1 ? "" : "." + std::to_string(n)) + ".partial";
    Descriptor file{::open(aside.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)};
    if (file.fd < 0) system_failure("create", aside);
    if (::flock(file.fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {  // other errors: no locks there
      ++n;
      continue;
    }
    struct stat opened, named;
    if (::fstat(file.fd, &opened) != 0) system_failure("read the size", aside);
    if (::stat(aside.c_str(), &named) != 0 || opened.st_ino != named.st_ino || opened.st_dev != named.st_dev) continue;
    if (S_ISREG(opened.st_mode) && ::ftruncate(file.fd, 0) != 0) system_failure("empty", aside);
    return std::exchange(file.fd, -1);
  }
}

}  // namespace

std::string read_file(const fs::path& path, uint64_t max_bytes) {
  const Descriptor file{::open(path.c_str(), kOpenForReading)};
  if (file.fd < 0) system_failure("open", path);
  const uint64_t size = regular_size(file.fd, path);
  NURI_CHECK(size <= max_bytes, "{}: {} bytes; at most {} bytes are read here", path.string(), size, max_bytes);
  std::string text(size, '\0');
  uint64_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(file.fd, text.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) system_failure("read", path);
    if (got == 0) break;  // the file became shorter while it was read
    done += static_cast<uint64_t>(got);
  }
  text.resize(done);
  return text;
}

void sync_path(const fs::path& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) system_failure("open for fsync", path);
  if (::fsync(file.fd) != 0) system_failure("fsync", path);
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  fd_ = open_aside(path_, temporary_);
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::unlink(temporary_.c_str());  // the lock goes last
  ::close(fd_);
}

void AtomicFile::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t put = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) system_failure("write", temporary_);
    done += static_cast<size_t>(put);
  }
  buffer_.clear();
}

void AtomicFile::write(const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  written_ += bytes;
  while (bytes > 0) {
    const size_t part = std::min(bytes, kBufferBytes - buffer_.size());
    buffer_.append(from, part);
    from += part;
    bytes -= part;
    if (buffer_.size() == kBufferBytes) flush();
  }
}

void AtomicFile::commit() {
  NURI_ASSERT(fd_ >= 0);
  flush();
  if (::fsync(fd_) != 0) system_failure("fsync", temporary_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) system_failure("rename into place", path_);
  if (::close(std::exchange(fd_, -1)) != 0) system_failure("close", path_);
  const fs::path directory = path_.parent_path();
  sync_path(directory.empty() ? fs::path(".") : directory);
}

void write_file_atomic(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor file{::open(path.c_str(), kOpenForReading)};
  if (file.fd < 0) system_failure("open", path);
  size_ = regular_size(file.fd, path);
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) system_failure("map", path);
  data_ = data;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace nuri
