// The share of letters, reasoning included, that belong to the language (R1's language consistency, by letters instead
// of words). Digits and signs are of no language; a text without letters scores 0.
#include <array>

#include "tasks/scorer.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace nuri::tasks {
namespace {

bool is_hangul(char32_t c) {
  return (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0x1100 && c <= 0x11FF) || (c >= 0x3131 && c <= 0x318E);
}
bool is_latin(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0x24F); }

}  // namespace

Score make_language(ScorerArguments& arguments) {
  constexpr std::array<std::string_view, 2> kLanguages = {"ko", "en"};
  const bool korean = arguments.choice(kLanguages) == "ko";
  return [korean](const Scored& s) {
    const CharClasses& classes = CharClasses::get();
    int64_t letters = 0, own = 0;
    const std::string_view text = s.generation.text;
    for (const char *at = text.data(), *end = at + text.size(); at < end;) {
      const Utf8Step step = utf8_step(at, end);
      at += step.length;
      const bool ok = step.status == Utf8Status::ok;
      if (ok && !(classes[step.code_point] & kLetter)) continue;
      ++letters;  // bytes that are no character are letters of no language
      own += ok && (korean ? is_hangul(step.code_point) : is_latin(step.code_point));
    }
    return letters > 0 ? static_cast<double>(own) / static_cast<double>(letters) : 0.0;
  };
}

}  // namespace nuri::tasks
