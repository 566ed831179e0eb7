// The byte alphabet of byte-level BPE files: each byte is written as one printable character. Bytes 0x21-0x7E,
// 0xA1-0xAC and 0xAE-0xFF are the code point of the same number; the other 68, ascending, are U+0100, U+0101, ...
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nuri {

char32_t byte_symbol(uint8_t byte);
/// The byte that a character stands for, or -1.
int symbol_byte(char32_t symbol);

/// Bytes as they are spelled in a tokenizer file.
std::string spell_bytes(std::string_view bytes);
/// The bytes of a spelled token; nothing where a character is not of the alphabet. `spelled` must be valid UTF-8.
std::optional<std::string> read_spelled(std::string_view spelled);

}  // namespace nuri
