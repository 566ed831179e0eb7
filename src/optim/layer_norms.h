// What a step did to each layer: the norm of its gradient, and how far its matrices moved.
//   gradient norm  sqrt(sum g^2) over all parameters of the layer, before clipping
//   update         sqrt(sum (p' - p)^2 / sum p^2) over a sample of the elements of its matrices (masters), p before and
//                  p' after the step: 64 of every 4,096 elements of each matrix, wandering through them. Norm gains,
//                  which lie near 1, are left out: they would hide the matrices.
// The sample keeps the cost far below a hundredth of a step and the memory below a byte per eight elements; ten
// thousand elements of a layer give the ratio to one part in a hundred.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "autograd/weight.h"

namespace nuri {

class LayerNorms {
 public:
  /// parameters of a model of n_blocks blocks (MTP's included), sorted by name; they outlive this object. Groups, in
  /// the order of all results: embedding, blocks 0 to n_blocks - 1, head (with the last norm).
  LayerNorms(std::span<Parameter* const> parameters, int64_t n_blocks);

  int64_t n_groups() const { return n_groups_; }
  /// square_sums: of each parameter's gradient, in their order.
  std::vector<double> gradient_norms(std::span<const double> square_sums) const;
  /// Looks at the weights before a step.
  void before();
  /// And after it: the update of each group; 0 for a group without matrices or of zeros.
  std::vector<double> updates();

 private:
  struct Piece {
    const Parameter* parameter;
    int64_t begin, count;  ///< elements of the parameter
    int64_t at;            ///< of the sample
  };
  void take(const Tensor& sample) const;

  int64_t n_groups_;
  std::vector<size_t> group_of_;  ///< of each parameter
  std::vector<Piece> pieces_;     ///< group after group
  std::vector<int64_t> first_;    ///< of each group in the sample, and its end
  Tensor before_, after_;         ///< [elements of the sample]
};

/// Group of a released name in a model of n_blocks blocks.
size_t layer_group(const std::string& name, int64_t n_blocks);

}  // namespace nuri
