#include "data/facts.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/philox.h"
#include "text/korean.h"

namespace nuri::data {
namespace {

struct Pair {
  const char *left, *right;
};
struct Capital {
  const char *country, *capital, *country_ko, *capital_ko;
};

constexpr Capital kCapitals[] = {
    {"Korea", "Seoul", "대한민국", "서울"},       {"Japan", "Tokyo", "일본", "도쿄"},
    {"China", "Beijing", "중국", "베이징"},       {"France", "Paris", "프랑스", "파리"},
    {"Germany", "Berlin", "독일", "베를린"},      {"Italy", "Rome", "이탈리아", "로마"},
    {"Spain", "Madrid", "스페인", "마드리드"},    {"Greece", "Athens", "그리스", "아테네"},
    {"Egypt", "Cairo", "이집트", "카이로"},       {"Russia", "Moscow", "러시아", "모스크바"},
    {"Canada", "Ottawa", "캐나다", "오타와"},     {"Vietnam", "Hanoi", "베트남", "하노이"},
    {"Thailand", "Bangkok", "태국", "방콕"},      {"Norway", "Oslo", "노르웨이", "오슬로"},
    {"Austria", "Vienna", "오스트리아", "빈"},    {"Mongolia", "Ulaanbaatar", "몽골", "울란바토르"},
    {"Portugal", "Lisbon", "포르투갈", "리스본"}, {"Poland", "Warsaw", "폴란드", "바르샤바"},
    {"Finland", "Helsinki", "핀란드", "헬싱키"},  {"Peru", "Lima", "페루", "리마"}};

constexpr Pair kOpposites[] = {{"hot", "cold"},    {"big", "small"},  {"long", "short"},  {"high", "low"},
                               {"fast", "slow"},   {"new", "old"},    {"light", "heavy"}, {"early", "late"},
                               {"open", "closed"}, {"full", "empty"}, {"wet", "dry"},     {"day", "night"}};
constexpr Pair kOppositesKo[] = {{"낮", "밤"},       {"위", "아래"},   {"앞", "뒤"},     {"안", "밖"},
                                 {"왼쪽", "오른쪽"}, {"하늘", "땅"},   {"처음", "끝"},   {"남쪽", "북쪽"},
                                 {"동쪽", "서쪽"},   {"여름", "겨울"}, {"어른", "아이"}, {"시작", "끝"}};
constexpr Pair kWords[] = {{"water", "물"},    {"fire", "불"},     {"tree", "나무"},   {"book", "책"},
                           {"house", "집"},    {"sea", "바다"},    {"mountain", "산"}, {"river", "강"},
                           {"school", "학교"}, {"friend", "친구"}, {"apple", "사과"},  {"bird", "새"},
                           {"flower", "꽃"},   {"star", "별"},     {"moon", "달"},     {"world", "누리"},
                           {"bread", "빵"},    {"milk", "우유"},   {"snow", "눈"},     {"rain", "비"}};
constexpr const char* kDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
constexpr const char* kDaysKo[] = {"월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일"};
constexpr const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                   "July",    "August",   "September", "October", "November", "December"};

class Draw {
 public:
  Draw(uint64_t seed, uint64_t index) : random_(seed, Purpose::demo_text, index) {}
  int below(size_t n) { return static_cast<int>(random_.below(n, next_++)); }
  template <class T, size_t N>
  const T& pick(const T (&list)[N]) {
    return list[below(N)];
  }

