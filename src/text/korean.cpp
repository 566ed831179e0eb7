#include "text/korean.h"

namespace nuri {
namespace {

std::string with(std::string_view word, const char* after_consonant, const char* after_vowel) {
  return std::string(word) + (ends_in_consonant(word) ? after_consonant : after_vowel);
}

}  // namespace

bool ends_in_consonant(std::string_view word) {
  const char last = word.empty() ? 'a' : word.back();
  if (last >= '0' && last <= '9') return last != '2' && last != '4' && last != '5' && last != '9';
  if (word.size() < 3) return false;
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(word[word.size() - 3 + k]); };
  const int code = (byte(0) & 15) << 12 | (byte(1) & 63) << 6 | (byte(2) & 63);
  return code >= 0xAC00 && code <= 0xD7A3 && (code - 0xAC00) % 28 != 0;  // 28 finals of a syllable, the first is none
}

std::string ko_topic(std::string_view word) { return with(word, "은", "는"); }
std::string ko_subject(std::string_view word) { return with(word, "이", "가"); }
std::string ko_object(std::string_view word) { return with(word, "을", "를"); }
std::string ko_and(std::string_view word) { return with(word, "과", "와"); }
std::string ko_is(std::string_view word) { return with(word, "이다.", "다."); }

}  // namespace nuri
