#include "ops/sampling.h"

#include <algorithm>
#include <map>

#include "base/test_support.h"
#include "ops/cross_entropy.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

const std::vector<float> kLogits = {1.0f, 3.0f, -2.0f, 3.0f, 0.5f, 2.0f, -40.0f, 0.0f};

std::map<int32_t, int> histogram(const SamplerOptions& options, int draws, std::span<const uint8_t> allowed = {}) {
  std::map<int32_t, int> count;
  for (int i = 0; i < draws; ++i) ++count[nuri::sample(kLogits, options, 7, static_cast<uint64_t>(i), allowed).id];
  return count;
}

TEST(Sampling, GreedyTakesTheLowestIdOfTheLargest) {
  SamplerOptions o;
  o.temperature = 0;
  EXPECT_EQ(nuri::sample(kLogits, o, 0, 0).id, 1);
  const std::vector<uint8_t> allowed = {1, 0, 1, 0, 1, 1, 1, 1};
  EXPECT_EQ(nuri::sample(kLogits, o, 0, 0, allowed).id, 5);
  float lse = 0;
  log_sum_exp({1, 8, kLogits.data(), 8, 1.0f, &lse});
  EXPECT_EQ(nuri::sample(kLogits, o, 0, 0, allowed).log_probability, 2.0f - lse);  // of the whole vocabulary
}

TEST(Sampling, FrequenciesFollowTheProbabilities) {
  for (const float temperature : {1.0f, 0.6f, 2.0f}) {
    SamplerOptions o;
    o.temperature = temperature, o.seed = 5;
    constexpr int kDraws = 20000;
    const std::map<int32_t, int> count = histogram(o, kDraws);
    double sum = 0;
    for (const float z : kLogits) sum += std::exp(double(z) / double(temperature));
    for (size_t i = 0; i < kLogits.size(); ++i) {
      const double p = std::exp(double(kLogits[i]) / double(temperature)) / sum;
      const int found = count.contains(static_cast<int32_t>(i)) ? count.at(static_cast<int32_t>(i)) : 0;
      EXPECT_NEAR(found, p * kDraws, 5 * std::sqrt(kDraws * p * (1 - p)) + 1) << i;  // 5 standard deviations
    }
  }
}

TEST(Sampling, RowsTogetherAreThoseAlone) {
  constexpr int64_t kVocab = 1027;
  std::vector<uint8_t> allowed(kVocab, 1);
  for (size_t i = 3; i < kVocab; i += 5) allowed[i] = 0;
  SamplerOptions plain, cold, cut, greedy;
  plain.seed = 3, cold.temperature = 0.3f, cut.top_p = 0.8f, greedy.temperature = 0;
  for (const size_t n : {1, 3, 4, 5, 9})
    for (const bool mixed : {false, true}) {
      const std::vector<const SamplerOptions*> kinds =
          mixed ? std::vector<const SamplerOptions*>{&plain, &cut, &cold, &greedy}
                : std::vector<const SamplerOptions*>{&plain, &cold};
      std::vector<std::vector<float>> logits;
      for (size_t r = 0; r < n; ++r) logits.push_back(random_floats(kVocab, static_cast<int>(r) + 1, 4));
      std::vector<DrawRow> rows;
      for (size_t r = 0; r < n; ++r) rows.push_back({logits[r], kinds[r % kinds.size()], r, 7 * r});
      std::vector<Sampled> together(n);
      nuri::sample(rows, allowed, together);
      for (size_t r = 0; r < n; ++r) {
        const Sampled alone = nuri::sample(logits[r], *rows[r].options, r, 7 * r, allowed);
        EXPECT_EQ(together[r].id, alone.id) << n << " rows, " << r;
        EXPECT_EQ(together[r].log_probability, alone.log_probability) << n << " rows, " << r;
        EXPECT_EQ(together[r].truncated, alone.truncated) << n << " rows, " << r;
      }
    }
}

TEST(Sampling, LogProbabilityIsBeforeTruncation) {
  SamplerOptions o;
  o.temperature = 0.7f, o.top_k = 2, o.top_p = 0.9f;
  const float inverse = 1.0f / 0.7f;
  float lse = 0;
  log_sum_exp({1, 8, kLogits.data(), 8, inverse, &lse});
  const Sampled s = nuri::sample(kLogits, o, 1, 2);
  EXPECT_EQ(s.log_probability, log_probability(kLogits[static_cast<size_t>(s.id)], inverse, lse));
}

