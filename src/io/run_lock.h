// What a run makes sure of before it starts: that it is alone in its directory, and that the disk has room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace nuri {

/// Holds <directory>/run.lock while alive; the system releases it when the process dies, however it dies. Errors:
/// another process holds it (the message names its pid), the directory cannot be written.
class RunLock {
 public:
  explicit RunLock(const std::filesystem::path& directory);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int fd_ = -1;
};

/// Bytes an unprivileged process may still write to the file system of `path`, or of its nearest existing parent.
uint64_t free_bytes(const std::filesystem::path& path);

/// Errors: fewer than `needed` bytes are free at `path`; `what` says for what they are needed.
void require_free_bytes(const std::filesystem::path& path, uint64_t needed, std::string_view what);

}  // namespace nuri
