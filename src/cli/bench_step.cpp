// A training step of a preset, with random weights and tokens.
#include <algorithm>

#include "arch/counts.h"
#include "base/clock.h"
#include "base/philox.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "train/metrics.h"
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

StepBench bench_step(const BenchOptions& o) {
  const DeepseekV3Config config = read_config("recipes/" + o.preset + "/config.json");
  StepBench out;
  // The shapes of the utilisation figures.
  out.rows = o.rows > 0 ? o.rows : o.preset == "nano" ? 8 : 4;
  out.length = o.length > 0 ? o.length : o.preset == "nano" ? 256 : o.preset == "micro" ? 512 : 1024;
  DeepseekV3 model(config, {.dtype = dtype_of(o), .trainable = true, .with_mtp = o.with_mtp});
  model.initialise(1);
  Optimizer optimizer(model.parameters(), {});
  const StepOptions options{.length = out.length,
                            .micro_rows = o.preset == "small" ? 1 : out.rows,
                            .recompute = parse_recompute(o.recompute)};
  TrainStep step(model, optimizer, options);
  const std::vector<int32_t> documents(static_cast<size_t>(out.rows * (out.length + 1)), 0);
  int64_t n = 0;
  const auto one_step = [&] {
    profile::step("training step");
    const auto tokens = random_ids(out.rows * (out.length + 1), config.vocab_size, static_cast<uint64_t>(++n));
    StepResult r = step.gradients(tokens, documents, out.rows);
    step.apply(r, 1e-4, n);
  };
  out.seconds = median_seconds(one_step, o.seconds);
  profile::start(thread_count(), 0, 0, [&](profile::Recording recording) { out.recording = std::move(recording); });
  for (int i = 0; i < kRecordedSteps; ++i) one_step();
  profile::stop();
  out.activations = memory_use()[static_cast<size_t>(Owner::activations)].peak;
  out.tokens_per_s = static_cast<double>(out.rows * out.length) / out.seconds;
  DeepseekV3Config counted = config;
  if (!o.with_mtp) counted.n_mtp_layers = 0;
  out.flops = training_flops(counted, std::vector<int64_t>(static_cast<size_t>(out.rows), out.length));
  return out;
}

}  // namespace nuri
