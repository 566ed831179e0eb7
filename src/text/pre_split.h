// The pre_tokenizer of a file: text to pieces. Steps apply in order, each to every piece of the one before; a piece is
// all that a step's lookarounds see.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"
#include "text/scan.h"

namespace nuri {

class PreSplitter {
 public:
  struct Step {
    enum class Kind { regex, digits } kind = Kind::regex;
    std::vector<Regex> regex;  // one for Kind::regex
    bool drop_gaps = false;    // what lies between matches is left out (behavior Removed, inverted)
    bool each_digit = false;   // Kind::digits: every number alone
  };

  /// `prefix_space`: ByteLevel's add_prefix_space; `gpt2_last`: its use_regex.
  PreSplitter(std::vector<Step> steps, bool prefix_space, bool gpt2_last);

  /// Use the regular expressions even where a hand-written scanner exists (for tests).
  void disable_scanners() { known_ = Known::none; }
  bool has_scanner() const { return known_ != Known::none; }

  /// Calls piece(std::string_view) for each piece of valid UTF-8. The views live until the callback returns.
  template <class F>
  void split(std::string_view text, RegexScratch& scratch, F&& piece) const {
    switch (known_) {
      case Known::gpt2:
        return scan_gpt2(text, piece);
      case Known::qwen2:
        return scan_cl100k(text, 1, piece);
      case Known::llama3:
        return scan_cl100k(text, 3, piece);
      case Known::deepseek_v3:
        return scan_deepseek_v3(text, piece);
      case Known::none:
        break;
    }
    run(0, text, scratch, {&piece, [](void* object, std::string_view part) {
                             (*static_cast<std::remove_reference_t<F>*>(object))(part);
                           }});
  }

 private:
  enum class Known { none, gpt2, qwen2, llama3, deepseek_v3 };
  struct Sink {
    void* object;
    void (*call)(void*, std::string_view);
  };
  Known recognise() const;
  void run(size_t step, std::string_view text, RegexScratch& scratch, Sink sink) const;

  std::vector<Step> steps_;
  size_t prefix_at_;  // before this step a piece gets a leading space; beyond the last step: never
  Known known_;
};

}  // namespace nuri
