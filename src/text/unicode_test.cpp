#include "text/unicode.h"

#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace nuri {
namespace {

std::string lossy(std::string_view bytes) {
  std::string out;
  append_utf8_lossy(bytes, out);
  return out;
}

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(c, text);
    const Utf8Step step = utf8_step(text.data(), text.data() + text.size());
    ASSERT_EQ(step.status, Utf8Status::ok);
    ASSERT_TRUE(step.code_point == c);
    ASSERT_EQ(step.length, text.size());
    const char* at = text.data();
    ASSERT_TRUE(utf8_next(at) == c);
    if (text.size() > 1) {
      text.pop_back();
      ASSERT_EQ(utf8_step(text.data(), text.data() + text.size()).status, Utf8Status::truncated);
    }
  }
}

TEST(Utf8, InvalidPartsBecomeOneReplacementEach) {
  const std::string r(kReplacementUtf8);
  EXPECT_EQ(lossy("a\x80z"), "a" + r + "z");
  EXPECT_EQ(lossy("\xC0\xAF"), r + r);          // overlong
  EXPECT_EQ(lossy("\xED\xA0\x80"), r + r + r);  // surrogate
  EXPECT_EQ(lossy("\xF4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(lossy("\xEA\xB0z"), r + "z");  // a beginning counts once
  EXPECT_EQ(lossy("\xF0\x9F\x98"), r);
  EXPECT_EQ(utf8_first_invalid("abcdefghij\xFF"), 10u);
  EXPECT_EQ(utf8_first_invalid("가나다"), std::string::npos);
}

TEST(CharClasses, AgreeWithIcu) {
  const CharClasses& classes = CharClasses::get();
  for (char32_t c = 0; c < 0x110000; ++c) {
    const auto u = static_cast<UChar32>(c);
    const uint32_t mask = U_GET_GC_MASK(u);
    ASSERT_EQ((classes[c] & kLetter) != 0, (mask & U_GC_L_MASK) != 0) << static_cast<uint32_t>(c);
    ASSERT_EQ((classes[c] & kMark) != 0, (mask & U_GC_M_MASK) != 0) << static_cast<uint32_t>(c);
    ASSERT_EQ((classes[c] & kNumber) != 0, (mask & U_GC_N_MASK) != 0) << static_cast<uint32_t>(c);
    ASSERT_EQ((classes[c] & kPunctuation) != 0, (mask & U_GC_P_MASK) != 0) << static_cast<uint32_t>(c);
    ASSERT_EQ((classes[c] & kSymbol) != 0, (mask & U_GC_S_MASK) != 0) << static_cast<uint32_t>(c);
    ASSERT_EQ((classes[c] & kSpace) != 0, u_isUWhiteSpace(u) != 0) << static_cast<uint32_t>(c);
  }
  EXPECT_EQ(classes[0x110000], 0);
}

TEST(Nfc, ComposesAndKnowsWhatIsComposed) {
  const auto nfc = [](std::string_view text) {
    std::string out;
    append_nfc(text, out);
    return out;
  };
  EXPECT_EQ(nfc("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), "한");
  EXPECT_EQ(nfc("e\xCC\x81"), "é");
  EXPECT_EQ(nfc("한글 text"), "한글 text");
  EXPECT_EQ(nfc("\xE2\x84\xAB"), "Å");  // U+212B is replaced by U+00C5
  EXPECT_TRUE(surely_nfc("한글, plain ASCII, ünïcödé, 中文 😀"));
  EXPECT_FALSE(surely_nfc("e\xCC\x81"));
  EXPECT_FALSE(surely_nfc("가\xE1\x86\xAB"));  // a syllable and a final jamo
}

TEST(ByteAlphabet, IsTheOneOfPublishedFiles) {
  EXPECT_EQ(spell_bytes(" "), "Ġ");
  EXPECT_EQ(spell_bytes("\n"), "Ċ");
  EXPECT_EQ(spell_bytes("안"), "ìķĪ");
  for (int b = 0; b < 256; ++b) EXPECT_EQ(symbol_byte(byte_symbol(static_cast<uint8_t>(b))), b);
  EXPECT_EQ(read_spelled("Ġthe").value(), " the");
  EXPECT_FALSE(read_spelled("｜").has_value());
  EXPECT_FALSE(read_spelled("a b").has_value());
}

}  // namespace
}  // namespace nuri
