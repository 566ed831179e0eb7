#!/usr/bin/env bash
# Validation by source: a run on several sources logs bits per byte of each, draws them in its report, and ends with those that
# `nuri score` computes of its model. tools/long_run.sh writes them beside the trigram's.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
nuri=$(realpath "$nuri")
make_text
make_recipe
for name in letters numbers hangul; do
  for i in $(seq 1 150); do
    case $name in
      letters) text="abc abd abe page $i of letters" ;;
      numbers) text="$i $((i * 7)) $((i * i)) 12 34 56" ;;
      hangul) text="문서 $i 가나다 마바사 끝" ;;
    esac
    printf '{"text": "%s"}\n' "$text"
  done >"$work/$name.jsonl"
done
"$nuri" tokenizer train "$work"/{letters,numbers,hangul}.jsonl --vocab-size 512 --out "$work/tokenizer" >/dev/null
"$nuri" data build "$work"/{letters,numbers,hangul}.jsonl --tokenizer "$work/tokenizer" --out "$work/data" --validation 0.2 >/dev/null
train "$work/run" --set steps=20 --set eval_every=6 --set eval_rows=0 >/dev/null
names='["hangul","letters","numbers"]'
jq -s -e --argjson names "$names" '[.[] | select(.kind == "eval")] | map(.step) == [6, 12, 18, 20] and
  all(.[]; (.by_source | keys) == $names and all(.by_source[]; . > 0)) and .[-1].by_source.letters < .[0].by_source.letters' \
  "$work/run/log.jsonl" >/dev/null || fail "the log: $(grep '"eval"' "$work/run/log.jsonl")"
chart=$(grep -o 'Validation by source.*' "$work/run/report.html") || fail "no chart by source"
for name in hangul letters numbers; do
  grep -q ">$name<" <<<"$chart" || fail "the chart by source does not name $name"
done
json 0 "(.by_source | keys) == $names and all(.by_source[]; .trigram_bits_per_byte > 0)" score "$work/run" --data "$work/data" --length 48 --trigram --json
by_source=$(jq -c '.by_source | map_values(.bits_per_byte)' "$work/out")
[ "$(jq -s -c '[.[] | select(.kind == "eval")][-1].by_source' "$work/run/log.jsonl")" = "$by_source" ] ||
  fail "score says $by_source, the log $(grep '"eval"' "$work/run/log.jsonl" | tail -n 1)"

# As after hours: samples of memory and reports of two processes. They are too short to be calm.
mkdir "$work/run.watch"
printf '1 1000 4000\n2 1010 4000\n' >"$work/run.watch/memory"
printf 'whole\nwhole\n' >"$work/run.watch/reports"
NURI=$nuri NUMBERS=$work/numbers "$(dirname "$0")/../../tools/long_run.sh" --judge "$work/run" >"$work/out" 2>&1 &&
  fail "a run of seconds is called calm"
grep -q 'not calm' "$work/out" || fail "long_run.sh: $(cat "$work/out")"
jq -e --argjson by_source "$by_source" '.bits_per_byte_by_source == $by_source and .last_save_s > 0 and .torn_reports == 0 and .slope_mb_per_hour == null' \
  "$work"/numbers/*/hours.json >/dev/null || fail "hours.json: $(cat "$work"/numbers/*/hours.json)"
jq -e --argjson by_source "$by_source" '(.by_source | map_values(.bits_per_byte)) == $by_source and has("cpu") and has("commit")' \
  "$work"/numbers/*/hours_score.json >/dev/null || fail "hours_score.json: $(cat "$work"/numbers/*/hours_score.json)"
echo "validation by source in log, report and score, beside the trigram: $by_source"
