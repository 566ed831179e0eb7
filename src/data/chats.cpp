#include "data/chats.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "data/line_reader.h"
#include "data/source.h"

namespace nuri::data {
namespace {

constexpr uint64_t kMaxRowBytes = uint64_t(1) << 26;
constexpr JsonLimits kRowLimits{.max_bytes = kMaxRowBytes, .max_depth = 64, .max_values = 1 << 20};

std::vector<Message> messages_of(const JsonObject& row, std::string_view key, const char* role, IgnoredKeys* ignored) {
  const Json& value = row.at(key);
  const std::string where = fmt::format("{}: {}", row.where(), key);
  if (value.is_string() && role) return {{role, value.get<std::string>()}};
  NURI_CHECK(value.is_array(), "{}: found {}; {} is needed", where, json_kind(value),
             role ? "a text or an array of messages" : "an array of messages");
  return messages_from(value, where, ignored);
}

/// What decides where a row goes: questions that are asked alike go together, whatever is answered.
uint64_t question_hash(const std::vector<Message>& messages) {
  std::string all;
  for (const Message& m : messages)
    if (m.role != "assistant") all += m.role + '\0' + m.content + '\0';
  return hash64(all);
}

/// Files of a directory that are no JSONL are passed over; one that is named is an error.
std::vector<SourceFile> chat_files(const std::vector<std::string>& paths) {
  const auto check = [](bool jsonl, const std::string& path) {
    NURI_CHECK(jsonl, "{}: chats are read from .jsonl or .ndjson files (also .gz, .zst)", path);
  };
  for (const std::string& path : paths)
    if (fs::is_regular_file(path)) check(file_kind(path) == FileKind::jsonl, path);
  Source source;
  source.paths = paths;
  int64_t skipped = 0;
  std::vector<SourceFile> files = list_files(source, skipped);
  std::erase_if(files, [](const SourceFile& file) { return file.kind != FileKind::jsonl; });
  check(!files.empty(), paths.front());
  return files;
}

}  // namespace

std::vector<Message> parse_chat_row(std::string_view line, const std::string& where, IgnoredKeys* ignored) {
  const Json json = parse_json(line, where, kRowLimits);
  const JsonObject row(json, where);
  if (row.has("messages")) return messages_of(row, "messages", nullptr, ignored);
  NURI_CHECK(row.has("prompt") && row.has("completion"),
             "{}: found neither \"messages\" nor \"prompt\" and \"completion\"; a chat is {{\"messages\": [{{\"role\": "
             "\"user\", \"content\": ...}}, ...]}} or {{\"prompt\": ..., \"completion\": ...}}",
             where);
  std::vector<Message> messages = messages_of(row, "prompt", "user", ignored);
  for (Message& m : messages_of(row, "completion", "assistant", ignored)) messages.push_back(std::move(m));
  return messages;
}

class ChatReader {
 public:
  ChatReader(const ChatTemplate& rendering, const ChatOptions& options) : rendering_(rendering), options_(options) {}

  /// Rows whose hash is below `limit` (of 2^64) go to `held_out`; each set counts its own.
  void read(const std::vector<SourceFile>& files, ChatSet& train, ChatSet& held_out, uint64_t limit,
            const std::function<void(uint64_t)>& progress) {
    for (const SourceFile& file : files) {
      for (ChatSet* set : {&train, &held_out})
        set->sources_.push_back({file.path.string(), file.path.stem().stem().string()});
      LineReader lines(file.path, kMaxRowBytes);
      uint64_t before = 0;
      for (Line line; lines.next(line);) {
        const std::string where = fmt::format("{}: line {}", file.path.string(), line.number);
        NURI_CHECK(!line.too_long, "{}: longer than {} bytes; split the chat", where, kMaxRowBytes);
        NURI_CHECK(line.invalid == 0, "{}: {} sequences that form no character; convert the file to UTF-8", where,
                   line.invalid);
        if (line.text.find_first_not_of(" \t\r") == std::string::npos) continue;
        IgnoredKeys ignored;
        const std::vector<Message> messages = parse_chat_row(line.text, where, &ignored);
        ChatSet& set = limit > 0 && question_hash(messages) < limit ? held_out : train;
        for (const auto& [key, n] : ignored) set.counts_.ignored_keys[key] += n;
        try {
          add(messages, line.number, set);
        } catch (const Error& error) {
          fail("{}: {}", where, error.what());
        }
        progress(lines.file_bytes() - before);
        before = lines.file_bytes();
      }
    }
  }

