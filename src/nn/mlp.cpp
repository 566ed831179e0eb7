#include "nn/mlp.h"

#include "ops/linear.h"
#include "ops/swiglu.h"

namespace nuri {

Mlp::Mlp(int64_t d_model, int64_t d_ff, const std::string& prefix, DType dtype, bool trainable)
    : gate_up_({{prefix + "gate_proj.weight", {d_ff, d_model}}, {prefix + "up_proj.weight", {d_ff, d_model}}}, dtype,
               trainable),
      down_({{prefix + "down_proj.weight", {d_model, d_ff}}}, dtype, trainable) {}

Tensor Mlp::forward(const Tensor& x, Precision precision) {
  return linear(swiglu(linear(x, gate_up_, precision), precision), down_, precision);
}

void Mlp::visit(const std::function<void(Weight&)>& see) {
  see(gate_up_);
  see(down_);
}

}  // namespace nuri
