#include "ops/muon.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/x1.h"
#include "ops/axpby.h"
#include "ops/product.h"
#include "ops/square_sum.h"

namespace nuri {

namespace reference {

template <class T>
void muon_momentum_value(T momentum, T clip, T grad, T& m, T& u) {
  const T part = (T(1) - momentum) * (grad * clip);
  m = x1::fma(momentum, m, part);
  u = x1::fma(momentum, m, part);
}
template void muon_momentum_value(float, float, float, float&, float&);
template void muon_momentum_value(double, double, double, double&, double&);

void muon_momentum(const MuonMomentumArgs& a) {
  for (const MuonMomentumArgs::Matrix& x : a.matrices)
    for (int64_t i = 0; i < x.n; ++i) muon_momentum_value(a.momentum, a.clip, x.grad[i], x.m[i], x.u[i]);
}

template <class T>
void muon_update_value(T lr_decay, T rate, T u, T& p) {
  p = p - lr_decay * p;
  p = p - rate * u;
}
template void muon_update_value(float, float, float, float&);
template void muon_update_value(double, double, double, double&);

void muon_update(const MuonUpdateArgs& a) {
  for (const MuonUpdateArgs::Matrix& x : a.matrices)
    for (int64_t i = 0; i < x.n; ++i) {
      muon_update_value(a.lr_decay, a.rate, x.u[i], x.p[i]);
      if (x.copy) x.copy[i].bits = x1::to_bf16(x.p[i]);
    }
}

namespace {

/// 1 / (norm + 1e-7) of a matrix: in double, rounded once.
float inverse_norm(int64_t n, const float* x) {
  double sum = 0;
  square_sum({n, x, &sum});
  return static_cast<float>(1.0 / (x1::sqrt(sum) + 1e-7));
}
double inverse_norm(int64_t n, const double* x) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return 1.0 / (x1::sqrt(sum) + 1e-7);
}

}  // namespace

template <class T>
void orthogonalise(int64_t rows, int64_t cols, T* data, int steps) {
  const bool turned = rows > cols;
  const int64_t k = std::min(rows, cols), n = std::max(rows, cols);
  const T a = kNewtonSchulz[0], b = kNewtonSchulz[1], c = kNewtonSchulz[2];
  const T scale = inverse_norm(rows * cols, data);
  // x [k, n]
  std::vector<T> x(static_cast<size_t>(k * n)), next(x), gram(static_cast<size_t>(k * k)), poly(gram);
  auto at = [](std::vector<T>& matrix, int64_t row, int64_t column, int64_t width) -> T& {
    return matrix[static_cast<size_t>(row * width + column)];
  };
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < n; ++j) at(x, i, j, n) = scale * data[turned ? j * k + i : i * n + j];
  for (int step = 0; step < steps; ++step) {
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j) {
        T sum = 0;
        for (int64_t l = 0; l < n; ++l) sum = x1::fma(at(x, i, l, n), at(x, j, l, n), sum);
        at(gram, i, j, k) = sum;
      }
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j) {
        T sum = 0;
        for (int64_t l = 0; l < k; ++l) sum = x1::fma(at(gram, i, l, k), at(gram, l, j, k), sum);
        at(poly, i, j, k) = x1::fma(c, sum, b * at(gram, i, j, k));
      }
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < n; ++j) {
        T sum = a * at(x, i, j, n);
        for (int64_t l = 0; l < k; ++l) sum = x1::fma(at(poly, i, l, k), at(x, l, j, n), sum);
        at(next, i, j, n) = sum;
      }
    x.swap(next);
  }
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < n; ++j) data[turned ? j * k + i : i * n + j] = at(x, i, j, n);
}
template void orthogonalise(int64_t, int64_t, float*, int);
template void orthogonalise(int64_t, int64_t, double*, int);

}  // namespace reference

void muon_momentum(const MuonMomentumArgs& args) { run(kernels().muon_momentum, reference::muon_momentum, args); }
void muon_update(const MuonUpdateArgs& args) { run(kernels().muon_update, reference::muon_update, args); }

namespace {

Operand operand(const Tensor& x, bool transposed) { return {x.raw(), DType::f32, x.row_stride(), transposed, nullptr}; }

/// C (+)= A B of each matrix of the stacks, as one call.
struct StackProduct {
  const Tensor& a;
  bool a_turned;
  const Tensor& b;
  bool b_turned;
  const Tensor& c;
  bool accumulate;
};
void stack_products(const StackProduct& s) {
  std::vector<ProductArgs> items;
  auto matrix = [](const Tensor& stack, int64_t i) {
    return stack.rows(i, i + 1).reshape({stack.dim(1), stack.dim(2)});
  };
  for (int64_t i = 0; i < s.c.dim(0); ++i) {
    const Tensor a = matrix(s.a, i), b = matrix(s.b, i), c = matrix(s.c, i);
    ProductArgs item{Precision::f32, c.dim(0), c.dim(1), a.dim(s.a_turned ? 0 : 1), operand(a, s.a_turned)};
    item.b = operand(b, s.b_turned);
    item.c = c.data<float>(), item.c_stride = c.row_stride(), item.accumulate = s.accumulate;
    items.push_back(item);
  }
  products(items);
}

/// out = a x + b y (see axpby).
void add_scaled(float a, const Tensor& x, float b, const Tensor* y, const Tensor& out) {
  axpby({x.size(), a, x.data<float>(), b, y ? y->data<float>() : nullptr, out.data<float>()});
}

}  // namespace

void orthogonalise(const Tensor& stack) {
  NURI_ASSERT(stack.shape().rank() == 3 && stack.contiguous() && stack.dtype() == DType::f32);
  const int64_t count = stack.dim(0), rows = stack.dim(1), cols = stack.dim(2), k = std::min(rows, cols);
  const bool tall = rows > cols;  // then X^T X and X B are made of X as it lies
  // An odd number of steps ends where the matrices came from.
  static_assert(kNewtonSchulzSteps % 2 == 1);
  Tensor x = Tensor::empty(stack.shape(), DType::f32, Owner::scratch), next = stack;
  const Tensor gram = Tensor::empty({count, k, k}, DType::f32, Owner::scratch);
  const Tensor poly = Tensor::empty({count, k, k}, DType::f32, Owner::scratch);
  std::vector<Tensor> matrices;
  for (int64_t i = 0; i < count; ++i) matrices.push_back(stack.rows(i, i + 1));
  const std::vector<double> sums = square_sums(matrices);
  for (int64_t i = 0; i < count; ++i)
    add_scaled(static_cast<float>(1.0 / (x1::sqrt(sums[static_cast<size_t>(i)]) + 1e-7)),
               matrices[static_cast<size_t>(i)], 0, nullptr, x.rows(i, i + 1));
  for (int step = 0; step < kNewtonSchulzSteps; ++step) {
    stack_products({x, tall, x, !tall, gram, false});
    stack_products({gram, false, gram, false, poly, false});
    add_scaled(kNewtonSchulz[1], gram, kNewtonSchulz[2], &poly, poly);
    add_scaled(kNewtonSchulz[0], x, 0, nullptr, next);
    if (tall)
      stack_products({x, false, poly, false, next, true});
    else
      stack_products({poly, false, x, false, next, true});
    std::swap(x, next);
  }
}

}  // namespace nuri
