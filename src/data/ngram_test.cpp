#include "data/ngram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/test_support.h"
#include "data/data_test_support.h"

namespace nuri::data {
namespace {

using nuri::test::TempDir;
using Ids = std::vector<int32_t>;

/// Interpolated Kneser-Ney written out with maps of n-grams, straight from the formulas.
class SlowKneserNey {
 public:
  SlowKneserNey(const test::Documents& documents, double v) : v_(v) {
    for (const Ids& d : documents) {
      for (size_t i = 1; i < d.size(); ++i) ++trigram_[{i >= 2 ? d[i - 2] : d[0], d[i - 1], d[i]}];
    }
    for (const auto& [g, c] : trigram_) {
      before_[{g[1], g[2]}].insert(g[0]);
      before_[{g[2]}].insert(-1);
    }
    for (const auto& [g, s] : before_) {
      if (g.size() == 2) before_word_[g[1]].insert(g[0]);
    }
  }
  double operator()(int32_t u, int32_t v, int32_t w) const {
    double bigrams = 0;
    for (const auto& [word, s] : before_word_) bigrams += static_cast<double>(s.size());
    const auto own = before_word_.count(w) ? static_cast<double>(before_word_.at(w).size()) : 0;
    double p = std::max(own - kD, 0.0) / bigrams + kD * static_cast<double>(before_word_.size()) / bigrams / v_;
    double total = 0, distinct = 0, mine = 0;
    for (const auto& [g, s] : before_) {
      if (g.size() != 2 || g[0] != v) continue;
      total += static_cast<double>(s.size());
      distinct += 1;
      if (g[1] == w) mine = static_cast<double>(s.size());
    }
    if (total > 0) p = std::max(mine - kD, 0.0) / total + kD * distinct / total * p;
    total = distinct = mine = 0;
    for (const auto& [g, c] : trigram_) {
      if (g[0] != u || g[1] != v) continue;
      total += c;
      distinct += 1;
      if (g[2] == w) mine = c;
    }
    if (total > 0) p = std::max(mine - kD, 0.0) / total + kD * distinct / total * p;
    return p;
  }

