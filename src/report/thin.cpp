#include <algorithm>
#include <cmath>

#include "report/charts.h"

namespace nuri::report {
namespace {

bool is_finite(const Point& p) { return std::isfinite(p.x) && std::isfinite(p.y); }

/// Appends first, lowest, highest and last of points[begin, end), each once, in their order.
void keep_extremes(const std::vector<Point>& points, size_t begin, size_t end, std::vector<Point>& out) {
  size_t low = begin, high = begin;
  for (size_t i = begin; i < end; ++i) {
    if (points[i].y < points[low].y) low = i;
    if (points[i].y > points[high].y) high = i;
  }
  size_t kept[] = {begin, low, high, end - 1};
  std::sort(std::begin(kept), std::end(kept));
  const auto last = std::unique(std::begin(kept), std::end(kept));
  for (auto it = std::begin(kept); it != last; ++it) out.push_back(points[*it]);
}

}  // namespace

std::vector<Point> thin(const std::vector<Point>& points, int64_t buckets) {
  if (static_cast<int64_t>(points.size()) <= 4 * buckets) return points;
  double low = INFINITY, high = -INFINITY;
  for (const Point& p : points) {
    if (is_finite(p)) low = std::min(low, p.x), high = std::max(high, p.x);
  }
  const double width = high / buckets - low / buckets;
  const auto bucket = [&](const Point& p) {
    return width > 0 ? std::min(buckets - 1, static_cast<int64_t>((p.x - low) / width)) : int64_t(0);
  };
  std::vector<Point> out;
  for (size_t i = 0; i < points.size();) {
    if (!is_finite(points[i])) {  // one break, however many points are missing
      if (!out.empty() && is_finite(out.back())) out.push_back(points[i]);
      ++i;
      continue;
    }
    size_t end = i;
    while (end < points.size() && is_finite(points[end]) && bucket(points[end]) == bucket(points[i])) ++end;
    keep_extremes(points, i, end, out);
    i = end;
  }
  return out;
}

}  // namespace nuri::report
