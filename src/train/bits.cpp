#include "train/bits.h"

#include <functional>

#include "base/philox.h"
#include "infer/cached_forward.h"
#include "models/load.h"
#include "ops/sampling.h"
#include "train/step.h"

namespace nuri {
namespace {

/// Every part present, no size a multiple of 16, a long row that crosses blocks of keys.
DeepseekV3Config small_config() {
  DeepseekV3Config c;
  c.vocab_size = 211;
  c.d_model = 72;
  c.n_layers = 3;
  c.n_heads = 3;
  c.q_lora_rank = 40;
  c.kv_lora_rank = 24;
  c.qk_nope_head_dim = 16;
  c.qk_rope_head_dim = 8;
  c.v_head_dim = 20;
  c.d_ff = 136;
  c.d_ff_expert = 40;
  c.n_routed_experts = 8;
  c.n_active_experts = 3;
  c.n_expert_groups = 4;
  c.n_kept_groups = 2;
  c.n_dense_layers = 1;
  c.max_seq_len = 2048;
  c.rope.yarn = YarnConfig{.factor = 40, .original_max_position = 64, .mscale = 1, .mscale_all_dim = 1};
  return c;
}

constexpr int64_t kRows = 3, kLength = 75, kSteps = 20, kPrompt = 130, kReply = 8;

std::vector<int32_t> random_ids(int64_t n, uint64_t stream) {
  const Philox random(2025, Purpose::test, stream);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(static_cast<int32_t>(random.below(211, static_cast<uint64_t>(i))));
  return ids;
}

void add_tensor(BitHash& hash, const Tensor& t) {
  if (t.dtype() == DType::bf16)
    for (Bf16 v : t.span<Bf16>()) hash.add(v.bits);
  else
    for (float v : t.span<float>()) hash.add(v);
}

struct Bits {
  BitHash weights, logits, greedy;
};

Bits run_model(DType dtype, MlaForm form, const OptimizerOptions& optimizer_options = {}) {
  DeepseekV3 model(small_config(), {.dtype = dtype, .trainable = true, .with_mtp = true, .form = form});
  model.initialise(7);
  Optimizer optimizer(model.parameters(), optimizer_options);
  const StepOptions options{.length = kLength, .micro_rows = 2, .grad_shards = 1};
  TrainStep step(model, optimizer, options);
  std::vector<int32_t> documents(static_cast<size_t>(kRows * (kLength + 1)), 0);
  for (size_t i = 0; i < documents.size(); ++i) documents[i] = i % static_cast<size_t>(kLength + 1) >= 30;
  for (int64_t s = 0; s < kSteps; ++s) {
    StepResult r = step.gradients(random_ids(kRows * (kLength + 1), static_cast<uint64_t>(s)), documents, kRows);
    step.apply(r, 3e-3, s + 1);
  }
  Bits bits;
  for (const NamedTensor& t : model_tensors(model)) add_tensor(bits.weights, t.tensor);
  KvPool pool(model.config(), form, dtype, (kPrompt + kReply) / kKeyBlock + 1);
  KvSequence cache(pool);
  std::vector<int32_t> next = random_ids(kPrompt, 1000);
  for (int64_t i = 0; i < kReply; ++i) {
    std::vector<CacheStep> steps{{&cache, next}};
    const Tensor hidden = forward_cached(model, pool, steps);
    const Tensor row = model.logits_of(hidden.rows(hidden.dim(0) - 1, hidden.dim(0)));
    if (i == 0) add_tensor(bits.logits, row);
    SamplerOptions greedy;
    greedy.temperature = 0;
    next = {sample(row.span<float>(), greedy, 0, static_cast<uint64_t>(i)).id};
    bits.greedy.add(next[0]);
  }
  return bits;
}

SelftestLine line_of(std::string name, const BitHash& hash) {
  SelftestLine line;
  line.name = std::move(name);
  line.hash = hash.value();
  line.committed = committed_hash(line.name);
  line.verdict = !line.committed                ? SelftestLine::Verdict::not_committed
                 : *line.committed == line.hash ? SelftestLine::Verdict::equal
                                                : SelftestLine::Verdict::differs;
  return line;
}

}  // namespace

std::vector<SelftestLine> model_bits(std::string_view prefix) {
  std::vector<SelftestLine> out;
  for (DType dtype : {DType::f32, DType::bf16})
    for (MlaForm form : {MlaForm::expanded, MlaForm::absorbed}) {
      const std::string name =
          "model/" + std::string(dtype_name(dtype)) + "_" + (form == MlaForm::expanded ? "expanded" : "absorbed") + "/";
      if (!name.starts_with(prefix.substr(0, name.size()))) continue;
      const Bits bits = run_model(dtype, form);
      for (const auto& [what, hash] : {std::pair<const char*, const BitHash*>{"weights_after_20_steps", &bits.weights},
                                       {"prefill_logits", &bits.logits},
                                       {"greedy_ids", &bits.greedy}})
        out.push_back(line_of(name + what, *hash));
    }
  if (const std::string name = "model/bf16_expanded_muon/weights_after_20_steps"; name.starts_with(prefix))
    out.push_back(line_of(name, run_model(DType::bf16, MlaForm::expanded, {.kind = OptimizerKind::muon}).weights));
  return out;
}

}  // namespace nuri