TEST(Sampling, TruncationsKeepWhatTheySay) {
  auto ids = [](const std::map<int32_t, int>& count) {
    std::vector<int32_t> out;
    for (const auto& [id, n] : count) out.push_back(id);
    return out;
  };
  SamplerOptions o;
  o.top_k = 1;  // a tie: the lower id comes first
  EXPECT_EQ(ids(histogram(o, 300)), (std::vector<int32_t>{1}));
  o.top_k = 3;
  EXPECT_EQ(ids(histogram(o, 300)), (std::vector<int32_t>{1, 3, 5}));
  o.top_k = 100;
  EXPECT_EQ(histogram(o, 300), histogram(SamplerOptions{}, 300));
  // p = 0.379, 0.379, 0.139, ... by hand: 0.75 needs two, 0.76 three.
  o = {}, o.top_p = 0.75f;
  EXPECT_EQ(ids(histogram(o, 300)), (std::vector<int32_t>{1, 3}));
  o.top_p = 0.76f;
  EXPECT_EQ(ids(histogram(o, 300)), (std::vector<int32_t>{1, 3, 5}));
  o.top_p = 1e-6f;
  EXPECT_EQ(ids(histogram(o, 300)), (std::vector<int32_t>{1}));
  // exp(2 - 3) = 0.368, exp(1 - 3) = 0.135
  o = {}, o.min_p = 0.3f;
  EXPECT_EQ(ids(histogram(o, 500)), (std::vector<int32_t>{1, 3, 5}));
  o.min_p = 1;
  EXPECT_EQ(ids(histogram(o, 300)), (std::vector<int32_t>{1, 3}));
  const std::vector<uint8_t> allowed = {0, 0, 1, 0, 0, 0, 1, 0};
  EXPECT_EQ(ids(histogram({}, 300, allowed)), (std::vector<int32_t>{2}));  // id 6 is e^38 times rarer
}

TEST(Sampling, ADrawIsAFunctionOfSeedSequenceAndPosition) {
  SamplerOptions o;
  o.temperature = 3;
  const auto draws = [&](uint64_t seed, uint64_t sequence) {
    o.seed = seed;
    std::vector<int32_t> ids;
    for (uint64_t i = 0; i < 60; ++i) ids.push_back(nuri::sample(kLogits, o, sequence, i).id);
    return ids;
  };
  EXPECT_EQ(draws(1, 2), draws(1, 2));
  EXPECT_NE(draws(1, 2), draws(1, 3));
  EXPECT_NE(draws(1, 2), draws(2, 2));
}

TEST(Sampling, TheDrawIsTheWrittenOne) {
  const std::vector<float> z = random_floats(3000, 1, 3);
  SamplerOptions o;
  o.seed = 11;
  std::vector<uint8_t> allowed(z.size(), 1);
  for (const bool all : {true, false}) {
    float max = -1e30f, total = 0;
    for (size_t i = 0; i < z.size(); ++i)
      if (allowed[i]) max = std::max(max, z[i]);
    for (size_t i = 0; i < z.size(); ++i)
      if (allowed[i]) total += x1::exp(z[i] - max);
    for (uint64_t position = 0; position < 200; ++position) {
      const float wanted = Philox(11, Purpose::sampling, 4).uniform(position) * total;
      float sum = 0;
      int32_t expected = -1;
      for (size_t i = 0; i < z.size() && expected < 0; ++i)
        if (allowed[i] && (sum += x1::exp(z[i] - max)) > wanted) expected = static_cast<int32_t>(i);
      const Sampled drawn = nuri::sample(z, o, 4, position, all ? std::span<const uint8_t>() : allowed);
      EXPECT_EQ(drawn.id, expected);
      const float left = z[static_cast<size_t>(expected)] - max - x1::log(total);
      EXPECT_EQ(drawn.truncated, all ? drawn.log_probability : left);
    }
    for (size_t i = 0; i < z.size(); ++i) allowed[i] = i % 7 != 0 && i > 40;
  }
}

/// What sampling.h writes down, step by step: ids left by the truncations, then the draw.
Sampled written_out(const std::vector<float>& logits, const SamplerOptions& o, uint64_t position,
                    const std::vector<uint8_t>& allowed) {
  const float inverse = 1.0f / o.temperature;
  const auto z = [&](int32_t id) { return logits[static_cast<size_t>(id)] * inverse; };
  std::vector<int32_t> ids;
  for (size_t i = 0; i < logits.size(); ++i)
    if (allowed[i]) ids.push_back(static_cast<int32_t>(i));
  std::vector<int32_t> order = ids;  // the likeliest first
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return z(a) > z(b); });
  const float largest = z(order[0]);
  const auto weight = [&](int32_t id) { return x1::exp(z(id) - largest); };
  const auto chain = [&](const std::vector<int32_t>& some) {
    float sum = 0;
    for (const int32_t id : some) sum = sum + weight(id);
    return sum;
  };
  if (o.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(o.top_k)));
  ids = order, std::sort(ids.begin(), ids.end());
  if (o.top_p < 1) {
    const float wanted = o.top_p * chain(ids);
    float sum = 0;
    size_t kept = 0;
    while (kept < order.size() && (kept == 0 || sum < wanted)) sum = sum + weight(order[kept++]);
    order.resize(kept);
    ids = order, std::sort(ids.begin(), ids.end());
  }
  if (o.min_p > 0) std::erase_if(ids, [&](int32_t id) { return weight(id) < o.min_p; });
  const float total = chain(ids);
  const float wanted = Philox(o.seed, Purpose::sampling, 4).uniform(position) * total;
  float sum = 0;
  for (const int32_t id : ids)
    if ((sum = sum + weight(id)) > wanted) return {id, 0, z(id) - largest - x1::log(total)};
  return {-1, 0, 0};
}

