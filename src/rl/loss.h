// Losses of policy gradients. Each is one file, loss_NAME.cpp, and one row of the registry in loss.cpp. All maximise a
// sum over the tokens t of the answers i of an update,
//   J = sum_i s_i sum_t [ min(rho A_i, clip(rho, 1 - low, 1 + high) A_i) - beta KL ]
//   rho = exp(log p - log p_sampled)      KL = exp(log p_ref - log p) - (log p_ref - log p) - 1
// (DeepSeekMath, eq. 3 and 4), and differ in the advantages A_i and the shares s_i. A_i and log p_sampled are
// constants:
//   dJ / d log p = s_i ( rho A_i [not clipped] - beta (1 - exp(log p_ref - log p)) )
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace nuri::rl {

/// What the answers of an update have in common.
struct UpdateShape {
  int64_t answers = 0;      ///< those that pull nothing included
  int64_t tokens = 0;       ///< of all answers
  int64_t most_tokens = 0;  ///< that an answer may have
};

struct PolicyLoss {
  std::string_view name;
  std::string_view means;  ///< one line, for help and docs
  /// TOML of recipe keys that this loss sets where the recipe does not.
  std::string_view defaults;
  /// A_i of the answers to one prompt.
  std::vector<double> (*advantages)(std::span<const double> rewards);
  /// s_i of an answer of so many tokens.
  double (*share)(int64_t tokens, const UpdateShape& update);
};
std::span<const PolicyLoss* const> policy_losses();
/// Error: no such loss, with the nearest.
const PolicyLoss& policy_loss_named(std::string_view name);

extern const PolicyLoss kGrpo, kDrGrpo, kDapo;

struct ClipOptions {
  double low = 0.2, high = 0.2;
  double beta = 0;  ///< weight of the KL term
};

/// Of one token.
struct PolicyTerm {
  double objective = 0;  ///< the bracket above
  double gradient = 0;   ///< its derivative by log p
  double kl = 0;
  bool clipped = false;
};
/// log_p_reference is not looked at where beta is 0.
PolicyTerm policy_term(double log_p, double log_p_sampled, double log_p_reference, double advantage,
                       const ClipOptions& options);

}  // namespace nuri::rl
