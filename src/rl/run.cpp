#include "rl/run.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "base/profile.h"
#include "rl/account.h"
#include "rl/curriculum.h"
#include "rl/policy_step.h"
#include "rl/reference.h"
#include "train/not_finite.h"
#include "train/signals.h"

namespace nuri::rl {
namespace {

constexpr const char* kStep = "policy step";

class Run {
 public:
  Run(const TrainOptions& options, const Prompts& prompts, const SeeDrawn& see_drawn)
      : options_(options),
        recipe_(options.recipe.recipe),
        policy_(*options.recipe.policy),
        prompts_(prompts),
        see_drawn_(see_drawn),
        loss_(policy_loss_named(policy_.loss)),
        session_(options, prompts, summary_) {}

  PolicySummary go() {
    summary_.total_steps = recipe_.steps;
    schedule_ = recipe_.make_schedule(recipe_.steps);
    const DType dtype = recipe_.precision_kind() == Precision::bf16 ? DType::bf16 : DType::f32;
    const MemoryPlan& plan =
        session_.prepare({.weights = policy_.kl > 0 ? reference_bytes(options_.recipe.model, dtype) : 0,
                          .cache = cache_bytes(options_.recipe),
                          .kept = policy_.kl > 0 ? reference_bytes(options_.recipe.model, dtype) / 2 : 0});
    if (!options_.quiet) describe(plan);
    curriculum_ = std::make_unique<Curriculum>(prompts_, policy_.drop_after);
    std::vector<NamedTensor> kept = curriculum_->tensors();
    if (policy_.kl > 0) {
      reference_ = std::make_unique<Reference>(session_.model());
      for (NamedTensor& t : reference_->tensors()) kept.push_back(std::move(t));
    }
    session_.keep(std::move(kept));
    const SignalScope signals;  // the files of the run are there from here on: a signal closes them as it should
    session_.begin([&] {
      if (reference_) reference_->follow(session_.model());
    });
    summary_.passed_over = prompts_.passed_over();
    if (summary_.passed_over > 0) session_.record().results["passed_over"] = static_cast<double>(summary_.passed_over);
    saved_step_ = session_.state.step;
    if (saved_step_ > 0) add_up(read_log(options_.out / "log.jsonl"));
    sampler_ = std::make_unique<Sampler>(session_.model(), prompts_, options_.recipe);
    policy_step_ = std::make_unique<PolicyStep>(session_.model(), session_.step(), loss_, recipe_, policy_);
    session_.watch([&] {
      if (session_.stopped_before_steps()) return;
      rehearse();
      loop();
    });
    finish();
    return summary_;
  }

 private:
  void describe(const MemoryPlan& plan) const {
    const ParameterCounts n = count_parameters(options_.recipe.model);
    fmt::print(stderr,
               "policy: {:.2f} M parameters, {:.2f} M active, {}, {} MLA; {} steps of {} prompts x {} answers, {}\n",
               static_cast<double>(n.main) / 1e6, static_cast<double>(n.active) / 1e6, recipe_.precision,
               recipe_.mla_form, recipe_.steps, policy_.prompts, policy_.samples, loss_.name);
    fmt::print(stderr, "memory planned:\n{}", plan_text(plan));
  }

  /// The largest forward and backward, so that ragged ones find their memory. The reference first: what it packs lies
  /// in blocks of its own.
  void rehearse() {
    std::vector<Rollout> longest = policy_step_->longest();
    std::vector<Rollout*> all;
    for (Rollout& r : longest) all.push_back(&r);
    if (reference_) add_reference(reference_->model(), all, recipe_, policy_);
    PolicyStats stats;
    (void)policy_step_->gradients(all, false, stats);
  }

  void loop() {
    const profile::StepScope steps(kStep);
    LiveLine live(recipe_.steps, 0, session_.peak_gflops(), options_.quiet);
    live_ = &live;
    const double begin = row_ended_ = seconds_now();
    TrainState& state = session_.state;
    const int64_t begun = state.step;
    if (state.step == 0) validate();
    while (state.step < recipe_.steps && !curriculum_->exhausted()) {
      profile::step(kStep);
      step();
      const bool last = state.step == recipe_.steps || curriculum_->exhausted();
      const bool validates = last || session_.every(recipe_.eval_every);
      if (validates) validate();
      const bool enough = options_.stop_after > 0 && state.step - begun >= options_.stop_after;
      const bool stop = (SignalScope::stop_asked() || enough) && !last;
      const bool saves = last || stop || session_.save_asked(live) || session_.every(recipe_.save_every);
      if (saves) save(last, !last && !stop);
      if (!last && !stop) session_.report(saves || validates);
      session_.note_memory();
      if (stop) summary_.outcome = "stopped";
      if (stop || last) break;
    }
    live.end();
    live_ = nullptr;
    summary_.seconds = seconds_now() - begin;
    if (summary_.outcome.empty()) summary_.outcome = "finished";
  }

  void save(bool finished, bool goes_on) {
    session_.save(finished, goes_on);
    saved_step_ = session_.state.step;
  }

