// Lines of a text file of any supported encoding, as UTF-8, with their numbers. Memory: one block and one line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "data/byte_stream.h"
#include "text/encoding.h"

namespace nuri::data {

struct Line {
  std::string text;       ///< without line end; UTF-8 unless the file claims UTF-8 and breaks it (then as it stands)
  uint64_t number = 0;    ///< from 1
  int64_t invalid = 0;    ///< converted from another encoding: sequences that form no character
  uint64_t bytes = 0;     ///< length in the file
  bool too_long = false;  ///< longer than the limit: `text` holds the beginning only
};

class LineReader {
 public:
  /// Detects the encoding from the first block.
  LineReader(const fs::path& path, uint64_t max_line_bytes);
  /// The next line; false at the end. A last line without line end counts; an empty file has none.
  bool next(Line& line);
  Encoding encoding() const { return encoding_; }
  uint64_t file_bytes() const { return stream_->file_bytes(); }
  /// Decompressed bytes given out so far.
  uint64_t bytes() const { return bytes_; }

 private:
  bool fill();
  size_t find_line_end(size_t from) const;
  std::unique_ptr<ByteStream> stream_;
  uint64_t max_line_bytes_;
  Encoding encoding_ = Encoding::utf8;
  size_t unit_ = 1;     // bytes of a line feed in this encoding
  std::string buffer_;  // raw bytes; [begin_, end) not yet given out
  size_t begin_ = 0;
  uint64_t number_ = 0, bytes_ = 0;
  bool ended_ = false;
};

}  // namespace nuri::data
