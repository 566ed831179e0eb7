#include "plan/ramp.h"

#include <algorithm>
#include <cmath>

#include "plan/step_time.h"

namespace nuri::plan {
namespace {

constexpr int kParts = 8;

/// Tokens over steps while the batch grows from a to b: the integral of dt / B(t) is T ln(b / a) / (b - a).
double mean_batch(double a, double b) { return b > a ? (b - a) / std::log1p((b - a) / a) : a; }

/// Seconds of a step of `batch` tokens on average, made of steps of whole micro-batches.
double step_seconds(Job job, double batch, const Constants& c) {
  const double unit = job.round_tokens(), whole = std::max(1.0, std::floor(batch / unit + 1e-9));
  job.batch_tokens = whole * unit;
  const double smaller = step_cost(job, c).total(), share = batch / unit - whole;
  if (share <= 1e-9) return smaller;
  job.batch_tokens = (whole + 1) * unit;
  return smaller + share * (step_cost(job, c).total() - smaller);
}

}  // namespace

RampTime ramp_time(const Job& job, const Ramp& ramp, const Constants& c) {
  RampTime out;
  out.ramp = ramp;
  double seconds = 0;
  const auto batch_at = [&](int part) { return ramp.first + (job.batch_tokens - ramp.first) * part / kParts; };
  for (int i = 0; i < kParts; ++i) {
    RampPart part;
    part.tokens = ramp.tokens / kParts;
    part.batch_tokens = mean_batch(batch_at(i), batch_at(i + 1));
    part.steps = part.tokens / part.batch_tokens;
    part.step_seconds = step_seconds(job, part.batch_tokens, c);
    out.steps += part.steps;
    seconds += part.steps * part.step_seconds;
    out.parts.push_back(part);
  }
  const auto devices = static_cast<double>(job.n_devices);
  out.tokens_per_s_device = ramp.tokens / seconds / devices;
  out.device_hours = seconds * devices / 3600;
  out.days = seconds / 86400;
  return out;
}

}  // namespace nuri::plan
