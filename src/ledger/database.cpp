#include "ledger/database.h"

#include <sqlite3.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"

namespace nuri {
namespace {

constexpr int kWaitMs = 10'000;  // for another writer

[[noreturn]] void report(sqlite3* database, int code, const std::string& file) {
  const std::string said = database ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      fail(
          "{}: the ledger is damaged ({}); it is left as it is. Move it aside, then `nuri ledger import DIR...` makes "
          "a new one "
          "from the run.json of your runs, or `sqlite3 FILE .recover` saves what can be read",
          file, said);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      fail("{}: the ledger is held by another process for over {} s ({}); try again, or end that process", file,
           kWaitMs / 1000, said);
    case SQLITE_FULL:
      fail("{}: no space is left for the ledger ({}); make room", file, said);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
      fail(
          "{}: the ledger cannot be opened or written ({}); check path and permissions, or name another file "
          "(NURI_LEDGER, --ledger)",
          file, said);
    default:
      fail("{}: the ledger: {}", file, said);
  }
}

}  // namespace

Statement::Statement(sqlite3* database, std::string_view sql, const std::string& file)
    : database_(database), file_(file) {
  if (const int code = sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
      code != SQLITE_OK)
    report(database, code, file);
}
Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int64_t value) {
  NURI_ASSERT(sqlite3_bind_int64(statement_, ++bound_, value) == SQLITE_OK);
  return *this;
}
Statement& Statement::bind(double value) {
  const int code =
      std::isfinite(value) ? sqlite3_bind_double(statement_, ++bound_, value) : sqlite3_bind_null(statement_, ++bound_);
  NURI_ASSERT(code == SQLITE_OK);
  return *this;
}
Statement& Statement::bind(std::string_view value) {
  NURI_ASSERT(sqlite3_bind_text(statement_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT) ==
              SQLITE_OK);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) report(database_, code, file_);
  return false;
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::number(int column) const { return sqlite3_column_double(statement_, column); }
std::string Statement::text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  return text ? std::string(reinterpret_cast<const char*>(text),
                            static_cast<size_t>(sqlite3_column_bytes(statement_, column)))
              : "";
}

Database::Database(const std::filesystem::path& path, Open open) : file_(path.string()) {
  if (open == Open::write && path.has_parent_path()) {
    std::error_code failed;
    std::filesystem::create_directories(path.parent_path(), failed);
    NURI_CHECK(!failed,
               "{}: the directory of the ledger cannot be made ({}); name another file (NURI_LEDGER, --ledger)",
               path.string(), failed.message());
  }
  const int flags = open == Open::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
  const int code = sqlite3_open_v2(file_.c_str(), &database_, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  try {
    if (code != SQLITE_OK) report(database_, code, file_);
    sqlite3_busy_timeout(database_, kWaitMs);
    // A commit is on the disk before it returns. The journal is SQLite's first, a file beside: the log of writes (WAL)
    // that readers would not wait for needs shared memory, which home directories over a network lack.
    run("PRAGMA synchronous=FULL");
  } catch (...) {
    sqlite3_close(database_);
    throw;
  }
}
Database::~Database() { sqlite3_close(database_); }

void Database::run(const char* sql) {
  if (const int code = sqlite3_exec(database_, sql, nullptr, nullptr, nullptr); code != SQLITE_OK)
    report(database_, code, file_);
}

std::string Database::check() {
  Statement s = prepare("PRAGMA integrity_check");
  return s.step() ? s.text(0) : "no answer";
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const Error&) {  // the error that led here is the one to tell
  }
}
void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace nuri
