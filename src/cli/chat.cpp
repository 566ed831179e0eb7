// nuri chat MODEL.
#include "cli/chat.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "cli/model_options.h"
#include "cli/verbs.h"
#include "train/signals.h"

namespace nuri {

Conversation::Conversation(DeepseekV3& model, const Tokenizer& tokenizer, const SamplerOptions& sampler,
                           int64_t max_tokens)
    : model_(model), tokenizer_(tokenizer), template_(tokenizer), sampler_(sampler), max_tokens_(max_tokens) {}

void Conversation::set_system(const std::string& text) {
  if (!text.empty()) history_.insert(history_.begin(), Message{"system", text});
}

void Conversation::clear() {
  std::erase_if(history_, [](const Message& m) { return m.role != "system"; });
}

std::vector<int32_t> Conversation::render_what_fits() {
  const int64_t context = model_.config().max_seq_len, room = std::min(max_tokens_, context / 4);
  for (;;) {
    std::vector<int32_t> ids = template_.render(history_, true);
    const auto first_turn =
        std::find_if(history_.begin(), history_.end(), [](const Message& m) { return m.role == "user"; });
    const auto next_turn =
        std::find_if(first_turn + 1, history_.end(), [](const Message& m) { return m.role == "user"; });
    if (static_cast<int64_t>(ids.size()) + room <= context || next_turn == history_.end()) return ids;
    history_.erase(first_turn, next_turn);
  }
}

std::string Conversation::ask(const std::string& question, const std::function<bool(std::string_view)>& on_text) {
  const std::vector<Message> before = history_;
  try {
    history_.push_back({"user", question});
    GenerateRequest r;
    r.prompt = render_what_fits();
    r.max_tokens = max_tokens_;
    r.sampler = sampler_;
    r.sequence = turn_++;
    r.stop_ids = template_.stop_ids();
    const std::vector<Reply> reply = Generator(model_, tokenizer_).run({r}, [&](size_t, std::string_view text) {
      return !on_text || on_text(text);
    });
    history_.push_back({"assistant", reply[0].text});
    return reply[0].text;
  } catch (const Error&) {
    history_ = before;
    throw;
  }
}

int chat_loop(Conversation& conversation) {
  const bool terminal = isatty(STDIN_FILENO) == 1;
  if (terminal)
    fmt::print(
        "Type a question; /clear forgets the conversation, /quit or Ctrl-D ends.\n질문을 입력하세요. /clear: 대화 "
        "지우기, /quit 또는 Ctrl-D: 끝.\n");
  std::string line;
  bool failed = false;
  for (;;) {
    if (terminal) {
      fmt::print("> ");
      std::fflush(stdout);
    }
    if (!std::getline(std::cin, line) || line == "/quit") break;
    if (line == "/clear") {
      conversation.clear();
      continue;
    }
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const SignalScope signals;  // Ctrl-C ends the answer, not the program
    try {
      conversation.ask(line, [](std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
        return !SignalScope::stop_asked();
      });
    } catch (const Error& error) {  // of one question; the next may be better
      std::fprintf(stderr, "nuri: %s\n", error.what());
      failed = true;
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
  if (terminal) fmt::print("\n");
  return failed && !terminal ? kExitUsage : kExitOk;
}

namespace {

struct Options {
  ModelOptions model;
  SamplingOptions sampling;
  std::string system;
  int64_t max_tokens = 512;
};

}  // namespace

Action add_chat(Arguments args) {
  auto o = std::make_shared<Options>();
  o->model.add(args);
  o->sampling.add(args);
  args.option("--system", o->system, "system text before the conversation");
  args.option("--max-tokens", o->max_tokens, "longest answer, tokens (default 512)").between(1, 1 << 30);
  args.footer("Without a terminal, each line of standard input is a question.");
  return [o] {
    const std::unique_ptr<DeepseekV3> model = o->model.load();
    const Tokenizer tokenizer = Tokenizer::load(o->model.directory);
    Conversation conversation(*model, tokenizer, o->sampling.sampler(), o->max_tokens);
    conversation.set_system(o->system);
    return chat_loop(conversation);
  };
}

}  // namespace nuri