 private:
  Philox random_;
  uint64_t next_ = 0;
};

Fact calculation(Draw& draw, bool korean) {
  const int kind = draw.below(3);
  int a, b, result;
  if (kind == 2) {
    a = draw.below(10), b = draw.below(10), result = a * b;
  } else {
    a = draw.below(50), b = draw.below(50);
    if (kind == 1 && a < b) std::swap(a, b);
    result = kind == 0 ? a + b : a - b;
  }
  const char sign = "+-x"[kind];
  const std::string answer = fmt::format("{}", result);
  const bool signs = draw.below(3) == 0;
  const std::string formula = fmt::format("{} {} {} = {}", a, sign, b, result);
  if (korean) {
    const char* word[] = {"더하기", "빼기", "곱하기"};
    const std::string right = ko_topic(fmt::format("{}", b));
    return {signs ? fmt::format("{} {} {} = ?", a, sign, b) : fmt::format("{} {} {}?", a, word[kind], right), answer,
            signs ? formula : fmt::format("{} {} {} {}", a, word[kind], right, ko_is(answer))};
  }
  const char* word[] = {"plus", "minus", "times"};
  return {signs ? fmt::format("{} {} {} = ?", a, sign, b) : fmt::format("What is {} {} {}?", a, word[kind], b), answer,
          signs ? formula : fmt::format("{} {} {} is {}.", a, word[kind], b, answer)};
}

Fact korean_fact(Draw& draw) {
  switch (draw.below(4)) {
    case 0: {
      const Capital& c = draw.pick(kCapitals);
      return {fmt::format("{}의 수도는 어디인가요?", c.country_ko), c.capital_ko,
              fmt::format("{}의 수도는 {}", c.country_ko, ko_is(c.capital_ko))};
    }
    case 1: {
      const Pair& p = draw.pick(kOppositesKo);
      return {fmt::format("{}의 반대말은 무엇인가요?", p.left), p.right,
              fmt::format("{}의 반대말은 {}", p.left, ko_is(p.right))};
    }
    case 2: {
      const Pair& p = draw.pick(kWords);
      return {fmt::format("{} 영어로 무엇인가요?", ko_topic(p.right)), p.left,
              fmt::format("{} 영어로 {}이다.", ko_topic(p.right), p.left)};
    }
    default: {
      const int day = draw.below(7);
      const char* next = kDaysKo[(day + 1) % 7];
      return {fmt::format("{} 다음 날은 무슨 요일인가요?", kDaysKo[day]), next,
              fmt::format("{} 다음 날은 {}", kDaysKo[day], ko_is(next))};
    }
  }
}

Fact english_fact(Draw& draw) {
  switch (draw.below(5)) {
    case 0: {
      const Capital& c = draw.pick(kCapitals);
      return {fmt::format("What is the capital of {}?", c.country), c.capital,
              fmt::format("The capital of {} is {}.", c.country, c.capital)};
    }
    case 1: {
      const Pair& p = draw.pick(kOpposites);
      return {fmt::format("What is the opposite of {}?", p.left), p.right,
              fmt::format("The opposite of {} is {}.", p.left, p.right)};
    }
    case 2: {
      const Pair& p = draw.pick(kWords);
      return {fmt::format("What is the Korean word for {}?", p.left), p.right,
              fmt::format("The Korean word for {} is {}.", p.left, p.right)};
    }
    case 3: {
      const int month = draw.below(12);
      return {fmt::format("Which month comes after {}?", kMonths[month]), kMonths[(month + 1) % 12],
              fmt::format("The month after {} is {}.", kMonths[month], kMonths[(month + 1) % 12])};
    }
    default: {
      const int day = draw.below(7);
      return {fmt::format("Which day comes after {}?", kDays[day]), kDays[(day + 1) % 7],
              fmt::format("The day after {} is {}.", kDays[day], kDays[(day + 1) % 7])};
    }
  }
}

}  // namespace

Fact make_fact(uint64_t seed, uint64_t index) {
  Draw draw(seed, index);
  const bool korean = index % 2 == 0;
  if (draw.below(2) == 0) return calculation(draw, korean);
  return korean ? korean_fact(draw) : english_fact(draw);
}

std::string make_fact_row(uint64_t seed, uint64_t index) {
  // Facts 8 i ... 8 i + 7 belong to row i; the language alternates from row to row.
  const uint64_t first = 8 * index + index % 2;
  if (index % 3 != 0) {
    const Fact fact = make_fact(seed, first);
    return fmt::format("<｜User｜>{}<｜Assistant｜><think>\n{}\n</think>\n\n{}", fact.question, fact.statement,
                       fact.answer);
  }
  std::string text;
  for (uint64_t k = 0; k < 4; ++k) text += (k ? "\n" : "") + make_fact(seed, first + 2 * k).statement;
  return text;
}

void write_fact_rows(const fs::path& path, uint64_t seed, int64_t n_rows) {
  AtomicFile file(path);
  for (int64_t i = 0; i < n_rows; ++i) {
    const OrderedJson row = {{"text", make_fact_row(seed, static_cast<uint64_t>(i))}};
    file.write(row.dump() + "\n");
  }
  file.commit();
}

}  // namespace nuri::data
