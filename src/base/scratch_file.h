// A file without a name, for what does not fit in memory: nobody else sees it, and it is gone when it is closed or the
// process ends, however that happens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/file.h"

namespace nuri {

class ScratchFile {
 public:
  /// Makes the file in `dir`. Errors: no such directory, no permission.
  explicit ScratchFile(fs::path dir);
  ~ScratchFile();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;

  /// Appends; what was appended can be read after flush(). Errors: a full disk.
  void append(const void* data, size_t bytes);
  /// Writes what is pending and gives its memory back.
  void flush();
  uint64_t size() const { return size_; }
  /// Exactly `bytes` from `offset` on; offset + bytes <= size().
  void read(uint64_t offset, void* out, size_t bytes) const;

 private:
  fs::path dir_;  // for messages
  int fd_ = -1;
  uint64_t size_ = 0;
  std::vector<char> pending_;
};

/// Reads a flushed scratch file from its beginning. Memory: one block.
class ScratchReader {
 public:
  explicit ScratchReader(const ScratchFile& file) : file_(&file) {}
  uint64_t left() const { return file_->size() - at_ + (block_.size() - begin_); }
  /// The next bytes; at most left() of them.
  void read(void* out, size_t bytes);

 private:
  const ScratchFile* file_;
  uint64_t at_ = 0;  // in the file: end of the block
  std::vector<char> block_;
  size_t begin_ = 0;
};

}  // namespace nuri
