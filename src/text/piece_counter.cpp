#include "text/piece_counter.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace nuri {
namespace {

constexpr size_t kTaskBytes = size_t(128) << 10;
constexpr uint64_t kLeastMemory = uint64_t(16) << 20;
constexpr size_t kLongPiece = size_t(64) << 10;

/// Memory of a piece while merges are learned: its record, its symbols, the places in the lists of pairs, and what
/// lists that grow anew leave unused.
uint64_t learning_bytes(std::string_view piece) { return 24 + 12 * piece.size(); }

/// What is kept of the pieces: those seen at least `least_count` times, with or without long ones.
struct Selection {
  int64_t pieces = 0, kept = 0, least_count = 1;
  bool long_ones = true;
};

Selection select(const ForEachPiece& all, uint64_t memory_bytes) {
  constexpr size_t kCounts = 1 << 16;  // and above
  struct Sum {
    uint64_t bytes = 0;
    int64_t pieces = 0;
  };
  std::vector<Sum> sums(kCounts);  // by count, long pieces apart
  uint64_t total = 0, long_bytes = 0;
  Selection out;
  all([&](std::string_view piece, int64_t count) {
    const uint64_t bytes = learning_bytes(piece);
    ++out.pieces;
    total += bytes;
    if (piece.size() > kLongPiece) {
      long_bytes += bytes;
      return;
    }
    Sum& sum = sums[static_cast<size_t>(std::min<int64_t>(count, kCounts - 1))];
    sum.bytes += bytes;
    ++sum.pieces;
  });
  if (total <= memory_bytes) {
    out.kept = out.pieces;
    return out;
  }
  out.long_ones = false;
  out.least_count = kCounts;
  uint64_t bytes = 0;
  while (out.least_count > 1 && bytes + sums[static_cast<size_t>(out.least_count - 1)].bytes <= memory_bytes) {
    const Sum& sum = sums[static_cast<size_t>(--out.least_count)];
    bytes += sum.bytes;
    out.kept += sum.pieces;
  }
  NURI_CHECK(out.kept > 0 || out.pieces == 0,
             "the {} different pieces do not fit in {} MiB, not even the most frequent; allow more memory", out.pieces,
             memory_bytes >> 20);
  return out;
}

}  // namespace

PieceCounter::PieceCounter(PreSplitter splitter, const TokenizerTrainOptions& options)
    : splitter_(std::move(splitter)),
      nfc_(options.nfc),
      memory_bytes_(options.memory_bytes),
      // A third of the memory for all tables; sorting one for a scratch file takes as much again.
      slot_bytes_(options.memory_bytes / 3 / static_cast<uint64_t>(thread_count())),
      runs_(std::make_shared<PieceRuns>(options.scratch)) {
  NURI_CHECK(memory_bytes_ >= kLeastMemory, "{} bytes of memory to train a tokenizer; at least {} MiB are needed",
             memory_bytes_, kLeastMemory >> 20);
  while (slots_.size() < static_cast<size_t>(thread_count())) slots_.push_back(std::make_unique<Slot>());
}

void PieceCounter::add(std::vector<std::string>& batch) {
  // Tasks are runs of documents of about equal size; each takes the counts of the thread it runs on.
  std::vector<size_t> begin{0};
  size_t bytes = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    bytes += batch[i].size();
    if (bytes >= kTaskBytes || i + 1 == batch.size()) begin.push_back(i + 1), bytes = 0;
  }
  parallel_for(static_cast<int64_t>(begin.size()) - 1, [&](int64_t task) {
    Slot& slot = *slots_[static_cast<size_t>(thread_index())];
    for (size_t i = begin[static_cast<size_t>(task)]; i < begin[static_cast<size_t>(task) + 1]; ++i)
      count(batch[i], slot);
  });
  batch.clear();
}

void PieceCounter::count(const std::string& document, Slot& slot) {
  if (utf8_first_invalid(document) != std::string::npos) {
    ++slot.invalid;
    return;
  }
  std::string_view text = document;
  if (nfc_ && !surely_nfc(text)) {
    slot.normalised.clear();
    append_nfc(text, slot.normalised);
    text = slot.normalised;
  }
  ++slot.documents;
  slot.bytes += static_cast<int64_t>(text.size());
  splitter_.split(text, slot.regex, [&](std::string_view piece) {
    slot.counts.add(piece);
    if (slot.counts.bytes() > slot_bytes_) spill(slot);
  });
}

void PieceCounter::spill(Slot& slot) {
  const std::lock_guard lock(runs_mutex_);
  runs_->add(slot.counts);
  slot.counts = {};
}

ForEachPiece PieceCounter::all_pieces() {
  if (runs_->empty()) {
    auto all = std::make_shared<PieceCounts>();
    for (const std::unique_ptr<Slot>& slot : slots_) {
      if (all->size() == 0)
        *all = std::move(slot->counts);
      else
        all->add_all(slot->counts);
    }
    return [all](const PieceCallback& f) { all->for_each(f); };
  }
  for (const std::unique_ptr<Slot>& slot : slots_)
    if (slot->counts.size() > 0) spill(*slot);
  return [runs = runs_](const PieceCallback& f) { runs->for_each(f); };
}

ForEachPiece PieceCounter::finish(TokenizerTrainReport& report) {
  for (const std::unique_ptr<Slot>& slot : slots_) {
    report.documents += slot->documents;
    report.invalid_documents += slot->invalid;
    report.bytes += slot->bytes;
  }
  ForEachPiece all = all_pieces();
  slots_.clear();
  runs_.reset();
  const Selection selected = select(all, memory_bytes_);
  report.pieces = selected.pieces;
  report.pieces_left_out = selected.pieces - selected.kept;
  report.least_count = selected.least_count;
  if (report.pieces_left_out == 0) return all;
  return [all = std::move(all), selected](const PieceCallback& f) {
    all([&](std::string_view piece, int64_t count) {
      if (count >= selected.least_count && (selected.long_ones || piece.size() <= kLongPiece)) f(piece, count);
    });
  };
}

}  // namespace nuri
