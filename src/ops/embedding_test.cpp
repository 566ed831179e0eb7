#include "ops/embedding.h"

#include "autograd/tape.h"
#include "base/test_support.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using namespace test;

TEST(Embedding, KernelsEqualReference) {
  for (const int64_t d : kWidths)
    for (const int64_t n_tokens : {0, 1, 77}) {
      const int64_t vocab = 11;  // many tokens share a row
      const std::vector<float> table = random_floats(vocab * d, 1), dy = random_floats(n_tokens * d, 2);
      const std::vector<Bf16> narrow = rounded(table);
      const std::vector<int32_t> ids = random_ids(n_tokens, vocab, 3);
      for (const bool bf16 : {false, true})
        expect_same_bits("embedding", [&](bool reference) {
          std::vector<float> y(static_cast<size_t>(n_tokens * d));
          const EmbeddingArgs args{n_tokens,
                                   d,
                                   vocab,
                                   ids.data(),
                                   bf16 ? static_cast<const void*>(narrow.data()) : table.data(),
                                   bf16 ? DType::bf16 : DType::f32,
                                   y.data()};
          (reference ? reference::embedding : kernels().embedding)(args);
          return y;
        });
      expect_same_bits("embedding_grad", [&](bool reference) {
        std::vector<float> grad = random_floats(vocab * d, 4);
        const EmbeddingGradArgs args{n_tokens, d, vocab, ids.data(), dy.data(), grad.data()};
        (reference ? reference::embedding_grad : kernels().embedding_grad)(args);
        return grad;
      });
    }
}

TEST(Embedding, TapeAddsRowsOfTheNamedUse) {
  Weight table({{"embed_tokens.weight", {4, 2}}}, DType::f32, true, 2);
  for (int i = 0; i < 8; ++i) table.value.data<float>()[i] = static_cast<float>(i);
  Tape tape;
  const TapeScope scope(tape);
  const Tensor y = embedding({3, 0, 3}, table, 1);
  const float expected[] = {6, 7, 0, 1, 6, 7};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(y.data<float>()[i], expected[i]);
  const float dy[] = {1, 2, 4, 8, 16, 32};
  tape.add_grad(y, Tensor::from_floats({3, 2}, dy));
  tape.backward();
  const float grad[] = {4, 8, 0, 0, 0, 0, 17, 34};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(table.grads[0].data<float>()[i], 0);
    EXPECT_EQ(table.grads[1].data<float>()[i], grad[i]);
  }
}

TEST(Embedding, IdsOutsideTheTableAreRefused) {
  Weight table({{"embed_tokens.weight", {4, 2}}}, DType::f32, false, 0);
  EXPECT_EQ(
      error_of([&] {
        embedding({1, 4}, table, 0);
      }),
      "token 1 of the batch has id 4, but the model's vocabulary has ids 0 to 3; use the tokenizer that the model "
      "was trained with");
  EXPECT_NE(error_of([&] { embedding({-1}, table, 0); }), "no error");
}

}  // namespace
}  // namespace nuri
