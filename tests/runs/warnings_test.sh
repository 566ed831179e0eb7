#!/usr/bin/env bash
# A run whose rate is absurd warns of the layers that jump: on standard error, also with --quiet, in the log and in the report,
# the same in each. A calm run warns of nothing.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
prepare
absurd=(--set steps=60 --set save_every=0 --set eval_every=0 --set lr=3 --set warmup_steps=60)
loud() { "$nuri" train "$work/recipe.toml" --data "$work/data" --out "$@"; }
loud "$work/loud" "${absurd[@]}" >/dev/null 2>"$work/loud.err"
train "$work/quiet" "${absurd[@]}" >/dev/null 2>"$work/quiet.err"
grep '^warning: step' "$work/loud.err" >"$work/warnings" || fail "no warning: $(cat "$work/loud.err")"
for what in 'gradient norm' update; do
  grep -qE "^warning: step [0-9]+: $what of (embedding|layer [0-9]+|MTP|head) is .* times its median" "$work/warnings" ||
    fail "no warning about the $what: $(cat "$work/warnings")"
done
cmp -s "$work/warnings" "$work/quiet.err" || fail "--quiet shows other lines than the warnings: $(cat "$work/quiet.err")"
for kind in loud quiet; do
  found=$(jq -s -r '.[] | select(.kind == "warning") | "\(.step) \(.what)"' "$work/$kind/log.jsonl")
  [ "$found" = "$(sed 's/^warning: step \([0-9]*\): \(.*\) of .* is .*/\1 \2/' "$work/warnings")" ] || fail "$kind: the log warns of $found"
  grep -q "Warnings ($(wc -l <"$work/warnings"))" "$work/$kind/report.html" || fail "$kind: the report does not count the warnings"
  while read -r line; do
    grep -qF "$line" "$work/$kind/report.html" || fail "$kind: not in the report: $line"
  done <"$work/warnings"
done
train "$work/calm" --set steps=60 --set eval_every=0 >/dev/null 2>"$work/err"
[ ! -s "$work/err" ] || fail "a calm run says: $(cat "$work/err")"
grep -q '"kind":"warning"' "$work/calm/log.jsonl" && fail "a calm run warns in its log"
grep -q 'Warnings (' "$work/calm/report.html" && fail "a calm run warns in its report"
echo "$(wc -l <"$work/warnings") warnings: standard error, log and report agree"
