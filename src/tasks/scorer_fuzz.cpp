// Any bytes as a generation, through every scorer: a finite score in [-1, 1], and none thrown. The first line is the
// reference.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tasks/scorer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nuri::tasks;
  static const Reward reward(
      "exact, numeric, fraction, expression, format, language(ko), language(en), length(max=64, soft=32), countdown, "
      "regex, choice",
      "fuzz");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(text.find('\n'), size);
  Problem p;
  p.answer = std::string(text.substr(0, line));
  p.numbers = {1, 2, 3, 5, 7, 10}, p.target = 24;
  std::vector<double> scores;
  const double sum = reward.of(p, {text.substr(line), static_cast<int64_t>(size), size % 2 == 0}, &scores);
  if (!std::isfinite(sum)) std::abort();
  for (const double score : scores)
    if (!(score >= -1 && score <= 1)) std::abort();
  return 0;
}
