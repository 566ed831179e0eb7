#!/usr/bin/env bash
# Reinforcement learning: sampler and trainer agree in every bit at every step of every run here, in both forms of MLA and
# both precisions; the page of a run shows it while it goes on; ten kills at random instants and other numbers of threads
# leave no trace; keys that contradict each other are refused.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
prepare_chats 200
train "$work/base" --set steps=60 >/dev/null
"$nuri" sft --init-from "$work/base" --chats "$work/chats.jsonl" --out "$work/sft" --set length=128 --set batch_rows=4 --set lr=3e-3 \
  --set epochs=4 --quiet >/dev/null

common=(--init-from "$work/sft" --set tasks=sort:1 --set "reward=exact=1, format=0.1, language(en)=0.1" --set length=160 --set answer_tokens=24 --set prompts=4
  --set samples=6 --set lr=3e-3 --set warmup_steps=0 --set eval_problems=16 --set eval_every=4 --set save_every=3 --set sample_every=4 --quiet)
rl() {
  local out=$1
  shift
  "$nuri" rl "${common[@]}" --out "$out" --json "$@"
}
# exact OUT: sampler and trainer were compared at every step, and are the same.
exact() {
  jq -s -e 'map(select(.kind == "policy")) | length > 0 and all(.compared_tokens > 0 and .sampler_difference == 0 and .other_experts == 0)' \
    "$1/log.jsonl" >/dev/null ||
    fail "$1: sampler and trainer: $(grep '"policy"' "$1/log.jsonl" | jq -c '[.step, .compared_tokens, .sampler_difference, .other_experts]')"
}
# What every step says of itself, by kind of row, and what the page draws of it.
logged='{"policy": ["reward", "parts", "length", "entropy", "kl", "clipped", "equal_groups", "compared_tokens", "sampler_difference",
  "other_experts", "rollout_tokens_per_s", "training_tokens_per_s", "shares"], "step": ["expert_counts", "worst_load", "dead_experts"],
  "solve": ["step", "pass_1", "low", "high"], "sample": ["step", "prompt", "text", "reward"]}'
charts=("Reward of the answers" "Parts of the reward" "Held-out problems" "Held-out problems by kind and language" "Length of answers"
  "Groups and ends" "Entropy" "Divergence from the reference (KL)" "Clipped tokens" "Sampler against trainer" "Compared tokens"
  "Seconds of a step" "Shares of time" "Tokens per second" "Load of experts, last steps" "Most loaded expert" "Gradient norm by layer")
# not_logged: of the log on standard input, keys that a row lacks. not_drawn PAGE: charts that are missing, or have nothing in them.
not_logged() {
  jq -s -r --argjson logged "$logged" '. as $rows | $logged | to_entries[] | .key as $kind | .value[] | . as $key |
    ($rows | map(select(.kind == $kind))) as $of | select(($of | length) == 0 or ($of | any(has($key) | not))) | $kind + "." + $key'
}
not_drawn() {
  printf '%s\n' "${charts[@]}" | awk 'NR == FNR { titles[$0] = 1; next } /<figure/ { caption = substr($0, 1, index($0, "</figcaption>")); rest = "" }
    /class="(line|chart heat)/ { for (t in titles) if (index(caption, ">" t "<")) delete titles[t] } END { for (t in titles) print t }' - "$1"
  grep -q '<h3>.*, reward ' "$1" || echo "samples by reward"
}

long=(--set loss=grpo --set steps=40 --set kl=0.02 --set reference_every=4 --set updates=2)
start=$(date +%s%N)
rl "$work/whole" "${long[@]}" >"$work/summary" 2>"$work/err" &
pid=$!
watch_page $pid "$work/whole"
wait $pid || fail "rl: $(cat "$work/err")"
took=$(($(date +%s%N) - start))
[ "$pages" -ge 3 ] || fail "the page changed $pages times during the run"
lacking=$(not_drawn "$work/page.html")
[ -z "$lacking" ] || fail "the page of the running run lacked $lacking"
grep -q 'data-reload' "$work/whole/report.html" && fail "the page of a finished run reads itself again"
jq -e '.outcome == "finished" and .steps == 40 and .sampler_difference == 0 and .other_experts == 0 and .held_out.problems == 16 and
  .held_out_first.problems == 16' "$work/summary" >/dev/null || fail "rl: $(cat "$work/summary")"
exact "$work/whole"
jq -e '.compared_tokens > 500' "$work/summary" >/dev/null || fail "hardly anything was compared: $(cat "$work/summary")"
expected=$(weights_hash "$work/whole")
jq -s -e 'map(select(.kind == "policy")) | length == 40 and all((.parts | keys) == ["exact", "format", "language(en)"] and .answers == 24 and
  .length > 0 and .length <= 24 and .entropy > 0 and .rollout_seconds > 0)' "$work/whole/log.jsonl" >/dev/null || fail "rows of the log"
