#include "ops/combine.h"

#include <algorithm>

#include "autograd/tape.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

/// n_tokens x K distinct experts, ascending.
std::vector<int32_t> random_experts(int64_t n_tokens, int64_t n_active, int64_t n_experts, uint64_t stream) {
  const Philox random(3, Purpose::test, stream);
  std::vector<int32_t> experts;
  for (int64_t t = 0; t < n_tokens; ++t) {
    std::vector<int32_t> all(static_cast<size_t>(n_experts));
    for (size_t e = 0; e < all.size(); ++e) all[e] = static_cast<int32_t>(e);
    for (size_t j = 0; j < static_cast<size_t>(n_active); ++j)
      std::swap(all[j], all[j + random.below(all.size() - j, static_cast<uint64_t>(t * n_active) + j)]);
    std::sort(all.begin(), all.begin() + n_active);
    experts.insert(experts.end(), all.begin(), all.begin() + n_active);
  }
  return experts;
}
Tensor as_tensor(const std::vector<int32_t>& ids, int64_t n_active) {
  Tensor t = Tensor::empty({static_cast<int64_t>(ids.size()) / n_active, n_active}, DType::i32);
  std::copy(ids.begin(), ids.end(), t.data<int32_t>());
  return t;
}

TEST(Dispatch, SlotsAreSortedByExpertThenToken) {
  const Dispatch d = dispatch(as_tensor({1, 2, 0, 2, 0, 1}, 2), 4);
  EXPECT_EQ(d.offsets, (std::vector<int64_t>{0, 2, 4, 6, 6}));
  EXPECT_EQ(d.token_of_slot, (std::vector<int32_t>{1, 2, 0, 2, 0, 1}));
  EXPECT_EQ(d.slots, (std::vector<int32_t>{2, 4, 0, 5, 1, 3}));
}

TEST(Dispatch, EverySlotIsUsedOnce) {
  for (const int64_t n_tokens : {0, 1, 97}) {
    const std::vector<int32_t> experts = random_experts(n_tokens, 3, 7, 1);
    const Dispatch d = dispatch(as_tensor(experts, 3), 7);
    ASSERT_EQ(d.slots.size(), experts.size());
    for (size_t i = 0; i < experts.size(); ++i) {
      const int64_t slot = d.slots[i];
      EXPECT_EQ(d.token_of_slot[static_cast<size_t>(slot)], static_cast<int32_t>(i / 3));
      EXPECT_GE(slot, d.offsets[static_cast<size_t>(experts[i])]);
      EXPECT_LT(slot, d.offsets[static_cast<size_t>(experts[i]) + 1]);
    }
    for (size_t e = 0; e < 7; ++e)
      EXPECT_TRUE(std::is_sorted(d.token_of_slot.begin() + d.offsets[e], d.token_of_slot.begin() + d.offsets[e + 1]));
  }
}

TEST(Dispatch, MetaRunSpreadsEvenly) {
  const MetaScope meta;
  const Dispatch d = dispatch(Tensor::empty({6, 2}, DType::i32), 4);
  EXPECT_EQ(d.offsets, (std::vector<int64_t>{0, 3, 6, 9, 12}));
}

TEST(Combine, BackwardMatchesFiniteDifferences) {
  const int64_t d = 5, K = 3;
  const std::vector<int32_t> slots = {2, 0, 1};
  const std::vector<double> f = widened(random_floats(K * d, 1)), w = widened(random_floats(K, 2)),
                            shared = widened(random_floats(d, 3)), dy = widened(random_floats(d, 4));
  auto loss = [&](const std::vector<double>& at_f, const std::vector<double>& at_w) {
    std::vector<double> y(static_cast<size_t>(d));
    reference::combine_row<double>(d, K, shared.data(), at_f.data(), slots.data(), at_w.data(), y.data());
    return dot(y, dy);
  };
  std::vector<double> df(f.size()), dw(w.size());
  reference::combine_grad_row<double>(d, K, f.data(), slots.data(), w.data(), dy.data(), df.data(), dw.data());
  expect_close(df, finite_differences(f, [&](const auto& v) { return loss(v, w); }));
  expect_close(dw, finite_differences(w, [&](const auto& v) { return loss(f, v); }));
}

