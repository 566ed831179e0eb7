// Muon over many matrices: momentum, orthogonalisation, update (formulas and sources: ops/muon.h). Matrices of one
// shape are orthogonalised together, so that the small ones of many experts keep all threads busy; each by itself in
// its bits.
#pragma once

#include <vector>

#include "autograd/weight.h"

namespace nuri {

struct MuonOptions {
  double momentum = 0.95;
  double weight_decay = 0.1;
};

/// Whether Muon takes a parameter: every matrix but those of embedding, head and router, whose rows are ids or experts
/// rather than directions of one map.
bool muon_takes(const Parameter& parameter);

class Muon {
 public:
  /// Matrices [rows, cols] of any sizes; they outlive this object. REQUIRES: muon_takes(each).
  Muon(std::vector<Parameter*> parameters, const MuonOptions& options);

  /// One update by the gradients in grads[0], each multiplied by `clip` first.
  void update(double learning_rate, float clip);

  struct State {
    std::string name;
    Tensor momentum;  ///< f32, of the parameter's shape
  };
  std::vector<State>& states() { return states_; }

 private:
  void update_some(const std::vector<size_t>& some, double learning_rate, float clip);

  std::vector<Parameter*> parameters_;
  std::vector<State> states_;
  std::vector<std::vector<size_t>> groups_;  ///< indices of parameters of one shape, at most kStackElements of them
  MuonOptions options_;
};

}  // namespace nuri
