#include "ops/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "base/x1.h"
#include "ops/cross_entropy.h"

namespace nuri {

void SamplerOptions::check() const {
  NURI_CHECK(temperature == 0 || (temperature >= 1e-4f && temperature <= 1e4f),
             "temperature is {}, allowed is 0 (greedy) or 0.0001 to 10000", temperature);
  NURI_CHECK(top_k >= 0, "top_k is {}, allowed is 0 (no limit) or more", top_k);
  NURI_CHECK(top_p > 0 && top_p <= 1, "top_p is {}, allowed is above 0, up to 1 (no limit)", top_p);
  NURI_CHECK(min_p >= 0 && min_p <= 1, "min_p is {}, allowed is 0 (no limit) to 1", min_p);
}

namespace {

struct Candidate {
  int32_t id;
  float z;  ///< logit / temperature
};
bool comes_before(const Candidate& a, const Candidate& b) { return a.z > b.z || (a.z == b.z && a.id < b.id); }
bool id_before(const Candidate& a, const Candidate& b) { return a.id < b.id; }

float weight(const Candidate& c, float max) { return x1::exp(c.z - max); }

/// One chain of exp(z - max) in the order of the candidates.
float total_weight(const std::vector<Candidate>& candidates, float max) {
  float total = 0;
  for (const Candidate& c : candidates) total = total + weight(c, max);
  return total;
}

void keep_top_k(std::vector<Candidate>& candidates, size_t k) {
  if (k >= candidates.size()) return;
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k), candidates.end(),
                   comes_before);
  candidates.resize(k);
  std::sort(candidates.begin(), candidates.end(), id_before);
}

void keep_top_p(std::vector<Candidate>& candidates, float top_p, float max) {
  const float wanted = top_p * total_weight(candidates, max);
  // A heap gives the candidates in order without sorting the many that are not reached.
  auto comes_after = [](const Candidate& a, const Candidate& b) { return comes_before(b, a); };
  std::vector<Candidate> heap = candidates;
  std::make_heap(heap.begin(), heap.end(), comes_after);
  float sum = 0;
  auto end = heap.end();
  while (end != heap.begin() && (end == heap.end() || sum < wanted)) {
    std::pop_heap(heap.begin(), end, comes_after);
    --end;
    sum = sum + weight(*end, max);
  }
  candidates.assign(end, heap.end());
  std::sort(candidates.begin(), candidates.end(), id_before);
}

}  // namespace

Sampled sample(std::span<const float> logits, const SamplerOptions& options, uint64_t sequence, uint64_t position,
               std::span<const uint8_t> allowed) {
  options.check();
  NURI_ASSERT(allowed.empty() || allowed.size() == logits.size());
  const bool greedy = options.temperature == 0;
  const float inverse = greedy ? 1.0f : 1.0f / options.temperature;
  float lse = 0;
  const int64_t vocab = static_cast<int64_t>(logits.size());
  log_sum_exp(
      {.n_rows = 1, .vocab = vocab, .logits = logits.data(), .stride = vocab, .inv_temperature = inverse, .lse = &lse});

  std::vector<Candidate> candidates;  // ascending ids
  candidates.reserve(logits.size());
  const Candidate* best = nullptr;
  for (size_t i = 0; i < logits.size(); ++i) {
    NURI_CHECK(!std::isnan(logits[i]), "the logit of id {} is not a number; the model's weights or cache are damaged",
               i);
    if (!allowed.empty() && !allowed[i]) continue;
    candidates.push_back({static_cast<int32_t>(i), logits[i] * inverse});
    if (!best || candidates.back().z > best->z) best = &candidates.back();
  }
  NURI_CHECK(best, "no token id is allowed here; the mask leaves none of {} ids", logits.size());
  const Candidate first = *best;
  auto chosen = [&](const Candidate& c) {
    return Sampled{c.id, log_probability(logits[static_cast<size_t>(c.id)], inverse, lse), 0};
  };
  if (greedy) return chosen(first);

  if (options.top_k > 0) keep_top_k(candidates, static_cast<size_t>(options.top_k));
  if (options.top_p < 1) keep_top_p(candidates, options.top_p, first.z);
  if (options.min_p > 0)
    std::erase_if(candidates, [&](const Candidate& c) { return weight(c, first.z) < options.min_p; });

  const float u = Philox(options.seed, Purpose::sampling, sequence).uniform(position);
  const float total = total_weight(candidates, first.z), wanted = u * total;
  const Candidate* drawn = &first;  // only where the largest logit is infinite
  float sum = 0;
  for (const Candidate& c : candidates) {
    sum = sum + weight(c, first.z);
    if (sum > wanted) {
      drawn = &c;
      break;
    }
  }
  Sampled out = chosen(*drawn);
  const bool all = candidates.size() == logits.size();
  out.truncated = all ? out.log_probability : drawn->z - first.z - x1::log(total);
  return out;
}

}  // namespace nuri
