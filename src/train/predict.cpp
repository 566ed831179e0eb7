#include "train/predict.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/median.h"
#include "base/philox.h"

namespace nuri {
namespace {

constexpr int64_t kLongest = 3;  // layers of a kind
constexpr int kLeastRounds = 3;  // medians are of so many measurements at least

/// Times of the two parts of a step.
struct Times {
  std::vector<double> micro_batch, update;
  double of_step(double micro_batches) const { return micro_batches * median(micro_batch) + median(update); }
};

/// A model of some layers that takes steps of one micro-batch.
class ShortModel {
 public:
  ShortModel(DeepseekV3Config config, int64_t dense, int64_t expert, const DeepseekV3::Options& options,
             const StepOptions& step, const OptimizerOptions& optimizer, int64_t rows)
      : rows_(rows), length_(step.length) {
    config.n_dense_layers = dense;
    config.n_layers = dense + expert;
    model_ = std::make_unique<DeepseekV3>(config, options);
    model_->initialise(1);
    optimizer_ = std::make_unique<Optimizer>(make_optimizer(*model_, optimizer));
    step_ = std::make_unique<TrainStep>(*model_, *optimizer_, step);
  }

  void measure(Times* times) {
    const Philox random(++n_, Purpose::test);
    std::vector<int32_t> tokens(static_cast<size_t>(rows_ * (length_ + 1)));
    const std::vector<int32_t> documents(tokens.size(), 0);
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = static_cast<int32_t>(random.below(static_cast<uint64_t>(model_->config().vocab_size), i));
    const double begin = seconds_now();
    StepResult result = step_->gradients(tokens, documents, rows_);
    const double middle = seconds_now();
    step_->apply(result, 1e-6, static_cast<int64_t>(n_));
    if (!times) return;
    times->micro_batch.push_back(middle - begin);
    times->update.push_back(seconds_now() - middle);
  }

 private:
  int64_t rows_, length_;
  uint64_t n_ = 0;
  std::unique_ptr<DeepseekV3> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TrainStep> step_;
};

}  // namespace

StepPrediction predict_step(const DeepseekV3Config& config, const DeepseekV3::Options& model, const StepOptions& step,
                            const OptimizerOptions& optimizer, int64_t rows, double budget) {
  const double begin = seconds_now();
  const int64_t dense = config.n_layers - config.n_moe_layers(), expert = config.n_moe_layers();
  StepOptions one = step;
  one.micro_rows = std::min(step.micro_rows, rows);
  one.grad_shards = 1;
  // A model with one layer of each kind, and for each kind that has more one with some more of it.
  struct Length {
    int64_t dense, expert;
    double times_more = 0;  // how often the difference to the first one is added
    Times times = {};
  };
  std::vector<Length> lengths{{std::min<int64_t>(dense, 1), std::min<int64_t>(expert, 1)}};
  const Length shortest = lengths[0];
  const auto more = [](int64_t n) { return std::min(n, kLongest); };
  if (dense > 1)
    lengths.push_back(
        {more(dense), shortest.expert, static_cast<double>(dense - 1) / static_cast<double>(more(dense) - 1)});
  if (expert > 1)
    lengths.push_back(
        {shortest.dense, more(expert), static_cast<double>(expert - 1) / static_cast<double>(more(expert) - 1)});
  std::vector<std::unique_ptr<ShortModel>> models;
  for (const Length& length : lengths) {
    models.push_back(
        std::make_unique<ShortModel>(config, length.dense, length.expert, model, one, optimizer, one.micro_rows));
    models.back()->measure(nullptr);
  }
  const double end = seconds_now() + budget;
  for (int round = 0; round < kLeastRounds || seconds_now() < end; ++round)
    for (size_t i = 0; i < models.size(); ++i) {
      models[i]->measure(nullptr);  // the other model's steps have taken the caches
      models[i]->measure(&lengths[i].times);
    }
  const double micro_batches = static_cast<double>(rows) / static_cast<double>(one.micro_rows);
  StepPrediction out;
  const double base = lengths[0].times.of_step(micro_batches);
  out.seconds = base;
  for (size_t i = 1; i < lengths.size(); ++i)
    out.seconds += lengths[i].times_more * (lengths[i].times.of_step(micro_batches) - base);
  out.measuring = seconds_now() - begin;
  return out;
}

}  // namespace nuri
