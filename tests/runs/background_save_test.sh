#!/usr/bin/env bash
# Checkpoints written beside the run are, byte for byte, those written while it waits; the log says what each cost, the last
# one apart, as no step waits for it. SIGUSR1's are written beside the run too: one that comes while another is written comes
# after it, the report with it, and Ctrl-C afterwards loses nothing. Where the copy does not fit into the memory allowed, the
# run saves in the foreground by itself.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
prepare
for kind in foreground background; do
  train "$work/$kind" --set steps=20 --set save_every=4 --set keep_last=20 --set ema_decay=0.9 --set save=$kind >/dev/null
done
found=$(cd "$work/foreground/checkpoints" && find . -type f | LC_ALL=C sort)
[ "$found" = "$(cd "$work/background/checkpoints" && find . -type f | LC_ALL=C sort)" ] || fail "other files: $found"
[ "$(grep -c model.safetensors <<<"$found")" -ge 10 ] || fail "too few checkpoints: $found"
for file in $found; do
  case $file in */recipe.toml | */files.json) continue ;; esac # names of the setting
  cmp -s "$work/foreground/checkpoints/$file" "$work/background/checkpoints/$file" || fail "$file differs"
done
[ "$(jq -s -c '[.[] | select(.kind == "save") | [.step, .background]]' "$work/background/log.jsonl")" = \
  '[[4,true],[8,true],[12,true],[16,true],[20,false]]' ] || fail "the log: $(grep '"save"' "$work/background/log.jsonl")"
jq -s -e '[.[] | select(.kind == "save")] | length == 5 and all(.[]; .background == false and .bytes > 0) and
  all(.[:4][]; (.last | not) and .stall_seconds >= .write_seconds and .end_seconds == 0) and
  (.[4] | .last and .stall_seconds == 0 and .end_seconds >= .write_seconds)' \
  "$work/foreground/log.jsonl" >/dev/null || fail "the log of the foreground: $(grep '"save"' "$work/foreground/log.jsonl")"

# SIGUSR1, until one comes while a checkpoint is being written; then once more, and Ctrl-C at once.
run=$work/signals
"$nuri" train "$work/recipe.toml" --data "$work/data" --out "$run" --set steps=3000 --set save_every=2999 --set eval_every=0 \
  --set keep_last=1000 --set save=background >/dev/null 2>"$work/err" &
pid=$!
saved() { [ -f "$run/log.jsonl" ] && grep -c '"kind":"save"' "$run/log.jsonl" || true; }
asked=0
until grep -q 'comes after that' "$work/err" && [ "$(saved)" -ge 2 ] && [ -f "$run/report.html" ]; do
  kill -0 $pid 2>/dev/null || fail "the run ended: $(cat "$work/err")"
  [ "$asked" -lt 1000 ] || fail "no signal came while a checkpoint was written"
  if ! grep -q '"kind":"step"' "$run/log.jsonl" 2>/dev/null; then
    sleep 0.01
    continue
  fi
  # Many at once, so that some come while the first one's checkpoint is written, however fast the disk is.
  for _ in $(seq 1 2000); do kill -USR1 $pid 2>/dev/null || break; done
  asked=$((asked + 1))
done
kill -USR1 $pid
kill -INT $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "signals: exit code $code: $(cat "$work/err")"
grep -q 'a checkpoint and the report: both are written' "$work/err" || fail "it does not say that it saved: $(cat "$work/err")"
jq -s -e '[.[] | select(.kind == "save")] as $saves | ([.[] | select(.kind == "step").step] | max) as $newest |
  ($saves | length) >= 3 and all($saves[:-1][]; .background and (.last | not) and .end_seconds == 0) and
  ($saves[-1] | .last and .step == $newest and .stall_seconds == 0 and .end_seconds > 0)' "$run/log.jsonl" >/dev/null ||
  fail "the log of signals: $(grep '"save"' "$run/log.jsonl")"
# Every checkpoint that a signal asked for is the one that a run without signals has at that step.
step=$(jq -s '[.[] | select(.kind == "save" and .background).step][-1]' "$run/log.jsonl")
exec_train "$work/alone" --set steps=3000 --set save_every="$step" --set eval_every=0 --set keep_last=1000 >/dev/null &
pid=$!
name=$(printf 'step-%06d' "$step")
for _ in $(seq 1 4000); do
  [ ! -d "$work/alone/checkpoints/$name" ] || break
  kill -0 $pid 2>/dev/null || break
  sleep 0.05
done
[ -d "$work/alone/checkpoints/$name" ] || fail "a run without signals did not come to step $step in 200 seconds"
kill -9 $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
for file in model.safetensors trainer/optimizer.safetensors trainer/state.json; do
  cmp -s "$run/checkpoints/$name/$file" "$work/alone/checkpoints/$name/$file" || fail "$name/$file differs from that of a run without signals"
done

# What the plan chooses is told; a copy that does not fit gives way. Of a larger model: plans count huge pages of 2 MiB.
sed -i 's/"hidden_size": 32/"hidden_size": 256/; s/"intermediate_size": 48/"intermediate_size": 512/; s/"moe_intermediate_size": 16/"moe_intermediate_size": 128/' \
  "$work/config.json"
planned() { sed -n 's/^  in all (peak) *\([0-9.]*\) MiB$/\1/p' "$1"; }
"$nuri" train "$work/recipe.toml" --data "$work/data" --out "$work/roomy" --set steps=2 --set save_every=1 2>"$work/err" >/dev/null
grep -q 'save = background' "$work/err" || fail "the plan: $(cat "$work/err")"
with=$(planned "$work/err")
tight=$(awk -v with="$with" 'BEGIN { printf "%d", (with - 8) * 1048576 }')
"$nuri" train "$work/recipe.toml" --data "$work/data" --out "$work/tight" --set steps=2 --set save_every=1 --memory "$tight" 2>"$work/err" >/dev/null
grep -q 'save = background' "$work/err" && fail "a copy was planned that does not fit: $(cat "$work/err")"
jq -s -e '[.[] | select(.kind == "save")] | length == 2 and all(.[]; .background == false)' "$work/tight/log.jsonl" >/dev/null ||
  fail "saved in the background without room"
echo "the same bytes beside the run; $with MiB planned with the copy, saved in the foreground without room for it"
