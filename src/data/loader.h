// Training rows out of shards. The order is a function of (seed, row number) alone: the cursor of a run is one integer,
// any number of processes and threads sees the same rows, and resuming needs nothing stored.
//
// A source of N tokens is a ring: its documents in the order of the shards, end to begin. In pass p over it the ring is
// cut into N / length rows starting at an offset drawn for (seed, source, p), so that every pass cuts the documents at
// other places and no tail is left out for good. A row has length + 1 tokens and shares its last one with the row that
// follows on the ring: every token but one is a target once per pass. An epoch holds weight * (N / length) rows of each
// source, in an order drawn for (seed, epoch); fractional passes go on where the epoch before stopped.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/batch.h"

namespace nuri::data {

struct LoaderOptions {
  int64_t length = 256;  // targets per row
  uint64_t seed = 0;
  std::map<std::string, double> weights;  // by source name, instead of the manifest's
};

class Loader {
 public:
  /// Keeps a reference to the dataset. Errors: no training tokens, a weight for an unknown source or out of range.
  Loader(const Dataset& dataset, LoaderOptions options);
  /// Rows [first, first + n_rows) of the endless sequence; `first` is the cursor. Safe from several threads at once.
  Batch rows(uint64_t first, int64_t n_rows) const;
  uint64_t rows_per_epoch() const { return epoch_rows_; }
  double epoch_of(uint64_t row) const { return static_cast<double>(row) / static_cast<double>(epoch_rows_); }
  int64_t length() const { return options_.length; }

 private:
  struct SourceRows {
    int source = 0;
    uint64_t n_rows = 0;     // of one pass
    uint64_t per_epoch = 0;  // weight * n_rows, at least 1
    uint64_t first = 0;      // of this source in [0, epoch_rows_)
  };
  /// Start on the ring of row number `count` of a source, counted over all epochs.
  uint64_t ring_start(const SourceRows& rows, uint64_t count) const;
  const Dataset& dataset_;
  LoaderOptions options_;
  std::vector<SourceRows> sources_;
  uint64_t epoch_rows_ = 0;
};

/// The held-out documents in order: rows of one source after the other, each token but the first of a document (and the
/// first of a row) a target once. The last row of a source is filled up with the end token; every filling token is a
/// document of its own, so that it is neither a target nor seen by others.
class ValidationRows : public HeldOut {
 public:
  /// At most `max_rows` rows are spread evenly over all there are (0: all).
  ValidationRows(const Dataset& dataset, int64_t length, uint64_t max_rows = 0);
  uint64_t size() const override { return starts_.size(); }
  Batch rows(uint64_t first, int64_t n_rows) const override;
  const std::string& source_name(int source) const override;

 private:
  struct Start {
    int source;
    uint64_t token;
  };
  const Dataset& dataset_;
  int64_t length_;
  std::vector<Start> starts_;
};

}  // namespace nuri::data
