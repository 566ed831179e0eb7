#include "text/utf8.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace nuri {

Utf8Step detail::utf8_step_multibyte(const char* at, const char* end) {
  const auto* s = reinterpret_cast<const unsigned char*>(at);
  const ptrdiff_t left = end - at;
  int n = 0;                         // continuation bytes
  unsigned low = 0x80, high = 0xBF;  // allowed second byte
  char32_t cp = 0;
  if (s[0] >= 0xC2 && s[0] <= 0xDF) {
    n = 1;
    cp = s[0] & 0x1Fu;
  } else if ((s[0] & 0xF0) == 0xE0) {
    n = 2;
    cp = s[0] & 0x0Fu;
    if (s[0] == 0xE0) low = 0xA0;   // no overlong forms
    if (s[0] == 0xED) high = 0x9F;  // no surrogates
  } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
    n = 3;
    cp = s[0] & 0x07u;
    if (s[0] == 0xF0) low = 0x90;
    if (s[0] == 0xF4) high = 0x8F;  // not above U+10FFFF
  } else {
    return {0xFFFD, 1, Utf8Status::invalid};
  }
  for (int i = 1; i <= n; ++i) {
    if (i >= left) return {0xFFFD, static_cast<uint8_t>(i), Utf8Status::truncated};
    if (s[i] < low || s[i] > high) return {0xFFFD, static_cast<uint8_t>(i), Utf8Status::invalid};
    cp = (cp << 6) | (s[i] & 0x3Fu);
    low = 0x80, high = 0xBF;
  }
  return {cp, static_cast<uint8_t>(n + 1), Utf8Status::ok};
}

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

size_t utf8_first_invalid(std::string_view bytes) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* at = begin;
  while (at < end) {
    if (end - at >= 8) {  // eight ASCII bytes at once
      uint64_t eight;
      std::memcpy(&eight, at, 8);
      if ((eight & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    const Utf8Step step = utf8_step(at, end);
    if (step.status != Utf8Status::ok) return static_cast<size_t>(at - begin);
    at += step.length;
  }
  return std::string_view::npos;
}

int64_t append_utf8_lossy(std::string_view bytes, std::string& out) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  int64_t invalid = 0;
  while (at < end) {
    const size_t good =
        std::min(utf8_first_invalid({at, static_cast<size_t>(end - at)}), static_cast<size_t>(end - at));
    out.append(at, good);
    at += good;
    if (at == end) break;
    out += kReplacementUtf8;
    ++invalid;
    at += utf8_step(at, end).length;
  }
  return invalid;
}

}  // namespace nuri
