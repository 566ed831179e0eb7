#include "ledger/ledger.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace nuri {
namespace {

constexpr int64_t kVersion = 1;
constexpr const char* kTables = R"sql(
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rates(date TEXT PRIMARY KEY, won_per_usd REAL NOT NULL);
CREATE TABLE IF NOT EXISTS runs(
  id TEXT PRIMARY KEY, project TEXT, kind TEXT, directory TEXT, who TEXT, host TEXT, started TEXT, ended TEXT, outcome TEXT,
  family TEXT, parent TEXT, seconds REAL, device_seconds REAL, tokens INTEGER, flops REAL, energy_wh REAL, energy_measured INTEGER,
  pid INTEGER, pid_started TEXT, record TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS runs_by_start ON runs(started);
)sql";

/// When a process began, in ticks since the machine did: with the number it names a process for good. "" where there is
/// none, or it has ended and its parent has not looked.
std::string process_start(int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string stat;
  std::getline(file, stat);
  size_t at = stat.rfind(')');  // the name may hold anything
  if (at == std::string::npos || stat.compare(at, 4, ") Z ") == 0 || stat.compare(at, 4, ") X ") == 0) return "";
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
  if (at == std::string::npos) return "";
  return stat.substr(at + 1, stat.find(' ', at + 1) - at - 1);
}

std::string host_name() {
  char host[256] = {};
  return ::gethostname(host, sizeof host - 1) == 0 ? host : "";
}

/// The outcome of a run whose process is gone.
std::string outcome_left(const LedgerRun& run, bool known) {
  try {
    // A process that could not reach the ledger at its end wrote here.
    const RunRecord r = read_run_record(std::filesystem::path(run.directory) / "run.json");
    if (r.id == run.record.id && r.outcome != "running") return r.outcome;
  } catch (const std::exception&) {  // moved or removed
  }
  return known ? "killed" : "unknown";
}

constexpr double kAgain = 60;  // seconds before a ledger that failed is tried again
std::filesystem::path g_path;
bool g_warned = false;
double g_failed = -kAgain;

}  // namespace

Ledger::Ledger(const std::filesystem::path& path, Database::Open open) : database_(path, open) {
  if (open == Database::Open::read) {
    NURI_CHECK(database_.prepare("SELECT 1 FROM sqlite_master WHERE name = 'runs'").step(),
               "{}: this is no ledger of runs; `nuri ledger import DIR...` makes one", path.string());
  } else {
    NURI_CHECK(!database_.prepare("SELECT 1 FROM sqlite_master").step() ||
                   database_.prepare("SELECT 1 FROM sqlite_master WHERE name = 'runs'").step(),
               "{}: this is a database of something else; name another file (NURI_LEDGER, --ledger)", path.string());
    Transaction all(database_);
    database_.run(kTables);
    database_.prepare("INSERT OR IGNORE INTO meta VALUES('version', ?)").bind(std::to_string(kVersion)).run();
    all.commit();
  }
  Statement s = database_.prepare("SELECT value FROM meta WHERE key = 'version'");
  const int64_t version = s.step() ? std::atoll(s.text(0).c_str()) : 0;
  NURI_CHECK(version == kVersion, "{}: a ledger of version {}; this program knows {}: use the nuri that wrote it",
             path.string(), version, kVersion);
}

void Ledger::put(const RunRecord& record, const std::filesystem::path& directory) { write(record, directory, true); }
void Ledger::import(const RunRecord& record, const std::filesystem::path& directory) {
  write(record, directory, false);
}

void Ledger::write(const RunRecord& r, const std::filesystem::path& directory, bool own) {
  std::error_code unknown;
  const std::string place =
      directory.empty() ? "" : std::filesystem::absolute(directory, unknown).lexically_normal().string();
  const double device_seconds = r.thread_seconds > 0
                                    ? r.thread_seconds
                                    : r.seconds * static_cast<double>(std::max<int64_t>(1, r.machine.threads));
  const bool here = own && r.outcome == "running";
  const bool measured = r.energy_joules > 0;
  const int64_t pid = here ? static_cast<int64_t>(::getpid()) : 0;
  Transaction all(database_);
  database_
      .prepare(
          "INSERT INTO runs VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET "
          "project=excluded.project, kind=excluded.kind, directory=excluded.directory, ended=excluded.ended, "
          "outcome=excluded.outcome, "
          "family=excluded.family, parent=excluded.parent, seconds=excluded.seconds, "
          "device_seconds=excluded.device_seconds, "
          "tokens=excluded.tokens, flops=excluded.flops, energy_wh=excluded.energy_wh, "
          "energy_measured=excluded.energy_measured, "
          "pid=CASE ?21 WHEN 1 THEN excluded.pid ELSE pid END, "
          "pid_started=CASE ?21 WHEN 1 THEN excluded.pid_started ELSE pid_started END, record=excluded.record "
          "WHERE ?21 = 1 OR (outcome <> 'finished' AND excluded.seconds > seconds) OR (excluded.seconds = seconds AND "
          "outcome = 'running')")
      .bind(r.id)
      .bind(r.project)
      .bind(r.kind)
      .bind(place)
      .bind(r.who)
      .bind(r.host)
      .bind(r.started)
      .bind(r.ended)
      .bind(r.outcome)
      .bind(r.family)
      .bind(r.parent)
      .bind(r.seconds)
      .bind(device_seconds)
      .bind(r.tokens)
      .bind(r.flops)
      .bind(measured ? r.energy_joules / 3600 : device_seconds / 3600 * kWattsOfThread)
      .bind(measured ? 1 : 0)
      .bind(pid)
      .bind(here ? process_start(pid) : "")
      .bind(run_record_json(r))
      .bind(static_cast<int64_t>(own))
      .run();
  all.commit();
}

