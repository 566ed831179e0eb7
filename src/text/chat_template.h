// Chats as token ids. The template of DeepSeek-V3 and R1 is rendered by ids: its markers are inserted as ids and the
// text between them is encoded without matching added tokens, so that no message can forge a marker.
//
//   begin + system texts (joined with a blank line)
//   user        <｜User｜>{text}
//   assistant   <｜Assistant｜>{text after the last </think>}<｜end▁of▁sentence｜>
//   tool calls  <｜Assistant｜>{text}<｜tool▁calls▁begin｜>, for each <｜tool▁call▁begin｜>{type}<｜tool▁sep｜>{name},
//   the arguments as a block of JSON, <｜tool▁call▁end｜>, with line ends between calls;
//   <｜tool▁calls▁end｜><｜end▁of▁sentence｜> tool
//   <｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>{text}<｜tool▁output▁end｜>, further ones without the outer marker;
//               then <｜tool▁outputs▁end｜> before the next assistant text (which has no marker of its own) or at the
//               end
//   to answer   <｜Assistant｜> (V3), <｜Assistant｜><think>\n (R1)
//
// To learn from, an answer stands behind exactly the ids that the model is given to answer, and keeps its thought.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/messages.h"
#include "text/tokenizer.h"

namespace nuri {

/// Ids of a conversation, and which of them the model is to say itself.
struct LearnedIds {
  std::vector<int32_t> ids;
  std::vector<uint8_t> learned;  ///< 1 or 0 for each id
};

class ChatTemplate {
 public:
  /// Reads the kind of template from the tokenizer's Jinja text: DeepSeek-V3's, R1's, or that of R1's distilled models.
  /// Errors: no template, a template of another family (what of these is missing is named), a marker that the
  /// vocabulary lacks.
  explicit ChatTemplate(const Tokenizer& tokenizer);

  /// Ids of a conversation; with `to_answer` the markers after which the model answers. Thoughts of earlier answers are
  /// left out as the template does; a Message's `thought` always. Errors: unknown role, no message, tool calls that the
  /// template renders otherwise (the distilled models').
  std::vector<int32_t> render(std::span<const Message> messages, bool to_answer) const;
  /// The same as text, as the Jinja template prints it.
  std::string render_text(std::span<const Message> messages, bool to_answer) const;

  /// What is learned from the answers of a conversation, each behind the ids of render(messages before it, true) and
  /// closed by the end token; an answer that another one goes on from, id for id, is part of that one. R1: an answer
  /// without thought closes an empty one; markers <think> and </think> of an answer are tokens. learn_thought: whether
  /// what stands up to </think> is learned too. Errors: those of render, no answer, a thought that is not closed.
  std::vector<LearnedIds> render_learned(std::span<const Message> messages, bool learn_thought) const;

  /// Ids that end an answer: the end token, and the user's marker where there is one (the model asks itself on).
  std::vector<int32_t> stop_ids() const;
  /// True for R1: an answer begins inside <think>.
  bool opens_think() const { return open_think_; }

 private:
  struct Part {
    std::string_view marker;  // a token's text, or empty: then `text`
    std::string text;
  };
  std::vector<Part> parts(std::span<const Message> messages, bool to_answer) const;
  void append(std::span<const Part> parts, std::vector<int32_t>& ids) const;
  /// From the marker before the first call (begins: also that of all of them) to the one behind the last.
  void append_calls(std::span<const ToolCall> calls, bool begins, std::vector<Part>& out) const;
  void append_answer(const Message& message, bool opened, bool learn_thought, LearnedIds& out) const;

  Tokenizer tokenizer_;
  bool open_think_ = false;        // the answer starts with <think>\n
  bool strip_think_ = false;       // earlier answers lose what stands before the last </think>
  bool join_systems_ = false;      // several system texts are joined; otherwise the last one counts
  bool calls_ = false;             // tool calls are rendered as above
  bool calls_begin_once_ = false;  // only the first answer with calls has what stands before them
  bool newline_outputs_ = false;   // second and later tool outputs begin with a newline
};

/// The Jinja template that trained tokenizers carry.
std::string deepseek_r1_template();

}  // namespace nuri
