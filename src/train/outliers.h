// Warnings about layers whose gradient norm or update leaves what is usual for them.
//
// Rule: a value above 10 times the median of the same layer's last 64 steps (at least 16 must be known). Ordinary noise
// of a layer stays within a factor of three; a broken batch, a dying layer or a rate that is too high jumps by orders
// of magnitude. One warning a step and kind, for the layer furthest off; after it the kind is silent for 20 steps,
// unless a layer is twice as far off.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace nuri {

struct WarningRow {
  int64_t step = 0;
  std::string what;             ///< "gradient norm" or "update"
  int64_t group = 0;            ///< 0: embedding; then blocks; last: head (LayerNorms)
  double value = 0, usual = 0;  ///< of the layer furthest off; the median
  int64_t layers = 0;           ///< that are outliers at this step
};

class OutlierWatch {
 public:
  static constexpr double kFactor = 10;
  static constexpr size_t kKnown = 16, kRemembered = 64;
  static constexpr int64_t kSilence = 20;

  /// Values of a step by group; the step's warnings. Zeros (nothing moved, rate 0) and empty vectors say nothing.
  std::vector<WarningRow> see(int64_t step, const std::vector<double>& gradient_norms,
                              const std::vector<double>& updates);

 private:
  struct Kind {
    std::vector<std::deque<double>> history;  ///< by group
    int64_t last_step = -kSilence;
    double last_factor = 0;
  };
  static std::optional<WarningRow> see_kind(Kind& kind, const char* what, int64_t step,
                                            const std::vector<double>& values);
  std::array<Kind, 2> kinds_;
};

/// "warning: step 812: gradient norm of layer 3 is 41.2, 19.6 times its median; 4 layers are outliers". n_groups, and
/// the number of layers without MTP, name the group.
std::string warning_text(const WarningRow& row, int64_t n_groups, int64_t n_layers);
/// "embedding", "layer 3", "MTP", "head".
std::string group_name(int64_t group, int64_t n_groups, int64_t n_layers);

}  // namespace nuri
