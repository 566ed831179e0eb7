// Multi-head latent attention (DeepSeek-V2 paper, section 2.1; V3 paper, section 2.1.1).
//
//   q = x Wq^T, or norm(x Wqa^T) Wqb^T            [n_tokens, n_heads (dn + dr)], each head [nope dn | rope dr]
//   [latent | k_rope] = x Wkva^T                   [n_tokens, rk + dr];  c = norm(latent)
//   expanded: [k_nope | v] = c Wkvb^T              [n_tokens, n_heads (dn + dv)], each head [dn | dv]
//   absorbed: q_nope W_UK against c itself, and W_UV after it; W_UK, W_UV are the rows of Wkvb, head by head
//   y = concat(o) Wo^T
// rope turns the dr parts of q and the one k_rope that all heads share.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "arch/deepseek_v3.h"
#include "autograd/weight.h"
#include "nn/context.h"
#include "ops/linear.h"

namespace nuri {

class Mla {
 public:
  /// prefix: "model.layers.3.self_attn."
  Mla(const DeepseekV3Config& config, const std::string& prefix, DType dtype, bool trainable);

  /// x [n_tokens, d_model] normed; returns [n_tokens, d_model]. layer: index into cache and stats.
  Tensor forward(const Tensor& x, const ForwardContext& context, int64_t layer);

  /// QK-clip (Moonshot AI, "Kimi K2: open agentic intelligence", 2025, section 2.1): head h whose largest logit m
  /// (after scaling, of head_logits [n_heads]) exceeds tau gets its logits multiplied by tau / m: the rows of its
  /// q_nope and of its k_nope by sqrt(tau / m), those of its q_rope by tau / m (the rotated key is every head's and
  /// stays). Masters change, and their BF16 copies with them; the caller drops the packed forms. Returns the number of
  /// heads clipped.
  int64_t clip_heads(std::span<const float> head_logits, double tau);

  void visit(const std::function<void(Weight&)>& see);
  /// How a page of the cache holds a layer's keys and values.
  static KeyPage key_page(const DeepseekV3Config& config, MlaForm form, DType dtype);

 private:
  Tensor attend_batch(const Tensor& q, const Tensor& c, const Tensor& k_rope, const ForwardContext& context,
                      float* head_max);
  Tensor attend_cache(const Tensor& q, const Tensor& c, const Tensor& k_rope, const ForwardContext& context,
                      int64_t layer, float* head_max);
  HeadProduct query_product() const;
  HeadProduct value_product() const;

  const DeepseekV3Config& config_;
  Weight down_;    ///< [q_a or q ; kv_a]: one product of x
  Weight q_norm_;  ///< undefined without q latent
  Weight q_up_;    ///< q_b; undefined without q latent
  Weight kv_norm_, kv_up_, out_;
};

}  // namespace nuri
