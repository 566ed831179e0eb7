#include "backend/selftest.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "backend/kernels.h"

namespace nuri {
namespace {

using Verdict = SelftestLine::Verdict;

const SelftestLine& named(const std::vector<SelftestLine>& lines, std::string_view name) {
  const auto found = std::find_if(lines.begin(), lines.end(), [&](const SelftestLine& l) { return l.name == name; });
  if (found == lines.end()) throw std::runtime_error("no line " + std::string(name));
  return *found;
}

TEST(Selftest, EqualsTheCommittedHashesAtTheLevelInUse) {
  const auto lines = run_selftest();
  EXPECT_TRUE(selftest_passed(lines));
  for (const SelftestLine& line : lines) EXPECT_EQ(verdict_name(line.verdict), "equal") << line.name;
}

TEST(Selftest, VectorsHashLikeTheScalars) {
  const auto lines = run_selftest("vector/");
  ASSERT_FALSE(lines.empty());
  for (const SelftestLine& line : lines)
    EXPECT_EQ(line.hash, named(run_selftest("x1/" + line.name.substr(7)), "x1/" + line.name.substr(7)).hash)
        << line.name;
}

TEST(Selftest, SaysWhereAKernelIsMissingOrWrong) {
  KernelTable table = kernels();
  table.rope = nullptr;
  table.add = [](const AddArgs& a) {
    for (int64_t i = 0; i < a.n; ++i) a.y[i] = a.a[i] - a.b[i];
  };
  set_kernels(&table);
  const auto lines = run_selftest("kernel/");
  set_kernels(nullptr);
  EXPECT_EQ(named(lines, "kernel/rope").verdict, Verdict::no_kernel);
  EXPECT_EQ(named(lines, "kernel/elements").verdict, Verdict::differs);
  EXPECT_EQ(named(lines, "kernel/rmsnorm").verdict, Verdict::equal);
  EXPECT_FALSE(selftest_passed(lines));
}

TEST(Selftest, WritesItsLinesAmongOthers) {
  const std::vector<SelftestLine> lines = {{.name = "b", .hash = 0x12, .verdict = Verdict::differs},
                                           {.name = "c", .verdict = Verdict::no_kernel},
                                           {.name = "d", .hash = 0xABC, .verdict = Verdict::not_committed}};
  EXPECT_EQ(with_hashes("# b 1\na 0000000000000001\nb 0000000000000002\nc 0000000000000003\n", lines),
            "# b 1\na 0000000000000001\nb 0000000000000012\nc 0000000000000003\nd 0000000000000abc\n");
  EXPECT_EQ(with_hashes("", lines), "b 0000000000000012\nd 0000000000000abc\n");
  EXPECT_EQ(committed_hash("no such name"), std::nullopt);
  EXPECT_EQ(committed_hash("#"), std::nullopt);
}

TEST(BitHash, DependsOnEveryBitAndOnTheOrder) {
  BitHash a, b, c;
  a.add(1.0f), a.add(2.0f);
  b.add(2.0f), b.add(1.0f);
  c.add(1.0f), c.add(__builtin_bit_cast(float, 0x40000001u));
  EXPECT_NE(a.value(), b.value());
  EXPECT_NE(a.value(), c.value());
}

}  // namespace
}  // namespace nuri
