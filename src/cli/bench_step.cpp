// A training step of a preset, with random weights and tokens.
#include <algorithm>

#include "arch/counts.h"
#include "base/clock.h"
#include "base/median.h"
#include "base/philox.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "train/metrics.h"
#include "train/predict.h"
#include "train/step.h"

namespace nuri {
namespace {

constexpr int kRecordedSteps = 3;

}  // namespace

DType dtype_of(const BenchOptions& o) { return o.precision == "f32" ? DType::f32 : DType::bf16; }

std::vector<int32_t> random_ids(int64_t n, int64_t vocab, uint64_t stream) {
  const Philox random(5, Purpose::test, stream);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i)
    ids.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab), static_cast<uint64_t>(i))));
  return ids;
}

namespace {

/// What the benchmarks of a step run: by default the shapes of the utilisation figures.
struct StepShape {
  DeepseekV3Config config;
  DeepseekV3::Options model;
  StepOptions step;
  int64_t rows = 0;

  explicit StepShape(const BenchOptions& o) : config(read_config("recipes/" + o.preset + "/config.json")) {
    model = {.dtype = dtype_of(o), .trainable = true, .with_mtp = o.with_mtp};
    rows = o.rows > 0 ? o.rows : o.preset == "nano" ? 8 : 4;
    step.length = o.length > 0 ? o.length : o.preset == "nano" ? 256 : o.preset == "micro" ? 512 : 1024;
    step.micro_rows = o.preset == "small" ? 1 : rows;
    step.recompute = parse_recompute(o.recompute);
  }
};

/// A model that takes steps.
class Stepper {
 public:
  explicit Stepper(const StepShape& shape)
      : shape_(shape),
        model_(shape.config, shape.model),
        optimizer_((model_.initialise(1), model_.parameters()), {}),
        step_(model_, optimizer_, shape.step),
        documents_(static_cast<size_t>(shape.rows * (shape.step.length + 1)), 0) {}
  void operator()() {
    profile::step("training step");
    const auto tokens =
        random_ids(static_cast<int64_t>(documents_.size()), shape_.config.vocab_size, static_cast<uint64_t>(++n_));
    StepResult r = step_.gradients(tokens, documents_, shape_.rows);
    step_.apply(r, 1e-4, n_);
  }

 private:
  const StepShape& shape_;
  DeepseekV3 model_;
  Optimizer optimizer_;
  TrainStep step_;
  std::vector<int32_t> documents_;
  int64_t n_ = 0;
};

}  // namespace

PredictBench bench_predict(const BenchOptions& o) {
  const StepShape shape(o);
  Stepper one_step(shape);
  std::vector<double> predicted, measured, ratios, measuring;
  for (int round = 0; round < 3; ++round) {
    const StepPrediction p = predict_step(shape.config, shape.model, shape.step, {}, shape.rows, o.seconds);
    predicted.push_back(p.seconds), measuring.push_back(p.measuring);
    measured.push_back(median_seconds([&] { one_step(); }, o.seconds));
    ratios.push_back(predicted.back() / measured.back());
  }
  return {median(predicted), median(measured), median(ratios), median(measuring)};
}

StepBench bench_step(const BenchOptions& o) {
  const StepShape shape(o);
  StepBench out;
  out.rows = shape.rows;
  out.length = shape.step.length;
  Stepper one_step(shape);
  out.seconds = median_seconds([&] { one_step(); }, o.seconds);
  profile::start(thread_count(), 0, 0, [&](profile::Recording recording) { out.recording = std::move(recording); });
  for (int i = 0; i < kRecordedSteps; ++i) one_step();
  profile::stop();
  out.activations = memory_use()[static_cast<size_t>(Owner::activations)].peak;
  out.tokens_per_s = static_cast<double>(out.rows * out.length) / out.seconds;
  DeepseekV3Config counted = shape.config;
  if (!o.with_mtp) counted.n_mtp_layers = 0;
  out.flops = training_flops(counted, std::vector<int64_t>(static_cast<size_t>(out.rows), out.length));
  return out;
}

}  // namespace nuri
