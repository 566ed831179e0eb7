#include "ops/muon.h"

#include <algorithm>

#include "ops/axpby.h"
#include "ops/bounds.h"
#include "ops/op_test_support.h"
#include "ops/product.h"

namespace nuri {
namespace {

using namespace test;

TEST(Muon, MomentumAndUpdateByHand) {
  double m = 2, u = 0, p = 1;
  reference::muon_momentum_value<double>(0.75, 0.5, 8.0, m, u);  // g = 4
  EXPECT_EQ(m, 0.75 * 2 + 0.25 * 4);
  EXPECT_EQ(u, 0.75 * 2.5 + 0.25 * 4);
  reference::muon_update_value<double>(0.25, 0.5, 3.0, p);
  EXPECT_EQ(p, 0.75 - 1.5);
}

/// The quintic on one singular value.
double iterate(double s, int steps = kNewtonSchulzSteps) {
  for (int i = 0; i < steps; ++i) s = 3.4445 * s - 4.7750 * s * s * s + 2.0315 * s * s * s * s * s;
  return s;
}

TEST(Muon, SingularValuesFollowTheQuintic) {
  // Diagonal matrices, wide and tall: each entry goes its own way.
  const std::vector<double> values = {3, 0.5, 2, 1e-3};
  double norm = 0;
  for (const double v : values) norm += v * v;
  norm = std::sqrt(norm) + 1e-7;
  for (const bool tall : {false, true}) {
    const int64_t n = 4, m = 6, rows = tall ? m : n, cols = tall ? n : m;
    std::vector<double> x(static_cast<size_t>(n * m), 0);
    for (int64_t i = 0; i < n; ++i) x[static_cast<size_t>(i * cols + i)] = values[static_cast<size_t>(i)];
    reference::orthogonalise<double>(rows, cols, x.data());
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j)
        EXPECT_NEAR(x[static_cast<size_t>(i * cols + j)], i == j ? iterate(values[static_cast<size_t>(i)] / norm) : 0.0,
                    1e-6);
  }
}

TEST(Muon, SingularValuesOfARandomMatrixComeNearOne) {
  constexpr int64_t kRows = 8, kCols = 200;
  std::vector<double> x = widened(random_floats(kRows * kCols, 1));
  reference::orthogonalise<double>(kRows, kCols, x.data());
  // The trace of X X^T is the sum of the squares; all between those of the band.
  for (int64_t i = 0; i < kRows; ++i) {
    double square = 0;
    for (int64_t j = 0; j < kCols; ++j)
      square += x[static_cast<size_t>(i * kCols + j)] * x[static_cast<size_t>(i * kCols + j)];
    EXPECT_GT(square, 0.6 * 0.6);
    EXPECT_LT(square, 1.25 * 1.25);
  }
}

TEST(Muon, ZerosStayZeros) {
  std::vector<float> x(12, 0.0f);
  reference::orthogonalise<float>(3, 4, x.data());
  EXPECT_EQ(x, std::vector<float>(12, 0.0f));
}

TEST(Muon, FloatIsCloseToDouble) {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{7, 33}, {40, 9}, {1, 65}, {16, 16}}) {
    const std::vector<float> start = random_floats(rows * cols, 5);
    std::vector<float> x = start;
    reference::orthogonalise<float>(rows, cols, x.data());
    // One step from X changes an error e to at most L e, where L bounds the difference quotients of the quintic on
    // singular values up to 1.25 (|p'| there is at most 4.7), and adds its own roundings. In the 2-norm of all
    // elements: products of n terms are off by gamma(n) |A| |B|.
    constexpr double kQuotient = 4.7;
    const int64_t k = std::min(rows, cols), n = std::max(rows, cols);
    double bound = bounds::gamma(3);
    std::vector<double> exact;
    for (int step = 0; step < kNewtonSchulzSteps; ++step) {
      exact = widened(start);
      reference::orthogonalise<double>(rows, cols, exact.data(), step);
      const double size = std::sqrt(dot(exact, exact));
      const double gram = bounds::gamma(n) * size * size;  // of A, whose 2-norm is at most size^2
      const double poly = 4.7750 * gram +
                          2.0315 * (2 * size * size * gram + bounds::gamma(k) * size * size * size * size) +
                          bounds::gamma(2) * (4.7750 * size * size + 2.0315 * size * size * size * size);
      const double product = poly * size + bounds::gamma(k + 1) * (3.4445 * size + 6.9 * size * size);
      bound = kQuotient * bound + product;
    }
    exact = widened(start);
    reference::orthogonalise<double>(rows, cols, exact.data());
    double error = 0;
    for (size_t i = 0; i < x.size(); ++i) error += (double(x[i]) - exact[i]) * (double(x[i]) - exact[i]);
    EXPECT_LE(std::sqrt(error), bound) << rows << " x " << cols;
    EXPECT_LE(std::sqrt(error), 1e-4 * std::sqrt(dot(exact, exact)))
        << "far below that bound: " << rows << " x " << cols;
  }
}

