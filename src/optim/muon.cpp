#include "optim/muon.h"

#include <algorithm>
#include <map>

#include "base/x1.h"
#include "ops/muon.h"

namespace nuri {
namespace {

/// Elements that are orthogonalised together, where there is more than one matrix: 32 MB, thrice with the scratch.
constexpr int64_t kStackElements = 8 << 20;

}  // namespace

bool muon_takes(const Parameter& p) {
  if (!p.matrix) return false;
  for (const char* other : {"embed_tokens.", "lm_head.", "mlp.gate."})
    if (p.name.find(other) != std::string::npos) return false;
  return true;
}

Muon::Muon(std::vector<Parameter*> parameters, const MuonOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> by_shape;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& p = *parameters_[i];
    NURI_ASSERT(muon_takes(p), "{}", p.name);
    states_.push_back({p.name, Tensor::zeros(p.value.shape(), DType::f32, Owner::optimizer)});
    by_shape[{p.value.dim(0), p.value.dim(1)}].push_back(i);
  }
  for (const auto& [shape, all] : by_shape) {
    const size_t together = static_cast<size_t>(std::max<int64_t>(1, kStackElements / (shape.first * shape.second)));
    for (size_t begin = 0; begin < all.size(); begin += together)
      groups_.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(begin),
                           all.begin() + static_cast<std::ptrdiff_t>(std::min(begin + together, all.size())));
  }
}

void Muon::update(double learning_rate, float clip) {
  for (const std::vector<size_t>& group : groups_) update_some(group, learning_rate, clip);
}

void Muon::update_some(const std::vector<size_t>& some, double learning_rate, float clip) {
  const Shape& shape = parameters_[some[0]]->value.shape();
  const int64_t n = shape.size();
  const Tensor stack =
      Tensor::empty({static_cast<int64_t>(some.size()), shape[0], shape[1]}, DType::f32, Owner::scratch);
  std::vector<MuonMomentumArgs::Matrix> momentum;
  std::vector<MuonUpdateArgs::Matrix> update;
  for (size_t i = 0; i < some.size(); ++i) {
    Parameter& p = *parameters_[some[i]];
    float* u = stack.rows(static_cast<int64_t>(i), static_cast<int64_t>(i) + 1).data<float>();
    momentum.push_back({n, p.grads[0].data<float>(), states_[some[i]].momentum.data<float>(), u});
    update.push_back({n, u, p.master.data<float>(), p.value.dtype() == DType::bf16 ? p.value.data<Bf16>() : nullptr});
  }
  muon_momentum({momentum, static_cast<float>(options_.momentum), clip});
  orthogonalise(stack);
  // As AdamW's lr and decay: each rounded to FP32, then multiplied there.
  const float lr = static_cast<float>(learning_rate), decay = static_cast<float>(options_.weight_decay);
  const double scale = 0.2 * x1::sqrt(static_cast<double>(std::max(shape[0], shape[1])));
  muon_update({update, lr * decay, static_cast<float>(learning_rate * scale)});
}

}  // namespace nuri
