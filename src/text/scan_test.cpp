// The hand-written splitters against the regular expressions they stand for, run by PCRE2.
#include "text/scan.h"

#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include <random>

#include "base/test_support.h"
#include "text/pre_split.h"
#include "text/text_test_support.h"

namespace nuri {
namespace {

using Pieces = std::vector<std::string>;

PreSplitter splitter(const std::vector<std::string_view>& patterns, bool scanners) {
  std::vector<PreSplitter::Step> steps;
  for (const std::string_view pattern : patterns) {
    PreSplitter::Step step;
    step.regex.emplace_back(pattern, "test");
    steps.push_back(std::move(step));
  }
  PreSplitter made(std::move(steps), false, false);
  EXPECT_TRUE(made.has_scanner());
  if (!scanners) made.disable_scanners();
  return made;
}

Pieces pieces(const PreSplitter& splitter, RegexScratch& scratch, const std::string& text) {
  Pieces out;
  splitter.split(text, scratch, [&](std::string_view piece) { out.emplace_back(piece); });
  return out;
}

class Scan : public testing::TestWithParam<std::vector<std::string_view>> {
 protected:
  PreSplitter fast_ = splitter(GetParam(), true), slow_ = splitter(GetParam(), false);
  RegexScratch scratch_;

  void compare(const std::string& text) {
    const Pieces a = pieces(fast_, scratch_, text), b = pieces(slow_, scratch_, text);
    if (a == b) return;
    size_t i = 0;
    while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
    ADD_FAILURE() << "piece " << i << ": scanner {" << (i < a.size() ? a[i] : "") << "}, PCRE2 {"
                  << (i < b.size() ? b[i] : "") << "}, text " << testing::PrintToString(text.substr(0, 300));
  }
};

TEST_P(Scan, ShortStringsOfTellingCharacters) {
  // One of every kind that a pattern distinguishes; all strings of four.
  const std::string kinds[] = {"a",  "s",  "'",  " ", "\n",       "\t",   "1", "가",
                               "中", "ー", "・", "!", "\xCC\x81", "\x01", "ſ", "\xC2\xA0"};
  const size_t n = std::size(kinds);
  for (size_t i = 0; i < n * n * n * n && !HasFailure(); ++i)
    compare(kinds[i % n] + kinds[i / n % n] + kinds[i / n / n % n] + kinds[i / n / n / n]);
}

TEST_P(Scan, RandomCodePoints) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 3000 && !HasFailure(); ++round) {
    std::string text;
    for (int i = 0; i < 40; ++i) {
      const uint64_t kind = random() % 8;
      char32_t c = kind == 0   ? static_cast<char32_t>(random() % 0x110000)
                   : kind == 1 ? static_cast<char32_t>(random() % 0x3400)
                   : kind == 2 ? U' '
                   : kind == 3 ? static_cast<char32_t>(0x3000 + random() % 0x120)
                               : static_cast<char32_t>(random() % 128);
      if (c >= 0xD800 && c <= 0xDFFF) c = U'x';
      UVersionInfo age;  // PCRE2 10.42 knows Unicode 14, ICU 72 knows 15
      u_charAge(static_cast<UChar32>(c), age);
      if (age[0] > 14) c = U'y';
      append_utf8(c, text);
    }
    compare(text);
  }
}

TEST_P(Scan, RealText) {
  NURI_SHARED_OR_SKIP(shared);
  for (const char* name : {"mini_ko.jsonl", "mini_en.jsonl", "x_ja.jsonl.zst", "x_th.jsonl.zst", "x_ar.jsonl.zst",
                           "x_hi.jsonl.zst", "x_zh.jsonl.zst"})
    for (const std::string& text : test::shared_documents(shared, name, 200'000)) compare(text);
  for (const auto& row : test::read_jsonl(shared / "data/tokenizers/strings.jsonl")) compare(row.at("text"));
}

TEST_P(Scan, KeepsEveryByte) {
  const std::string text = "Hello  world\r\n\r\n  가나다 123456 中文カタ・ナ \x01\x02z don't !!\n ";
  std::string all;
  for (const std::string& piece : pieces(fast_, scratch_, text)) all += piece;
  EXPECT_EQ(all, text);
  EXPECT_TRUE(pieces(fast_, scratch_, "").empty());
}

constexpr const char* kNames[] = {"gpt2", "qwen2", "llama3", "deepseek_v3"};

INSTANTIATE_TEST_SUITE_P(Text, Scan,
                         testing::Values(std::vector{kGpt2Pattern}, std::vector{kQwen2Pattern},
                                         std::vector{kLlama3Pattern},
                                         std::vector{kDeepseekDigits, kDeepseekCjk, kDeepseekWords}),
                         [](const auto& info) -> std::string { return kNames[info.index]; });

}  // namespace
}  // namespace nuri
