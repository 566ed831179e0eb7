// Generators of problems with worked solutions: what a small model learns from and is rewarded on. Each is one file,
// generate_NAME.cpp, and one row of the registry in generator.cpp. A problem is a function of (seed, index): no state,
// the same on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/philox.h"
#include "tasks/problem.h"

namespace nuri::tasks {

/// The random numbers of one problem.
class Draw {
 public:
  Draw(uint64_t seed, uint64_t index) : random_(seed, Purpose::tasks, index) {}
  /// In [0, n).
  int64_t below(int64_t n) { return static_cast<int64_t>(random_.below(static_cast<uint64_t>(n), next_++)); }
  /// In [low, high].
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  template <class T, size_t N>
  const T& pick(const T (&list)[N]) {
    return list[below(static_cast<int64_t>(N))];
  }

 private:
  Philox random_;
  uint64_t next_ = 0;
};

enum class Side { train, held_out };

struct Drawn {
  Problem problem;        ///< id and category are filled in by the source
  std::string canonical;  ///< what is asked, whatever the language and wording: decides the side
};

inline constexpr int kMaxDifficulty = 8;

struct GeneratorKind {
  const char* name;
  const char* means;                                       ///< with what difficulty changes
  const char* reward;                                      ///< how its answers are scored (Reward)
  Drawn (*draw)(Draw& draw, bool korean, int difficulty);  ///< difficulty in [1, kMaxDifficulty]
};
std::span<const GeneratorKind> generator_kinds();
/// Errors: no such generator, with the nearest.
const GeneratorKind& generator_named(std::string_view name, const std::string& where);

/// One problem in eight is held out, by the hash of what it asks: no training problem is ever asked in evaluation, in
/// no language and by no seed.
Side side_of(std::string_view canonical);

/// The problems of one generator on one side.
class ProblemSource {
 public:
  enum class Language { korean, english, both };  ///< both: even indices are Korean
  ProblemSource(const GeneratorKind& kind, Language language, int difficulty, uint64_t seed, Side side);
  Problem at(uint64_t index) const { return drawn_at(index).problem; }
  /// The same with what is asked.
  Drawn drawn_at(uint64_t index) const;
  /// The first `count` problems of which no two ask the same in one language: what an interval takes for independent.
  /// Fewer where the generator has no more (it is asked 32 times for each that is there).
  std::vector<Problem> distinct(int64_t count) const;

 private:
  const GeneratorKind& kind_;
  Language language_;
  int difficulty_;
  uint64_t seed_;
  Side side_;
};

Drawn draw_arithmetic(Draw& draw, bool korean, int difficulty);
Drawn draw_word(Draw& draw, bool korean, int difficulty);
Drawn draw_countdown(Draw& draw, bool korean, int difficulty);
Drawn draw_sort(Draw& draw, bool korean, int difficulty);
Drawn draw_letters(Draw& draw, bool korean, int difficulty);
Drawn draw_order(Draw& draw, bool korean, int difficulty);

}  // namespace nuri::tasks
