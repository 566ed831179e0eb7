#include "plan/fit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "plan/step_time.h"

namespace nuri::plan {
namespace {

constexpr double kHuber = 0.5;  // of ln: errors beyond it count in proportion, not squared
constexpr double kCrowd = 0.2;  // a run counts for (size of its group)^-kCrowd
constexpr int kRounds = 40;
using Vector = std::array<double, kConstants>;
using Matrix = std::array<Vector, kConstants>;

/// Shares below 1 move as ln(x / (1 - x)), others as ln x, so that no step leaves their range.
bool is_share(size_t i) {
  const auto c = static_cast<Constant>(i);
  return c == Constant::hidden_tp || c == Constant::goodput || c == Constant::product_16 || c == Constant::product_8 ||
         c == Constant::product_4 || c == Constant::product_grouped || c == Constant::unstated ||
         c == Constant::attention || c == Constant::memory || c == Constant::link || c == Constant::network;
}
double forward(size_t i, double x) { return is_share(i) ? std::log(x / (1 - x)) : std::log(x); }
double backward(size_t i, double y) { return is_share(i) ? 1 / (1 + std::exp(-y)) : std::exp(y); }

Constants constants_of(const Vector& y) {
  Constants c;
  for (size_t i = 0; i < kConstants; ++i) c.value[i] = backward(i, y[i]);
  return c;
}

/// Solves a x = b in place for a symmetric positive definite a (Cholesky).
Vector solve(Matrix a, Vector b) {
  const size_t n = kConstants;
  for (size_t j = 0; j < n; ++j) {
    for (size_t k = 0; k < j; ++k) a[j][j] -= a[j][k] * a[j][k];
    a[j][j] = std::sqrt(std::max(a[j][j], 1e-12));
    for (size_t i = j + 1; i < n; ++i) {
      for (size_t k = 0; k < j; ++k) a[i][j] -= a[i][k] * a[j][k];
      a[i][j] /= a[j][j];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= a[k][i] * b[k];
    b[i] /= a[i][i];
  }
  return b;
}

class Problem {
 public:
  explicit Problem(const std::vector<const PublishedRun*>& runs) : runs_(runs) {
    std::map<std::string, double> sizes;
    for (const PublishedRun* run : runs) sizes[run->group] += 1;
    for (const PublishedRun* run : runs) weight_.push_back(std::pow(sizes[run->group], -kCrowd));
    for (size_t i = 0; i < kConstants; ++i) {
      const ConstantInfo& info = constant_infos()[i];
      prior_[i] = forward(i, info.prior);
      const double p = info.prior;
      spread_[i] = is_share(i) ? info.spread / (1 - p) : info.spread;
    }
  }

  std::vector<double> errors(const Vector& y) const {
    const Constants c = constants_of(y);
    std::vector<double> out;
    out.reserve(runs_.size());
    for (const PublishedRun* run : runs_) out.push_back(std::log(predict(*run, c) / run->measured));
    return out;
  }
  double loss(const Vector& y, const std::vector<double>& e) const {
    double sum = 0;
    for (size_t k = 0; k < e.size(); ++k) {
      const double a = std::abs(e[k]);
      sum += weight_[k] * (a < kHuber ? a * a : kHuber * (2 * a - kHuber));
    }
    for (size_t i = 0; i < kConstants; ++i) sum += kPriorWeight * std::pow((y[i] - prior_[i]) / spread_[i], 2);
    return sum;
  }

  /// Gradient and curvature of the loss, halved.
  void derive(const Vector& y, const std::vector<double>& e, Vector& g, Matrix& h) const {
    g.fill(0);
    for (Vector& row : h) row.fill(0);
    std::vector<std::vector<double>> jacobian(kConstants);
    constexpr double kStep = 1e-4;
    for (size_t i = 0; i < kConstants; ++i) {
      Vector moved = y;
      moved[i] += kStep;
      jacobian[i] = errors(moved);
      for (size_t k = 0; k < e.size(); ++k) jacobian[i][k] = (jacobian[i][k] - e[k]) / kStep;
    }
    for (size_t k = 0; k < e.size(); ++k) {
      const double a = std::abs(e[k]), w = weight_[k] * (a < kHuber ? 1 : kHuber / a);
      for (size_t i = 0; i < kConstants; ++i) {
        g[i] += w * jacobian[i][k] * e[k];
        for (size_t j = 0; j <= i; ++j) h[i][j] += w * jacobian[i][k] * jacobian[j][k];
      }
    }
    for (size_t i = 0; i < kConstants; ++i) {
      const double w = kPriorWeight / (spread_[i] * spread_[i]);
      g[i] += w * (y[i] - prior_[i]);
      h[i][i] += w;
      for (size_t j = 0; j < i; ++j) h[j][i] = h[i][j];
    }
  }

  Vector start(const Constants& c) const {
    Vector y;
    for (size_t i = 0; i < kConstants; ++i) y[i] = forward(i, c.value[i]);
    return y;
  }

 private:
  static constexpr double kPriorWeight = 0.02;
  const std::vector<const PublishedRun*>& runs_;
  std::vector<double> weight_;
  Vector prior_{}, spread_{};
};

bool is_used(const PublishedRun& run) { return run.job && run.confidence != "low"; }

}  // namespace

double error_of(const PublishedRun& run, const Constants& c) {
  const double ratio = predict(run, c) / run.measured;
  return run.target == RunTarget::device_hours ? 1 / ratio - 1 : ratio - 1;
}

double predict(const PublishedRun& run, const Constants& c) {
  const double speed = tokens_per_s_per_device(*run.job, step_cost(*run.job, c));
  return speed * (run.whole_run ? c[Constant::goodput] : 1) * (run.layout_unstated ? c[Constant::unstated] : 1);
}

Constants fit(const std::vector<const PublishedRun*>& runs, const Constants& start) {
  const Problem problem(runs);
  Vector y = problem.start(start);
  std::vector<double> e = problem.errors(y);
  double loss = problem.loss(y, e), damping = 1e-2;
  for (int round = 0; round < kRounds; ++round) {
    Vector g;
    Matrix h;
    problem.derive(y, e, g, h);
    bool better = false;
    double gained = 0;
    for (int attempt = 0; attempt < 8 && !better; ++attempt) {
      Matrix damped = h;
      for (size_t i = 0; i < kConstants; ++i) damped[i][i] *= 1 + damping;
      const Vector step = solve(damped, g);
      Vector next = y;
      for (size_t i = 0; i < kConstants; ++i) next[i] -= std::clamp(step[i], -0.5, 0.5);
      const std::vector<double> next_e = problem.errors(next);
      const double next_loss = problem.loss(next, next_e);
      if (next_loss < loss) {
        gained = loss - next_loss;
        y = next;
        e = next_e;
        loss = next_loss;
        damping = std::max(damping / 4, 1e-6);
        better = true;
      } else {
        damping *= 5;
      }
    }
    if (!better || gained < 1e-7 * loss) break;
  }
  return constants_of(y);
}

FitResult cross_validate(const std::vector<PublishedRun>& runs, const std::function<void(size_t, size_t)>& progress) {
  std::vector<const PublishedRun*> used;
  std::set<std::string> groups;
  for (const PublishedRun& run : runs) {
    if (!run.job) continue;
    groups.insert(run.group);
    if (is_used(run)) used.push_back(&run);
  }
  FitResult result;
  result.all = fit(used, prior_constants());
  std::map<std::string, Constants> without;
  for (const std::string& group : groups) {
    std::vector<const PublishedRun*> others;
    for (const PublishedRun* run : used)
      if (run->group != group) others.push_back(run);
    without[group] = fit(others, prior_constants());
    if (progress) progress(without.size(), groups.size());
  }
  for (const PublishedRun& run : runs)
    if (run.job) result.errors.push_back({&run, error_of(run, result.all), error_of(run, without.at(run.group))});
  return result;
}

ErrorSummary summarise(const std::vector<double>& errors) {
  ErrorSummary s;
  s.n = errors.size();
  if (errors.empty()) return s;
  std::vector<double> sorted;
  for (const double e : errors) {
    sorted.push_back(std::abs(e));
    s.mean_log += std::log1p(e) / static_cast<double>(errors.size());
  }
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](double share) {  // linear between the neighbours
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto low = static_cast<size_t>(place);
    const size_t high = std::min(low + 1, sorted.size() - 1);
    return sorted[low] + (place - static_cast<double>(low)) * (sorted[high] - sorted[low]);
  };
  s.median = at(0.5);
  s.p90 = at(0.9);
  return s;
}

}  // namespace nuri::plan
