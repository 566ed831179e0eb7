#include "ops/cross_entropy.h"

#include <numeric>

#include "autograd/tape.h"
#include "base/test_support.h"
#include "ops/bounds.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

TEST(LogSumExp, FloatIsCloseToTheFormula) {
  for (const int64_t vocab : {1, 2, 1000, 1024, 1025, 5000}) {
    const std::vector<float> z = random_floats(vocab, 1, 4);
    for (const float b : {1.0f, 0.5f, 3.0f}) {
      double sum = 0, largest = -1e30;
      for (const float v : z) largest = std::max(largest, double(v * b));
      for (const float v : z) sum += std::exp(double(v * b) - largest);
      const double exact = largest + std::log(sum);
      // exp and its argument, the row sums and the merges of blocks, then log and the last addition
      const double relative = bounds::kFunction + 40 * bounds::kFp32 + bounds::row_sum(kVocabularyBlock) +
                              bounds::gamma(3 * (vocab / kVocabularyBlock + 1));
      EXPECT_NEAR(reference::log_sum_exp_row<float>(vocab, z.data(), b), exact,
                  relative + (bounds::kFunction + bounds::kFp32) * (std::fabs(exact) + std::log(sum)))
          << vocab << " " << b;
      EXPECT_NEAR(reference::log_sum_exp_row<double>(vocab, widened(z).data(), double(b)), exact, 1e-5);
    }
  }
}

TEST(CrossEntropy, GradientOfTheRowMatchesFiniteDifferences) {
  const std::vector<double> z = widened(random_floats(13, 1));
  std::vector<double> dz = z;
  const double lse = reference::log_sum_exp_row<double>(13, z.data(), 1.0);
  reference::cross_entropy_grad_row<double>(13, dz.data(), lse, 5, 0.3);
  expect_close(dz, finite_differences(z, [](const std::vector<double>& v) {
                 return 0.3 * (reference::log_sum_exp_row<double>(13, v.data(), 1.0) - v[5]);
               }));
}

TEST(CrossEntropy, KernelsEqualReference) {
  for (const int64_t vocab : {1, 7, 63, 64, 65, 1023, 1024, 1025, 3000})
    for (const int64_t n_rows : {0, 1, 9}) {
      const int64_t stride = vocab + 3;
      const std::vector<float> z = random_floats(n_rows * stride, 1, 6);
      const std::vector<int32_t> targets = random_ids(n_rows, vocab, 2);
      std::vector<float> weights = random_floats(n_rows, 3), lse(static_cast<size_t>(n_rows));
      if (n_rows > 1) weights[1] = 0;
      for (const float b : {1.0f, 1.0f / 0.7f})
        expect_same_bits("log_sum_exp", [&](bool reference) {
          (reference ? reference::log_sum_exp
                     : kernels().log_sum_exp)({n_rows, vocab, z.data(), stride, b, lse.data()});
          return lse;
        });
      for (const bool all : {true, false})
        expect_same_bits("sampler_logits", [&](bool reference) {
          std::vector<float> out(z.size() + 1);
          std::vector<uint8_t> allowed(z.size());
          for (size_t i = 0; i < allowed.size(); ++i) allowed[i] = i % 7 < 3 ? 2 : 0;
          (reference ? reference::sampler_logits : kernels().sampler_logits)(
              {std::ssize(z), z.data(), 0.7f, all ? nullptr : allowed.data(), out.data(), &out.back()});
          return out;
        });
      expect_same_bits("softmax_weights", [&](bool reference) {
        std::vector<float> out(z.size());
        std::vector<float> with_outsiders = z;
        if (z.size() > 2) with_outsiders[1] = -std::numeric_limits<float>::infinity();
        (reference ? reference::softmax_weights
                   : kernels().softmax_weights)({std::ssize(z), with_outsiders.data(), 2.5f, out.data()});
        return out;
      });
      expect_same_bits("cross_entropy_grad", [&](bool reference) {
        std::vector<float> out = z;
        (reference ? reference::cross_entropy_grad : kernels().cross_entropy_grad)(
            {n_rows, vocab, out.data(), stride, lse.data(), targets.data(), weights.data()});
        return out;
      });
      expect_same_bits("cross_entropy_grad, rounded", [&](bool reference) {
        std::vector<float> out = z;
        (reference ? reference::cross_entropy_grad : kernels().cross_entropy_grad)(
            {n_rows, vocab, out.data(), stride, lse.data(), targets.data(), weights.data(), true});
        const Bf16* first = reinterpret_cast<const Bf16*>(out.data());
        std::vector<float> dz;
        for (int64_t r = 0; r < n_rows; ++r)
          for (int64_t i = 0; i < vocab; ++i) dz.push_back(x1::from_bf16(first[r * 2 * stride + i].bits));
        return dz;
      });
    }
}

