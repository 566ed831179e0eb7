#include "cli/documents.h"

#include <unistd.h>

#include <cstdio>

#include "base/clock.h"
#include "data/clean_stream.h"

namespace nuri {

struct SourceDocuments::State {
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

SourceDocuments::SourceDocuments(const std::vector<std::string>& sources, int64_t repeated_line_characters)
    : state_(new State{data::CleanStream(parse_sources(sources), {}, repeated_line_characters), {}, 0}) {}

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
