#!/usr/bin/env bash
# nuri eval: what it says of answers is what `nuri tasks score` says of the same texts; neither the number of sequences at
# once nor that of threads shows; a model against itself is equal; wrong use is refused with its reason.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
prepare_chats 800
train "$work/base" --set steps=30 >/dev/null
"$nuri" sft --init-from "$work/base" --chats "$work/chats.jsonl" --out "$work/model" --set length=96 --set lr=5e-3 --set epochs=12 \
  --set patience=0 --quiet >/dev/null

eval_model() { "$nuri" eval "$work/model" --max-tokens 24 --count 12 --json "$@"; }
eval_model --task sort:1 --samples 4 --temperature 1 --seed 3 --out "$work/rows.jsonl" >"$work/found.json"
jq -e '.all.problems == 12 and .all.samples == 4 and (.all.pass_at | keys) == ["1", "2", "4"] and .all.low <= .all.pass_1 and
  .all.pass_1 <= .all.high and .all.pass_at["4"] >= .all.pass_at["1"] and (.by_language | keys) == ["en", "ko"] and
  (.by_category | keys) == ["sort"] and .tokens_per_s > 0' "$work/found.json" >/dev/null || fail "eval --json: $(cat "$work/found.json")"
[ "$(wc -l <"$work/rows.jsonl")" -eq 12 ] || fail "eval --out: $(wc -l <"$work/rows.jsonl") rows"

# The same texts, scored by the other verb, answer by answer.
reward=$(jq -r .reward "$work/found.json")
for k in 0 1 2 3; do
  jq -c ".answers[$k] | {text, tokens, finished}" "$work/rows.jsonl" >"$work/answers"
  "$nuri" tasks score "$reward" --problems "$work/rows.jsonl" --answers "$work/answers" --json >"$work/scored.json" ||
    fail "tasks score"
  [ "$(jq -c '[.rows[].reward]' "$work/scored.json")" = "$(jq -sc "[.[].answers[$k].reward]" "$work/rows.jsonl")" ] ||
    fail "answer $k: scores differ"
done
mean=$(jq -s '[.[] | .right] | add / length' "$work/rows.jsonl")
jq -e --argjson mean "$mean" '(.all.pass_1 - $mean) | fabs < 1e-12' "$work/found.json" >/dev/null || fail "pass@1 is not the mean, $mean"
jq -s -e 'map(.right) | all(. == 0) | not' "$work/rows.jsonl" >/dev/null || fail "the fine-tuned model sorts nothing"

for threads in 1 3; do
  NURI_THREADS=$threads eval_model --task sort:1 --samples 4 --temperature 1 --seed 3 --batch $((threads * 2 - 1)) --out "$work/again.jsonl" >/dev/null
  cmp -s "$work/rows.jsonl" "$work/again.jsonl" || fail "$threads threads, $((threads * 2 - 1)) at once: other answers"
done
eval_model --task sort:1 --samples 4 --temperature 1 --seed 3 --against "$work/rows.jsonl" |
  jq -e '.against.difference == 0 and .against.p == 1 and .against.better == 0' >/dev/null || fail "against itself"

# Other seeds are other answers, and the first is the one seed alone; the questions' own text is found in the shards.
eval_model --task sort:1 --samples 2 --temperature 1 --seed 3 --seeds 3 --contamination "$work/data" --report "$work/page.html" \
  >"$work/seeds.json"
grep -q 'pass@2' "$work/page.html" && grep -q 'standard deviation' "$work/page.html" && grep -q '</html>' "$work/page.html" || fail "--report"
jq -e '(.seeds.pass_1 | length == 3) and .seeds.pass_1[0] == .all.pass_1 and .seeds.deviation >= 0 and .contamination.questions == 12 and
  .contamination.touched <= 12 and .contamination.shared_grams <= 1' "$work/seeds.json" >/dev/null || fail "--seeds: $(cat "$work/seeds.json")"
head -n 12 "$work/text.jsonl" | jq -c '{prompt: .text, answer: "1"}' >"$work/seen.jsonl"
eval_model --problems "$work/seen.jsonl" --reward exact --contamination "$work/data" >"$work/seen.json"
jq -e '.contamination.touched >= 9 and .contamination.shared_grams > 0.7' "$work/seen.json" >/dev/null || fail "--contamination: $(cat "$work/seen.json")"

