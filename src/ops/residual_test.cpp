#include "ops/residual.h"

#include "autograd/tape.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

TEST(Residual, BothInputsOfASumReceiveItsGradient) {
  const Tensor a = Tensor::from_floats({1, 2}, std::vector<float>{1, 2}),
               b = Tensor::from_floats({1, 2}, std::vector<float>{10, 20});
  Tape tape;
  const TapeScope scope(tape);
  Tensor da, db;
  tape.record("probe", [&](Tape& t) { da = t.take_grad(a), db = t.take_grad(b); });
  const Tensor y = add(a, b);
  EXPECT_EQ(y.data<float>()[1], 22);
  tape.add_grad(y, Tensor::from_floats({1, 2}, std::vector<float>{3, 4}));
  tape.add_grad(a, Tensor::from_floats({1, 2}, std::vector<float>{100, 100}));  // has one already: not b's
  tape.backward();
  EXPECT_EQ(da.data<float>()[0], 103);
  EXPECT_EQ(db.data<float>()[0], 3);
}

TEST(Residual, PartsOfColumnsAreViewsAndTheirGradientsJoin) {
  for (const int64_t n_tokens : {0, 1, 37, 300}) {
    const std::vector<int64_t> widths = {5, 0, 64, 3};
    const Tensor x = Tensor::from_floats({n_tokens, 72}, random_floats(n_tokens * 72, 1));
    Tape tape;
    const TapeScope scope(tape);
    Tensor dx;
    tape.record("probe", [&](Tape& t) { dx = t.take_grad(x); });
    const std::vector<Tensor> parts = split_columns(x, widths);
    EXPECT_EQ(parts[2].row_stride(), 72);
    if (n_tokens > 0) {
      EXPECT_EQ(parts[2].data<float>(), x.data<float>() + 5);
    }
    const std::vector<float> d0 = random_floats(n_tokens * 5, 2), d3 = random_floats(n_tokens * 3, 3);
    tape.add_grad(parts[0], Tensor::from_floats({n_tokens, 5}, d0));
    tape.add_grad(parts[3], Tensor::from_floats({n_tokens, 3}, d3));
    tape.backward();
    for (int64_t t = 0; t < n_tokens; ++t)
      for (int64_t i = 0; i < 72; ++i)  // the part without a gradient is zero
        EXPECT_EQ(dx.data<float>()[t * 72 + i], i < 5     ? d0[static_cast<size_t>(t * 5 + i)]
                                                : i >= 69 ? d3[static_cast<size_t>(t * 3 + i - 69)]
                                                          : 0.0f);
  }
}

}  // namespace
}  // namespace nuri
