// Charts as inline SVG: lines and heat maps. Colours come from the page's style sheet, so they follow light and dark.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "report/label.h"

namespace nuri::report {

struct Point {
  double x = 0, y = 0;
};

/// One line. Points that are not finite (or not positive on a logarithmic axis) are left out and break the line.
struct Series {
  Label name = {};
  std::vector<Point> points = {};  // ascending x
  bool dashed = false;
};

/// A shaded region between two curves over the same x, for example minimum and maximum.
struct Band {
  Label name = {};
  std::vector<double> x = {}, low = {}, high = {};  // equal sizes
};

struct LineChart {
  Label title = {}, x_title = {}, y_title = {};  // units in the titles, "tokens/s"
  std::vector<Series> series = {};
  std::vector<Band> bands = {};
  bool log_x = false, log_y = false;
  bool from_zero = false;  // the y axis starts at 0
};

enum class Scale {
  sequential,  // low to high, one hue
  diverging,   // around `centre`: below blue, above red
};

struct HeatMap {
  Label title = {}, row_title = {}, column_title = {}, value_title = {};
  int64_t n_rows = 0, n_columns = 0;
  std::vector<double> values = {};                               // [n_rows, n_columns]
  std::vector<std::string> row_labels = {}, column_labels = {};  // empty: 0, 1, 2, ...
  Scale scale = Scale::sequential;
  double centre = 1;         // of a diverging scale
  double least = -HUGE_VAL;  // no value can be below: the legend begins there
};

/// <figure> elements. Sizes that do not belong together are our own bug (assert).
std::string render(const LineChart& chart);
std::string render(const HeatMap& map);

/// At most 4 points for each of `buckets` equal steps of x: first, lowest, highest, last. Order kept; not finite points
/// stay as breaks (one each).
std::vector<Point> thin(const std::vector<Point>& points, int64_t buckets);

}  // namespace nuri::report