# A file of problems; greedy answers come once.
"$nuri" tasks make sort --count 3 --difficulty 1 --held-out --out "$work/three.jsonl"
eval_model --problems "$work/three.jsonl" --reward exact --temperature 0 | jq -e '.all.problems == 3 and .all.samples == 1' >/dev/null ||
  fail "eval --problems"
echo '{"question": "q", "choices": ["a", "b"], "answer": 1}' >"$work/choices_row.jsonl"
# Rows that the scorers cannot judge are passed over: told, counted, shown.
{ cat "$work/three.jsonl"; echo '{"question": "how many?", "answer": "so\n#### 1,234"}'; echo '{"problem": "half?", "solution": "\\boxed{\\frac12}"}'; } >"$work/five.jsonl"
eval_model --problems "$work/five.jsonl" --reward numeric --temperature 0 --report "$work/page.html" >"$work/found5.json" 2>"$work/err"
jq -e '.all.problems == 2 and .passed_over.rows == 3 and .passed_over.of == 5 and (.passed_over.first | length) == 3' "$work/found5.json" >/dev/null ||
  fail "passed over: $(cat "$work/found5.json")"
grep -q '3 of 5 rows are passed over' "$work/err" && grep -q 'five.jsonl: line 1: numeric: the reference' "$work/err" || fail "the note: $(cat "$work/err")"
grep -q 'rows passed over' "$work/page.html" || fail "passed over, in the page"
refused 'No row is left' eval_model --problems "$work/three.jsonl" --reward numeric
refused '--choices' eval_model --problems "$work/choices_row.jsonl" --reward exact
"$nuri" eval "$work/model" --task sort:1 --task letters:1 --reward exact --count 4 --max-tokens 8 >"$work/table"
grep -q '^letters  *4 ' "$work/table" || fail "the table: $(cat "$work/table")"

# Multiple choice: the counts are those of the rows, and a model against itself is equal.
for i in 1 2 3 4 5 6 7 8; do
  printf '{"query": "Question: The sum of %d and 7 is", "choices": ["%d.", "no", "문서"], "gold": 0, "category": "c%d"}\n' "$i" $((i + 7)) $((i % 2))
done | zstd -q >"$work/choices.jsonl.zst"
eval_model --choices "$work/choices.jsonl.zst" --out "$work/chosen.jsonl" --report "$work/page.html" >"$work/choices.json"
grep -q 'by chance' "$work/page.html" || fail "--choices --report"
jq -e '.all.questions == 8 and (.all.by_chance - 1 / 3 | fabs) < 1e-9 and (.by_category | keys) == ["c0", "c1"]' "$work/choices.json" >/dev/null ||
  fail "eval --choices: $(cat "$work/choices.json")"
jq -s -e --slurpfile found "$work/choices.json" '(map(.right) | add / 8) == $found[0].all.accuracy and
  all((.log_likelihoods | index(max)) == .chosen)' "$work/chosen.jsonl" >/dev/null || fail "eval --choices --out: $(cat "$work/chosen.jsonl")"
eval_model --choices "$work/choices.jsonl.zst" --against "$work/chosen.jsonl" | jq -e '.against.p == 1' >/dev/null || fail "--choices --against"
eval_model --choices "$work/choices.jsonl.zst" --generate --temperature 0 >"$work/lettered.json"
jq -e '.reward == "choice=1" and .all.problems == 8 and (.by_category | keys) == ["c0", "c1"]' "$work/lettered.json" >/dev/null || fail "--choices --generate"
"$nuri" eval "$work/model" --choices "$work/choices.jsonl.zst" >"$work/table" || fail "--choices"
grep -q '^c1 ' "$work/table" || fail "the table of --choices"

refused 'name problems' eval_model
refused 'unknown generator\|did you mean' eval_model --task srot
refused 'difficulty behind the colon' eval_model --task sort:9
refused '--reward is missing' eval_model --problems "$work/three.jsonl"
refused 'take them apart' eval_model --task sort --task countdown
refused 'stands alone' eval_model --choices "$work/choices.jsonl.zst" --task sort
refused 'line 1' eval_model --choices "$work/rows.jsonl"
refused 'is not there' eval_model --task sort:1 --problem-seed 5 --against "$work/rows.jsonl"
echo "pass@1 $(jq .all.pass_1 "$work/found.json") of 12 problems, 4 answers each"
