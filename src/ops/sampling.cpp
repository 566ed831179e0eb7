#include "ops/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
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

std::vector<float> weights_of(const std::vector<float>& z, float largest) {
  std::vector<float> weights(z.size());
  softmax_weights({static_cast<int64_t>(z.size()), z.data(), largest, weights.data()});
  return weights;
}

/// Sums of one chain over the weights, each in the place of its last weight.
void add_up(std::vector<float>& weights) {
  float sum = 0;
  for (float& w : weights) w = sum = sum + w;
}

void keep_top_k(std::vector<Candidate>& candidates, size_t k) {
  if (k >= candidates.size()) return;
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k), candidates.end(),
                   comes_before);
  candidates.resize(k);
  std::sort(candidates.begin(), candidates.end(), id_before);
}

std::vector<float> z_of(const std::vector<Candidate>& candidates) {
  std::vector<float> z;
  z.reserve(candidates.size());
  for (const Candidate& c : candidates) z.push_back(c.z);
  return z;
}

void keep_top_p(std::vector<Candidate>& candidates, float top_p, float largest) {
  std::vector<float> sums = weights_of(z_of(candidates), largest);
  add_up(sums);
  const float wanted = top_p * sums.back();
  // A heap gives the candidates in order without sorting the many that are not reached.
  auto comes_after = [](const Candidate& a, const Candidate& b) { return comes_before(b, a); };
  std::vector<Candidate> heap = candidates;
  std::make_heap(heap.begin(), heap.end(), comes_after);
  float sum = 0;
  auto end = heap.end();
  while (end != heap.begin() && (end == heap.end() || sum < wanted)) {
    std::pop_heap(heap.begin(), end, comes_after);
    --end;
    sum = sum + x1::exp(end->z - largest);
  }
  candidates.assign(end, heap.end());
  std::sort(candidates.begin(), candidates.end(), id_before);
}

void keep_min_p(std::vector<Candidate>& candidates, float min_p, float largest) {
  const std::vector<float> weights = weights_of(z_of(candidates), largest);
  size_t kept = 0;
  for (size_t i = 0; i < candidates.size(); ++i)
    if (!(weights[i] < min_p)) candidates[kept++] = candidates[i];
  candidates.resize(kept);
}

/// z of the ids that truncation leaves, and these ids, ascending.
struct Left {
  std::vector<float> z;
  std::vector<int32_t> ids;
};

Left truncated(const std::vector<float>& z, const SamplerOptions& options, std::span<const uint8_t> allowed,
               float largest) {
  std::vector<Candidate> candidates;
  candidates.reserve(z.size());
  for (size_t i = 0; i < z.size(); ++i)
    if (allowed.empty() || allowed[i]) candidates.push_back({static_cast<int32_t>(i), z[i]});
  if (options.top_k > 0) keep_top_k(candidates, static_cast<size_t>(options.top_k));
  if (options.top_p < 1) keep_top_p(candidates, options.top_p, largest);
  if (options.min_p > 0) keep_min_p(candidates, options.min_p, largest);
  Left left{z_of(candidates), {}};
  for (const Candidate& c : candidates) left.ids.push_back(c.id);
  return left;
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

  if (std::isnan(lse))
    for (size_t i = 0; i < logits.size(); ++i)
      NURI_CHECK(!std::isnan(logits[i]), "the logit of id {} is not a number; the model's weights or cache are damaged",
                 i);

  // What is not allowed weighs nothing: a chain goes on unchanged past its exp(-inf).
  std::vector<float> z(logits.size());
  int32_t best = -1;
  float largest = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < logits.size(); ++i) {
    const bool out = !allowed.empty() && !allowed[i];
    z[i] = out ? -std::numeric_limits<float>::infinity() : logits[i] * inverse;
    if (!out && (best < 0 || z[i] > largest)) largest = z[i], best = static_cast<int32_t>(i);
  }
  NURI_CHECK(best >= 0, "no token id is allowed here; the mask leaves none of {} ids", logits.size());
  const auto chosen = [&](int32_t id) {
    return Sampled{id, log_probability(logits[static_cast<size_t>(id)], inverse, lse), 0};
  };
  if (greedy) return chosen(best);

  const bool cut = options.top_k > 0 || options.top_p < 1 || options.min_p > 0;
  std::vector<int32_t> ids;  // of z; empty: all
  if (cut) {
    Left left = truncated(z, options, allowed, largest);
    z = std::move(left.z), ids = std::move(left.ids);
  }
  std::vector<float> sums = weights_of(z, largest);
  add_up(sums);
  const float u = Philox(options.seed, Purpose::sampling, sequence).uniform(position);
  const auto drawn = std::upper_bound(sums.begin(), sums.end(), u * sums.back()) - sums.begin();
  const bool none = drawn == std::ssize(sums);  // only where the largest logit is infinite
  Sampled out = chosen(none ? best : ids.empty() ? static_cast<int32_t>(drawn) : ids[static_cast<size_t>(drawn)]);
  const bool all = ids.empty() ? allowed.empty() || std::find(allowed.begin(), allowed.end(), 0) == allowed.end()
                               : ids.size() == logits.size();
  const float z_drawn = none ? largest : z[static_cast<size_t>(drawn)];
  out.truncated = all ? out.log_probability : z_drawn - largest - x1::log(sums.back());
  return out;
}

}  // namespace nuri
