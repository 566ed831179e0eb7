#include "rl/loss.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/nearest.h"
#include "base/x1.h"

namespace nuri::rl {
namespace {

const PolicyLoss* const kLosses[] = {&kGrpo, &kDrGrpo, &kDapo};

}  // namespace

std::span<const PolicyLoss* const> policy_losses() { return kLosses; }

const PolicyLoss& policy_loss_named(std::string_view name) {
  std::vector<std::string_view> names;
  std::string all;
  for (const PolicyLoss* loss : kLosses) {
    if (loss->name == name) return *loss;
    names.push_back(loss->name);
    all += (all.empty() ? "" : ", ") + std::string(loss->name);
  }
  fail("loss = '{}'{}; there are {}", name, did_you_mean(name, names), all);
}

PolicyTerm policy_term(double log_p, double log_p_sampled, double log_p_reference, double advantage,
                       const ClipOptions& options) {
  PolicyTerm term;
  const double rho = x1::exp(log_p - log_p_sampled);
  const double free = rho * advantage;
  const double bound = std::clamp(rho, 1 - options.low, 1 + options.high) * advantage;
  term.clipped = bound < free;
  term.objective = std::min(free, bound);
  term.gradient = term.clipped ? 0 : free;
  if (options.beta == 0) return term;
  const double ratio = x1::exp(log_p_reference - log_p);
  term.kl = ratio - (log_p_reference - log_p) - 1;
  term.objective -= options.beta * term.kl;
  term.gradient -= options.beta * (1 - ratio);
  return term;
}

}  // namespace nuri::rl
