// Rotary positions: pairs of each head's rope part turned by the angle position x frequency, with YaRN.
//   frequency_j = theta^(-2j/dim), j = 0..dim/2-1; with YaRN blended with frequency_j / factor (Peng et al., "YaRN:
//   Efficient context window extension of large language models", 2023):
//     turns(r) = dim ln(original_max / (2 pi r)) / (2 ln theta)
//     low = max(floor(turns(beta_fast)), 0), high = min(ceil(turns(beta_slow)), dim - 1)
//     ramp_j = clamp((j - low) / (high - low), 0, 1)
//     frequency'_j = frequency_j / factor ramp_j + frequency_j (1 - ramp_j)
//   a' = fma(a, cos, -(b sin)),  b' = fma(b, cos, a sin);  backward: the same by the negative angle
#pragma once

#include <cstdint>
#include <vector>

#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

/// Parameters of YaRN; factor 1: none.
struct YarnOptions {
  double factor = 1;
  double original_max_positions = 4096;
  double beta_fast = 32, beta_slow = 1;
  double mscale = 0, mscale_all_dim = 0;
  double attention_factor = 0;  ///< 0: by the mscales
};

/// Frequencies [dim / 2] in double.
std::vector<double> rope_frequencies(int64_t dim, double theta, const YarnOptions& yarn = {});
/// What cos and sin are multiplied by: attention_factor where given, else gm(mscale) / gm(mscale_all_dim), gm(m) =
/// 0.1 m ln(factor) + 1; gm(1) where one of them is 0; 1 for DeepSeek's models.
double yarn_amplitude(const YarnOptions& yarn);
/// What the softmax scale is multiplied by: gm(mscale_all_dim)^2, or 1 where mscale_all_dim is 0.
double yarn_softmax_scale(const YarnOptions& yarn);

/// cos and sin of all angles of a model, made in double and rounded once.
class RopeTable {
 public:
  RopeTable() = default;
  RopeTable(int64_t max_positions, int64_t dim, double theta, const YarnOptions& yarn = {});
  /// Makes position `max_position` available; grows at least twofold. Not while another thread reads the table.
  void ensure(int64_t max_position);

  int64_t dim() const { return dim_; }
  int64_t positions() const { return cos.defined() ? cos.dim(0) : 0; }
  Tensor cos, sin;  ///< [positions, dim / 2]

 private:
  int64_t dim_ = 0;
  double amplitude_ = 1;
  std::vector<double> frequencies_;
};

namespace reference {
/// Rotates one head's part of `dim` elements; cos, sin [dim / 2] of its position.
template <class T>
void rope_head(int64_t dim, const T* x, const T* cos, const T* sin, bool interleaved, bool inverse, T* y);
void rope(const RopeArgs& args);
}  // namespace reference

/// Rotates elements [rope_offset, rope_offset + rope_dim) of each head of x [n_tokens, n_heads * head_dim] (which may
/// be a slice of columns) and copies the others. With in_place the result is x itself, changed: for x that nothing else
/// reads.
Tensor rope(const Tensor& x, const std::vector<int32_t>& positions, const RopeTable& table, int64_t n_heads,
            int64_t head_dim, int64_t rope_offset, int64_t rope_dim, bool interleaved, bool in_place = false);

}  // namespace nuri
