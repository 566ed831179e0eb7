// The selftest of profile x1: hashes of the functions of base/x1.h, of the vectors of the active level and of every
// kernel of the chip on Philox inputs of odd sizes, compared with those committed in tests/bits/x1.txt. A line of that
// file is "name hash"; a changed hash needs a new version of the profile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nuri {

struct SelftestLine {
  enum class Verdict { equal, differs, not_committed, no_kernel };
  std::string name;
  uint64_t hash = 0;                  ///< of this run; 0 without a kernel
  std::optional<uint64_t> committed;  ///< the committed one
  Verdict verdict = Verdict::no_kernel;
};
std::string_view verdict_name(SelftestLine::Verdict verdict);

/// Runs all entries whose name begins with `prefix` at the active level; about a second in all.
std::vector<SelftestLine> run_selftest(std::string_view prefix = "");
/// Whether no line differs.
bool selftest_passed(const std::vector<SelftestLine>& lines);

/// The hash that was committed under this name when the program was built; for the tests of other layers too.
std::optional<uint64_t> committed_hash(std::string_view name);

/// The text of tests/bits/x1.txt with these lines put in place of those of the same names or appended; all else stays.
std::string with_hashes(std::string_view file, const std::vector<SelftestLine>& lines);

/// 64-bit hash of a sequence of values, in order; the same on every machine.
class BitHash {
 public:
  void word(uint32_t w) {
    state_ = (state_ ^ w) * 0x9E3779B97F4A7C15ull;
    state_ ^= state_ >> 29;
  }
  void add(float x) { word(__builtin_bit_cast(uint32_t, x)); }
  void add(double x) {
    const uint64_t u = __builtin_bit_cast(uint64_t, x);
    word(static_cast<uint32_t>(u)), word(static_cast<uint32_t>(u >> 32));
  }
  void add(int32_t x) { word(static_cast<uint32_t>(x)); }
  void add(uint32_t x) { word(x); }
  void add(uint16_t x) { word(x); }
  template <class T>
  void add(const std::vector<T>& values) {
    word(static_cast<uint32_t>(values.size()));
    for (const T& value : values) add(value);
  }
  uint64_t value() const { return state_ ^ state_ >> 32; }

 private:
  uint64_t state_ = 0x6E757269;
};

}  // namespace nuri
