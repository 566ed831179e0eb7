// A step of reinforcement learning, taken apart.
#include "base/clock.h"
#include "base/median.h"
#include "base/philox.h"
#include "cli/bench.h"
#include "rl/policy_step.h"
#include "rl/reference.h"

namespace nuri {
namespace {

constexpr int kSteps = 5;

/// A policy of one form with its reference; trains on rollouts.
class Trained {
 public:
  Trained(const BenchOptions& o, const Recipe& recipe, const PolicyRecipe& policy, MlaForm form)
      : recipe_(recipe), policy_(policy) {
    DeepseekV3Config config = read_config("recipes/" + o.preset + "/config.json");
    config.n_mtp_layers = 0;
    model_ = std::make_unique<DeepseekV3>(
        config, DeepseekV3::Options{.dtype = dtype_of(o), .trainable = true, .with_mtp = false, .form = form});
    model_->initialise(1);
    optimizer_ = std::make_unique<Optimizer>(make_optimizer(*model_, recipe.optimizer_options()));
    step_ = std::make_unique<TrainStep>(*model_, *optimizer_, recipe.step_options());
    policy_step_ = std::make_unique<rl::PolicyStep>(*model_, *step_, rl::kGrpo, recipe_, policy_);
    reference_ = std::make_unique<rl::Reference>(*model_);
    reference_->follow(*model_);
  }
  DeepseekV3& model() { return *model_; }

  double seconds(std::vector<rl::Rollout>& rollouts, int64_t step, bool compare, double& difference) {
    std::vector<rl::Rollout*> all;
    for (rl::Rollout& r : rollouts) all.push_back(&r);
    const double begin = seconds_now();
    rl::add_reference(reference_->model(), all, recipe_, policy_);
    rl::PolicyStats stats;
    StepResult result = policy_step_->gradients(all, compare, stats);
    step_->apply(result, 1e-4, step);
    difference = std::max(difference, stats.compared.difference);
    return seconds_now() - begin;
  }

 private:
  const Recipe& recipe_;
  const PolicyRecipe& policy_;
  std::unique_ptr<DeepseekV3> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainStep> step_;
  std::unique_ptr<rl::PolicyStep> policy_step_;
  std::unique_ptr<rl::Reference> reference_;
};

std::vector<rl::Rollout> sample(DeepseekV3& model, const PolicyBench& b, uint64_t step) {
  const int64_t answers = b.prompts * b.samples, pages = (b.prompt_tokens + b.new_tokens) / kKeyBlock + 1;
  Engine engine(model, {}, {.sequences = answers, .cache_tokens = answers * pages * kKeyBlock, .keep_experts = true});
  std::vector<rl::Rollout> out;
  for (int64_t p = 0; p < b.prompts; ++p) {
    EngineRequest r;
    r.prompt = random_ids(b.prompt_tokens, model.config().vocab_size, step * 1000 + static_cast<uint64_t>(p));
    r.max_tokens = b.new_tokens;
    r.sequences.clear();
    for (int64_t k = 0; k < b.samples; ++k) {
      r.sequences.push_back((step * 1000 + static_cast<uint64_t>(p)) * 1000 + static_cast<uint64_t>(k));
      out.push_back({.ids = r.prompt, .n_prompt = b.prompt_tokens, .advantage = k % 2 ? 1.0 : -1.0});
    }
    engine.submit(std::move(r));
  }
  while (!engine.idle())
    for (const TokenEvent& event : engine.step()) {
      if (!event.ended) continue;
      rl::Rollout& rollout = out[event.request * static_cast<size_t>(b.samples) + event.reply];
      rollout.ids.insert(rollout.ids.end(), event.ended->ids.begin(), event.ended->ids.end());
      rollout.log_p = event.ended->log_probabilities;
      rollout.experts = event.ended->experts;
    }
  return out;
}

}  // namespace

PolicyBench bench_policy(const BenchOptions& o) {
  PolicyBench b;
  if (o.rows > 0) b.prompts = o.rows;
  if (o.length > 0) b.new_tokens = o.length;
  Recipe recipe;
  recipe.precision = o.precision;
  recipe.length = b.prompt_tokens + b.new_tokens;
  recipe.batch_rows = recipe.micro_rows = b.prompts * b.samples;
  recipe.weight_decay = recipe.balance_alpha = recipe.bias_update_speed = 0;
  PolicyRecipe policy;
  policy.loss = "grpo";
  policy.kl = 0.01;
  policy.answer_tokens = b.new_tokens;
  Trained absorbed(o, recipe, policy, MlaForm::absorbed), expanded(o, recipe, policy, MlaForm::expanded);
  std::vector<double> rollout, train, train_expanded;
  double ignored = 0;
  for (int step = 0; step <= kSteps; ++step) {
    const double begin = seconds_now();
    std::vector<rl::Rollout> rollouts = sample(absorbed.model(), b, static_cast<uint64_t>(step));
    const double sampled = seconds_now() - begin;
    const double exact = absorbed.seconds(rollouts, step + 1, true, b.sampler_difference);
    const double mixed = expanded.seconds(rollouts, step + 1, false, ignored);
    if (step == 0) continue;  // memory is found, weights are packed
    rollout.push_back(sampled), train.push_back(exact), train_expanded.push_back(mixed);
  }
  b.rollout_seconds = median(rollout);
  b.train_seconds = median(train);
  b.train_expanded_seconds = median(train_expanded);
  return b;
}

}  // namespace nuri
