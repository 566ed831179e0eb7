// A step in which sampler and trainer differ is not made: the run ends with an error, everything before it is saved,
// and what goes on from there has the bits of a run that never stopped.
#include "rl/run.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/test_support.h"
#include "io/checkpoint.h"
#include "tasks/problem_row.h"
#include "text/tokenizer_train.h"

namespace nuri::rl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = R"({"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
 "vocab_size": 300, "hidden_size": 24, "intermediate_size": 20, "moe_intermediate_size": 8, "num_hidden_layers": 2,
 "num_attention_heads": 2, "num_key_value_heads": 2, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 6,
 "qk_rope_head_dim": 4, "v_head_dim": 6, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2,
 "n_group": 2, "topk_group": 1, "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": true,
 "routed_scaling_factor": 2.5, "num_nextn_predict_layers": 0, "first_k_dense_replace": 1,
 "max_position_embeddings": 128, "torch_dtype": "bfloat16", "rope_theta": 10000, "initializer_range": 0.1})";
// Six problems that a model which learned nothing never solves: after three visits each they are dropped, and the run
// ends at step 9. The second scorer gives answers different rewards.
constexpr const char* kKeys = R"(problems = "problems.jsonl"
eval_problems = 0
reward = "exact=1, language(en)=1"
prompts = 2
samples = 4
answer_tokens = 12
length = 64
steps = 40
drop_after = 3
lr = 1e-2
warmup_steps = 0
save_every = 5
sample_every = 0
)";

class RunTest : public testing::Test {
 protected:
  void SetUp() override {
    TokenizerTrainOptions options;
    options.vocab_size = 300;
    const TrainedTokenizer trained = train_tokenizer(
        [n = 0](std::string& document) mutable { return document = "text of a chat, 누리", n++ < 4; }, options);
    write_file_atomic(dir_.path() / "tokenizer.json", trained.tokenizer_json);
    write_file_atomic(dir_.path() / "tokenizer_config.json", trained.tokenizer_config_json);
    write_file_atomic(dir_.path() / "config.json", kConfig);
    std::string rows;
    for (int i = 0; i < 6; ++i) rows += tasks::problem_row({.prompt = fmt::format("q{}", i), .answer = "none"}) + "\n";
    write_file_atomic(dir_.path() / "problems.jsonl", rows);
  }

  PolicySummary run(const std::string& name, const std::vector<std::string>& settings = {}, bool resume = false,
                    const SeeDrawn& see = {}) {
    std::vector<std::string> all{"config=" + (dir_.path() / "config.json").string()};
    all.insert(all.end(), settings.begin(), settings.end());
    TrainOptions o;
    o.recipe = load_recipe({}, all, {kKeys, "test", true});
    o.out = dir_.path() / name;
    o.resume = resume;
    o.quiet = true;
    return rl::run(o, Prompts(dir_.path(), o.recipe, dir_.path()), see);
  }
  RunLog log(const std::string& name) const { return read_log(dir_.path() / name / "log.jsonl"); }

  test::TempDir dir_;
};

