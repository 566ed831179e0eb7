// A small calculator in the page: sliders, and results that follow them without any network.
#pragma once

#include <string>
#include <vector>

#include "report/label.h"

namespace nuri::report {

struct Slider {
  std::string id;  ///< letters; its name in the formulas
  Label name;      ///< with the unit
  double low = 0, high = 1, value = 0;
  bool logarithmic = false;  ///< moves by factors; low > 0
};

struct Result {
  Label name;           ///< with the unit
  std::string formula;  ///< JavaScript over the sliders' ids; written by us, never taken from input
  std::string value;    ///< of the sliders' first values, shown until the script runs
};

struct Calculator {
  std::vector<Slider> sliders;
  std::vector<Result> results;
};

std::string render(const Calculator& calculator);

}  // namespace nuri::report
