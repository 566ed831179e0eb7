// UTF-8, one code point at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace nuri {

enum class Utf8Status : uint8_t {
  ok,
  invalid,    ///< no character begins so
  truncated,  ///< a character begins so, but the bytes end
};

/// One step: `length` bytes are the character, or the longest beginning of one (then one U+FFFD stands for them: the
/// "maximal subpart" rule of the Unicode standard, section 3.9), at least 1.
struct Utf8Step {
  char32_t code_point;
  uint8_t length;
  Utf8Status status;
};

inline constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";  // U+FFFD

namespace detail {
Utf8Step utf8_step_multibyte(const char* at, const char* end);
}

/// The character at `at` < `end`.
inline Utf8Step utf8_step(const char* at, const char* end) {
  const auto byte = static_cast<unsigned char>(*at);
  if (byte < 0x80) return {byte, 1, Utf8Status::ok};
  return detail::utf8_step_multibyte(at, end);
}

/// The character at `at` of text that is known to be valid.
inline char32_t utf8_next(const char*& at) {
  const auto* s = reinterpret_cast<const unsigned char*>(at);
  if (s[0] < 0x80) return at += 1, s[0];
  if (s[0] < 0xE0) return at += 2, ((s[0] & 0x1Fu) << 6) | (s[1] & 0x3Fu);
  if (s[0] < 0xF0) return at += 3, ((s[0] & 0x0Fu) << 12) | ((s[1] & 0x3Fu) << 6) | (s[2] & 0x3Fu);
  return at += 4, ((s[0] & 0x07u) << 18) | ((s[1] & 0x3Fu) << 12) | ((s[2] & 0x3Fu) << 6) | (s[3] & 0x3Fu);
}

void append_utf8(char32_t code_point, std::string& out);

/// Offset of the first byte that belongs to no character, or npos for valid UTF-8.
size_t utf8_first_invalid(std::string_view bytes);

/// Appends `bytes` with U+FFFD for each invalid part; returns the number of such parts.
int64_t append_utf8_lossy(std::string_view bytes, std::string& out);

}  // namespace nuri
