#include "rl/rollout.h"

#include <algorithm>

#include "infer/generate.h"

namespace nuri::rl {

int64_t cache_tokens(const ResolvedRecipe& recipe) {
  const PolicyRecipe& p = *recipe.policy;
  const int64_t together = std::min(p.rollout_sequences, std::max(p.prompts * p.samples, p.eval_problems));
  return together * ((recipe.recipe.length + kKeyBlock - 1) / kKeyBlock) * kKeyBlock;
}

std::vector<double> Group::rewards() const {
  std::vector<double> out;
  for (const Rollout& r : rollouts) out.push_back(r.answer.reward);
  return out;
}

std::vector<Group> Sampler::sample(const std::vector<uint64_t>& numbers, const std::function<void(int64_t)>& progress) {
  std::vector<Group> groups(numbers.size());
  Engine engine(
      model_, ids_with_text(prompts_.tokenizer(), model_.config()),
      {.sequences = recipe_.policy->rollout_sequences, .cache_tokens = cache_tokens(recipe_), .keep_experts = true});
  for (size_t g = 0; g < groups.size(); ++g) {
    Group& group = groups[g];
    group.number = numbers[g];
    group.problem = prompts_.at(group.number);
    EngineRequest r;
    r.prompt = prompts_.ids(group.problem);
    r.max_tokens = recipe_.policy->answer_tokens;
    r.sampler = recipe_.policy->sampler(static_cast<uint64_t>(recipe_.recipe.seed));
    r.stop_ids = prompts_.stop_ids();
    r.sequences.clear();
    for (int64_t k = 0; k < recipe_.policy->samples; ++k) {
      r.sequences.push_back(group.number * static_cast<uint64_t>(recipe_.policy->samples) + static_cast<uint64_t>(k));
      group.rollouts.push_back({.ids = r.prompt, .n_prompt = static_cast<int64_t>(r.prompt.size())});
    }
    engine.submit(std::move(r));
  }
  int64_t ended = 0;
  while (!engine.idle()) {
    for (const TokenEvent& event : engine.step()) {
      if (!event.ended) continue;
      Group& group = groups[event.request];
      Rollout& rollout = group.rollouts[event.reply];
      const EngineReply& reply = *event.ended;
      rollout.ids.insert(rollout.ids.end(), reply.ids.begin(), reply.ids.end());
      rollout.log_p = reply.log_probabilities;
      rollout.experts = reply.experts;
      rollout.answer = answer_of(reply, prompts_.tokenizer(), group.problem, prompts_.reward());
      ++ended;
    }
    if (progress) progress(ended);
  }
  return groups;
}

int64_t cache_bytes(const ResolvedRecipe& recipe) {
  const DType dtype = recipe.recipe.precision_kind() == Precision::bf16 ? DType::bf16 : DType::f32;
  return cache_tokens(recipe) / kKeyBlock * KvPool::page_bytes(recipe.model, recipe.recipe.form(), dtype);
}

}  // namespace nuri::rl
