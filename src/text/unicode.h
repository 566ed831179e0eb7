// Unicode properties as one byte for each code point, and NFC. Unicode version: that of ICU.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace nuri {

/// Bits of a character's class.
enum CharClass : uint8_t {
  kLetter = 1,       // \p{L}
  kMark = 2,         // \p{M}
  kNumber = 4,       // \p{N}
  kPunctuation = 8,  // \p{P}
  kSymbol = 16,      // \p{S}
  kSpace = 32,       // White_Space: what \s means here
  kLineEnd = 64,     // \r or \n
  kNfcUnsure = 128,  // not in NFC alone, or may change next to others
};

/// Classes of all code points, built once from ICU; look-up in two steps (blocks of 256 code points).
class CharClasses {
 public:
  static const CharClasses& get();
  uint8_t operator[](char32_t c) const {
    return c < 0x110000 ? data_[(size_t(block_[c >> 8]) << 8) | (c & 0xFF)] : uint8_t(0);
  }

 private:
  CharClasses();
  uint16_t block_[0x1100];
  uint8_t data_[0x1100 * 256 / 4];  // distinct blocks; about 240 of 4,352 differ
};

/// True when the text is certainly in NFC: no character that could change. Text must be valid UTF-8.
bool surely_nfc(std::string_view utf8);

/// The text in NFC, appended. Text must be valid UTF-8.
void append_nfc(std::string_view utf8, std::string& out);

}  // namespace nuri
