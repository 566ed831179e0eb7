// A training recipe: every key, its unit, its default and what it means, in one list. Files are TOML, flat keys.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arch/counts.h"
#include "arch/deepseek_v3.h"
#include "optim/batch_ramp.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "train/policy_recipe.h"
#include "train/recipe_field.h"
#include "train/step.h"

namespace nuri {

struct Recipe {
  std::string config;  ///< config.json beside the recipe
  std::string precision = "bf16";
  std::string mla_form = "expanded";
  bool document_mask = true;
  int64_t grad_shards = 1;
  int64_t batch_rows = 8;
  int64_t batch_rows_start = 0;
  int64_t batch_ramp_tokens = 0;
  int64_t batch_ramp_unit = 0;
  int64_t length = 256;
  int64_t micro_rows = 0;
  std::string recompute = "auto";
  int64_t steps = 0;
  int64_t tokens = 0;
  double epochs = 1;
  int64_t seed = 0;
  std::string optimizer = "adamw";
  double muon_momentum = 0.95;
  std::string schedule = "wsd";
  double lr = 2.2e-4;
  double final_lr = 0.1;
  int64_t warmup_steps = 100;
  double decay_fraction = 0.4;
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1, max_grad_norm = 1.0;
  double mtp_weight = 0.3, balance_alpha = 1e-4, bias_update_speed = 1e-3;
  double qk_clip = 0;
  double ema_decay = 0;
  int64_t save_every = 500;
  std::string save = "auto";
  int64_t keep_last = 2;
  int64_t keep_every = 0;
  bool keep_best = true;
  int64_t eval_every = 250;
  int64_t eval_rows = 64;
  int64_t sample_every = 500;
  std::string sample_prompts;
  int64_t sample_tokens = 64;
  std::string weights;
  std::string init_from;
  int64_t patience = 0;
  std::string publish = "last";
  bool learn_thought = true;
  std::string too_long = "cut";
  double held_out_share = 0.05;

