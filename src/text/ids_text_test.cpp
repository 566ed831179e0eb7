#include "text/ids_text.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace nuri {
namespace {

using Ids = std::vector<int32_t>;

TEST(IdsText, ThereAndBack) {
  EXPECT_EQ(ids_to_text(Ids{}), "");
  EXPECT_EQ(ids_to_text(Ids{0, 22, 128814}), "0 22 128814");
  EXPECT_EQ(ids_from_text("0 22\n128814\n", 129280, "ids"), (Ids{0, 22, 128814}));
  EXPECT_EQ(ids_from_text("[1, 2,3]", 4, "ids"), (Ids{1, 2, 3}));
  EXPECT_TRUE(ids_from_text(" \n", 4, "ids").empty());
}

TEST(IdsText, BadInput) {
  for (const char* text : {"4", "-1", "x", "1 2 99999999999999999999", "\xFF"})
    EXPECT_THROW(ids_from_text(text, 4, "ids"), Error) << text;
  try {
    ids_from_text("1\n2 three", 4, "ids.txt");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("ids.txt: line 2"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace nuri
