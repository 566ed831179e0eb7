#include "backend/selftest.h"

#include <fmt/format.h>
#include <nuri_bits.h>

#include <algorithm>
#include <charconv>

#include "backend/selftest_entries.h"
#include "base/threads.h"

namespace nuri {
namespace {

/// Calls body(line, name, hash) for each line; name is empty for lines that hold no hash.
template <class Body>
void each_line(std::string_view text, Body body) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t blank = line.find(' ');
    std::string_view name, digits;
    if (!line.starts_with('#') && blank != line.npos) name = line.substr(0, blank), digits = line.substr(blank + 1);
    uint64_t hash = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), hash, 16);
    if (name.empty() || error != std::errc() || stop != digits.data() + digits.size()) name = {};
    body(line, name, hash);
  }
}

std::string line_of(const SelftestLine& line) { return fmt::format("{} {:016x}\n", line.name, line.hash); }

}  // namespace

std::string_view verdict_name(SelftestLine::Verdict verdict) {
  switch (verdict) {
    case SelftestLine::Verdict::equal:
      return "equal";
    case SelftestLine::Verdict::differs:
      return "differs";
    case SelftestLine::Verdict::not_committed:
      return "not committed";
    case SelftestLine::Verdict::no_kernel:
      return "no kernel";
  }
  return "?";
}

std::vector<SelftestLine> run_selftest(std::string_view prefix) {
  FlushSubnormals flush;
  std::vector<SelftestLine> lines;
  for (const auto entries : {selftest::function_entries(), selftest::product_entries(), selftest::attention_entries(),
                             selftest::row_entries()}) {
    for (const selftest::Entry& entry : entries) {
      if (!entry.name.starts_with(prefix)) continue;
      SelftestLine line{.name = std::string(entry.name), .committed = committed_hash(entry.name)};
      BitHash hash;
      if (entry.run(hash)) {
        line.hash = hash.value();
        line.verdict = !line.committed                ? SelftestLine::Verdict::not_committed
                       : *line.committed == line.hash ? SelftestLine::Verdict::equal
                                                      : SelftestLine::Verdict::differs;
      }
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

bool selftest_passed(const std::vector<SelftestLine>& lines) {
  return std::none_of(lines.begin(), lines.end(),
                      [](const SelftestLine& line) { return line.verdict == SelftestLine::Verdict::differs; });
}

std::optional<uint64_t> committed_hash(std::string_view name) {
  std::optional<uint64_t> found;
  each_line(kCommittedBits, [&](std::string_view, std::string_view at, uint64_t hash) {
    if (at == name) found = hash;
  });
  return found;
}

std::string with_hashes(std::string_view file, const std::vector<SelftestLine>& lines) {
  std::string text;
  std::vector<bool> written(lines.size(), false);
  each_line(file, [&](std::string_view line, std::string_view name, uint64_t) {
    for (size_t i = 0; i < lines.size() && !name.empty(); ++i) {
      if (lines[i].name != name || lines[i].verdict == SelftestLine::Verdict::no_kernel) continue;
      text += line_of(lines[i]);
      written[i] = true;
      return;
    }
    text.append(line).append("\n");
  });
  for (size_t i = 0; i < lines.size(); ++i)
    if (!written[i] && lines[i].verdict != SelftestLine::Verdict::no_kernel) text += line_of(lines[i]);
  return text;
}

}  // namespace nuri
