// Fitting the free constants to published runs, and the error that is left: of each group of runs when all constants
// are fitted without it.
#pragma once

#include <functional>
#include <vector>

#include "plan/constants.h"
#include "plan/published.h"

namespace nuri::plan {

/// Predicted tokens per second and device, goodput of whole runs included.
double predict(const PublishedRun& run, const Constants& constants);
/// Predicted / measured - 1, of device-hours where those were published, else of tokens per second.
double error_of(const PublishedRun& run, const Constants& constants);

/// Levenberg-Marquardt on ln(predicted / measured), where errors beyond 0.5 count in proportion (Huber) and a run for
/// the -0.2th power of its group's size, beside the priors. Rows of low confidence and refused ones are not used.
Constants fit(const std::vector<const PublishedRun*>& runs, const Constants& start);

struct RunError {
  const PublishedRun* run = nullptr;
  double in_sample = 0;  ///< predicted / measured - 1, all groups fitted
  double left_out = 0;   ///< the same, its own group left out
};
struct FitResult {
  Constants all;
  std::vector<RunError> errors;  ///< of all runs that have a job, in their order
};
/// `progress` hears (groups done, groups).
FitResult cross_validate(const std::vector<PublishedRun>& runs, const std::function<void(size_t, size_t)>& progress);

struct ErrorSummary {
  size_t n = 0;
  double median = 0, p90 = 0, mean_log = 0;  ///< of the absolute errors; of ln(1 + error)
};
ErrorSummary summarise(const std::vector<double>& errors);

}  // namespace nuri::plan
