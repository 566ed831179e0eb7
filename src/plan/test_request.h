// For tests: the pre-training of DeepSeek-V3, as a request.
#pragma once

#include <filesystem>

#include "arch/shape_config.h"
#include "plan/plan.h"

namespace nuri::plan {

inline PlanRequest v3(int64_t devices) {
  PlanRequest r;
  r.model = "v3";
  r.job.shape = read_shape(std::filesystem::path(NURI_SOURCE_DIR) / "recipes" / "v3" / "config.json");
  r.job.device = find_device("H800-SXM-80GB");
  r.job.n_devices = devices;
  r.job.precision = Precision::fp8;
  PlanStage stage;
  stage.tokens = 14.8e12;
  stage.batch_tokens = 62'914'560;
  r.stages = {stage};
  r.prices.rent_usd = 2;
  return r;
}

}  // namespace nuri::plan
