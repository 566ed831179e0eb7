// One question whose answer a program can check.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nuri::tasks {

struct Problem {
  std::string id;                 ///< unique inside its file or generator; errors name it
  std::string category;           ///< tables and charts are by it
  std::string language;           ///< "ko" or "en"; empty: not said
  std::string prompt;             ///< what the user asks
  std::string answer;             ///< the reference: a number, a text, a pattern, as the scorer takes it
  std::string solution;           ///< worked, as a thought; empty: none known
  std::vector<int64_t> numbers;   ///< Countdown: those that may be used, each once
  std::optional<int64_t> target;  ///< Countdown: what they must give
};

}  // namespace nuri::tasks
