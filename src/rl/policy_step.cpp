#include "rl/policy_step.h"

#include <algorithm>
#include <cmath>

#include "tensor/memory.h"

namespace nuri::rl {
namespace {

/// Rollouts in their order, cut into forwards of at most so many tokens (at least one rollout each).
std::vector<std::vector<Rollout*>> forwards(std::span<Rollout* const> rollouts, int64_t most_tokens) {
  std::vector<std::vector<Rollout*>> out;
  int64_t tokens = 0;
  for (Rollout* r : rollouts) {
    const auto n = static_cast<int64_t>(r->ids.size()) - 1;
    if (out.empty() || tokens + n > most_tokens) out.emplace_back(), tokens = 0;
    out.back().push_back(r);
    tokens += n;
  }
  return out;
}

TrainBatch batch_of(const std::vector<Rollout*>& rollouts) {
  std::vector<LearnedSequence> sequences;
  for (const Rollout* r : rollouts) sequences.push_back({r->ids, r->n_prompt});
  return make_train_batch(sequences);
}

}  // namespace

void Comparison::see(double trainer, double sampler) {
  const double apart = std::fabs(trainer - sampler);
  if (apart > difference || std::isnan(apart)) difference = apart;
  ++tokens;
}

void Comparison::add(const Comparison& other) {
  if (other.difference > difference || std::isnan(other.difference)) difference = other.difference;
  tokens += other.tokens;
  other_experts += other.other_experts;
}

struct PolicyStep::Micro {
  std::vector<Rollout*> rollouts;
  TrainBatch batch;
  /// Of a token of the batch: its rollout, and the place of its target in the answer.
  struct Place {
    const Rollout* rollout;
    size_t token;
  };
  std::vector<Place> places;

