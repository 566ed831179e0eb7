#include "plan/search.h"

#include <algorithm>
#include <cmath>

namespace nuri::plan {
namespace {

std::vector<int64_t> doubling(int64_t limit) {
  std::vector<int64_t> out;
  for (int64_t n = 1; n <= limit; n *= 2) out.push_back(n);
  return out;
}

template <class T>
std::vector<T> or_own(const std::vector<T>& values, T own) {
  return values.empty() ? std::vector<T>{own} : values;
}

/// Chunks are called interleaving.
Layout named(Layout l) {
  if (l.vp > 1) l.schedule = Schedule::interleaved;
  return l;
}

}  // namespace

bool is_possible(const Job& job) {
  const Layout& l = job.layout;
  const ModelShape& s = job.shape;
  const int64_t copy = l.tp * l.cp * l.pp;
  if (copy > job.n_devices || job.n_devices % copy != 0) return false;
  if (s.attention.n_heads % l.tp != 0 || l.pp > s.n_layers || l.pp * l.vp > s.n_layers) return false;
  if (l.pp == 1 && (l.vp > 1 || l.schedule != Schedule::one_f_one_b)) return false;
  if (l.vp > 1 && (l.schedule == Schedule::zero_bubble || l.schedule == Schedule::dualpipe)) return false;
  if (l.schedule == Schedule::dualpipe && l.pp % 2 != 0) return false;
  if (l.ep > 1 && (s.n_moe_layers == 0 || s.experts.n_routed % l.ep != 0)) return false;
  // Experts are spread over the devices that hold the same layers.
  if ((job.n_devices / l.pp) % (l.ep * l.etp) != 0) return false;
  if (l.cp > 1 && job.seq_len / l.cp < 64) return false;
  if (l.zero >= 3 && l.pp > 1) return false;
  const double rows = job.batch_tokens / static_cast<double>(job.seq_len) / job.data_parallel();
  if (std::max(1.0, rows / static_cast<double>(l.micro_batch)) < job.least_micro_batches() * (1 - 1e-9)) return false;
  return rows >= static_cast<double>(l.micro_batch) * (1 - 1e-9);
}

SearchSpace whole_space(const Job& job) {
  SearchSpace space;
  const ModelShape& s = job.shape;
  for (const int64_t n : doubling(std::min<int64_t>(job.device.node, 64)))
    if (n <= 64 && s.attention.n_heads % n == 0) space.tp.push_back(n);
  space.cp = doubling(std::max<int64_t>(1, std::min<int64_t>(64, job.seq_len / 1024)));
  for (int64_t n = 1; n <= std::min<int64_t>(s.n_layers, 64); ++n)
    if (job.n_devices % n == 0) space.pp.push_back(n);
  for (int64_t n = 1; n <= 16; ++n) space.vp.push_back(n);
  space.split_experts = s.n_moe_layers > 0;
  space.ep = {1};
  if (s.n_moe_layers > 0)
    for (int64_t n = 2; n <= std::min<int64_t>(s.experts.n_routed, 256); ++n)
      if (s.experts.n_routed % n == 0) space.ep.push_back(n);
  space.micro_batch = doubling(64);
  space.zero = {1, 2, 3};
  space.recompute = {Recompute::none, Recompute::selective, Recompute::ffn, Recompute::full};
  space.schedule = {Schedule::one_f_one_b, Schedule::zero_bubble, Schedule::dualpipe};
  return space;
}

SearchResult search(const Job& job, const SearchSpace& space, const Constants& constants, size_t keep,
                    double memory_share) {
  SearchResult result;
  const double limit = memory_share * 1e9 * job.device.memory_gb;
  const auto faster = [](const Candidate& a, const Candidate& b) { return a.step_seconds < b.step_seconds; };
  Job trial = job;
  Layout& l = trial.layout;
  for (const int64_t tp : or_own(space.tp, job.layout.tp))
    for (const int64_t cp : or_own(space.cp, job.layout.cp))
      for (const int64_t pp : or_own(space.pp, job.layout.pp))
        for (const int64_t ep : or_own(space.ep, job.layout.ep))
          for (const int64_t vp : or_own(space.vp, job.layout.vp))
            for (const Schedule schedule : or_own(space.schedule, job.layout.schedule))
              for (const int zero : or_own(space.zero, job.layout.zero))
                for (const int64_t rows : or_own(space.micro_batch, job.layout.micro_batch))
                  for (int split = 0; split <= (space.split_experts && tp > 1 && ep > 1 ? 1 : 0); ++split) {
                    l.tp = tp;
                    l.cp = cp;
                    l.pp = pp;
                    l.ep = ep;
                    l.etp = ep > 1 && split == 0 ? 1 : tp;
                    l.vp = vp;
                    l.schedule = schedule;
                    l.zero = zero;
                    l.micro_batch = rows;
                    l.overlap_experts = schedule == Schedule::dualpipe;
                    trial.batch_tokens = space.least_batch > 0 ? space.least_batch : job.batch_tokens;
                    if (!is_possible(trial)) continue;
                    trial.batch_tokens = job.batch_tokens;
                    // Less recomputation is faster: the first that fits is the one.
                    for (const Recompute recompute : or_own(space.recompute, job.layout.recompute)) {
                      l.recompute = recompute;
                      ++result.evaluated;
                      const DeviceMemory held = device_memory(trial);
                      const double memory = held.total() - (trial.offload ? held.state() : 0);
                      if (memory > limit) continue;
                      const StepCost cost = step_cost(trial, constants);
                      const Candidate found{named(l), cost.total(),
                                            tokens_per_s_per_device(trial, cost) * static_cast<double>(job.n_devices),
                                            memory};
                      const auto place = std::upper_bound(result.best.begin(), result.best.end(), found, faster);
                      if (result.best.size() < keep || place != result.best.end()) result.best.insert(place, found);
                      if (result.best.size() > keep) result.best.pop_back();
                      break;
                    }
                  }
  return result;
}

}  // namespace nuri::plan
