// Helpers of the op tests: random inputs, every level and thread count against the reference, finite differences.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "backend/cpu/levels.h"
#include "backend/kernels.h"
#include "base/philox.h"
#include "base/threads.h"
#include "base/x1.h"

namespace nuri::test {

inline const FlushSubnormals kFlushMainThread;  // as in `main` of the program

/// n normal numbers, a function of (stream, n).
inline std::vector<float> random_floats(int64_t n, uint64_t stream, float scale = 1) {
  const Philox random(1, Purpose::test, stream);
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = random.normal(i) * scale;
  return x;
}
inline std::vector<int32_t> random_ids(int64_t n, int64_t below, uint64_t stream) {
  const Philox random(2, Purpose::test, stream);
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(random.below(static_cast<uint64_t>(below), i));
  return ids;
}
inline std::vector<double> widened(const std::vector<float>& x) { return {x.begin(), x.end()}; }
inline std::vector<Bf16> rounded(const std::vector<float>& x) {
  std::vector<Bf16> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i].bits = x1::to_bf16(x[i]);
  return y;
}
inline std::vector<float> widened_bf16(const std::vector<Bf16>& x) {
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x1::from_bf16(x[i].bits);
  return y;
}

/// Restores level and threads.
class MachineScope {
 public:
  ~MachineScope() {
    cpu::set_active_level(level_);
    set_thread_count(threads_);
  }

 private:
  cpu::Level level_ = cpu::active_level();
  int threads_ = thread_count();
};

/// outputs(true) runs the reference, outputs(false) the kernel table: equal in every bit on every level that this CPU
/// has, with 1, 2, 3 and 5 threads (small outputs, which one task makes: with 1).
inline void expect_same_bits(const std::string& what, const std::function<std::vector<float>(bool)>& outputs) {
  const MachineScope restore;
  const std::vector<float> expected = outputs(true);
  for (const int threads : {1, 2, 3, 5}) {
    if (threads > 1 && expected.size() < 1000) break;
    set_thread_count(threads);
    for (int level = 0; level < cpu::kLevels; ++level) {
      if (!cpu::level_available(static_cast<cpu::Level>(level))) continue;
      cpu::set_active_level(static_cast<cpu::Level>(level));
      const std::vector<float> found = outputs(false);
      ASSERT_EQ(found.size(), expected.size()) << what;
      for (size_t i = 0; i < found.size(); ++i)
        ASSERT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(expected[i]))
            << what << " at " << i << " of " << found.size() << ": " << found[i] << " instead of " << expected[i]
            << ", level " << cpu::level_name(static_cast<cpu::Level>(level)) << ", threads " << threads;
    }
  }
}

/// d f / d x[i] by central differences, for each i.
inline std::vector<double> finite_differences(std::vector<double> x,
                                              const std::function<double(const std::vector<double>&)>& f,
                                              double step = 1e-5) {
  std::vector<double> slope(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double keep = x[i];
    x[i] = keep + step;
    const double above = f(x);
    x[i] = keep - step;
    const double below = f(x);
    x[i] = keep;
    slope[i] = (above - below) / (2 * step);
  }
  return slope;
}
/// |found - expected| <= tolerance x the largest |expected|: what central differences in double can show.
inline void expect_close(const std::vector<double>& found, const std::vector<double>& expected,
                         double tolerance = 1e-8) {
  ASSERT_EQ(found.size(), expected.size());
  double largest = 1e-30;
  for (const double v : expected) largest = std::max(largest, std::fabs(v));
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], tolerance * largest) << "at " << i << " of " << found.size();
}
inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Sizes around the lanes of the row sum and the vocabulary block.
inline constexpr int64_t kWidths[] = {1, 7, 63, 64, 65, 200, 1023, 1025};

}  // namespace nuri::test
