// Raw documents of a source, file after file, row after row, in a fixed order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/line_reader.h"
#include "data/source.h"

namespace nuri::data {

struct ReadLimits {
  uint64_t document_bytes = uint64_t(1) << 16;  // .txt and .md are cut at empty lines (or line ends) near this length
  uint64_t row_bytes = uint64_t(1) << 26;       // longest line, JSONL row and HTML page
};

/// One document before cleaning. `bytes` is UTF-8 text for text files, an HTML page in its own encoding, or a JSONL
/// row.
struct RawDocument {
  std::string bytes;
  FileKind kind = FileKind::text;
  uint32_t file = 0;  // index into the reader's files
  uint64_t line = 1;  // first line, from 1
  Encoding encoding = Encoding::utf8;
  int64_t invalid = 0;      // sequences that formed no character when it was converted
  bool too_long = false;    // over row_bytes; `bytes` holds the beginning
  uint64_t full_bytes = 0;  // length in the (decompressed) file
};

class DocumentReader {
 public:
  DocumentReader(std::vector<SourceFile> files, ReadLimits limits) : files_(std::move(files)), limits_(limits) {}
  /// The next document; false after the last. Empty rows and files are passed on too: who counts decides.
  bool next(RawDocument& document);
  const std::vector<SourceFile>& files() const { return files_; }
  /// Of the files (compressed size), for progress.
  uint64_t bytes_read() const { return finished_bytes_ + (lines_ ? lines_->file_bytes() : 0); }
  const fs::path& current() const { return files_[file_ < files_.size() ? file_ : files_.size() - 1].path; }

 private:
  bool next_of_text(RawDocument& document);
  bool next_of_rows(RawDocument& document);
  void read_page(RawDocument& document);

  std::vector<SourceFile> files_;
  ReadLimits limits_;
  size_t file_ = 0;
  std::unique_ptr<LineReader> lines_;
  Line line_;
  bool held_back_ = false;  // line_ belongs to the next document
  uint64_t finished_bytes_ = 0;
};

}  // namespace nuri::data
