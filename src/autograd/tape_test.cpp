#include "autograd/tape.h"

#include <gtest/gtest.h>

#include "autograd/kept.h"
#include "autograd/weight.h"

namespace nuri {
namespace {

std::vector<float> values(const Tensor& x) { return {x.data<float>(), x.data<float>() + x.size()}; }
Tensor tensor(std::vector<float> v) { return Tensor::from_floats({static_cast<int64_t>(v.size())}, v); }

TEST(Tape, OneGradientOfTwoTensorsIsNotChangedThroughEither) {
  const Tensor a = tensor({0, 0}), b = tensor({0, 0}), dy = tensor({1, 2});
  Tape tape;
  tape.add_grad(a, dy);
  tape.add_grad(b, dy);
  tape.add_grad(a, tensor({10, 10}));
  Tensor mine = tape.own_grad(b.id());
  mine.data<float>()[0] = 7;
  EXPECT_EQ(values(tape.take_grad(a)), (std::vector<float>{11, 12}));
  EXPECT_EQ(values(tape.take_grad(b)), (std::vector<float>{7, 2}));
  EXPECT_EQ(values(dy), (std::vector<float>{1, 2}));
}

TEST(Tape, AnUnsharedGradientIsAddedToInPlace) {
  const Tensor a = tensor({0, 0});
  Tape tape;
  tape.add_grad(a, tensor({1, 2}));
  const void* memory = tape.own_grad(a.id()).raw();
  tape.add_grad(a, tensor({10, 10}));
  const Tensor sum = tape.take_own_grad(a.id());
  EXPECT_EQ(sum.raw(), memory);
  EXPECT_EQ(values(sum), (std::vector<float>{11, 12}));
  EXPECT_FALSE(tape.take_own_grad(a.id()).defined());
}

TEST(Tape, TakenToBeChangedASharedGradientIsACopy) {
  const Tensor a = tensor({0}), b = tensor({0}), dy = tensor({1});
  Tape tape;
  tape.add_grad(a, dy);
  tape.add_grad(b, dy);
  tape.take_own_grad(a.id()).data<float>()[0] = 5;
  EXPECT_EQ(values(tape.take_grad(b)), (std::vector<float>{1}));
}

TEST(Kept, IsMadeOnceForAllReadersAndLetGoAfterTheLast) {
  int made = 0;
  for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::blocks}) {
    Tape tape(recompute);
    const TapeScope scope(tape);
    Tensor x = tensor({3});
    const void* memory = x.raw();
    can_make_again(x, [&made] {
      EXPECT_EQ(Tape::current(), nullptr);
      ++made;
      return tensor({3});
    });
    const Kept first(x), second(x);
    EXPECT_EQ(x.unshared(), recompute == Recompute::selective);
    x = {};
    EXPECT_EQ(values(first.get()), (std::vector<float>{3}));
    EXPECT_EQ(values(second.get()), (std::vector<float>{3}));
    if (recompute != Recompute::selective) {
      EXPECT_EQ(first.get().raw(), memory);
    }
  }
  EXPECT_EQ(made, 1);
}

TEST(Kept, AValueAndItsRoundingShareAGradientButAreKeptApart) {
  Tape tape(Recompute::selective);
  const TapeScope scope(tape);
  const Tensor exact = tensor({3}), rounded = Tensor::zeros({1}, DType::bf16);
  Tensor same = rounded;
  same.take_identity(exact);
  can_make_again(exact, [] { return tensor({4}); });
  EXPECT_EQ(Kept(same).get().raw(), rounded.raw());
  EXPECT_EQ(values(Kept(exact).get()), (std::vector<float>{4}));
  tape.add_grad(same, tensor({1}));
  tape.add_grad(exact, tensor({2}));
  EXPECT_EQ(values(tape.take_grad(exact)), (std::vector<float>{3}));
}

TEST(RecomputedBlock, RunsAgainBehindItsNodeAndGradientsFlowThrough) {
  Tape tape(Recompute::blocks);
  const Tensor x = tensor({2}), y_of_first = tensor({6});
  std::vector<bool> runs;
  Tensor dx, y;
  {
    const TapeScope scope(tape);
    tape.record("probe", [&](Tape& t) { dx = t.take_grad(x); });
    y = recomputed_block(tape, "block", [&](bool again) {
      runs.push_back(again);
      const Tensor z = again ? tensor({6}) : y_of_first;
      if (Tape* current = Tape::current())
        current->record("times three",
                        [&, id = z.id()](Tape& t) { t.add_grad(x, tensor({3 * t.take_grad(id).data<float>()[0]})); });
      return z;
    });
  }
  EXPECT_EQ(y.raw(), y_of_first.raw());
  EXPECT_EQ(tape.size(), 2u);
  tape.add_grad(y, tensor({5}));
  tape.backward();
  EXPECT_EQ(runs, (std::vector<bool>{false, true}));
  EXPECT_EQ(values(dx), (std::vector<float>{15}));
}

TEST(Weight, ChainsOfAStepBeginAnewAndUnreachedOnesAreZero) {
  Weight w({{"w", {1, 2}}}, DType::f32, true, 3);
  EXPECT_TRUE(w.continue_chain(0)) << "new weights hold chains of zeros";
  for (const Tensor& grad : w.grads) grad.data<float>()[0] = 9;
  w.restart_chains();
  EXPECT_FALSE(w.continue_chain(0)) << "the first product of a step writes";
  EXPECT_TRUE(w.continue_chain(0)) << "the others add";
  w.grads[0].data<float>()[0] = 4;
  EXPECT_EQ(values(w.chain(1)), (std::vector<float>{0, 0}));
  w.grads[1].data<float>()[0] = 5;
  w.finish_chains();
  EXPECT_EQ(w.grads[0].data<float>()[0], 4);
  EXPECT_EQ(w.grads[1].data<float>()[0], 5);
  EXPECT_EQ(values(w.grads[2]), (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace nuri
