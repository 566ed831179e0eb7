// Scorers: what evaluation counts and reinforcement learning rewards. Each is one file, score_NAME.cpp, and one row of
// the registry in scorer.cpp. A scorer is a function of the problem and the generation alone, takes any bytes, throws
// nothing and takes time in proportion to the bytes (regex: bounded by its limit of steps).
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/problem.h"
#include "tasks/response.h"

namespace nuri::tasks {

/// A generation with its parts already cut.
struct Scored {
  const Problem& problem;
  Generation generation;
  Response response;
};

/// 0 to 1, where not said otherwise.
using Score = std::function<double(const Scored&)>;

/// What stands in parentheses behind a scorer's name: "max=512, soft=128". Values are read once, by the scorer's maker;
/// what it did not read is refused.
class ScorerArguments {
 public:
  ScorerArguments(std::string_view text, std::string where);
  /// Errors: absent without a fallback, no whole number, outside [min, max].
  int64_t integer(const std::string& key, int64_t min, int64_t max);
  /// The one value without a key: "ko" of language(ko). Errors: none, or not among `allowed`.
  std::string choice(std::span<const std::string_view> allowed);
  void refuse_unread() const;

 private:
  std::string where_;
  std::map<std::string, std::string> values_;  // "" is the key of a value without one
};

struct ScorerKind {
  const char* name;
  const char* arguments;  ///< "max=TOKENS, soft=TOKENS"; empty: none
  const char* means;      ///< one line, for help and docs
  Score (*make)(ScorerArguments&);
  /// Throws Error with the reason where a problem lacks what the scorer needs. Null: it needs nothing.
  void (*check)(const Problem&);
};
std::span<const ScorerKind> scorer_kinds();

Score make_exact(ScorerArguments&);
Score make_numeric(ScorerArguments&);
Score make_fraction(ScorerArguments&);
Score make_expression(ScorerArguments&);
Score make_format(ScorerArguments&);
Score make_language(ScorerArguments&);
Score make_length(ScorerArguments&);
Score make_countdown(ScorerArguments&);
Score make_regex(ScorerArguments&);
Score make_choice(ScorerArguments&);
void check_number(const Problem& problem);      ///< the answer is a number (number.h)
void check_expression(const Problem& problem);  ///< the answer is an expression with a value
void check_countdown(const Problem& problem);   ///< numbers and a target
void check_regex(const Problem& problem);       ///< the answer is a pattern
void check_choice(const Problem& problem);      ///< the answer is one letter, A to Z

/// The first 80 bytes of a reference, for messages.
std::string shortened(const std::string& reference);

/// A weighted sum of scorers: "numeric=1, format=0.1, language(ko)=0.2".
class Reward {
 public:
  /// Errors, naming `where`: an unknown scorer (with the nearest), wrong arguments, a weight that is no finite number,
  /// a scorer twice with the same arguments, none at all.
  Reward(std::string_view text, const std::string& where);

  struct Part {
    std::string name;  ///< as written: "language(ko)"
    double weight = 1;
    const ScorerKind* kind = nullptr;
    Score score;
  };
  const std::vector<Part>& parts() const { return parts_; }

  /// Why a scorer cannot judge this problem ("numeric: the reference 'x' is no number ..."); empty: all of them can.
  std::string cannot_judge(const Problem& problem) const;
  /// Throws Error where one cannot, naming the problem.
  void check(const Problem& problem) const;
  /// The weighted sum; `scores` gets those of the parts, unweighted.
  double of(const Problem& problem, const Generation& generation, std::vector<double>* scores = nullptr) const;

 private:
  std::vector<Part> parts_;
};

}  // namespace nuri::tasks
