#include "data/line_reader.h"

#include <cstring>

namespace nuri::data {
namespace {

constexpr size_t kBlock = 1 << 16;
constexpr size_t kKeptOfLongLine = 4096;
constexpr size_t kLongLine = 1 << 20;

}  // namespace

LineReader::LineReader(const fs::path& path, uint64_t max_line_bytes)
    : stream_(open_stream(path)), max_line_bytes_(max_line_bytes) {
  while (buffer_.size() < kBlock && fill()) {
  }
  const DetectedEncoding found = detect_encoding(buffer_);
  encoding_ = found.encoding;
  begin_ = static_cast<size_t>(found.bom_bytes);
  unit_ = encoding_ == Encoding::utf16le || encoding_ == Encoding::utf16be ? 2 : 1;
}

bool LineReader::fill() {
  if (ended_) return false;
  if (begin_ > 0 && begin_ >= buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  const size_t had = buffer_.size();
  buffer_.resize(had + kBlock);
  const size_t n = stream_->read(buffer_.data() + had, kBlock);
  buffer_.resize(had + n);
  ended_ = n == 0;
  return !ended_;
}

/// Offset of the line feed at or after `from`, or npos. UTF-16 units are aligned to begin_.
size_t LineReader::find_line_end(size_t from) const {
  if (unit_ == 1) return buffer_.find('\n', from);
  const size_t low = encoding_ == Encoding::utf16le ? 0 : 1;
  for (size_t i = from; i + 2 <= buffer_.size(); i += 2) {
    if (buffer_[i + low] == '\n' && buffer_[i + 1 - low] == '\0') return i;
  }
  return std::string::npos;
}

bool LineReader::next(Line& line) {
  line = {};
  uint64_t dropped = 0;  // of a line beyond the limit
  std::string head;
  size_t from = begin_, end;
  while ((end = find_line_end(from)) == std::string::npos) {
    const size_t pending = buffer_.size() - begin_;
    if (pending > max_line_bytes_ || dropped > 0) {  // keep the beginning for the report, let the rest pass
      if (dropped == 0) head = buffer_.substr(begin_, kKeptOfLongLine);
      const size_t gone = pending & ~size_t(1);
      dropped += gone;
      begin_ += gone;
    }
    const size_t searched = (buffer_.size() - begin_) & ~(unit_ - 1);
    const bool more = fill();
    from = begin_ + searched;
    if (!more) break;
  }
  const bool at_end = end == std::string::npos;
  if (at_end) end = buffer_.size();
  if (at_end && end == begin_ && dropped == 0) return false;
  std::string_view raw(buffer_.data() + begin_, end - begin_);
  begin_ = at_end ? end : end + unit_;
  line.number = ++number_;
  line.bytes = dropped + raw.size();
  line.too_long = line.bytes > max_line_bytes_;
  bytes_ += line.bytes + (at_end ? 0 : unit_);
  if (line.too_long) {
    if (dropped == 0) head = std::string(raw.substr(0, kKeptOfLongLine));
    raw = head;
  }
  if (raw.size() > kLongLine && encoding_ == Encoding::utf8) {  // not twice in memory
    std::string rest = buffer_.substr(begin_);
    buffer_.resize(end);
    buffer_.erase(0, end - raw.size());
    line.text = std::move(buffer_);
    buffer_ = std::move(rest);
    begin_ = 0;
  } else if (encoding_ == Encoding::utf8) {
    line.text = raw;
  } else {
    Utf8Text converted = to_utf8(raw, encoding_, false);
    line.text = std::move(converted.text);
    line.invalid = converted.invalid;
  }
  if (!line.text.empty() && line.text.back() == '\r') line.text.pop_back();
  return true;
}

}  // namespace nuri::data
