// nuri tokenizer train | encode | decode | chat.
#include "text/tokenizer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "cli/documents.h"
#include "cli/made.h"
#include "cli/verbs.h"
#include "text/chat_template.h"
#include "text/ids_text.h"
#include "train/memory_plan.h"

namespace nuri {
namespace {

struct Train {
  std::vector<std::string> sources;
  int32_t vocab_size = 32000;
  std::string out, pattern = "deepseek_v3", memory;
  bool json = false;
};

int train(const Train& o) {
  return_freed_memory();
  TokenizerTrainOptions options;
  options.vocab_size = o.vocab_size;
  options.pattern = o.pattern == "gpt2" ? SplitPattern::gpt2 : SplitPattern::deepseek_v3;
  if (!o.memory.empty()) options.memory_bytes = static_cast<uint64_t>(parse_bytes(o.memory));
  ProgressPrinter progress;
  options.progress = [&](std::string_view work, int64_t done) { progress.show(fmt::format("{} {}", work, done)); };
  std::error_code unmade;  // train_tokenizer_to says why
  fs::create_directories(o.out, unmade);
  SourceDocuments documents(o.sources, 60, o.out, options.memory_bytes / 20 * 3);  // while counts take a third
  const double begin = seconds_now();
  const auto next = [&](std::string& text) {
    if (documents.next(text)) return true;
    if (const std::string rejected = documents.rejected(); !rejected.empty()) {
      progress.end();
      fmt::print(stderr, "note: {}\n", rejected);
    }
    return false;
  };
  const TokenizerTrainReport r = make_tokenizer(o.sources, next, options, o.out);
  progress.end();
  if (r.pieces_left_out > 0)
    fmt::print(
        stderr,
        "note: {} of {} different words are left out: those of more than 64 KiB{}, so that the rest fits in memory "
        "({} MiB; --memory)\n",
        r.pieces_left_out, r.pieces,
        r.least_count > 1 ? fmt::format(" and those seen fewer than {} times", r.least_count) : std::string(),
        options.memory_bytes >> 20);
  const double seconds = seconds_now() - begin;
  if (o.json) {
    OrderedJson j;
    j["documents"] = r.documents;
    j["bytes"] = r.bytes;
    j["pieces"] = r.pieces;
    j["pieces_left_out"] = r.pieces_left_out;
    j["least_count"] = r.least_count;
    j["vocab_size"] = r.vocab_size;
    j["learned"] = r.learned;
    j["placeholders"] = r.placeholders;
    j["seconds"] = seconds;
    j["mb_per_s"] = static_cast<double>(r.bytes) / 1e6 / seconds;
    fmt::print("{}", json_text(j));
    return kExitOk;
  }
  fmt::print("{} documents, {:.2f} MB of text: {} ids ({} learned{}), {:.1f} s, {:.2f} MB/s -> {}\n", r.documents,
             static_cast<double>(r.bytes) / 1e6, r.vocab_size, r.learned,
             r.placeholders ? fmt::format(", {} placeholders: the text is too small for more", r.placeholders) : "",
             seconds, static_cast<double>(r.bytes) / 1e6 / seconds, o.out);
  return kExitOk;
}

void print_ids(std::span<const int32_t> ids, bool json) {
  fmt::print("{}\n", json ? Json(ids).dump() : ids_to_text(ids));
}

int encode(const std::string& dir, const std::string& file, bool json) {
  print_ids(Tokenizer::load(dir).encode(read_file(file)), json);
  return kExitOk;
}

int chat(const std::string& dir, const std::string& file, bool closed, bool json) {
  const Tokenizer tokenizer = Tokenizer::load(dir);
  IgnoredKeys ignored;
  const std::vector<Message> messages = parse_messages(read_file(file), file, &ignored);
  if (!ignored.empty()) fmt::print(stderr, "{}\n", ignored_keys_text(ignored));
  print_ids(ChatTemplate(tokenizer).render(messages, !closed), json);
  return kExitOk;
}

int decode(const std::string& dir, const std::string& file, bool skip_special) {
  const Tokenizer tokenizer = Tokenizer::load(dir);
  const std::vector<int32_t> ids = ids_from_text(read_file(file), tokenizer.vocab_size(), file);
  const std::string out = tokenizer.decode(ids, skip_special);
  std::fwrite(out.data(), 1, out.size(), stdout);
  return kExitOk;
}

}  // namespace

Action add_tokenizer(Arguments args) {
  args.need_verb();
  auto action = std::make_shared<Action>();

  auto t = std::make_shared<Train>();
  Arguments train_args = args.verb("train", "byte-level BPE with DeepSeek's special tokens and chat template");
  train_args.option("TEXT", t->sources, "files, directories or patterns (.txt .md .html .jsonl, .gz, .zst)").required();
  train_args.option("--vocab-size", t->vocab_size,
                    "ids in all: 256 bytes, special tokens and what is learned (default 32000)");
  train_args.option("--out", t->out, "directory for tokenizer.json and tokenizer_config.json").required();
  train_args.option("--pattern", t->pattern, "pre-split: deepseek_v3 (default) or gpt2")
      .one_of({"deepseek_v3", "gpt2"});
  train_args.option("--memory", t->memory,
                    "for counting words and learning from them (default 320M); of more different words the rarest are "
                    "left out");
  train_args.flag("--json", t->json, "print JSON");
  train_args.then([=] { *action = [t] { return train(*t); }; });

  auto dir = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  auto skip = std::make_shared<bool>(false);
  Arguments encode_args = args.verb("encode", "text of a file to ids, separated by blanks");
  encode_args.option("DIR", *dir, "directory with tokenizer.json").required();
  encode_args.option("FILE", *file, "UTF-8 text").required();
  encode_args.flag("--json", *json, "print a JSON array");
  encode_args.then([=] { *action = [=] { return encode(*dir, *file, *json); }; });
  Arguments decode_args = args.verb("decode", "ids of a file to text");
  decode_args.option("DIR", *dir, "directory with tokenizer.json").required();
  decode_args.option("FILE", *file, "ids separated by blanks; as encode prints them, with --json or without")
      .required();
  decode_args.flag("--skip-special", *skip, "leave special tokens out");
  decode_args.then([=] { *action = [=] { return decode(*dir, *file, *skip); }; });
  auto closed = std::make_shared<bool>(false);
  Arguments chat_args = args.verb("chat", "ids of a conversation, as `nuri chat` gives them to the model");
  chat_args.option("DIR", *dir, "directory with tokenizer.json and the template in tokenizer_config.json").required();
  chat_args.option("FILE", *file, R"(JSON array of {"role", "content"}; roles: system, user, assistant, tool)")
      .required();
  chat_args.flag("--closed", *closed, "without the markers after which the model answers");
  chat_args.flag("--json", *json, "print a JSON array");
  chat_args.then([=] { *action = [=] { return chat(*dir, *file, *closed, *json); }; });
  return [action] { return (*action)(); };
}

}  // namespace nuri
