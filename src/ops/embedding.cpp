#include "ops/embedding.h"

#include "autograd/tape.h"
#include "ops/element.h"

namespace nuri {

namespace reference {

void embedding(const EmbeddingArgs& a) {
  for (int64_t t = 0; t < a.n_tokens; ++t)
    for (int64_t i = 0; i < a.d; ++i) a.y[t * a.d + i] = element(a.table, a.dtype, a.ids[t] * a.d + i);
}

void embedding_grad(const EmbeddingGradArgs& a) {
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    float* row = a.dtable + a.ids[t] * a.d;
    for (int64_t i = 0; i < a.d; ++i) row[i] = row[i] + a.dy[t * a.d + i];
  }
}

}  // namespace reference

Tensor embedding(const std::vector<int32_t>& ids, Weight& table, int use) {
  const int64_t n_tokens = static_cast<int64_t>(ids.size()), vocab = table.out(), d = table.in();
  for (size_t t = 0; t < ids.size(); ++t)
    NURI_CHECK(
        ids[t] >= 0 && ids[t] < vocab,
        "token {} of the batch has id {}, but the model's vocabulary has ids 0 to {}; use the tokenizer that the "
        "model was trained with",
        t, ids[t], vocab - 1);
  Tensor y = Tensor::empty({n_tokens, d});
  run(kernels().embedding, reference::embedding,
      EmbeddingArgs{n_tokens, d, vocab, ids.data(), table.value.raw(), table.value.dtype(), y.data<float>()});
  Tape* tape = Tape::current();
  if (tape && table.trainable()) {
    tape->record("embedding", [ids, &table, use, y = y.id()](Tape& t) {
      const Tensor dy = t.take_grad(y);
      if (!dy.defined()) return;
      const Tensor rows = dy.contiguous() ? dy : dy.clone();
      run(kernels().embedding_grad, reference::embedding_grad,
          EmbeddingGradArgs{rows.dim(0), table.in(), table.out(), ids.data(), rows.data<float>(),
                            table.chain(use).data<float>()});
    });
  }
  observe("embedding", y);
  return y;
}

}  // namespace nuri
