// What a forward is told besides its input: the batch, the precision, the form of MLA, and where to leave what it saw.
#pragma once

#include <cstdint>
#include <vector>

#include "arch/counts.h"
#include "ops/batch.h"
#include "ops/key_cache.h"
#include "ops/rope.h"
#include "tensor/tensor.h"

namespace nuri {

/// Key-value pages of one layer.
struct LayerPages {
  KeyPage page;
  std::byte* base = nullptr;
  int64_t page_bytes = 0;  ///< from one page to the next of this layer
  std::byte* at(int32_t number) const { return base + number * page_bytes; }
};

/// The cache as one forward sees it. The tokens of sequence s follow n_past[s] tokens that are already in its pages;
/// pages[s] has room for all of them.
struct CacheView {
  std::vector<LayerPages> layers;
  std::vector<const int32_t*> pages;
  std::vector<int64_t> n_past;
};

/// What a layer met in the forwards of one step.
struct LayerStats {
  std::vector<int64_t> expert_counts;  ///< tokens that chose each expert; empty in dense layers
  double balance = 0;                  ///< the layer's balance term, alpha not applied, mean over the step's rows
  float largest_logit = 0;             ///< of attention, after scaling
  std::vector<float> head_logits;      ///< the same for each head: what QK-clip looks at
  double square_sum = 0;               ///< of the residual stream after the layer, with `elements` values
  int64_t elements = 0;
};

struct ForwardContext {
  const RaggedBatch* batch = nullptr;
  Precision precision = Precision::f32;
  MlaForm form = MlaForm::expanded;
  const RopeTable* rope = nullptr;
  float softmax_scale = 1;
  double balance_alpha = 0;
  int64_t rows_of_step = 1;                  ///< training rows of the whole step: the balance term is their mean
  const CacheView* cache = nullptr;          ///< inference; null: keys and values are the batch's own
  std::vector<LayerStats>* stats = nullptr;  ///< per layer, MTP included; null: not wanted
};

}  // namespace nuri
