#!/usr/bin/env bash
# The summary of `./run test` must name every failure and every skip with its reason, and fail where it has to.
set -euo pipefail
summary=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../tools/test_summary.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: >"$scratch/none"
: >"$scratch/extra"

junit() { # junit SKIP_REASON [STATE_OF_LAST]
  cat <<XML
<testsuite name="x" tests="3">
	<testcase name="A.Passes" classname="A.Passes" time="0.1" status="run">
		<system-out>fine</system-out>
	</testcase>
	<testcase name="B.Skips" classname="B.Skips" time="0.1" status="notrun">
		<skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
		<system-out>[ RUN      ] B.Skips
b_test.cpp:7: Skipped
$1
[  SKIPPED ] B.Skips (0 ms)</system-out>
	</testcase>
	<testcase name="C.Last&lt;int&gt;" classname="C" time="0.1" status="${2:-run}">
		<system-out>SKIPPED: not this one</system-out>
	</testcase>
</testsuite>
XML
}
expect() { # expect EXIT_CODE WORDS CI SHARED CTEST_STATUS
  local code=0 out
  out=$(CI=$3 NURI_SHARED=$4 "$summary" "$scratch/junit.xml" "$scratch/extra" "$5" 9 2>&1) || code=$?
  if [ "$code" -ne "$1" ] || [[ $out != *"$2"* ]]; then
    printf 'expected exit code %s and "%s", got %s:\n%s\n' "$1" "$2" "$code" "$out"
    exit 1
  fi
}
junit 'this machine lacks the level &quot;avx512&quot;' >"$scratch/junit.xml"
expect 0 'summary: 2 passed, 0 failed, 1 skipped in 9 s' 1 "$scratch/absent" 0
expect 0 'skipped  B.Skips: this machine lacks the level "avx512"' 1 "$scratch/absent" 0
expect 1 'ctest ended with status 8' '' "$scratch/absent" 8
junit 'the moon is in the wrong place' >"$scratch/junit.xml"
expect 0 '2 passed, 0 failed, 1 skipped' '' "$scratch/absent" 0
expect 1 'FAILED   B.Skips: this skip is not listed' 1 "$scratch/absent" 0
junit 'the shared data directory is absent' >"$scratch/junit.xml"
expect 0 '1 skipped in' 1 "$scratch/absent" 0
expect 1 '1 skipped (1 of them not allowed)' 1 "$scratch" 0
expect 1 'FAILED   B.Skips: skipped for want of the shared data' '' "$scratch" 0
junit 'this machine lacks the level' fail >"$scratch/junit.xml"
expect 1 'FAILED   C.Last<int>' '' "$scratch/absent" 8
rm "$scratch/junit.xml"
expect 1 'no test ran' '' "$scratch/absent" 0
printf 'failed\tdebug_selftest\tit printed nonsense\n' >"$scratch/extra"
expect 1 'FAILED   debug_selftest: it printed nonsense' '' "$scratch/absent" 0
echo 'the summary tells what happened'
