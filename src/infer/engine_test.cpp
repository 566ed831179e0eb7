// Whatever the engine does with its cache, a reply has the bits that it has alone, and those of the training forward.
#include "infer/engine.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "arch/arch_test_support.h"
#include "base/philox.h"
#include "base/test_support.h"
#include "base/threads.h"
#include "infer/score.h"

namespace nuri {
namespace {

constexpr int64_t kVocab = 89;

std::vector<int32_t> random_ids(int64_t n, uint64_t stream) {
  const Philox random(11, Purpose::test, stream);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(static_cast<int32_t>(random.below(kVocab, static_cast<uint64_t>(i))));
  return ids;
}

struct Case {
  DType dtype;
  MlaForm form;
};

class EngineTest : public testing::TestWithParam<Case> {
 protected:
  using Key = std::pair<uint64_t, size_t>;  // request, reply
  using Replies = std::map<Key, EngineReply>;

  void SetUp() override {
    model_ = std::make_unique<DeepseekV3>(
        test::grouped_config(),
        DeepseekV3::Options{.dtype = GetParam().dtype, .trainable = true, .form = GetParam().form});
    model_->initialise(3);
    // Prompts around the size of a page and beyond; one reply each, or groups.
    uint64_t sequence = 100;
    for (const int64_t n : {1, 2, 63, 64, 65, 130, 10, 128}) {
      EngineRequest r;
      r.prompt = random_ids(n, static_cast<uint64_t>(n));
      r.sequences.clear();
      for (int64_t i = 0; i < 1 + n % 4; ++i) r.sequences.push_back(sequence++);
      r.max_tokens = 20 + n % 70;
      r.stop_ids = {7};
      r.sampler.seed = 5;
      if (n == 65) r.sampler.temperature = 0.7f, r.sampler.top_k = 20, r.sampler.top_p = 0.9f;
      requests_.push_back(r);
    }
  }
  void TearDown() override { set_thread_count(2); }

  Replies run(Engine& engine) {
    Replies out;
    std::map<Key, std::vector<int32_t>> events;
    while (!engine.idle())
      for (const TokenEvent& e : engine.step()) {
        events[{e.request, e.reply}].push_back(e.id);
        if (e.ended) out[{e.request, e.reply}] = *e.ended;
      }
    for (const auto& [key, reply] : out) EXPECT_EQ(events[key], reply.ids);
    return out;
  }
  Replies run(const EngineOptions& options, EngineStats* stats = nullptr) {
    Engine engine(*model_, {}, options);
    for (const EngineRequest& r : requests_) engine.submit(r);
    Replies out = run(engine);
    if (stats) *stats = engine.stats();
    return out;
  }
  /// Of all replies one after the other, a token at a time.
  int64_t most_steps() const {
    int64_t n = 0;
    for (const EngineRequest& r : requests_)
      n += static_cast<int64_t>(r.sequences.size()) * (static_cast<int64_t>(r.prompt.size()) + r.max_tokens);
    return n;
  }
  /// Each reply in an engine of its own.
  Replies alone() {
    Replies out;
    for (uint64_t i = 0; i < requests_.size(); ++i)
      for (size_t k = 0; k < requests_[i].sequences.size(); ++k) {
        Engine engine(*model_, {}, {.cache_tokens = 512, .keep_experts = true});
        EngineRequest r = requests_[i];
        r.sequences = {requests_[i].sequences[k]};
        engine.submit(r);
        out[{i, k}] = run(engine)[{0, 0}];
      }
    return out;
  }
  static void expect_equal(const Replies& got, const Replies& expected, const std::string& what) {
    ASSERT_EQ(got.size(), expected.size()) << what;
    for (const auto& [key, reply] : expected) {
      const EngineReply& other = got.at(key);
      const std::string which = fmt::format("{}: request {}, reply {}", what, key.first, key.second);
      EXPECT_EQ(other.ids, reply.ids) << which;
      EXPECT_EQ(other.log_probabilities, reply.log_probabilities) << which;
      EXPECT_EQ(other.truncated, reply.truncated) << which;
      EXPECT_EQ(other.experts, reply.experts) << which;
      EXPECT_EQ(other.finish, reply.finish) << which;
    }
  }

