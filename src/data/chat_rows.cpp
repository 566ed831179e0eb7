#include "data/chat_rows.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/permutation.h"

namespace nuri::data {
namespace {

/// Open rows at a time: enough that rows of chats much shorter than a row are nearly full, few enough that the order of
/// the rows stays the drawn one.
constexpr size_t kOpenRows = 32;

/// Best fit: `order(i)` is the i-th chat to place. A row closes when more than kOpenRows are open, the fullest first.
template <class Order>
Packing pack_chats(const ChatSet& chats, int64_t length, Order order) {
  struct Row {
    size_t room;
    std::vector<uint32_t> chats;
  };
  Packing closed;
  std::vector<Row> open;
  const auto fullest = [&](size_t needed) {
    auto best = open.end();
    for (auto row = open.begin(); row != open.end(); ++row)
      if (row->room >= needed && (best == open.end() || row->room < best->room)) best = row;
    return best;
  };
  const auto close = [&](auto row) {
    closed.push_back(std::move(row->chats));
    open.erase(row);
  };
  for (size_t i = 0; i < chats.size(); ++i) {
    const size_t chat = order(i), n = chats.ids(chat).size();
    auto row = fullest(n);
    if (row == open.end()) {
      if (open.size() == kOpenRows) close(fullest(0));
      row = open.insert(open.end(), Row{static_cast<size_t>(length) + 1, {}});
    }
    NURI_ASSERT(row->room >= n);
    row->room -= n;
    row->chats.push_back(static_cast<uint32_t>(chat));
    if (row->room == 0) close(row);
  }
  for (Row& row : open) closed.push_back(std::move(row.chats));
  return closed;
}

Batch make_batch(const ChatSet& chats, const Packing& packing, uint64_t first, int64_t n_rows, int64_t length,
                 int32_t end_id) {
  const auto width = static_cast<size_t>(length) + 1, n = static_cast<size_t>(n_rows) * width;
  Batch batch{.n_rows = n_rows,
              .length = length,
              .tokens = std::vector<int32_t>(n, end_id),
              .documents = std::vector<int32_t>(n),
              .learned = std::vector<uint8_t>(n),
              .pieces = {}};
  for (int64_t r = 0; r < n_rows; ++r) {
    const size_t row = static_cast<size_t>(r) * width;
    size_t column = 0;
    int32_t document = 0;
    for (const uint32_t chat : packing[first + static_cast<size_t>(r)]) {
      const auto ids = chats.ids(chat);
      const auto at = static_cast<std::ptrdiff_t>(row + column);
      std::copy(ids.begin(), ids.end(), batch.tokens.begin() + at);
      std::copy_n(chats.learned(chat).begin(), ids.size(), batch.learned.begin() + at);
      std::fill_n(batch.documents.begin() + at, ids.size(), document++);
      batch.pieces.push_back(
          {r, static_cast<int64_t>(column), static_cast<int64_t>(column + ids.size()), 0, chats.origin(chat)});
      column += ids.size();
    }
    for (; column < width; ++column) batch.documents[row + column] = document++;
  }
  return batch;
}

void append(Batch& batch, const Batch& more) {
  for (Piece piece : more.pieces) {
    piece.row += batch.n_rows;
    batch.pieces.push_back(piece);
  }
  batch.n_rows += more.n_rows;
  batch.tokens.insert(batch.tokens.end(), more.tokens.begin(), more.tokens.end());
  batch.documents.insert(batch.documents.end(), more.documents.begin(), more.documents.end());
  batch.learned.insert(batch.learned.end(), more.learned.begin(), more.learned.end());
}

}  // namespace

ChatRows::ChatRows(const ChatSet& chats, int64_t length, uint64_t seed, int32_t end_id)
    : chats_(chats), length_(length), seed_(seed), end_id_(end_id) {
  NURI_ASSERT(chats.size() > 0 && chats.size() <= UINT32_MAX);
  pack(0);
}

void ChatRows::pack(uint64_t epoch) {
  // The rows of the epochs before are known only once they are packed.
  for (uint64_t e = std::min<uint64_t>(begins_.size() - 1, epoch); e <= epoch; ++e) {
    packed_ = pack_chats(chats_, length_, Permutation(chats_.size(), seed_, e));
    epoch_ = e;
    if (begins_.size() == e + 1) begins_.push_back(begins_.back() + packed_.size());
  }
}

Batch ChatRows::rows(uint64_t first, int64_t n_rows) {
  Batch batch{.n_rows = 0, .length = length_, .tokens = {}, .documents = {}, .learned = {}, .pieces = {}};
  while (batch.n_rows < n_rows) {
    while (begins_.back() <= first) pack(begins_.size() - 1);
    const auto after = std::upper_bound(begins_.begin(), begins_.end(), first);
    const auto epoch = static_cast<uint64_t>(after - begins_.begin()) - 1;
    if (epoch != epoch_) pack(epoch);
    const int64_t n = std::min(n_rows - batch.n_rows, static_cast<int64_t>(*after - first));
    append(batch, make_batch(chats_, packed_, first - begins_[epoch], n, length_, end_id_));
    first += static_cast<uint64_t>(n);
  }
  return batch;
}

uint64_t ChatRows::rows_within(double epochs) {
  const double whole = std::floor(epochs);
  const auto last = static_cast<uint64_t>(whole);
  if (begins_.size() < last + 2) pack(last);
  const auto rows = static_cast<double>(begins_[last + 1] - begins_[last]);
  const auto part = static_cast<uint64_t>(std::floor((epochs - whole) * rows + 0.5));
  return std::max<uint64_t>(1, begins_[last] + part);
}

double ChatRows::fill() const {
  const double places = static_cast<double>(packed_.size()) * static_cast<double>(length_ + 1);
  return static_cast<double>(chats_.counts().tokens) / places;
}

HeldOutChats::HeldOutChats(const ChatSet& chats, int64_t length, int32_t end_id, uint64_t max_rows)
    : chats_(chats), length_(length), end_id_(end_id) {
  packed_ = pack_chats(chats, length, [](size_t i) { return i; });
  if (max_rows == 0 || max_rows >= packed_.size()) return;
  Packing some;
  for (uint64_t i = 0; i < max_rows; ++i) some.push_back(packed_[i * packed_.size() / max_rows]);
  packed_ = std::move(some);
}

Batch HeldOutChats::rows(uint64_t first, int64_t n_rows) const {
  NURI_ASSERT(n_rows >= 0 && first <= size() && static_cast<uint64_t>(n_rows) <= size() - first);
  return make_batch(chats_, packed_, first, n_rows, length_, end_id_);
}

}  // namespace nuri::data
