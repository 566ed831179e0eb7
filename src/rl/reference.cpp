#include "rl/reference.h"

#include <cstring>
#include <map>

#include "arch/counts.h"
#include "base/error.h"
#include "models/load.h"

namespace nuri::rl {

Reference::Reference(const DeepseekV3& policy)
    : model_(std::make_unique<DeepseekV3>(
          policy.config(),
          DeepseekV3::Options{.dtype = policy.options().dtype, .with_mtp = false, .form = policy.options().form})) {}

void Reference::follow(DeepseekV3& policy) {
  std::map<std::string, Tensor> now;
  for (const NamedTensor& t : model_tensors(policy)) now.emplace(t.name, t.tensor);
  for (const NamedTensor& t : model_tensors(*model_)) {
    const auto found = now.find(t.name);
    NURI_ASSERT(found != now.end() && found->second.bytes() == t.tensor.bytes());
    std::memcpy(t.tensor.raw(), found->second.raw(), t.tensor.bytes());
  }
  model_->visit([](Weight& w) { w.invalidate(); });
}

std::vector<NamedTensor> Reference::tensors() {
  std::vector<NamedTensor> out;
  for (const NamedTensor& t : model_tensors(*model_)) out.push_back({"reference." + t.name, t.tensor});
  return out;
}

int64_t reference_bytes(const DeepseekV3Config& config, DType dtype) {
  return 2 * weight_bytes(config, dtype == DType::bf16 ? 2 : 4, false);
}

}  // namespace nuri::rl
