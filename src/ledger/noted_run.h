// A run without a directory of its own (evaluation, generation in bulk), noted in the ledger from beginning to end.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ledger/run_record.h"

namespace nuri {

class NotedRun {
 public:
  /// `model`: the directory that is asked.
  NotedRun(std::string kind, std::vector<std::string> command, const std::filesystem::path& model, std::string level);
  /// Without finish() the run failed.
  ~NotedRun();
  NotedRun(const NotedRun&) = delete;
  NotedRun& operator=(const NotedRun&) = delete;

  RunRecord& record() { return record_; }
  void finish();

 private:
  void close(const char* outcome);
  RunRecord record_;
  double begin_;
  bool open_ = true;
};

}  // namespace nuri
