// Keys of a recipe that only reinforcement learning has (`nuri rl`).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "ops/sampling.h"
#include "train/recipe_field.h"

namespace nuri {

struct Recipe;

struct PolicyRecipe {
  std::string loss = "dr_grpo";
  std::string tasks;
  std::string problems;
  std::string held_out;
  std::string language = "both";
  std::string reward;
  int64_t prompts = 8;
  int64_t samples = 8;
  int64_t updates = 1;
  int64_t answer_tokens = 0;
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  double clip_low = 0.2, clip_high = 0.2;
  double kl = 0;
  int64_t reference_every = 0;
  bool dynamic_sampling = false;
  int64_t sampling_rounds = 4;
  int64_t drop_after = 0;
  int64_t eval_problems = 200;
  double eval_temperature = 0;
  int64_t rollout_sequences = 64;

  /// The one list of keys, as Recipe's.
  template <class Self, class Field>
  static void visit(Self& self, Field&& field) {
    using F = RecipeField;
    field(F{"loss", "", "grpo, dr_grpo or dapo; sets clip_low, clip_high, kl and dynamic_sampling where they are not",
            0, 0},
          self.loss);
    field(F{"tasks", "",
            "generators of problems, \"word:2, arithmetic:1\" (`nuri tasks list`; behind the colon the "
            "difficulty): each step takes them by turns, drawn anew for ever",
            0, 0},
          self.tasks);
    field(F{"problems", "file",
            "JSONL of problems in place of tasks, relative to the recipe; each epoch in another "
            "order",
            0, 0},
          self.problems);
    field(F{"held_out", "file", "JSONL of problems to validate on; needed with problems where eval_problems is not 0",
            0, 0},
          self.held_out);
    field(F{"language", "", "of tasks: ko, en or both by turns", 0, 0}, self.language);
    field(F{"reward", "",
            "scorers and weights, \"numeric=1, format=0.1\"; the first says what is right; empty: the "
            "tasks' own",
            0, 0},
          self.reward);
    field(F{"prompts", "prompts", "of one step", 1, 1 << 20}, self.prompts);
    field(F{"samples", "answers", "to each prompt: the group that rewards are compared in", 2, 4096}, self.samples);
    field(F{"updates", "updates", "of the optimizer in a step; divides prompts", 1, 4096}, self.updates);
    field(F{"answer_tokens", "tokens", "longest answer; 0: half of length", 0, 1 << 24}, self.answer_tokens);
    field(F{"temperature", "", "of sampling, and of the log-probabilities of sampler and trainer", 1e-3, 100},
          self.temperature);
    field(F{"top_k", "ids", "sampling from the likeliest alone; 0: all", 0, 1 << 24}, self.top_k);
    field(F{"top_p", "", "sampling from the likeliest that have this probability together; 1: all", 1e-6, 1},
          self.top_p);
    field(F{"min_p", "", "sampling from ids of at least this share of the likeliest one's probability; 0: all", 0, 1},
          self.min_p);
    field(F{"clip_low", "", "the ratio of probabilities is clipped at 1 - clip_low", 0, 1}, self.clip_low);
    field(F{"clip_high", "", "and at 1 + clip_high", 0, 1e6}, self.clip_high);
    field(F{"kl", "", "weight of the divergence from a reference, which is kept in memory; 0: none", 0, 1e3}, self.kl);
    field(F{"reference_every", "steps",
            "after which the policy becomes the reference (R1: 400); 0: the first one stays", 0, 1e12},
          self.reference_every);
    field(F{"dynamic_sampling", "", "groups whose rewards are all equal are replaced by further prompts", 0, 1},
          self.dynamic_sampling);
    field(F{"sampling_rounds", "rounds", "of prompts that a step with dynamic_sampling draws at most", 1, 1 << 20},
          self.sampling_rounds);
    field(F{"drop_after", "visits",
            "in a row with all answers right, or all wrong, after which a problem of a file is left out; 0: never", 0,
            1e6},
          self.drop_after);
    field(F{"eval_problems", "problems", "held out, answered every eval_every steps and at the end; 0: none", 0, 1e6},
          self.eval_problems);
    field(F{"eval_temperature", "", "of those answers; 0: the likeliest", 0, 100}, self.eval_temperature);
    field(F{"rollout_sequences", "answers", "decoding together; no bit depends on it", 1, 1 << 16},
          self.rollout_sequences);
  }

  int64_t answers_of_update() const { return prompts / updates * samples; }
  /// Sets the keys of a recipe that follow from these, where `origin` does not say that they are set.
  void complete(Recipe& recipe, std::map<std::string, std::string>& origin);
  /// What single fields cannot say, and keys of a recipe that reinforcement learning does not take. Errors name keys.
  void validate(const Recipe& recipe) const;

  float inverse_temperature() const { return 1.0f / static_cast<float>(temperature); }
  SamplerOptions sampler(uint64_t seed) const {
    return {static_cast<float>(temperature), top_k, static_cast<float>(top_p), static_cast<float>(min_p), seed};
  }
};

}  // namespace nuri
