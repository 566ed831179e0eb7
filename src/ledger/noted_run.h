// A run that keeps no record of its own (evaluation, generation in bulk, tokenizers, shards), noted in the ledger from
// beginning to end.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ledger/run_record.h"

namespace nuri {

class NotedRun {
 public:
  struct Subject {
    std::filesystem::path model;      ///< directory that is asked
    std::filesystem::path out;        ///< directory that is made
    std::vector<std::string> places;  ///< RunRecord::places
  };
  NotedRun(std::string kind, std::vector<std::string> command, Subject subject, std::string level);
  /// Without finish() the run failed.
  ~NotedRun();
  NotedRun(const NotedRun&) = delete;
  NotedRun& operator=(const NotedRun&) = delete;

  RunRecord& record() { return record_; }
  /// What work() returns; where it ends with an error, the record says why, and the error goes on.
  template <class Work>
  auto watch(const Work& work) {
    try {
      return work();
    } catch (const std::exception& error) {
      record_.reason = error.what();
      throw;
    }
  }
  void finish();

 private:
  void close(const char* outcome);
  RunRecord record_;
  std::filesystem::path out_;
  double begin_;
  bool open_ = true;
};

}  // namespace nuri
