#include "ops/sampling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
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

/// In place: exp(z - largest).
void to_weights(std::vector<float>& z, float largest) {
  softmax_weights({static_cast<int64_t>(z.size()), z.data(), largest, z.data()});
}

/// Sums of one chain over the weights of each row, each in the place of its last weight.
template <size_t kRows>
void add_up(const std::array<float*, kRows>& weights, size_t n) {
  std::array<float, kRows> sum{};
  for (size_t i = 0; i < n; ++i)
    for (size_t r = 0; r < kRows; ++r) weights[r][i] = sum[r] = sum[r] + weights[r][i];
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
  std::vector<float> sums = z_of(candidates);
  to_weights(sums, largest);
  add_up<1>({sums.data()}, sums.size());
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
  std::vector<float> weights = z_of(candidates);
  to_weights(weights, largest);
  size_t kept = 0;
  for (size_t i = 0; i < candidates.size(); ++i)
    if (!(weights[i] < min_p)) candidates[kept++] = candidates[i];
  candidates.resize(kept);
}

/// Leaves in z what truncation leaves; returns its ids, ascending.
std::vector<int32_t> truncate(std::vector<float>& z, const SamplerOptions& options, std::span<const uint8_t> allowed,
                              float largest) {
  std::vector<Candidate> candidates;
  candidates.reserve(z.size());
  for (size_t i = 0; i < z.size(); ++i)
    if (allowed.empty() || allowed[i]) candidates.push_back({static_cast<int32_t>(i), z[i]});
  if (options.top_k > 0) keep_top_k(candidates, static_cast<size_t>(options.top_k));
  if (options.top_p < 1) keep_top_p(candidates, options.top_p, largest);
  if (options.min_p > 0) keep_min_p(candidates, options.min_p, largest);
  std::vector<int32_t> ids;
  z.clear();
  for (const Candidate& c : candidates) z.push_back(c.z), ids.push_back(c.id);
  return ids;
}

/// One row on its way to a token.
struct Drawing {
  float inverse = 1, lse = 0, largest = 0;
  int32_t best = -1;         ///< the lowest id among the largest, of greedy or infinite ones
  std::vector<int32_t> ids;  ///< of z, where truncation left some; empty: all
  std::vector<float> z;      ///< of the candidates, then their weights, then the sums of these
  bool greedy = false;

  void begin(const DrawRow& row, std::span<const uint8_t> allowed);
  Sampled end(const DrawRow& row, std::span<const uint8_t> allowed) const;
};

void Drawing::begin(const DrawRow& row, std::span<const uint8_t> allowed) {
  const SamplerOptions& options = *row.options;
  const std::span<const float> logits = row.logits;
  options.check();
  NURI_ASSERT(allowed.empty() || allowed.size() == logits.size());
  const auto vocab = static_cast<int64_t>(logits.size());
  greedy = options.temperature == 0;
  inverse = greedy ? 1.0f : 1.0f / options.temperature;
  log_sum_exp(
      {.n_rows = 1, .vocab = vocab, .logits = logits.data(), .stride = vocab, .inv_temperature = inverse, .lse = &lse});
  if (std::isnan(lse))
    for (size_t i = 0; i < logits.size(); ++i)
      NURI_CHECK(!std::isnan(logits[i]), "the logit of id {} is not a number; the model's weights or cache are damaged",
                 i);
  // What is not allowed weighs nothing: a chain goes on unchanged past its exp(-inf).
  z.resize(logits.size());
  sampler_logits({vocab, logits.data(), inverse, allowed.empty() ? nullptr : allowed.data(), z.data(), &largest});
  if (greedy || std::isinf(largest)) {  // the only ones that ask for it
    best = -1;
    for (size_t i = 0; i < z.size() && best < 0; ++i)
      if (z[i] == largest && (allowed.empty() || allowed[i])) best = static_cast<int32_t>(i);
    NURI_CHECK(best >= 0, "no token id is allowed here; the mask leaves none of {} ids", logits.size());
  }
  ids.clear();
  if (greedy) return;
  if (options.top_k > 0 || options.top_p < 1 || options.min_p > 0) ids = truncate(z, options, allowed, largest);
  to_weights(z, largest);
}

Sampled Drawing::end(const DrawRow& row, std::span<const uint8_t> allowed) const {
  const auto chosen = [&](int32_t id) {
    return Sampled{id, log_probability(row.logits[static_cast<size_t>(id)], inverse, lse), 0};
  };
  if (greedy) return chosen(best);
  const float u = Philox(row.options->seed, Purpose::sampling, row.sequence).uniform(row.position);
  const auto drawn = std::upper_bound(z.begin(), z.end(), u * z.back()) - z.begin();
  const bool none = drawn == std::ssize(z);  // only where the largest logit is infinite
  Sampled out = chosen(none ? best : ids.empty() ? static_cast<int32_t>(drawn) : ids[static_cast<size_t>(drawn)]);
  const bool all = ids.empty() ? allowed.empty() || !std::memchr(allowed.data(), 0, allowed.size())
                               : ids.size() == row.logits.size();
  const float z_drawn = none ? largest : row.logits[static_cast<size_t>(out.id)] * inverse;
  out.truncated = all ? out.log_probability : z_drawn - largest - x1::log(z.back());
  return out;
}

}  // namespace

Sampled sample(std::span<const float> logits, const SamplerOptions& options, uint64_t sequence, uint64_t position,
               std::span<const uint8_t> allowed) {
  const DrawRow row{logits, &options, sequence, position};
  Sampled out;
  sample({&row, 1}, allowed, {&out, 1});
  return out;
}

void sample(std::span<const DrawRow> rows, std::span<const uint8_t> allowed, std::span<Sampled> out) {
  NURI_ASSERT(out.size() == rows.size());
  thread_local std::array<Drawing, kDrawsAtOnce> drawings;  // keep their memory
  for (size_t begin = 0; begin < rows.size(); begin += kDrawsAtOnce) {
    const size_t n = std::min<size_t>(kDrawsAtOnce, rows.size() - begin);
    bool alike = n == kDrawsAtOnce;
    for (size_t r = 0; r < n; ++r) {
      drawings[r].begin(rows[begin + r], allowed);
      alike = alike && !drawings[r].greedy && drawings[r].z.size() == drawings[0].z.size();
    }
    if (alike) {
      std::array<float*, kDrawsAtOnce> weights;
      for (size_t r = 0; r < n; ++r) weights[r] = drawings[r].z.data();
      add_up(weights, drawings[0].z.size());
    }
    for (size_t r = 0; r < n; ++r) {
      if (!alike && !drawings[r].greedy) add_up<1>({drawings[r].z.data()}, drawings[r].z.size());
      out[begin + r] = drawings[r].end(rows[begin + r], allowed);
    }
  }
}

}  // namespace nuri