  explicit Micro(std::vector<Rollout*> of) : rollouts(std::move(of)), batch(batch_of(rollouts)) {
    for (const Rollout* r : rollouts)
      for (size_t i = 0; i + 1 < r->ids.size(); ++i)  // before the answer the subtraction wraps; nobody looks there
        places.push_back({r, i + 1 - static_cast<size_t>(r->n_prompt)});
  }
};

PolicyStep::PolicyStep(DeepseekV3& model, TrainStep& step, const PolicyLoss& loss, const Recipe& recipe,
                       const PolicyRecipe& policy)
    : model_(model),
      step_(step),
      loss_(loss),
      recipe_(recipe),
      policy_(policy),
      clip_{policy.clip_low, policy.clip_high, policy.kl} {}

std::vector<Rollout> PolicyStep::longest() const {
  Rollout one{.ids = std::vector<int32_t>(static_cast<size_t>(recipe_.length) + 1), .n_prompt = 1, .advantage = 1};
  one.log_p.resize(static_cast<size_t>(recipe_.length));
  one.reference = one.log_p;
  return std::vector<Rollout>(static_cast<size_t>(recipe_.rows_of_a_forward()), one);
}

StepResult PolicyStep::gradients(std::span<Rollout* const> rollouts, bool compare, PolicyStats& stats) {
  StepResult result;
  result.layers.resize(static_cast<size_t>(model_.n_blocks()));
  update_ = {.answers = static_cast<int64_t>(rollouts.size()), .most_tokens = policy_.answer_tokens};
  std::vector<Rollout*> pulling;
  for (Rollout* r : rollouts) {
    update_.tokens += r->n_answer();
    if (pulls(*r)) pulling.push_back(r);
  }
  options_ = {.balance_alpha = recipe_.balance_alpha,
              .rows_of_step = std::max<int64_t>(1, static_cast<int64_t>(pulling.size())),
              .inverse_temperature = policy_.inverse_temperature()};
  stats = {};
  const LooseBlocks loose;
  model_.visit([](Weight& w) { w.restart_chains(); });
  for (std::vector<Rollout*>& some : forwards(pulling, recipe_.rows_of_a_forward() * recipe_.length))
    run(Micro(std::move(some)), compare, stats, result);
  model_.visit([](Weight& w) { w.finish_chains(); });
  for (const LayerStats& layer : result.layers) result.balance += layer.balance;
  result.main = -stats.objective;
  result.total = result.main + recipe_.balance_alpha * result.balance;
  return result;
}

void PolicyStep::run(const Micro& micro, bool compare, PolicyStats& stats, StepResult& result) {
  result.tokens += micro.batch.batch.n_tokens();
  result.targets += micro.batch.n_targets();
  LossOptions options = options_;
  options.choose = [&](std::span<const int32_t> tokens, std::span<const float> log_p, std::span<float> weights) {
    for (size_t k = 0; k < tokens.size(); ++k) {
      const auto& [rollout, i] = micro.places[static_cast<size_t>(tokens[k])];
      const auto now = static_cast<double>(log_p[k]), sampled = static_cast<double>(rollout->log_p[i]);
      if (compare) stats.compared.see(now, sampled);
      const double reference = clip_.beta > 0 ? static_cast<double>(rollout->reference[i]) : 0;
      const double share = loss_.share(rollout->n_answer(), update_);
      const PolicyTerm term = policy_term(now, sampled, reference, rollout->advantage, clip_);
      stats.objective += share * term.objective;
      stats.kl += term.kl;
      stats.clipped += term.clipped;
      ++stats.tokens;
      weights[k] = static_cast<float>(share * term.gradient);
    }
  };
  LossSums sums;
  step_.micro_batch(micro.batch, options, sums, result, [&] {
    if (compare) stats.compared.other_experts += other_experts(micro);
  });
}

Comparison PolicyStep::compare(std::span<Rollout* const> rollouts) {
  Comparison out;
  const LooseBlocks loose;
  for (std::vector<Rollout*>& some : forwards(rollouts, recipe_.rows_of_a_forward() * recipe_.length)) {
    const Micro micro(std::move(some));
    const std::vector<float> nll = model_.token_nll(micro.batch, policy_.inverse_temperature());
    for (size_t row = 0; row < nll.size(); ++row) {
      const auto& [rollout, i] = micro.places[row];
      if (i < rollout->log_p.size()) out.see(static_cast<double>(-nll[row]), static_cast<double>(rollout->log_p[i]));
    }
    out.other_experts += other_experts(micro);
  }
  return out;
}

/// Of the forward that just ran.
int64_t PolicyStep::other_experts(const Micro& micro) const {
  std::vector<std::span<const int32_t>> chosen;  // of each layer with experts
  for (int64_t layer = 0; layer < model_.config().n_layers; ++layer)
    if (Moe* moe = model_.moe_of(layer)) chosen.push_back(moe->last_routing().experts.span<int32_t>());
  const auto k = static_cast<size_t>(model_.config().n_active_experts);
  int64_t differ = 0;
  size_t row = 0;
  for (const Rollout* r : micro.rollouts)
    for (size_t i = 0; i + 1 < r->ids.size(); ++i, ++row) {
      bool same = true;
      for (size_t layer = 0; layer < chosen.size(); ++layer) {
        const int32_t* sampled = r->experts.data() + (i * chosen.size() + layer) * k;
        same = same && std::equal(sampled, sampled + k, chosen[layer].data() + row * k);
      }
      differ += !same;
    }
  return differ;
}

void add_reference(DeepseekV3& reference, std::span<Rollout* const> rollouts, const Recipe& recipe,
                   const PolicyRecipe& policy) {
  const LooseBlocks loose;
  for (const std::vector<Rollout*>& some : forwards(rollouts, recipe.rows_of_a_forward() * recipe.length)) {
    const std::vector<float> nll = reference.token_nll(batch_of(some), policy.inverse_temperature());
    size_t row = 0;
    for (Rollout* r : some) {
      r->reference.clear();
      for (size_t i = 0; i + 1 < r->ids.size(); ++i, ++row)
        if (static_cast<int64_t>(i) + 1 >= r->n_prompt) r->reference.push_back(-nll[row]);
    }
  }
}

}  // namespace nuri::rl
