#include "train/not_finite.h"

#include "autograd/tape.h"
#include "ops/not_finite.h"

namespace nuri {

std::string first_not_finite(DeepseekV3& model, const std::function<void()>& body) {
  std::string first;
  {
    const WatchScope watch([&](const char* op, const std::string& module, const Tensor& y) {
      if (first.empty() && find_not_finite(y) >= 0)
        first = fmt::format("{} of {}", op, module.empty() ? "the model" : module);
    });
    body();
  }
  if (!first.empty() || !model.options().trainable) return first;
  for (const Parameter* p : model.parameters())
    for (const Tensor& grad : p->grads)
      if (find_not_finite(grad) >= 0) return "the gradient of " + p->name;
  return first;
}

}  // namespace nuri
