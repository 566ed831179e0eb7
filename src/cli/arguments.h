// The arguments that a verb takes. CLI11 stands behind them and is seen by arguments.cpp alone: its header costs each
// file that includes it 8 to 10 s of compilation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace nuri {

/// Handle of one option or positional argument; each of its conditions is part of --help.
class Argument {
 public:
  explicit Argument(CLI::Option* option = nullptr) : option_(option) {}
  Argument& required();
  Argument& one_of(const std::vector<std::string>& allowed);
  Argument& between(int low, int high);
  Argument& between(double low, double high);
  /// Of a list: repeated with one value each time, so that a positional argument may follow.
  Argument& one_value_each();
  /// True where the command line has it, be its value empty.
  bool given() const;

 private:
  CLI::Option* option_;
};

/// Handle of the arguments of a verb, or of the program. Variables must outlive the parsing, which writes them where
/// the command line names them and leaves them else.
class Arguments {
 public:
  explicit Arguments(CLI::App* app) : app_(app) {}

  /// `name` is "--data", or "MODEL" for a positional argument.
  /// T: std::string, int, int64_t, uint64_t, double, std::vector<std::string> (may be repeated).
  template <class T>
  Argument option(const char* name, T& variable, const char* help);
  void flag(const char* name, bool& variable, const char* help);
  /// A text below the options.
  void footer(const std::string& text);

  /// A verb below this one; `chosen` is called once all is parsed, where the command line names it.
  Arguments verb(const std::string& name, const std::string& summary);
  void then(std::function<void()> chosen);
  /// One of the verbs must be named.
  void need_verb();
  /// Options unknown here may be those of the level above.
  void pass_upwards();

 private:
  CLI::App* app_;
};

/// The whole command line.
class CommandLine {
 public:
  CommandLine(const std::string& description, const std::string& version);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  Arguments arguments();
  /// Sets the variables. Returns nothing where all is well, "" where help or version was asked for and printed, else
  /// what is wrong; an unknown verb comes with those allowed and the nearest of them.
  std::optional<std::string> parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace nuri
