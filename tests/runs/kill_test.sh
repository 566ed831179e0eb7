#!/usr/bin/env bash
# Twenty SIGKILLs at instants drawn over a run, each resumed with another number of threads: the final weights are those
# of a run that nobody touched, whose page was read meanwhile. Then what is refused: a finished run, a second process, another recipe.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
prepare
start=$(date +%s%N)
exec_train "$work/whole" >/dev/null &
pid=$!
watch_page $pid "$work/whole"
wait $pid || fail "train"
[ "$pages" -ge 3 ] || fail "the page changed $pages times during the run"
for chart in 'Training loss' 'Validation by language' 'Throughput' 'Load of experts, last steps'; do
  grep -q ">$chart<" "$work/page.html" || fail "the page of the running run lacks $chart"
done
grep -q 'data-reload' "$work/whole/report.html" && fail "the page of a finished run reads itself again"
took=$(($(date +%s%N) - start))
expected=$(weights_hash "$work/whole")

kills=0
seed=20250101
for attempt in $(seq 1 400); do
  seed=$(((seed * 1103515245 + 12345) % 2147483648))
  # Up to a fourteenth of the whole run's time: twenty lives do not finish it, and start-up is killed too.
  delay=$(awk -v ns="$took" -v r="$seed" 'BEGIN { printf "%.4f", 0.02 + r / 2147483648 * ns / 14e9 }')
  export NURI_THREADS=$((attempt % 3 + 1))
  exec_train "$work/killed" --resume >/dev/null 2>"$work/err" &
  pid=$!
  sleep "$delay"
  if [ $kills -lt 20 ] && kill -KILL $pid 2>/dev/null; then
    kills=$((kills + 1))
    wait $pid 2>/dev/null || true
    continue
  fi
  wait $pid || { grep -q 'is finished' "$work/err" || fail "resuming failed: $(cat "$work/err")"; }
  [ -f "$work/killed/run.json" ] && grep -q '"outcome": "finished"' "$work/killed/run.json" && break
done
[ $kills -ge 20 ] || echo "the run finished after $kills kills"
[ $kills -ge 8 ] || fail "only $kills kills happened before the run was finished"
[ "$(weights_hash "$work/killed")" = "$expected" ] || fail "killed $kills times: $(weights_hash "$work/killed"), untouched: $expected"
"$nuri" diff "$work/whole" "$work/killed" >/dev/null || fail "nuri diff finds a difference"

train "$work/whole" --resume >/dev/null 2>"$work/err" && fail "a finished run was continued"
grep -q 'finished' "$work/err" || fail "a finished run: $(cat "$work/err")"

# One process a run: the second one is refused while the first lives.
exec_train "$work/locked" --set steps=2000 >/dev/null 2>&1 &
pid=$!
for _ in $(seq 1 100); do
  [ -f "$work/locked/log.jsonl" ] && break
  sleep 0.05
done
train "$work/locked" --resume >/dev/null 2>"$work/err" && fail "two processes shared a run"
grep -q "$pid" "$work/err" || fail "the lock's message does not name the process: $(cat "$work/err")"

# SIGTERM: the step ends, everything is saved, exit code 130; another recipe is refused, the same one goes on.
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "SIGTERM: exit code $code"
grep -q '"outcome": "stopped"' "$work/locked/run.json" || fail "SIGTERM: run.json does not say stopped"
train "$work/locked" --resume --set steps=2000 --set lr=1e-3 >/dev/null 2>"$work/err" && fail "another learning rate was accepted"
grep -q 'lr: ' "$work/err" || fail "the changed key is not named: $(cat "$work/err")"
echo "killed $kills times, final weights $expected"
