#!/usr/bin/env bash
# Checkpoints written beside the run are, byte for byte, those written while it waits; the log says what each cost. Where
# the copy does not fit into the memory allowed, the run saves in the foreground by itself.
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
jq -s -e '[.[] | select(.kind == "save")] | length == 5 and all(.[]; .background == false and .stall_seconds >= .write_seconds and .bytes > 0)' \
  "$work/foreground/log.jsonl" >/dev/null || fail "the log of the foreground: $(grep '"save"' "$work/foreground/log.jsonl")"

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
