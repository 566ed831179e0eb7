#include "data/clean.h"

#include <array>

namespace nuri::data {
namespace {

/// The character at `i` of well-formed UTF-8, moving `i` behind it. A stray byte counts as one character.
uint32_t next_character(std::string_view s, size_t& i) {
  const auto byte = [&](size_t k) -> uint32_t { return k < s.size() ? static_cast<unsigned char>(s[k]) : 0; };
  const uint32_t lead = byte(i);
  if (lead < 0xC0) return ++i, lead;
  const int tail = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  uint32_t code = lead & (0x3F >> tail);
  for (int k = 1; k <= tail; ++k) code = code << 6 | (byte(i + static_cast<size_t>(k)) & 0x3F);
  i += static_cast<size_t>(tail) + 1;
  return code;
}

/// Syllables, jamo and compatibility jamo.
bool is_hangul(uint32_t c) {
  return (c >= 0xAC00 && c <= 0xD7FF) || (c >= 0x1100 && c <= 0x11FF) || (c >= 0x3130 && c <= 0x318F) ||
         (c >= 0xA960 && c <= 0xA97F);
}

bool is_white(uint32_t c) { return c == ' ' || (c >= 9 && c <= 13) || c == 0x3000 || c == 0xA0; }

struct Characters {
  int64_t all = 0, hangul = 0, ascii = 0;  // white space apart
};

Characters count(std::string_view s) {
  Characters n;
  for (size_t i = 0; i < s.size();) {
    const uint32_t c = next_character(s, i);
    if (is_white(c)) continue;
    ++n.all;
    n.hangul += is_hangul(c);
    n.ascii += c < 0x80 || (c >= 0x2000 && c < 0x2070);  // typographic dashes and quotes serve every language
  }
  return n;
}

/// Bytes that tidy keeps whatever stands beside them: visible ASCII, and those of characters that are no separator and
/// no U+FEFF by their first byte.
constexpr auto kVisible = [] {
  std::array<bool, 256> out{};
  for (size_t c = 0x21; c < 256; ++c) out[c] = c != 0x7F && c != 0xE2 && c != 0xEF;
  return out;
}();
bool visible(char c) { return kVisible[static_cast<unsigned char>(c)]; }

template <class Keep>
std::string filter_lines(std::string_view text, Keep keep) {
  std::string out;
  out.reserve(text.size());
  for (size_t begin = 0; begin < text.size();) {
    const size_t found = text.find('\n', begin);
    const size_t end = found == std::string_view::npos ? text.size() : found;
    if (keep(text.substr(begin, end - begin))) out += text.substr(begin, (end < text.size() ? end + 1 : end) - begin);
    begin = end + 1;
  }
  return out;
}

}  // namespace

std::string_view language_code(Language language) {
  return language == Language::korean ? "ko" : language == Language::english ? "en" : "other";
}

Language guess_language(std::string_view utf8) {
  const Characters n = count(utf8);
  if (n.all == 0) return Language::other;
  if (5 * n.hangul >= n.all) return Language::korean;
  return 100 * n.ascii >= 97 * (n.all - n.hangul) ? Language::english : Language::other;
}

double hangul_share(std::string_view utf8) {
  const Characters n = count(utf8);
  return n.all == 0 ? 0 : static_cast<double>(n.hangul) / static_cast<double>(n.all);
}

int64_t count_characters(std::string_view utf8) {
  int64_t n = 0;
  for (char c : utf8) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

std::string tidy(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  int newlines = 0;    // pending, not yet written
  std::string blanks;  // pending spaces and tabs of this line
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (visible(utf8[i])) {  // as far as nothing has to be looked at
      size_t end = i + 1;
      while (end < utf8.size()) {
        const bool blank_between = utf8[end] == ' ' && end + 1 < utf8.size() && visible(utf8[end + 1]);
        if (!blank_between && !visible(utf8[end])) break;
        end += 1 + blank_between;
      }
      if (!out.empty()) out.append(static_cast<size_t>(newlines < 3 ? newlines : 3), '\n');
      newlines = 0;
      out += blanks;
      blanks.clear();
      out += utf8.substr(i, end - i);
      i = end - 1;
      continue;
    }
    const std::string_view three = utf8.substr(i, 3);
    const bool separator = three == "\xE2\x80\xA8" || three == "\xE2\x80\xA9";
    if (c == '\n' || c == '\r' || separator) {
      if (c == '\r' && i + 1 < utf8.size() && utf8[i + 1] == '\n') ++i;
      if (separator) i += 2;
      ++newlines;
      blanks.clear();
    } else if (c == ' ' || c == '\t') {
      blanks += static_cast<char>(c);
    } else if (three == "\xEF\xBB\xBF") {
      i += 2;
    } else if (c >= 0x20 && c != 0x7F) {
      if (!out.empty()) out.append(static_cast<size_t>(newlines < 3 ? newlines : 3), '\n');
      newlines = 0;
      out += blanks;
      blanks.clear();
      out += static_cast<char>(c);
    }
  }
  return out;
}

std::string keep_hangul_lines(std::string_view utf8, double share) {
  return filter_lines(utf8, [&](std::string_view line) { return line.empty() || hangul_share(line) >= share; });
}

int64_t RepeatedLines::drop(std::string& text) {
  if (min_characters_ <= 0) return 0;
  int64_t dropped = 0;
  std::string kept = filter_lines(text, [&](std::string_view line) {
    if (count_characters(line) < min_characters_ || seen_.insert(hash64(line))) return true;
    ++dropped;
    return false;
  });
  if (dropped > 0) text = std::move(kept);
  return dropped;
}

}  // namespace nuri::data
