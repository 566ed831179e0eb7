// The common benchmark program: every *_bench.cpp of the source folders is linked into it.
#include <benchmark/benchmark.h>

#include "base/threads.h"

int main(int argc, char** argv) {
  nuri::FlushSubnormals flush;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
