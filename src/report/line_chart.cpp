#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "report/axis.h"
#include "report/charts.h"

namespace nuri::report {
namespace {

// Geometry in SVG units; at a page width of 1,200 px one unit is about one pixel.
constexpr double kWidth = 560, kHeight = 300, kLeft = 66, kRight = 22, kTop = 12, kBottom = 44;
constexpr double kPlotWidth = kWidth - kLeft - kRight, kPlotHeight = kHeight - kTop - kBottom;
constexpr int64_t kBuckets = 280;  // two units each

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double v) { low = std::min(low, v), high = std::max(high, v); }
  bool empty() const { return low > high; }
};

class LinePlot {
 public:
  explicit LinePlot(const LineChart& chart)
      : chart_(chart), x_(axis(range_x(), chart.log_x, 6)), y_(axis(range_y(), chart.log_y, 5)) {}

  std::string render() const {
    std::string out = fmt::format(
        "<svg viewBox=\"0 0 {} {}\" class=\"chart lines\" role=\"img\" aria-label=\"{}\" "
        "data-plot=\"{:.17g} {:.17g} {:.17g} {:.17g} {} {}\">\n",
        kWidth, kHeight, escape(chart_.title.en), x_.low(), x_.high(), y_.low(), y_.high(), int(x_.logarithmic()),
        int(y_.logarithmic()));
    out += grid();
    for (size_t i = 0; i < chart_.bands.size(); ++i) out += band(chart_.bands[i], i);
    for (size_t i = 0; i < chart_.series.size(); ++i) out += line(chart_.series[i], i);
    out += svg_text(chart_.x_title,
                    fmt::format("class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"end\"", kWidth - kRight, kHeight - 6));
    return out + "<g class=\"cursor\"></g></svg>";
  }

 private:
  static Axis axis(const Range& r, bool logarithmic, int ticks) { return {r.low, r.high, logarithmic, ticks}; }
  bool drawn(double x, double y) const {
    return std::isfinite(x) && std::isfinite(y) && (!chart_.log_x || x > 0) && (!chart_.log_y || y > 0);
  }
  Range range_x() const {
    Range r;
    for (const Series& s : chart_.series) {
      for (const Point& p : s.points) {
        if (drawn(p.x, p.y)) r.add(p.x);
      }
    }
    for (const Band& b : chart_.bands) {
      for (size_t i = 0; i < b.x.size(); ++i) {
        if (drawn(b.x[i], b.low[i]) && drawn(b.x[i], b.high[i])) r.add(b.x[i]);
      }
    }
    return r;
  }
  Range range_y() const {
    Range r;
    for (const Series& s : chart_.series) {
      for (const Point& p : s.points) {
        if (drawn(p.x, p.y)) r.add(p.y);
      }
    }
    for (const Band& b : chart_.bands) {
      NURI_ASSERT(b.low.size() == b.x.size() && b.high.size() == b.x.size());
      for (size_t i = 0; i < b.x.size(); ++i) {
        if (drawn(b.x[i], b.low[i])) r.add(b.low[i]);
        if (drawn(b.x[i], b.high[i])) r.add(b.high[i]);
      }
    }
    if (r.empty()) return r;
    if (chart_.from_zero && !chart_.log_y) r.add(0);
    if (!chart_.log_y) {  // a little air, but not below a true zero
      const double air = (r.high - r.low) * 0.04;
      r.low = r.low >= 0 && r.low - air < 0 ? 0 : r.low - air;
      r.high += air;
    }
    return r;
  }

  double px(double x) const { return kLeft + kPlotWidth * x_.position(x); }
  double py(double y) const { return kTop + kPlotHeight * (1 - y_.position(y)); }

