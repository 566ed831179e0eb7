// What differs between two sets of weights.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/model_files.h"

namespace nuri {

/// Order of names in which numbers inside them count as numbers: layers.2 before layers.10.
bool natural_less(std::string_view a, std::string_view b);

struct TensorDifference {
  enum class Kind : uint8_t { only_in_a, only_in_b, shape, type, values };
  std::string name;
  Kind kind = Kind::values;
  std::string what;          ///< shapes or types, for reading
  int64_t elements = 0;      ///< compared, for type and values
  int64_t n_different = 0;   ///< elements whose values differ (two NaN of the same bits do not)
  int64_t first_index = -1;  ///< of them, row-major
  double largest = 0;        ///< max |a - b|, infinite where one side is NaN; 0 where the type has no such difference
  double scale = 0;          ///< max |a| over finite elements
};

struct ModelDiff {
  int64_t n_tensors = 0;                      ///< of both sides together
  std::vector<TensorDifference> differences;  ///< natural order; empty: equal bits
  const TensorDifference* largest() const;    ///< by |a - b| over the largest |a|; null where no values differ
};

/// Compares all tensors by name. Elements of different types are compared as FP32 values.
ModelDiff diff_weights(const ModelFiles& a, const ModelFiles& b);

/// "d_model: 192, 384" for every field of the descriptions that differs.
std::vector<std::string> diff_configs(const DeepseekV3Config& a, const DeepseekV3Config& b);

}  // namespace nuri
