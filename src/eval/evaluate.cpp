#include "eval/evaluate.h"

#include <optional>

#include "base/profile.h"
#include "tensor/memory.h"

namespace nuri {

EvalResult evaluate(DeepseekV3& model, const data::HeldOut& rows, const std::vector<int32_t>& token_bytes,
                    int64_t micro_rows, bool document_mask, const std::function<void(uint64_t rows)>& progress) {
  EvalResult result;
  for (uint64_t first = 0; first < rows.size(); first += static_cast<uint64_t>(micro_rows)) {
    const int64_t n = std::min<int64_t>(micro_rows, static_cast<int64_t>(rows.size() - first));
    const data::Batch b = rows.rows(first, n);
    TrainBatch batch = make_train_batch(b.tokens, b.documents, n, b.length, document_mask, b.learned);
    // Without a mask a document's first token is predicted from the one before; filling tokens are never targets.
    std::vector<const data::Piece*> piece_of(batch.targets.size(), nullptr);
    for (const data::Piece& piece : b.pieces)
      for (int64_t i = std::max<int64_t>(piece.begin, 1); i < piece.end; ++i)  // position i is the target of i - 1
        piece_of[static_cast<size_t>(piece.row * b.length + i - 1)] = &piece;
    for (size_t i = 0; i < piece_of.size(); ++i)
      if (!piece_of[i]) batch.counts[i] = 0;
    profile::step("forward");
    std::optional<LooseBlocks> loose;  // fewer rows at the end: in the memory of those before
    if (n < micro_rows) loose.emplace();
    const std::vector<float> nll = model.token_nll(batch);
    for (size_t i = 0; i < nll.size(); ++i) {
      if (!batch.counts[i]) continue;
      const data::Origin& origin = piece_of[i]->origin;
      BitsOf* const sums[] = {&result.all, &result.by_source[rows.source_name(origin.source)],
                              &result.by_language[std::string(data::language_code(origin.language))]};
      for (BitsOf* sum : sums) {
        sum->nats += static_cast<double>(nll[i]);
        sum->bytes += token_bytes[static_cast<size_t>(batch.targets[i])];
        ++sum->tokens;
      }
    }
    if (progress) progress(first + static_cast<uint64_t>(n));
  }
  return result;
}

}  // namespace nuri
