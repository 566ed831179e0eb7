#!/usr/bin/env bash
# test_summary.sh JUNIT EXTRA CTEST_STATUS SECONDS: prints passed, failed, skipped and why; the exit code is the verdict.
# A skip for want of the shared data fails where that data is present; with CI set, a skip that tests/may_skip.txt does
# not list with its reason fails too.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
junit=$1 extra=$2 ctest_status=$3 seconds=$4
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

# One row a test: state, name, reason. The reason of a skip is the line after gtest's "Skipped", or after "SKIPPED:".
if [ -f "$junit" ]; then
  awk '
    function text(s) {
      gsub(/&lt;/, "<", s); gsub(/&gt;/, ">", s); gsub(/&quot;/, "\"", s); gsub(/&apos;/, "\x27", s); gsub(/&amp;/, "\\&", s)
      return s
    }
    /<testcase / {
      name = $0; sub(/.*<testcase name="/, "", name); sub(/".*/, "", name)
      state = "passed"; reason = ""; next_is_reason = 0
      if ($0 ~ /status="disabled"/) state = "skipped"
      if ($0 ~ /status="fail"/) state = "failed"
    }
    /<skipped/ { state = "skipped" }
    /<failure/ { state = "failed" }
    next_is_reason && reason == "" && NF { reason = $0; next_is_reason = 0 }
    /: Skipped$/ && state == "skipped" { next_is_reason = 1 }
    /SKIPPED: / && state == "skipped" && reason == "" { reason = $0; sub(/.*SKIPPED: /, "", reason); sub(/<\/system-out>.*/, "", reason) }
    /<\/testcase>/ {
      if (state == "skipped" && reason == "") reason = "no reason printed"
      printf "%s\t%s\t%s\n", state, text(name), text(reason)
    }' "$junit" >"$rows"
fi
cat "$extra" >>"$rows"

shared=${NURI_SHARED:-../shared}
awk -F'\t' -v ci="${CI:-}" -v shared_present="$([ -d "$shared" ] && echo 1)" -v status="$ctest_status" -v seconds="$seconds" '
  FNR == NR {  # tests/may_skip.txt: regular expression of the name, "|", regular expression of the reason
    at = index($0, " | ")
    if ($0 ~ /^#/ || at == 0) next
    n++; name_re[n] = "^(" substr($0, 1, at - 1) ")$"; reason_re[n] = substr($0, at + 3)
    next
  }
  { count[$1]++ }
  $1 == "failed" { failed = failed "  FAILED   " $2 ($3 == "" ? "" : ": " $3) "\n" }
  $1 == "skipped" {
    listed = 0
    for (i = 1; i <= n; i++) if ($2 ~ name_re[i] && $3 ~ reason_re[i]) listed = 1
    skipped = skipped "  skipped  " $2 ": " $3 "\n"
    before = failed
    if (shared_present && $3 ~ /shared data directory is absent/)
      failed = failed "  FAILED   " $2 ": skipped for want of the shared data, which is present\n"
    else if (ci != "" && !listed)
      failed = failed "  FAILED   " $2 ": this skip is not listed in tests/may_skip.txt (" $3 ")\n"
    if (failed != before) forbidden++
  }
  END {
    printf "\n%s%s", skipped, failed
    printf "summary: %d passed, %d failed, %d skipped%s in %d s\n", count["passed"], count["failed"], count["skipped"],
      forbidden ? " (" forbidden " of them not allowed)" : "", seconds
    if (count["passed"] + count["failed"] == 0) { print "no test ran"; exit 1 }
    if (failed == "" && status != 0) { print "ctest ended with status " status; exit 1 }
    exit failed != ""
  }' tests/may_skip.txt "$rows"
