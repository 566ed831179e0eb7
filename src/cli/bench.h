// What the parts of `nuri bench` share: timing by medians, rows of a table or of JSON.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/profile.h"
#include "models/deepseek_v3.h"

namespace nuri {

struct BenchRow {
  std::string what;    ///< "grouped gate_up forward, nano"
  std::string kernel;  ///< table and level that ran: "cpu/avx512_bf16"
  double seconds = 0;  ///< of one run; median of rounds, as the rate is
  double gflops = 0;
  bool bf16 = false;  ///< whose peak it is a share of
};

struct BenchOptions {
  std::string preset = "nano";
  double seconds = 0;  ///< per measurement, about
  bool with_mtp = true;
  std::string precision = "bf16";
  int64_t rows = 0, length = 0;  ///< of a training step; 0: the preset's figures
  std::string recompute = "none";
  int64_t sequences = 0;  ///< that decode together; 0: some sizes
};

/// Median seconds of one call, after one warm-up call.
double median_seconds(const std::function<void()>& call, double budget);

std::vector<BenchRow> bench_ops(const BenchOptions& options);
/// One training step: tokens and operations per second.
struct StepBench {
  double seconds = 0, tokens_per_s = 0, flops = 0;
  int64_t activations = 0;  ///< bytes at most
  int64_t rows = 0, length = 0;
  profile::Recording recording;  ///< of some further steps
};
StepBench bench_step(const BenchOptions& options);
/// A step of training as predicted (train/predict.h) and as measured after it: medians of three rounds.
struct PredictBench {
  double predicted = 0, measured = 0, ratio = 0, measuring = 0;  ///< seconds; the last: of the prediction
};
PredictBench bench_predict(const BenchOptions& options);
/// Decoding of a token for each of some sequences at a context: medians of rounds. Bytes are those of the weights that
/// are used (experts that no token chose are not) and of the cache; the roofline is the longer of bytes / read
/// bandwidth, measured before and after, and operations / peak of products.
struct DecodeBench {
  int64_t sequences = 1, context = 0;
  double tokens_per_s = 0, bytes_per_step = 0, flops_per_step = 0;
  double read_gbps = 0, of_read = 0, of_roofline = 0, of_parts = 0;
  // Of a rollout:
  /// Parts of a step's time: layers, head, sampling with log-probabilities, and what the engine does around them.
  struct Shares {
    double forward = 0, logits = 0, draw = 0, engine = 0;
  } shares;
  double mean_context = 0;  ///< as it was in the measured steps
  int64_t evictions = 0;
};
std::vector<DecodeBench> bench_decode(const BenchOptions& options);
/// The same of a rollout of reinforcement learning, absorbed MLA, by the engine that ships, with paging, draws at
/// temperature 1, their log-probabilities, and experts kept: answers (512) that began at different times, at contexts
/// from 1 to 512, mean 256, each replaced when it ends; then one at a time around 256.
std::vector<DecodeBench> bench_rollout(const BenchOptions& options);
/// A step of reinforcement learning with random weights and rewards: prompts x samples answers of new_tokens each, GRPO
/// with a reference. Medians of steps, one form of MLA throughout (absorbed) and with the training forward expanded.
struct PolicyBench {
  int64_t prompts = 8, samples = 8, prompt_tokens = 16, new_tokens = 64;
  double rollout_seconds = 0, train_seconds = 0, train_expanded_seconds = 0;  ///< training with the reference's forward
  double sampler_difference = 0;
  double step_seconds() const { return rollout_seconds + train_seconds; }
  /// What exactness costs: against a step that samples absorbed and trains expanded.
  double price() const { return step_seconds() / (rollout_seconds + train_expanded_seconds); }
};
PolicyBench bench_policy(const BenchOptions& options);
/// A prompt read in chunks as `generate` reads it, logits of its last token included: median of passes.
struct PrefillBench {
  int64_t tokens = 0;
  double seconds = 0, flops = 0;
};
std::vector<PrefillBench> bench_prefill(const BenchOptions& options);
/// One decoded token's attention over a cache of latents (absorbed MLA), 16 heads that share keys of 512 + 64, the
/// shapes of DeepSeek-V2-Lite: medians of passes over layers that no cache holds.
struct DepthBench {
  int64_t context = 0;
  double seconds = 0, flops = 0, bytes = 0;
};
std::vector<DepthBench> bench_depth(const BenchOptions& options);
/// AdamW's step of many parameters: bytes that it must move (read: p, m, v, gradient; written: p, m, v, BF16 copy), and
/// the bandwidth of a copy between its runs.
struct OptimizerBench {
  int64_t parameters = 0;
  double seconds = 0, bytes = 0, copy_gbps = 0;
};
OptimizerBench bench_optimizer(const BenchOptions& options);
/// "recipes/PRESET/config.json" with MTP left out, weights random.
std::unique_ptr<DeepseekV3> random_model(const BenchOptions& options, MlaForm form = MlaForm::expanded);
DType dtype_of(const BenchOptions& options);
std::vector<int32_t> random_ids(int64_t n, int64_t vocab, uint64_t stream);
/// Encoding of the documents of one source: medians of three passes, each by a tokenizer with an empty cache.
struct TextSourceBench {
  std::string name;
  double megabytes = 0;  ///< 10^6 bytes of cleaned text
  int64_t documents = 0, tokens = 0;
  double encode_seconds = 0, encode_threads_seconds = 0;  ///< on one thread; on all
};
/// A tokenizer is trained on all documents in memory, each source is encoded apart, and `nuri data build` (median of
/// three) takes the sources from their files to shards in a scratch directory below TMPDIR.
/// documents_out: a file for the documents that are trained on and encoded, JSONL rows of "source" and "text", for
/// another program to do the same with; empty: none. Errors: no text, no room for the shards.
struct TextBench {
  double megabytes = 0;  ///< 10^6 bytes of cleaned text, repeated lines included
  double train_seconds = 0, shards_seconds = 0;
  std::vector<TextSourceBench> sources;
};
TextBench bench_text(const std::vector<std::string>& sources, int64_t vocab_size,
                     const std::string& documents_out = {});

}  // namespace nuri
