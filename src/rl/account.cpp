#include "rl/account.h"

#include <algorithm>
#include <map>

#include "arch/counts.h"
#include "rl/statistics.h"

namespace nuri::rl {

namespace {

/// One answer of a group, another one for each number.
Rollout& in_turn(Group& group, int64_t number) {
  return group.rollouts[static_cast<size_t>(number) % group.rollouts.size()];
}

}  // namespace

void Drawn::add(Group group, const PolicyLoss& loss, bool replace) {
  ++prompts;
  const std::vector<double> rewards = group.rewards();
  const bool equal = all_equal(rewards);
  equal_groups += equal;
  prompt_lengths.push_back(group.rollouts.front().n_prompt);
  for (const Rollout& r : group.rollouts) {
    ++answers;
    answer_tokens += r.n_answer();
    lengths.push_back(static_cast<int64_t>(r.ids.size()) - 1);  // the last id is drawn, and not read
    reward += r.answer.reward;
    solved += r.answer.right();
    finished += r.answer.finished;
    for (const float p : r.log_p) log_p += static_cast<double>(p);
    scores.resize(r.answer.scores.size());
    for (size_t i = 0; i < scores.size(); ++i) scores[i] += r.answer.scores[i];
  }
  if (equal && replace) {
    replaced.push_back(std::move(in_turn(group, prompts + step)));
    return;
  }
  const std::vector<double> advantages = loss.advantages(rewards);
  for (size_t i = 0; i < advantages.size(); ++i) group.rollouts[i].advantage = advantages[i];
  groups.push_back(std::move(group));
}

Updates::Updates(DeepseekV3& model) : model_(model) { sum_.layers.resize(static_cast<size_t>(model.n_blocks())); }

void Updates::add(const StepResult& r, const PolicyStats& s) {
  ++n_;
  const double n = static_cast<double>(n_);
  sum_.main += (r.main - sum_.main) / n;
  sum_.balance += (r.balance - sum_.balance) / n;
  sum_.total += (r.total - sum_.total) / n;
  sum_.grad_norm = r.grad_norm;
  sum_.clipped_heads += r.clipped_heads;
  sum_.layer_grad_norms = r.layer_grad_norms;
  sum_.layer_updates = r.layer_updates;
  sum_.tokens += r.tokens;
  sum_.targets += r.targets;
  sum_.sequence_lengths.insert(sum_.sequence_lengths.end(), r.sequence_lengths.begin(), r.sequence_lengths.end());
  for (size_t i = 0; i < sum_.layers.size(); ++i) {
    LayerStats& to = sum_.layers[i];
    const LayerStats& from = r.layers[i];
    to.expert_counts.resize(std::max(to.expert_counts.size(), from.expert_counts.size()));
    for (size_t e = 0; e < from.expert_counts.size(); ++e) to.expert_counts[e] += from.expert_counts[e];
    to.largest_logit = std::max(to.largest_logit, from.largest_logit);
    to.square_sum += from.square_sum;
    to.elements += from.elements;
  }
  stats_.objective += s.objective;
  stats_.kl += s.kl;
  stats_.clipped += s.clipped;
  stats_.tokens += s.tokens;
  stats_.compared.add(s.compared);
}

double Updates::training_flops() const {
  return 3 * forward_flops(model_.config(), sum_.sequence_lengths, false) -
         head_training_flops(model_.config(), sum_.tokens - sum_.targets, false);
}

PolicyRow policy_row(const Drawn& drawn, const Updates& updates, const tasks::Reward& reward) {
  PolicyRow row;
  const auto answers = static_cast<double>(drawn.answers), tokens = static_cast<double>(drawn.answer_tokens);
  row.reward = drawn.reward / answers;
  row.solved = drawn.solved / answers;
  for (size_t i = 0; i < drawn.scores.size(); ++i) row.parts[reward.parts()[i].name] = drawn.scores[i] / answers;
  row.length = tokens / answers;
  row.finished = drawn.finished / answers;
  row.entropy = -drawn.log_p / tokens;
  const PolicyStats& stats = updates.stats();
  if (stats.tokens > 0) {
    row.kl = stats.kl / static_cast<double>(stats.tokens);
    row.clipped = static_cast<double>(stats.clipped) / static_cast<double>(stats.tokens);
  }
  row.equal_groups = static_cast<double>(drawn.equal_groups) / static_cast<double>(drawn.prompts);
  row.compared_tokens = stats.compared.tokens;
  row.sampler_difference = stats.compared.difference;
  row.other_experts = stats.compared.other_experts;
  row.prompts = drawn.prompts;
  row.answers = drawn.answers;
  row.answer_tokens = drawn.answer_tokens;
  row.trained_tokens = updates.sum().tokens;
  return row;
}

double rollout_flops(const DeepseekV3Config& config, const Drawn& drawn, bool with_reference) {
  const auto once = [&](int64_t length) { return forward_flops(config, std::span(&length, 1), false); };
  double sum = 0;
  const size_t samples = drawn.lengths.size() / drawn.prompt_lengths.size();
  for (size_t g = 0; g < drawn.prompt_lengths.size(); ++g) {
    const double prompt = once(drawn.prompt_lengths[g]);
    sum += prompt;
    for (size_t k = 0; k < samples; ++k) sum += once(drawn.lengths[g * samples + k]) - prompt;
  }
  if (with_reference)
    for (const Group& group : drawn.groups)
      for (const Rollout& r : group.rollouts) sum += once(static_cast<int64_t>(r.ids.size()) - 1);
  return sum;
}

double comparison_flops(const DeepseekV3Config& config, const std::vector<Rollout*>& rollouts) {
  double sum = 0;
  for (const Rollout* r : rollouts) {
    const auto length = static_cast<int64_t>(r->ids.size()) - 1;
    sum += forward_flops(config, std::span(&length, 1), false);
  }
  return sum;
}

std::vector<Rollout*> compared_apart(Drawn& drawn, size_t first, const PolicyStep& policy_step) {
  std::vector<Rollout*> out;
  for (Rollout& r : drawn.replaced) out.push_back(&r);
  for (size_t g = 0; g < drawn.groups.size(); ++g) {
    std::vector<Rollout>& rollouts = drawn.groups[g].rollouts;
    const bool looked_at = g < first && std::any_of(rollouts.begin(), rollouts.end(),
                                                    [&](const Rollout& r) { return policy_step.pulls(r); });
    if (!looked_at) out.push_back(&in_turn(drawn.groups[g], static_cast<int64_t>(g) + drawn.step));
  }
  return out;
}

std::vector<Rollout*> rollouts_of(std::vector<Group>& groups, size_t first, size_t end) {
  std::vector<Rollout*> out;
  for (size_t g = first; g < end; ++g)
    for (Rollout& r : groups[g].rollouts) out.push_back(&r);
  return out;
}

std::vector<SampleRow> samples_of(const std::vector<Group>& groups, int64_t step) {
  if (groups.empty()) return {};
  const auto varied =
      std::find_if(groups.begin(), groups.end(), [](const Group& g) { return !all_equal(g.rewards()); });
  const Group& group = varied == groups.end() ? groups.front() : *varied;
  const auto less = [](const Rollout& a, const Rollout& b) { return a.answer.reward < b.answer.reward; };
  const auto row = [&](const Rollout& r) {
    return SampleRow{step, group.problem.prompt, r.answer.text, r.answer.reward};
  };
  std::vector<SampleRow> out{row(*std::max_element(group.rollouts.begin(), group.rollouts.end(), less))};
  if (varied != groups.end()) out.push_back(row(*std::min_element(group.rollouts.begin(), group.rollouts.end(), less)));
  return out;
}

SolveRow solve_row(const std::vector<tasks::Problem>& problems, const std::vector<std::vector<Answer>>& answers,
                   int64_t step) {
  std::vector<size_t> all;
  std::map<std::string, std::vector<size_t>> by_category, by_language;
  for (size_t i = 0; i < problems.size(); ++i) {
    all.push_back(i);
    if (!problems[i].category.empty()) by_category[problems[i].category].push_back(i);
    if (!problems[i].language.empty()) by_language[problems[i].language].push_back(i);
  }
  const Solved total = summarise(answers, all);
  SolveRow row{.step = step,
               .problems = total.problems,
               .pass_1 = total.pass_1,
               .low = total.interval.low,
               .high = total.interval.high,
               .length = total.tokens};
  for (const auto& [name, chosen] : by_category) row.by_category[name] = summarise(answers, chosen).pass_1;
  for (const auto& [name, chosen] : by_language) row.by_language[name] = summarise(answers, chosen).pass_1;
  return row;
}

}  // namespace nuri::rl
