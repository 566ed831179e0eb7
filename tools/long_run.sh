#!/usr/bin/env bash
# long_run.sh RECIPE DATA OUT [--set key=value]...: trains for hours as a user would, and says whether the hours were calm.
# Once half of the steps are done the run is killed (SIGKILL) right after a checkpoint and resumed; a second process writes the
# report every minute; the anonymous memory is looked at every ten seconds.
# Judged (exit code 1 where one does not hold), and written with CPU and commit into docs/numbers/LEVEL/hours.json (NUMBERS
# names another directory than docs/numbers):
#   slope    of the anonymous memory, MB an hour: at most 5; a run too short to tell fails. Looked at from ten minutes after each
#            start on, and not before the process has saved and sampled once: their memory, which the plan counts, is taken then
#   slower   median time of a token in the last tenth of the steps against the second: at most 1.1 (neighbours move it)
#   stall    longest time that steps stood still for a checkpoint: at most 1 s; the last checkpoint, which no step waits for,
#            stands apart
#   reports  none is torn
# Validation by source, of the log's last one, is written beside it, and into hours_score.json what `nuri score --trigram` says
# of the same text: the model against counting, by source. DATA should have its files as sources (`nuri data build TEXT/*`).
# Interrupted, the same command goes on where the run is; what was sampled before is kept. --judge OUT judges a run that ended.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
nuri=${NURI:-build/nuri}
[ -x "$nuri" ] || die "long_run: there is no $nuri yet; ./run build makes it"
judge_only=
if [ "${1:-}" = --judge ]; then
  [ $# -eq 2 ] || wrong_use "long_run: --judge OUT"
  judge_only=1 out=$2
else
  [ $# -ge 3 ] || wrong_use "long_run: RECIPE, DATA and OUT are needed"
  recipe=$1 data=$2 out=$3
  shift 3
fi
numbers=${NUMBERS:-docs/numbers}
watch=$out.watch # samples of memory and of reports, beside the run

# part N OPTIONS...: one process of the run with its two observers. The first is killed.
part() {
  local number=$1 pid code=0
  shift
  "$nuri" train "$recipe" --data "$data" --out "$out" "$@" &
  pid=$!
  (while kill -0 $pid 2>/dev/null; do
    anonymous=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$pid/status" 2>/dev/null) || true
    [ -z "$anonymous" ] || printf '%s %s %s\n' "$number" "$(date +%s)" "$anonymous" >>"$watch/memory"
    sleep 10
  done) &
  (while sleep 60 && kill -0 $pid 2>/dev/null; do
    if "$nuri" report "$out" >/dev/null 2>&1 && tail -c 20 "$out/report.html" | grep -q '</html>'; then
      echo whole
    else
      echo torn
    fi >>"$watch/reports"
  done) &
  while [ "$number" = 1 ] && kill -0 $pid 2>/dev/null; do
    [ "$(saved_after_half)" = 0 ] || { kill -9 $pid; break; }
    sleep 5
  done
  wait $pid || code=$?
  [ $code -eq 0 ] || [ "$code$number" = 1371 ] || die "long_run: the run ended with exit code $code"
}
# How many checkpoints were saved after half of the steps.
saved_after_half() {
  [ -f "$out/log.jsonl" ] || { echo 0; return; }
  grep -o '^{"kind":"save","step":[0-9]*' "$out/log.jsonl" | awk -F: -v half=$((steps / 2)) '$NF >= half { ++n } END { print n + 0 }'
}

if [ -z "$judge_only" ]; then
  mkdir -p "$watch"
  steps=$("$nuri" train "$recipe" --data "$data" --out "$out" --print-config "$@" | sed -n 's/^steps = \([0-9]*\).*/\1/p')
  [ "${steps:-0}" -gt 0 ] || wrong_use "long_run: give the number of steps: --set steps=N"
  if [ ! -e "$out/log.jsonl" ]; then
    part 1 "$@"
  elif [ "$(saved_after_half)" = 0 ]; then
    part 1 --resume "$@"
  fi
  part 2 --resume "$@"
fi

# Seconds of each process's steps up to its first checkpoint and first samples; what lies between the steps is the margin below.
duties=$(jq -nRr '[inputs | fromjson?] as $rows | [$rows[] | select(.kind == "step")] as $steps |
  ([$rows[] | select(.kind == "save" and .step >= $steps[-1].step / 2).step][0] // 0) as $kill |
  def until($low; $high): [("save", "sample") as $kind | [$rows[] | select(.kind == $kind and .step > $low and .step <= $high).step][0]] |
    max as $last | [$steps[] | select(.step > $low and .step <= ($last // $low)).seconds] | add // 0;
  "\(until(0; $kill)) \(until($kill; 1e18))"' "$out/log.jsonl")
slope=$(awk -v duties="$duties" '
  BEGIN { split(duties, duty, " ") }
  !($1 in first) { first[$1] = $2 }
  $2 >= first[$1] + 600 && $2 >= first[$1] + duty[$1] + 120 {
    x = ($2 - first[$1]) / 3600; y = $3 * 1024 / 1e6
    ++n[$1]; sx[$1] += x; sy[$1] += y; sxx[$1] += x * x; sxy[$1] += x * y
  }
  END {
    worst = "null" # a run too short to tell
    for (p in n) if (n[p] > 10) {
      s = (n[p] * sxy[p] - sx[p] * sy[p]) / (n[p] * sxx[p] - sx[p] ^ 2)
      s = sprintf("%.3f", s)
      if (worst == "null" || s + 0 > worst + 0) worst = s
    }
    print worst
  }' "$watch/memory")
most=$(awk '$3 > m { m = $3 } END { print m * 1024 }' "$watch/memory")
machine=$("$nuri" info --json)
result=$(jq -nR --argjson slope "$slope" --argjson most "$most" --argjson torn "$(grep -c torn "$watch/reports" || true)" \
  --argjson reports "$(wc -l <"$watch/reports")" --argjson record "$(jq -c '{memory_planned_bytes, results, outcome, commit}' "$out/run.json")" \
  --argjson machine "$(jq -c '{cpu, level, threads}' <<<"$machine")" '
  def median: sort | .[length / 2 | floor];
  [inputs | fromjson?] as $rows | [$rows[] | select(.kind == "step")] as $steps | [$rows[] | select(.kind == "save")] as $saves |
  [range(10) as $i | $steps[($i * ($steps | length) / 10 | floor):(($i + 1) * ($steps | length) / 10 | floor)] |
    map(.step_tokens / .seconds) | median] as $tenths |
  $machine + {commit: $record.commit, outcome: $record.outcome, steps: ($steps | length), tokens: $steps[-1].tokens,
    hours: (([$steps[].seconds] | add) / 3600), tokens_per_s_of_tenths: $tenths, slower: ($tenths[1] / $tenths[-1]),
    slope_mb_per_hour: $slope, anonymous_bytes: $most, planned_bytes: $record.memory_planned_bytes,
    saves: ($saves | length), longest_stall_s: ([$saves[].stall_seconds] | max), last_save_s: $saves[-1].end_seconds,
    bits_per_byte_by_source: ([$rows[] | select(.kind == "eval" and (.ema | not))][-1].by_source), reports: $reports, torn_reports: $torn,
    bits_per_byte: $record.results.bits_per_byte}' "$out/log.jsonl")
directory=$numbers/$(jq -r '.level | split(" ")[0]' <<<"$machine")
mkdir -p "$directory"
# written FILE: standard input, sorted, in place of the one before
written() {
  jq -S . >"$directory/$1.new"
  mv "$directory/$1.new" "$directory/$1"
}
written hours.json <<<"$result"
data=$(jq -r '.places[] | select(startswith("data=")) | .[5:]' "$out/run.json")
length=$(sed -n 's/^length = \([0-9]*\).*/\1/p' "$out/recipe.toml")
if "$nuri" score "$out" --data "$data" --length "$length" --trigram --json |
  jq --argjson machine "$(jq -c '{cpu, level}' <<<"$machine")" --argjson commit "$(jq .commit "$out/run.json")" \
    '. + $machine + {commit: $commit}' | written hours_score.json; then
  [ "$(jq '.by_source | length' "$directory/hours_score.json")" -gt 1 ] ||
    say "long_run: $data has one source; give 'nuri data build' the files by name to see each apart"
else
  rm -f "$directory/hours_score.json.new"
  say "long_run: no score beside the trigram (its message stands above): run 'nuri score $out --data SHARDS --trigram' by hand"
fi
jq . <<<"$result"
jq -e '.slope_mb_per_hour != null and .slope_mb_per_hour <= 5 and .slower <= 1.1 and .longest_stall_s <= 1 and .torn_reports == 0 and .reports > 0 and
  .outcome == "finished"' <<<"$result" >/dev/null || { say "long_run: not calm (see the limits above)"; exit 1; }
