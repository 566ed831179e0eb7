// Files: whole reads with a size limit, read-only maps, and writes that appear whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace nuri {

namespace fs = std::filesystem;

/// Reads a whole file. Errors: missing, unreadable, a directory, larger than max_bytes.
std::string read_file(const fs::path& path, uint64_t max_bytes = uint64_t(1) << 32);

/// Writes `bytes` to `path` atomically: a temporary file beside it, fsync, rename, fsync of the directory. Errors name
/// the path and the cause (no space, no permission) and leave the old file as it was.
void write_file_atomic(const fs::path& path, std::string_view bytes);

/// A file being written aside; appears under its name at commit(), or never. Destruction without commit removes it.
/// Several may write one path at once, in one process or more: each its own file, the last to commit stays.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, size_t bytes);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  uint64_t written() const { return written_; }
  /// Flush, fsync, rename to the final name, fsync the directory.
  void commit();

 private:
  void flush();
  fs::path path_, temporary_;
  int fd_ = -1;
  uint64_t written_ = 0;
  std::string buffer_;
};

/// fsync of a file or a directory; throws with the path.
void sync_path(const fs::path& path);

/// A read-only memory map of a whole file. An empty file gives an empty span. The bytes are the file's own: if another
/// program writes into it meanwhile they change, and if it cuts the file short, reading past the new end ends the
/// process (SIGBUS). A file that is replaced as a whole (rename, as all of ours are) stays as it was mapped.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace nuri