/// The whole op in double, from the definition of the loss.
struct Exact {
  std::vector<double> nll, dx, dw;
  Exact(const std::vector<float>& x, const std::vector<float>& w, const std::vector<int32_t>& targets,
        const std::vector<float>& weights, int64_t d, int64_t vocab)
      : nll(targets.size(), 0.0), dx(x.size(), 0.0), dw(w.size(), 0.0) {
    for (size_t t = 0; t < targets.size(); ++t) {
      if (weights[t] == 0) continue;
      std::vector<double> z(static_cast<size_t>(vocab), 0.0);
      const float* row = x.data() + static_cast<int64_t>(t) * d;
      for (int64_t v = 0; v < vocab; ++v)
        for (int64_t i = 0; i < d; ++i)
          z[static_cast<size_t>(v)] += double(row[i]) * double(w[static_cast<size_t>(v * d + i)]);
      double sum = 0;
      for (const double v : z) sum += std::exp(v);
      nll[t] = std::log(sum) - z[static_cast<size_t>(targets[t])];
      for (int64_t v = 0; v < vocab; ++v) {
        const double dz = (std::exp(z[static_cast<size_t>(v)]) / sum - (v == targets[t])) * double(weights[t]);
        for (int64_t i = 0; i < d; ++i) {
          dx[t * static_cast<size_t>(d) + static_cast<size_t>(i)] += dz * double(w[static_cast<size_t>(v * d + i)]);
          dw[static_cast<size_t>(v * d + i)] += dz * double(row[i]);
        }
      }
    }
  }
};

Weight head_of(const std::vector<float>& w, int64_t vocab, int64_t d, int uses = 1) {
  Weight head({{"lm_head.weight", {vocab, d}}}, DType::f32, true, uses);
  std::copy(w.begin(), w.end(), head.value.data<float>());
  return head;
}

TEST(CrossEntropy, LossAndGradientsOfTheWholeOp) {
  const int64_t n_tokens = 37, d = 12, vocab = 1100;
  const std::vector<float> x = random_floats(n_tokens * d, 1), w = random_floats(vocab * d, 2);
  const std::vector<int32_t> targets = random_ids(n_tokens, vocab, 3);
  for (const bool skip : {false, true}) {
    std::vector<float> weights(static_cast<size_t>(n_tokens), 1.0f / 37);
    if (skip)
      for (size_t t = 0; t < weights.size(); t += 3) weights[t] = 0;
    const Exact exact(x, w, targets, weights, d, vocab);
    Weight head = head_of(w, vocab, d, 2);
    const Tensor input = Tensor::from_floats({n_tokens, d}, x);
    Tensor dx;
    Tape tape;
    const TapeScope scope(tape);
    tape.record("probe", [&](Tape& t) { dx = t.take_grad(input); });
    const CrossEntropyResult result = cross_entropy(input, head, 1, targets, weights, Precision::f32);
    tape.backward();
    double loss = 0;
    for (size_t t = 0; t < targets.size(); ++t) {
      EXPECT_NEAR(result.nll[t], exact.nll[t], 1e-5);
      loss += double(weights[t]) * exact.nll[t];
    }
    EXPECT_NEAR(result.loss_sum, loss, 1e-5);
    expect_close({dx.data<float>(), dx.data<float>() + dx.size()}, exact.dx, 1e-5);
    const Tensor& dw = head.grads[1];
    expect_close({dw.data<float>(), dw.data<float>() + dw.size()}, exact.dw, 1e-5);
    EXPECT_EQ(std::accumulate(head.grads[0].data<float>(), head.grads[0].data<float>() + vocab * d, 0.0f), 0.0f);
  }
}

