// Work on the letters of a made-up word (syllables in Korean): backwards; how often one stands in it; the last ones of
// some words.
#include <fmt/format.h>

#include <vector>

#include "tasks/generator.h"

namespace nuri::tasks {
namespace {

constexpr const char* kSyllables[] = {"가", "나", "다", "라", "마", "바", "사", "아", "자", "차",
                                      "카", "타", "파", "하", "고", "노", "도", "로", "모", "보",
                                      "소", "오", "조", "초", "구", "누", "두", "루", "무", "부",
                                      "수", "우", "주", "기", "니", "디", "리", "미", "비", "시"};
constexpr const char* kLetters[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m",
                                    "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z"};
using Word = std::vector<std::string>;

std::string joined(const Word& word, const char* between = "") {
  std::string out;
  for (const std::string& letter : word) out += (out.empty() ? "" : between) + letter;
  return out;
}

Word draw_word_of(Draw& draw, bool korean, int64_t n) {
  Word word;
  for (int64_t i = 0; i < n; ++i) word.emplace_back(korean ? draw.pick(kSyllables) : draw.pick(kLetters));
  return word;
}

}  // namespace

Drawn draw_letters(Draw& draw, bool korean, int difficulty) {
  Drawn out;
  Problem& p = out.problem;
  switch (draw.below(3)) {
    case 0: {
      const Word word = draw_word_of(draw, korean, difficulty + 2), back(word.rbegin(), word.rend());
      p.prompt =
          korean ? fmt::format("거꾸로 쓰세요: {}", joined(word)) : fmt::format("Write backwards: {}", joined(word));
      p.solution = joined(word, " ") + "\n" + joined(back, " ");
      p.answer = joined(back);
      out.canonical = "back " + joined(word);
      break;
    }
    case 1: {
      Word word = draw_word_of(draw, korean, difficulty + 4);
      const std::string letter = word[static_cast<size_t>(draw.below(static_cast<int64_t>(word.size())))];
      for (int64_t i = draw.below(3); i > 0; --i)
        word[static_cast<size_t>(draw.below(static_cast<int64_t>(word.size())))] = letter;
      int64_t count = 0;
      for (const std::string& one : word) {
        count += one == letter;
        p.solution += fmt::format("{}{} {}", p.solution.empty() ? "" : ", ", one, count);
      }
      p.prompt = korean ? fmt::format("'{}'에 '{}'는 몇 번 나오나요?", joined(word), letter)
                        : fmt::format("How often does '{}' stand in '{}'?", letter, joined(word));
      p.answer = fmt::format("{}", count);
      out.canonical = fmt::format("count {} {}", letter, joined(word));
      break;
    }
    default: {
      const int64_t n = 2 + difficulty / 2;
      std::string words, last;
      for (int64_t i = 0; i < n; ++i) {
        const Word word = draw_word_of(draw, korean, draw.between(2, 4));
        words += (words.empty() ? "" : " ") + joined(word);
        last += word.back();
        p.solution += fmt::format("{}{}: {}", p.solution.empty() ? "" : ", ", joined(word), word.back());
      }
      p.prompt = korean ? fmt::format("각 낱말의 마지막 글자를 이어 쓰세요: {}", words)
                        : fmt::format("Join the last letters of the words: {}", words);
      p.answer = last;
      out.canonical = "last " + words;
    }
  }
  return out;
}

}  // namespace nuri::tasks
