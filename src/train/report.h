// report.html of a run, from its log and record.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "arch/deepseek_v3.h"
#include "ledger/run_record.h"
#include "train/metrics.h"

namespace nuri {

/// The report of a run as one page; `name` stands in its title.
std::string report_html(const std::string& name, const RunLog& log, const RunRecord& record,
                        const std::optional<DeepseekV3Config>& config);
/// Rewrites OUT/report.html from the log of a run, running or not. live: of a run that goes on in this process, from
/// some of a long log's rows (kLiveRows).
void write_report(const std::filesystem::path& out, bool live = false);

}  // namespace nuri
