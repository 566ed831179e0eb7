#include "plan/step_time.h"

#include <algorithm>
#include <cmath>

#include "arch/counts.h"
#include "plan/exchange.h"
#include "plan/layer_time.h"
#include "plan/memory.h"
#include "plan/schedule.h"

namespace nuri::plan {
namespace {

/// Passes over memory of elementwise operations one by one, beside fused ones.
constexpr double kUnfused = 2;
/// Share of a layer's host time that is left where recorded graphs are launched.
constexpr double kGraphs = 0.2;
/// How far the host's time and the device's overlap: (a^p + b^p)^(1/p).
constexpr double kHostOverlap = 1.5;

double as_double(int64_t n) { return static_cast<double>(n); }

}  // namespace

double flops_per_token(const Job& job) {
  const int64_t length = job.seq_len;
  const double forward = forward_flops(job.shape, std::span(&length, 1), true) / as_double(length);
  return (job.frozen ? 2 : 3) * forward;
}

StepCost step_cost(const Job& job, const Constants& c) {
  const Layout& l = job.layout;
  const ModelShape& s = job.shape;
  const LayerClock clock(job, c);
  const Rates& r = clock.rates();
  const double pp = as_double(l.pp), m = job.whole_micro_batches();
  StepCost out;
  double computing = 0;  // of one micro-batch on one stage
  double forward = 0;
  const double visible_tp = 1 - c[Constant::hidden_tp];
  const auto layers = [&](double n, bool moe) {
    if (n <= 0) return;
    n *= job.fullest_stage() / pp;  // the other stages wait for it
    LayerTime t = clock.layer(moe);
    const Exchange x = exchange_of(job, clock, moe);
    const double attention = 3.5 * t.attention_forward;
    double again = 0, exchange_again = 0;
    if (l.unfused) t.elementwise *= kUnfused;
    const double elementwise_forward = t.elementwise / 3;
    if (l.recompute == Recompute::full) {
      again = t.forward + t.attention_forward + elementwise_forward;
      exchange_again = x.tensor_forward;
    } else if (l.recompute == Recompute::ffn) {
      again = 0.67 * t.ffn_forward + t.up_forward + elementwise_forward;
    } else if (l.recompute == Recompute::selective) {
      again = t.up_forward + elementwise_forward;
    }
    // The host issues a layer's kernels while the device works, and holds it up where it takes longer.
    const double host = (c[Constant::layer_gap] + (moe ? c[Constant::expert_gap] : 0)) * (l.graphs ? kGraphs : 1);
    const double device = t.forward + t.backward + attention + t.elementwise + again;
    const double gaps = beyond(device, host, kHostOverlap);
    out.products += m * n * (t.forward + t.backward);
    out.attention += m * n * attention;
    out.elementwise += m * n * t.elementwise;
    out.gaps += m * n * gaps;
    out.recompute += m * n * again;
    out.tensor += m * n * visible_tp * (x.tensor_all + exchange_again);
    const double working = device + gaps;
    const double dispatch = x.experts_all * (l.recompute == Recompute::full ? 1.5 : 1);
    // DualPipe runs the exchange of one micro-batch beside the computing of another.
    const double experts =
        l.overlap_experts ? std::max(0.0, dispatch - working) : beyond(working, dispatch, c[Constant::hidden_ep]);
    out.experts += m * n * experts;
    computing += n * (working + visible_tp * x.tensor_all + experts);
    forward += n * (t.forward + t.attention_forward + elementwise_forward);
  };
  const double moe = as_double(s.n_moe_layers), mtp = as_double(s.n_mtp_layers);
  layers(as_double(s.n_layers) - moe, false);
  layers(moe + (moe > 0 ? mtp : 0), moe > 0);
  // The head, once for the model and once for each MTP layer; its softmax passes over the logits in 32 bits.
  const double head =
      clock.head() * (job.frozen ? 2 : 3) + clock.tokens() * as_double(s.vocab_size) / as_double(l.tp) * 16 / r.memory;
  // It stands on a stage with fewer layers, where those of the fullest leave room.
  const double room = computing * (1 - 1 / job.fullest_stage());
  const double heads = std::max(0.0, (1 + mtp) * head / pp - room);
  out.products += m * heads;
  computing += heads;
  forward += heads / 3;
  if (l.pp > 1) {
    const double bytes = clock.tokens() * as_double(s.d_model) * 2 / as_double(l.tp) * 2 * as_double(l.vp);
    const double boundary = visible_tp * bytes / r.network;
    out.tensor += m * boundary;
    computing += boundary;
    const double chunk_forward = forward / as_double(l.vp), chunk_backward = (computing - forward) / as_double(l.vp);
    out.bubble = idle_by_formula(l.schedule, l.pp, {chunk_forward, chunk_backward, chunk_backward / 2});
  }
  out.micro_forward = forward;
  out.micro_backward = computing - forward;

  // Gradients and weights between replicas; the optimizer's passes over memory.
  const HeldValues held = held_values(job);
  if (!job.frozen) {
    out.data = data_exchange(job, clock, c, computing);
    const Sharers sharers = sharers_of(job);
    out.optimizer = 28 * (held.shared / sharers.shared + held.experts / sharers.experts) / r.memory;
  }
  out.optimizer += c[Constant::step_gap];

  // What does not fit moves to the host: optimizer state once a step, weights in every pass.
  const DeviceMemory memory = device_memory(job);
  const double over = memory.total() - 0.95e9 * job.device.memory_gb;
  if (job.offload && over > 0 && job.device.memory_gb > 0) {
    const double once = std::min(over, memory.optimizer);
    const double always = std::min(over - once, memory.weights + memory.gradients);
    const double working = out.products + out.attention + out.elementwise;
    out.offload = beyond(working, (2 * once + 3 * m * always) / r.host, c[Constant::hidden_dp]);
  }
  const double nodes = std::max(1.0, static_cast<double>(job.n_devices) / static_cast<double>(job.device.node));
  out.straggle = out.total() * c[Constant::straggler] * std::log2(nodes);
  return out;
}

double tokens_per_s_per_device(const Job& job, const StepCost& cost) {
  const double tokens =
      job.micro_batches() * static_cast<double>(job.seq_len * job.layout.micro_batch) * job.data_parallel();
  return tokens / cost.total() / static_cast<double>(job.n_devices);
}

}  // namespace nuri::plan
