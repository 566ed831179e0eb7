// Chats as token ids. The template of DeepSeek-V3 and R1 is rendered by ids: its markers are inserted as ids and the
// text between them is encoded without matching added tokens, so that no message can forge a marker.
//
//   begin + system texts (joined with a blank line)
//   user        <｜User｜>{text}
//   assistant   <｜Assistant｜>{text after the last </think>}<｜end▁of▁sentence｜>
//   tool        <｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>{text}<｜tool▁output▁end｜>, further ones without the
//   outer marker;
//               then <｜tool▁outputs▁end｜> before the next assistant text (which has no marker of its own) or at the
//               end
//   to answer   <｜Assistant｜> (V3), <｜Assistant｜><think>\n (R1)
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace nuri {

struct Message {
  std::string role;  ///< "system", "user", "assistant" or "tool"
  std::string content;
};

/// Messages from a JSON array of {"role", "content"}. Errors, naming `where`: another shape, other keys (tool_calls are
/// not rendered).
std::vector<Message> parse_messages(std::string_view json, std::string_view where);

class ChatTemplate {
 public:
  /// Reads the kind of template from the tokenizer's Jinja text. Errors: no template, a template of another family, a
  /// marker that the vocabulary lacks.
  explicit ChatTemplate(const Tokenizer& tokenizer);

  /// Ids of a conversation; with `to_answer` the markers after which the model answers. Errors: unknown role, no
  /// message.
  std::vector<int32_t> render(std::span<const Message> messages, bool to_answer) const;
  /// The same as text, as the Jinja template prints it.
  std::string render_text(std::span<const Message> messages, bool to_answer) const;

  /// True for R1: an answer begins inside <think>.
  bool opens_think() const { return open_think_; }

 private:
  struct Part {
    std::string_view marker;  // a token's text, or empty: then `text`
    std::string text;
  };
  std::vector<Part> parts(std::span<const Message> messages, bool to_answer) const;

  Tokenizer tokenizer_;
  bool open_think_ = false;       // the answer starts with <think>\n
  bool strip_think_ = false;      // earlier answers lose what stands before the last </think>
  bool join_systems_ = false;     // several system texts are joined; otherwise the last one counts
  bool newline_outputs_ = false;  // second and later tool outputs begin with a newline
};

/// The Jinja template that trained tokenizers carry.
std::string deepseek_r1_template();

}  // namespace nuri