  /// The one list of keys; reading, --set, printing and help walk it.
  template <class Self, class Field>
  static void visit(Self& self, Field&& field) {
    using F = RecipeField;
    constexpr double kMany = 1e12;
    field(F{"config", "file", "config.json of the model, relative to the recipe", 0, 0}, self.config);
    field(F{"precision", "", "bf16 (FP32 masters) or f32: what the forward reads", 0, 0}, self.precision);
    field(F{"mla_form", "", "expanded (cheaper for training) or absorbed; fixed for a run", 0, 0}, self.mla_form);
    field(F{"document_mask", "", "attention stays inside documents", 0, 1}, self.document_mask);
    field(F{"grad_shards", "", "power of two; equal runs of rows whose gradients are added by a fixed tree", 1, 65536},
          self.grad_shards);
    field(F{"batch_rows", "rows", "of one optimizer step", 1, 1 << 20}, self.batch_rows);
    field(F{"batch_rows_start", "rows", "of the first step, rising to batch_rows over batch_ramp_tokens; 0: no ramp", 0,
            1 << 20},
          self.batch_rows_start);
    field(
        F{"batch_ramp_tokens", "tokens", "seen when a step first has batch_rows rows; needs batch_rows_start", 0, 1e15},
        self.batch_ramp_tokens);
    field(F{"batch_ramp_unit", "rows", "by which the ramp rises; 0: batch_rows_start", 0, 1 << 20},
          self.batch_ramp_unit);
    field(F{"length", "tokens", "targets of a row", 1, 1 << 24}, self.length);
    field(F{"micro_rows", "rows", "of one forward, less memory when smaller, same bits; 0: all, with a ramp its unit",
            0, 1 << 20},
          self.micro_rows);
    field(
        F{"recompute", "",
          "in the backward, for less memory with the same bits: none, selective (norms, SwiGLU, MLA's up-projections), "
          "blocks (each layer's forward twice), or auto: the least that fits",
          0, 0},
        self.recompute);
    field(F{"steps", "steps", "length of the run; 0: by tokens", 0, kMany}, self.steps);
    field(F{"tokens", "tokens", "length of the run where steps is 0; 0: by epochs", 0, 1e15}, self.tokens);
    field(F{"epochs", "epochs", "length of the run where steps and tokens are 0", 0, 1e6}, self.epochs);
    field(F{"seed", "", "of initial weights and data order", 0, 9e18}, self.seed);
    field(F{"optimizer", "", "adamw, or muon: Muon for matrices but embedding, head and router, AdamW for the rest", 0,
            0},
          self.optimizer);
    field(F{"muon_momentum", "", "of Muon (Nesterov)", 0, 0.999999}, self.muon_momentum);
    field(F{"schedule", "", "wsd (warm-up, stable, linear decay) or cosine", 0, 0}, self.schedule);
    field(F{"lr", "", "peak learning rate", 0, 100}, self.lr);
    field(F{"final_lr", "of lr", "learning rate of the last step", 0, 1}, self.final_lr);
    field(F{"warmup_steps", "steps", "linear warm-up; 0: none", 0, kMany}, self.warmup_steps);
    field(F{"decay_fraction", "of steps", "length of the decay (wsd)", 0, 1}, self.decay_fraction);
    field(F{"beta1", "", "AdamW first moment", 0, 0.999999}, self.beta1);
    field(F{"beta2", "", "AdamW second moment", 0, 0.9999999}, self.beta2);
    field(F{"eps", "", "AdamW epsilon", 1e-12, 1}, self.eps);
    field(F{"weight_decay", "", "decoupled, on matrices, of AdamW and Muon", 0, 100}, self.weight_decay);
    field(F{"max_grad_norm", "", "clipping by the global norm; 0: none", 0, 1e9}, self.max_grad_norm);
    field(F{"mtp_weight", "", "weight of the MTP loss; 0 keeps training MTP with no weight", 0, 100}, self.mtp_weight);
    field(F{"balance_alpha", "", "weight of the sequence-wise balance loss", 0, 100}, self.balance_alpha);
    field(F{"bias_update_speed", "", "of the router bias, after each step", 0, 1}, self.bias_update_speed);
    field(
        F{"qk_clip", "logit",
          "QK-clip: after each step, heads whose largest attention logit exceeded this are scaled back to it (Kimi K2: "
          "100); 0: none",
          0, 1e9},
        self.qk_clip);
    field(F{"ema_decay", "", "of an FP32 average of the weights, in OUT/ema/ and evaluated at the end; 0: none", 0,
            0.99999},
          self.ema_decay);
    field(F{"save_every", "steps", "checkpoints; 0: only at the end", 0, kMany}, self.save_every);
    field(F{"save", "",
            "checkpoints while training goes on (background, from a copy of the state) or while it waits (foreground); "
            "auto: background where the copy fits into memory; the same bits",
            0, 0},
          self.save);
    field(F{"keep_last", "checkpoints", "newest ones kept", 1, 1e6}, self.keep_last);
    field(F{"keep_every", "steps", "checkpoints of these steps are kept for good; 0: none", 0, kMany}, self.keep_every);
    field(F{"keep_best", "", "keep the checkpoint of the lowest validation bits per byte", 0, 1}, self.keep_best);
    field(F{"eval_every", "steps", "validation; 0: only at the end", 0, kMany}, self.eval_every);
    field(F{"eval_rows", "rows", "of validation while training (the end uses all); 0: all", 0, kMany}, self.eval_rows);
    field(F{"sample_every", "steps", "samples in the log; 0: only at the end", 0, kMany}, self.sample_every);
    field(F{"sample_prompts", "", "prompts of the samples, separated by |", 0, 0}, self.sample_prompts);
    field(F{"sample_tokens", "tokens", "length of a sample", 0, 1 << 20}, self.sample_tokens);
    field(F{"weights", "", "of sources in the mixture, source=weight separated by commas; empty: the data's own", 0, 0},
          self.weights);
    field(F{"init_from", "directory", "model that the weights begin as, relative to the recipe; empty: drawn by seed",
            0, 0},
          self.init_from);
    field(F{"patience", "evaluations", "without a lower validation after which the run ends; 0: never", 0, kMany},
          self.patience);
    field(F{"publish", "",
            "the model of the run's directory at the end: last, or best (of the lowest validation, saved whenever one "
            "is lower)",
            0, 0},
          self.publish);
    field(F{"learn_thought", "", "of chats: what an answer has up to </think> is learned too", 0, 1},
          self.learn_thought);
    field(F{"too_long", "", "of chats: those of more than length + 1 tokens are cut, or dropped", 0, 0}, self.too_long);
    field(F{"held_out_share", "of rows", "of chats: held out for validation where no files are named for it", 0, 0.9},
          self.held_out_share);
  }

