// What a run learns from, as far as every run has to know it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace nuri {

class RunData {
 public:
  explicit RunData(const std::filesystem::path& tokenizer_dir)
      : tokenizer_dir_(tokenizer_dir), tokenizer_(Tokenizer::load(tokenizer_dir)) {}
  virtual ~RunData() = default;

  /// Of all that decides what is seen, but for the recipe: resuming demands the same.
  virtual std::string hash() const = 0;
  /// How the ledger calls a run that learns from it.
  virtual std::string kind() const { return "train"; }
  /// How errors name it.
  virtual std::string name() const = 0;
  /// What to read again to make its steps again: "data=DIR" of shards; "chats=FILE..." and "held_out=FILE..." of chats,
  /// which "tokenizer=DIR" renders; "problems=FILE" and "held_out=FILE" of reinforcement learning, whose tasks need
  /// none. Paths are absolute.
  virtual std::vector<std::string> places() const = 0;

  /// What became of its rows, for run.json and the summary, by name: "chats_cut" and the like; none of shards, whose
  /// manifest says it.
  virtual std::map<std::string, int64_t> counts() const { return {}; }

  const Tokenizer& tokenizer() const { return tokenizer_; }
  const std::filesystem::path& tokenizer_dir() const { return tokenizer_dir_; }

 protected:
  static std::string place_text(const std::string& key, const std::filesystem::path& path) {
    return key + "=" + std::filesystem::absolute(path).lexically_normal().string();
  }

 private:
  std::filesystem::path tokenizer_dir_;
  Tokenizer tokenizer_;
};

}  // namespace nuri
