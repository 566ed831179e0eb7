#include "train/policy_recipe.h"

#include <algorithm>

#include "base/error.h"
#include "train/recipe.h"

namespace nuri {

void PolicyRecipe::complete(Recipe& r, std::map<std::string, std::string>& origin) {
  constexpr int64_t kTokensAtOnce = 8192;
  if (answer_tokens == 0) answer_tokens = std::max<int64_t>(1, r.length / 2);
  if (!origin.contains("batch_rows")) r.batch_rows = std::max<int64_t>(1, answers_of_update());
  if (r.micro_rows == 0)
    r.micro_rows = std::clamp<int64_t>(kTokensAtOnce / r.length, 1, std::max<int64_t>(1, r.batch_rows));
}

void PolicyRecipe::validate(const Recipe& r) const {
  const Recipe usual;
  NURI_CHECK(language == "ko" || language == "en" || language == "both", "language = '{}'; allowed are ko, en and both",
             language);
  NURI_CHECK(tasks.empty() != problems.empty(),
             "tasks = \"{}\" and problems = \"{}\": name generators of problems, or a file of them", tasks, problems);
  NURI_CHECK(problems.empty() || !reward.empty(),
             "reward is missing: how answers to {} are scored, for instance \"numeric=1\"", problems);
  NURI_CHECK(held_out.empty() || eval_problems > 0, "held_out = \"{}\" with eval_problems = 0: leave one of them out",
             held_out);
  NURI_CHECK(held_out.empty() || !problems.empty(), "held_out = \"{}\" goes with problems; tasks have their own",
             held_out);
  NURI_CHECK(problems.empty() || eval_problems == 0 || !held_out.empty(),
             "held_out is missing: a file of problems to validate on; or set eval_problems = 0");
  NURI_CHECK(drop_after == 0 || !problems.empty(), "drop_after = {}: generators draw anew; it goes with problems",
             drop_after);
  NURI_CHECK(prompts % updates == 0, "prompts = {} does not divide into updates = {} equal parts", prompts, updates);
  NURI_CHECK(r.batch_rows == answers_of_update(),
             "batch_rows = {}: in reinforcement learning it is prompts / updates x samples = {}; leave it out",
             r.batch_rows, answers_of_update());
  NURI_CHECK(answer_tokens < r.length, "answer_tokens = {} leaves no room for a prompt in length = {}", answer_tokens,
             r.length);
  NURI_CHECK(reference_every == 0 || kl > 0,
             "reference_every = {} without a reference: set kl above 0, or leave it out", reference_every);
  NURI_CHECK(!dynamic_sampling || updates == 1,
             "dynamic_sampling with updates = {}: a step may end with fewer prompts; set updates = 1", updates);
  NURI_CHECK(r.steps > 0, "steps is missing: how many steps of {} answers", prompts * samples);
  sampler(0).check();
  SamplerOptions{.temperature = static_cast<float>(eval_temperature)}.check();
  const bool no_others =
      r.tokens == usual.tokens && r.epochs == usual.epochs && r.batch_rows_start == 0 && r.grad_shards == 1 &&
      r.document_mask && r.weights.empty() && r.mtp_weight == usual.mtp_weight && r.eval_rows == usual.eval_rows &&
      r.sample_prompts.empty() && r.sample_tokens == usual.sample_tokens && r.patience == 0 && r.publish == "last" &&
      r.ema_decay == 0 && r.learn_thought && r.too_long == usual.too_long && r.held_out_share == usual.held_out_share;
  NURI_CHECK(no_others,
             "reinforcement learning takes none of tokens, epochs, batch_rows_start, grad_shards, document_mask, "
             "weights, mtp_weight, eval_rows, sample_prompts, sample_tokens, patience, publish, ema_decay, "
             "learn_thought, too_long and held_out_share: leave them out");
}

}  // namespace nuri
