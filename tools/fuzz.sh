#!/usr/bin/env bash
# fuzz.sh [--minutes N | --seconds N] [TARGET]...: runs each fuzz target of build-sanitize for that long (one minute
# without an option), from the kept seeds of tests/fuzz/TARGET, into a scratch corpus of build-sanitize/fuzz. An input that
# crashes, hangs or takes too much memory is kept there and fails the run: mend the fault, then keep the input as a seed.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
seconds=60
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --minutes | --seconds)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || wrong_use "fuzz: $1 needs a positive whole number, found '${2:-}'"
      seconds=$2
      [ "$1" = --seconds ] || seconds=$((seconds * 60))
      shift
      ;;
    -*) wrong_use "fuzz: unknown option '$1' (allowed: --minutes N, --seconds N)" ;;
    *) targets+=("$1") ;;
  esac
  shift
done
mapfile -t known < <(find src -name '*_fuzz.cpp' -printf '%f\n' | sed 's/\.cpp$//' | LC_ALL=C sort)
[ ${#targets[@]} -gt 0 ] || targets=("${known[@]}")

export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
results=build-sanitize/fuzz
mkdir -p "$results"

# fuzz_one TARGET: a line with the executions and the features covered, or the end of the log of a failure.
fuzz_one() {
  local target=$1 program
  program=$(find build-sanitize/src -type f -name "$target" -perm -u+x | head -n 1)
  [ -n "$program" ] || { echo "$target: no such fuzz target in build-sanitize"; return 1; }
  mkdir -p "$results/$target/corpus" "$results/$target/failures"
  if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="$results/$target/failures/" "$results/$target/corpus" "tests/fuzz/$target" \
    >"$results/$target/log" 2>&1; then
    awk -v target="$target" '
      /^stat::number_of_executed_units/ { runs = $2 }
      match($0, /cov: [0-9]+/) { cov = substr($0, RSTART + 5, RLENGTH - 5) }
      END { printf "%-24s %10d runs, %6d edges covered, no failure\n", target, runs, cov }' "$results/$target/log"
  else
    tail -n 40 "$results/$target/log"
    echo "$target FAILED: inputs in $results/$target/failures, whole log in $results/$target/log"
    return 1
  fi
}
export -f fuzz_one
export seconds results
say "${#targets[@]} fuzz targets, $seconds s each, $(nproc) at a time"
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz_one "$1"' _ {} || exit 1
