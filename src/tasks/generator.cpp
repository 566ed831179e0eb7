#include "tasks/generator.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "tasks/lookup.h"

namespace nuri::tasks {
namespace {

constexpr GeneratorKind kKinds[] = {
    {"arithmetic",
     "sums, differences and products; difficulty: from one operation on numbers below 10 to five below 1,000",
     "numeric=1", draw_arithmetic},
    {"word", "word problems of two or three steps; difficulty: larger numbers, more steps", "numeric=1", draw_word},
    {"countdown", "an expression of given numbers that gives a target; difficulty: 3 to 6 numbers", "countdown=1",
     draw_countdown},
    {"sort", "numbers in ascending order; difficulty: 3 to 10 numbers, more digits", "exact=1", draw_sort},
    {"letters", "a word backwards, how often a letter stands in it, last letters; difficulty: longer words", "exact=1",
     draw_letters},
    {"order", "who is the tallest, by comparisons; difficulty: 3 to 8 people", "exact=1", draw_order},
};

constexpr uint64_t kHeldOutOf = 8;
constexpr uint64_t kAttempts = 1024;  // (7 / 8)^1024: no index runs out of them while the other side has problems

}  // namespace

std::span<const GeneratorKind> generator_kinds() { return kKinds; }

const GeneratorKind& generator_named(std::string_view name, const std::string& where) {
  return find_kind<GeneratorKind>(kKinds, name, "generator", where);
}

Side side_of(std::string_view canonical) {
  // FNV-1a (64 bits), its high bits folded down; written out, because files depend on it.
  uint64_t h = 0xcbf29ce484222325u;
  for (const char c : canonical) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  h ^= h >> 32, h *= 0xd6e8feb86659fd93u, h ^= h >> 32;
  return h % kHeldOutOf == 0 ? Side::held_out : Side::train;
}

ProblemSource::ProblemSource(const GeneratorKind& kind, Language language, int difficulty, uint64_t seed, Side side)
    : kind_(kind), language_(language), difficulty_(difficulty), seed_(seed), side_(side) {
  NURI_CHECK(difficulty >= 1 && difficulty <= kMaxDifficulty, "difficulty {} of {}; allowed are 1 to {}", difficulty,
             kind.name, kMaxDifficulty);
}

std::vector<Problem> ProblemSource::distinct(int64_t count) const {
  constexpr int64_t kMostRepeats = 32;  // in a row, for each problem that is there
  std::vector<Problem> out;
  std::set<std::string> seen;
  int64_t repeats = 0;
  for (uint64_t i = 0;
       static_cast<int64_t>(out.size()) < count && repeats < kMostRepeats * static_cast<int64_t>(out.size() + 1); ++i) {
    Drawn drawn = drawn_at(i);
    if (!seen.insert(drawn.problem.language + drawn.canonical).second) {
      ++repeats;
      continue;
    }
    repeats = 0;
    out.push_back(std::move(drawn.problem));
  }
  return out;
}

Drawn ProblemSource::drawn_at(uint64_t index) const {
  const bool korean = language_ == Language::both ? index % 2 == 0 : language_ == Language::korean;
  for (uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    Draw draw(seed_, index * kAttempts + attempt);
    Drawn drawn = kind_.draw(draw, korean, difficulty_);
    if (side_of(fmt::format("{}:{}", kind_.name, drawn.canonical)) != side_) continue;
    drawn.problem.id = fmt::format("{}/{}/{}/{}", kind_.name, difficulty_, seed_, index);
    drawn.problem.category = kind_.name;
    drawn.problem.language = korean ? "ko" : "en";
    return drawn;
  }
  fail("{} of difficulty {}: no problem of this side was found; use a higher difficulty", kind_.name, difficulty_);
}

}  // namespace nuri::tasks
