// random_model PRESET OUT: a model directory of a preset with random weights in BF16, for tools/bench_load.sh.
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "models/load.h"

int main(int argc, char** argv) {
  const nuri::FlushSubnormals flush;
  try {
    NURI_CHECK(argc == 3, "usage: nuri_random_model PRESET OUT");
    std::filesystem::create_directories(argv[2]);
    nuri::save_model(*nuri::random_model({.preset = argv[1]}), argv[2]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "nuri_random_model: %s\n", e.what());
    return 2;
  }
}
