#include "base/scratch_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace nuri {
namespace {

constexpr size_t kPendingBytes = size_t(1) << 18;
constexpr size_t kBlockBytes = size_t(1) << 16;

}  // namespace

ScratchFile::ScratchFile(fs::path dir) : dir_(std::move(dir)) {
  std::string name = (dir_ / ".nuri_scratch_XXXXXX").string();
  fd_ = ::mkostemp(name.data(), O_CLOEXEC);
  NURI_CHECK(fd_ >= 0, "{}: cannot make a scratch file ({}); a directory that can be written is needed", dir_.string(),
             std::strerror(errno));
  ::unlink(name.c_str());
}

ScratchFile::~ScratchFile() {
  if (fd_ >= 0) ::close(fd_);
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : dir_(std::move(other.dir_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(std::exchange(other.size_, 0)),
      pending_(std::move(other.pending_)) {}

ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(dir_, other.dir_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  std::swap(pending_, other.pending_);
  return *this;
}

void ScratchFile::append(const void* data, size_t bytes) {
  if (pending_.capacity() == 0) pending_.reserve(kPendingBytes);
  const char* from = static_cast<const char*>(data);
  size_ += bytes;
  while (bytes > 0) {
    const size_t part = std::min(bytes, kPendingBytes - pending_.size());
    pending_.insert(pending_.end(), from, from + part);
    from += part;
    bytes -= part;
    if (pending_.size() == kPendingBytes) {
      flush();
      pending_.reserve(kPendingBytes);
    }
  }
}

void ScratchFile::flush() {
  size_t done = 0;
  while (done < pending_.size()) {
    const ssize_t put = ::write(fd_, pending_.data() + done, pending_.size() - done);
    if (put < 0 && errno == EINTR) continue;
    NURI_CHECK(put >= 0,
               "{}: cannot write a scratch file of {} bytes ({}); free some space there, or choose another directory",
               dir_.string(), size_, std::strerror(errno));
    done += static_cast<size_t>(put);
  }
  pending_ = {};
}

void ScratchFile::read(uint64_t offset, void* out, size_t bytes) const {
  NURI_ASSERT(pending_.empty() && bytes <= size_ && offset <= size_ - bytes);
  char* to = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t got = ::pread(fd_, to, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    NURI_CHECK(got > 0, "{}: cannot read a scratch file at byte {} ({}); check the disk", dir_.string(), offset,
               got < 0 ? std::strerror(errno) : "it became shorter");
    to += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

void ScratchReader::read(void* out, size_t bytes) {
  NURI_ASSERT(bytes <= left());
  char* to = static_cast<char*>(out);
  while (bytes > 0) {
    if (begin_ == block_.size()) {
      block_.resize(static_cast<size_t>(std::min<uint64_t>(kBlockBytes, file_->size() - at_)));
      file_->read(at_, block_.data(), block_.size());
      at_ += block_.size();
      begin_ = 0;
    }
    const size_t part = std::min(bytes, block_.size() - begin_);
    std::memcpy(to, block_.data() + begin_, part);
    begin_ += part;
    to += part;
    bytes -= part;
  }
}

}  // namespace nuri