  Precision precision_kind() const { return precision == "f32" ? Precision::f32 : Precision::bf16; }
  /// auto: none, until a memory plan has chosen.
  Recompute recompute_kind() const;
  /// Whether a save in the background comes in this run; save = auto: not yet.
  bool saves_copies() const;
  MlaForm form() const { return mla_form == "absorbed" ? MlaForm::absorbed : MlaForm::expanded; }
  /// Rows that one forward really has: shards and steps end it early.
  int64_t rows_of_a_forward() const { return std::min(rows_at_once(), batch_rows / grad_shards); }
  /// With a ramp, forwards of one size whatever the rows of the step: each size would keep memory of its own.
  int64_t rows_at_once() const {
    if (micro_rows > 0) return micro_rows;
    return batch_rows_start > 0 ? std::max<int64_t>(1, ramp_unit() / grad_shards) : batch_rows;
  }
  int64_t ramp_unit() const { return batch_ramp_unit > 0 ? batch_ramp_unit : batch_rows_start; }
  /// Rows of each step.
  BatchRamp batch_ramp() const { return {batch_rows, batch_rows_start, ramp_unit(), batch_ramp_tokens / length}; }
  DeepseekV3::Options model_options() const;  ///< of the model that trains
  StepOptions step_options() const;
  OptimizerOptions optimizer_options() const;
  Schedule make_schedule(int64_t total_steps) const;
  std::map<std::string, double> source_weights() const;

  /// What single fields cannot say. Errors name keys.
  void validate() const;
};

/// A recipe with the origin of each value ("default", the file, "--set").
struct ResolvedRecipe {
  Recipe recipe;
  std::optional<PolicyRecipe> policy;  ///< its keys are known only where this is set
  std::map<std::string, std::string> origin;
  DeepseekV3Config model;           ///< of recipe.config, or of init_from where that is empty
  std::string config_text;          ///< of that file
  std::filesystem::path init_from;  ///< recipe.init_from, found from the recipe's directory
};

/// Applies the keys of a TOML text; `where` names it in errors and as the origin of the values. Errors: unknown keys,
/// wrong types, values out of range.
void apply_recipe(ResolvedRecipe& resolved, std::string_view toml, const std::string& where);

/// Reads the TOML file, then applies `key=value` settings. Errors: unknown keys (with the nearest name), wrong types,
/// values out of range, config.json missing or bad.
ResolvedRecipe load_recipe(const std::filesystem::path& path, const std::vector<std::string>& settings);
/// The same over defaults of a verb: TOML text and the origin of its values. path: may be empty, for none. policy: with
/// the keys of reinforcement learning, which then decide batch_rows (and micro_rows where it is not set).
struct RecipeDefaults {
  std::string_view toml;
  std::string origin;
  bool policy = false;
  bool checked = true;  ///< false: keys alone are read, to know what more defaults they ask for
};
ResolvedRecipe load_recipe(const std::filesystem::path& path, const std::vector<std::string>& settings,
                           const RecipeDefaults& defaults);

/// The recipe as TOML that can be run again, each line with its unit, meaning and origin as a comment.
std::string recipe_text(const ResolvedRecipe& resolved);

/// Keys that differ in a way that changes the bits of a run (all but those of saving, evaluating, sampling,
/// micro_rows), as "key: a -> b". Resuming refuses them.
std::vector<std::string> changed_bits(const ResolvedRecipe& before, const ResolvedRecipe& after);

}  // namespace nuri
