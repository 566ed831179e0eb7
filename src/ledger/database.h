// A SQLite database: statements with bound values, transactions, errors with a remedy.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace nuri {

class Statement {
 public:
  Statement(sqlite3* database, std::string_view sql, const std::string& file);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int64_t value);
  Statement& bind(int value) { return bind(static_cast<int64_t>(value)); }
  Statement& bind(double value);  ///< not finite: NULL
  Statement& bind(std::string_view value);
  Statement& bind(const char* value) { return bind(std::string_view(value)); }
  /// Whether there is a row.
  bool step();
  void run() {
    while (step()) {
    }
  }
  int64_t integer(int column) const;
  double number(int column) const;
  std::string text(int column) const;

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  const std::string& file_;
  int bound_ = 0;
};

/// Errors name the file and say what to do: no database, damaged, locked for ten seconds, no permission, full disk.
class Database {
 public:
  enum class Open : uint8_t { read, write };  ///< write makes the file and its directory where they are missing
  Database(const std::filesystem::path& path, Open open);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Statement prepare(std::string_view sql) { return Statement(database_, sql, file_); }
  /// Statements without values, separated by semicolons.
  void run(const char* sql);
  /// "ok", or what SQLite's integrity check found.
  std::string check();
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  sqlite3* database_ = nullptr;
};

/// All or nothing: rolled back unless commit() is reached.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) { database_.run("BEGIN IMMEDIATE"); }
  ~Transaction();
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace nuri
