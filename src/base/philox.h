// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// A draw is a function of (seed, purpose, index): no state, no order, the same on every machine and thread count.
#pragma once

#include <array>
#include <cstdint>

namespace nuri {

/// What a stream of random numbers is for; with the index (below 2^56) it makes half of the counter, so that streams
/// never meet.
enum class Purpose : uint32_t {
  test = 0,
  init = 1,
  data_order = 2,
  sampling = 3,
  mixture = 4,
  demo_text = 5,
  tasks = 6
};

/// The 10-round Philox 4x32 block cipher: counter [4], key [2] -> 4 words.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

class Philox {
 public:
  Philox(uint64_t seed, Purpose purpose, uint64_t stream = 0) : seed_(seed), purpose_(purpose), stream_(stream) {}
  /// Four words number `index` of this stream.
  std::array<uint32_t, 4> words(uint64_t index) const;
  uint64_t bits64(uint64_t index) const;
  /// Uniform in [0, 1), 24 bits; uniform in [0, 1), 53 bits.
  float uniform(uint64_t index) const;
  double uniform_double(uint64_t index) const;
  /// Standard normal by Box-Muller in double with the functions of x1, rounded once.
  float normal(uint64_t index) const;
  /// Uniform in [0, n), without bias worth measuring (multiply-shift of 64 bits); n >= 1.
  uint64_t below(uint64_t n, uint64_t index) const;

 private:
  uint64_t seed_;
  Purpose purpose_;
  uint64_t stream_;
};

}  // namespace nuri
