// Bars over time, one row for each worker, as inline SVG.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/label.h"

namespace nuri::report {

struct GanttBar {
  int64_t row = 0;
  double start = 0, end = 0;
  int64_t kind = 0;       ///< index into Gantt::kinds
  std::string text = {};  ///< inside the bar where it fits
};

struct Gantt {
  Label title, row_title, x_title;
  int64_t n_rows = 0;
  std::vector<Label> kinds;
  std::vector<GanttBar> bars;
};

/// A <figure>. Rows and kinds out of range are our own bug (assert).
std::string render(const Gantt& gantt);

}  // namespace nuri::report
