// Parameters, bytes and floating point operations of a model: the one place they are counted.
#pragma once

#include <cstdint>
#include <span>

#include "arch/deepseek_v3.h"
#include "arch/shape.h"

namespace nuri {

/// The shape of a model that is built here.
ModelShape shape_of(const DeepseekV3Config& config);

/// Numbers of values, router biases included.
struct ParameterCounts {
  int64_t main = 0;         ///< embedding, layers, final norm, head
  int64_t mtp = 0;          ///< what the MTP modules add (embedding and head are shared, not counted again)
  int64_t active = 0;       ///< of main, what one token uses: all but the routed experts it does not take
  int64_t active_mtp = 0;   ///< of mtp, what one token uses
  int64_t router_bias = 0;  ///< of main + mtp: stored in FP32 always
  int64_t embedding = 0;    ///< of main: vocab_size x d_model, once
  int64_t attention = 0;    ///< one layer's, norms of the latents included
  int64_t dense_mlp = 0;    ///< one dense layer's
  int64_t expert = 0;       ///< one routed expert's
  int64_t total() const { return main + mtp; }
};
ParameterCounts count_parameters(const ModelShape& shape);
ParameterCounts count_parameters(const DeepseekV3Config& config);

/// Values of the matrices that one token is multiplied with: projections, router, the experts it takes, head; norms and
/// the embedding look-up are not products. With MTP, its block and its own use of the head count too.
int64_t active_matrix_parameters(const ModelShape& shape, bool with_mtp);
int64_t active_matrix_parameters(const DeepseekV3Config& config, bool with_mtp);

/// Operations (a multiplication and an addition are two) of one forward pass over sequences of these lengths:
///   2 x active matrix parameters x tokens + per layer n_heads (qk_head_dim + v_head_dim) length^2
/// the second being two products over half the square, since a token sees those before it only (the layers of a window
/// of w tokens: 2 w length - w^2 in place of length^2). Both MLA forms are counted like the expanded one, the cheaper
/// for whole sequences. A sequence is a document where attention stays inside documents, else a row.
double forward_flops(const ModelShape& shape, std::span<const int64_t> lengths, bool with_mtp);
double forward_flops(const DeepseekV3Config& config, std::span<const int64_t> lengths, bool with_mtp);

/// One training step: forward with MTP, and backward at twice the forward; recomputation is not counted.
double training_flops(const ModelShape& shape, std::span<const int64_t> lengths);
double training_flops(const DeepseekV3Config& config, std::span<const int64_t> lengths);
/// Of training_flops, the heads of so many tokens: where a token has no target (a question in fine-tuning), its logits
/// are not computed. 3 x 2 x vocabulary x width each, for the main model and each MTP layer.
double head_training_flops(const DeepseekV3Config& config, int64_t tokens, bool with_mtp);

/// Bytes of the stored weights with `value_bytes` a value (2: BF16); router biases take 4 each.
int64_t weight_bytes(const DeepseekV3Config& config, int64_t value_bytes, bool with_mtp);

/// Bytes that one token leaves in the cache over all layers (MTP not counted).
enum class MlaForm : uint8_t { expanded, absorbed };
int64_t kv_bytes_per_token(const DeepseekV3Config& config, MlaForm form, int64_t value_bytes);

}  // namespace nuri
