#include "text/regex.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace nuri {
namespace {

std::string first(const std::string& pattern, const std::string& text) {
  const Regex regex(pattern, "test");
  RegexScratch scratch;
  size_t begin = 0, end = 0;
  return regex.find(text, 0, scratch, begin, end) ? text.substr(begin, end - begin) : "(none)";
}

TEST(Regex, MeansWhatOnigurumaMeans) {
  EXPECT_EQ(first("\\s", "x\xE1\xA0\x8E"), "(none)");  // U+180E is no White_Space
  EXPECT_EQ(first("\\s", "x\xC2\x85"), "\xC2\x85");
  EXPECT_EQ(first("[^\\s]+", " ab\xE3\x80\x80"), "ab");
  EXPECT_EQ(first("\\h+", "xyz09aF "), "09aF");
  EXPECT_EQ(first("\\w+", "- e\xCC\x81x"), "e\xCC\x81x");  // marks belong to words
  EXPECT_EQ(first("b$", "ab\nc"), "b");
  EXPECT_EQ(first("a.b", "a\rb"), "a\rb");
  EXPECT_EQ(first("a.b", "a\nb"), "(none)");
  EXPECT_EQ(first("a{,2}b", "aab"), "aab");
  EXPECT_EQ(first("\\u3042+", "ああ"), "ああ");
  EXPECT_EQ(first("\\p{Hangul}+", "ab한글"), "한글");
  EXPECT_EQ(first("(?i:'s)", "a'\xC5\xBF"), "'\xC5\xBF");
}

TEST(Regex, RefusesWhatItWouldReadDifferently) {
  for (const char* pattern : {"[a[b]]", "[a&&b]", "(?m:.)", "(?<n>a)", "\\k<n>", "a{1,3}+", "(*UTF)a", "\\x41", "\\",
                              "(", "[", "\\p{Nonsense}", "\\pL", "[\\S]", "\\G", "\\C"})
    EXPECT_THROW(Regex(pattern, "test"), Error) << pattern;
  EXPECT_THROW(Regex("\xFF", "test"), Error);
  EXPECT_THROW(Regex(std::string(70000, 'a'), "test"), Error);
}

TEST(Regex, AnExplodingPatternEndsInAnError) {
  const Regex regex("(a+)+$", "test");
  RegexScratch scratch;
  size_t begin, end;
  EXPECT_THROW(regex.find(std::string(40, 'a') + "b", 0, scratch, begin, end), Error);
}

}  // namespace
}  // namespace nuri
