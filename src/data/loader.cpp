#include "data/loader.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"
#include "data/permutation.h"

namespace nuri::data {
namespace {

// Streams of the generator: epochs use their number, passes over a source the upper half.
uint64_t pass_stream(int source, uint64_t pass) {
  return uint64_t(1) << 63 | static_cast<uint64_t>(source) << 40 | pass;
}

void start_batch(Batch& batch, int64_t n_rows, int64_t length) {
  batch.n_rows = n_rows;
  batch.length = length;
  batch.tokens.resize(static_cast<size_t>(n_rows * (length + 1)));
  batch.documents.resize(batch.tokens.size());
}

/// Fills columns [column, end) of a row with tokens of `stream` from `token` on, up to the stream's end. Returns the
/// column reached; `document` counts the documents of the row.
int64_t fill_row(const TokenStream& stream, uint64_t token, Batch& batch, int64_t row, int64_t column, int64_t end,
                 int32_t& document) {
  const size_t base = static_cast<size_t>(row * (batch.length + 1));
  const auto n =
      static_cast<int64_t>(std::min<uint64_t>(static_cast<uint64_t>(end - column), stream.n_tokens() - token));
  stream.copy(token, std::span(batch.tokens).subspan(base + static_cast<size_t>(column), static_cast<size_t>(n)));
  const int64_t stop = column + n;
  while (column < stop) {
    const Origin origin = stream.origin_at(token);
    const auto length =
        static_cast<int64_t>(std::min<uint64_t>(origin.end - token, static_cast<uint64_t>(stop - column)));
    batch.pieces.push_back({row, column, column + length, token - origin.begin, origin});
    std::fill_n(batch.documents.begin() + static_cast<int64_t>(base) + column, length, document++);
    column += length;
    token += static_cast<uint64_t>(length);
  }
  return stop;
}

}  // namespace

Loader::Loader(const Dataset& dataset, LoaderOptions options) : dataset_(dataset), options_(std::move(options)) {
  NURI_CHECK(options_.length >= 1 && options_.length <= int64_t(1) << 24, "row length {}; 1 to {} is allowed",
             options_.length, int64_t(1) << 24);
  size_t n_named = 0;
  for (int s = 0; s < dataset_.n_sources(); ++s) {
    const Source& source = dataset_.manifest().sources[static_cast<size_t>(s)].source;
    double weight = source.weight;
    if (const auto named = options_.weights.find(source.name); named != options_.weights.end()) {
      weight = named->second;
      ++n_named;
    }
    NURI_CHECK(std::isfinite(weight) && weight >= 0 && weight <= 1e6, "weight {} of source {}; 0 to 1000000 is allowed",
               weight, source.name);
    const uint64_t n_tokens = dataset_.stream(Split::train, s).n_tokens();
    if (n_tokens == 0 || weight == 0) continue;
    const uint64_t n_rows = std::max<uint64_t>(1, n_tokens / static_cast<uint64_t>(options_.length));
    const auto per_epoch = static_cast<uint64_t>(std::floor(weight * static_cast<double>(n_rows) + 0.5));
    sources_.push_back({s, n_rows, std::max<uint64_t>(1, per_epoch), epoch_rows_});
    epoch_rows_ += sources_.back().per_epoch;
  }
  NURI_CHECK(n_named == options_.weights.size(), "weights name a source that {} lacks; it has {} sources (see {})",
             dataset_.dir().string(), dataset_.n_sources(), (dataset_.dir() / "manifest.json").string());
  NURI_CHECK(epoch_rows_ > 0, "{}: no training tokens with a weight above 0", dataset_.dir().string());
}

uint64_t Loader::ring_start(const SourceRows& rows, uint64_t count) const {
  const uint64_t pass = count / rows.n_rows;
  const uint64_t stream = pass_stream(rows.source, pass);
  const uint64_t row = Permutation(rows.n_rows, options_.seed, stream)(count % rows.n_rows);
  const uint64_t n_tokens = dataset_.stream(Split::train, rows.source).n_tokens();
  const uint64_t offset = Philox(options_.seed, Purpose::mixture, stream).below(n_tokens, 0);
  return (offset + row * static_cast<uint64_t>(options_.length)) % n_tokens;
}

Batch Loader::rows(uint64_t first, int64_t n_rows) const {
  Batch batch;
  start_batch(batch, n_rows, options_.length);
  for (int64_t r = 0; r < n_rows; ++r) {
    const uint64_t epoch = (first + static_cast<uint64_t>(r)) / epoch_rows_;
    const uint64_t index = (first + static_cast<uint64_t>(r)) % epoch_rows_;
    const uint64_t place = Permutation(epoch_rows_, options_.seed, epoch)(index);
    const auto next = std::upper_bound(sources_.begin(), sources_.end(), place,
                                       [](uint64_t p, const SourceRows& s) { return p < s.first; });
    const SourceRows& source = *std::prev(next);
    uint64_t token = ring_start(source, epoch * source.per_epoch + (place - source.first));
    const TokenStream& stream = dataset_.stream(Split::train, source.source);
    int32_t document = 0;
    for (int64_t column = 0; column <= options_.length;) {
      column = fill_row(stream, token, batch, r, column, options_.length + 1, document);
      token = 0;  // round the ring
    }
  }
  return batch;
}

ValidationRows::ValidationRows(const Dataset& dataset, int64_t length, uint64_t max_rows)
    : dataset_(dataset), length_(length) {
  NURI_CHECK(length >= 1 && length <= int64_t(1) << 24, "row length {}; 1 to {} is allowed", length, int64_t(1) << 24);
  std::vector<Start> all;
  for (int s = 0; s < dataset.n_sources(); ++s) {
    const uint64_t n_tokens = dataset.stream(Split::validation, s).n_tokens();
    for (uint64_t t = 0; t + 1 < n_tokens; t += static_cast<uint64_t>(length)) all.push_back({s, t});
  }
  if (max_rows == 0 || max_rows >= all.size()) {
    starts_ = std::move(all);
  } else {
    for (uint64_t i = 0; i < max_rows; ++i) starts_.push_back(all[i * all.size() / max_rows]);
  }
}

const std::string& ValidationRows::source_name(int source) const {
  return dataset_.manifest().sources[static_cast<size_t>(source)].source.name;
}

Batch ValidationRows::rows(uint64_t first, int64_t n_rows) const {
  NURI_ASSERT(n_rows >= 0 && first <= size() && static_cast<uint64_t>(n_rows) <= size() - first);
  Batch batch;
  start_batch(batch, n_rows, length_);
  for (int64_t r = 0; r < n_rows; ++r) {
    const Start start = starts_[first + static_cast<uint64_t>(r)];
    int32_t document = 0;
    int64_t column =
        fill_row(dataset_.stream(Split::validation, start.source), start.token, batch, r, 0, length_ + 1, document);
    for (; column <= length_; ++column) {
      const auto at = static_cast<size_t>(r * (length_ + 1) + column);
      batch.tokens[at] = dataset_.manifest().end_id;
      batch.documents[at] = document++;
    }
  }
  return batch;
}

}  // namespace nuri::data
