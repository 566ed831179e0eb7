#!/usr/bin/env bash
# SIGINT and SIGTERM finish the step, save, say how to continue and end with 130; a second one ends at once and leaves the
# last checkpoint as it was; SIGUSR1 saves, writes the report and goes on. The run that met all of them ends with the
# weights of one that met none.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
prepare
# Saved by signals alone; the schedule of a short run, so that the end is near.
sed -i 's/^save_every = .*/save_every = 0/; s/^eval_every = .*/eval_every = 0/; s/^steps = .*/steps = 300/' "$work/recipe.toml"
settings=(--set seed=7 --set "sample_prompts=1 더하기")
train "$work/whole" "${settings[@]}" >/dev/null

run=$work/run
steps() { if [ -f "$run/log.jsonl" ]; then grep -c '"kind":"step"' "$run/log.jsonl" || true; else echo 0; fi; }
checkpoints() { find "$run/checkpoints" -mindepth 1 -maxdepth 1 -name 'step-*' -printf '%f\n' 2>/dev/null | LC_ALL=C sort; }
# begin: the run in the background. past N: waits until it logged more than N steps.
begin() {
  exec_train "$run" "${settings[@]}" --resume >"$work/out" 2>"$work/err" &
  pid=$!
}
past() {
  for _ in $(seq 1 400); do
    [ "$(steps)" -gt "$1" ] && return
    kill -0 $pid 2>/dev/null || fail "the run ended early: $(cat "$work/err")"
    sleep 0.02
  done
  fail "no step after $1: $(cat "$work/err")"
}
# ended CODE WHAT
ended() {
  local code=0
  wait $pid || code=$?
  [ $code -eq "$1" ] || fail "$2: exit code $code, $(cat "$work/err")"
}

# As soon as the run has files, before its first step unless this shell is late: it says that it was stopped and how to continue.
for signal in TERM INT; do
  begin
  until [ -e "$run/log.jsonl" ]; do kill -0 $pid; done
  kill -$signal $pid
  ended 130 "$signal at the start"
  grep -q '"outcome": "stopped"' "$run/run.json" || fail "$signal at the start: run.json does not say stopped"
  grep -q '^continue with: ' "$work/out" || fail "$signal at the start: it does not say how to continue: $(cat "$work/out")"
  [ $signal = INT ] || rm -r "$run"
done
train "$run" "${settings[@]}" --resume >/dev/null 2>"$work/err" || fail "stopped at the start, then resumed: $(cat "$work/err")"
"$nuri" diff "$work/whole" "$run" >/dev/null || fail "stopped at the start: other weights once it is resumed"
rm -r "$run"

# SIGUSR1: a checkpoint and a report, and the run goes on.
begin
past 2
[ -z "$(checkpoints)" ] || fail "a checkpoint before any signal"
rm "$run/report.html"  # of the start
kill -USR1 $pid
for _ in $(seq 1 1000); do
  grep -q 'checkpoints / longest wait for one' "$run/report.html" 2>/dev/null && break
  sleep 0.02
done
grep -q 'checkpoints / longest wait for one' "$run/report.html" || fail "SIGUSR1: no report that counts the checkpoint"
saved=$(checkpoints)
[ -n "$saved" ] || fail "SIGUSR1: no checkpoint"
past "$(steps)"

# SIGINT: saved at the last logged step, and the printed command continues the run.
kill -INT $pid
ended 130 SIGINT
newest=$(checkpoints | tail -n 1)
[ "$newest" = "$(printf 'step-%06d' "$(steps)")" ] || fail "SIGINT: $newest saved, $(steps) steps logged"
[ "$newest" != "$saved" ] || fail "SIGUSR1: the run did not go on"
grep -q '"outcome": "stopped"' "$run/run.json" || fail "SIGINT: run.json does not say stopped"
command=$(sed -n 's/^continue with: //p' "$work/out")
[ -n "$command" ] || fail "SIGINT: it does not say how to continue: $(cat "$work/out")"
before=$(steps)
bash -c "exec $command" >"$work/out" 2>"$work/err" &
pid=$!
past "$before"

# SIGTERM: the same.
kill -TERM $pid
ended 130 SIGTERM
[ "$(checkpoints | tail -n 1)" = "$(printf 'step-%06d' "$(steps)")" ] || fail "SIGTERM: not saved at the last step"

# Two at once: while the process is stopped both become pending, so that the second comes before any step can end.
begin
past "$(steps)"
kill -STOP $pid # before anything else, lest the run comes to its end meanwhile
(cd "$run/checkpoints" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) >"$work/before"
kill -INT $pid
kill -TERM $pid
kill -CONT $pid
ended 130 "two signals"
(cd "$run/checkpoints" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | cmp -s - "$work/before" ||
  fail "two signals: the last checkpoint changed"
grep -q '"outcome": "stopped"' "$run/run.json" && fail "two signals: run.json says stopped, so the step was finished"

train "$run" "${settings[@]}" --resume >/dev/null 2>"$work/err" || fail "resuming: $(cat "$work/err")"
"$nuri" diff "$work/whole" "$run" >/dev/null || fail "other weights than without signals"
[ "$(weights_hash "$run")" = "$(weights_hash "$work/whole")" ] || fail "another hash of the weights than without signals"
echo "SIGUSR1, SIGINT, SIGTERM and two at once leave no trace in the weights"
