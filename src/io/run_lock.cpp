#include "io/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"

namespace nuri {

RunLock::RunLock(const std::filesystem::path& directory) {
  const std::string path = (directory / "run.lock").string();
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  NURI_CHECK(fd_ >= 0, "{}: cannot open ({}); choose a directory that can be written", path, std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    char owner[32] = {};
    const ssize_t got = ::pread(fd_, owner, sizeof owner - 1, 0);
    ::close(fd_);
    NURI_CHECK(error == EWOULDBLOCK, "{}: cannot lock ({}); choose a directory on a local disk", path,
               std::strerror(error));
    std::string pid;
    for (ssize_t i = 0; i < got && owner[i] >= '0' && owner[i] <= '9'; ++i) pid += owner[i];
    fail("{}: another process{} works in this directory; wait for it, stop it, or choose another directory",
         directory.string(), pid.empty() ? "" : " (pid " + pid + ")");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";  // for the message above; the lock itself does not need it
  if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    const int error = errno;
    ::close(fd_);
    fail("{}: cannot write ({}); free some space or choose another directory", path, std::strerror(error));
  }
}

RunLock::~RunLock() { ::close(fd_); }

uint64_t free_bytes(const std::filesystem::path& path) {
  std::filesystem::path at = std::filesystem::absolute(path);
  struct statvfs status;
  while (::statvfs(at.c_str(), &status) != 0) {
    NURI_CHECK(errno == ENOENT && at.has_relative_path(), "{}: cannot read the free space ({}); check the path",
               at.string(), std::strerror(errno));
    at = at.parent_path();
  }
  return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
}

void require_free_bytes(const std::filesystem::path& path, uint64_t needed, std::string_view what) {
  const uint64_t have = free_bytes(path);
  NURI_CHECK(have >= needed, "{}: {} need {:.1f} MB, {:.1f} MB are free; free some space or choose another directory",
             path.string(), what, static_cast<double>(needed) * 1e-6, static_cast<double>(have) * 1e-6);
}

}  // namespace nuri
