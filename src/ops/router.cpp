#include "ops/router.h"

#include <algorithm>

#include "autograd/tape.h"
#include "base/threads.h"
#include "base/x1.h"

namespace nuri {

namespace reference {
namespace {

/// Takes the largest of n values not yet taken, the lowest index among equals; -1 where all are taken.
template <class T>
int64_t take_largest(int64_t n, const T* value, std::vector<char>& taken) {
  int64_t best = -1;
  for (int64_t i = 0; i < n; ++i)
    if (!taken[static_cast<size_t>(i)] && (best < 0 || value[i] > value[best])) best = i;
  if (best >= 0) taken[static_cast<size_t>(best)] = 1;
  return best;
}

/// Marks the experts of the groups that are not kept.
template <class T>
void drop_groups(const RouterOptions& o, const T* choice, std::vector<char>& taken) {
  const int64_t size = o.n_experts / o.n_groups;
  std::vector<T> score(static_cast<size_t>(o.n_groups));
  for (int64_t g = 0; g < o.n_groups; ++g) {
    const T* member = choice + g * size;
    std::vector<char> used(static_cast<size_t>(size), 0);
    const int64_t first = take_largest(size, member, used), second = take_largest(size, member, used);
    score[static_cast<size_t>(g)] = second < 0 ? member[first] : member[first] + member[second];
  }
  std::vector<char> kept(static_cast<size_t>(o.n_groups), 0);
  for (int64_t i = 0; i < o.n_kept_groups; ++i) take_largest(o.n_groups, score.data(), kept);
  for (int64_t e = 0; e < o.n_experts; ++e) taken[static_cast<size_t>(e)] = !kept[static_cast<size_t>(e / size)];
}

RouterOptions options_of(const auto& a) {
  RouterOptions o;
  o.n_experts = a.n_experts, o.n_active = a.n_active;
  o.normalise = a.normalise, o.route_scale = a.route_scale;
  return o;
}

}  // namespace

template <class T>
void router_row(const RouterOptions& o, const T* logits, const T* bias, T* scores, int32_t* experts, T* weights) {
  std::vector<T> choice(static_cast<size_t>(o.n_experts));
  for (int64_t e = 0; e < o.n_experts; ++e) {
    scores[e] = x1::sigmoid(logits[e]);
    choice[static_cast<size_t>(e)] = bias ? scores[e] + bias[e] : scores[e];
  }
  std::vector<char> taken(static_cast<size_t>(o.n_experts), 0);
  if (o.n_kept_groups < o.n_groups) drop_groups(o, choice.data(), taken);
  for (int64_t j = 0; j < o.n_active; ++j)
    experts[j] = static_cast<int32_t>(take_largest(o.n_experts, choice.data(), taken));
  std::sort(experts, experts + o.n_active);
  T sum = 0;
  for (int64_t j = 0; j < o.n_active; ++j) sum = sum + scores[experts[j]];
  sum = sum + T(1e-20);
  const T scale = static_cast<T>(o.route_scale);
  for (int64_t j = 0; j < o.n_active; ++j)
    weights[j] = o.normalise ? scores[experts[j]] / sum * scale : scores[experts[j]] * scale;
}

template <class T>
void router_grad_row(const RouterOptions& o, const T* s, const int32_t* experts, const T* u, const T* balance,
                     T* dlogits) {
  for (int64_t e = 0; e < o.n_experts; ++e) dlogits[e] = 0;  // holds ds until the last loop
  T sum = 0, chain = 0;
  for (int64_t j = 0; j < o.n_active; ++j) {
    sum = sum + s[experts[j]];
    chain = x1::fma(u[j], s[experts[j]], chain);
  }
  sum = sum + T(1e-20);
  const T scale = static_cast<T>(o.route_scale);
  for (int64_t j = 0; j < o.n_active; ++j)
    dlogits[experts[j]] = o.normalise ? (scale / sum) * (u[j] - chain / sum) : scale * u[j];
  if (balance) {
    const T z = x1::row_sum<T>(o.n_experts, [&](int64_t e) { return s[e]; });
    const T mean = x1::row_sum<T>(o.n_experts, [&](int64_t e) { return balance[e] * s[e]; }) / z;
    for (int64_t e = 0; e < o.n_experts; ++e) dlogits[e] = dlogits[e] + (balance[e] - mean) / z;
  }
  for (int64_t e = 0; e < o.n_experts; ++e) dlogits[e] = dlogits[e] * (s[e] * (T(1) - s[e]));
}

template void router_row(const RouterOptions&, const float*, const float*, float*, int32_t*, float*);
template void router_row(const RouterOptions&, const double*, const double*, double*, int32_t*, double*);
template void router_grad_row(const RouterOptions&, const float*, const int32_t*, const float*, const float*, float*);
template void router_grad_row(const RouterOptions&, const double*, const int32_t*, const double*, const double*,
                              double*);

void router(const RouterArgs& a) {
  RouterOptions o = options_of(a);
  o.n_groups = a.n_groups, o.n_kept_groups = a.n_kept_groups;
  for (int64_t t = 0; t < a.n_tokens; ++t)
    router_row(o, a.logits + t * a.n_experts, a.bias, a.scores + t * a.n_experts, a.experts + t * a.n_active,
               a.weights + t * a.n_active);
}

void router_grad(const RouterGradArgs& a) {
  const RouterOptions o = options_of(a);
  for (int64_t t = 0; t < a.n_tokens; ++t)
    router_grad_row(o, a.scores + t * a.n_experts, a.experts + t * a.n_active, a.dweights + t * a.n_active,
                    a.balance_f ? a.balance_f + a.row_of[t] * a.n_experts : nullptr, a.dlogits + t * a.n_experts);
}

}  // namespace reference

namespace {

/// Tokens of each expert in each packed row, [rows * n_experts].
std::vector<int64_t> count_experts(const Routing& routing, const RouterOptions& o, const std::vector<int64_t>& rows) {
  std::vector<int64_t> count((rows.size() - 1) * static_cast<size_t>(o.n_experts), 0);
  const int32_t* experts = routing.experts.data<int32_t>();
  for (size_t r = 0; r + 1 < rows.size(); ++r)
    for (int64_t i = rows[r] * o.n_active; i < rows[r + 1] * o.n_active; ++i)
      ++count[r * static_cast<size_t>(o.n_experts) + static_cast<size_t>(experts[i])];
  return count;
}

/// L of each packed row, in double from the FP32 scores.
std::vector<double> balance_losses(const Routing& routing, const RouterOptions& o, const std::vector<int64_t>& rows,
                                   const std::vector<int64_t>& count) {
  const int64_t n_tokens = routing.scores.dim(0);
  std::vector<double> share(static_cast<size_t>(n_tokens));  // (sum f s) / (sum s) of each token
  std::vector<double> loss(rows.size() - 1, 0.0);
  for (size_t r = 0; r + 1 < rows.size(); ++r) {
    const double length = static_cast<double>(rows[r + 1] - rows[r]);
    if (length == 0) continue;
    const double f_of_count = static_cast<double>(o.n_experts) / (static_cast<double>(o.n_active) * length);
    const int64_t* c = count.data() + r * static_cast<size_t>(o.n_experts);
    parallel_ranges(rows[r + 1] - rows[r], 256, [&](int64_t begin, int64_t end) {
      for (int64_t t = rows[r] + begin; t < rows[r] + end; ++t) {
        const float* s = routing.scores.data<float>() + t * o.n_experts;
        double weighted = 0, sum = 0;
        for (int64_t e = 0; e < o.n_experts; ++e) {
          weighted += f_of_count * static_cast<double>(c[e]) * static_cast<double>(s[e]);
          sum += static_cast<double>(s[e]);
        }
        share[static_cast<size_t>(t)] = weighted / sum;
      }
    });
    for (int64_t t = rows[r]; t < rows[r + 1]; ++t) loss[r] += share[static_cast<size_t>(t)];
    loss[r] /= length;
  }
  return loss;
}

/// b_e of each packed row, [rows, n_experts]: alpha f_e / (rows of the step x T), in double, rounded once.
Tensor balance_factors(const RouterOptions& o, const std::vector<int64_t>& rows, const std::vector<int64_t>& count,
                       int64_t n_rows_of_step) {
  Tensor f = Tensor::empty({static_cast<int64_t>(rows.size()) - 1, o.n_experts});
  if (meta_active()) return f;
  for (size_t r = 0; r + 1 < rows.size(); ++r) {
    const double length = static_cast<double>(rows[r + 1] - rows[r]);
    const double factor = o.balance_alpha / (static_cast<double>(n_rows_of_step) * length) *
                          static_cast<double>(o.n_experts) / (static_cast<double>(o.n_active) * length);
    for (int64_t e = 0; e < o.n_experts; ++e) {
      const size_t i = r * static_cast<size_t>(o.n_experts) + static_cast<size_t>(e);
      f.data<float>()[i] = static_cast<float>(factor * static_cast<double>(count[i]));
    }
  }
  return f;
}

std::vector<int32_t> rows_of_tokens(const std::vector<int64_t>& rows) {
  std::vector<int32_t> row_of;
  row_of.reserve(static_cast<size_t>(rows.back()));
  for (size_t r = 0; r + 1 < rows.size(); ++r)
    row_of.insert(row_of.end(), static_cast<size_t>(rows[r + 1] - rows[r]), static_cast<int32_t>(r));
  return row_of;
}

}  // namespace

Routing route(const Tensor& logits, const Tensor& bias, const RouterOptions& o, const std::vector<int64_t>& row_offsets,
              std::vector<int64_t>* counts, double* balance_loss, int64_t n_rows_of_step) {
  logits.expect({-1, o.n_experts}, "route logits [n_tokens, n_experts]");
  if (bias.defined()) bias.expect({o.n_experts}, "route bias [n_experts]");
  NURI_ASSERT(logits.contiguous() && o.n_groups >= 1 && o.n_experts % o.n_groups == 0 && o.n_kept_groups >= 1 &&
              o.n_kept_groups <= o.n_groups && o.n_active >= 1 &&
              o.n_active <= o.n_kept_groups * (o.n_experts / o.n_groups));
  const int64_t n_tokens = logits.dim(0);
  Routing routing{Tensor::empty({n_tokens, o.n_experts}), Tensor::empty({n_tokens, o.n_active}, DType::i32),
                  Tensor::empty({n_tokens, o.n_active})};
  run(kernels().router, reference::router,
      RouterArgs{.n_tokens = n_tokens,
                 .n_experts = o.n_experts,
                 .n_active = o.n_active,
                 .n_groups = o.n_groups,
                 .n_kept_groups = o.n_kept_groups,
                 .normalise = o.normalise,
                 .route_scale = o.route_scale,
                 .logits = logits.data<float>(),
                 .bias = bias.defined() ? bias.data<float>() : nullptr,
                 .scores = routing.scores.data<float>(),
                 .experts = routing.experts.data<int32_t>(),
                 .weights = routing.weights.data<float>()});
  Tape* tape = Tape::current();
  const bool balanced = tape && o.balance_alpha != 0;
  Tensor balance;
  if (counts || balance_loss || balanced) {
    NURI_ASSERT(!row_offsets.empty() && row_offsets.front() == 0 && row_offsets.back() == n_tokens);
    std::vector<int64_t> count;
    if (!meta_active()) {
      count = count_experts(routing, o, row_offsets);
      if (counts) {
        counts->resize(static_cast<size_t>(o.n_experts), 0);
        for (size_t i = 0; i < count.size(); ++i) (*counts)[i % static_cast<size_t>(o.n_experts)] += count[i];
      }
      if (balance_loss)
        for (const double loss : balance_losses(routing, o, row_offsets, count))
          *balance_loss += loss / static_cast<double>(n_rows_of_step);
    }
    if (balanced) balance = balance_factors(o, row_offsets, count, n_rows_of_step);
  }
  if (tape) {
    std::vector<int32_t> row_of = balanced ? rows_of_tokens(row_offsets) : std::vector<int32_t>();
    tape->record("route", [logits, routing, o, balance, row_of = std::move(row_of)](Tape& t) {
      Tensor dweights = t.take_grad(routing.weights);
      if (!dweights.defined() && !balance.defined()) return;
      if (!dweights.defined()) dweights = Tensor::zeros(routing.weights.shape());
      Tensor dlogits = Tensor::empty(logits.shape());
      run(kernels().router_grad, reference::router_grad,
          RouterGradArgs{.n_tokens = logits.dim(0),
                         .n_experts = o.n_experts,
                         .n_active = o.n_active,
                         .normalise = o.normalise,
                         .route_scale = o.route_scale,
                         .scores = routing.scores.data<float>(),
                         .experts = routing.experts.data<int32_t>(),
                         .dweights = dweights.data<float>(),
                         .balance_f = balance.defined() ? balance.data<float>() : nullptr,
                         .row_of = row_of.data(),
                         .dlogits = dlogits.data<float>()});
      t.add_grad(logits, dlogits);
    });
  }
  observe("route", routing.weights);
  return routing;
}

}  // namespace nuri
