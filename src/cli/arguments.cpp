#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/nearest.h"

namespace nuri {
namespace {

/// What to say where the first word that is no option, at either level, names no verb; "" where all do.
std::string unknown_verb(const CLI::App& app, int argc, char** argv) {
  const CLI::App* at = &app;
  std::string path;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--threads") ++i;  // and its value
    if (word.starts_with("-")) continue;
    std::vector<std::string> names;
    const CLI::App* next = nullptr;
    for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(sub->get_name());
      if (sub->get_name() == word) next = sub;
    }
    if (names.empty()) return {};
    const std::vector<std::string_view> views(names.begin(), names.end());
    if (!next)
      return fmt::format("unknown verb \"{}{}\"{}; allowed are {}", path, word, did_you_mean(word, views),
                         fmt::join(names, ", "));
    path += word + " ";
    at = next;
  }
  return {};
}

}  // namespace

Argument& Argument::required() {
  option_->required();
  return *this;
}

Argument& Argument::one_of(const std::vector<std::string>& allowed) {
  option_->check(CLI::IsMember(allowed));
  return *this;
}

Argument& Argument::between(int low, int high) {
  option_->check(CLI::Range(low, high));
  return *this;
}

Argument& Argument::between(double low, double high) {
  option_->check(CLI::Range(low, high));
  option_->check([](const std::string& text) {  // NaN passes a range
    return text.find_first_of("nN") == std::string::npos ? std::string() : "a number is needed, found " + text;
  });
  return *this;
}

Argument& Argument::one_value_each() {
  option_->allow_extra_args(false);
  return *this;
}

bool Argument::given() const { return option_ && !option_->empty(); }

template <class T>
Argument Arguments::option(const char* name, T& variable, const char* help) {
  return Argument(app_->add_option(name, variable, help));
}
template Argument Arguments::option(const char*, std::string&, const char*);
template Argument Arguments::option(const char*, int&, const char*);
template Argument Arguments::option(const char*, int64_t&, const char*);
template Argument Arguments::option(const char*, uint64_t&, const char*);
template Argument Arguments::option(const char*, double&, const char*);
template Argument Arguments::option(const char*, std::vector<std::string>&, const char*);

void Arguments::flag(const char* name, bool& variable, const char* help) { app_->add_flag(name, variable, help); }
void Arguments::footer(const std::string& text) { app_->footer(text); }

Arguments Arguments::verb(const std::string& name, const std::string& summary) {
  return Arguments(app_->add_subcommand(name, summary));
}

void Arguments::then(std::function<void()> chosen) { app_->final_callback(std::move(chosen)); }
void Arguments::need_verb() { app_->require_subcommand(1); }
void Arguments::pass_upwards() { app_->fallthrough(); }

CommandLine::CommandLine(const std::string& description, const std::string& version)
    : app_(std::make_unique<CLI::App>(description)) {
  app_->set_version_flag("--version", version);
}
CommandLine::~CommandLine() = default;

Arguments CommandLine::arguments() { return Arguments(app_.get()); }

std::optional<std::string> CommandLine::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app_->exit(error), "";
    const std::string found = unknown_verb(*app_, argc, argv);
    return found.empty() ? std::string(error.what()) + "; see --help" : found;
  }
}

}  // namespace nuri
