#include "data/reader.h"

#include <algorithm>
#include <utility>

namespace nuri::data {

bool DocumentReader::next(RawDocument& document) {
  while (file_ < files_.size()) {
    document = {};
    document.kind = files_[file_].kind;
    document.file = static_cast<uint32_t>(file_);
    if (document.kind == FileKind::html) {
      read_page(document);
      ++file_;
      return true;
    }
    if (!lines_) lines_ = std::make_unique<LineReader>(files_[file_].path, limits_.row_bytes);
    document.encoding = lines_->encoding();
    if (document.kind == FileKind::text ? next_of_text(document) : next_of_rows(document)) return true;
    finished_bytes_ += lines_->file_bytes();
    lines_.reset();
    ++file_;
  }
  return false;
}

void DocumentReader::read_page(RawDocument& document) {
  const auto stream = open_stream(files_[file_].path);
  char block[1 << 16];
  while (const size_t n = stream->read(block, sizeof block)) {
    document.full_bytes += n;
    if (document.full_bytes <= limits_.row_bytes) document.bytes.append(block, n);
  }
  document.too_long = document.full_bytes > limits_.row_bytes;
  if (document.too_long) document.bytes.resize(std::min<size_t>(document.bytes.size(), 4096));
  finished_bytes_ += stream->file_bytes();
}

bool DocumentReader::next_of_rows(RawDocument& document) {
  if (!lines_->next(line_)) return false;
  document.bytes = std::move(line_.text);
  document.line = line_.number;
  document.invalid = line_.invalid;
  document.too_long = line_.too_long;
  document.full_bytes = line_.bytes;
  return true;
}

/// Lines up to an empty one in the second half of the wanted length, or to the line that reaches it.
bool DocumentReader::next_of_text(RawDocument& document) {
  bool any = false;
  while (std::exchange(held_back_, false) || lines_->next(line_)) {
    if (line_.too_long && any) {  // becomes a document, and a bad row, of its own
      held_back_ = true;
      break;
    }
    if (!any) document.line = line_.number;
    any = true;
    document.invalid += line_.invalid;
    document.full_bytes += line_.bytes + 1;
    document.too_long = document.too_long || line_.too_long;
    const bool paragraph_ends = line_.text.empty() && 2 * document.bytes.size() >= limits_.document_bytes;
    document.bytes += line_.text;
    document.bytes += '\n';
    if (paragraph_ends || document.bytes.size() >= limits_.document_bytes || line_.too_long) break;
  }
  return any;
}

}  // namespace nuri::data