 private:
  void add(const std::vector<Message>& messages, uint64_t line, ChatSet& set) {
    ++set.counts_.rows;
    const auto asked =
        std::find_if(messages.begin(), messages.end(), [](const Message& m) { return m.role == "user"; });
    const std::string question = asked == messages.end() ? std::string() : asked->content;
    for (LearnedIds& chat : rendering_.render_learned(messages, options_.learn_thought)) {
      const size_t most = static_cast<size_t>(options_.length) + 1;
      const bool too_long = chat.ids.size() > most;
      if (too_long) {
        chat.ids.resize(most);
        chat.learned.resize(most);
      }
      const auto learned = std::count(chat.learned.begin(), chat.learned.end(), 1);
      if ((too_long && !options_.cut) || learned == 0) {
        ++set.counts_.left_out;
        continue;
      }
      set.counts_.cut += too_long;
      ++set.counts_.chats;
      set.counts_.tokens += static_cast<int64_t>(chat.ids.size());
      set.counts_.learned += learned;
      set.ids_.insert(set.ids_.end(), chat.ids.begin(), chat.ids.end());
      set.learned_.insert(set.learned_.end(), chat.learned.begin(), chat.learned.end());
      set.starts_.push_back(set.ids_.size());
      set.places_.push_back({static_cast<int>(set.sources_.size()) - 1, line, guess_language(question), question});
    }
  }

  const ChatTemplate& rendering_;
  const ChatOptions& options_;
};

Origin ChatSet::origin(size_t chat) const {
  const Place& place = places_[chat];
  return {.source = place.source,
          .file = sources_[static_cast<size_t>(place.source)].path,
          .line = place.line,
          .language = place.language,
          .text_bytes = 0,
          .begin = 0,
          .end = starts_[chat + 1] - starts_[chat]};
}

Hash128 ChatSet::hash() const {
  StreamHash hash;
  hash.add(ids_.data(), ids_.size() * sizeof ids_[0]);
  hash.add(learned_.data(), learned_.size());
  hash.add(starts_.data(), starts_.size() * sizeof starts_[0]);
  return hash.value();
}

Chats read_chats(const ChatFiles& files, const ChatTemplate& rendering, const ChatOptions& options,
                 const std::function<void(uint64_t, uint64_t)>& progress) {
  NURI_CHECK(options.length >= 1, "length = {}: a row needs at least one token to predict", options.length);
  const std::vector<SourceFile> train = chat_files(files.train);
  const std::vector<SourceFile> held_out =
      files.held_out.empty() ? std::vector<SourceFile>() : chat_files(files.held_out);
  uint64_t all = 0, done = 0;
  for (const std::vector<SourceFile>* list : {&train, &held_out})
    for (const SourceFile& file : *list) all += fs::file_size(file.path);
  const auto tell = [&](uint64_t bytes) {
    done += bytes;
    if (progress) progress(done, all);
  };
  Chats out;
  ChatReader reader(rendering, options);
  const double share = files.held_out.empty() ? options.held_out_share : 0;
  reader.read(train, out.train, out.held_out, static_cast<uint64_t>(share * 0x1p63) * 2, tell);
  ChatSet none;
  reader.read(held_out, out.held_out, none, 0, tell);
  NURI_CHECK(
      out.train.size() > 0,
      "no chat to train on: {} rows were read, {} held out, {} left out (too long for length = {}, or nothing to "
      "learn in them)",
      out.train.counts().rows + out.held_out.counts().rows, out.held_out.counts().rows, out.train.counts().left_out,
      options.length);
  return out;
}

}  // namespace nuri::data