  std::unique_ptr<DeepseekV3> model_;
  std::vector<EngineRequest> requests_;
};

TEST_P(EngineTest, NothingItDoesShowsInAReply) {
  const Replies expected = alone();
  bool stopped = false, differ = false;
  for (const auto& [key, reply] : expected) {
    stopped |= reply.finish == FinishReason::stop;
    if (key.second > 0) differ |= reply.ids != expected.at({key.first, 0}).ids;
  }
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(differ) << "replies to one prompt";
  EngineStats roomy, tight, tightest, one;
  expect_equal(run({.cache_tokens = 1 << 14, .keep_experts = true}, &roomy), expected, "roomy");
  EXPECT_EQ(roomy.evictions, 0);
  EXPECT_GT(roomy.shared_tokens, 200);
  EXPECT_GT(roomy.most_sequences, 10);
  expect_equal(run({.cache_tokens = 640, .keep_experts = true}, &tight), expected, "10 pages");
  EXPECT_GT(tight.evictions, 0);
  EXPECT_LE(tight.most_pages, 10);
  // The longest request alone needs as many: prompts kept for others have to leave.
  expect_equal(run({.cache_tokens = 256, .keep_experts = true}, &tightest), expected, "4 pages");
  EXPECT_EQ(tightest.most_pages, 4);
  expect_equal(run({.sequences = 1, .cache_tokens = 512, .keep_experts = true}, &one), expected, "one at a time");
  EXPECT_EQ(one.most_sequences, 1);
  for (const int64_t chunk : {1, 7, 64})
    expect_equal(run({.sequences = 5, .prefill_chunk = chunk, .cache_tokens = 1024, .keep_experts = true}), expected,
                 fmt::format("prompts by {}", chunk));
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    expect_equal(run({.cache_tokens = 640, .keep_experts = true}), expected, fmt::format("{} threads", threads));
  }
}

TEST_P(EngineTest, TheTrainersForwardGivesTheSameProbabilitiesAndExperts) {
  const Replies replies = run({.cache_tokens = 640, .keep_experts = true});
  const DeepseekV3Config& c = model_->config();
  for (const auto& [key, reply] : replies) {
    const EngineRequest& r = requests_[key.first];
    if (r.sampler.temperature != 1) continue;
    std::vector<int32_t> ids = r.prompt;
    ids.insert(ids.end(), reply.ids.begin(), reply.ids.end());
    const auto n = static_cast<int64_t>(ids.size());
    const std::vector<int32_t> documents(ids.size(), 0);
    const TrainBatch batch = make_train_batch(ids, documents, 1, n - 1, true);
    const std::vector<float> nll = model_->token_nll(batch);
    for (size_t i = 0; i < reply.ids.size(); ++i)
      ASSERT_EQ(reply.log_probabilities[i], -nll[r.prompt.size() - 1 + i]) << key.first << ", " << i;
    std::vector<int32_t> experts;
    for (int64_t t = 0; t + 1 < n; ++t)
      for (int64_t layer = c.n_dense_layers; layer < c.n_layers; ++layer) {
        const auto row = model_->moe_of(layer)->last_routing().experts.rows(t, t + 1).span<int32_t>();
        experts.insert(experts.end(), row.begin(), row.end());
      }
    EXPECT_EQ(reply.experts, experts);
  }
}

TEST_P(EngineTest, RequestsComeAndGoMeanwhile) {
  const Replies expected = alone();
  Engine engine(*model_, {}, {.sequences = 6, .cache_tokens = 640, .keep_experts = true});
  Replies out;
  size_t next = 0;
  std::map<Key, int> drawn;
  const Key gone{3, 0}, never{7, 0};  // cancelled after four tokens, and before the first
  while (next < requests_.size() || !engine.idle()) {
    if (next < requests_.size()) {
      EXPECT_EQ(engine.submit(requests_[next]), next);
      if (next == never.first) engine.cancel(never.first, never.second);
      ++next;
    }
    for (const TokenEvent& e : engine.step()) {
      const Key key{e.request, e.reply};
      if (++drawn[key] == 4 && key == gone) engine.cancel(e.request, e.reply);
      if (e.ended) out[key] = *e.ended;
    }
  }
  EXPECT_EQ(drawn[gone], 4);
  EXPECT_EQ(drawn[never], 0);
  Replies rest = expected;
  rest.erase(gone);
  rest.erase(never);
  expect_equal(out, rest, "meanwhile");
  // Every page came back: the largest request finds room.
  EngineRequest large;
  large.prompt = random_ids(500, 1);
  large.max_tokens = 12;
  engine.submit(large);
  EXPECT_EQ(run(engine).size(), 1u);
  engine.cancel(99, 0);  // nobody
}

TEST_P(EngineTest, RefusesWhatItCannotDo) {
  Engine engine(*model_, {}, {.cache_tokens = 128});
  EngineRequest ok;
  ok.prompt = {1, 2};
  ok.max_tokens = 5;
  const auto refused = [&](auto change) {
    EngineRequest r = ok;
    change(r);
    return test::error_of([&] { engine.submit(r); });
  };
  EXPECT_NE(refused([](EngineRequest& r) { r.prompt.clear(); }).find("empty"), std::string::npos);
  EXPECT_NE(refused([](EngineRequest& r) { r.prompt = {89}; }).find("outside 0..88"), std::string::npos);
  EXPECT_NE(refused([](EngineRequest& r) { r.prompt.assign(512, 1); }).find("context holds 512"), std::string::npos);
  EXPECT_NE(refused([](EngineRequest& r) { r.max_tokens = 0; }).find("max_tokens"), std::string::npos);
  EXPECT_NE(refused([](EngineRequest& r) { r.max_tokens = 200; }).find("--cache-tokens"), std::string::npos);
  EXPECT_NE(refused([](EngineRequest& r) { r.sampler.top_p = 2; }).find("top_p"), std::string::npos);
  EXPECT_TRUE(engine.idle());
  EXPECT_TRUE(engine.step().empty());
  EXPECT_EQ(engine.submit(ok), 0u);
  EXPECT_EQ(run(engine).size(), 1u);
}

TEST_P(EngineTest, AContextThatFillsUpEndsTheReply) {
  Engine engine(*model_, {}, {.cache_tokens = 512});
  EngineRequest r;
  r.prompt = random_ids(509, 2);
  r.max_tokens = 100;
  engine.submit(r);
  const EngineReply reply = run(engine)[{0, 0}];
  EXPECT_EQ(reply.ids.size(), 3u);
  EXPECT_EQ(reply.finish, FinishReason::length);
}

TEST_P(EngineTest, SlowACancelledReplyLeavesNoTraceWheneverItGoes) {
  requests_.clear();
  uint64_t sequence = 500;
  for (const auto& [n, replies, max_tokens] :
       {std::tuple{60, 2, 9}, std::tuple{63, 2, 6}, std::tuple{5, 1, 12}, std::tuple{100, 1, 5}}) {
    EngineRequest r;
    r.prompt = random_ids(n, static_cast<uint64_t>(n));
    r.sequences.clear();
    for (int i = 0; i < replies; ++i) r.sequences.push_back(sequence++);
    r.max_tokens = max_tokens;
    r.sampler.seed = 5;
    requests_.push_back(r);
  }
  const EngineOptions options{.prefill_chunk = 48, .cache_tokens = 256, .keep_experts = true};
  const Replies expected = alone();
  std::map<Stand, int> cancelled;
  for (const auto& [victim, unused] : expected) {
    Stand stand = Stand::waiting;
    for (int64_t at = 0; stand != Stand::gone; ++at) {
      stand = Stand::gone;  // unless it is still there at this step
      Engine engine(*model_, {}, options);
      for (const EngineRequest& r : requests_) engine.submit(r);
      Replies out;
      for (int64_t step = 0; !engine.idle(); ++step) {
        if (step == at) {
          stand = engine.stand(victim.first, victim.second);
          engine.cancel(victim.first, victim.second);
          EXPECT_EQ(engine.stand(victim.first, victim.second), Stand::gone);
        }
        for (const TokenEvent& e : engine.step())
          if (e.ended) out[{e.request, e.reply}] = *e.ended;
        ASSERT_LE(step, most_steps());
      }
      if (stand == Stand::gone) break;  // it had ended by then
      ++cancelled[stand];
      Replies rest = expected;
      rest.erase(victim);
      expect_equal(out, rest, fmt::format("{}, {} cancelled before step {}", victim.first, victim.second, at));
      ASSERT_EQ(engine.free_pages(), 4) << "pages lost";
      if (HasFailure()) return;
    }
  }
  for (const Stand stand : {Stand::waiting, Stand::reading, Stand::decoding, Stand::evicted})
    EXPECT_GT(cancelled[stand], 0) << static_cast<int>(stand);
}

TEST_P(EngineTest, SlowThreeHundredRequestsInFlightAreAsAlone) {
  requests_.clear();
  for (uint64_t i = 0; i < 300; ++i) {
    EngineRequest r;
    r.prompt = random_ids(static_cast<int64_t>(44 + i % 19), i);
    r.sequences = {i};
    r.max_tokens = static_cast<int64_t>(8 + i % 17);
    r.stop_ids = {7};
    r.sampler.seed = 5;
    requests_.push_back(r);
  }
  // A page for each and some to spare; those that go beyond 64 tokens want a second one.
  Engine engine(*model_, {},
                {.sequences = 300, .prefill_chunk = 1 << 15, .cache_tokens = 330 * 64, .keep_experts = true});
  for (const EngineRequest& r : requests_) engine.submit(r);
  Replies out;
  size_t most_events = 0;
  for (int64_t step = 0; !engine.idle(); ++step) {
    const std::vector<TokenEvent> events = engine.step();
    most_events = std::max(most_events, events.size());
    for (const TokenEvent& e : events)
      if (e.ended) out[{e.request, e.reply}] = *e.ended;
    ASSERT_LE(step, most_steps());
  }
  EXPECT_EQ(most_events, 300u);
  EXPECT_GT(engine.stats().evictions, 0);
  EXPECT_EQ(engine.stats().most_pages, 330);
  EXPECT_EQ(engine.free_pages(), 330);
  expect_equal(out, alone(), "300 at once");
}

// The oldest reply always goes on, so the steps of all, one after the other, are enough, whatever the room.
TEST_P(EngineTest, AdmissionNeverComesToAStandstill) {
  const Replies expected = alone();
  for (uint64_t trial = 0; trial < 12; ++trial) {
    const Philox random(11, Purpose::test, 1000 + trial);
    uint64_t draws = 0;
    const auto below = [&](uint64_t n) { return static_cast<int64_t>(random.below(n, draws++)); };
    const int64_t pages = trial < 4 ? 4 : 4 + below(9);  // the longest request needs four
    const EngineOptions options{
        .sequences = 1 + below(24), .prefill_chunk = 1 + below(150), .cache_tokens = 64 * pages, .keep_experts = true};
    const std::string what =
        fmt::format("{} pages, {} sequences, prompts by {}", pages, options.sequences, options.prefill_chunk);
    Engine engine(*model_, {}, options);
    Replies out;
    std::set<Key> gone;
    size_t next = 0;
    for (int64_t step = 0; next < requests_.size() || !engine.idle(); ++step) {
      ASSERT_LE(step, most_steps()) << what;
      while (next < requests_.size() && (engine.idle() || below(3) == 0)) engine.submit(requests_[next++]);
      if (trial % 2 == 1 && below(8) == 0) {
        const auto request = static_cast<uint64_t>(below(next));
        const Key key{request, static_cast<size_t>(below(requests_[request].sequences.size()))};
        if (!out.contains(key)) gone.insert(key);
        engine.cancel(key.first, key.second);
      }
      for (const TokenEvent& e : engine.step())
        if (e.ended) out[{e.request, e.reply}] = *e.ended;
    }
    Replies rest = expected;
    for (const Key& key : gone) rest.erase(key);
    expect_equal(out, rest, what);
    EXPECT_EQ(engine.free_pages(), pages) << what;
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EngineTest,
                         testing::Values(Case{DType::f32, MlaForm::expanded}, Case{DType::f32, MlaForm::absorbed},
                                         Case{DType::bf16, MlaForm::expanded}, Case{DType::bf16, MlaForm::absorbed}),
                         [](const testing::TestParamInfo<Case>& info) {
                           return std::string(dtype_name(info.param.dtype)) +
                                  (info.param.form == MlaForm::expanded ? "_expanded" : "_absorbed");
                         });

}  // namespace
}  // namespace nuri
