// x1_hashes [--write FILE] [PREFIX]: the hashes of profile x1 at the active level (NURI_CPU), compared with the
// committed ones; with --write they are put into FILE. Exit code 1 where one differs, 77 where the machine lacks the
// level.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "backend/cpu/levels.h"
#include "backend/selftest.h"
#include "base/error.h"
#include "base/file.h"

int main(int argc, char** argv) try {
  using namespace nuri;
  std::string file, prefix;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--write") == 0 && i + 1 < argc)
      file = argv[++i];
    else
      prefix = argv[i];
  }
  if (const char* wanted = std::getenv("NURI_CPU"))
    for (int i = 0; i < cpu::kLevels; ++i) {
      const auto level = static_cast<cpu::Level>(i);
      if (cpu::level_name(level) != wanted || cpu::level_available(level)) continue;
      std::printf("SKIPPED: this machine lacks the level %s\n", wanted);
      return 77;
    }
  const auto lines = run_selftest(prefix);
  for (const SelftestLine& line : lines)
    std::printf("%-44s %016llx %s\n", line.name.c_str(), static_cast<unsigned long long>(line.hash),
                std::string(verdict_name(line.verdict)).c_str());
  if (!file.empty()) write_file_atomic(file, with_hashes(read_file(file), lines));
  std::printf("level %s: %s\n", std::string(cpu::level_name(cpu::active_level())).c_str(),
              selftest_passed(lines) ? "no hash differs" : "hashes differ");
  return selftest_passed(lines) || !file.empty() ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
