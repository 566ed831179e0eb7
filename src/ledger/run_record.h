// run.json: what was run, on what, and what came of it. Written when a run starts (outcome "running"), rewritten while
// it works, and closed when it ends; a run that was killed still says "running".
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/energy.h"

namespace nuri {

struct MachineRecord {
  std::string cpu;           ///< as the system names it
  std::string level;         ///< of the kernels: "avx512_bf16", "avx2", ...
  int64_t cores = 0;         ///< allowed to this process
  int64_t threads = 0;       ///< used
  int64_t memory_bytes = 0;  ///< allowed to this process
  bool operator==(const MachineRecord&) const = default;
};

/// This machine, with the level the caller computes at.
MachineRecord this_machine(std::string level);

struct RunRecord {
  std::string id;                    ///< 32 hexadecimal digits, drawn once; resuming keeps it
  std::string kind;                  ///< train, sft, rl, eval, generate, tokenizer, data
  std::string project;               ///< $NURI_PROJECT when it started
  std::string who, host;             ///< user and machine
  std::string family;                ///< model_type
  std::string config_hash;           ///< SHA-256 of the model's config.json
  std::string parent;                ///< id of the run whose model this one began as or asked; empty: none known
  std::string parent_model;          ///< that model's directory
  std::vector<std::string> command;  ///< arguments, the program first
  std::string recipe;                ///< resolved, as TOML; can be run again
  std::string commit;                ///< of the program
  std::string data_manifest;         ///< SHA-256 of the data's manifest
  std::vector<std::string> places;   ///< where it was read, "chats=/absolute/path" (train/run_data.h)
  std::string profile;               ///< of the arithmetic, with version: "x1"
  MachineRecord machine;             ///< of the last session
  std::vector<std::string> earlier_machines;       ///< of earlier sessions, where they were others: machine_text
  std::string started, ended;                      ///< UTC; ended is empty while running
  int64_t sessions = 1;                            ///< processes that worked on the run: 1 + resumptions
  int64_t steps = 0;                               ///< optimizer steps done
  int64_t tokens = 0;                              ///< seen in training, or written and read in answering
  double flops = 0;                                ///< by arch/counts.h
  double seconds = 0;                              ///< of all sessions
  double thread_seconds = 0;                       ///< time x threads of each session; 0: not noted
  double energy_joules = 0;                        ///< of the processor packages in that time, measured; 0: no meter
  int64_t tokens_planned = 0;                      ///< of the whole run, as its recipe said; 0: not known before
  double seconds_planned = 0;                      ///< by the plan it was given (--plan); 0: none, as the next two
  double energy_wh_planned = 0, usd_planned = 0;   ///< of the same
  int64_t memory_planned_bytes = 0;                ///< anonymous memory
  int64_t memory_anonymous_bytes = 0;              ///< the same, measured
  int64_t memory_peak_bytes = 0;                   ///< resident, mapped files included, measured
  std::string outcome = "running";                 ///< running, finished, stopped (by a signal), failed
  std::string reason;                              ///< of stopped and failed
  std::map<std::string, double> results;           ///< loss, bits per byte, ...
  std::map<std::string, std::string> hashes;       ///< of weights and the like
  std::map<std::string, std::string> checkpoints;  ///< name -> its link of the chain, which stands for all before it
  bool operator==(const RunRecord&) const = default;

  /// The one list of fields; reading and writing walk it.
  template <class Self, class Field>
  static void visit(Self& self, Field&& field) {
    field("run_id", self.id);
    field("kind", self.kind);
    field("project", self.project);
    field("who", self.who);
    field("host", self.host);
    field("family", self.family);
    field("config_sha256", self.config_hash);
    field("parent_run", self.parent);
    field("parent_model", self.parent_model);
    field("command", self.command);
    field("recipe", self.recipe);
    field("commit", self.commit);
    field("data_manifest_sha256", self.data_manifest);
    field("places", self.places);
    field("profile", self.profile);
    field("cpu", self.machine.cpu);
    field("level", self.machine.level);
    field("cores", self.machine.cores);
    field("threads", self.machine.threads);
    field("memory_allowed_bytes", self.machine.memory_bytes);
    field("earlier_machines", self.earlier_machines);
    field("started", self.started);
    field("ended", self.ended);
    field("sessions", self.sessions);
    field("steps", self.steps);
    field("tokens", self.tokens);
    field("flops", self.flops);
    field("seconds", self.seconds);
    field("thread_seconds", self.thread_seconds);
    field("energy_joules", self.energy_joules);
    field("tokens_planned", self.tokens_planned);
    field("seconds_planned", self.seconds_planned);
    field("energy_wh_planned", self.energy_wh_planned);
    field("usd_planned", self.usd_planned);
    field("memory_planned_bytes", self.memory_planned_bytes);
    field("memory_anonymous_bytes", self.memory_anonymous_bytes);
    field("memory_peak_bytes", self.memory_peak_bytes);
    field("outcome", self.outcome);
    field("reason", self.reason);
    field("results", self.results);
    field("hashes", self.hashes);
    field("checkpoints", self.checkpoints);
  }
};

/// Among hashes: XXH3-128 of tokenizer.json, of runs that make a tokenizer or shards.
inline constexpr const char* kTokenizerHash = "tokenizer";
/// Among results: what the machine was measured to reach in products with all threads, 10^9 FLOP/s.
inline constexpr const char* kPeakGflops = "peak_gflops";

std::string run_record_json(const RunRecord& record);
/// Missing keys keep their defaults, unknown ones are ignored. Errors: not JSON, wrong types.
RunRecord parse_run_record(std::string_view json, std::string_view file);
RunRecord read_run_record(const std::filesystem::path& path);

/// A fresh id for a run.
std::string new_run_id();

/// Notes of which model a run begins as: its directory and, where a run.json lies in it, the id of the run that made
/// it.
void set_parent(RunRecord& record, const std::filesystem::path& model);

/// "AMD EPYC, avx512_bf16, 2 of 2 cores", of a record.
std::string machine_text(const MachineRecord& machine);
/// The values of a key among places, in order.
std::vector<std::string> places_of(const RunRecord& record, const std::string& key);

/// Where the shards of a run of `nuri train` lay: by its places or, of an older program, its command; "" where neither
/// says.
std::string shards_of(const RunRecord& record);

/// Sets id, who, host, project, commit and start.
void name_process(RunRecord& record);

/// run.json of a run that is going on; the ledger in use (ledger.h) follows it.
class RunFile {
 public:
  /// Sets id, who, host, project, commit and start, and writes the file. With `resumed`, what the file says of earlier
  /// sessions (start, seconds, sessions, id) is carried on.
  RunFile(std::filesystem::path path, RunRecord record, bool resumed = false);
  RunRecord& record() { return record_; }
  /// Rewrites the file with the record, the time so far and the peak memory.
  void update();
  /// Reads the meter of energy, whose counters wrap within minutes: to be called at every step.
  void tick() { (void)meter_.joules(); }
  /// Closes it: finished, stopped or failed.
  void finish(std::string outcome, std::string reason = {});

 private:
  double now() const;  // seconds of a steady clock
  std::filesystem::path path_;
  RunRecord record_;
  double earlier_seconds_ = 0, earlier_joules_ = 0, earlier_thread_seconds_ = 0;
  bool metered_ = true;  ///< every session could read a meter
  EnergyMeter meter_;
  double started_at_ = 0;
};

}  // namespace nuri
