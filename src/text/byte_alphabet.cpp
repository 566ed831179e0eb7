#include "text/byte_alphabet.h"

#include <array>

#include "text/utf8.h"

namespace nuri {
namespace {

constexpr bool is_plain(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char32_t, 256> symbol{};
  std::array<int16_t, 256 + 68> byte{};  // by code point

  constexpr Alphabet() {
    for (auto& b : byte) b = -1;
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const char32_t s = is_plain(b) ? static_cast<char32_t>(b) : next++;
      symbol[static_cast<size_t>(b)] = s;
      byte[s] = static_cast<int16_t>(b);
    }
  }
};

constexpr Alphabet kAlphabet;

}  // namespace

char32_t byte_symbol(uint8_t byte) { return kAlphabet.symbol[byte]; }

int symbol_byte(char32_t symbol) { return symbol < kAlphabet.byte.size() ? kAlphabet.byte[symbol] : -1; }

std::string spell_bytes(std::string_view bytes) {
  std::string spelled;
  spelled.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(byte_symbol(static_cast<uint8_t>(byte)), spelled);
  return spelled;
}

std::optional<std::string> read_spelled(std::string_view spelled) {
  std::string bytes;
  bytes.reserve(spelled.size());
  const char* at = spelled.data();
  const char* const end = at + spelled.size();
  while (at < end) {
    const int byte = symbol_byte(utf8_next(at));
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace nuri