TEST(Muon, MomentumFloatIsCloseToDouble) {
  const std::vector<float> g = random_floats(500, 1), m0 = random_floats(500, 2), p0 = random_floats(500, 3);
  for (size_t i = 0; i < g.size(); ++i) {
    float m = m0[i], u = 0, p = p0[i];
    double m64 = m, u64 = 0, p64 = p;
    reference::muon_momentum_value<float>(0.95f, 0.3f, g[i], m, u);
    reference::muon_momentum_value<double>(0.95f, 0.3f, g[i], m64, u64);
    reference::muon_update_value<float>(1e-4f, 3e-3f, g[i], p);
    reference::muon_update_value<double>(1e-4f, 3e-3f, g[i], p64);
    const double size = std::fabs(double(m0[i])) + std::fabs(double(g[i]));
    EXPECT_NEAR(m, m64, bounds::gamma(5) * size);
    EXPECT_NEAR(u, u64, bounds::gamma(7) * size);
    EXPECT_NEAR(p, p64,
                bounds::gamma(4) * std::fabs(double(p0[i])) + bounds::gamma(2) * 3e-3 * std::fabs(double(g[i])));
  }
}

TEST(Muon, KernelsEqualReference) {
  for (const int64_t n : {0, 1, 7, 63, 65, 1025, 20001})
    for (const bool with : {false, true}) {  // y of axpby, the BF16 copy of the update
      expect_same_bits("axpby", [&](bool reference) {
        std::vector<float> x = random_floats(n, 1), y = random_floats(n, 2);
        (reference ? reference::axpby : kernels().axpby)(
            {n, 3.4445f, x.data(), 2.0315f, with ? y.data() : nullptr, with ? y.data() : x.data()});
        x.insert(x.end(), y.begin(), y.end());
        return x;
      });
      // Three matrices, one without elements.
      expect_same_bits("muon", [&](bool reference) {
        const std::vector<float> grad = random_floats(n + 100, 3);
        std::vector<float> m = random_floats(n + 100, 4), u(grad), p = random_floats(n + 100, 5);
        std::vector<Bf16> narrow(p.size(), Bf16{0});
        const MuonMomentumArgs::Matrix momentum[] = {{100, grad.data(), m.data(), u.data()},
                                                     {0, nullptr, nullptr, nullptr},
                                                     {n, grad.data() + 100, m.data() + 100, u.data() + 100}};
        const MuonUpdateArgs::Matrix update[] = {
            {100, u.data(), p.data(), with ? narrow.data() : nullptr},
            {0, nullptr, nullptr, nullptr},
            {n, u.data() + 100, p.data() + 100, with ? narrow.data() + 100 : nullptr}};
        (reference ? reference::muon_momentum : kernels().muon_momentum)({momentum, 0.95f, 0.4f});
        (reference ? reference::muon_update : kernels().muon_update)({update, 3e-5f, 0.02f});
        m.insert(m.end(), u.begin(), u.end());
        m.insert(m.end(), p.begin(), p.end());
        for (const Bf16 b : narrow) m.push_back(x1::from_bf16(b.bits));
        return m;
      });
    }
}

TEST(Muon, StacksEqualTheReferenceOneByOne) {
  for (const auto& shape :
       {std::pair<int64_t, int64_t>{1, 1}, {1, 19}, {17, 1}, {13, 33}, {33, 13}, {64, 64}, {65, 100}})
    expect_same_bits("orthogonalise", [&](bool reference) {
      const int64_t rows = shape.first, cols = shape.second;
      constexpr int64_t kCount = 3;
      std::vector<float> x = random_floats(kCount * rows * cols, 7);
      if (reference) {
        for (int64_t i = 0; i < kCount; ++i) reference::orthogonalise(rows, cols, x.data() + i * rows * cols);
        return x;
      }
      const Tensor stack = Tensor::from_floats({kCount, rows, cols}, x);
      orthogonalise(stack);
      return std::vector<float>(stack.span<float>().begin(), stack.span<float>().end());
    });
}

}  // namespace
}  // namespace nuri
