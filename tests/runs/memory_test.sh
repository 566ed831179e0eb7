#!/usr/bin/env bash
# The memory that a run plans before its first step against what it takes: the measured anonymous memory of a short run of
# the nano preset lies between 75 % of the plan and the plan, in both precisions and forms; with many rows and each way of
# recomputing within 8 % of the plan, and not above by more than 3 %. A limit below the plan is
# refused before the start, and so are rows that no machine holds.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
prepare
nano=$(dirname "$0")/../../recipes/nano/recipe.toml
nano_run() { "$nuri" train "$nano" --data "$work/data" --set steps=3 --set eval_rows=3 --quiet "$@"; }

for settings in "precision=bf16 mla_form=expanded" "precision=bf16 save_every=1" "precision=bf16 mla_form=absorbed" "precision=f32 mla_form=expanded micro_rows=1"; do
  options=()
  for setting in $settings; do options+=(--set "$setting"); done
  rm -rf "$work/run"
  nano_run --out "$work/run" --json "${options[@]}" >"$work/summary" 2>"$work/err" || fail "$settings: $(cat "$work/err")"
  read -r planned measured < <(jq -r '"\(.memory_planned_bytes) \(.memory_anonymous_bytes)"' "$work/summary")
  echo "$settings: planned $((planned >> 20)) MiB, measured $((measured >> 20)) MiB"
  [ "$measured" -le "$planned" ] || fail "$settings: $measured bytes taken, $planned planned"
  [ $((measured * 100)) -ge $((planned * 75)) ] || fail "$settings: $planned bytes planned, only $measured taken"
done

# Each way of recomputing, with so many rows at once that what is kept of the forward counts, and a validation of fewer rows
# than a forward takes, which lies in its memory.
"$nuri" data build "$work/text.jsonl" --tokenizer "$work/tokenizer" --out "$work/halves" --validation 0.5 >/dev/null
for recompute in none selective blocks; do
  rm -rf "$work/run"
  "$nuri" train "$nano" --data "$work/halves" --set steps=3 --quiet --out "$work/run" --json --set precision=bf16 --set batch_rows=32 --set micro_rows=32 \
    --set eval_rows=0 --set recompute=$recompute >"$work/summary" 2>"$work/err" || fail "recompute = $recompute: $(cat "$work/err")"
  read -r of_many measured < <(jq -r '"\(.memory_planned_bytes) \(.memory_anonymous_bytes)"' "$work/summary")
  echo "recompute = $recompute, 32 rows: planned $((of_many >> 20)) MiB, measured $((measured >> 20)) MiB"
  [ $((measured * 100)) -le $((of_many * 103)) ] || fail "recompute = $recompute: $measured bytes taken, $of_many planned"
  [ $((measured * 100)) -ge $((of_many * 92)) ] || fail "recompute = $recompute: $of_many bytes planned, only $measured taken"
  [ "${before:-$((1 << 62))}" -gt "$measured" ] || fail "recompute = $recompute takes no less: $measured bytes"
  before=$measured
done

# refused WHAT PATTERN OPTIONS...: exit code 2, the message, and no run begun.
refused() {
  local what=$1 pattern=$2 code=0
  shift 2
  nano_run --out "$work/refused" "$@" >/dev/null 2>"$work/err" || code=$?
  [ $code -eq 2 ] || fail "$what: exit code $code, $(cat "$work/err")"
  grep -q "$pattern" "$work/err" || fail "$what: $(cat "$work/err")"
  [ ! -e "$work/refused" ] || fail "$what: a run was begun"
}
refused "less than 64 rows take" 'this run needs .* micro_rows=' --memory "$((planned * 3 / 2))" --set batch_rows=64
refused "far too little" 'not even one row' --memory 10M
refused "rows without end" 'a step holds at most' --set batch_rows=1048576 --set length=16777216