  void step() {
    TrainState& state = session_.state;
    const double start = seconds_now();
    const Begun begun{state.rows, curriculum_->visits()};
    Drawn drawn = draw();
    if (see_drawn_) see_drawn_(state.step + 1, drawn.groups);
    const double sampled = seconds_now();
    std::vector<Rollout*> all = rollouts_of(drawn.groups, 0, drawn.groups.size());
    if (reference_) add_reference(reference_->model(), all, recipe_, policy_);
    const double referred = seconds_now();
    const double rate = schedule_.at(state.step);
    Updates updates(session_.model());
    const size_t n = drawn.groups.size(), parts = static_cast<size_t>(policy_.updates);
    const std::vector<Rollout*> apart = compared_apart(drawn, n / parts, *policy_step_);
    const Comparison beside = policy_step_->compare(apart);
    require_exact(beside, begun);
    updates.add(beside);
    const double compared = seconds_now();
    for (int64_t u = 0; u < policy_.updates && n > 0; ++u) {
      const std::vector<Rollout*> part =
          rollouts_of(drawn.groups, static_cast<size_t>(u) * n / parts, static_cast<size_t>(u + 1) * n / parts);
      PolicyStats stats;
      StepResult result = policy_step_->gradients(part, u == 0, stats);
      check_finite("loss", result.total, part);
      require_exact(stats.compared, begun);
      if (result.targets == 0) continue;  // nothing pulls: no momentum moves the weights either
      session_.step().apply(result, rate, state.step * policy_.updates + u + 1);
      check_finite("gradient norm", result.grad_norm, part);
      updates.add(result, stats);
    }
    ++state.step;
    state.tokens += drawn.answer_tokens;
    PolicyRow row = policy_row(drawn, updates, prompts_.reward());
    row.step = state.step;
    row.dropped = curriculum_->dropped();
    row.too_long = drawn.too_long;
    row.rollout_seconds = sampled - start;
    row.reference_seconds = referred - sampled;
    row.comparison_seconds = compared - referred;
    row.training_seconds = seconds_now() - compared;
    row.evaluation_seconds = std::exchange(evaluation_seconds_, 0);
    StepRow step_row = make_step_row(updates.sum(), session_.model(), state.step, state.tokens, rate, 0);
    step_row.step_tokens = drawn.answer_tokens;
    step_row.flops = updates.training_flops() + rollout_flops(options_.recipe.model, drawn, reference_ != nullptr) +
                     comparison_flops(options_.recipe.model, apart);
    step_row.seconds = seconds_now() - start;
    session_.count(step_row, *live_);
    session_.look_after_save(*live_);
    const double now = seconds_now();
    row.seconds = now - std::exchange(row_ended_, now);
    session_.log().write(row);
    summary_.prompts_too_long += row.too_long;
    session_.record().results["prompts_too_long"] = static_cast<double>(summary_.prompts_too_long);
    if (session_.every(recipe_.sample_every) || state.step == recipe_.steps)
      for (const SampleRow& sample : samples_of(drawn.groups, state.step)) session_.log().write(sample);
    if (reference_ && policy_.reference_every > 0 && state.step % policy_.reference_every == 0)
      reference_->follow(session_.model());
    show(row, step_row.seconds);
  }

  /// What a step moves before its update.
  struct Begun {
    int64_t rows;
    std::vector<float> visits;
  };

  /// A step in which sampler and trainer differ is not made: what it moved goes back, and what is not saved yet is
  /// saved.
  void require_exact(const Comparison& c, const Begun& begun) {
    if (c.exact()) return;
    TrainState& state = session_.state;
    state.rows = begun.rows;
    curriculum_->restore(begun.visits);
    if (state.step > saved_step_) save(false, false);
    session_.record().results["sampler_difference"] = c.difference;
    throw SamplerDiffers(fmt::format(
        "step {}: sampler and trainer are not the same to the bit: of {} tokens compared the log-probabilities differ "
        "by up to {}, and {} went to other experts. The step was not made, all before it is saved. Run `nuri "
        "selftest`, "
        "then continue with --resume: if the step goes through, suspect the machine (memory, overclocking); if it "
        "differs again, this is a bug: report it with run.json, log.jsonl and the last checkpoint",
        state.step + 1, c.tokens, c.difference, c.other_experts));
  }

  /// Groups of a step with their advantages. With dynamic sampling those that say nothing are replaced, as long as
  /// rounds are left.
  Drawn draw() {
    Drawn drawn;
    drawn.step = session_.state.step;
    for (int64_t round = 0; round < (policy_.dynamic_sampling ? policy_.sampling_rounds : 1); ++round) {
      const int64_t missing = policy_.prompts - static_cast<int64_t>(drawn.groups.size());
      if (missing == 0 || curriculum_->exhausted()) break;
      const auto progress = [&](int64_t ended) {
        live_->show(fmt::format("step {}/{}  {} of {} answers", session_.state.step + 1, recipe_.steps,
                                drawn.answers + ended, drawn.answers + missing * policy_.samples),
                    false);
      };
      for (Group& group : sampler_->sample(curriculum_->next(session_.state.rows, missing, drawn.too_long), progress)) {
        curriculum_->see(group);
        drawn.add(std::move(group), loss_, policy_.dynamic_sampling);
      }
    }
    return drawn;
  }

