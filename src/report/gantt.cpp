#include "report/gantt.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "report/axis.h"

namespace nuri::report {

std::string render(const Gantt& g) {
  constexpr double kLeft = 40, kWidth = 1100, kTop = 8;
  const double row = std::clamp(420.0 / static_cast<double>(std::max<int64_t>(1, g.n_rows)), 7.0, 26.0);
  double last = 0;
  for (const GanttBar& bar : g.bars) last = std::max(last, bar.end);
  if (last <= 0) last = 1;
  const double height = kTop + row * static_cast<double>(g.n_rows) + 44;
  std::string out = fmt::format("<figure class=\"wide\"><figcaption>{}</figcaption>\n", html(g.title));
  out += fmt::format("<svg class=\"chart\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n",
                     kLeft + kWidth + 10, height, escape(g.title.en));
  for (const GanttBar& bar : g.bars) {
    NURI_ASSERT(bar.row >= 0 && bar.row < g.n_rows && bar.kind >= 0 && bar.kind < static_cast<int64_t>(g.kinds.size()));
    const double x = kLeft + kWidth * bar.start / last,
                 width = std::max(0.4, kWidth * (bar.end - bar.start) / last - 0.4);
    const double y = kTop + row * static_cast<double>(bar.row);
    out += fmt::format(
        "<rect class=\"s{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"currentColor\"/>",
        bar.kind % 8, x, y, width, row - 1);
    // Digits of 10 px are 6 px wide; a separator among them is less.
    const double text_width = 4 + 5 * std::max(2.0, static_cast<double>(bar.text.size()));
    if (width > text_width && row > 13 && !bar.text.empty())
      out += fmt::format(
          "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" style=\"fill:#fff;font-size:10px\">{}</text>",
          x + width / 2, y + row / 2 + 3, escape(bar.text));
  }
  for (int64_t i = 0; i < g.n_rows; i += std::max<int64_t>(1, g.n_rows / 16))
    out += fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", kLeft - 6,
                       kTop + row * (static_cast<double>(i) + 0.5) + 4, i);
  const Axis axis(0, last, false, 8);
  const double base = kTop + row * static_cast<double>(g.n_rows) + 4;
  for (const double tick : axis.ticks()) {
    if (tick > last) continue;
    const double x = kLeft + kWidth * tick / last;
    out += fmt::format(
        "<path class=\"tick\" d=\"M{:.1f} {:.1f}v5\"/><text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>",
        x, base, x, base + 17, short_number(tick));
  }
  out += svg_text(g.x_title, fmt::format("class=\"axis\" x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"middle\"",
                                         kLeft + kWidth / 2, base + 34));
  out += "</svg>\n<ul class=\"legend\">";
  for (size_t k = 0; k < g.kinds.size(); ++k)
    out += fmt::format("<li class=\"s{}\"><i></i>{}</li>", k % 8, html(g.kinds[k]));
  return out + "</ul></figure>\n";
}

}  // namespace nuri::report
