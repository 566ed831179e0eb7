#include "nn/moe.h"

#include "autograd/tape.h"
#include "ops/combine.h"
#include "ops/linear.h"
#include "ops/swiglu.h"

namespace nuri {

Moe::Moe(const DeepseekV3Config& c, const std::string& prefix, DType dtype, bool trainable)
    : config_(c),
      router_({{prefix + "gate.weight", {c.n_routed_experts, c.d_model}}}, dtype, trainable),
      bias_(Tensor::zeros({c.n_routed_experts}, DType::f32, Owner::weights)),
      bias_name_(prefix + "gate.e_score_correction_bias") {
  router_.reads = Reads::product_f32;
  experts_.reserve(static_cast<size_t>(c.n_routed_experts));
  for (int64_t e = 0; e < c.n_routed_experts; ++e)
    experts_.emplace_back(c.d_model, c.d_ff_expert, prefix + "experts." + std::to_string(e) + ".", dtype, trainable);
  for (Mlp& expert : experts_) {
    gate_up_.push_back(&expert.gate_up());
    down_.push_back(&expert.down());
  }
  shared_ = std::make_unique<Mlp>(c.d_model, c.d_ff_shared(), prefix + "shared_experts.", dtype, trainable);
}

Tensor Moe::forward(const Normed& x, const Tensor& residual, const ForwardContext& context,
                    const std::vector<int64_t>& rows, int64_t layer) {
  const ModuleScope scope("mlp");
  const DeepseekV3Config& c = config_;
  const Tensor logits = linear(x.exact, router_, Precision::f32);
  LayerStats scratch;
  LayerStats& stats = context.stats ? (*context.stats)[static_cast<size_t>(layer)] : scratch;
  stats.expert_counts.resize(static_cast<size_t>(c.n_routed_experts));
  const RouterOptions options{.n_experts = c.n_routed_experts,
                              .n_active = c.n_active_experts,
                              .n_groups = c.n_expert_groups,
                              .n_kept_groups = c.n_kept_groups,
                              .normalise = c.norm_topk_prob,
                              .route_scale = static_cast<float>(c.route_scale),
                              .balance_alpha = context.balance_alpha};
  routing_ = route(logits, bias_, options, rows, &stats.expert_counts, &stats.balance, context.rows_of_step);
  const Dispatch slots = dispatch(routing_.experts, c.n_routed_experts);
  if (!Tape::current()) {
    const auto up = linear_beside(x.rounded, shared_->gate_up(), x.rounded, gate_up_, slots, true, context.precision);
    const auto down = linear_beside(swiglu(up.shared, context.precision), shared_->down(),
                                    swiglu(up.routed, context.precision), down_, slots, false, context.precision);
    return combine(down.shared, down.routed, routing_.weights, slots, context.precision, residual);
  }
  const Tensor hidden = swiglu(grouped_linear(x.rounded, gate_up_, slots, true, context.precision), context.precision);
  const Tensor f = grouped_linear(hidden, down_, slots, false, context.precision);
  return combine(shared_->forward(x.rounded, context.precision), f, routing_.weights, slots, context.precision,
                 residual);
}

void Moe::visit(const std::function<void(Weight&)>& see) {
  see(router_);
  for (Mlp& expert : experts_) expert.visit(see);
  shared_->visit(see);
}

}  // namespace nuri
