#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "report/axis.h"
#include "report/charts.h"

namespace nuri::report {
namespace {

using Colour = std::array<double, 3>;

// Perceptually even steps, dark to bright (sequential) and blue to red over a light grey (diverging).
constexpr Colour kSequential[] = {{27, 28, 74},   {51, 64, 133},  {39, 107, 150}, {32, 146, 140},
                                  {76, 182, 105}, {164, 211, 68}, {250, 231, 80}};
constexpr Colour kDiverging[] = {{26, 79, 148},   {74, 138, 196}, {158, 197, 225}, {236, 236, 232},
                                 {244, 178, 138}, {214, 96, 77},  {150, 25, 47}};

std::string colour_at(Scale scale, double t) {
  const auto& stops = scale == Scale::sequential ? kSequential : kDiverging;
  const double at = std::clamp(t, 0.0, 1.0) * 6;
  const int k = std::min(5, static_cast<int>(at));
  const auto mix = [&](int c) {
    return static_cast<int>(stops[k][c] + (stops[k + 1][c] - stops[k][c]) * (at - k) + 0.5);
  };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2));
}

/// Value to [0, 1]. A diverging scale reaches as far on both sides as the farther value.
struct ColourScale {
  double low = 0, high = 1;
  explicit ColourScale(const HeatMap& map) {
    double least = INFINITY, most = -INFINITY;
    for (double v : map.values) {
      if (std::isfinite(v)) least = std::min(least, v), most = std::max(most, v);
    }
    if (least > most) return;
    low = least, high = most;
    if (map.scale == Scale::diverging) {
      const double reach = std::max(map.centre - low, high - map.centre);
      low = map.centre - reach, high = map.centre + reach;
    }
    if (!(high > low)) low -= 0.5, high += 0.5;
  }
  double operator()(double v) const { return (v - low) / (high - low); }
};

constexpr int64_t kMaxSide = 256;  // more rows or columns are averaged, so that the page stays small

/// Mean of the finite cells of a block of the matrix; NaN where there is none.
double block_mean(const HeatMap& map, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  double sum = 0;
  int64_t n = 0;
  for (int64_t r = r0; r < r1; ++r) {
    for (int64_t c = c0; c < c1; ++c) {
      const double v = map.values[static_cast<size_t>(r * map.n_columns + c)];
      if (std::isfinite(v)) sum += v, ++n;
    }
  }
  return n ? sum / static_cast<double>(n) : std::nan("");
}

std::string label_at(const std::vector<std::string>& labels, int64_t i) {
  return labels.empty() ? fmt::format("{}", i) : labels[static_cast<size_t>(i)];
}

/// Every how many labels one is written so that `space` units each suffice.
int64_t label_stride(int64_t n, double cell, double space) {
  for (int64_t stride : {1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128}) {
    if (static_cast<double>(stride) * cell >= space || stride >= n) return stride;
  }
  return std::max<int64_t>(1, n);
}

std::string legend_bar(const HeatMap& map, const ColourScale& scale, double x, double y, double width) {
  std::string out;
  constexpr int kSteps = 48;
  const double low = std::max(scale.low, map.least), span = scale.high - low;
  for (int i = 0; i < kSteps; ++i) {
    out += fmt::format("<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"9\" fill=\"{}\"/>",
                       x + width * i / kSteps, y, width / kSteps + 0.4,
                       colour_at(map.scale, scale(low + span * (i + 0.5) / kSteps)));
  }
  const double middle = map.scale == Scale::diverging ? map.centre : low + span / 2;
  const std::pair<double, const char*> marks[] = {{low, "start"}, {middle, "middle"}, {scale.high, "end"}};
  for (const auto& [value, anchor] : marks) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" dy=\"1.15em\">{:.3g}</text>",
                       x + width * (value - low) / span, y + 9, anchor, value);
  }
  return out;
}

}  // namespace

std::string render(const HeatMap& map) {
  NURI_ASSERT(map.n_rows >= 0 && map.n_columns >= 0 &&
              map.values.size() == static_cast<size_t>(map.n_rows * map.n_columns));
  NURI_ASSERT(map.row_labels.empty() || map.row_labels.size() == static_cast<size_t>(map.n_rows));
  NURI_ASSERT(map.column_labels.empty() || map.column_labels.size() == static_cast<size_t>(map.n_columns));
  const int64_t rows = std::min(map.n_rows, kMaxSide), columns = std::min(map.n_columns, kMaxSide);
  const bool wide = columns > 64;
  const double width = wide ? 1140 : 560, left = 58, right = 14, top = 6;
  const double cell_w = (width - left - right) / static_cast<double>(std::max<int64_t>(1, columns));
  const double cell_h = std::clamp(220.0 / static_cast<double>(std::max<int64_t>(1, rows)), 3.0, 26.0);
  const double plot_h = cell_h * static_cast<double>(rows), height = top + plot_h + 84;
  const ColourScale scale(map);

  std::string out = fmt::format("<figure{}><figcaption><b>{}</b>", wide ? " class=\"wide\"" : "", html(map.title));
  if (!map.value_title.empty()) out += fmt::format(" <span class=\"unit\">{}</span>", html(map.value_title));
  out +=
      fmt::format("</figcaption><svg viewBox=\"0 0 {} {:.0f}\" class=\"chart heat\" role=\"img\" aria-label=\"{}\">\n",
                  width, height, escape(map.title.en));
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t r0 = r * map.n_rows / rows, r1 = (r + 1) * map.n_rows / rows;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t c0 = c * map.n_columns / columns, c1 = (c + 1) * map.n_columns / columns;
      const double v = block_mean(map, r0, r1, c0, c1);
      const std::string place = fmt::format("x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\"",
                                            left + cell_w * c, top + cell_h * r, cell_w + 0.3, cell_h + 0.3);
      const std::string where = escape(label_at(map.row_labels, r0)) + ", " + escape(label_at(map.column_labels, c0));
      if (std::isfinite(v)) {
        out += fmt::format("<rect {} fill=\"{}\"><title>{}: {}</title></rect>", place, colour_at(map.scale, scale(v)),
                           where, short_number(v));
      } else {
        out += fmt::format("<rect {} class=\"missing\"><title>{}: -</title></rect>", place, where);
      }
    }
    if (r % label_stride(rows, cell_h, 13) == 0) {
      out += fmt::format("\n<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\" dy=\".32em\">{}</text>\n", left - 7,
                         top + cell_h * (static_cast<double>(r) + 0.5), escape(label_at(map.row_labels, r0)));
    }
  }
  const int64_t stride = label_stride(columns, cell_w, 34);
  for (int64_t c = 0; c < columns; c += stride) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" dy=\"1.3em\">{}</text>",
                       left + cell_w * (static_cast<double>(c) + 0.5), top + plot_h,
                       escape(label_at(map.column_labels, c * map.n_columns / columns)));
  }
  const double below = top + plot_h + 46;
  out += svg_text(map.row_title, fmt::format("class=\"axis\" x=\"{}\" y=\"{:.1f}\"", 4, below - 6));
  out += svg_text(map.column_title, fmt::format("class=\"axis\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\"",
                                                width - right, below - 6));
  out += legend_bar(map, scale, left, below + 8, 220);
  return out + "</svg></figure>\n";
}

}  // namespace nuri::report
