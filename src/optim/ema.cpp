#include "optim/ema.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "ops/axpby.h"

namespace nuri {

float ema_decay_at(double decay, int64_t step) {
  const double s = static_cast<double>(step);
  return static_cast<float>(std::min(decay, (1 + s) / (10 + s)));
}

WeightEma::WeightEma(std::vector<AveragedTensor> tensors, double decay) : tensors_(std::move(tensors)), decay_(decay) {
  NURI_ASSERT(decay > 0 && decay < 1);
  for (const AveragedTensor& t : tensors_) {
    NURI_ASSERT(t.live.contiguous() && t.live.dtype() == DType::f32, "{}", t.name);
    averages_.push_back(Tensor::zeros(t.live.shape(), DType::f32, Owner::optimizer));
  }
}

void WeightEma::update(int64_t step) {
  const float d = ema_decay_at(decay_, step);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& live = tensors_[i].live;
    float* average = averages_[i].data<float>();
    if (step > 1)
      axpby({live.size(), 1.0f - d, live.data<float>(), d, average, average});
    else if (!meta_active())
      std::memcpy(average, live.raw(), live.bytes());
  }
}

void WeightEma::swap() {
  if (meta_active()) return;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    float *live = tensors_[i].live.data<float>(), *average = averages_[i].data<float>();
    parallel_ranges(tensors_[i].live.size(), 1 << 14,
                    [&](int64_t begin, int64_t end) { std::swap_ranges(live + begin, live + end, average + begin); });
  }
}

}  // namespace nuri