TEST(Combine, KernelsEqualReference) {
  for (const int64_t d : kWidths)
    for (const int64_t n_tokens : {0, 1, 41}) {
      const int64_t K = d % 3 + 1;
      const Dispatch order = dispatch(as_tensor(random_experts(n_tokens, K, 5, 1), K), 5);
      const std::vector<float> f = random_floats(n_tokens * K * d, 2), w = random_floats(n_tokens * K, 3),
                               shared = random_floats(n_tokens * d, 4);
      const int32_t* slots = order.slots.data();
      for (const float* start : {static_cast<const float*>(nullptr), shared.data()})
        expect_same_bits("combine", [&](bool reference) {
          std::vector<float> y(shared.size());
          (reference ? reference::combine
                     : kernels().combine)({n_tokens, d, K, start, f.data(), slots, w.data(), y.data()});
          return y;
        });
      const std::vector<float> residual = random_floats(n_tokens * d, 5);
      expect_same_bits("combine with a residual", [&](bool reference) {
        std::vector<float> y(shared.size());
        (reference ? reference::combine : kernels().combine)(
            {n_tokens, d, K, shared.data(), f.data(), slots, w.data(), y.data(), residual.data()});
        return y;
      });
      expect_same_bits("combine_grad", [&](bool reference) {
        std::vector<float> out(f.size() + w.size());
        (reference ? reference::combine_grad : kernels().combine_grad)(
            {n_tokens, d, K, f.data(), slots, w.data(), shared.data(), out.data(), out.data() + f.size()});
        return out;
      });
      expect_same_bits("combine_grad, rounded", [&](bool reference) {
        std::vector<float> dw(w.size());
        std::vector<Bf16> df(f.size());
        (reference ? reference::combine_grad : kernels().combine_grad)(
            {n_tokens, d, K, f.data(), slots, w.data(), shared.data(), nullptr, dw.data(), df.data()});
        const std::vector<float> wide = widened_bf16(df);
        dw.insert(dw.end(), wide.begin(), wide.end());
        return dw;
      });
      expect_same_bits("gather_grad", [&](bool reference) {
        std::vector<float> dx(shared.size());
        (reference ? reference::gather_grad : kernels().gather_grad)({n_tokens, d, K, f.data(), slots, dx.data()});
        return dx;
      });
    }
}

TEST(Combine, TapeGivesAllGradientsAndNanStaysInItsToken) {
  const Dispatch order = dispatch(as_tensor({0, 1, 0, 2}, 2), 3);
  const Tensor shared = Tensor::from_floats({2, 3}, random_floats(6, 1)),
               w = Tensor::from_floats({2, 2}, random_floats(4, 2));
  Tensor f = Tensor::from_floats({4, 3}, random_floats(12, 3));
  const Tensor clean = combine(shared, f, w, order, Precision::f32);
  f.data<float>()[order.slots[0] * 3] = std::nanf("");  // of token 0
  const Tensor poisoned = combine(shared, f, w, order, Precision::f32);
  for (int i = 3; i < 6; ++i) EXPECT_EQ(poisoned.data<float>()[i], clean.data<float>()[i]);
  f.data<float>()[order.slots[0] * 3] = 1;

  Tensor dshared, dresidual, df, dw;
  const Tensor residual = Tensor::from_floats({2, 3}, random_floats(6, 5));
  Tape tape;
  const TapeScope scope(tape);
  tape.record("probe", [&](Tape& t) {
    dshared = t.take_grad(shared), dresidual = t.take_grad(residual), df = t.take_grad(f), dw = t.take_grad(w);
  });
  const Tensor plain = combine(shared, f, w, order, Precision::f32),
               y = combine(shared, f, w, order, Precision::f32, residual);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(y.data<float>()[i], residual.data<float>()[i] + plain.data<float>()[i]);
  const std::vector<float> dy = random_floats(6, 4);
  tape.add_grad(y, Tensor::from_floats({2, 3}, dy));
  tape.backward();
  for (int t = 0; t < 2; ++t)
    for (int j = 0; j < 2; ++j) {
      const int32_t slot = order.slots[static_cast<size_t>(t * 2 + j)];
      double expected = 0;
      for (int i = 0; i < 3; ++i) {
        const float g = dy[static_cast<size_t>(t * 3 + i)];
        EXPECT_EQ(dshared.data<float>()[t * 3 + i], g);
        EXPECT_EQ(dresidual.data<float>()[t * 3 + i], g);
        EXPECT_EQ(df.data<float>()[slot * 3 + i], w.data<float>()[t * 2 + j] * g);
        expected += double(g) * f.data<float>()[slot * 3 + i];
      }
      EXPECT_NEAR(dw.data<float>()[t * 2 + j], expected, 1e-5);
    }
  const Tensor dx = gather_grad(f, order, 2);
  EXPECT_EQ(dx.data<float>()[0], f.data<float>()[order.slots[0] * 3] + f.data<float>()[order.slots[1] * 3]);
}

}  // namespace
}  // namespace nuri
