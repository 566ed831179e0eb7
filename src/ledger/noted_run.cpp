#include "ledger/noted_run.h"

#include "base/clock.h"
#include "ledger/ledger.h"
#include "ledger/provenance.h"

namespace nuri {

NotedRun::NotedRun(std::string kind, std::vector<std::string> command, Subject subject, std::string level)
    : out_(std::move(subject.out)), begin_(seconds_now()) {
  name_process(record_);
  record_.kind = std::move(kind);
  record_.command = std::move(command);
  record_.machine = this_machine(std::move(level));
  record_.profile = "x1";
  record_.places = std::move(subject.places);
  set_parent(record_, subject.model);
  note_in_ledger(record_, out_);
}

NotedRun::~NotedRun() {
  if (open_) close("failed");
}

void NotedRun::finish() { close("finished"); }

void NotedRun::close(const char* outcome) {
  open_ = false;
  record_.outcome = outcome;
  record_.ended = utc_now();
  record_.seconds = seconds_now() - begin_;
  note_in_ledger(record_, out_);
}

}  // namespace nuri