 private:
  static constexpr double kD = 0.75;
  double v_;
  std::map<Ids, int> trigram_;
  std::map<Ids, std::set<int32_t>> before_;
  std::map<int32_t, std::set<int32_t>> before_word_;
};

KneserNey fit(const test::Documents& documents, int64_t v) {
  Ids tokens;
  std::vector<int64_t> starts;
  for (const Ids& d : documents) {
    starts.push_back(static_cast<int64_t>(tokens.size()));
    tokens.insert(tokens.end(), d.begin(), d.end());
  }
  starts.push_back(static_cast<int64_t>(tokens.size()));
  return KneserNey(tokens, starts, v, 0.75);
}

TEST(KneserNey, EqualsTheFormulasAndSumsToOne) {
  const test::Documents documents = test::some_documents(30, 12, 5, 20);
  const KneserNey fast = fit(documents, 14);  // two words never seen
  const SlowKneserNey slow(documents, 14);
  for (int32_t u = 0; u < 14; u += 3) {
    for (int32_t v = 0; v < 14; ++v) {
      double sum = 0;
      for (int32_t w = 0; w < 14; ++w) {
        EXPECT_NEAR(fast.probability(u, v, w), slow(u, v, w), 1e-14);
        EXPECT_GT(fast.probability(u, v, w), 0);
        sum += fast.probability(u, v, w);
      }
      EXPECT_NEAR(sum, 1, 1e-12);
    }
  }
}

TEST(KneserNey, NothingSeenIsUniform) { EXPECT_EQ(fit({}, 8).probability(1, 2, 3), 1.0 / 8); }

TEST(Ngrams, ScoreOfADataset) {
  const TempDir dir;
  const test::Documents train = test::some_documents(40, 30, 1), held_out = test::some_documents(6, 30, 2);
  test::write_dataset(dir.path(),
                      {{"a", {train.begin(), train.begin() + 15}, {held_out.begin(), held_out.begin() + 2}},
                       {"b", {train.begin() + 15, train.end()}, {held_out.begin() + 2, held_out.end()}}},
                      30);
  const NgramScore score = score_ngrams(Dataset::open(dir.path()));
  const SlowKneserNey slow(train, 30);
  NgramBits sums[3];  // of source a, of b, of both; nats
  std::map<int32_t, int> counts;
  int n = 0;
  for (const Ids& d : train) {
    for (size_t i = 1; i < d.size(); ++i) ++counts[d[i]], ++n;
  }
  for (size_t k = 0; k < held_out.size(); ++k)
    for (NgramBits* sum : {&sums[k < 2 ? 0 : 1], &sums[2]}) {
      const Ids& d = held_out[k];
      sum->text_bytes += static_cast<int64_t>(d.size());
      for (size_t i = 1; i < d.size(); ++i) {
        sum->trigram -= std::log(slow(i >= 2 ? d[i - 2] : d[0], d[i - 1], d[i]));
        sum->unigram -= std::log((counts[d[i]] + 1.0) / (n + 30.0));
        ++sum->targets;
      }
    }
  ASSERT_EQ(score.by_source.size(), 2u);
  const NgramBits* found[] = {&score.by_source[0], &score.by_source[1], &score.all};
  for (int i = 0; i < 3; ++i) {
    const double bits = std::log(2.0) * static_cast<double>(sums[i].text_bytes);
    EXPECT_EQ(found[i]->targets, sums[i].targets);
    EXPECT_EQ(found[i]->text_bytes, sums[i].text_bytes);
    EXPECT_NEAR(found[i]->trigram, sums[i].trigram / bits, 1e-12);
    EXPECT_NEAR(found[i]->unigram, sums[i].unigram / bits, 1e-12);
  }
}

TEST(Ngrams, NeedsBothSplits) {
  const TempDir dir;
  test::write_dataset(dir.path(), {{"a", {{0, 2, 1}}, {}}}, 8);
  EXPECT_THROW(score_ngrams(Dataset::open(dir.path())), Error);
}

TEST(Overlap, CountsSharedRuns) {
  const TempDir dir;
  Ids shared = {0};
  for (int i = 0; i < 20; ++i) shared.push_back(100 + i);
  shared.push_back(1);
  Ids partly = {0, 7, 8, 9};
  partly.insert(partly.end(), shared.begin() + 1, shared.begin() + 15);  // 14 tokens in common: two runs of 13
  partly.push_back(1);
  const Ids foreign = {0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1};
  test::write_dataset(dir.path(),
                      {{"a", {shared, {0, 9, 1}}, {partly, foreign, {0, 3, 1}}}, {"b", {{0, 4, 1}}, {shared}}}, 200);
  const auto overlap = ngram_overlap(Dataset::open(dir.path()));
  ASSERT_EQ(overlap.size(), 2u);
  EXPECT_EQ(overlap[0].grams, 17 - 12 + 14 - 12);
  EXPECT_EQ(overlap[0].shared, 2);
  EXPECT_EQ(overlap[0].documents, 2);
  EXPECT_EQ(overlap[0].touched, 1);
  EXPECT_EQ(overlap[1].grams, 8);
  EXPECT_EQ(overlap[1].shared, 8);
  EXPECT_EQ(overlap[1].share(), 1);

  // Texts from elsewhere: without begin and end tokens, one entry each.
  const std::vector<Ids> texts = {Ids(partly.begin() + 1, partly.end() - 1), Ids(15, 5), {3, 4}, {}};
  const auto of_texts = ngram_overlap(Dataset::open(dir.path()), texts);
  ASSERT_EQ(of_texts.size(), 4u);
  EXPECT_EQ(of_texts[0].grams, 17 - 12);
  EXPECT_EQ(of_texts[0].shared, 2);
  EXPECT_EQ(of_texts[1].shared, 0);
  EXPECT_EQ(of_texts[1].documents, 1);
  EXPECT_EQ(of_texts[2].documents + of_texts[3].documents, 0);
}

}  // namespace
}  // namespace nuri::data