jq -s -e 'map(select(.kind == "policy")) | any(.kl > 0)' "$work/whole/log.jsonl" >/dev/null || fail "no divergence from the reference"
jq -s -e 'map(select(.kind == "solve").step) == [range(0; 41; 4)]' "$work/whole/log.jsonl" >/dev/null || fail "held-out answers"
jq -s -e 'map(select(.kind == "sample")) | length > 0 and all(.reward != null)' "$work/whole/log.jsonl" >/dev/null || fail "samples"
jq -s -e 'map(select(.kind == "policy")) | all((.shares | keys) == ["comparison", "evaluation", "other", "reference", "rollout", "training"] and
  (.shares | add - 1 | fabs) < 1e-9 and (.shares | map(. >= 0) | all) and .shares.rollout > 0 and .rollout_tokens_per_s > 0)' \
  "$work/whole/log.jsonl" >/dev/null || fail "shares of time"
jq -s -e 'map(select(.kind == "policy")) | any(.shares.evaluation > 0) and any(.shares.training > 0 and .training_tokens_per_s > 0)' \
  "$work/whole/log.jsonl" >/dev/null || fail "shares of training and evaluation"
lacking=$(not_logged <"$work/whole/log.jsonl")
[ -z "$lacking" ] || fail "the log lacks $lacking"
lacking=$(not_drawn "$work/whole/report.html")
[ -z "$lacking" ] || fail "the report lacks $lacking"
# These checks see what is missing: a key of one row, a chart, the line in a chart.
for key in $(jq -r 'to_entries[] | .key as $kind | .value[] | select(. != "step") | $kind + "." + .' <<<"$logged"); do
  [ "$(jq -c --arg kind "${key%.*}" --arg key "${key#*.}" 'if .kind == $kind then del(.[$key]) else . end' "$work/whole/log.jsonl" | not_logged)" = "$key" ] ||
    fail "a log without $key passes"
done
for chart in "${charts[@]}"; do
  awk -v title=">$chart<" '/<figure/ { gone = index($0, title) > 0 } { if (gone) gsub(/class="(line|chart heat)/, "class=\"") } { print }' \
    "$work/whole/report.html" >"$work/page.html"
  [ "$(not_drawn "$work/page.html")" = "$chart" ] || fail "a page without $chart passes: $(not_drawn "$work/page.html")"
done
echo "user: 3 1 2" | "$nuri" chat "$work/whole" --max-tokens 8 >/dev/null || fail "chat"
rl "$work/threads" "${long[@]}" --set micro_rows=1 --set rollout_sequences=5 --threads 3 >/dev/null
exact "$work/threads"
[ "$(weights_hash "$work/threads")" = "$expected" ] || fail "threads, forwards or the cache show"

# Ten kills at random instants, each resumed with another number of threads.
kills=0 seed=7
for attempt in $(seq 1 200); do
  seed=$(((seed * 1103515245 + 12345) % 2147483648))
  # Up to an eleventh of the whole run's time, which may have been taken on a busier machine: ten lives do not finish it,
  # and start-up is killed too.
  delay=$(awk -v ns="$took" -v r="$seed" 'BEGIN { printf "%.4f", 0.02 + r / 2147483648 * ns / 11e9 }')
  "$nuri" rl "${common[@]}" "${long[@]}" --out "$work/killed" --resume --threads $((attempt % 3 + 1)) >/dev/null 2>"$work/err" &
  pid=$!
  sleep "$delay"
  if [ $kills -lt 10 ] && kill -KILL $pid 2>/dev/null; then
    kills=$((kills + 1))
    wait $pid 2>/dev/null || true
    continue
  fi
  wait $pid || grep -q 'is finished' "$work/err" || fail "resuming: $(cat "$work/err")"
  [ -f "$work/killed/run.json" ] && grep -q '"outcome": "finished"' "$work/killed/run.json" && break
done
[ $kills -eq 10 ] || fail "only $kills kills happened before the run was finished"
[ "$(weights_hash "$work/killed")" = "$expected" ] || fail "killed $kills times: $(weights_hash "$work/killed"), untouched: $expected"
exact "$work/killed"
jq -e --argjson sum "$(jq -s 'map(select(.kind == "step").flops) | add' "$work/killed/log.jsonl")" '(.flops / $sum - 1) | fabs < 1e-9' \
  "$work/killed/run.json" >/dev/null || fail "run.json does not count the work of all processes"

# The other losses, forms and precisions; truncation does not enter what is compared.
for options in "loss=dr_grpo mla_form=expanded" "loss=dapo precision=f32" "loss=grpo precision=f32 mla_form=expanded top_p=0.9 top_k=50 min_p=0.01" \
  "loss=dapo temperature=0.8 sampling_rounds=2" "language=ko eval_temperature=0.7 clip_low=0.1 clip_high=10"; do
  settings=()
  for setting in $options; do settings+=(--set "$setting"); done
  rl "$work/one" --set steps=3 "${settings[@]}" >/dev/null 2>"$work/err" || fail "$options: $(cat "$work/err")"
  exact "$work/one"
  rm -rf "$work/one"
done
# Dynamic sampling: groups without a difference are replaced, in so many rounds at most. (Hardly any answer is right here.)
rl "$work/dynamic" --set steps=3 --set loss=dapo --set reward=exact=1 --set sampling_rounds=3 >/dev/null || fail "dynamic sampling"
exact "$work/dynamic"
jq -s -e 'map(select(.kind == "policy")) | any(.prompts > 4) and all(.prompts <= 12 and .answers == 6 * .prompts)' "$work/dynamic/log.jsonl" \
  >/dev/null || fail "prompts drawn: $(jq -c 'select(.kind == "policy").prompts' "$work/dynamic/log.jsonl" | tr '\n' ' ')"

# Problems of a file, in another order each epoch.
"$nuri" tasks make sort --count 6 --difficulty 1 --out "$work/problems.jsonl" >/dev/null
"$nuri" rl --init-from "$work/sft" --set "problems=$work/problems.jsonl" --set "held_out=$work/problems.jsonl" --set reward=exact=1 --set length=160 \
  --set answer_tokens=16 --set prompts=4 --set samples=2 --set steps=3 --out "$work/file" --quiet >"$work/said" || fail "problems of a file"
exact "$work/file"
grep -q 'held out: ' "$work/said" || fail "the summary: $(cat "$work/said")"

# Rows that the reward cannot judge are passed over and counted; a file without any other is refused.
{ sed 's/"answer":"[^"]*"/"answer":"1,234원"/' "$work/problems.jsonl"; echo '{"question": "what?", "answer": "a text"}'; } >"$work/mixed.jsonl"
mixed=(--init-from "$work/sft" --set "problems=$work/mixed.jsonl" --set eval_problems=0 --set length=160 --set answer_tokens=16 --set prompts=4
  --set samples=2 --set steps=2 --quiet)
"$nuri" rl "${mixed[@]}" --set reward=numeric=1 --out "$work/mixed" --json >"$work/summary" 2>"$work/err" || fail "mixed: $(cat "$work/err")"
exact "$work/mixed"
jq -e '.passed_over == 1' "$work/summary" >/dev/null || fail "passed over: $(cat "$work/summary")"
jq -e '.results.passed_over == 1' "$work/mixed/run.json" >/dev/null || fail "run.json: $(cat "$work/mixed/run.json")"
grep -q '1 of 7 rows are passed over' "$work/err" && grep -q 'mixed.jsonl: line 7: numeric: the reference .a text. is no number' "$work/err" ||
  fail "the note: $(cat "$work/err")"
refused 'No row is left' "$nuri" rl "${mixed[@]}" --set reward=countdown=1 --out "$work/bad"

# Prompts that leave no room for an answer are passed over and counted.
rl "$work/long_prompts" --set tasks=letters:2 --set reward=exact=1 --set eval_problems=0 --set length=56 --set answer_tokens=8 --set steps=5 >"$work/summary" ||
  fail "long prompts"
exact "$work/long_prompts"
jq -e --argjson sum "$(jq -s 'map(select(.kind == "policy").too_long) | add' "$work/long_prompts/log.jsonl")" --slurpfile run "$work/long_prompts/run.json" \
  '.prompts_too_long > 0 and .prompts_too_long == $sum and $run[0].results.prompts_too_long == $sum' "$work/summary" >/dev/null ||
  fail "prompts passed over: $(cat "$work/summary")"
grep -q 'prompts passed over as too long' "$work/long_prompts/report.html" || fail "the report does not count prompts passed over"

# A run in whose log a step differs does not end well, whichever process made that step.
"$nuri" rl "${common[@]}" --out "$work/differs" --set steps=30 >/dev/null 2>&1 &
pid=$!
for _ in $(seq 1 3000); do
  [ -d "$work/differs/checkpoints/step-000003" ] && break
  sleep 0.02
done
[ -d "$work/differs/checkpoints/step-000003" ] || fail "no checkpoint within a minute"
kill -KILL $pid 2>/dev/null || fail "the run ended early"
wait $pid 2>/dev/null || true
sed -i '0,/"sampler_difference":0.0/s//"sampler_difference":1e-7/' "$work/differs/log.jsonl"
code 4 rl "${common[@]}" --out "$work/differs" --set steps=30 --resume --json
grep -q 'differ in a step that an earlier process made' "$work/err" || fail "it is not said: $(cat "$work/err")"
jq -e '.outcome == "finished" and .sampler_difference == 1e-7' "$work/out" >/dev/null || fail "the summary: $(cat "$work/out")"

# Problems that are always or never solved leave the file; what is known of them survives a kill.
dropping=(--init-from "$work/sft" --set "problems=$work/problems.jsonl" --set eval_problems=0 --set "reward=exact=1" --set length=160
  --set answer_tokens=16 --set prompts=2 --set samples=3 --set save_every=1 --set drop_after=3 --quiet)
"$nuri" rl "${dropping[@]}" --set steps=6 --out "$work/dropping" >/dev/null || fail "drop_after"
exact "$work/dropping"
jq -s -e 'map(select(.kind == "policy").dropped) | .[0] == 0 and .[5] <= 6 and . == sort' "$work/dropping/log.jsonl" >/dev/null ||
  fail "dropped problems: $(jq -c 'select(.kind == "policy").dropped' "$work/dropping/log.jsonl")"
"$nuri" rl "${dropping[@]}" --set steps=400 --out "$work/exhausted" --json >"$work/summary" || fail "a run that drops all problems"
exact "$work/exhausted"
jq -e '.exhausted and .outcome == "finished" and .steps < 400' "$work/summary" >/dev/null || fail "all dropped: $(cat "$work/summary")"
"$nuri" rl "${dropping[@]}" --set steps=400 --out "$work/killed_early" >/dev/null 2>&1 &
pid=$!
for _ in $(seq 1 200); do
  [ -d "$work/killed_early/checkpoints/step-000003" ] && break
  sleep 0.02
done
kill -KILL $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
"$nuri" rl "${dropping[@]}" --set steps=400 --out "$work/killed_early" --resume --json >"$work/again" 2>"$work/err" ||
  grep -q 'is finished' "$work/err" || fail "resumed: $(cat "$work/err")"
exact "$work/killed_early"
[ "$(weights_hash "$work/killed_early")" = "$(weights_hash "$work/exhausted")" ] || fail "what was dropped is forgotten by resuming"

# What is refused, with its reason.
refused 'name generators of problems, or a file' "$nuri" rl --init-from "$work/sft" --out "$work/bad"
refused 'loss = .gpro. (did you mean' rl "$work/bad" --set loss=gpro
refused 'does not divide into updates' rl "$work/bad" --set updates=3
refused 'without a reference' rl "$work/bad" --set kl=0 --set reference_every=2
refused 'generators draw anew' rl "$work/bad" --set drop_after=2
refused 'leaves no room' rl "$work/bad" --set answer_tokens=160
refused 'takes none of' rl "$work/bad" --set patience=2 --set eval_rows=0
refused 'samples is a key of reinforcement learning' train "$work/bad" --set samples=4
refused 'has [0-9]* tokens, length and answer_tokens leave' rl "$work/bad" --set answer_tokens=159
refused 'is finished' rl "$work/whole" --resume "${long[@]}"
rl "$work/other" --set loss=grpo --set steps=2 --set reference_every=1 >/dev/null || fail "a reference that the loss asks for"
exact "$work/other"
refused 'is finished\|changed' rl "$work/other" --set loss=grpo --resume --set steps=3

# Another template would be other prompts.
"$nuri" rl "${common[@]}" --out "$work/stopped" --set steps=4000 >/dev/null 2>&1 &
pid=$!
for _ in $(seq 1 200); do
  [ -f "$work/stopped/config.json" ] && break
  sleep 0.05
done
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "SIGTERM: exit code $code"
exact "$work/stopped"
mkdir "$work/other_template"
cp "$work/sft/tokenizer.json" "$work/other_template"
jq '.chat_template += " "' "$work/sft/tokenizer_config.json" >"$work/other_template/tokenizer_config.json"
refused 'other data' rl "$work/stopped" --resume --set steps=4000 --tokenizer "$work/other_template"
# Also where the template is a file of its own.
cp "$work/sft/tokenizer_config.json" "$work/other_template"
jq -r '.chat_template + " "' "$work/sft/tokenizer_config.json" >"$work/other_template/chat_template.jinja"
refused 'other data' rl "$work/stopped" --resume --set steps=4000 --tokenizer "$work/other_template"
echo "killed $kills times, final weights $expected"
