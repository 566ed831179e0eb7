// Fine-grained experts (DeepSeek-V3 paper, section 2.1.2): y = shared(x) + sum over the chosen experts of w_e
// expert_e(x). The router's product is FP32; the correction bias moves the choice only and is changed after each
// optimizer step.
#pragma once

#include <memory>
#include <vector>

#include "arch/deepseek_v3.h"
#include "nn/context.h"
#include "nn/mlp.h"
#include "ops/rmsnorm.h"
#include "ops/router.h"

namespace nuri {

class Moe {
 public:
  /// prefix: "model.layers.3.mlp."
  Moe(const DeepseekV3Config& config, const std::string& prefix, DType dtype, bool trainable);

  /// residual + y. x, residual [n_tokens, d_model], x normed. rows: offsets of the packed rows that the balance term
  /// follows.
  Tensor forward(const Normed& x, const Tensor& residual, const ForwardContext& context,
                 const std::vector<int64_t>& rows, int64_t layer);

  void visit(const std::function<void(Weight&)>& see);
  Tensor& bias() { return bias_; }  ///< e_score_correction_bias, f32 [n_routed_experts]
  const std::string& bias_name() const { return bias_name_; }
  /// The last forward's choice, for parity checks: experts [n_tokens, n_active] i32, weights.
  const Routing& last_routing() const { return routing_; }

 private:
  const DeepseekV3Config& config_;
  Weight router_;
  Tensor bias_;
  std::string bias_name_;
  std::vector<Mlp> experts_;
  std::vector<Weight*> gate_up_, down_;  // of experts_
  std::unique_ptr<Mlp> shared_;
  Routing routing_;
};

}  // namespace nuri
