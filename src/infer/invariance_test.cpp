// Invariants 1 and 2: every logit of a sequence has the same bits however it is computed.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "autograd/tape.h"
#include "base/philox.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "infer/cached_forward.h"
#include "infer/generate.h"
#include "infer/score.h"

namespace nuri {
namespace {

DeepseekV3Config small_config() {
  DeepseekV3Config c;
  c.vocab_size = 97;
  c.d_model = 24;
  c.n_layers = 2;
  c.n_heads = 2;
  c.q_lora_rank = 12;
  c.kv_lora_rank = 10;
  c.qk_nope_head_dim = 6;
  c.qk_rope_head_dim = 4;
  c.v_head_dim = 5;
  c.d_ff = 40;
  c.d_ff_expert = 12;
  c.n_routed_experts = 8;
  c.n_active_experts = 3;
  c.n_expert_groups = 4;
  c.n_kept_groups = 2;
  c.n_dense_layers = 1;
  c.max_seq_len = 4096;
  c.initializer_range = 0.3;
  return c;
}

std::vector<int32_t> random_ids(int64_t n, uint64_t stream) {
  const Philox random(11, Purpose::test, stream);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(static_cast<int32_t>(random.below(97, static_cast<uint64_t>(i))));
  return ids;
}

RaggedBatch one_sequence(const std::vector<int32_t>& ids) {
  RaggedBatch b;
  b.tokens = ids;
  for (size_t i = 0; i < ids.size(); ++i) b.positions.push_back(static_cast<int32_t>(i));
  b.sequences = b.rows = {0, b.n_tokens()};
  return b;
}

struct Case {
  DType dtype;
  MlaForm form;
};

class Invariance : public testing::TestWithParam<Case> {
 protected:
  static constexpr int64_t kLengths[] = {1, 63, 64, 65, 1023, 1024, 1025, 2600};
  static constexpr int64_t kLongest = 2600;

  void SetUp() override {
    // A trainable model draws the weights; one for inference is filled with what it rounds to.
    DeepseekV3 drawn(small_config(),
                     {.dtype = GetParam().dtype, .trainable = true, .with_mtp = true, .form = GetParam().form});
    drawn.initialise(3);
    model_ = std::make_unique<DeepseekV3>(
        small_config(),
        DeepseekV3::Options{.dtype = GetParam().dtype, .trainable = false, .with_mtp = false, .form = GetParam().form});
    const auto all = drawn.parameters();
    for (Parameter* p : model_->parameters())
      for (const Parameter* q : all)
        if (q->name == p->name) std::memcpy(p->value.raw(), q->value.raw(), p->value.bytes());
    model_->refresh();
    ids_ = random_ids(kLongest, 0);
    expected_ = logits_of(model_->hidden(one_sequence(ids_)));
  }
  void TearDown() override { set_thread_count(2); }

  std::vector<float> logits_of(const Tensor& hidden) {
    const Tensor t = model_->logits_of(hidden);
    return {t.span<float>().begin(), t.span<float>().end()};
  }

  /// Rows of logits against the first rows of the whole sequence's.
  void expect_rows(const std::vector<float>& got, int64_t first, const std::string& what) {
    const size_t begin = static_cast<size_t>(first * 97);
    ASSERT_LE(begin + got.size(), expected_.size());
    EXPECT_EQ(std::memcmp(got.data(), expected_.data() + begin, got.size() * sizeof(float)), 0) << what;
  }

  KvPool make_pool(int64_t tokens) {
    return KvPool(model_->config(), GetParam().form, GetParam().dtype, tokens / kKeyBlock + 2);
  }

  std::vector<float> forward(KvPool& pool, KvSequence& cache, int64_t begin, int64_t end) {
    std::vector<CacheStep> steps{{&cache, {ids_.begin() + begin, ids_.begin() + end}}};
    return logits_of(forward_cached(*model_, pool, steps));
  }

