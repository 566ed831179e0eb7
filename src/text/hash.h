// A fast hash of bytes for tables in memory. Not for files: its values may change.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace nuri {

/// Folds the 128-bit product: every bit of the inputs reaches every bit of the result.
inline uint64_t hash_mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD1B54A32D192ED03u);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_bytes(std::string_view bytes) {
  uint64_t h = bytes.size();
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    h = hash_mix(h, word);
  }
  uint64_t word = 0;
  std::memcpy(&word, at, left);
  return hash_mix(h, word ^ (uint64_t(left) << 56));
}

}  // namespace nuri
