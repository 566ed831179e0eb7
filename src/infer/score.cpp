#include "infer/score.h"

#include <algorithm>

#include "base/profile.h"
#include "infer/cached_forward.h"
#include "ops/cross_entropy.h"

namespace nuri {

std::vector<float> score_tokens(DeepseekV3& model, const std::vector<int32_t>& ids, int64_t chunk) {
  const DeepseekV3Config& c = model.config();
  const int64_t n = static_cast<int64_t>(ids.size()) - 1;
  NURI_CHECK(n >= 1, "{} token{} to score: at least two are needed, as the first is given", ids.size(),
             ids.size() == 1 ? "" : "s");
  NURI_CHECK(n <= c.max_seq_len, "{} tokens; the model's context holds {} (max_position_embeddings)", ids.size(),
             c.max_seq_len);
  for (int32_t id : ids)
    NURI_CHECK(id >= 0 && id < c.vocab_size, "id {} is outside the vocabulary, 0..{}", id, c.vocab_size - 1);
  KvPool pool(c, model.options().form, model.options().dtype, (n + kKeyBlock - 1) / kKeyBlock);
  KvSequence cache(pool);
  std::vector<float> out;
  for (int64_t begin = 0; begin < n; begin += chunk) {
    const int64_t end = std::min(n, begin + chunk);
    std::vector<CacheStep> steps{{&cache, {ids.begin() + begin, ids.begin() + end}}};
    profile::step("forward");
    const Tensor hidden = forward_cached(model, pool, steps);
    const std::vector<int32_t> targets(ids.begin() + begin + 1, ids.begin() + end + 1);
    const std::vector<float> ones(targets.size(), 1.0f);
    for (float nll : cross_entropy(hidden, model.head(), 0, targets, ones, model.precision()).nll) out.push_back(-nll);
  }
  return out;
}

}  // namespace nuri
