#include "text/piece_runs.h"

#include <algorithm>

namespace nuri {
namespace {

constexpr size_t kMaxRuns = 64;  // open at once, with a block of memory each

/// A record of a run: int64 count, uint32 length, the bytes.
void append(ScratchFile& file, std::string_view piece, int64_t count) {
  const auto length = static_cast<uint32_t>(piece.size());
  file.append(&count, sizeof count);
  file.append(&length, sizeof length);
  file.append(piece.data(), piece.size());
}

struct Source {
  ScratchReader reader;
  std::string piece;
  int64_t count = 0;

  bool next() {
    if (reader.left() == 0) return false;
    uint32_t length = 0;
    reader.read(&count, sizeof count);
    reader.read(&length, sizeof length);
    piece.resize(length);
    reader.read(piece.data(), length);
    return true;
  }
};

}  // namespace

void PieceRuns::add(const PieceCounts& counts) {
  std::vector<std::pair<std::string_view, int64_t>> pieces;
  pieces.reserve(counts.size());
  counts.for_each([&](std::string_view piece, int64_t count) { pieces.emplace_back(piece, count); });
  std::sort(pieces.begin(), pieces.end());
  ScratchFile run(dir_);
  for (const auto& [piece, count] : pieces) append(run, piece, count);
  run.flush();
  runs_.push_back(std::move(run));
  if (runs_.size() == kMaxRuns) merge_into_one();
}

void PieceRuns::merge_into_one() {
  std::vector<Source> sources;
  for (const ScratchFile& run : runs_) {
    sources.push_back({ScratchReader(run), {}, 0});
    if (!sources.back().next()) sources.pop_back();
  }
  std::vector<Source*> heap;
  for (Source& source : sources) heap.push_back(&source);
  const auto later = [](const Source* a, const Source* b) { return b->piece < a->piece; };
  std::make_heap(heap.begin(), heap.end(), later);
  ScratchFile merged(dir_);
  std::string piece;
  int64_t count = 0;  // of `piece`; 0: none yet
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    Source& source = *heap.back();
    if (count > 0 && source.piece == piece) {
      count += source.count;
    } else {
      if (count > 0) append(merged, piece, count);
      piece.swap(source.piece);
      count = source.count;
    }
    if (source.next()) {
      std::push_heap(heap.begin(), heap.end(), later);
    } else {
      heap.pop_back();
    }
  }
  if (count > 0) append(merged, piece, count);
  merged.flush();
  runs_.clear();
  runs_.push_back(std::move(merged));
}

void PieceRuns::for_each(const PieceCallback& f) {
  if (runs_.size() > 1) merge_into_one();
  for (const ScratchFile& run : runs_) {
    Source source{ScratchReader(run), {}, 0};
    while (source.next()) f(source.piece, source.count);
  }
}

}  // namespace nuri
