#include "ledger/run_record.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/threads.h"
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

RunFile::RunFile(std::filesystem::path path, RunRecord record, bool resumed)
    : path_(std::move(path)), record_(std::move(record)), started_at_(now()) {
  record_.commit = build_commit();
  record_.started = utc_now();
  if (resumed && fs::exists(path_)) {
    const RunRecord earlier = read_run_record(path_);
    record_.started = earlier.started;
    record_.sessions = earlier.sessions + 1;
    earlier_seconds_ = earlier.seconds;
  }
  update();
}

double RunFile::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void RunFile::update() {
  record_.seconds = earlier_seconds_ + (now() - started_at_);
  record_.memory_peak_bytes = std::max(record_.memory_peak_bytes, peak_resident_bytes());
  write_file_atomic(path_, run_record_json(record_));
}

void RunFile::finish(std::string outcome, std::string reason) {
  record_.outcome = std::move(outcome);
  record_.reason = std::move(reason);
  record_.ended = utc_now();
  update();
}

}  // namespace nuri