TEST_F(RunTest, AStepInWhichSamplerAndTrainerDifferIsNotMadeAndNothingIsLost) {
  const PolicySummary whole = run("whole");
  EXPECT_TRUE(whole.exhausted);
  EXPECT_EQ(whole.steps, 9);
  EXPECT_TRUE(whole.exact());
  ASSERT_EQ(log("whole").policy.size(), 9u);
  double trained = 0;
  for (const PolicyRow& row : log("whole").policy) {
    EXPECT_GT(row.compared_tokens, 0) << row.step;
    trained += static_cast<double>(row.trained_tokens);
  }
  EXPECT_GT(trained, 0);

  const auto first = [](std::vector<Group>& groups) -> Rollout& { return groups[0].rollouts[0]; };
  const auto no_advantage = [](std::vector<Group>& groups) {
    for (Group& g : groups)
      for (Rollout& r : g.rollouts) r.advantage = 0;
  };
  struct Fault {
    const char* name;
    int64_t step;
    std::function<void(std::vector<Group>&)> make;
  };
  const Fault faults[] = {
      {"a bit of an answer that is learned from", 8,
       [&](std::vector<Group>& groups) {
         Rollout& r = first(groups);
         r.advantage = 1;
         r.log_p[0] = std::nextafter(r.log_p[0], 0.0f);
       }},
      {"answers of groups without an advantage", 8,
       [&](std::vector<Group>& groups) {
         no_advantage(groups);
         for (Rollout& r : groups[1].rollouts) r.log_p[0] = std::nextafter(r.log_p[0], 0.0f);
       }},
      {"an expert", 6, [&](std::vector<Group>& groups) { first(groups).advantage = 1, first(groups).experts[0] += 1; }},
      {"before anything was saved", 1, [&](std::vector<Group>& groups) {
         no_advantage(groups);
         for (Rollout& r : groups[0].rollouts) r.log_p[0] -= 1;
       }}};
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.name);
    const std::string name = fmt::format("fault-{}", &fault - faults);
    const auto see = [&](int64_t step, std::vector<Group>& groups) {
      if (step == fault.step) fault.make(groups);
    };
    std::string said;
    try {
      (void)run(name, {}, false, see);
    } catch (const SamplerDiffers& error) {
      said = error.what();
    }
    EXPECT_EQ(said.find(fmt::format("step {}: sampler and trainer are not the same", fault.step)), 0u) << said;
    const RunRecord record = read_run_record(dir_.path() / name / "run.json");
    EXPECT_EQ(record.outcome, "failed");
    EXPECT_EQ(record.reason, said);
    EXPECT_EQ(record.steps, fault.step - 1);
    EXPECT_NE(read_file(dir_.path() / name / "report.html").find("failed: step"), std::string::npos);
    EXPECT_EQ(static_cast<int64_t>(log(name).policy.size()), fault.step - 1);
    const auto newest = latest_checkpoint(dir_.path() / name / "checkpoints");
    EXPECT_EQ(newest ? newest->step : 0, fault.step - 1);
    if (!newest) continue;
    const PolicySummary again = run(name, {}, true);
    EXPECT_EQ(again.steps, whole.steps);
    EXPECT_EQ(again.weights_hash, whole.weights_hash);
    EXPECT_TRUE(again.exact());
  }
}

TEST_F(RunTest, EveryStepOfEveryLossComparesSomethingAndItsTimesAddUp) {
  for (const std::vector<std::string>& settings : std::vector<std::vector<std::string>>{
           {"loss=dr_grpo", "reward=exact=1"},  // no answer is ever right: every group is equal
           {"loss=dapo", "dynamic_sampling=true", "reward=exact=1"},
           {"loss=grpo", "kl=0.01", "updates=2"},
           {"loss=dr_grpo", "updates=2"}}) {
    const std::string name = settings[0] + std::to_string(settings.size()) + settings.back();
    const PolicySummary summary = run(name, settings);
    EXPECT_TRUE(summary.exact());
    const RunLog found = log(name);
    ASSERT_EQ(static_cast<int64_t>(found.policy.size()), summary.steps);
    for (const PolicyRow& row : found.policy) {
      EXPECT_GT(row.compared_tokens, 0) << name << ", step " << row.step;
      if (settings.back() == "reward=exact=1") {
        EXPECT_EQ(row.trained_tokens, 0);
      }
      double sum = 0;
      for (const auto& [what, share] : row.shares()) {
        EXPECT_GE(share, 0) << what;
        sum += share;
      }
      EXPECT_NEAR(sum, 1, 1e-9);
      EXPECT_GT(row.rollout_tokens_per_s(), 0);
    }
  }
}

}  // namespace
}  // namespace nuri::rl