  std::unique_ptr<DeepseekV3> model_;
  std::vector<int32_t> ids_;
  std::vector<float> expected_;
};

TEST_P(Invariance, ShorterSequencesArePrefixes) {
  for (int64_t n : kLengths)
    expect_rows(logits_of(model_->hidden(one_sequence({ids_.begin(), ids_.begin() + n}))), 0,
                fmt::format("length {}", n));
}

TEST_P(Invariance, ThreadsDoNotShow) {
  for (int threads : {1, 3, 5}) {
    set_thread_count(threads);
    expect_rows(logits_of(model_->hidden(one_sequence({ids_.begin(), ids_.begin() + 1025}))), 0,
                fmt::format("{} threads", threads));
  }
}

TEST_P(Invariance, ChunksOfThePromptDoNotShow) {
  for (int64_t chunk : {1, 7, 64, 1000, 2600}) {
    const int64_t total = chunk == 1 ? 130 : chunk == 7 ? 1100 : kLongest;
    KvPool pool = make_pool(total);
    KvSequence cache(pool);
    for (int64_t begin = 0; begin < total; begin += chunk)
      expect_rows(forward(pool, cache, begin, std::min(total, begin + chunk)), begin,
                  fmt::format("chunks of {} at {}", chunk, begin));
  }
}

TEST_P(Invariance, DecodingAfterAPromptGivesTheSame) {
  for (int64_t n : kLengths) {
    if (n + 3 > kLongest) continue;
    KvPool pool = make_pool(n + 3);
    KvSequence cache(pool);
    expect_rows(forward(pool, cache, 0, n), 0, fmt::format("prompt of {}", n));
    for (int64_t i = n; i < n + 3; ++i)
      expect_rows(forward(pool, cache, i, i + 1), i, fmt::format("token {} after a prompt of {}", i, n));
  }
}

TEST_P(Invariance, ShuffledPagesAndPoisonedSlotsDoNotShow) {
  KvPool pool = make_pool(kLongest);
  pool.poison(0xFF);  // every slot a NaN
  std::vector<int32_t> order;
  for (int64_t i = 0; i < pool.n_pages(); ++i) order.push_back(static_cast<int32_t>((i * 17 + 5) % pool.n_pages()));
  pool.set_free_order(order);  // 42 pages: a permutation
  KvSequence cache(pool);
  for (int64_t begin : {0, 1000, 2000})
    expect_rows(forward(pool, cache, begin, std::min<int64_t>(kLongest, begin + 1000)), begin, "shuffled, poisoned");
}

TEST_P(Invariance, NeighboursDoNotShow) {
  // Nine others of other lengths, ours in their midst: first their prompts together, then tokens together.
  const int64_t n = 200;
  KvPool pool = make_pool(20 * 400);
  std::vector<KvSequence> others;
  for (int i = 0; i < 9; ++i) others.emplace_back(pool);
  KvSequence ours(pool);
  for (int round = 0; round < 3; ++round) {
    const int64_t begin = round == 0 ? 0 : n + round - 1, end = n + round;
    std::vector<CacheStep> steps;
    int64_t before = 0;
    for (size_t i = 0; i < others.size(); ++i) {
      if (i == 4) steps.push_back({&ours, {ids_.begin() + begin, ids_.begin() + end}});
      steps.push_back({&others[i], random_ids(round == 0 ? static_cast<int64_t>(30 * i + 1) : 1, 100 + i)});
      if (i < 4) before += static_cast<int64_t>(steps.back().tokens.size());
    }
    const Tensor hidden = forward_cached(*model_, pool, steps);
    expect_rows(logits_of(hidden.rows(before, before + end - begin)), begin, fmt::format("round {}", round));
  }
}

TEST_P(Invariance, EvictionAndRecomputationDoNotShow) {
  KvPool pool = make_pool(300);
  KvSequence cache(pool);
  (void)forward(pool, cache, 0, 150);
  cache.clear();  // its pages go to somebody else
  {
    KvSequence other(pool);
    std::vector<CacheStep> steps{{&other, random_ids(200, 9)}};
    (void)forward_cached(*model_, pool, steps);
  }
  expect_rows(forward(pool, cache, 0, 150), 0, "recomputed");
  expect_rows(forward(pool, cache, 150, 151), 150, "next token");
}

TEST_P(Invariance, PackedSecondInARowOfTraining) {
  // A row of two documents: ours behind another; the training forward's losses are the sampler's log-probabilities.
  const int64_t other = 37, n = 150;
  std::vector<int32_t> tokens = random_ids(other, 5), documents(static_cast<size_t>(other), 0);
  tokens.insert(tokens.end(), ids_.begin(), ids_.begin() + n);
  documents.resize(tokens.size(), 1);
  const TrainBatch batch = make_train_batch(tokens, documents, 1, other + n - 1, true);
  const Tensor hidden = model_->hidden(batch.batch);
  expect_rows(logits_of(hidden.rows(other, other + n - 1)), 0, "packed");
  const std::vector<float> nll = model_->token_nll(batch);
  const std::vector<float> scores = score_tokens(*model_, {ids_.begin(), ids_.begin() + n}, 7);
  for (int64_t i = 0; i + 1 < n; ++i)
    EXPECT_EQ(-nll[static_cast<size_t>(other + i)], scores[static_cast<size_t>(i)]) << "token " << i + 1;
}

TEST_P(Invariance, TheTapeDoesNotShow) {
  const std::vector<int32_t> tokens(ids_.begin(), ids_.begin() + 129);
  const std::vector<int32_t> documents(tokens.size(), 0);
  const TrainBatch batch = make_train_batch(tokens, documents, 1, 128, true);
  Tape tape;
  const TapeScope scope(tape);
  expect_rows(logits_of(model_->hidden(batch.batch)), 0, "recorded");
}

INSTANTIATE_TEST_SUITE_P(All, Invariance,
                         testing::Values(Case{DType::f32, MlaForm::expanded}, Case{DType::f32, MlaForm::absorbed},
                                         Case{DType::bf16, MlaForm::expanded}, Case{DType::bf16, MlaForm::absorbed}),
                         [](const testing::TestParamInfo<Case>& info) {
                           return std::string(dtype_name(info.param.dtype)) +
                                  (info.param.form == MlaForm::expanded ? "_expanded" : "_absorbed");
                         });

}  // namespace
}  // namespace nuri