TEST(CrossEntropy, ChunksSkippedRowsAndMicroBatchesDoNotShow) {
  const int64_t n_tokens = 600, d = 8, vocab = 9000;  // chunks of 512 tokens
  const std::vector<float> x = random_floats(n_tokens * d, 1);
  Weight head = head_of(random_floats(vocab * d, 2), vocab, d, 3);
  const std::vector<int32_t> targets = random_ids(n_tokens, vocab, 3);
  const Tensor input = Tensor::from_floats({n_tokens, d}, x);
  std::vector<float> weights(static_cast<size_t>(n_tokens), 0.25f);
  for (size_t t = 0; t < weights.size(); t += 7) weights[t] = 0;

  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    for (const Tensor& grad : head.grads) grad.fill_zero();
    Tensor dx, dx_first, dx_last;
    const Tensor first = input.rows(0, 61), last = input.rows(61, n_tokens);
    Tape tape;
    const TapeScope scope(tape);
    tape.record("probe",
                [&](Tape& t) { dx = t.take_grad(input), dx_first = t.take_grad(first), dx_last = t.take_grad(last); });
    const CrossEntropyResult whole = cross_entropy(input, head, 0, targets, weights, precision);
    const auto part = [&](const Tensor& rows, int64_t begin, int64_t end) {
      return cross_entropy(rows, head, 1, {targets.begin() + begin, targets.begin() + end},
                           {weights.begin() + begin, weights.begin() + end}, precision);
    };
    const CrossEntropyResult a = part(first, 0, 61), b = part(last, 61, n_tokens);
    tape.backward();
    for (int64_t t = 0; t < n_tokens; ++t) {
      const size_t i = static_cast<size_t>(t);
      EXPECT_EQ(whole.nll[i], t < 61 ? a.nll[i] : b.nll[i - 61]) << t;
      for (int64_t c = 0; c < d; ++c) {
        const float other = t < 61 ? dx_first.data<float>()[t * d + c] : dx_last.data<float>()[(t - 61) * d + c];
        EXPECT_EQ(dx.data<float>()[t * d + c], other) << t;
      }
    }
    EXPECT_EQ(std::memcmp(head.grads[0].raw(), head.grads[1].raw(), head.grads[0].bytes()), 0);

    // The sampler's number is the trainer's, bit for bit.
    const Tensor z = logits(input.rows(100, 101), head, precision);
    float lse = 0;
    log_sum_exp({1, vocab, z.data<float>(), vocab, 1.0f, &lse});
    EXPECT_EQ(-log_probability(z.data<float>()[targets[100]], 1.0f, lse), whole.nll[100]);
  }
}

TEST(CrossEntropy, BlocksDoNotFollowTheNumberOfTargets) {
  const int64_t n_tokens = 512, d = 16, vocab = 2048;
  Weight head = head_of(random_floats(vocab * d, 1), vocab, d);
  const Tensor input = Tensor::from_floats({n_tokens, d}, random_floats(n_tokens * d, 2));
  const std::vector<int32_t> targets = random_ids(n_tokens, vocab, 3);
  const auto held_after = [&](int64_t n_targets) {
    std::vector<float> weights(static_cast<size_t>(n_tokens), 0.0f);
    std::fill_n(weights.begin(), n_targets, 1.0f);
    Tape tape;
    const TapeScope scope(tape);
    (void)cross_entropy(input, head, 0, targets, weights, Precision::bf16);
    tape.backward();
    return memory_held().now;
  };
  held_after(n_tokens);
  const int64_t held = held_after(n_tokens - 1);
  for (int64_t n = n_tokens - 30; n > 0; n -= 31) EXPECT_EQ(held_after(n), held) << n;
}

TEST(CrossEntropy, NothingToDo) {
  Weight head = head_of(random_floats(5 * 3, 1), 5, 3);
  Tape tape;
  const TapeScope scope(tape);
  EXPECT_EQ(cross_entropy(Tensor::empty({0, 3}), head, 0, {}, {}, Precision::f32).loss_sum, 0);
  const Tensor x = Tensor::from_floats({1, 3}, random_floats(3, 2));
  EXPECT_EQ(cross_entropy(x, head, 0, {-100}, {0.0f}, Precision::f32).loss_sum, 0);
  tape.backward();
  for (int i = 0; i < 15; ++i) EXPECT_EQ(head.grads[0].data<float>()[i], 0);
}

TEST(CrossEntropy, NanOfOneTokenStaysThere) {
  const int64_t d = 4, vocab = 1030;
  Weight head = head_of(random_floats(vocab * d, 1), vocab, d);
  std::vector<float> x = random_floats(3 * d, 2);
  const auto losses = [&] {
    return cross_entropy(Tensor::from_floats({3, d}, x), head, 0, {1, 2, 3}, {1, 1, 1}, Precision::f32).nll;
  };
  const std::vector<float> clean = losses();
  x[5] = std::nanf("");
  const std::vector<float> poisoned = losses();
  EXPECT_EQ(poisoned[0], clean[0]);
  EXPECT_TRUE(std::isnan(poisoned[1]));
  EXPECT_EQ(poisoned[2], clean[2]);
}

TEST(CrossEntropy, TargetsOutsideTheVocabularyAreRefused) {
  Weight head = head_of(random_floats(5 * 3, 1), 5, 3);
  const Tensor x = Tensor::from_floats({1, 3}, random_floats(3, 2));
  EXPECT_NE(error_of([&] { cross_entropy(x, head, 0, {5}, {1.0f}, Precision::f32); }).find("has id 5"),
            std::string::npos);
}

}  // namespace
}  // namespace nuri
