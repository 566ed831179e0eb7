#!/usr/bin/env bash
# The experiment of `./run bench rl` on a tiny model: every arm is there, stopped and killed it goes on where it stood to the
# same table, a folder keeps to its settings, and the verb says what is missing.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
nuri=$(realpath "$nuri")
root=$(cd "$(dirname "$0")/../.." && pwd)
prepare_chats 200
train "$work/base" --set steps=10 >/dev/null
printf '%s\n' 'length = 128' 'batch_rows = 16' 'lr = 3e-3' 'steps = 12' 'save_every = 2' >"$work/sft.toml"
printf '%s\n' 'reward = "exact=1, language(en)=0.1"' 'length = 64' 'prompts = 4' 'samples = 4' 'lr = 1e-3' 'eval_problems = 0' 'save_every = 1' >"$work/rl.toml"
# bench OUT [key=value]...: in place of the calling (sub)shell, so that $! is the script.
bench() {
  local out=$1
  shift
  NURI=$nuri exec "$root/tools/bench_rl.sh" "$work/base" "$out" sort:1 seeds=1 losses=dr_grpo,grpo solutions=100 questions=20 tokens=12 steps=8 \
    sft="$work/sft.toml" rl="$work/rl.toml" "$@"
}
table() { grep -v '^nuri: ' "$1"; }

(bench "$work/whole") >"$work/told" 2>"$work/err" || fail "bench rl: $(tail -5 "$work/err")"
table "$work/told" >"$work/table"
for words in 'sort:1: right of 20' '^base ' '^sft ' '^control ' '^dr_grpo ' '^grpo ' 'differ by at most 0$' 'against control: .* points (bar 10: '; do
  grep -q "$words" "$work/table" || fail "the table lacks '$words': $(cat "$work/table")"
done
jq -e '.questions == 20 and .commit != "" and (.seeds | length) == 1 and (.seeds[0].rl | keys) == ["dr_grpo", "grpo"] and .seeds[0].rl.dr_grpo.steps == 8 and
  .seeds[0].control.steps >= 1 and ([.base, .mean.sft, .mean.control, .mean.rl[]] | all(. >= 0 and . <= 1))' "$work/whole/rl.json" >/dev/null ||
  fail "rl.json: $(cat "$work/whole/rl.json")"

# met FILE PID: waits until it is there, the script still running.
met() {
  local i
  for i in $(seq 1 6000); do
    [ -e "$1" ] && return
    kill -0 "$2" 2>/dev/null || fail "$1 was not met: $(tail -3 "$work/err")"
    sleep 0.01
  done
  fail "$1 was not met within a minute"
}
# program_of PID: the process of nuri that the script has started.
program_of() {
  local child
  child=$(pgrep -P "$1" -x nuri | head -1) || true
  [ -n "$child" ] || fail "nuri does not run: $(tail -3 "$work/err")"
  echo "$child"
}
# Asked to stop in the middle of a run: it saves, says how to go on, and no process is left behind.
for signal in INT TERM; do
  run=$([ $signal = INT ] && echo sft || echo rl-dr_grpo)
  (bench "$work/stopped") >"$work/told" 2>"$work/err" &
  pid=$!
  met "$work/stopped/seed-1/$run/checkpoints" $pid
  child=$(program_of $pid)
  kill -STOP "$child"  # so that its run cannot end before the signal comes
  kill -$signal $pid
  kill -CONT "$child"
  code=0
  wait $pid || code=$?
  [ $code -eq 130 ] || fail "SIG$signal: exit code $code, $(tail -3 "$work/err")"
  grep -q 'run the same command again' "$work/err" || fail "SIG$signal: $(tail -3 "$work/err")"
  jq -e '.outcome == "stopped"' "$work/stopped/seed-1/$run/run.json" >/dev/null || fail "SIG$signal: $(jq -c .outcome "$work/stopped/seed-1/$run/run.json")"
done
# Killed with its run.
(bench "$work/stopped") >"$work/told" 2>"$work/err" &
pid=$!
met "$work/stopped/seed-1/control/checkpoints" $pid
child=$(program_of $pid)
kill -KILL $pid
kill -KILL "$child"
wait $pid 2>/dev/null || true
while kill -0 "$child" 2>/dev/null; do sleep 0.01; done
[ ! -e "$work/stopped/rl.json" ] || fail "it had ended before it was killed"
(bench "$work/stopped") >"$work/told" 2>"$work/err" || fail "resuming: $(tail -5 "$work/err")"
table "$work/told" | cmp - "$work/table" || fail "stopped and killed to another table: $(cat "$work/told")"
for model in sft rl-dr_grpo rl-grpo control; do
  [ "$(weights_hash "$work/stopped/seed-1/$model")" = "$(weights_hash "$work/whole/seed-1/$model")" ] || fail "$model: other weights"
  cmp "$work/stopped/seed-1/$model.jsonl" "$work/whole/seed-1/$model.jsonl" || fail "$model: other answers"
done
# A finished one is told again; a folder keeps to its settings.
(bench "$work/stopped" result="$work/elsewhere/rl.json") >"$work/told" 2>"$work/err" || fail "again: $(tail -5 "$work/err")"
[ "$(table "$work/told")" = "$(cat "$work/table")" ] || fail "again: $(cat "$work/told")"
jq -e .seeds "$work/elsewhere/rl.json" >/dev/null || fail "result=: $(cat "$work/told")"
grep -q 'nuri: .*seed-1' "$work/told" && fail "a finished stage ran again: $(cat "$work/told")"
again() { (bench "$work/stopped" "$@"); }
refused 'begun with other settings' again steps=9
refused 'begun with other settings' again losses=grpo,dr_grpo
refused 'unknown key' again step=9
refused 'no recipe' again rl="$work/absent.toml"

# The verb, before it builds anything.
run() { (cd "$work" && "$root/run" bench rl "$@"); }
run --help >"$work/told"
for words in resumable 'Ctrl-C' 'hours' 'rl.json' 'update_numbers'; do
  grep -q "$words" <("$root/run" help) "$work/told" || fail "./run bench rl --help lacks '$words'"
done
refused 'no base model in .*; ./run demo makes' run --base absent
refused 'no config.json' env NURI="$nuri" "$root/tools/bench_rl.sh" "$work/absent" "$work/other"
