// Chats to learn from: JSONL rows rendered as ids.
//
// A row of a file is {"messages": [{"role", "content"}, ...]} or {"prompt": ..., "completion": ...}, both texts or both
// lists of messages (text/messages.h); other keys may stand beside them. What is learned of it: text/chat_template.h.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/hash.h"
#include "text/chat_template.h"

namespace nuri::data {

/// The messages of a row. Errors, naming `where`: no valid JSON, another shape.
std::vector<Message> parse_chat_row(std::string_view line, const std::string& where, IgnoredKeys* ignored = nullptr);

struct ChatOptions {
  int64_t length = 256;       ///< targets of a row: a chat has at most length + 1 ids
  bool learn_thought = true;  ///< what stands up to </think> too
  bool cut = true;            ///< longer chats lose their end; false: they are left out
  double held_out_share = 0;  ///< of the rows to train on, where no other files are held out; chosen by a hash of all
                              ///< that no assistant says
};

/// What came of the rows of some files.
struct ChatCounts {
  int64_t rows = 0;                 ///< of the files
  int64_t chats = 0;                ///< kept; of R1 a row gives one for each answer
  int64_t cut = 0;                  ///< of them, shortened
  int64_t left_out = 0;             ///< too long, or with nothing to learn in what was left
  int64_t tokens = 0, learned = 0;  ///< of the kept ones
  IgnoredKeys ignored_keys;         ///< of the messages of all rows
};

/// Chats in memory, in the order of files and rows.
class ChatSet {
 public:
  size_t size() const { return starts_.size() - 1; }
  std::span<const int32_t> ids(size_t chat) const { return part(ids_, chat); }
  std::span<const uint8_t> learned(size_t chat) const { return part(learned_, chat); }
  const std::string& source_name(int source) const { return sources_[static_cast<size_t>(source)].name; }
  /// What the user first said in a chat.
  const std::string& question(size_t chat) const { return places_[chat].question; }
  Origin origin(size_t chat) const;
  const ChatCounts& counts() const { return counts_; }
  /// Over ids, what is learned of them, and the order of the chats.
  Hash128 hash() const;

 private:
  friend class ChatReader;
  template <class T>
  std::span<const T> part(const std::vector<T>& all, size_t chat) const {
    return std::span(all).subspan(starts_[chat], starts_[chat + 1] - starts_[chat]);
  }
  struct File {
    std::string path, name;
  };
  struct Place {
    int source = 0;
    uint64_t line = 0;
    Language language = Language::other;
    std::string question;
  };
  std::vector<int32_t> ids_;
  std::vector<uint8_t> learned_;
  std::vector<size_t> starts_{0};
  std::vector<Place> places_;
  std::vector<File> sources_;
  ChatCounts counts_;
};

/// Chats of training and those held out.
struct Chats {
  ChatSet train, held_out;
};

struct ChatFiles {
  std::vector<std::string> train, held_out;  ///< files, directories, patterns (data/source.h)
};

/// Reads and renders. `progress` is told the bytes read of the files so far and in all. Errors, naming file and line:
/// no valid JSON, another shape, what render_learned refuses, text that is no UTF-8; no chat to train on.
Chats read_chats(const ChatFiles& files, const ChatTemplate& rendering, const ChatOptions& options,
                 const std::function<void(uint64_t done, uint64_t all)>& progress = {});

}  // namespace nuri::data
