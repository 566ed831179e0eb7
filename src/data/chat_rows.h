// Training rows packed from chats.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/chats.h"

namespace nuri::data {

/// The chats of each row, by their numbers.
using Packing = std::vector<std::vector<uint32_t>>;

/// Rows of whole chats, none of them cut, filled up with end tokens that are documents of their own. Each epoch takes
/// every chat once, in an order drawn for (seed, epoch), into the fullest of some open rows that has room. Rows count
/// on through the epochs; one epoch may have a row more than another.
class ChatRows {
 public:
  /// Keeps a reference to the chats, of which there is at least one; none has more than length + 1 ids.
  ChatRows(const ChatSet& chats, int64_t length, uint64_t seed, int32_t end_id);
  /// Rows [first, first + n_rows) of the endless sequence. Keeps the packing of one epoch: not for several threads.
  Batch rows(uint64_t first, int64_t n_rows);
  uint64_t rows_within(double epochs);  ///< rounded, at least 1
  double fill() const;                  ///< share of the last packed epoch that is chats

 private:
  void pack(uint64_t epoch);
  const ChatSet& chats_;
  int64_t length_;
  uint64_t seed_;
  int32_t end_id_;
  Packing packed_;  ///< of epoch_
  uint64_t epoch_ = 0;
  std::vector<uint64_t> begins_{0};  ///< first row of each epoch packed so far, and of the next one
};

/// Held-out chats in their order, packed likewise; at most `max_rows` rows, spread evenly (0: all).
class HeldOutChats : public HeldOut {
 public:
  HeldOutChats(const ChatSet& chats, int64_t length, int32_t end_id, uint64_t max_rows = 0);
  uint64_t size() const override { return packed_.size(); }
  Batch rows(uint64_t first, int64_t n_rows) const override;
  const std::string& source_name(int source) const override { return chats_.source_name(source); }

 private:
  const ChatSet& chats_;
  int64_t length_;
  int32_t end_id_;
  Packing packed_;
};

}  // namespace nuri::data