std::vector<LedgerRun> Ledger::runs(int64_t* damaged) {
  std::vector<LedgerRun> out;
  const std::string host = host_name();
  Statement s = database_.prepare(
      "SELECT record, directory, device_seconds, energy_wh, energy_measured, pid, pid_started FROM runs ORDER BY "
      "started, rowid");
  while (s.step()) {
    LedgerRun run;
    try {
      run.record = parse_run_record(s.text(0), database_.file());
    } catch (const Error&) {
      if (damaged) ++*damaged;
      continue;
    }
    run.directory = s.text(1);
    run.device_seconds = s.number(2);
    run.energy_wh = s.number(3);
    run.energy_measured = s.integer(4) != 0;
    const int64_t pid = s.integer(5);
    if (run.record.outcome == "running" && (run.record.host == host || pid <= 0)) {
      if (pid <= 0 || s.text(6).empty() || process_start(pid) != s.text(6))
        run.record.outcome = outcome_left(run, pid > 0);
    }
    out.push_back(std::move(run));
  }
  return out;
}

std::optional<LedgerRun> Ledger::find(const std::string& wanted) {
  std::error_code unknown;
  const std::string place = std::filesystem::absolute(wanted, unknown).lexically_normal().string();
  // A directory may have seen several runs, also failed ones that left nothing: its record knows whose it is.
  std::string id;
  try {
    id = read_run_record(std::filesystem::path(wanted) / "run.json").id;
  } catch (const std::exception&) {
  }
  std::optional<LedgerRun> found;
  for (LedgerRun& run : runs()) {
    if (!id.empty() && run.record.id == id) return std::move(run);
    const bool same = run.directory == place || run.directory + "/" == place ||
                      (wanted.size() >= 6 && run.record.id.starts_with(wanted));
    const bool worse = found && found->record.outcome == "finished" && run.record.outcome != "finished";
    if (same && !worse) found = std::move(run);  // the newest, one that finished first
  }
  return found;
}

void Ledger::set_rate(const LedgerRate& rate) {
  database_.prepare("INSERT INTO rates VALUES(?,?) ON CONFLICT(date) DO UPDATE SET won_per_usd=excluded.won_per_usd")
      .bind(rate.date)
      .bind(rate.won_per_usd)
      .run();
  rates_.reset();
}

const std::vector<LedgerRate>& Ledger::rates() {
  if (rates_) return *rates_;
  rates_.emplace();
  Statement s = database_.prepare("SELECT date, won_per_usd FROM rates ORDER BY date DESC");
  while (s.step()) rates_->push_back({s.text(0), s.number(1)});
  return *rates_;
}

double Ledger::won_per_usd(const std::string& date) {
  for (const LedgerRate& rate : rates())
    if (rate.date <= date.substr(0, 10)) return rate.won_per_usd;
  return LedgerRate{}.won_per_usd;
}

double Ledger::price() {
  if (price_) return *price_;
  Statement s = database_.prepare("SELECT value FROM meta WHERE key = 'usd_per_thread_hour'");
  price_ = s.step() ? std::atof(s.text(0).c_str()) : 0;
  return *price_;
}

void Ledger::set_price(double usd) {
  database_
      .prepare("INSERT INTO meta VALUES('usd_per_thread_hour', ?) ON CONFLICT(key) DO UPDATE SET value=excluded.value")
      .bind(fmt::format("{}", usd))
      .run();
  price_.reset();
}

std::filesystem::path default_ledger_path() {
  if (const char* named = std::getenv("NURI_LEDGER"); named && *named)
    return std::string_view(named) == "none" ? "" : named;
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data)
    return std::filesystem::path(data) / "nuri" / "ledger.sqlite";
  const char* home = std::getenv("HOME");
  return home && *home ? std::filesystem::path(home) / ".local" / "share" / "nuri" / "ledger.sqlite"
                       : std::filesystem::path();
}

void use_ledger(const std::filesystem::path& path) { g_path = path; }

void note_in_ledger(const RunRecord& record, const std::filesystem::path& directory) {
  if (g_path.empty() || (record.outcome == "running" && seconds_now() < g_failed + kAgain)) return;
  try {
    Ledger(g_path).put(record, directory);
  } catch (const std::exception& error) {
    g_failed = seconds_now();
    if (!g_warned)
      fmt::print(stderr, "nuri: not noted in the ledger: {}. The run goes on; `nuri ledger import {}` notes it later\n",
                 error.what(), directory.string());
    g_warned = true;
  }
}

}  // namespace nuri
