// What the lines of a plan are called, in both languages: parts of a step, owners of memory, lines of money.
#pragma once

#include <span>

#include "plan/plan.h"

namespace nuri::plan {

/// `name.en` is also the key of the JSON.
struct PartName {
  report::Label name;
  double StepCost::*value;
};
std::span<const PartName> step_parts();

struct OwnerName {
  const char* key;  ///< of the JSON
  report::Label name;
  double DeviceMemory::*value;
};
std::span<const OwnerName> memory_owners();

struct MoneyName {
  const char* key;  ///< of the JSON
  report::Label name;
  double Money::*value;
};
std::span<const MoneyName> money_lines();

/// What stands out of a finished plan.
std::vector<report::Label> warnings_of(const Plan& plan);

/// time_text in both languages.
report::Label time_label(double days);

/// Rows of plans side by side: the name, then a cell for each plan.
std::vector<std::vector<report::Label>> compare_rows(const std::vector<OrderedJson>& plans);

}  // namespace nuri::plan
