// A training step and one-token decoding of a preset, with random weights and tokens.
#include <algorithm>

#include "arch/counts.h"
#include "base/clock.h"
#include "base/philox.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "cli/machine.h"
#include "infer/generate.h"
#include "train/metrics.h"
#include "train/step.h"

namespace nuri {
namespace {

std::vector<int32_t> random_ids(int64_t n, int64_t vocab, uint64_t stream) {
  const Philox random(5, Purpose::test, stream);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i)
    ids.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab), static_cast<uint64_t>(i))));
  return ids;
}

constexpr int kRecordedSteps = 3;

DType dtype_of(const BenchOptions& o) { return o.precision == "f32" ? DType::f32 : DType::bf16; }

}  // namespace

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

std::vector<DecodeBench> bench_decode(const BenchOptions& o) {
  DeepseekV3Config config = read_config("recipes/" + o.preset + "/config.json");
  config.n_mtp_layers = 0;
  // initialise() needs masters; a trainable model is built for one moment and its values are taken over.
  DeepseekV3 model(config, {.dtype = dtype_of(o), .trainable = false, .with_mtp = false});
  model.visit([&](Weight& w) {
    for (Parameter& p : w.parameters) {
      const Philox random(1, Purpose::init, static_cast<uint64_t>(p.value.size()));
      for (int64_t i = 0; i < p.value.size(); ++i) {
        const float v = p.matrix ? 0.04f * (random.uniform(static_cast<uint64_t>(i)) - 0.5f) : 1.0f;
        if (p.value.dtype() == DType::bf16)
          p.value.data<Bf16>()[i].bits = static_cast<uint16_t>(__builtin_bit_cast(uint32_t, v) >> 16);
        else
          p.value.data<float>()[i] = v;
      }
    }
    w.invalidate();
  });
  const double bytes = dtype_of(o) == DType::bf16 ? 2 : 4;
  struct Context {
    DecodeBench result;
    std::unique_ptr<KvPool> pool;
    std::unique_ptr<KvSequence> cache;
    std::vector<double> rates, shares;  // by round
  };
  std::vector<Context> contexts;
  for (int64_t n : {128, 2048}) {
    if (n + 128 > config.max_seq_len) continue;
    Context c;
    c.result.context = n;
    c.pool = std::make_unique<KvPool>(config, MlaForm::expanded, dtype_of(o), n / kKeyBlock + 4);
    c.cache = std::make_unique<KvSequence>(*c.pool);
    std::vector<CacheStep> fill{{c.cache.get(), random_ids(n, config.vocab_size, 1)}};
    (void)forward_cached(model, *c.pool, fill);
    // Expanded cache: keys without position and values of every head, and the shared rotated key.
    const KeyPage page = Mla::key_page(config, MlaForm::expanded, dtype_of(o));
    const double cache_values = static_cast<double>(n * config.n_layers * (page.row() + page.d_shared));
    c.result.bytes_per_token = bytes * (static_cast<double>(active_matrix_parameters(config, false)) + cache_values);
    contexts.push_back(std::move(c));
  }
  double read_before = machine_peaks().read_gbps;
  for (uint64_t round = 0; round < 3; ++round) {
    for (Context& c : contexts) {
      std::vector<double> times;
      for (uint64_t i = 0; i < 28; ++i) {
        std::vector<CacheStep> steps{{c.cache.get(), random_ids(1, config.vocab_size, 10 + 100 * round + i)}};
        const double begin = seconds_now();
        profile::step("forward");
        (void)model.logits_of(forward_cached(model, *c.pool, steps));
        if (i >= 4) times.push_back(seconds_now() - begin);
      }
      c.rates.push_back(1 / median(std::move(times)));
    }
    const double read_after = read_bandwidth_now();
    for (Context& c : contexts)
      c.shares.push_back(c.rates.back() * c.result.bytes_per_token / 1e9 / std::max(read_before, read_after));
    read_before = read_after;
  }
  std::vector<DecodeBench> out;
  for (Context& c : contexts) {
    c.result.tokens_per_s = median(c.rates);
    c.result.of_read = median(c.shares);
    out.push_back(c.result);
  }
  return out;
}

}  // namespace nuri
