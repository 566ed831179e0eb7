#include "train/outliers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/median.h"

namespace nuri {

std::optional<WarningRow> OutlierWatch::see_kind(Kind& kind, const char* what, int64_t step,
                                                 const std::vector<double>& values) {
  kind.history.resize(std::max(kind.history.size(), values.size()));
  WarningRow worst{.step = step, .what = what};
  double worst_factor = 0;
  for (size_t group = 0; group < values.size(); ++group) {
    std::deque<double>& history = kind.history[group];
    const double value = values[group];
    if (!(value > 0) || !std::isfinite(value)) continue;
    if (history.size() >= kKnown) {
      const double usual = median({history.begin(), history.end()});
      if (value > kFactor * usual) {
        ++worst.layers;
        if (value / usual > worst_factor) {
          worst_factor = value / usual;
          worst.group = static_cast<int64_t>(group), worst.value = value, worst.usual = usual;
        }
      }
    }
    history.push_back(value);
    if (history.size() > kRemembered) history.pop_front();
  }
  if (worst.layers == 0) return std::nullopt;
  if (step - kind.last_step < kSilence && worst_factor < 2 * kind.last_factor) return std::nullopt;
  kind.last_step = step, kind.last_factor = worst_factor;
  return worst;
}

std::vector<WarningRow> OutlierWatch::see(int64_t step, const std::vector<double>& gradient_norms,
                                          const std::vector<double>& updates) {
  std::vector<WarningRow> out;
  if (const auto row = see_kind(kinds_[0], "gradient norm", step, gradient_norms)) out.push_back(*row);
  if (const auto row = see_kind(kinds_[1], "update", step, updates)) out.push_back(*row);
  return out;
}

std::string group_name(int64_t group, int64_t n_groups, int64_t n_layers) {
  if (group == 0) return "embedding";
  if (group == n_groups - 1) return "head";
  return group > n_layers ? "MTP" : fmt::format("layer {}", group - 1);
}

std::string warning_text(const WarningRow& r, int64_t n_groups, int64_t n_layers) {
  std::string text = fmt::format("warning: step {}: {} of {} is {:.3g}, {:.1f} times its median", r.step, r.what,
                                 group_name(r.group, n_groups, n_layers), r.value, r.value / r.usual);
  if (r.layers > 1) text += fmt::format("; {} layers are outliers", r.layers);
  return text;
}

}  // namespace nuri
