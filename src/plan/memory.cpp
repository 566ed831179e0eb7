#include "plan/memory.h"

#include <algorithm>
#include <cmath>

#include "arch/counts.h"

namespace nuri::plan {
namespace {

double as_double(int64_t n) { return static_cast<double>(n); }

/// 16-bit values that a layer keeps of one token for its backward, tp not applied.
double kept_values(const ModelShape& s, bool moe, Recompute recompute, double operand) {
  const double d = as_double(s.d_model);
  if (recompute == Recompute::full) return d;
  const AttentionShape& a = s.attention;
  const double heads = as_double(a.n_heads), kv_heads = as_double(a.latent ? a.n_heads : a.n_kv_heads);
  // Queries, keys, values and what comes out; from a latent the first three are made again unless all is kept.
  double attention = heads * as_double(a.value_dim()) + as_double(a.q_lora_rank + a.kv_lora_rank);
  if (!a.latent || recompute == Recompute::none)
    attention += heads * as_double(a.key_dim()) + kv_heads * as_double(a.key_dim() + a.value_dim());
  // Norms (or their inputs) and the residual stream, which some keep in 32 bits.
  const double stream = recompute == Recompute::none ? (2 + 2 * operand) * d : 2 * d;
  // What went into the activation, and what came out of it unless that is made again.
  const auto ffn = [&](const MlpShape& m) {
    if (recompute == Recompute::ffn) return 0.0;
    return operand * ((m.gated ? 2 : 1) + (recompute == Recompute::none ? 1 : 0)) * as_double(m.width);
  };
  double out = attention + stream;
  if (moe) {
    const double copies = as_double(s.experts.n_active);
    out += copies * (ffn(s.experts.expert) + (recompute == Recompute::none ? 1 + operand : operand) * d) +
           ffn(s.experts.shared);
  } else {
    out += ffn(s.mlp);
  }
  return out;
}

}  // namespace

HeldValues held_values(const Job& job) {
  const ModelShape& s = job.shape;
  const Layout& l = job.layout;
  const ParameterCounts n = count_parameters(s);
  const double experts = as_double((s.n_moe_layers + s.n_mtp_layers) * s.experts.n_routed * n.expert);
  const double shared = as_double(n.total()) - experts;
  return {shared / as_double(l.tp * l.pp), experts / as_double(l.pp * l.ep * l.etp)};
}

DeviceMemory device_memory(const Job& job) {
  const ModelShape& s = job.shape;
  const Layout& l = job.layout;
  const double dp = job.data_parallel() * as_double(l.cp);
  const double group = l.shard > 0 ? std::min(as_double(l.shard), dp) : dp;
  const double expert_group = std::max(1.0, dp * as_double(l.tp) / as_double(l.ep * l.etp));
  const double over = l.zero >= 1 ? group : 1, expert_over = l.zero >= 1 ? std::min(expert_group, group) : 1;
  const HeldValues held = held_values(job);
  DeviceMemory m;
  const auto shared_by = [&](double bytes, int stage) {
    return l.zero >= stage ? bytes * (held.shared / over + held.experts / expert_over)
                           : bytes * (held.shared + held.experts);
  };
  // DualPipe holds a stage of either end, with its gradients.
  const double ends = l.schedule == Schedule::dualpipe ? 2 : 1;
  m.weights = shared_by(job.precision == Precision::fp32 ? 4 : 2, 3) * ends;
  if (!job.frozen) {
    m.gradients = shared_by(job.lean_states ? 2 : 4, 2) * ends;
    m.optimizer = shared_by(job.lean_states ? 6 : job.precision == Precision::fp32 ? 8 : 12, 1);
  }
  const double tokens = as_double(l.micro_batch) * as_double(job.seq_len) / as_double(l.cp);
  // Inputs of products are kept as they were multiplied.
  const double operand = job.precision == Precision::fp8 || job.precision == Precision::fp4 ? 0.5 : 1;
  // Without 16 bits all is kept in 32, and there is no second copy of the weights.
  const double wide = job.precision == Precision::fp32 ? 2 : 1;
  const double layers = as_double(s.n_layers + s.n_mtp_layers), moe = as_double(s.n_moe_layers + s.n_mtp_layers);
  const double kept =
      moe * kept_values(s, true, l.recompute, operand) + (layers - moe) * kept_values(s, false, l.recompute, operand);
  // The first stage holds the micro-batches of all stages before their backward begins; interleaving adds some, and
  // DualPipe one, on every device.
  const double in_flight = std::min(job.micro_batches(), as_double(l.pp) + (ends - 1)) *
                           (l.vp > 1 ? 1 + as_double(l.pp - 1) / as_double(l.pp * l.vp) : 1);
  m.activations = 2 * wide * tokens * kept * job.fullest_stage() / as_double(l.tp) / as_double(l.pp) * in_flight;
  if (l.recompute == Recompute::full)
    m.activations += 2 * wide * tokens * kept_values(s, s.n_moe_layers > 0, Recompute::none, operand) / as_double(l.tp);
  m.logits = std::min(tokens, 8192.0) * as_double(s.vocab_size) * 4 / as_double(l.tp);
  if (l.zero >= 3) m.workspace += 2 * 2 * (held.shared + held.experts) / layers * as_double(l.pp);
  m.workspace += 3e9;
  return m;
}

}  // namespace nuri::plan
