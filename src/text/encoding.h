// Bytes of unknown encoding to UTF-8 in NFC: UTF-8, UTF-16 and CP949 (which holds EUC-KR), with or without byte order
// mark. Detection is a pure function of the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace nuri {

enum class Encoding { utf8, utf16le, utf16be, cp949 };

std::string_view encoding_name(Encoding encoding);

struct DetectedEncoding {
  Encoding encoding = Encoding::utf8;
  int bom_bytes = 0;  ///< 0 without a byte order mark
};

/// Looks at the byte order mark, then at up to 64 KiB of the bytes.
DetectedEncoding detect_encoding(std::string_view bytes);

struct Utf8Text {
  std::string text;
  int64_t invalid = 0;  ///< sequences that form no character, each now U+FFFD
  bool nfc_changed = false;
};

/// Converts bytes (without byte order mark) of a known encoding. Large inputs may be cut at line ends of an
/// ASCII-compatible encoding and converted part by part.
Utf8Text to_utf8(std::string_view bytes, Encoding encoding, bool nfc = true);

struct DecodedText : Utf8Text {
  DetectedEncoding source;
};

/// Detects, drops the byte order mark, converts.
DecodedText decode_text(std::string_view bytes, bool nfc = true);

}  // namespace nuri
