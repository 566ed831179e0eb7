// What a run says of itself step by step: log.jsonl, one JSON object a line, and the live line of a terminal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eval/evaluate.h"
#include "train/outliers.h"
#include "train/step.h"

namespace nuri {

/// One optimizer step.
struct StepRow {
  int64_t step = 0;         ///< from 1
  int64_t tokens = 0;       ///< seen so far
  int64_t step_tokens = 0;  ///< of this step; 0 in older logs
  double loss = 0, main = 0, mtp = 0, balance = 0;
  double lr = 0, grad_norm = 0;
  double seconds = 0;                               ///< of this step
  double flops = 0;                                 ///< of this step
  std::vector<std::vector<int64_t>> expert_counts;  ///< per layer with experts (and its index in `layers`)
  std::vector<double> layer_rms, layer_logit;       ///< per layer
  std::vector<double> layer_grad_norm;              ///< embedding, layers, head; before clipping
  std::vector<double> layer_update;                 ///< the same: change of the matrices, relative (LayerNorms)
  double worst_load = 0;                            ///< largest over layers of max / mean tokens of an expert
  int64_t dead_experts = 0;
  int64_t clipped_heads = 0;  ///< by QK-clip
  double bias_norm = 0;       ///< of all router biases together
  bool operator==(const StepRow&) const = default;
};

struct EvalRow {
  int64_t step = 0;
  bool all_rows = false;
  double bits_per_byte = 0;
  std::map<std::string, double> by_source, by_language;
  bool ema = false;  ///< of the average of the weights
  bool operator==(const EvalRow&) const = default;
};

struct SampleRow {
  int64_t step = 0;
  std::string prompt, text;
  std::optional<double> reward;  ///< of reinforcement learning
  bool operator==(const SampleRow&) const = default;
};

/// What reinforcement learning says of a step beside its StepRow. Means are over the step's answers.
struct PolicyRow {
  int64_t step = 0;
  double reward = 0, solved = 0;        ///< solved: share for which the reward's first scorer gives 1
  std::map<std::string, double> parts;  ///< of the reward, unweighted
  double length = 0, finished = 0;      ///< tokens of an answer; share that ended by itself
  double entropy = 0;                   ///< mean of -log p over the drawn tokens, at the temperature: its estimate
  double kl = 0;                        ///< mean over trained tokens
  double clipped = 0;                   ///< share of trained tokens
  double equal_groups = 0;              ///< share of the groups drawn whose rewards are all equal
  int64_t compared_tokens = 0;          ///< by the trainer with the weights that sampled: the next two are of these
  double sampler_difference = 0;        ///< largest |log p of trainer - of sampler|
  int64_t other_experts = 0;            ///< tokens that the trainer routed otherwise
  int64_t prompts = 0, answers = 0;     ///< drawn
  int64_t dropped = 0;                  ///< problems of a file that are no longer asked
  int64_t too_long = 0;                 ///< prompts that generators made and that left no room for an answer
  int64_t answer_tokens = 0, trained_tokens = 0;  ///< drawn; of the trainer's forward, prompts included
  double rollout_seconds = 0, training_seconds = 0, reference_seconds = 0;
  double comparison_seconds = 0;  ///< of answers that no update looks at, by the trainer's forward alone
  double evaluation_seconds = 0;  ///< of held-out problems, since the row before
  double seconds = 0;  ///< since the row before: all of these, saving and what else there is; 0 in older logs

  double rollout_tokens_per_s() const;
  double training_tokens_per_s() const;
  /// Of `seconds`: rollout, training, reference, comparison, evaluation and other, 1 together; empty where they are 0.
  std::map<std::string, double> shares() const;
  bool operator==(const PolicyRow&) const = default;
};

/// Answers to held-out problems.
struct SolveRow {
  int64_t step = 0;
  int64_t problems = 0;
  double pass_1 = 0, low = 0, high = 0;                    ///< share of right answers, with Wilson's interval
  double length = 0;                                       ///< mean tokens
  std::map<std::string, double> by_category, by_language;  ///< pass_1
  bool operator==(const SolveRow&) const = default;
};

/// A checkpoint of the state after a step.
struct SaveRow {
  int64_t step = 0;
  bool background = false;
  bool last = false;         ///< of its process: no step waits for it any more
  double stall_seconds = 0;  ///< that the steps stood still; 0 of the last
  double end_seconds = 0;    ///< that the end of the process waited for the last, one under way before it included
  double write_seconds = 0;  ///< until it was whole
  int64_t bytes = 0;
};

/// Everything in a log, in order of steps.
struct RunLog {
  std::vector<StepRow> steps;
  std::vector<EvalRow> evals;
  std::vector<SampleRow> samples;
  std::vector<WarningRow> warnings;
  std::vector<SaveRow> saves;
  std::vector<PolicyRow> policy;
  std::vector<SolveRow> solves;
};

/// Appends to log.jsonl, a flush per row. Opening for a resumed run drops rows after `keep_steps` (and a torn last
/// line).
class LogWriter {
 public:
  LogWriter(const std::filesystem::path& path, int64_t keep_steps);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  void write(const StepRow& row);
  void write(const EvalRow& row);
  void write(const SampleRow& row);
  void write(const WarningRow& row);
  void write(const SaveRow& row);
  void write(const PolicyRow& row);
  void write(const SolveRow& row);

 private:
  void line(const std::string& json);
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

/// Errors: missing. Lines that are no rows (torn by a kill) are left out.
RunLog read_log(const std::filesystem::path& path);
RunLog parse_log(const std::string& text);

StepRow make_step_row(const StepResult& result, DeepseekV3& model, int64_t step, int64_t tokens, double lr,
                      double seconds);

/// The line of a terminal, rewritten in place on standard error; without a terminal one line every 10 seconds.
class LiveLine {
 public:
  LiveLine(int64_t total_steps, int64_t total_tokens, double peak_gflops, bool quiet);
  void show(const StepRow& row, double tokens_per_s);
  /// Any text in its place; at_once: even where the last one is not old yet.
  void show(const std::string& text, bool at_once);
  /// A line above it. A warning is one that --quiet does not hide.
  void note(const std::string& text);
  void warn(const std::string& text);
  void end();
  void set_peak(double gflops) { peak_gflops_ = gflops; }

 private:
  int64_t total_steps_, total_tokens_;
  double peak_gflops_;
  bool quiet_, terminal_;
  double last_shown_ = -1e9;
};

std::string duration_text(double seconds);  ///< "1 h 02 min", "3 min 20 s", "12 s"

}  // namespace nuri
