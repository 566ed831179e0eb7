// The policy as it was: what the KL term holds the policy to.
#pragma once

#include <memory>
#include <vector>

#include "io/safetensors.h"
#include "models/deepseek_v3.h"

namespace nuri::rl {

class Reference {
 public:
  explicit Reference(const DeepseekV3& policy);
  /// Becomes the policy as it is now.
  void follow(DeepseekV3& policy);
  /// Its tensors for checkpoints, as "reference.NAME".
  std::vector<NamedTensor> tensors();
  DeepseekV3& model() { return *model_; }

 private:
  std::unique_ptr<DeepseekV3> model_;
};

/// Bytes of its values and of what its products read.
int64_t reference_bytes(const DeepseekV3Config& config, DType dtype);

}  // namespace nuri::rl
