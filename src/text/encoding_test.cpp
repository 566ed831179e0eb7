#include "text/encoding.h"

#include <gtest/gtest.h>
#include <unicode/ucnv.h>

#include "base/test_support.h"
#include "text/text_test_support.h"

namespace nuri {
namespace {

/// Through ICU's own converters: independent of the tables under test but for CP949's data.
std::string encoded(const std::string& utf8, const char* converter) {
  UErrorCode status = U_ZERO_ERROR;
  std::string out(utf8.size() * 4 + 16, '\0');
  const int32_t n = ucnv_convert(converter, "UTF-8", out.data(), static_cast<int32_t>(out.size()), utf8.data(),
                                 static_cast<int32_t>(utf8.size()), &status);
  EXPECT_TRUE(U_SUCCESS(status));
  out.resize(static_cast<size_t>(n));
  return out;
}

void expect(const std::string& bytes, Encoding encoding, int bom, const std::string& text, int64_t invalid = 0) {
  const DecodedText got = decode_text(bytes);
  EXPECT_EQ(encoding_name(got.source.encoding), encoding_name(encoding)) << text.substr(0, 60);
  EXPECT_EQ(got.source.bom_bytes, bom);
  EXPECT_TRUE(got.text == text) << got.text.substr(0, 60) << " is not " << text.substr(0, 60);
  EXPECT_EQ(got.invalid, invalid);
}

TEST(Encoding, IsDetectedAndConverted) {
  const std::string text = "안녕하세요. 이것은 시험입니다 123.\n똠방각하 펲시콜라, English too\n";
  expect(text, Encoding::utf8, 0, text);
  expect("\xEF\xBB\xBF" + text, Encoding::utf8, 3, text);
  expect(encoded(text, "windows-949-2000"), Encoding::cp949, 0, text);
  expect(encoded("가나다", "windows-949-2000"), Encoding::cp949, 0, "가나다");
  for (const auto& [name, encoding, bom] :
       {std::tuple("UTF-16LE", Encoding::utf16le, "\xFF\xFE"), std::tuple("UTF-16BE", Encoding::utf16be, "\xFE\xFF")}) {
    expect(encoded(text, name), encoding, 0, text);
    expect(bom + encoded(text, name), encoding, 2, text);
    expect(encoded("plain ASCII only", name), encoding, 0, "plain ASCII only");
    expect(bom + encoded("가😀", name), encoding, 2, "가😀");
  }
  expect("", Encoding::utf8, 0, "");
  expect("plain", Encoding::utf8, 0, "plain");
}

TEST(Encoding, StrayZeroBytesDoNotMakeUtf16) {
  using namespace std::string_literals;
  for (const std::string& text :
       {"abc\0def\0\nThe quick brown fox.\n"s, "이름\0값\n한글 문서입니다. 끝.\n"s, "\0"s, "ab\0\0"s, "key\0value\0"s})
    expect(text, Encoding::utf8, 0, text);
}

TEST(Encoding, RealDocumentsSurviveEveryEncoding) {
  NURI_SHARED_OR_SKIP(shared);
  int cp949 = 0;
  for (const std::string& text : test::shared_documents(shared, "mini_ko.jsonl", 400'000)) {
    std::string nfc = decode_text(text).text;
    expect(encoded(nfc, "UTF-16LE"), Encoding::utf16le, 0, nfc);
    expect(encoded(nfc, "UTF-16BE"), Encoding::utf16be, 0, nfc);
    const std::string korean = encoded(nfc, "windows-949-2000");
    if (korean.find('\x1A') != std::string::npos || to_utf8(korean, Encoding::cp949).text != nfc)
      continue;  // not in CP949
    ++cp949;
    expect(korean, korean == nfc ? Encoding::utf8 : Encoding::cp949, 0, nfc);
  }
  EXPECT_GT(cp949, 20);
}

TEST(Encoding, DamageIsCounted) {
  const std::string r = "\xEF\xBF\xBD";
  expect("한글 텍스트 가운데 \xFF 하나", Encoding::utf8, 0, "한글 텍스트 가운데 " + r + " 하나", 1);
  expect("caf\xE9", Encoding::utf8, 0, "caf" + r, 1);
  std::string korean = encoded("대한민국은 민주공화국이다. 대한민국의 주권은 국민에게 있다. ", "windows-949-2000");
  expect(korean + "\xFF", Encoding::cp949, 0, "대한민국은 민주공화국이다. 대한민국의 주권은 국민에게 있다. " + r, 1);
  EXPECT_EQ(to_utf8(std::string("\xFE") + "A", Encoding::cp949).text, r + "A");  // an ASCII byte is not swallowed
  EXPECT_EQ(to_utf8("\xB0", Encoding::cp949).invalid, 1);
  EXPECT_EQ(to_utf8(std::string_view("\x3D\xD8\x41\0", 4), Encoding::utf16le).text, r + "A");  // half a surrogate pair
  EXPECT_EQ(to_utf8(std::string_view("A\0B", 3), Encoding::utf16le).text, "A" + r);
}

TEST(Encoding, NormalisesUnlessAsked) {
  const std::string decomposed = "\xE1\x84\x80\xE1\x85\xA1";
  EXPECT_EQ(decode_text(decomposed).text, "가");
  EXPECT_TRUE(decode_text(decomposed).nfc_changed);
  EXPECT_EQ(decode_text(decomposed, false).text, decomposed);
}

}  // namespace
}  // namespace nuri
