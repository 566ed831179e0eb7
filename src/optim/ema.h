// The exponential moving average of weights (DeepSeek-V3 paper, section 3.2.3), in FP32, of the masters after each
// step:
//   e = w after step 1;  then  d = min(decay, (1 + step) / (10 + step)),  e = fma(d, e, (1 - d) w)
// d is rounded to FP32 and 1 - d is exact, so that an average of equal weights is those weights. The growing d (as in
// TensorFlow's ExponentialMovingAverage) forgets the first steps; it is a function of the step alone, so that resuming
// needs nothing but e.
#pragma once

#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace nuri {

struct AveragedTensor {
  std::string name;
  Tensor live;  ///< f32, what the optimizer changes
};

/// d of a step, counted from 1.
float ema_decay_at(double decay, int64_t step);

class WeightEma {
 public:
  /// decay above 0 and below 1. The tensors' memory outlives this object.
  WeightEma(std::vector<AveragedTensor> tensors, double decay);

  /// After the update of this step, counted from 1.
  void update(int64_t step);
  /// Exchanges live values and averages: the model becomes the average, and again itself.
  void swap();

  const std::vector<AveragedTensor>& tensors() const { return tensors_; }
  const std::vector<Tensor>& averages() const { return averages_; }  ///< in the same order

 private:
  std::vector<AveragedTensor> tensors_;
  std::vector<Tensor> averages_;
  double decay_;
};

}  // namespace nuri
