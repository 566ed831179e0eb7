// Bytes of a file in order, decompressed on the way: plain, gzip (.gz) and Zstandard (.zst). Memory does not grow with
// the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"

namespace nuri::data {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Fills up to `capacity` bytes (> 0) and returns how many; 0 only at the end. Errors: unreadable file, damaged or
  /// truncated compressed data (with the file's name).
  virtual size_t read(char* out, size_t capacity) = 0;
  /// Bytes of the file itself read so far, for progress.
  virtual uint64_t file_bytes() const = 0;
};

/// The last ending of a name in lower case, with its dot.
std::string lower_extension(const fs::path& path);

/// By the name's ending in any case: .gz, .zst, else plain.
std::unique_ptr<ByteStream> open_stream(const fs::path& path);

/// Everything a stream gives. Error: more than max_bytes.
std::string read_all(const fs::path& path, uint64_t max_bytes);

}  // namespace nuri::data
