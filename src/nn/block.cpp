#include "nn/block.h"

#include "autograd/tape.h"
#include "ops/residual.h"
#include "ops/rmsnorm.h"
#include "ops/square_sum.h"

namespace nuri {

Block::Block(const DeepseekV3Config& c, int64_t layer, const std::string& prefix, DType dtype, bool trainable)
    : config_(c),
      layer_(layer),
      name_(prefix.substr(0, prefix.size() - 1)),
      attention_norm_({{prefix + "input_layernorm.weight", {c.d_model}}}, dtype, trainable),
      ffn_norm_({{prefix + "post_attention_layernorm.weight", {c.d_model}}}, dtype, trainable),
      attention_(c, prefix + "self_attn.", dtype, trainable) {
  if (c.is_moe_layer(layer))
    moe_ = std::make_unique<Moe>(c, prefix + "mlp.", dtype, trainable);
  else
    mlp_ = std::make_unique<Mlp>(c.d_model, c.d_ff, prefix + "mlp.", dtype, trainable);
}

Tensor Block::forward(const Tensor& x, const ForwardContext& context) {
  const ModuleScope scope(name_);
  const float eps = static_cast<float>(config_.rms_norm_eps);
  const bool exact = moe_ != nullptr;  // the router reads the norm as it is
  const auto [h, normed] = add_rmsnorm(
      x, attention_.forward(rmsnorm_for_product(x, attention_norm_, eps, context.precision), context, layer_),
      ffn_norm_, eps, context.precision, exact);
  auto dense = [this, &context, &n = normed.rounded] {
    const ModuleScope mlp("mlp");
    return mlp_->forward(n, context.precision);
  };
  const Tensor y = moe_ ? moe_->forward(normed, h, context, context.batch->rows, layer_) : add(h, dense());
  if (context.stats && !meta_active()) {
    LayerStats& stats = (*context.stats)[static_cast<size_t>(layer_)];
    stats.square_sum += square_sum(y);
    stats.elements += y.size();
  }
  return y;
}

void Block::visit(const std::function<void(Weight&)>& see) {
  see(attention_norm_);
  attention_.visit(see);
  see(ffn_norm_);
  if (moe_)
    moe_->visit(see);
  else
    mlp_->visit(see);
}

}  // namespace nuri
