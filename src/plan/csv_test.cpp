#include "plan/csv.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace nuri::plan {
namespace {

TEST(Csv, ReadsQuotesLineEndsAndNumbers) {
  const CsvTable t("a,b,c\r\n1,\"x, \"\"y\"\"\nz\",\r\n,-2.5e3,w\n\n", "t.csv");
  ASSERT_EQ(t.size(), 2U);
  EXPECT_EQ(t.cell(0, "b"), "x, \"y\"\nz");
  EXPECT_EQ(t.number(0, "a"), 1);
  EXPECT_TRUE(std::isnan(t.number(1, "a")));
  EXPECT_EQ(t.number(1, "b"), -2500);
  EXPECT_EQ(t.where(1), "t.csv:4");
  EXPECT_THROW(t.number(1, "c"), Error);
  EXPECT_THROW(t.cell(0, "d"), Error);
}

TEST(Csv, RefusesWhatIsNoTable) {
  for (const char* text : {"", "a,a\n", "a,b\n1\n", "a\n\"x\n", "a\n\"x\"y\n"})
    EXPECT_THROW(CsvTable(text, "t.csv"), Error) << text;
}

}  // namespace
}  // namespace nuri::plan
