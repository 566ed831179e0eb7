#include "io/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace nuri {
namespace {

constexpr std::string_view kPrefix = "step-", kPartial = ".partial", kRemoved = ".removed";
constexpr const char* kList = "trainer/files.json";
constexpr uint64_t kMaxFiles = 1'000'000;

/// Runs a file system call of the library and turns its error into ours.
template <class F>
auto attempt(const char* what, const fs::path& path, F&& call) {
  std::error_code error;
  auto result = call(error);
  NURI_CHECK(!error, "{}: cannot {} ({}); check space and permissions", path.string(), what, error.message());
  return result;
}

void rename_path(const fs::path& from, const fs::path& to) {
  attempt("rename into place", to, [&](std::error_code& error) { return fs::rename(from, to, error), 0; });
}

void remove_tree(const fs::path& path) {
  attempt("remove", path, [&](std::error_code& error) { return fs::remove_all(path, error); });
}

/// The step of "step-000123", or nothing.
std::optional<int64_t> step_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  int64_t step = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || step < 0) return std::nullopt;
  return checkpoint_name(step).substr(kPrefix.size()) == name ? std::optional(step) : std::nullopt;
}

/// Regular files under a directory by relative name, with their sizes; directories appended to `directories`.
std::map<std::string, uint64_t> files_under(const fs::path& root, std::vector<fs::path>& directories) {
  std::map<std::string, uint64_t> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_directory() && !entry.is_symlink()) {
      directories.push_back(entry.path());
    } else {
      NURI_ASSERT(entry.is_regular_file() && !entry.is_symlink(), "{}", entry.path().string());
      files[fs::relative(entry.path(), root).generic_string()] = entry.file_size();
    }
  }
  return files;
}

bool whole(const fs::path& directory, std::string* reason = nullptr) {
  try {
    check_checkpoint(directory);
    return true;
  } catch (const Error& error) {
    if (reason) *reason = error.what();
    return false;
  }
}

void remove_checkpoint(const fs::path& directory) {
  fs::path aside = directory;
  aside += kRemoved;
  remove_tree(aside);
  rename_path(directory, aside);
  remove_tree(aside);
}

}  // namespace

std::string checkpoint_name(int64_t step) { return fmt::format("{}{:06}", kPrefix, step); }

CheckpointWriter::CheckpointWriter(const fs::path& root, int64_t step)
    : root_(root), partial_(root / checkpoint_name(step)), final_(partial_) {
  partial_ += kPartial;
  if (fs::exists(final_)) {
    NURI_CHECK(!whole(final_), "{}: this checkpoint exists already; remove it or choose another directory",
               final_.string());
    remove_checkpoint(final_);
  }
  remove_tree(partial_);
  attempt("create", partial_,
          [&](std::error_code& error) { return fs::create_directories(partial_ / "trainer", error); });
}

CheckpointWriter::~CheckpointWriter() {
  std::error_code ignored;  // what stays is removed by the next run
  if (!committed_) fs::remove_all(partial_, ignored);
}

void CheckpointWriter::write(std::string_view relative, std::string_view bytes) const {
  write_file_atomic(partial_ / relative, bytes);
}

void CheckpointWriter::copy(const fs::path& from, std::string_view relative) const {
  const MappedFile source(from);
  write(relative, source.text());
}

fs::path CheckpointWriter::commit() {
  NURI_ASSERT(!committed_);
  std::vector<fs::path> directories;
  const std::map<std::string, uint64_t> files = files_under(partial_, directories);
  for (const auto& [name, bytes] : files) sync_path(partial_ / name);
  write(kList, json_text(Json{{"files", files}}));
  for (const fs::path& directory : directories) sync_path(directory);
  sync_path(partial_);
  rename_path(partial_, final_);
  committed_ = true;
  sync_path(root_);
  return final_;
}

void check_checkpoint(const fs::path& directory) {
  const fs::path list = directory / kList;
  NURI_CHECK(fs::exists(list), "{}: not a whole checkpoint ({} is missing); choose another one", directory.string(),
             kList);
  const Json json = read_json_file(list, {.max_bytes = 1 << 28, .max_depth = 8, .max_values = kMaxFiles});
  const JsonObject files = JsonObject(json, list.string()).object("files");
  for (const auto& [name, unused] : json.at("files").items()) {
    const uint64_t bytes = static_cast<uint64_t>(files.integer(name, 0, INT64_MAX));
    std::error_code error;
    const uint64_t found = fs::file_size(directory / name, error);
    NURI_CHECK(!error, "{}: cannot be read ({}); the checkpoint is damaged: choose another one",
               (directory / name).string(), error.message());
    NURI_CHECK(found == bytes, "{}: {} bytes, {} were written; the checkpoint is damaged: choose another one",
               (directory / name).string(), found, bytes);
  }
}

std::vector<CheckpointInfo> list_checkpoints(const fs::path& root) {
  std::vector<CheckpointInfo> out;
  if (!fs::is_directory(root)) return out;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    const auto step = step_of(entry.path().filename().string());
    if (step && entry.is_directory()) out.push_back({*step, entry.path()});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return out;
}

std::optional<CheckpointInfo> latest_checkpoint(const fs::path& root, std::vector<std::string>* skipped) {
  const std::vector<CheckpointInfo> all = list_checkpoints(root);
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    std::string reason;
    if (whole(it->directory, &reason)) return *it;
    if (skipped) skipped->push_back(reason);
  }
  return std::nullopt;
}

std::vector<int64_t> prune_checkpoints(const fs::path& root, const KeepPolicy& policy) {
  NURI_ASSERT(policy.last >= 1 && policy.every >= 0);
  std::vector<CheckpointInfo> good;
  for (CheckpointInfo& info : list_checkpoints(root)) {
    if (whole(info.directory)) good.push_back(std::move(info));
  }
  std::vector<int64_t> removed;
  for (size_t i = 0; i + static_cast<size_t>(policy.last) < good.size(); ++i) {
    const int64_t step = good[i].step;
    if ((policy.every > 0 && step % policy.every == 0) || policy.best == step) continue;
    remove_checkpoint(good[i].directory);
    removed.push_back(step);
  }
  return removed;
}

int64_t clean_leftovers(const fs::path& root) {
  std::vector<fs::path> leftovers;
  if (!fs::is_directory(root)) return 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    for (const std::string_view ending : {kPartial, kRemoved}) {
      if (name.ends_with(ending) && step_of(std::string_view(name).substr(0, name.size() - ending.size()))) {
        leftovers.push_back(entry.path());
      }
    }
  }
  std::sort(leftovers.begin(), leftovers.end());
  for (const fs::path& path : leftovers) remove_tree(path);
  return static_cast<int64_t>(leftovers.size());
}

}  // namespace nuri
