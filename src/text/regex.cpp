#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include "base/error.h"

namespace nuri {
namespace {

constexpr uint32_t kMatchLimit = 20'000'000;  // backtracking steps of the interpreter and the JIT
constexpr uint32_t kHeapLimitKib = 256 * 1024;
constexpr size_t kJitStackBytes = size_t(8) << 20;

std::string message_of(int code) {
  char text[256] = {};
  pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof text);
  return text;
}

}  // namespace

struct RegexScratch::State {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, kJitStackBytes, nullptr);

  State() {
    NURI_CHECK(match && context, "no memory for regular expressions");
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimitKib);
    if (stack) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~State() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

RegexScratch::RegexScratch() : state_(std::make_unique<State>()) {}
RegexScratch::~RegexScratch() = default;

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(std::string_view pattern, const std::string& where) : pattern_(pattern), code_(std::make_unique<Code>()) {
  const std::string translated = translate_oniguruma(pattern, where);
  struct CompileContext {
    pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
    ~CompileContext() { pcre2_compile_context_free(context); }
  } compile;
  NURI_CHECK(compile.context, "no memory for regular expressions");
  pcre2_set_newline(compile.context, PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(compile.context, 100);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // ^ and $ match at every line in Ruby's syntax
  code_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                              compile.context);
  NURI_CHECK(code_->code, "{}: the regular expression {} does not compile: {} (at byte {} of {})", where, pattern,
             message_of(error), offset, translated);
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);  // where there is no JIT, the interpreter matches
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

bool Regex::find(std::string_view text, size_t from, RegexScratch& scratch, size_t& begin, size_t& end) const {
  RegexScratch::State& state = *scratch.state_;
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data() ? text.data() : "");
  int found = pcre2_match(code_->code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, state.match, state.context);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT)
    found = pcre2_match(code_->code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, state.match,
                        state.context);
  if (found == PCRE2_ERROR_NOMATCH) return false;
  NURI_CHECK(found >= 0, "the regular expression {} fails on a text of {} bytes: {}; simplify the pattern", pattern_,
             text.size(), message_of(found));
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(state.match);
  begin = offsets[0];
  end = offsets[1];
  NURI_CHECK(begin <= end && begin >= from, "the regular expression {} matches backwards; simplify the pattern",
             pattern_);
  return true;
}

}  // namespace nuri
