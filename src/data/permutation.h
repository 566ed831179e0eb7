// A permutation of [0, n) that is computed, not stored.
#pragma once

#include <cstdint>

namespace nuri::data {

/// Feistel network of six Philox rounds over the smallest even number of bits that holds n, walked until the value
/// falls into [0, n) again (under four steps on average). A function of (n, seed, stream).
class Permutation {
 public:
  Permutation(uint64_t n, uint64_t seed, uint64_t stream);
  /// Image of i < n.
  uint64_t operator()(uint64_t i) const;
  uint64_t size() const { return n_; }

 private:
  uint64_t n_;
  uint64_t seed_, stream_;
  int half_bits_;
};

}  // namespace nuri::data
