// The step from a checkpoint to a model directory.
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "io/checkpoint.h"
#include "io/model_files.h"

namespace nuri {
namespace {

constexpr const char* kConfig = "config.json";

/// Links or copies `from` to `to` through a temporary name beside it.
void place(const fs::path& from, const fs::path& to) {
  fs::path aside = to;
  aside += ".partial";
  std::error_code error;
  fs::remove(aside, error);
  fs::create_hard_link(from, aside, error);
  if (error) {  // another file system, or one without links
    write_file_atomic(to, MappedFile(from).text());
    return;
  }
  fs::rename(aside, to, error);
  NURI_CHECK(!error, "{}: cannot rename into place ({}); check the permissions", to.string(), error.message());
}

bool holds_weights(const std::string& name) { return name.ends_with(".safetensors") || name == kIndexName; }

std::vector<std::string> file_names(const fs::path& directory) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    if (entry.is_regular_file()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

void publish_model(const fs::path& checkpoint, const fs::path& out) {
  std::error_code error;
  fs::create_directories(out, error);
  NURI_CHECK(!error, "{}: cannot create ({}); choose another directory", out.string(), error.message());
  if (fs::remove(out / kConfig, error)) sync_path(out);
  const std::vector<std::string> names = file_names(checkpoint);
  for (const std::string& old : file_names(out)) {  // shards of an earlier model must not be found beside the new ones
    if (holds_weights(old) && !std::binary_search(names.begin(), names.end(), old)) fs::remove(out / old, error);
  }
  for (const std::string& name : names) {
    if (name != kConfig) place(checkpoint / name, out / name);
  }
  sync_path(out);
  place(checkpoint / kConfig, out / kConfig);
  sync_path(out);
}

}  // namespace nuri
