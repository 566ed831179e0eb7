#include "models/train_batch.h"

#include "base/error.h"

namespace nuri {

int64_t TrainBatch::n_targets() const {
  int64_t n = 0;
  for (uint8_t c : counts) n += c;
  return n;
}

TrainBatch make_train_batch(std::span<const int32_t> tokens, std::span<const int32_t> documents, int64_t n_rows,
                            int64_t length, bool document_mask, std::span<const uint8_t> learned) {
  const size_t width = static_cast<size_t>(length) + 1;
  NURI_ASSERT(tokens.size() == width * static_cast<size_t>(n_rows) && documents.size() == tokens.size());
  NURI_ASSERT(learned.empty() || learned.size() == tokens.size());
  TrainBatch out;
  out.batch.sequences.push_back(0);
  out.batch.rows.push_back(0);
  for (int64_t r = 0; r < n_rows; ++r) {
    const int32_t* token = tokens.data() + static_cast<size_t>(r) * width;
    const int32_t* document = documents.data() + static_cast<size_t>(r) * width;
    auto same = [&](int64_t i, int64_t j) { return !document_mask || document[i] == document[j]; };
    auto target = [&](int64_t i) {
      return learned.empty() || learned[static_cast<size_t>(r) * width + static_cast<size_t>(i)];
    };
    int32_t position = 0;
    for (int64_t i = 0; i < length; ++i) {
      if (i > 0 && !same(i - 1, i)) {
        out.batch.sequences.push_back(out.batch.n_tokens());
        position = 0;
      }
      out.batch.tokens.push_back(token[i]);
      out.batch.positions.push_back(position++);
      out.targets.push_back(token[i + 1]);
      out.counts.push_back(same(i, i + 1) && target(i + 1));
      const bool has_second = i + 2 <= length;
      out.mtp_targets.push_back(has_second ? token[i + 2] : 0);
      // Documents are contiguous: i and i+2 in one document means i+1 is too.
      out.mtp_counts.push_back(has_second && same(i, i + 2) && target(i + 2));
    }
    out.batch.sequences.push_back(out.batch.n_tokens());
    out.batch.rows.push_back(out.batch.n_tokens());
  }
  return out;
}

TrainBatch make_train_batch(std::span<const LearnedSequence> sequences) {
  TrainBatch out;
  out.batch.sequences.push_back(0);
  for (const LearnedSequence& s : sequences) {
    NURI_ASSERT(s.ids.size() >= 2 && s.first_target >= 1);
    for (size_t i = 0; i + 1 < s.ids.size(); ++i) {
      out.batch.tokens.push_back(s.ids[i]);
      out.batch.positions.push_back(static_cast<int32_t>(i));
      out.targets.push_back(s.ids[i + 1]);
      out.counts.push_back(static_cast<int64_t>(i) + 1 >= s.first_target);
    }
    out.batch.sequences.push_back(out.batch.n_tokens());
  }
  out.batch.rows = out.batch.sequences;
  out.mtp_targets.assign(out.targets.size(), 0);
  out.mtp_counts.assign(out.targets.size(), 0);
  return out;
}

RaggedBatch shift_for_mtp(const RaggedBatch& batch, std::vector<int32_t>& index) {
  RaggedBatch out;
  out.sequences.push_back(0);
  out.rows.push_back(0);
  index.clear();
  size_t sequence = 0;
  for (size_t r = 0; r + 1 < batch.rows.size(); ++r) {
    const int64_t last = batch.rows[r + 1] - 1;
    for (; sequence + 1 < batch.sequences.size() && batch.sequences[sequence] <= last; ++sequence) {
      for (int64_t i = batch.sequences[sequence]; i < batch.sequences[sequence + 1] && i < last; ++i) {
        out.tokens.push_back(batch.tokens[static_cast<size_t>(i) + 1]);
        out.positions.push_back(batch.positions[static_cast<size_t>(i)]);
        index.push_back(static_cast<int32_t>(i));
      }
      if (out.n_tokens() > out.sequences.back()) out.sequences.push_back(out.n_tokens());
    }
    if (out.n_tokens() > out.rows.back()) out.rows.push_back(out.n_tokens());
  }
  return out;
}

}  // namespace nuri