TEST(Sampling, TruncationsTogetherAndUnderAMask) {
  std::vector<float> z = random_floats(2500, 1, 4);
  z[40] = z[41] = z[900] = 9.5f;  // ties at the top
  std::vector<uint8_t> allowed(z.size(), 1);
  for (size_t i = 0; i < z.size(); i += 3) allowed[i] = 0;
  for (const auto& [top_k, top_p, min_p, temperature] : {std::tuple<int64_t, float, float, float>{2, 1, 0, 1},
                                                         {50, 0.9f, 0, 0.7f},
                                                         {0, 0.5f, 0, 1.5f},
                                                         {0, 1, 0.02f, 1},
                                                         {100, 0.95f, 0.01f, 1.2f},
                                                         {0, 0.999f, 0.3f, 1},
                                                         {3000, 1, 0, 1}})
    for (uint64_t position = 0; position < 60; ++position) {
      const SamplerOptions o{temperature, top_k, top_p, min_p, 3};
      const Sampled want = written_out(z, o, position, allowed), got = nuri::sample(z, o, 4, position, allowed);
      EXPECT_EQ(got.id, want.id) << top_k << " " << top_p << " " << min_p;
      EXPECT_EQ(got.truncated, want.truncated) << top_k << " " << top_p << " " << min_p;
    }
}

TEST(Sampling, NotANumberIsFoundWhereverItLies) {
  for (const size_t at : {size_t{0}, size_t{17}, size_t{1023}, size_t{1024}, size_t{2499}}) {
    std::vector<float> z = random_floats(2500, 1, 4);
    std::vector<uint8_t> allowed(z.size(), 1);
    z[5] = -std::numeric_limits<float>::infinity();
    z[at] = std::nanf("");
    allowed[at] = 0;
    const std::string message = fmt::format("the logit of id {} is not a number", at);
    for (const float temperature : {0.0f, 1.0f}) {
      SamplerOptions o;
      o.temperature = temperature;
      EXPECT_NE(error_of([&] { nuri::sample(z, o, 0, 0, allowed); }).find(message), std::string::npos) << at;
    }
  }
}

TEST(Sampling, InfiniteLogitsAreTheLikeliest) {
  std::vector<float> z = kLogits;
  z[2] = -std::numeric_limits<float>::infinity();
  for (uint64_t i = 0; i < 100; ++i) EXPECT_NE(nuri::sample(z, {}, 0, i).id, 2);
  z[5] = std::numeric_limits<float>::infinity();
  for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(nuri::sample(z, {}, 0, i).id, 5);
}

TEST(Sampling, WhatTruncationLeavesAddsUpToOne) {
  SamplerOptions o;
  EXPECT_EQ(nuri::sample(kLogits, o, 0, 0).truncated, nuri::sample(kLogits, o, 0, 0).log_probability);  // nothing cut
  o.top_k = 3;
  std::map<int32_t, Sampled> seen;
  for (uint64_t i = 0; i < 300; ++i) {
    const Sampled s = nuri::sample(kLogits, o, 0, i);
    EXPECT_GT(s.truncated, s.log_probability);
    seen[s.id] = s;
  }
  ASSERT_EQ(seen.size(), 3u);
  double sum = 0, whole = 0;
  for (const auto& [id, s] : seen) {
    sum += std::exp(static_cast<double>(s.truncated));
    whole += std::exp(static_cast<double>(s.log_probability));
  }
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_NEAR(seen.at(1).truncated - seen.at(1).log_probability, -std::log(whole), 1e-6);
  o.temperature = 0;
  EXPECT_EQ(nuri::sample(kLogits, o, 0, 0).truncated, 0);
}

TEST(Sampling, BadInputIsRefused) {
  SamplerOptions o;
  o.top_p = 0;
  EXPECT_EQ(error_of([&] { nuri::sample(kLogits, o, 0, 0); }), "top_p is 0, allowed is above 0, up to 1 (no limit)");
  o = {}, o.temperature = -1;
  EXPECT_NE(error_of([&] { o.check(); }), "no error");
  o = {}, o.temperature = std::nanf("");
  EXPECT_NE(error_of([&] { o.check(); }), "no error");
  o = {}, o.top_k = -1;
  EXPECT_NE(error_of([&] { o.check(); }), "no error");
  o = {}, o.min_p = 2;
  EXPECT_NE(error_of([&] { o.check(); }), "no error");
  const std::vector<uint8_t> none(8, 0);
  EXPECT_NE(error_of([&] { nuri::sample(kLogits, {}, 0, 0, none); }), "no error");
  std::vector<float> broken = kLogits;
  broken[6] = std::nanf("");
  EXPECT_NE(error_of([&] { nuri::sample(broken, {}, 0, 0); }).find("id 6"), std::string::npos);
}

}  // namespace
}  // namespace nuri
