// The golden directories, within the bounds of ParityBounds.
#include "train/parity.h"

#include <gtest/gtest.h>

#include "base/test_support.h"

namespace nuri {
namespace {

void expect_parity(const std::filesystem::path& directory, size_t at_least) {
  const ParityReport report = check_parity(directory);
  for (const ParityRow& row : report.rows)
    EXPECT_TRUE(row.passed()) << row.what << ": " << row.measured << " against " << row.bound << " " << row.detail;
  EXPECT_GE(report.rows.size(), at_least);
}

TEST(Parity, DeepseekV3) {
  NURI_SHARED_OR_SKIP(shared);
  expect_parity(shared / "golden" / "deepseek_v3", 46);
}
TEST(Parity, DeepseekV3Plain) {
  NURI_SHARED_OR_SKIP(shared);
  expect_parity(shared / "golden" / "deepseek_v3_plain", 30);
}
TEST(Parity, DeepseekV3Saved) {
  NURI_SHARED_OR_SKIP(shared);
  expect_parity(shared / "golden" / "deepseek_v3_saved", 2);
  const ParityReport report = check_parity(shared / "golden" / "deepseek_v3_saved");
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_NE(report.notes[0].find("MTP"), std::string::npos);
}

TEST(Parity, ATighterBoundFails) {
  NURI_SHARED_OR_SKIP(shared);
  ParityBounds bounds;
  bounds.output = 1e-9;
  EXPECT_FALSE(check_parity(shared / "golden" / "deepseek_v3_plain", bounds).passed());
}

}  // namespace
}  // namespace nuri
