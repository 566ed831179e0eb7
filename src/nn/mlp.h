// Gated MLP: y = (silu(x Wg^T) * (x Wu^T)) Wd^T. Gate and up are one product.
#pragma once

#include <functional>
#include <string>

#include "autograd/weight.h"

namespace nuri {

class Mlp {
 public:
  /// prefix: "model.layers.0.mlp."
  Mlp(int64_t d_model, int64_t d_ff, const std::string& prefix, DType dtype, bool trainable);
  Tensor forward(const Tensor& x, Precision precision);
  void visit(const std::function<void(Weight&)>& see);
  Weight& gate_up() { return gate_up_; }
  Weight& down() { return down_; }

 private:
  Weight gate_up_, down_;
};

}  // namespace nuri
