#include "plan/defaults.h"

#include <algorithm>
#include <cmath>

#include "arch/counts.h"
#include "base/error.h"
#include "plan/memory.h"
#include "plan/search.h"

namespace nuri::plan {
namespace {

bool fits(const Job& job) { return device_memory(job).total() <= 0.95e9 * job.device.memory_gb; }

/// Recomputation from none upwards until the job fits.
bool fit_recompute(Job& job) {
  for (const Recompute r : {Recompute::none, Recompute::selective, Recompute::ffn, Recompute::full}) {
    job.layout.recompute = r;
    if (fits(job)) return true;
  }
  return false;
}

/// The fastest layout that fits, by the constants before any fit: what a careful team would run.
bool choose_layout(Job& job, const OpenInputs& open) {
  SearchSpace space = whole_space(job);
  space.cp = {job.layout.cp};
  if (!open.tensor) space.tp = {job.layout.tp};
  if (job.layout.micro_batch > 0) space.micro_batch = {job.layout.micro_batch};
  if (!open.recompute) space.recompute = {job.layout.recompute};
  space.schedule = {job.layout.schedule};
  space.zero = {1};
  const SearchResult found = search(job, space, prior_constants(), 1);
  if (!found.best.empty()) job.layout = found.best.front().layout;
  return !found.best.empty();
}

}  // namespace

bool fill_defaults(Job& job, const OpenInputs& open, std::vector<std::string>& assumed) {
  Layout& l = job.layout;
  if (job.seq_len <= 0) {
    job.seq_len = job.shape.max_seq_len > 0 ? std::min<int64_t>(job.shape.max_seq_len, 4096) : 4096;
    assumed.push_back(fmt::format("sequences of {}", job.seq_len));
  }
  if (job.n_devices <= 0) {
    // A device for each 0.2 billion active parameters, in whole nodes: what published runs of known size lie around.
    const double active = static_cast<double>(count_parameters(job.shape).active);
    const double held = 16 * static_cast<double>(count_parameters(job.shape).total()) / (0.25e9 * job.device.memory_gb);
    const double nodes = std::exp2(std::round(std::log2(std::max({1.0, active / 2e8 / 8, held / 8}))));
    job.n_devices = 8 * static_cast<int64_t>(std::clamp(nodes, 1.0, 2048.0));
    assumed.push_back(fmt::format("{} devices", job.n_devices));
  }
  bool layout_open = open.layout;
  if (!layout_open && open.tensor && l.pp == 1 && l.zero < 3 && job.n_devices > 1) {
    Job trial = job;
    trial.layout.micro_batch = 1;
    trial.layout.recompute = Recompute::full;
    layout_open = !fits(trial);
  }
  if (job.batch_tokens <= 0) {
    job.batch_tokens = std::max(
        4e6, static_cast<double>(job.seq_len) * job.data_parallel() * static_cast<double>(l.pp > 1 ? 4 * l.pp : 1));
    assumed.push_back(fmt::format("{:.3g} tokens a step", job.batch_tokens));
  }
  bool chosen = false;
  if (layout_open) {
    chosen = choose_layout(job, open);
    if (chosen) assumed.push_back("the fastest layout: " + layout_text(l));
  }
  if (!chosen && open.interleaving && l.pp > 1) {
    l.vp = l.schedule == Schedule::one_f_one_b ? std::clamp<int64_t>(job.shape.n_layers / l.pp, 1, 4) : 1;
    assumed.push_back(fmt::format("vp {}", l.vp));
  }
  if (l.pp > 1 && l.micro_batch > 1 && job.micro_batches() < 1.5) {
    l.micro_batch = 1;
    assumed.push_back("micro-batches of 1 (the one stated is a pipeline's whole batch)");
  }
  if (l.micro_batch <= 0) {
    // As many tokens at once as fill the device, if they fit and the batch has them.
    l.micro_batch = 1;
    const double rows = job.batch_tokens / static_cast<double>(job.seq_len) / job.data_parallel();
    while (l.micro_batch < 64) {
      Job trial = job;
      trial.layout.micro_batch *= 2;
      if (static_cast<double>(trial.layout.micro_batch) >
          rows / static_cast<double>(std::max<int64_t>(1, l.pp > 1 ? 4 * l.pp : 1)))
        break;
      if (trial.layout.micro_batch * job.seq_len > 16384) break;
      if (open.recompute ? !fit_recompute(trial) || trial.layout.recompute == Recompute::full : !fits(trial)) break;
      l.micro_batch *= 2;
    }
    assumed.push_back(fmt::format("micro-batches of {}", l.micro_batch));
  }
  if (open.recompute && !chosen) {
    fit_recompute(job);
    assumed.push_back(fmt::format("recompute {}", recompute_name(l.recompute)));
  }
  return chosen;
}

}  // namespace nuri::plan
