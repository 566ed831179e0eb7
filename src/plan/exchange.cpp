#include "plan/exchange.h"

#include <algorithm>
#include <cmath>

#include "plan/memory.h"

namespace nuri::plan {
namespace {

double as_double(int64_t n) { return static_cast<double>(n); }

/// Bytes per second of a ring over a group of which `in_node` members share a node.
double ring_rate(const Rates& r, double group, double in_node, double stride_in_node) {
  if (group * stride_in_node <= in_node) return r.link;
  return std::min(r.link, r.network * std::max(1.0, in_node / stride_in_node));
}

double share(double n) { return n > 1 ? (n - 1) / n : 0; }

/// Data-parallel replicas of experts, and of all else.
double replicas(const Job& job) { return job.data_parallel() * as_double(job.layout.cp); }
double expert_replicas(const Job& job) {
  return std::max(1.0, replicas(job) * as_double(job.layout.tp) / as_double(job.layout.ep * job.layout.etp));
}
double shard_group(const Job& job) {
  return job.layout.shard > 0 ? std::min(as_double(job.layout.shard), replicas(job)) : replicas(job);
}

}  // namespace

double beyond(double computing, double exchange, double exponent) {
  if (exchange <= 0) return 0;
  if (computing <= 0) return exchange;
  const double ratio = exchange / computing;
  return computing * (std::pow(1 + std::pow(ratio, exponent), 1 / exponent) - 1);
}

Exchange exchange_of(const Job& job, const LayerClock& clock, bool moe) {
  const Layout& l = job.layout;
  const ModelShape& s = job.shape;
  const Rates& r = clock.rates();
  const auto tp = as_double(l.tp), cp = as_double(l.cp), node = static_cast<double>(job.device.node);
  const double d = as_double(s.d_model);
  Exchange x;
  if (l.tp > 1) {
    // An all-gather and a reduce-scatter around attention and around a dense MLP, forward and backward.
    const double bytes = clock.tokens() * d * 2 * (tp - 1) / tp, ops = moe ? 2 : 4;
    const double rate = tp <= node ? r.link : r.network;
    x.tensor_forward += ops * bytes / rate;
    x.tensor_all += 2 * ops * bytes / rate;
  }
  if (l.cp > 1) {
    const AttentionShape& a = s.attention;
    const double kv = a.latent ? as_double(a.n_heads * (a.key_dim() + a.value_dim())) : as_double(a.kv_values());
    const double bytes = clock.tokens() * kv / tp * 2 * (cp - 1);
    const double rate = tp * cp <= node ? r.link : r.network;
    x.tensor_forward += bytes / rate;
    x.tensor_all += 3 * bytes / rate;
  }
  if (moe && l.ep > 1) {
    const auto ep = as_double(l.ep), taken = as_double(s.experts.n_active);
    const double nodes = std::max(1.0, std::ceil(ep * as_double(l.etp) / node));
    const double tokens = clock.tokens() / tp;
    // Each copy goes to one device, or to the etp devices that share an expert.
    const double near = tokens * taken * d * 2 * ((ep - 1) / ep + as_double(l.etp - 1)) / r.link;
    double far = 0;
    if (nodes > 1) {
      // Distinct nodes that a token's experts lie on; routing by groups limits them.
      double reached = nodes * (1 - std::pow(1 - 1 / nodes, taken));
      if (s.experts.kept_groups > 0 && s.experts.n_groups > 1)
        reached = std::min(reached, as_double(s.experts.kept_groups));
      far = tokens * d * 2 * reached * (nodes - 1) / nodes / r.network;
    }
    x.experts_all = 4 * std::max(near, far);  // dispatch and combine, forward and backward
  }
  return x;
}

Sharers sharers_of(const Job& job) {
  if (job.layout.zero < 1) return {};
  return {shard_group(job), std::min(expert_replicas(job), shard_group(job))};
}

double data_exchange(const Job& job, const LayerClock& clock, const Constants& c, double computing) {
  const Layout& l = job.layout;
  const Rates& r = clock.rates();
  const HeldValues held = held_values(job);
  const auto node = static_cast<double>(job.device.node);
  const double m = job.micro_batches(), dp = replicas(job), group = shard_group(job), expert_dp = expert_replicas(job);
  const double p = c[Constant::hidden_dp];
  // Seconds to move `bytes` of every value held, once around the replicas.
  const auto around = [&](double bytes, double over) {
    const auto part = [&](double values, double members, double stride) {
      return share(members) > 0 ? bytes * values * share(members) / ring_rate(r, members, node, stride) : 0;
    };
    return part(held.shared, over, as_double(l.tp)) + part(held.experts, expert_dp, as_double(l.ep * l.etp));
  };
  if (l.zero < 2) return beyond(computing, around(6, dp), p);  // gradients in 32 bits, weights in 16, once a step
  if (l.zero == 2) return m * beyond(computing, around(4, group), p) + beyond(computing, around(2, group), p);
  // Weights for forward and backward, gradients: 16 bits each, for every micro-batch; written and copied once.
  const double copies = 12 * (held.shared + held.experts) / r.memory;
  double out = m * (beyond(computing, around(6, group), p) + copies + computing * c[Constant::gathered]);
  // Replicas of the sharded model add their gradients once a step.
  if (group < dp) out += beyond(computing, 8 * (held.shared + held.experts) / group / r.network, p);
  return out;
}

}  // namespace nuri::plan
