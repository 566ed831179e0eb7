// Published training runs as jobs: what a row of the table states becomes a job, what it leaves open is filled in as a
// planner would (fewest devices a copy, largest micro-batch that fits), and what it measured becomes tokens per second
// and device. Columns: docs/plan.md.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "plan/layout.h"

namespace nuri::plan {

enum class RunTarget : uint8_t { tokens_per_s, step_time, utilisation, device_hours };
std::string_view target_name(RunTarget target);

struct PublishedRun {
  std::string id, model, group, confidence, kind;
  std::optional<Job> job;            ///< absent: refused
  std::string missing;               ///< of a refused row: the input it lacks
  std::vector<std::string> assumed;  ///< inputs filled in
  RunTarget target = RunTarget::tokens_per_s;
  double measured = 0;   ///< tokens per second and device
  bool derived = false;  ///< the target is arithmetic of the table's makers
  bool layout_unstated = false;
  bool whole_run = false;   ///< restarts, evaluation and the like are within
  double tokens = 0;        ///< of the run; 0: not stated
  double device_hours = 0;  ///< as published; 0: not stated
  /// Rows whose error counts: neither derived nor of low confidence.
  bool counts() const { return job && !derived && confidence != "low"; }
};

std::vector<PublishedRun> read_published(const std::filesystem::path& path);
std::vector<PublishedRun> parse_published(std::string_view csv, std::string file);

}  // namespace nuri::plan
