// Cross entropy, fused with the product of the output head: there is never a [n_tokens, vocab] tensor.
//   x [n_tokens, d]   head W [vocab, d]   z = x W^T   lse [n_tokens]
// log-softmax over the whole vocabulary at inverse temperature b, for the trainer (b = 1) and the sampler alike; blocks
// of 1,024 ids ascending, from m = -inf, l = 0:
//   z = logit b;   m' = max(m, z);   l = fma(l, exp(m - m'), row_sum(exp(z - m')));   m = m'
//   lse = m + log(l);   log p(id) = z_id - lse
// loss = sum_t weight_t nll_t,  nll_t = -log p(target_t): added in double in order.
//   dz = (exp(z - lse) - [id == target]) (weight b);   dx = dz W: chain over ids;   dW += dz^T x: chain over tokens
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "autograd/weight.h"
#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

inline constexpr int64_t kVocabularyBlock = 1024;

namespace reference {
template <class T>
T log_sum_exp_row(int64_t vocab, const T* logits, T inv_temperature);
/// In place: logits become their gradient.
template <class T>
void cross_entropy_grad_row(int64_t vocab, T* logits, T lse, int64_t target, T weight);
void log_sum_exp(const LogSumExpArgs& args);
void sampler_logits(const SamplerLogitsArgs& args);
void softmax_weights(const SoftmaxWeightsArgs& args);
void cross_entropy_grad(const CrossEntropyGradArgs& args);
}  // namespace reference

/// lse of each row of logits [n_rows, vocab].
void log_sum_exp(const LogSumExpArgs& args);
/// z of a sampler: the logits at its temperature, where they are allowed; and the largest.
void sampler_logits(const SamplerLogitsArgs& args);
/// weights[i] = exp(z[i] - largest).
void softmax_weights(const SoftmaxWeightsArgs& args);
/// The log-probability of an id with this logit.
inline float log_probability(float logit, float inv_temperature, float lse) { return logit * inv_temperature - lse; }

struct CrossEntropyResult {
  double loss_sum = 0;     ///< sum over tokens of weight x nll; no loss where the weights were chosen
  std::vector<float> nll;  ///< [n_tokens], in nats; 0 where the weight is 0
};

/// Sets the weights of targets, d loss / d nll, once their log-probabilities are known: policy gradients. tokens [n]:
/// their places in the batch; called for some of the targets at a time, in ascending order.
using ChooseWeights =
    std::function<void(std::span<const int32_t> tokens, std::span<const float> log_p, std::span<float> weights)>;

struct CrossEntropyOptions {
  float inverse_temperature = 1;
  ChooseWeights choose;  ///< none: the weights are those given
};

/// targets and weights [n_tokens]; weight 0: not a target (the id is not looked at, no work is done, the gradient is
/// zero). With a tape the backward runs at once, chunk by chunk: dx is kept for the tape (seeded: the loss is the sum),
/// dW is accumulated into head.grads[use]. Error: a target outside the vocabulary.
CrossEntropyResult cross_entropy(const Tensor& x, Weight& head, int use, const std::vector<int32_t>& targets,
                                 const std::vector<float>& weights, Precision precision,
                                 const CrossEntropyOptions& options = {});

/// x [n_rows, d] -> logits [n_rows, vocab]; for the few rows that inference needs.
Tensor logits(const Tensor& x, Weight& head, Precision precision);

}  // namespace nuri
