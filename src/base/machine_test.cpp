#include "base/machine.h"

#include <gtest/gtest.h>

#include <vector>

namespace nuri {
namespace {

TEST(Machine, SaysWhatTheSystemSays) {
  EXPECT_FALSE(cpu_model().empty());
  EXPECT_GT(machine_memory(), int64_t(64) << 20);
  EXPECT_GT(memory_allowed(), 0);
  EXPECT_LE(memory_allowed(), machine_memory());
}

TEST(Machine, PeakMemoryGrowsWithUse) {
  const int64_t before = peak_resident_bytes();
  std::vector<char> block(static_cast<size_t>(before) + (64 << 20), 1);  // larger than the peak so far: it must rise
  EXPECT_GT(peak_resident_bytes(), before + (32 << 20));
  EXPECT_EQ(block.back(), 1);
}

TEST(Machine, AnonymousMemoryGrowsWithUse) {
  const Resident before = resident_bytes();
  EXPECT_GT(before.anonymous, 0);
  EXPECT_GT(before.file, 0);
  const std::vector<char> block(96 << 20, 1);
  const Resident after = resident_bytes();
  EXPECT_NEAR(static_cast<double>(after.anonymous - before.anonymous), 96 << 20, 16 << 20);
  EXPECT_LT(after.file - before.file, 16 << 20);
  EXPECT_EQ(block.back(), 1);
}

}  // namespace
}  // namespace nuri
