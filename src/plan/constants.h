// The free constants of the cost model: what a device, a library and a network reach of what their makers state. None
// belongs to a model, a vendor or a published run; all are fitted together (plan/fit.h).
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace nuri::plan {

enum class Constant : uint8_t {
  product_16,
  product_8,
  product_4,
  product_grouped,
  product_half,
  attention,
  attention_half,
  memory,
  elementwise,
  activation,
  quantise,
  permute,
  layer_gap,
  expert_gap,
  step_gap,
  link,
  network,
  hidden_tp,
  hidden_ep,
  hidden_dp,
  gathered,
  power,
  straggler,
  goodput,
  unstated,
  count,
};
inline constexpr size_t kConstants = static_cast<size_t>(Constant::count);

struct ConstantInfo {
  std::string_view name;
  std::string_view unit;
  double prior = 1;   ///< what one would assume before any fit, by `source`
  double spread = 1;  ///< of the natural logarithm around the prior: the fit pays ((ln value - ln prior) / spread)^2
  std::string_view meaning;
  std::string_view source;
};
std::span<const ConstantInfo, kConstants> constant_infos();

/// Values of all constants.
struct Constants {
  std::array<double, kConstants> value{};
  double operator[](Constant c) const { return value[static_cast<size_t>(c)]; }
};

/// Those fitted to all published runs; `nuri plan published --fit` makes them.
const Constants& fitted_constants();
Constants prior_constants();

}  // namespace nuri::plan
