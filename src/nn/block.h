// One decoder layer: h = x + attention(norm(x));  y = h + ffn(norm(h)), ffn dense or with experts.
#pragma once

#include <memory>

#include "nn/mla.h"
#include "nn/moe.h"

namespace nuri {

class Block {
 public:
  /// prefix: "model.layers.3."
  Block(const DeepseekV3Config& config, int64_t layer, const std::string& prefix, DType dtype, bool trainable);
  Tensor forward(const Tensor& x, const ForwardContext& context);
  void visit(const std::function<void(Weight&)>& see);
  Mla& attention() { return attention_; }
  Moe* moe() { return moe_.get(); }  ///< null in a dense layer

 private:
  const DeepseekV3Config& config_;
  int64_t layer_;
  std::string name_;
  Weight attention_norm_, ffn_norm_;
  Mla attention_;
  std::unique_ptr<Mlp> mlp_;
  std::unique_ptr<Moe> moe_;
};

}  // namespace nuri
