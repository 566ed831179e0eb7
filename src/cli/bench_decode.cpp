// Decoding of one and of many sequences, reading of prompts, and attention at depth, with random weights and tokens.
#include "cli/bench_decode.h"

#include <algorithm>
#include <cstring>

#include "arch/counts.h"
#include "base/clock.h"
#include "base/median.h"
#include "base/philox.h"
#include "cli/documents.h"
#include "infer/cached_forward.h"
#include "infer/engine.h"
#include "ops/attention.h"

namespace nuri {
namespace {

constexpr uint8_t kSmallNumbers = 0x3C;  // as every byte: 0.0115 in both types

double as_double(int64_t n) { return static_cast<double>(n); }

/// Sequences at their contexts that decode together: layers and head, without drawing.
class Decoding : public DecodeCase {
 public:
  Decoding(DeepseekV3& model, DType dtype, const std::vector<int64_t>& contexts) : model_(model) {
    int64_t pages = 0;
    for (const int64_t context : contexts) {
      keys_ += context;
      pages += (context + kKeyBlock) / kKeyBlock;
    }
    result_.sequences = static_cast<int64_t>(contexts.size());
    result_.context = keys_ / result_.sequences;
    pool_ = std::make_unique<KvPool>(model.config(), model.options().form, dtype, pages);
    pool_->poison(kSmallNumbers);  // keys need no meaning: a token takes as long whatever was read before it
    for (const int64_t context : contexts) {
      KvSequence& cache = caches_.emplace_back(*pool_);
      cache.reserve(context);
      cache.advance(context);
    }
    count();
  }

  void round(double seconds, cpu::BandwidthProbe& probe) override {
    std::vector<double> times, reads;
    const double end = seconds_now() + seconds;
    for (int64_t i = 0; i < kDecodeSteps && (i <= kDecodeWarmSteps || seconds_now() < end); ++i) {
      std::vector<CacheStep> steps = next();
      const double begin = seconds_now();
      profile::step("forward");
      (void)model_.logits_of(forward_cached(model_, *pool_, steps));
      take_back();
      if (i < kDecodeWarmSteps) continue;
      times.push_back(seconds_now() - begin);
      reads.push_back(probe.read());
    }
    rounds_.push_back({median(std::move(times)), median(std::move(reads)), parts_});
  }

 private:
  std::vector<CacheStep> next() {
    std::vector<CacheStep> steps;
    const std::vector<int32_t> ids = random_ids(result_.sequences, model_.config().vocab_size, ++drawn_);
    for (size_t s = 0; s < caches_.size(); ++s) steps.push_back({&caches_[s], {ids[s]}});
    return steps;
  }
  /// The context stays what it is: the last token of each sequence is forgotten.
  void take_back() {
    for (KvSequence& cache : caches_) cache.advance(-1);
  }
  /// What a step must read and compute, by the experts that one step chooses.
  void count() {
    std::vector<LayerStats> stats(static_cast<size_t>(model_.config().n_layers));
    std::vector<CacheStep> steps = next();
    (void)model_.logits_of(forward_cached(model_, *pool_, steps, &stats));
    take_back();
    int64_t used_experts = 0;
    for (const LayerStats& layer : stats)
      used_experts +=
          std::count_if(layer.expert_counts.begin(), layer.expert_counts.end(), [](int64_t n) { return n > 0; });
    parts_ = decode_parts(model_, result_.sequences, as_double(keys_), used_experts);
  }