  void show(const PolicyRow& row, double seconds) {
    step_seconds_.push_back(seconds);
    const double left = static_cast<double>(recipe_.steps - row.step) * median(step_seconds_);
    std::string text =
        fmt::format("step {}/{}  reward {:.3f}  solved {:.1f} %  {:.1f} tokens  {:.0f} tokens/s", row.step,
                    recipe_.steps, row.reward, 100 * row.solved, row.length, summary_.tokens_per_s);
    if (held_out_) text += fmt::format("  held out {:.1f} %", 100 * *held_out_);
    live_->show(text + fmt::format("  ETA {}", duration_text(left)), row.step == recipe_.steps);
  }

  /// Held-out problems answered, in log and state; nothing where the recipe has none.
  void validate() {
    const std::vector<tasks::Problem>& problems = prompts_.held_out();
    if (problems.empty()) return;
    const double begin = seconds_now();
    SamplerOptions sampler;
    sampler.temperature = static_cast<float>(policy_.eval_temperature);
    sampler.seed = static_cast<uint64_t>(recipe_.seed);
    const auto answers = solve(session_.model(), prompts_.tokenizer(), problems, prompts_.reward(),
                               {.sampler = sampler,
                                .max_tokens = policy_.answer_tokens,
                                .sequences = policy_.rollout_sequences,
                                .cache_tokens = cache_tokens(options_.recipe)},
                               [&](int64_t ended) {
                                 live_->show(fmt::format("step {}/{}  held out: {} of {} answers", session_.state.step,
                                                         recipe_.steps, ended, problems.size()),
                                             false);
                               });
    TrainState& state = session_.state;
    const SolveRow row = solve_row(problems, answers, state.step);
    session_.log().write(row);
    held_out_ = row.pass_1;
    const double wrong = 1 - row.pass_1;
    if (state.step > 0 && (state.best_step == 0 || wrong < state.best_bits)) {
      state.best_bits = wrong;
      state.best_step = state.step;
    }
    evaluation_seconds_ += seconds_now() - begin;
  }

  void check_finite(const char* what, double value, const std::vector<Rollout*>& rollouts) {
    if (std::isfinite(value)) return;
    PolicyStats stats;
    const std::string first =
        first_not_finite(session_.model(), [&] { (void)policy_step_->gradients(rollouts, false, stats); });
    fail(
        "step {}: the {} is {}; the first value that is not finite comes out of {}. Nothing of this step is saved: "
        "lower lr or raise warmup_steps, or resume from an earlier checkpoint",
        session_.state.step + 1, what, value, first.empty() ? fmt::format("the {} itself", what) : first);
  }

  /// What a log says of the run's steps: what earlier processes did counts too.
  void add_up(const RunLog& log) {
    summary_.compared_tokens = summary_.other_experts = summary_.prompts_too_long = 0;
    for (const PolicyRow& row : log.policy) {
      summary_.reward = row.reward;
      summary_.solved = row.solved;
      summary_.compared_tokens += row.compared_tokens;
      summary_.sampler_difference = std::max(summary_.sampler_difference, row.sampler_difference);
      summary_.other_experts += row.other_experts;
      summary_.prompts_too_long += row.too_long;
    }
  }

  void finish() {
    const RunLog log = read_log(options_.out / "log.jsonl");
    add_up(log);
    if (!log.solves.empty()) summary_.first = log.solves.front(), summary_.last = log.solves.back();
    summary_.exhausted = curriculum_->exhausted() && session_.state.step < recipe_.steps;
    RunRecord& r = session_.record();
    if (session_.state.step > 0) r.results["reward"] = summary_.reward;
    if (summary_.last) r.results["pass_1"] = summary_.last->pass_1;
    r.results["sampler_difference"] = summary_.sampler_difference;
    r.results["prompts_too_long"] = static_cast<double>(summary_.prompts_too_long);
    session_.finish();
  }

  const TrainOptions& options_;
  const Recipe& recipe_;
  const PolicyRecipe& policy_;
  const Prompts& prompts_;
  const SeeDrawn& see_drawn_;
  const PolicyLoss& loss_;
  PolicySummary summary_;
  Session session_;
  Schedule schedule_;
  std::unique_ptr<Reference> reference_;
  std::unique_ptr<Curriculum> curriculum_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<PolicyStep> policy_step_;
  LiveLine* live_ = nullptr;  ///< of the loop
  std::vector<double> step_seconds_;
  int64_t saved_step_ = 0;  ///< of the newest checkpoint
  // Of the clock: the end of the last row of the log, and validations since then.
  double row_ended_ = 0, evaluation_seconds_ = 0;
  std::optional<double> held_out_;
};

}  // namespace

PolicySummary run(const TrainOptions& options, const Prompts& prompts, const SeeDrawn& see_drawn) {
  return Run(options, prompts, see_drawn).go();
}

}  // namespace nuri::rl
