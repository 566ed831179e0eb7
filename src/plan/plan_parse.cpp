// Quantities, stages and ramps as the command line writes them.
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "plan/plan.h"

namespace nuri::plan {

double parse_quantity(const std::string& text, const std::string& where) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const double factor = unit.empty()                 ? 1
                        : unit == "k" || unit == "K" ? 1e3
                        : unit == "M"                ? 1e6
                        : unit == "B" || unit == "G" ? 1e9
                        : unit == "T"                ? 1e12
                                                     : 0;
  NURI_CHECK(
      error == std::errc() && factor > 0 && std::isfinite(value) && value > 0 && value * factor < 1e18,
      "{}: found \"{}\"; a number above 0 is needed, for example 4096, 62.9M, 1.4T (k, M, B, T: powers of a thousand)",
      where, text.substr(0, 40));
  return value * factor;
}

std::string quantity_text(double value) {
  constexpr std::pair<double, const char*> kUnits[] = {{1e12, " T"}, {1e9, " B"}, {1e6, " M"}, {1e3, " k"}};
  for (const auto& [size, unit] : kUnits)
    if (value >= size) return fmt::format("{:.4g}{}", value / size, unit);
  return fmt::format("{:.4g}", value);
}

PlanStage parse_stage(const std::string& text) {
  const size_t equal = text.find('='), first = text.find(':', equal == std::string::npos ? 0 : equal);
  const size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  NURI_CHECK(
      equal != std::string::npos && equal > 0 && second != std::string::npos,
      "--stage: found \"{}\"; NAME=TOKENS:SEQUENCE:BATCH is needed, for example \"context 32K=63B:32768:62.9M\", "
      "or with a batch that grows over the first tokens \"pre-training=14.8T:4096:12.6M-62.9M/469B\"",
      text.substr(0, 60));
  PlanStage stage;
  stage.name = text.substr(0, equal);
  const std::string where = "--stage " + stage.name;
  stage.tokens = parse_quantity(text.substr(equal + 1, first - equal - 1), where + ": tokens");
  const double seq = parse_quantity(text.substr(first + 1, second - first - 1), where + ": sequence");
  NURI_CHECK(seq >= 1 && seq <= 1e8 && seq == std::floor(seq),
             "{}: sequences of {:.6g} tokens; a whole number from 1 to 100M is needed", where, seq);
  stage.seq_len = static_cast<int64_t>(seq);
  const std::string batch = text.substr(second + 1);
  const size_t dash = batch.find('-'), slash = batch.find('/');
  if (slash == std::string::npos) {
    stage.batch_tokens = parse_quantity(batch, where + ": batch");
    return stage;
  }
  NURI_CHECK(dash < slash, "{}: batch: found \"{}\"; FIRST-FULL/TOKENS is needed, for example 12.6M-62.9M/469B", where,
             batch.substr(0, 60));
  stage.ramp.first = parse_quantity(batch.substr(0, dash), where + ": first batch");
  stage.batch_tokens = parse_quantity(batch.substr(dash + 1, slash - dash - 1), where + ": batch");
  stage.ramp.tokens = parse_quantity(batch.substr(slash + 1), where + ": tokens of the ramp");
  return stage;
}

Ramp parse_ramp(const std::string& text) {
  const size_t colon = text.find(':');
  NURI_CHECK(colon != std::string::npos,
             "--ramp: found \"{}\"; BATCH:TOKENS is needed, the first batch and the tokens over which it grows to "
             "--batch, for example 12.6M:469B",
             text.substr(0, 60));
  return {parse_quantity(text.substr(0, colon), "--ramp: first batch"),
          parse_quantity(text.substr(colon + 1), "--ramp: tokens")};
}

}  // namespace nuri::plan
