#include "data/permutation.h"

#include <bit>

#include "base/error.h"
#include "base/philox.h"

namespace nuri::data {

Permutation::Permutation(uint64_t n, uint64_t seed, uint64_t stream) : n_(n), seed_(seed), stream_(stream) {
  NURI_ASSERT(n >= 1 && n <= uint64_t(1) << 62);
  half_bits_ = n <= 1 ? 0 : (std::bit_width(n - 1) + 1) / 2;
}

uint64_t Permutation::operator()(uint64_t i) const {
  NURI_ASSERT(i < n_);
  if (n_ == 1) return 0;
  const uint64_t mask = (uint64_t(1) << half_bits_) - 1;
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)};
  const auto stream_low = static_cast<uint32_t>(stream_), stream_high = static_cast<uint32_t>(stream_ >> 32);
  do {
    uint64_t left = i >> half_bits_, right = i & mask;
    for (uint32_t round = 0; round < 6; ++round) {
      // The round number shares a word with the purpose; halves have at most 31 bits.
      const auto words = philox({static_cast<uint32_t>(right), stream_low, stream_high,
                                 round << 16 | static_cast<uint32_t>(Purpose::data_order)},
                                key);
      const uint64_t next = left ^ (words[0] & mask);
      left = right;
      right = next;
    }
    i = left << half_bits_ | right;
  } while (i >= n_);
  return i;
}

}  // namespace nuri::data
