// The rows of an evaluation's table.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/eval.h"

namespace nuri {

OrderedJson solved_json(const Solved& s) {
  OrderedJson j;
  j["problems"] = s.problems;
  j["samples"] = s.samples;
  j["pass_1"] = s.pass_1;
  j["low"] = s.interval.low;
  j["high"] = s.interval.high;
  for (size_t i = 0; i < s.pass_at.size(); ++i) j["pass_at"][std::to_string(int64_t{1} << i)] = s.pass_at[i];
  j["majority"] = s.majority;
  j["reward"] = s.reward;
  j["tokens"] = s.tokens;
  j["finished"] = s.finished;
  return j;
}

void print_solved(const std::string& what, const Solved& s) {
  fmt::print("{:<20} {:>8} {:>7.1f} % {:>5.1f} to {:>5.1f}", what, s.problems, 100 * s.pass_1, 100 * s.interval.low,
             100 * s.interval.high);
  for (size_t i = 1; i < s.pass_at.size(); ++i) fmt::print(" {:>8.1f}", 100 * s.pass_at[i]);
  if (s.samples > 1) fmt::print(" {:>9.1f}", 100 * s.majority);
  fmt::print(" {:>8.4f} {:>7.1f} {:>8.1f}\n", s.reward, s.tokens, 100 * s.finished);
}

void print_solved_heading(const Solved& s) {
  fmt::print("{:<20} {:>8} {:>9} {:>14}", "category", "problems", "pass@1", "95 %");
  for (size_t i = 1; i < s.pass_at.size(); ++i) fmt::print(" {:>8}", fmt::format("pass@{}", int64_t{1} << i));
  if (s.samples > 1) fmt::print(" {:>9}", "majority");
  fmt::print(" {:>8} {:>7} {:>8}\n", "reward", "tokens", "ended, %");
}

}  // namespace nuri
