#include "text/pre_split.h"

#include <utility>

namespace nuri {

PreSplitter::PreSplitter(std::vector<Step> steps, bool prefix_space, bool gpt2_last)
    : steps_(std::move(steps)), prefix_at_(prefix_space ? steps_.size() : SIZE_MAX), known_(Known::none) {
  if (gpt2_last) {
    Step last;
    last.regex.emplace_back(kGpt2Pattern, "the pattern of ByteLevel");
    steps_.push_back(std::move(last));
  }
  known_ = recognise();
}

PreSplitter::Known PreSplitter::recognise() const {
  if (prefix_at_ != SIZE_MAX) return Known::none;
  std::vector<std::string_view> patterns;
  for (const Step& step : steps_) {
    if (step.kind != Step::Kind::regex) return Known::none;
    patterns.push_back(step.regex[0].pattern());
  }
  // These patterns match every character, so that dropping gaps drops nothing.
  if (patterns == std::vector{kGpt2Pattern}) return Known::gpt2;
  if (patterns == std::vector{kQwen2Pattern}) return Known::qwen2;
  if (patterns == std::vector{kLlama3Pattern}) return Known::llama3;
  for (const Step& step : steps_)
    if (step.drop_gaps) return Known::none;
  if (patterns == std::vector{kDeepseekDigits, kDeepseekCjk, kDeepseekWords}) return Known::deepseek_v3;
  return Known::none;
}

void PreSplitter::run(size_t index, std::string_view text, RegexScratch& scratch, Sink sink) const {
  if (text.empty()) return;
  std::string with_space;
  if (index == prefix_at_ && text[0] != ' ') {
    with_space.reserve(text.size() + 1);
    with_space += ' ';
    with_space += text;
    text = with_space;
  }
  if (index == steps_.size()) return sink.call(sink.object, text);
  const Step& step = steps_[index];
  const auto part = [&](size_t begin, size_t end) {
    if (begin < end) run(index + 1, text.substr(begin, end - begin), scratch, sink);
  };
  size_t done = 0;
  if (step.kind == Step::Kind::digits) {
    const scan::Reader read{.end = text.data() + text.size()};
    for (const char* at = text.data(); at < read.end;) {
      const char* stop = step.each_digit ? read(at).next : read.skip(at, kNumber);
      if (!(read(at).cls & kNumber)) {
        at = read(at).next;
        continue;
      }
      const auto begin = static_cast<size_t>(at - text.data()), end = static_cast<size_t>(stop - text.data());
      part(done, begin);
      part(begin, end);
      done = end;
      at = stop;
    }
    return part(done, text.size());
  }
  size_t begin = 0, end = 0;
  for (size_t from = 0; from <= text.size() && step.regex[0].find(text, from, scratch, begin, end);) {
    if (!step.drop_gaps) part(done, begin);
    part(begin, end);
    done = end;
    from = end;
    if (begin == end) {  // an empty match: go on after the next character
      if (end == text.size()) break;
      const char* next = text.data() + end;
      utf8_next(next);
      from = static_cast<size_t>(next - text.data());
    }
  }
  if (!step.drop_gaps) part(done, text.size());
}

}  // namespace nuri
