#include "base/scratch_file.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "base/test_support.h"

namespace nuri {
namespace {

TEST(ScratchFile, GivesBackWhatWasAppendedAndLeavesNoName) {
  const test::TempDir dir;
  std::vector<uint32_t> values(300'001);
  std::iota(values.begin(), values.end(), 7u);
  ScratchFile made(dir.path());
  for (size_t i = 0; i < values.size(); i += 1000)  // a block and a write end inside a value
    made.append(&values[i], 4 * std::min<size_t>(1000, values.size() - i));
  made.flush();
  const ScratchFile file = std::move(made);
  EXPECT_TRUE(fs::is_empty(dir.path()));
  ASSERT_EQ(file.size(), 4 * values.size());
  uint32_t one = 0;
  file.read(4 * 123'456, &one, 4);
  EXPECT_EQ(one, values[123'456]);
  ScratchReader reader(file);
  for (const uint32_t value : values) {
    reader.read(&one, 3);
    reader.read(reinterpret_cast<char*>(&one) + 3, 1);
    ASSERT_EQ(one, value);
  }
  EXPECT_EQ(reader.left(), 0u);
}

TEST(ScratchFile, NeedsADirectory) { EXPECT_THROW(ScratchFile("/nowhere/at/all"), Error); }

}  // namespace
}  // namespace nuri