  DeepseekV3& model_;
  int64_t keys_ = 0;  ///< of all sequences
  std::unique_ptr<KvPool> pool_;
  std::vector<KvSequence> caches_;
  uint64_t drawn_ = 10;
  StepParts parts_{};
};

}  // namespace

StepParts decode_parts(DeepseekV3& model, int64_t sequences, double keys, int64_t used_experts) {
  const DeepseekV3Config& c = model.config();
  int64_t moe_layers = 0;
  for (int64_t layer = 0; layer < c.n_layers; ++layer) moe_layers += model.moe_of(layer) != nullptr;
  const auto value_bytes = static_cast<int64_t>(dtype_bytes(model.options().dtype));
  const int64_t expert = count_parameters(c).expert, chosen = moe_layers * c.n_active_experts;
  const int64_t others = active_matrix_parameters(c, false) - chosen * expert;
  const MlaForm form = model.options().form;
  const int64_t per_key =
      form == MlaForm::absorbed ? 2 * c.kv_lora_rank + c.qk_rope_head_dim : c.qk_head_dim() + c.v_head_dim;
  return {StepPart{as_double(value_bytes * used_experts * expert), 2 * as_double(sequences * chosen * expert)},
          StepPart{as_double(value_bytes * others), 2 * as_double(sequences * others)},
          StepPart{keys * as_double(kv_bytes_per_token(c, form, value_bytes)),
                   2 * keys * as_double(c.n_layers * c.n_heads * per_key)}};
}

DecodeBench DecodeCase::result(double peak_gflops) const {
  DecodeBench r = result_;
  std::vector<double> seconds, reads, bytes, flops, of_read, of_roofline, of_parts;
  for (const Round& round : rounds_) {
    const double read = round.read * 1e9, peak = peak_gflops * 1e9;
    const auto limit = [&](const StepPart& part) { return std::max(part.bytes / read, part.flops / peak); };
    StepPart whole;
    double parts = 0;
    for (const StepPart& part : round.parts) {
      whole.bytes += part.bytes;
      whole.flops += part.flops;
      parts += limit(part);
    }
    seconds.push_back(round.seconds);
    reads.push_back(round.read);
    bytes.push_back(whole.bytes);
    flops.push_back(whole.flops);
    of_read.push_back(whole.bytes / read / round.seconds);
    of_roofline.push_back(limit(whole) / round.seconds);
    of_parts.push_back(parts / round.seconds);
  }
  r.bytes_per_step = median(bytes);
  r.flops_per_step = median(flops);
  r.tokens_per_s = as_double(r.sequences) / median(seconds);
  r.read_gbps = median(reads);
  r.of_read = median(of_read);
  r.of_roofline = median(of_roofline);
  r.of_parts = median(of_parts);
  return r;
}

std::unique_ptr<DeepseekV3> random_model(const BenchOptions& o, MlaForm form) {
  DeepseekV3Config config = read_config("recipes/" + o.preset + "/config.json");
  config.n_mtp_layers = 0;
  auto model =
      std::make_unique<DeepseekV3>(config, DeepseekV3::Options{.dtype = dtype_of(o), .with_mtp = false, .form = form});
  model->visit([&](Weight& w) {
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
  return model;
}

std::vector<DecodeBench> measure_decoding(std::vector<std::unique_ptr<DecodeCase>> all, const BenchOptions& o) {
  constexpr int kRounds = 3;
  ProgressPrinter progress;
  cpu::BandwidthProbe probe;
  for (int i = 0; i < kRounds; ++i)
    for (size_t c = 0; c < all.size(); ++c) {
      progress.show(fmt::format("round {} of {}, case {} of {}", i + 1, kRounds, c + 1, all.size()));
      all[c]->round(o.seconds, probe);
    }
  progress.end();
  measure_products_again();
  std::vector<DecodeBench> out;
  for (const auto& one : all) out.push_back(one->result(product_peak(machine_peaks(), o.precision != "f32")));
  return out;
}

std::vector<DecodeBench> bench_decode(const BenchOptions& o) {
  const std::unique_ptr<DeepseekV3> model = random_model(o);
  struct Case {
    int64_t sequences, context;
  };
  std::vector<std::unique_ptr<DecodeCase>> all;
  std::vector<Case> cases = {{1, 128}, {1, 2048}, {4, 128}, {16, 128}, {64, 128}, {512, 128}};
  if (o.sequences > 0) cases = {{o.sequences, 128}, {o.sequences, 2048}};
  for (const auto& [sequences, context] : cases)
    if (context < model->config().max_seq_len)
      all.push_back(std::make_unique<Decoding>(*model, dtype_of(o),
                                               std::vector<int64_t>(static_cast<size_t>(sequences), context)));
  return measure_decoding(std::move(all), o);
}

std::vector<PrefillBench> bench_prefill(const BenchOptions& o) {
  const std::unique_ptr<DeepseekV3> model = random_model(o);
  const DeepseekV3Config& c = model->config();
  std::vector<PrefillBench> out;
  for (const int64_t n : {int64_t{512}, int64_t{4096}}) {
    if (n > c.max_seq_len) continue;
    KvPool pool(c, MlaForm::expanded, dtype_of(o), n / kKeyBlock);
    const std::vector<int32_t> ids = random_ids(n, c.vocab_size, 1);
    const int64_t chunk = EngineOptions().prefill_chunk;
    const auto read_prompt = [&] {
      KvSequence cache(pool);
      for (int64_t at = 0; at < n; at += chunk) {
        profile::step("forward");
        std::vector<CacheStep> steps{{&cache, {ids.begin() + at, ids.begin() + std::min(n, at + chunk)}}};
        const Tensor hidden = forward_cached(*model, pool, steps);
        if (at + chunk >= n) (void)model->logits_of(hidden.rows(hidden.dim(0) - 1, hidden.dim(0)));
      }
    };
    PrefillBench row{.tokens = n, .seconds = median_seconds(read_prompt, o.seconds)};
    // Logits of the last token only.
    row.flops = forward_flops(c, std::span(&n, 1), false) - 2 * as_double((n - 1) * c.vocab_size * c.d_model);
    out.push_back(row);
  }
  return out;
}

std::vector<DepthBench> bench_depth(const BenchOptions& o) {
  constexpr int64_t kHeads = 16, kLatent = 512, kRope = 64, kPool = int64_t{256} << 20;
  const DType dtype = dtype_of(o);
  const KeyPage page = latent_key_page(dtype, kLatent, kRope);
  const int64_t page_bytes = page.elements * static_cast<int64_t>(dtype_bytes(dtype));
  const Tensor pool = Tensor::empty({kPool}, DType::u8, Owner::kv_cache);
  std::memset(pool.raw(), kSmallNumbers, pool.bytes());
  const Tensor q = Tensor::zeros({1, kHeads * (kLatent + kRope)}), out = Tensor::empty({1, kHeads * kLatent});
  std::vector<DepthBench> rows;
  for (const int64_t context : {int64_t{4096}, int64_t{16384}}) {
    const int64_t pages = context / kKeyBlock, layers = kPool / page_bytes / pages;
    std::vector<KeyBlock> blocks;
    for (int64_t i = 0; i < layers * pages; ++i)
      blocks.push_back(page.block(reinterpret_cast<const std::byte*>(pool.raw()) + i * page_bytes));
    AttentionSequence one{.first_row = 0, .n_queries = 1, .first_position = context - 1};
    AttentionArgs a;
    a.precision = dtype == DType::bf16 ? Precision::bf16 : Precision::f32;
    a.n_heads = kHeads, a.d_k = a.d_v = kLatent, a.d_shared = kRope, a.scale = 0.05f;
    page.describe(a);
    a.q = q.data<float>(), a.q_row = q.dim(1), a.q_head = kLatent + kRope;
    a.out = out.data<float>(), a.out_row = out.dim(1), a.out_head = kLatent;
    a.sequences = std::span(&one, 1);
    int64_t layer = 0;
    DepthBench row{.context = context};
    row.seconds = median_seconds(
        [&] {
          one.blocks = blocks.data() + layer++ % layers * pages;
          attention_paged(a);
        },
        o.seconds);
    row.flops = 2 * as_double(kHeads * context * (2 * kLatent + kRope));
    row.bytes = as_double(pages * page_bytes);
    rows.push_back(row);
  }
  return rows;
}

}  // namespace nuri
