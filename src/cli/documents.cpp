#include "cli/documents.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/clock.h"
#include "data/clean_stream.h"

namespace nuri {

struct SourceDocuments::State {
  State(std::vector<data::Source> sources, int64_t repeated_line_characters, data::SeenStorage storage)
      : stream(
            std::move(sources), {}, repeated_line_characters,
            [this](const data::RawDocument& raw, const fs::path& file, const std::string& reason) {
              if (n_rejected++ == 0) first_rejected = fmt::format("{}: line {}: {}", file.string(), raw.line, reason);
            },
            std::move(storage)) {}
  int64_t n_rejected = 0;
  std::string first_rejected;
  data::CleanStream stream;
  std::vector<data::CleanDocument> batch;
  size_t at = 0;
};

namespace {

std::vector<data::Source> parse_sources(const std::vector<std::string>& texts) {
  std::vector<data::Source> sources;
  for (const std::string& text : texts) sources.push_back(data::parse_source(text));
  return data::merge_sources(sources);
}

}  // namespace

SourceDocuments::SourceDocuments(const std::vector<std::string>& sources, int64_t repeated_line_characters,
                                 fs::path scratch, uint64_t dedup_bytes)
    : state_(std::make_unique<State>(parse_sources(sources), repeated_line_characters,
                                     data::SeenStorage{std::move(scratch), dedup_bytes})) {}

SourceDocuments::~SourceDocuments() = default;

bool SourceDocuments::next(std::string& text) {
  State& s = *state_;
  while (s.at == s.batch.size()) {
    s.at = 0;
    if (!s.stream.next_batch(s.batch)) return false;
  }
  text = std::move(s.batch[s.at++].text);
  return true;
}

const std::string& SourceDocuments::source() const {
  const State& s = *state_;
  return s.stream.reports()[static_cast<size_t>(s.batch[s.at - 1].source)].source.name;
}

std::string SourceDocuments::rejected() const {
  if (state_->n_rejected == 0) return {};
  return fmt::format("{} bad row{} left out, the first: {}", state_->n_rejected, state_->n_rejected == 1 ? "" : "s",
                     state_->first_rejected);
}

std::vector<std::string> text_places(const std::vector<std::string>& sources) {
  std::vector<std::string> out;
  for (const std::string& source : sources)
    for (const std::string& path : data::parse_source(source).paths)
      out.push_back("text=" + std::filesystem::absolute(path).lexically_normal().string());
  return out;
}

ProgressPrinter::ProgressPrinter() : begin_(seconds_now()), terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressPrinter::show(const std::string& text) {
  const double now = seconds_now();
  if (now - begin_ < 2 || now - last_ < (terminal_ ? 0.2 : 10.0)) return;
  last_ = now;
  shown_ = true;
  std::fprintf(stderr, terminal_ ? "\r\x1b[K%s" : "%s\n", text.c_str());
  std::fflush(stderr);
}

void ProgressPrinter::end() {
  if (shown_ && terminal_) std::fputs("\r\x1b[K", stderr);
}

}  // namespace nuri
