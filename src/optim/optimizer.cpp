#include "optim/optimizer.h"

#include <algorithm>

#include "base/error.h"
#include "base/x1.h"
#include "ops/adamw.h"
#include "ops/residual.h"
#include "ops/square_sum.h"

namespace nuri {

float clip_factor(double max_grad_norm, double norm) {
  return static_cast<float>(max_grad_norm > 0 ? std::min(1.0, max_grad_norm / (norm + 1e-6)) : 1.0);
}

AdamW::AdamW(std::vector<Parameter*> parameters, const AdamWOptions& options, bool (*elsewhere)(const Parameter&))
    : parameters_(std::move(parameters)), options_(options) {
  NURI_CHECK(options.eps >= 1e-12,
             "AdamW eps = {} is below 1e-12: subnormal numbers are zero in profile x1, so the "
             "division would not be protected; use 1e-12 or more",
             options.eps);
  for (Parameter* p : parameters_) {
    if (elsewhere && elsewhere(*p)) continue;
    updated_.push_back(p);
    Tensor mean = Tensor::zeros(p->value.shape(), DType::f32, Owner::optimizer);
    states_.push_back({p->name, mean, Tensor::zeros(p->value.shape(), DType::f32, Owner::optimizer)});
  }
}

double AdamW::join_and_norm() {
  std::vector<Tensor> totals;
  for (Parameter* p : parameters_) {
    const Tensor& total = p->grads[0];
    for (size_t use = 1; use < p->grads.size(); ++use)
      run(kernels().add, reference::add,
          AddArgs{total.size(), total.data<float>(), p->grads[use].data<float>(), total.data<float>()});
    totals.push_back(total);
  }
  double sum = 0;
  square_sums_ = nuri::square_sums(totals);
  for (const double of_one : square_sums_) sum += of_one;
  return x1::sqrt(sum);
}

void AdamW::update(double learning_rate, int64_t step, double norm) {
  const AdamWOptions& o = options_;
  const float clip = clip_factor(o.max_grad_norm, norm);  // one factor for all
  std::vector<AdamWArgs> items;
  for (size_t i = 0; i < updated_.size(); ++i) {
    Parameter& p = *updated_[i];
    AdamWArgs a;
    a.n = p.value.size();
    a.p = p.master.data<float>();
    a.m = states_[i].mean.data<float>();
    a.v = states_[i].square.data<float>();
    a.grad = p.grads[0].data<float>();
    a.copy = p.value.dtype() == DType::bf16 ? p.value.data<Bf16>() : nullptr;
    a.lr = static_cast<float>(learning_rate);
    a.beta1 = static_cast<float>(o.beta1), a.beta2 = static_cast<float>(o.beta2);
    a.eps = static_cast<float>(o.eps);
    a.decay = p.matrix ? static_cast<float>(o.weight_decay) : 0.0f;
    a.clip = clip;
    a.bias1 = adamw_bias(o.beta1, step), a.bias2 = adamw_bias(o.beta2, step);
    items.push_back(a);
  }
  adamw(items);
}

OptimizerKind parse_optimizer(std::string_view name) {
  if (name == "adamw") return OptimizerKind::adamw;
  if (name == "muon") return OptimizerKind::muon;
  fail("optimizer = '{}'; allowed are adamw and muon", name);
}

Optimizer::Optimizer(std::vector<Parameter*> parameters, const OptimizerOptions& options,
                     std::vector<AveragedTensor> averaged_too)
    : adamw_(parameters, options.adamw, options.kind == OptimizerKind::muon ? muon_takes : nullptr),
      max_grad_norm_(options.adamw.max_grad_norm) {
  if (options.ema_decay > 0) {
    std::vector<AveragedTensor> averaged;
    for (const Parameter* p : parameters) averaged.push_back({p->name, p->master});
    averaged.insert(averaged.end(), averaged_too.begin(), averaged_too.end());
    ema_.emplace(std::move(averaged), options.ema_decay);
  }
  if (options.kind != OptimizerKind::muon) return;
  std::erase_if(parameters, [](const Parameter* p) { return !muon_takes(*p); });
  muon_.emplace(std::move(parameters), MuonOptions{options.muon_momentum, options.adamw.weight_decay});
}

void Optimizer::update(double learning_rate, int64_t step, double norm) {
  adamw_.update(learning_rate, step, norm);
  if (muon_) muon_->update(learning_rate, clip_factor(max_grad_norm_, norm));
}

std::vector<Optimizer::State> Optimizer::states() {
  std::vector<State> out;
  for (const AdamW::State& s : adamw_.states()) {
    out.push_back({"mean." + s.name, s.mean});
    out.push_back({"square." + s.name, s.square});
  }
  if (muon_)
    for (const Muon::State& s : muon_->states()) out.push_back({"momentum." + s.name, s.momentum});
  if (ema_)
    for (size_t i = 0; i < ema_->tensors().size(); ++i)
      out.push_back({"ema." + ema_->tensors()[i].name, ema_->averages()[i]});
  return out;
}

void update_router_bias(std::span<float> bias, std::span<const int64_t> counts, double speed) {
  double mean = 0;
  for (int64_t c : counts) mean += static_cast<double>(c);
  mean /= static_cast<double>(counts.size());
  const float step = static_cast<float>(speed);
  for (size_t e = 0; e < bias.size(); ++e) {
    const double error = mean - static_cast<double>(counts[e]);
    if (error > 0) bias[e] = bias[e] + step;
    if (error < 0) bias[e] = bias[e] - step;
  }
}

}  // namespace nuri
