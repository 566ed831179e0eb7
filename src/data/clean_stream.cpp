#include "data/clean_stream.h"

#include <algorithm>

#include "base/threads.h"

namespace nuri::data {
namespace {

constexpr size_t kBatchDocuments = 1024;
constexpr size_t kBatchBytes = 2 << 20;

}  // namespace

CleanStream::CleanStream(std::vector<Source> sources, ReadLimits limits, int64_t repeated_line_characters,
                         RejectedRow on_rejected, SeenStorage storage)
    : limits_(limits),
      repeated_line_characters_(repeated_line_characters),
      on_rejected_(std::move(on_rejected)),
      parsers_(static_cast<size_t>(thread_count())),
      storage_(std::move(storage)),
      seen_(storage_) {
  for (Source& source : sources) {
    SourceReport& report = reports_.emplace_back();
    report.source = std::move(source);
    files_.push_back(list_files(report.source, report.skipped_files));
    report.files = static_cast<int64_t>(files_.back().size());
    for (const SourceFile& f : files_.back()) bytes_total_ += fs::file_size(f.path);
  }
  start_source();
}

CleanStream::~CleanStream() = default;

void CleanStream::start_source() {
  if (source_ == reports_.size()) {  // whoever goes on working with the text needs the memory
    lines_.reset();
    parsers_.clear();
    seen_ = SeenHashes<Hash128>(storage_);
    return;
  }
  reader_ = std::make_unique<DocumentReader>(files_[source_], limits_);
  // Chat rows repeat their markers and thoughts by design.
  const bool keep_lines = reports_[source_].source.markers;
  lines_ = std::make_unique<RepeatedLines>(keep_lines ? 0 : repeated_line_characters_, storage_);
  last_file_ = UINT32_MAX;
}

uint64_t CleanStream::bytes_read() const { return finished_bytes_ + (reader_ ? reader_->bytes_read() : 0); }
std::string CleanStream::current_source() const {
  return reports_.empty() ? std::string() : reports_[std::min(source_, reports_.size() - 1)].source.name;
}
std::string CleanStream::current_file() const { return reader_ ? reader_->current().string() : std::string(); }

bool CleanStream::next_batch(std::vector<CleanDocument>& batch) {
  batch.clear();
  if (source_ == reports_.size()) return false;
  std::vector<Item> items;
  bool more = true;
  for (size_t bytes = 0; bytes < kBatchBytes && items.size() < kBatchDocuments;) {
    Item& item = items.emplace_back();
    if (!(more = reader_->next(item.raw))) {
      items.pop_back();
      break;
    }
    bytes += item.raw.bytes.size();
  }
  const Source& source = reports_[source_].source;
  parallel_for(static_cast<int64_t>(items.size()), [&](int64_t i) {
    Item& item = items[static_cast<size_t>(i)];
    item.clean = prepare(item.raw, source, limits_, parsers_[static_cast<size_t>(thread_index())]);
    if (item.clean.rejected.empty()) item.raw.bytes = std::string();  // before its ids take memory
  });
  for (Item& item : items) {
    if (!select(item)) continue;
    batch.push_back({std::move(item.clean.text), item.clean.hash, item.clean.language, static_cast<int>(source_),
                     files_[source_][item.raw.file].path.string(), item.raw.line});
  }
  if (!more) {
    finished_bytes_ += reader_->bytes_read();
    reader_.reset();
    ++source_;
    start_source();
  }
  return true;
}

bool CleanStream::select(Item& item) {
  SourceReport& report = reports_[source_];
  if (item.raw.file != last_file_) {
    last_file_ = item.raw.file;
    ++report.encodings[std::string(encoding_name(item.clean.encoding))];
  }
  if (item.clean.blank_row) return false;
  ++report.documents_read;
  if (!item.clean.rejected.empty()) {
    ++report.rejected;
    if (on_rejected_) on_rejected_(item.raw, files_[source_][item.raw.file].path, item.clean.rejected);
    return false;
  }
  if (item.clean.text.empty()) {
    ++report.empty;
    return false;
  }
  if (report.source.language && item.clean.language != *report.source.language) {
    ++report.other_language;
    return false;
  }
  if (!seen_.insert(item.clean.hash)) {
    ++report.duplicates;
    return false;
  }
  if (const int64_t dropped = lines_->drop(item.clean.text)) {
    report.repeated_lines += dropped;
    item.clean.text = tidy(item.clean.text);
  }
  if (item.clean.text.empty()) {
    ++report.empty;
    return false;
  }
  report.invalid_sequences += item.clean.invalid;
  return true;
}

}  // namespace nuri::data
