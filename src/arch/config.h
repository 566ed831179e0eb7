// What the descriptions of all architectures share: positions, tensors as data, and the facts printed about a field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nuri {

/// YaRN, the stretching of rope frequencies to longer contexts. With gm(s, m) = 0.1 m ln(s) + 1 (1 where s <= 1):
///   softmax scale x gm(factor, mscale_all_dim)^2 where mscale_all_dim is not 0;
///   amplitude of cos and sin = attention_factor where given, else gm(factor, mscale) / gm(factor, mscale_all_dim)
///   where neither is 0, else gm(factor, 1).
struct YarnConfig {
  double factor = 1;                  ///< context length over the original one, at least 1
  int64_t original_max_position = 0;  ///< tokens of context before stretching
  double beta_fast = 32;              ///< rotations over the original context above which a frequency is kept
  double beta_slow = 1;               ///< rotations below which a frequency is divided by factor
  double mscale = 0;                  ///< 0: not given
  double mscale_all_dim = 0;          ///< 0: not given
  std::optional<double> attention_factor;
  bool operator==(const YarnConfig&) const = default;
};

struct RopeConfig {
  double theta = 10000;            ///< pair i of dim turns by theta^(-2 i / dim) radians a token
  bool interleaved = true;         ///< pairs (2j, 2j+1); else (j, j + dim/2)
  std::optional<YarnConfig> yarn;  ///< absent: plain frequencies
  bool operator==(const RopeConfig&) const = default;
};

/// What a tensor is for: it decides initial values, weight decay, packing and the type it is stored in.
enum class TensorRole : uint8_t {
  embedding,    ///< [vocab_size, d_model], looked up
  head,         ///< [vocab_size, d_model], multiplied
  matrix,       ///< [outputs, inputs] of a product
  router,       ///< [n_routed_experts, d_model], multiplied in FP32
  router_bias,  ///< [n_routed_experts], FP32 in every file, no gradient
  norm,         ///< gains of a norm; initially 1
};
std::string_view role_name(TensorRole role);

/// One tensor of a model directory, under its released name.
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
  TensorRole role = TensorRole::matrix;
  int64_t layer = -1;   ///< -1: of no layer
  int64_t expert = -1;  ///< -1: not of a routed expert
  int64_t elements() const;
};

/// One field of a configuration: our name, the key in config.json, the numbers allowed, and what it means.
struct FieldInfo {
  std::string_view name;
  std::string_view key;
  double min = 0;  ///< for numbers; both bounds are allowed values
  double max = 0;
  std::string_view meaning;
  bool null_is_zero = false;  ///< null in the file means 0, "none"
};

}  // namespace nuri
