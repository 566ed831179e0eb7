// A training run: from shards to a model directory, resumable at any instant with the same bits.
//
// OUT/ is a model directory once the run saved: config.json, model.safetensors, tokenizer files; so is OUT/ema/, the
// average of the weights, with ema_decay. Beside them:
// checkpoints/step-N (whole directories with trainer/), recipe.toml, run.json, log.jsonl, report.html, run.lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/evaluate.h"
#include "ledger/run_record.h"
#include "train/memory_plan.h"
#include "train/metrics.h"
#include "train/recipe.h"
#include "train/source.h"

namespace nuri {

struct TrainOptions {
  ResolvedRecipe recipe;
  std::filesystem::path out;
  bool resume = false;                  ///< continue where the newest checkpoint ends; start where there is none
  std::optional<int64_t> memory_limit;  ///< bytes; default: what the process may use
  double peak_gflops = 0;               ///< measured, for MFU; 0: not shown
  std::string level;                    ///< of the kernels, for the record
  std::vector<std::string> command;
  bool quiet = false;
};

struct TrainSummary {
  std::string outcome;  ///< "finished" or "stopped" (by a signal, saved)
  int64_t steps = 0, total_steps = 0, tokens = 0;
  bool out_of_patience = false;   ///< ended before total_steps, since validation no longer fell
  int64_t published_step = 0;     ///< whose model is in the run's directory; 0: none
  double flops = 0, seconds = 0;  ///< of this process
  double tokens_per_s = 0;        ///< median over the steps of this process
  double mfu = 0;                 ///< of the same; 0 where the peak is not known
  int64_t memory_planned = 0;     ///< anonymous memory, MemoryPlan::total
  int64_t memory_anonymous = 0;   ///< the same, measured after each step
  int64_t memory_peak = 0;        ///< resident, mapped files included, measured
  int64_t saves = 0;              ///< of this process
  double longest_stall = 0;       ///< seconds that a save kept the steps waiting
  double loss = 0;                ///< of the last step
  EvalResult eval_ema;            ///< the same of the average of the weights, where one is kept
  EvalResult eval;                ///< of all validation rows, at the end of a finished run; of the published model
  std::string weights_hash;       ///< of the final weights (see weights_hash())
};

/// Errors: those of recipe, data, memory, disk; another process in OUT; a finished run; a run there without --resume;
/// resuming with keys that change the bits.
TrainSummary train(const TrainOptions& options, TrainSource& source);

/// Steps of a run on these data.
int64_t total_steps(const Recipe& recipe, TrainSource& source);

/// 64-bit FNV-1a over names and bytes of all tensors a model directory holds, in name order: equal on every machine.
std::string weights_hash(DeepseekV3& model);

/// The report of a run as one page; `name` stands in its title.
std::string report_html(const std::string& name, const RunLog& log, const RunRecord& record,
                        const std::optional<DeepseekV3Config>& config);
/// Rewrites OUT/report.html from the log of a run, running or not.
void write_report(const std::filesystem::path& out);

}  // namespace nuri
