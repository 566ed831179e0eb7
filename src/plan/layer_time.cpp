#include "plan/layer_time.h"

#include <algorithm>
#include <cmath>

namespace nuri::plan {
namespace {

double as_double(int64_t n) { return static_cast<double>(n); }

}  // namespace

Rates rates_of(const Job& job, const Constants& c) {
  const Device& d = job.device;
  // From 125 TFLOP/s at 300 W to 2,250 at 1,000 W, chips' power grew with their rate to the power 0.416. One with less
  // power than that line runs below the clock of its peak: smoothly min(1, w / reference)^power.
  const double budget = d.watts > 0 ? d.watts / (40 * std::pow(d.bf16, 0.416)) : 1;
  const double clock = std::pow(1 + std::pow(budget, -4), -0.25 * c[Constant::power]);
  Rates r;
  r.product_16 = d.peak(Precision::bf16) * clock * c[Constant::product_16];
  r.attention = d.peak(Precision::bf16) * clock * c[Constant::attention];
  switch (job.precision) {
    case Precision::bf16:
      r.product = r.product_16;
      break;
    case Precision::fp32:
      r.product = d.peak(Precision::fp32) * clock * c[Constant::product_16];
      break;
    case Precision::fp8:
      r.product = d.peak(Precision::fp8) * clock * c[Constant::product_8];
      break;
    case Precision::fp4:
      r.product = d.peak(Precision::fp4) * clock * c[Constant::product_4];
      break;
  }
  r.value_bytes = job.precision == Precision::fp32 ? 4 : job.precision == Precision::bf16 ? 2 : 1;
  r.memory = d.memory_gbs * 1e9 * c[Constant::memory];
  r.link = std::max(d.link_gbs, d.network_gbs) * 1e9 * c[Constant::link];
  // Where no network is stated, a node of that kind is taken to have 1/16 of its link.
  r.network = (d.network_gbs > 0 ? d.network_gbs : d.link_gbs / 16) * 1e9 * c[Constant::network];
  r.host = std::max(d.host_gbs, 1.0) * 1e9 * c[Constant::link];
  return r;
}

LayerClock::LayerClock(const Job& job, const Constants& c)
    : job_(job),
      c_(c),
      r_(rates_of(job, c)),
      tokens_(as_double(job.layout.micro_batch * job.seq_len) / as_double(job.layout.cp)) {}

/// C [rows, n] = A [rows, k] B [k, n], of `groups` B each with its share of the rows. Backward: two products of that
/// size, the gradient of B read and written in 32 bits.
void LayerClock::add(LayerTime& t, double& moved, double rows, double n, double k, double groups, double rate) const {
  const double weights = groups * k * n;
  // What starts and ends a tile costs as much as `half` terms of its sums.
  const double half = c_[Constant::product_half] * 2 / r_.value_bytes;
  const double bytes = (r_.value_bytes * (rows * k + weights) + 2 * rows * n) / r_.memory;
  const auto pass = [&](double depth) { return 2 * rows * n * k / rate * (1 + half / depth) + bytes; };
  t.forward += pass(k);
  t.backward += pass(n);
  if (!job_.frozen) t.backward += pass(std::max(1.0, rows / groups)) + 8 * weights / r_.memory;
  moved += rows * (n + k);
}
template <class Product>
void LayerClock::mlp(const MlpShape& m, Product&& product) const {
  const double tp = as_double(job_.layout.tp), d = as_double(job_.shape.d_model), width = as_double(m.width) / tp;
  product(tokens_, (m.gated ? 2 : 1) * width, d);
  product(tokens_, d, width);
}

LayerTime LayerClock::layer(bool moe) const {
  const ModelShape& s = job_.shape;
  const AttentionShape& a = s.attention;
  const double tp = as_double(job_.layout.tp), d = as_double(s.d_model), heads = as_double(a.n_heads) / tp;
  LayerTime t;
  double moved = 0;  // operand values, for the casts of 8 bits
  const auto product = [&](double rows, double n, double k) { add(t, moved, rows, n, k, 1, r_.product); };
  if (a.latent) {
    const double q_rank = as_double(a.q_lora_rank), kv_rank = as_double(a.kv_lora_rank);
    const double keys = heads * as_double(a.key_dim());
    if (q_rank > 0) product(tokens_, q_rank, d);
    const double down = t.forward;
    product(tokens_, keys, q_rank > 0 ? q_rank : d);
    t.up_forward = t.forward - down;
    product(tokens_, as_double(a.kv_values()), d);
    const double before_kv = t.forward;
    product(tokens_, heads * as_double(a.qk_nope_head_dim + a.v_head_dim), kv_rank);
    t.up_forward += t.forward - before_kv;
    product(tokens_, d, heads * as_double(a.v_head_dim));
  } else {
    const double dim = as_double(a.head_dim);
    product(tokens_, dim * (heads + 2 * std::max(1.0, as_double(a.n_kv_heads) / tp)), d);
    product(tokens_, d, dim * heads);
  }
  const LayerTime before = t;
  double ffn_width = 0;  // of all a token takes
  if (moe) {
    const ExpertsShape& e = s.experts;
    const double etp = as_double(job_.layout.etp),
                 local = std::max(1.0, as_double(e.n_routed) / as_double(job_.layout.ep));
    const double rows = tokens_ / tp * as_double(e.n_active) * etp, width = as_double(e.expert.width) / etp;
    const double rate = r_.product * c_[Constant::product_grouped];
    add(t, moved, tokens_ / tp, as_double(e.n_routed), d, 1, r_.product_16);
    add(t, moved, rows, (e.expert.gated ? 2 : 1) * width, d, local, rate);
    add(t, moved, rows, d, width, local, rate);
    if (e.shared.width > 0) mlp(e.shared, product);
    ffn_width = as_double(e.n_active * e.expert.width + e.shared.width) * (e.expert.gated ? 1 : 0.5);
    t.elementwise += tokens_ / tp * as_double(e.n_active) * d * c_[Constant::permute] / r_.memory;
  } else {
    mlp(s.mlp, product);
    ffn_width = as_double(s.mlp.width) * (s.mlp.gated ? 1 : 0.5);
  }
  t.ffn_forward = t.forward - before.forward;
  t.elementwise += tokens_ / tp * (d * c_[Constant::elementwise] + ffn_width * c_[Constant::activation]) / r_.memory;
  if (r_.value_bytes < 2) t.elementwise += moved * c_[Constant::quantise] / r_.memory;
  // Half the square, since a token sees those before it; a window narrows some layers.
  const auto seq = as_double(job_.seq_len);
  const double w = a.window > 0 ? std::min(seq, as_double(a.window)) : seq;
  const double seen = (1 - a.window_share) * seq + a.window_share * (2 * w - w * w / seq);
  t.attention_forward =
      tokens_ * (seen + c_[Constant::attention_half]) * heads * as_double(a.key_dim() + a.value_dim()) / r_.attention;
  return t;
}

double LayerClock::head() const {
  LayerTime t;
  double moved = 0;
  add(t, moved, tokens_, as_double(job_.shape.vocab_size) / as_double(job_.layout.tp), as_double(job_.shape.d_model), 1,
      r_.product_16);
  return t.forward;
}

}  // namespace nuri::plan