  std::string grid() const {
    std::string out;
    for (double t : y_.ticks()) {
      out += fmt::format("<path class=\"grid\" d=\"M{} {:.1f}H{}\"/>", kLeft, py(t), kWidth - kRight);
      out += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\" dy=\".32em\">{}</text>\n", kLeft - 5, py(t),
                         short_number(t));
    }
    for (double t : x_.ticks()) {
      out += fmt::format("<path class=\"tick\" d=\"M{:.1f} {}v5\"/>", px(t), kTop + kPlotHeight);
      out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\" dy=\"1.35em\">{}</text>\n", px(t),
                         kTop + kPlotHeight, short_number(t));
    }
    return out + fmt::format("<path class=\"frame\" d=\"M{} {}V{}H{}\"/>\n", kLeft, kTop, kTop + kPlotHeight,
                             kWidth - kRight);
  }

  /// Points in SVG units; those that cannot be drawn become breaks. Thinned here, so that a logarithmic axis keeps its
  /// detail.
  std::vector<Point> placed(const std::vector<Point>& points) const {
    std::vector<Point> out;
    out.reserve(points.size());
    for (const Point& p : points) {
      out.push_back(drawn(p.x, p.y) ? Point{px(p.x), py(p.y)} : Point{NAN, NAN});
    }
    return thin(out, kBuckets);
  }

  std::string line(const Series& s, size_t index) const {
    std::string d;
    bool pen_down = false;
    size_t n_drawn = 0;
    Point last;
    for (const Point& p : placed(s.points)) {
      if (std::isnan(p.x)) {
        pen_down = false;
        continue;
      }
      d += fmt::format("{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', p.x, p.y);
      pen_down = true;
      last = p;
      ++n_drawn;
    }
    if (n_drawn == 0) return {};
    std::string out = fmt::format("<path class=\"line s{}{}\" d=\"{}\"><title>{}</title></path>\n", index % 8,
                                  s.dashed ? " dashed" : "", d, escape(s.name.en));
    if (n_drawn == 1) {
      out +=
          fmt::format("<circle class=\"dot s{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>\n", index % 8, last.x, last.y);
    }
    return out;
  }

  std::string band(const Band& b, size_t index) const {
    std::vector<Point> low, high;
    for (size_t i = 0; i < b.x.size(); ++i) {
      if (!drawn(b.x[i], b.low[i]) || !drawn(b.x[i], b.high[i])) continue;
      low.push_back({b.x[i], b.low[i]});
      high.push_back({b.x[i], b.high[i]});
    }
    if (low.size() < 2) return {};
    std::string d;
    for (const Point& p : placed(high)) d += fmt::format("{}{:.1f} {:.1f}", d.empty() ? 'M' : 'L', p.x, p.y);
    const std::vector<Point> below = placed(low);
    for (auto it = below.rbegin(); it != below.rend(); ++it) d += fmt::format("L{:.1f} {:.1f}", it->x, it->y);
    return fmt::format("<path class=\"band s{}\" d=\"{}Z\"><title>{}</title></path>\n", index % 8, d,
                       escape(b.name.en));
  }

  const LineChart& chart_;
  Axis x_, y_;
};

std::string legend(const LineChart& chart) {
  if (chart.series.size() + chart.bands.size() < 2) return {};
  std::string out = "<ul class=\"legend\">";
  for (size_t i = 0; i < chart.series.size(); ++i) {
    out += fmt::format("<li><i class=\"s{}{}\"></i>{}</li>", i % 8, chart.series[i].dashed ? " dashed" : "",
                       html(chart.series[i].name));
  }
  for (size_t i = 0; i < chart.bands.size(); ++i) {
    out += fmt::format("<li><i class=\"s{} area\"></i>{}</li>", i % 8, html(chart.bands[i].name));
  }
  return out + "</ul>";
}

}  // namespace

std::string render(const LineChart& chart) {
  std::string out = fmt::format("<figure><figcaption><b>{}</b>", html(chart.title));
  if (!chart.y_title.empty()) out += fmt::format(" <span class=\"unit\">{}</span>", html(chart.y_title));
  return out + "</figcaption>" + legend(chart) + LinePlot(chart).render() + "</figure>\n";
}

}  // namespace nuri::report
