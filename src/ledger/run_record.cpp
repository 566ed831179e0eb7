#include "ledger/run_record.h"

#include <pwd.h>
#include <sys/random.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/threads.h"
#include "ledger/ledger.h"
#include "ledger/provenance.h"

namespace nuri {
namespace {

constexpr JsonLimits kLimits{.max_bytes = 64 << 20, .max_depth = 8, .max_values = 1 << 20};

struct FieldReader {
  const JsonObject& object;
  void operator()(const char* key, int64_t& field) const {
    field = object.integer_or(key, field, INT64_MIN, INT64_MAX);
  }
  void operator()(const char* key, double& field) const {  // a number that is none is written as null
    field = object.is_null(key) ? NAN : object.number_or(key, field, -HUGE_VAL, HUGE_VAL);
  }
  void operator()(const char* key, std::string& field) const { field = object.text_or(key, field); }
  void operator()(const char* key, std::vector<std::string>& field) const {
    if (!object.has(key)) return;
    const Json& list = object.at(key);
    NURI_CHECK(list.is_array(), "{}: {}: found {}; a list of strings is needed", object.where(), key, json_kind(list));
    for (const Json& value : list) {
      NURI_CHECK(value.is_string(), "{}: {}: found {}; strings are needed", object.where(), key, json_kind(value));
      field.push_back(value.get<std::string>());
    }
  }
  template <class T>
  void operator()(const char* key, std::map<std::string, T>& field) const {
    if (!object.has(key)) return;
    const JsonObject inner = object.object(key);
    for (const auto& [name, unused] : object.at(key).items()) FieldReader{inner}(name.c_str(), field[name]);
  }
};

}  // namespace

MachineRecord this_machine(std::string level) {
  return {cpu_model(), std::move(level), cores_allowed(), thread_count(), memory_allowed()};
}

std::string run_record_json(const RunRecord& record) {
  OrderedJson out;
  RunRecord::visit(record, [&](const char* key, const auto& field) { out[key] = field; });
  return json_text(out);
}

RunRecord parse_run_record(std::string_view json, std::string_view file) {
  const Json value = parse_json(json, file, kLimits);
  RunRecord record;
  RunRecord::visit(record, FieldReader{JsonObject(value, std::string(file))});
  return record;
}

RunRecord read_run_record(const std::filesystem::path& path) {
  return parse_run_record(read_file(path, kLimits.max_bytes), path.string());
}

std::string new_run_id() {
  unsigned char bytes[16];
  NURI_CHECK(::getrandom(bytes, sizeof bytes, 0) == sizeof bytes, "the system gives no random numbers (getrandom)");
  std::string out;
  for (const unsigned char byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

void set_parent(RunRecord& record, const std::filesystem::path& model) {
  if (model.empty()) return;
  std::error_code unknown;
  record.parent_model = fs::absolute(model, unknown).lexically_normal().string();
  try {  // a model from elsewhere has no record, or one that is none of ours
    if (fs::exists(model / "run.json")) record.parent = read_run_record(model / "run.json").id;
  } catch (const Error&) {
  }
}

std::string machine_text(const MachineRecord& m) {
  return fmt::format("{}, {}, {} of {} cores", m.cpu, m.level, m.threads, m.cores);
}

std::vector<std::string> places_of(const RunRecord& record, const std::string& key) {
  std::vector<std::string> out;
  for (const std::string& place : record.places)
    if (place.starts_with(key + "=")) out.push_back(place.substr(key.size() + 1));
  return out;
}

std::string shards_of(const RunRecord& record) {
  if (const auto places = places_of(record, "data"); !places.empty()) return places.front();
  std::string found;
  for (size_t i = 0; i < record.command.size(); ++i) {
    const std::string& word = record.command[i];
    if (word == "--data" && i + 1 < record.command.size()) found = record.command[i + 1];
    if (word.starts_with("--data=")) found = word.substr(std::string_view("--data=").size());
  }
  return found;
}

void name_process(RunRecord& record) {
  record.id = new_run_id();
  if (const passwd* user = ::getpwuid(::geteuid())) record.who = user->pw_name;
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) == 0) record.host = host;
  if (const char* project = std::getenv("NURI_PROJECT")) record.project = project;
  record.commit = build_commit();
  record.started = utc_now();
}

RunFile::RunFile(std::filesystem::path path, RunRecord record, bool resumed)
    : path_(std::move(path)), record_(std::move(record)), started_at_(now()) {
  name_process(record_);
  if (resumed && fs::exists(path_)) {
    const RunRecord earlier = read_run_record(path_);
    record_.started = earlier.started;
    if (!earlier.id.empty()) record_.id = earlier.id;
    record_.project = earlier.project;
    record_.sessions = earlier.sessions + 1;
    record_.earlier_machines = earlier.earlier_machines;
    const std::string machine = machine_text(earlier.machine);
    if (earlier.machine != record_.machine &&
        std::find(record_.earlier_machines.begin(), record_.earlier_machines.end(), machine) ==
            record_.earlier_machines.end())
      record_.earlier_machines.push_back(machine);
    if (const auto peak = earlier.results.find(kPeakGflops); peak != earlier.results.end())
      record_.results[kPeakGflops] =
          std::max(record_.results[kPeakGflops], peak->second);  // for a bound of all sessions
    record_.memory_anonymous_bytes = std::max(record_.memory_anonymous_bytes, earlier.memory_anonymous_bytes);
    record_.memory_peak_bytes = std::max(record_.memory_peak_bytes, earlier.memory_peak_bytes);
    if (record_.seconds_planned <= 0) {  // resumed without naming the plan again
      record_.seconds_planned = earlier.seconds_planned;
      record_.energy_wh_planned = earlier.energy_wh_planned;
      record_.usd_planned = earlier.usd_planned;
    }
    earlier_seconds_ = earlier.seconds;
    earlier_joules_ = earlier.energy_joules;
    metered_ = earlier.seconds <= 0 || earlier.energy_joules > 0;
    earlier_thread_seconds_ =
        earlier.thread_seconds > 0
            ? earlier.thread_seconds
            : earlier.seconds * static_cast<double>(std::max<int64_t>(1, earlier.machine.threads));
  }
  update();
}

double RunFile::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void RunFile::update() {
  const double here = now() - started_at_;
  record_.seconds = earlier_seconds_ + here;
  record_.thread_seconds =
      earlier_thread_seconds_ + here * static_cast<double>(std::max<int64_t>(1, record_.machine.threads));
  if (const auto joules = meter_.joules(); joules && metered_) record_.energy_joules = earlier_joules_ + *joules;
  record_.memory_peak_bytes = std::max(record_.memory_peak_bytes, peak_resident_bytes());
  write_file_atomic(path_, run_record_json(record_));
  note_in_ledger(record_, path_.parent_path());
}

void RunFile::finish(std::string outcome, std::string reason) {
  record_.outcome = std::move(outcome);
  record_.reason = std::move(reason);
  record_.ended = utc_now();
  update();
}

}  // namespace nuri
