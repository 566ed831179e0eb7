// Regular expressions of tokenizer files. The files are written for Oniguruma (Ruby syntax, Unicode); PCRE2 with JIT
// runs them after a translation of what the two read differently (\s, \w, \h, script names, line anchors). What cannot
// be translated is refused.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace nuri {

/// Working memory of matching; one for each thread that matches at a time.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

class Regex {
 public:
  /// Errors: a pattern that does not compile or that would mean something else here; `where` names its place.
  Regex(std::string_view pattern, const std::string& where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  const std::string& pattern() const { return pattern_; }

  /// The first match in `text` (valid UTF-8) at or after byte `from`: [begin, end), possibly empty. Lookarounds see
  /// `text` only. Errors: a match that takes more steps than allowed (a pattern made to explode).
  bool find(std::string_view text, size_t from, RegexScratch& scratch, size_t& begin, size_t& end) const;

 private:
  struct Code;
  std::string pattern_;
  std::unique_ptr<Code> code_;
};

/// The pattern as PCRE2 reads it. Exposed for tests.
std::string translate_oniguruma(std::string_view pattern, const std::string& where);

}  // namespace nuri
