// Choosing the next token from a row of logits (profile x1, rule 7).
//   z = logit / temperature (multiplied by the rounded inverse);  log p(id) = z_id - lse over the whole vocabulary, the
//   function of the trainer's cross entropy, before any truncation
// Truncations, in this order, each over the ids that are left; candidates are ordered by (logit descending, id
// ascending):
//   allowed  the caller's mask (ids that no token uses)
//   top_k    the first k candidates
//   top_p    the shortest run of candidates whose chain of exp(z - max) reaches top_p times the chain over all of them
//   in
//            ascending id
//   min_p    candidates with exp(z - max) >= min_p
// The draw: candidates in ascending id, one chain of exp(z - max); the first whose sum exceeds u times the total, with
// u uniform in [0, 1) from Philox keyed by (seed, sequence, position).
#pragma once

#include <cstdint>
#include <span>

namespace nuri {

struct SamplerOptions {
  float temperature = 1;  ///< 0: greedy, the lowest id among the largest logits
  int64_t top_k = 0;      ///< 0: no limit
  float top_p = 1;        ///< 1: no limit
  float min_p = 0;        ///< 0: no limit
  uint64_t seed = 0;
  /// Throws nuri::Error naming the option, its value and what is allowed.
  void check() const;
};

struct Sampled {
  int32_t id = 0;
  float log_probability = 0;  ///< at the temperature of the options; greedy: at 1
  float truncated = 0;        ///< the same among the ids that were left; greedy: 0, as one is
};

/// logits [vocab]; sequence: a number the caller gives to the reply; position: of the token to be drawn; allowed
/// [vocab] or empty (all). Error: no id is allowed, or the logits hold NaN.
Sampled sample(std::span<const float> logits, const SamplerOptions& options, uint64_t sequence, uint64_t position,
               std::span<const uint8_t> allowed = {});

/// The arguments of one draw.
struct DrawRow {
  std::span<const float> logits;
  const SamplerOptions* options = nullptr;
  uint64_t sequence = 0, position = 0;
};
/// Rows whose chains of sums are made side by side: one alone waits for each of its additions.
inline constexpr int64_t kDrawsAtOnce = 4;
/// sample() of each row, on this thread.
void sample(std::span<const DrawRow> rows, std::span<const uint8_t> allowed, std::span<Sampled> out);

}  // namespace nuri
