// What the benchmarks of decoding share: rounds of steps beside the read bandwidth of the moment, and the roofline of a
// step by its parts.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "cli/bench.h"
#include "cli/machine.h"

namespace nuri {

/// What a part of a step must read (bytes) and compute (operations).
struct StepPart {
  double bytes = 0, flops = 0;
};
using StepParts = std::array<StepPart, 3>;  ///< routed experts, other matrices, attention

/// Of a step that gives each of `sequences` a token, with so many keys in all caches together, by the experts that it
/// chose: `used_experts` different ones over all layers.
StepParts decode_parts(DeepseekV3& model, int64_t sequences, double keys, int64_t used_experts);

inline constexpr int64_t kDecodeSteps = 28,
                         kDecodeWarmSteps = 4;  ///< of a round, at most; before its first measured one

/// Sequences that decode together.
class DecodeCase {
 public:
  virtual ~DecodeCase() = default;
  /// Steps for so long, and between them the read bandwidth of the moment.
  virtual void round(double seconds, cpu::BandwidthProbe& probe) = 0;
  /// Medians over the rounds; shares of what was read meanwhile and of the peak of products.
  virtual DecodeBench result(double peak_gflops) const;

 protected:
  struct Round {
    double seconds, read;  ///< of a step; GB/s
    StepParts parts;
  };
  DecodeBench result_;
  std::vector<Round> rounds_;
};

/// Three rounds of each, in turn.
std::vector<DecodeBench> measure_decoding(std::vector<std::unique_ptr<DecodeCase>> cases, const BenchOptions& options);

}  // namespace nuri
