// The golden directories, within the bounds of ParityBounds.
#include "train/parity.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/test_support.h"
#include "io/safetensors.h"

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
  expect_parity(shared / "golden" / "deepseek_v3", 50);
}
TEST(Parity, DeepseekV3Plain) {
  NURI_SHARED_OR_SKIP(shared);
  expect_parity(shared / "golden" / "deepseek_v3_plain", 34);
}
TEST(Parity, DeepseekV3Saved) {
  NURI_SHARED_OR_SKIP(shared);
  expect_parity(shared / "golden" / "deepseek_v3_saved", 2);
  const ParityReport report = check_parity(shared / "golden" / "deepseek_v3_saved");
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_NE(report.notes[0].find("MTP"), std::string::npos);
}

/// A copy of a golden directory that a test may damage.
void copy_of(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const auto& entry : std::filesystem::directory_iterator(from))
    std::filesystem::copy_file(entry.path(), to / entry.path().filename());
}

TEST(Parity, LossesThatAreNoNumbersFail) {
  NURI_SHARED_OR_SKIP(shared);
  const test::TempDir dir;
  copy_of(shared / "golden" / "deepseek_v3_plain", dir.path());
  const std::filesystem::path weights = dir.path() / "model.safetensors";
  const uint64_t offset = SafetensorsFile(weights).at("model.norm.weight").offset;
  std::string bytes = read_file(weights);
  bytes.replace(offset, 4, "\x00\x00\x7F\x7F", 4);  // about the largest number: logits overflow
  write_file_atomic(weights, bytes);
  for (const ParityRow& row : check_parity(dir.path()).rows) {
    if (row.what.find("loss") == std::string::npos && row.what.find("gradient norms") == std::string::npos) continue;
    EXPECT_FALSE(row.passed()) << row.what;
  }
}

TEST(Parity, ReadsWhatPythonWritesForNumbersThatAreNotFinite) {
  NURI_SHARED_OR_SKIP(shared);
  const test::TempDir dir;
  copy_of(shared / "golden" / "deepseek_v3_plain", dir.path());
  std::string expected = read_file(dir.path() / "expected.json");
  const size_t brace = expected.find('{');
  expected.insert(brace + 1, R"("smallest": Infinity, "least": -Infinity, "x": [NaN], "text": "NaN \" Infinity",)");
  write_file_atomic(dir.path() / "expected.json", expected);
  expect_parity(dir.path(), 34);
}

TEST(Parity, OtherMuonStepsFail) {
  // The recorded losses of AdamW in place of Muon's: far beyond the bound, so the row does show which optimizer ran.
  NURI_SHARED_OR_SKIP(shared);
  const test::TempDir dir;
  copy_of(shared / "golden" / "deepseek_v3_plain", dir.path());
  std::string expected = read_file(dir.path() / "expected.json");
  const size_t adamw = expected.find("\"steps\""), muon = expected.find("\"muon_steps\"");
  ASSERT_TRUE(adamw != std::string::npos && muon != std::string::npos);
  expected.replace(muon, 12, "\"steps\"");
  expected.replace(adamw, 7, "\"muon_steps\"");
  write_file_atomic(dir.path() / "expected.json", expected);
  int64_t failed = 0;
  for (const ParityRow& row : check_parity(dir.path()).rows)
    if (row.what.find("losses of 8 steps") != std::string::npos) {
      EXPECT_FALSE(row.passed()) << row.what;
      EXPECT_GT(row.measured, 1e-3) << row.what;
      ++failed;
    }
  EXPECT_EQ(failed, 4);
}

TEST(Parity, ATighterBoundFails) {
  NURI_SHARED_OR_SKIP(shared);
  ParityBounds bounds;
  bounds.output = 1e-9;
  EXPECT_FALSE(check_parity(shared / "golden" / "deepseek_v3_plain", bounds).passed());
}

}  // namespace
}  // namespace nuri
