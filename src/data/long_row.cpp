#include "data/long_row.h"

#include <algorithm>
#include <charconv>

namespace nuri::data {
namespace {

// U+10FFFF is no character: text has it nowhere, and where a row has it after all, that string is taken out.
constexpr std::string_view kMark = "\xF4\x8F\xBF\xBF";

/// Is there an escape of the first surrogate of the mark at `at`?
bool escapes_mark(std::string_view s, size_t at) {
  constexpr std::string_view kEscape = "\\udbff";
  for (size_t i = 0; i < kEscape.size(); ++i) {
    if (at + i >= s.size() || (i > 0 ? s[at + i] | 32 : s[at + i]) != kEscape[i]) return false;
  }
  return true;
}

/// Bytes of the unit that begins at `at`: a byte, or an escape, or two that may be a pair of surrogates.
size_t unit(std::string_view s, size_t at) {
  if (s[at] != '\\') return 1;
  if (at + 1 >= s.size() || s[at + 1] != 'u') return 2;
  const bool high = at + 3 < s.size() && (s[at + 2] | 32) == 'd' &&
                    std::string_view("89abAB").find(s[at + 3]) != std::string_view::npos;
  return high && at + 7 < s.size() && s[at + 6] == '\\' && s[at + 7] == 'u' ? 12 : 6;
}

}  // namespace

LongRow take_out_long_strings(std::string_view row, size_t long_bytes, size_t max_skeleton) {
  LongRow out;
  for (size_t at = 0; at < row.size() && out.skeleton.size() <= max_skeleton;) {
    const size_t quote = std::min(row.find('"', at), std::min(row.size(), at + max_skeleton));
    out.skeleton += row.substr(at, quote - at);
    at = quote;
    if (at == row.size() || row[at] != '"') continue;
    size_t end = ++at;
    bool mark = false;
    for (; end < row.size() && row[end] != '"'; ++end) {
      mark = mark || row[end] == kMark[0] || escapes_mark(row, end);
      if (row[end] == '\\') ++end;
    }
    end = std::min(end, row.size());
    const std::string_view literal = row.substr(at, end - at);
    const bool closed = end < row.size();
    out.skeleton += '"';
    if (closed && (mark || literal.size() > long_bytes)) {
      out.skeleton += kMark;
      out.skeleton += std::to_string(out.literals.size());
      out.literals.push_back(literal);
    } else {
      out.skeleton += literal.substr(0, max_skeleton + 1);  // of an open one the rest makes it no more valid
    }
    if (closed) out.skeleton += '"';
    at = end + closed;
  }
  return out;
}

bool holds_mark(std::string_view text) { return text.find(kMark) != std::string_view::npos; }

size_t marked_literal(std::string_view text) {
  if (!text.starts_with(kMark)) return std::string_view::npos;
  size_t number = 0;
  std::from_chars(text.data() + kMark.size(), text.data() + text.size(), number);
  return number;
}

size_t literal_part(std::string_view literal, size_t part_bytes) {
  size_t at = 0;
  while (at < literal.size() && at < part_bytes) at += unit(literal, at);
  while (at < literal.size() && (static_cast<unsigned char>(literal[at]) & 0xC0) == 0x80) ++at;
  return std::min(at, literal.size());
}

}  // namespace nuri::data
