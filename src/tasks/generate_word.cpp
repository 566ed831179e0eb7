// Word problems: a story with numbers, the same in Korean and English. Its solution is one operation after the other,
// all results whole and above 0.
#include <fmt/format.h>

#include <algorithm>

#include "tasks/generator.h"

namespace nuri::tasks {
namespace {

/// Operations, written down as they are done.
class Work {
 public:
  int64_t times(int64_t a, int64_t b) { return note(a, '*', b, a * b); }
  int64_t plus(int64_t a, int64_t b) { return note(a, '+', b, a + b); }
  int64_t minus(int64_t a, int64_t b) { return note(a, '-', b, a - b); }
  int64_t over(int64_t a, int64_t b) { return note(a, '/', b, a / b); }
  const std::string& text() const { return text_; }

 private:
  int64_t note(int64_t a, char op, int64_t b, int64_t result) {
    text_ += fmt::format("{}{} {} {} = {}", text_.empty() ? "" : ", ", a, op, b, result);
    return result;
  }
  std::string text_;
};

/// The numbers a, b, c, d of a story; the answer is worked out of them.
struct Numbers {
  int64_t a = 0, b = 0, c = 0, d = 0;
};

struct Story {
  int steps;
  const char *korean, *english;  // {a} to {d} are the numbers, {N} a name
  Numbers (*draw)(Draw&, int64_t largest);
  int64_t (*work)(const Numbers&, Work&);
};

constexpr Story kStories[] = {
    {2, "{N}는 사탕을 {a}개씩 {b}봉지 가지고 있습니다. 그중 {c}개를 먹었습니다. 남은 사탕은 몇 개입니까?",
     "{N} has {b} bags with {a} candies each and eats {c} of them. How many candies are left?",
     [](Draw& d, int64_t top) {
       const int64_t a = d.between(2, top), b = d.between(2, 9);
       return Numbers{a, b, d.between(1, a * b - 1)};
     },
     [](const Numbers& n, Work& w) { return w.minus(w.times(n.a, n.b), n.c); }},
    {2, "버스에 {a}명이 타고 있었습니다. 정류장에서 {b}명이 내리고 {c}명이 탔습니다. 지금 버스에는 몇 명이 있습니까?",
     "There were {a} people on a bus. At a stop {b} got off and {c} got on. How many people are on the bus now?",
     [](Draw& d, int64_t top) {
       const int64_t a = d.between(2, top);
       return Numbers{a, d.between(1, a - 1), d.between(1, top)};
     },
     [](const Numbers& n, Work& w) { return w.plus(w.minus(n.a, n.b), n.c); }},
    {2,
     "{N}는 구슬을 {a}개 가지고 있고, 동생은 그보다 {b}개 더 많이 가지고 있습니다. 두 사람의 구슬은 모두 몇 개입니까?",
     "{N} has {a} marbles. A friend has {b} more than that. How many marbles do they have together?",
     [](Draw& d, int64_t top) {
       return Numbers{d.between(1, top), d.between(1, top)};
     },
     [](const Numbers& n, Work& w) { return w.plus(n.a, w.plus(n.a, n.b)); }},
    {2, "직사각형 밭의 가로는 {a}미터, 세로는 {b}미터입니다. 밭의 둘레는 몇 미터입니까?",
     "A rectangular field is {a} metres long and {b} metres wide. How many metres is its perimeter?",
     [](Draw& d, int64_t top) {
       return Numbers{d.between(1, top), d.between(1, top)};
     },
     [](const Numbers& n, Work& w) { return w.times(w.plus(n.a, n.b), 2); }},
    {2, "{N}는 쿠키를 {a}개씩 {b}상자 구워 {c}명에게 똑같이 나누어 주었습니다. 한 명이 받은 쿠키는 몇 개입니까?",
     "{N} bakes {b} boxes of {a} cookies and shares them equally among {c} people. How many cookies does each get?",
     [](Draw& d, int64_t top) {
       const int64_t c = d.between(2, 9);
       return Numbers{c * d.between(1, std::max<int64_t>(1, top / c)), d.between(2, 9), c};
     },
     [](const Numbers& n, Work& w) { return w.over(w.times(n.a, n.b), n.c); }},
    {3, "공책 한 권은 {a}원, 연필 한 자루는 {b}원입니다. 공책 {c}권과 연필 {d}자루를 사면 모두 몇 원입니까?",
     "A notebook costs {a} coins and a pencil {b} coins. How many coins do {c} notebooks and {d} pencils cost?",
     [](Draw& d, int64_t top) {
       return Numbers{d.between(2, top), d.between(2, top), d.between(2, 9), d.between(2, 9)};
     },
     [](const Numbers& n, Work& w) {
       const int64_t notebooks = w.times(n.a, n.c);
       return w.plus(notebooks, w.times(n.b, n.d));
     }},
    {3,
     "책 한 권은 모두 {d}쪽입니다. {N}는 하루에 {a}쪽씩 {b}일 동안 읽고, 오늘 {c}쪽을 더 읽었습니다. 몇 쪽이 "
     "남았습니까?",
     "A book has {d} pages. {N} read {a} pages a day for {b} days and {c} more today. How many pages are left?",
     [](Draw& d, int64_t top) {
       const int64_t a = d.between(2, top), b = d.between(2, 9), c = d.between(1, top);
       return Numbers{a, b, c, a * b + c + d.between(1, top)};
     },
     [](const Numbers& n, Work& w) { return w.minus(n.d, w.plus(w.times(n.a, n.b), n.c)); }},
    {3, "{N}는 매주 {a}원씩 {b}주 동안 모은 뒤 {c}원을 쓰고 다시 {d}원을 받았습니다. 지금 가진 돈은 몇 원입니까?",
     "{N} saves {a} coins a week for {b} weeks, spends {c} and then gets {d}. How many coins are there now?",
     [](Draw& d, int64_t top) {
       const int64_t a = d.between(2, top), b = d.between(2, 9);
       return Numbers{a, b, d.between(1, a * b - 1), d.between(1, top)};
     },
     [](const Numbers& n, Work& w) { return w.plus(w.minus(w.times(n.a, n.b), n.c), n.d); }},
    {3,
     "{a}개 반에 학생이 {b}명씩 있습니다. 오늘 {c}명이 결석했고, 나머지가 {d}명씩 모둠을 만들었습니다. 모둠은 몇 "
     "개입니까?",
     "There are {a} classes with {b} pupils each. Today {c} are absent and the others form groups of {d}. How many "
     "groups are there?",
     [](Draw& d, int64_t top) {
       const int64_t a = d.between(2, 9), group = d.between(2, 6), b = d.between(group, std::max(top, group));
       const int64_t groups = d.between(1, (a * b - 1) / group);
       return Numbers{a, b, a * b - groups * group, group};
     },
     [](const Numbers& n, Work& w) { return w.over(w.minus(w.times(n.a, n.b), n.c), n.d); }},
};

constexpr const char* kNames[] = {"Mina", "Jun", "Sora", "Ben", "Hana", "Leo"};
constexpr const char* kNamesKo[] = {"민아", "준호", "소라", "지수", "하나", "태오"};  // all end in a vowel: 는

std::string told(std::string_view pattern, const Numbers& n, std::string_view name) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '{') {
      out += pattern[i];
      continue;
    }
    const char what = pattern[i + 1];
    i += 2;
    if (what == 'N')
      out += name;
    else
      out += fmt::format("{}", what == 'a' ? n.a : what == 'b' ? n.b : what == 'c' ? n.c : n.d);
  }
  return out;
}

}  // namespace

Drawn draw_word(Draw& draw, bool korean, int difficulty) {
  constexpr int64_t kLargest[kMaxDifficulty] = {9, 20, 50, 99, 200, 500, 1000, 5000};
  const int most_steps = difficulty < 3 ? 2 : 3;
  const Story* story;
  int64_t which;
  do {
    which = draw.below(static_cast<int64_t>(std::size(kStories)));
    story = &kStories[which];
  } while (story->steps > most_steps);
  const Numbers n = story->draw(draw, kLargest[difficulty - 1]);
  const int64_t name = draw.below(static_cast<int64_t>(std::size(kNames)));
  Work work;
  Drawn out;
  out.problem.answer = fmt::format("{}", story->work(n, work));
  out.problem.solution = work.text();
  out.problem.prompt = told(korean ? story->korean : story->english, n, korean ? kNamesKo[name] : kNames[name]);
  out.canonical = fmt::format("{}: {} {} {} {}", which, n.a, n.b, n.c, n.d);
  return out;
}

}  // namespace nuri::tasks
