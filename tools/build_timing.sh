#!/usr/bin/env bash
# Seconds of a full build (program alone, then tests and benchmarks too) and of one after touching a single source file.
# Works in a folder of its own, without a compiler cache.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
dir=build-timing
rm -rf "$dir"
trap 'rm -rf "$dir"' EXIT
export CCACHE_DISABLE=1
now() { date +%s%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }'; }

start=$(now)
cmake --preset release -B "$dir" -DNURI_TESTS=ON >/dev/null
printf 'configure            %8s s\n' "$(since "$start")"
start=$(now)
ninja -C "$dir" --quiet nuri
printf 'program              %8s s\n' "$(since "$start")"
start=$(now)
ninja -C "$dir" --quiet
printf 'tests and benchmarks %8s s more\n' "$(since "$start")"
for file in src/base/error.cpp src/base/error.h; do
  touch "$file"
  start=$(now)
  ninja -C "$dir" --quiet nuri
  printf 'one file touched     %8s s (%s, program)\n' "$(since "$start")" "$file"
done
printf 'with %d cores, %s\n' "$(nproc)" "$(g++ --version | head -n 1)"
