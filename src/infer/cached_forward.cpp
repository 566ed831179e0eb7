#include "infer/cached_forward.h"

namespace nuri {

Tensor forward_cached(DeepseekV3& model, KvPool& pool, std::vector<CacheStep>& steps, std::vector<LayerStats>* stats) {
  RaggedBatch batch;
  CacheView view;
  view.layers = pool.layers();
  batch.sequences.push_back(0);
  for (CacheStep& step : steps) {
    const int64_t past = step.sequence->length(), n = static_cast<int64_t>(step.tokens.size());
    step.sequence->reserve(n);
    for (int64_t i = 0; i < n; ++i) {
      batch.tokens.push_back(step.tokens[static_cast<size_t>(i)]);
      batch.positions.push_back(static_cast<int32_t>(past + i));
    }
    batch.sequences.push_back(batch.n_tokens());
    view.pages.push_back(step.sequence->pages());
    view.n_past.push_back(past);
  }
  batch.rows = batch.sequences;
  Tensor hidden = model.hidden(batch, &view, stats);
  for (CacheStep& step : steps) step.sequence->advance(static_cast<int64_t>(step.tokens.size()));
  return hidden;
}

}  // namespace nuri
