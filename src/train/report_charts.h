// Line charts over the steps of a log.
#pragma once

#include <utility>
#include <vector>

#include "report/page.h"
#include "train/metrics.h"

namespace nuri {

/// One point for each row.
template <class Row, class Value>
report::Series series_of(report::Label name, const std::vector<Row>& rows, Value value, bool dashed = false) {
  report::Series s{std::move(name), {}, dashed};
  for (const Row& row : rows) s.points.push_back({static_cast<double>(row.step), value(row)});
  return s;
}

inline report::LineChart chart_of(report::Label title, report::Label y, std::vector<report::Series> series) {
  report::LineChart c;
  c.title = std::move(title);
  c.x_title = {"step", "스텝"};
  c.y_title = std::move(y);
  c.series = std::move(series);
  return c;
}

/// What reinforcement learning says of its steps: rewards, held-out answers, lengths, divergence, speed, and whether
/// trainer and sampler agreed.
void add_policy_charts(report::Page& page, const RunLog& log);

}  // namespace nuri
