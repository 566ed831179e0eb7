#!/usr/bin/env bash
# The demo on a small text and a tiny model: every stage is there and told, a killed demo goes on where it stood to the
# same weights, finished stages are passed over, stages can be skipped, and a base of one's own replaces the first ones.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
make_text
make_recipe
sed -i 's/^steps = .*/steps = 40/' "$work/recipe.toml"
printf '%s\n' 'length = 128' 'batch_rows = 16' 'lr = 3e-3' 'steps = 12' 'eval_every = 6' 'save_every = 4' >"$work/sft.toml"
printf '%s\n' 'tasks = "sort:2"' 'reward = "exact=1, language(en)=0.1"' 'length = 128' 'answer_tokens = 24' 'prompts = 4' 'samples = 4' 'lr = 1e-3' 'steps = 60' 'eval_problems = 8' \
  'save_every = 2' >"$work/rl.toml"

# demo OUT [options]
demo() { (exec_demo "$@"); }
# The same in place of the calling (sub)shell, so that $! is the program.
exec_demo() {
  local out=$1
  shift
  exec "$nuri" demo --recipe "$work/recipe.toml" --text "$work/text.jsonl" --out "$out" --no-chat "$@"
}
demo "$work/whole" --json >"$work/summary" 2>"$work/told" || fail "demo: $(cat "$work/told")"
for stage in 1 2 3 4 5 6 7 8 9; do grep -q "^\[$stage/9\]" "$work/told" || fail "stage $stage is not told"; done
jq -e '(.answers | keys) == ["base", "rl", "sft"] and all(.answers[]; .questions == 500 and .low <= .pass_1 and .pass_1 <= .high) and
  .bits_per_byte > 0 and (.report | endswith("report.html"))' "$work/summary" >/dev/null || fail "demo: $(cat "$work/summary")"
[ "$(cat "$work/whole/answers/"*.jsonl | jq -r .id | sort | uniq -c | awk '{ print $1 }' | sort -u)" = 3 ] || fail "not the same questions to all"
for words in 'Right answers' '같은 문제' 'Sort from the smallest' "$(weights_hash "$work/whole/rl")"; do
  grep -q "$words" "$work/whole/report.html" || fail "the page lacks '$words'"
done
"$nuri" tasks make sort --difficulty 2 --count 2000 --seed 1 --chat | cmp - "$work/whole/solutions.jsonl" || fail "other solutions than nuri tasks makes"

[ "$(weights_hash "$work/whole/rl")" != "$(weights_hash "$work/whole/sft")" ] || fail "rewards moved nothing"

# The bar: how far below the trigram, how far on this kind of CPU, and why not. Told again by a finished demo, without an error.
bar=$("$nuri" info --json | jq 'if .level | startswith("avx512") then 8 else 5 end')
jq -e --argjson bar "$bar" '(.trigram | .bar_percent == $bar and .reached == (.below_percent >= $bar) and (.reached or (.why_not | test("^40 steps of the usual 3000 were made.*--recipe.*--text")))) and
  ((100 * (1 - .bits_per_byte / .trigram_bits_per_byte) - .trigram.below_percent) | fabs) < 1e-9' "$work/summary" >/dev/null || fail "the bar: $(jq -c .trigram "$work/summary")"
grep -q "the bar of the demo, $bar % below the trigram with AVX.*: .*reached" "$work/told" || fail "the bar is not told: $(cat "$work/told")"
grep -q 'bar on this kind of CPU' "$work/whole/report.html" || fail "the page lacks the bar"
for trigram in 100 0.001; do
  jq ".trigram_bits_per_byte = $trigram" "$work/whole/yardstick.json" >"$work/yardstick.json"
  mkdir -p "$work/bar" && cp -r "$work/whole/." "$work/bar" && cp "$work/yardstick.json" "$work/bar/yardstick.json"
  NURI_CPU=avx2 demo "$work/bar" --skip chat --json >"$work/summary" 2>"$work/told" || fail "the bar missed is an error: $(tail -3 "$work/told")"
  jq -e ".trigram | .bar_percent == 5 and .reached == ($trigram == 100) and (.why_not == \"\") == .reached" "$work/summary" >/dev/null || fail "the bar with AVX2: $(jq -c .trigram "$work/summary")"
done
grep -q 'the bar of the demo, 5 % below the trigram with AVX2: NOT reached: 40 steps' "$work/told" || fail "a bar that is not reached: $(grep bar "$work/told")"

# met DIRECTORY PID: waits until a run there has a checkpoint, the demo still running.
met() {
  local i
  for i in $(seq 1 6000); do
    [ -d "$1/checkpoints" ] && break
    kill -0 "$2" 2>/dev/null || fail "$1 was not met: $(tail -3 "$work/err")"
    sleep 0.01
  done
  [ -d "$1/checkpoints" ] || fail "$1: no checkpoint within a minute: $(tail -3 "$work/err")"
}

# Killed in each of the three runs; the same command goes on.
for run in run sft rl; do
  exec_demo "$work/killed" >/dev/null 2>"$work/err" &
  pid=$!
  met "$work/killed/$run" $pid
  kill -KILL $pid
  wait $pid 2>/dev/null || true
  jq -e '.outcome == "running"' "$work/killed/$run/run.json" >/dev/null || fail "$run had ended before it was killed"
done
NURI_THREADS=3 demo "$work/killed" >"$work/told" 2>&1 || fail "resuming: $(tail -5 "$work/told")"
for run in run sft rl; do
  [ "$(weights_hash "$work/killed/$run")" = "$(weights_hash "$work/whole/$run")" ] || fail "$run: killed and resumed to other weights"
done
[ "$(grep -c 'is finished' "$work/told")" = 2 ] || fail "finished runs are not passed over: $(cat "$work/told")"
cmp "$work/killed/answers/rl.jsonl" "$work/whole/answers/rl.jsonl" || fail "other answers"
demo "$work/killed" >"$work/told" 2>&1 || fail "a finished demo: $(tail -3 "$work/told")"
[ "$(grep -c 'is finished' "$work/told")" = 3 ] && [ "$(grep -c 'is there' "$work/told")" = 5 ] || fail "a finished demo does it again: $(cat "$work/told")"

# Skipping, and a base of one's own.
demo "$work/short" --base "$work/whole/run" --skip rl --skip chat --json >"$work/summary" 2>"$work/told" || fail "--skip: $(cat "$work/told")"
jq -e '(.answers | keys) == ["base", "sft"]' "$work/summary" >/dev/null || fail "--skip rl: $(cat "$work/summary")"
[ "$(weights_hash "$work/short/sft")" = "$(weights_hash "$work/whole/sft")" ] || fail "--base: other weights"
grep -q '^\[4/9\]\|^\[6/9\]\|^\[9/9\]' "$work/told" && fail "a skipped stage ran"
# Quick, with a task and settings of one's own.
demo "$work/quick" --base "$work/whole/run" --quick --task order:1 --set-sft batch_rows=8 --set-rl language=en --set-rl steps=3 --json \
  >"$work/summary" 2>"$work/told" || fail "--quick: $(tail -3 "$work/told")"
jq -e '.answers | (keys == ["base", "rl", "sft"]) and all(.[]; .questions == 60)' "$work/summary" >/dev/null || fail "--quick: $(cat "$work/summary")"
jq -e '.steps == 3 and (.recipe | test("tasks = \"order:1\"") and test("language = \"en\""))' "$work/quick/rl/run.json" >/dev/null ||
  fail "--task or --set-rl: $(jq -r .recipe "$work/quick/rl/run.json")"
jq -e '.recipe | test("batch_rows = 8")' "$work/quick/sft/run.json" >/dev/null || fail "--set-sft"
jq -s -e 'all(.messages[0].content | test("[가-힣]") | not)' "$work/quick/solutions.jsonl" >/dev/null || fail "solutions in another language than the rewards'"
refused 'allowed are text, tokenizer, shards, train, sft, rl, eval, report, chat' demo "$work/short" --skip answers
# A stage whose result nothing has made and something needs: refused before anything runs, with a remedy.
refused 'skip rl as well' demo "$work/none" --skip sft
refused 'facts.jsonl is not there; .*skip these as well' demo "$work/none" --skip text
refused 'tokenizer_config.json is not there; .*skip these as well' demo "$work/none" --skip tokenizer
refused 'manifest.json is not there; .*--base' demo "$work/none" --skip text --skip tokenizer --skip shards
refused '--skip train: .*run is not there or not finished; .*--base' demo "$work/none" --skip train
[ ! -e "$work/none" ] || fail "a refused demo began"
# Every stage of a finished demo; then with what came before pre-training removed; then without answers.
all=(--skip text --skip tokenizer --skip shards --skip train --skip sft --skip rl --skip eval)
demo "$work/killed" "${all[@]}" --skip chat --json >"$work/summary" 2>"$work/told" || fail "every stage skipped: $(tail -3 "$work/told")"
jq -e '(.answers | keys) == ["base", "rl", "sft"] and has("report") and (.model | endswith("rl"))' "$work/summary" >/dev/null || fail "every stage skipped: $(cat "$work/summary")"
grep -q '^\[[12379]/9\]' "$work/told" && fail "a skipped stage ran: $(cat "$work/told")"
demo "$work/killed" "${all[@]}" --skip report --skip chat --json 2>/dev/null | jq -e 'has("report") or has("answers") | not' >/dev/null || fail "--skip report"
rm -rf "$work/killed/data" "$work/killed/tokenizer" "$work/killed/facts.jsonl"
demo "$work/killed" --skip text --skip tokenizer --skip shards --skip chat --json >"$work/summary" 2>"$work/told" || fail "finished, without its text: $(tail -3 "$work/told")"
jq -e '(.answers | keys) == ["base", "rl", "sft"] and has("trigram")' "$work/summary" >/dev/null || fail "finished, without its text: $(cat "$work/summary")"
rm -rf "$work/killed/answers"
demo "$work/killed" "${all[@]}" --skip chat --json >"$work/summary" 2>"$work/told" || fail "without answers: $(tail -3 "$work/told")"
jq -e 'has("report") | not' "$work/summary" >/dev/null && grep -q 'no report: stage 7 (eval) was skipped' "$work/told" || fail "without answers: $(cat "$work/told")"
# Skipped, but finished: it counts among the models; what is not there is left out.
demo "$work/short" --base "$work/whole/run" --skip sft --skip rl --skip chat --json 2>/dev/null | jq -e '(.answers | keys) == ["base", "sft"]' >/dev/null || fail "--skip sft of a finished one"
# Another base in the same place: what began as the old one is not taken for its child.
"$nuri" train "$work/recipe.toml" --data "$work/whole/data" --out "$work/second" --set seed=1 --quiet >/dev/null
cp -r "$work/whole/run" "$work/moving"
demo "$work/moved" --base "$work/moving" --skip rl --skip eval --skip chat >/dev/null 2>&1 || fail "--skip eval"
rm -rf "$work/moving" && mv "$work/second" "$work/moving"
refused 'began as another model' demo "$work/moved" --base "$work/moving" --skip rl
demo "$work/moved" --base "$work/moving" --skip sft --skip rl --skip chat --json 2>"$work/told" | jq -e '(.answers | keys) == ["base"]' >/dev/null ||
  fail "skipped, and of another base: $(tail -3 "$work/told")"
refused 'task sort:2' demo "$work/short" --base "$work/whole/run" --task letters:1
refused 'was begun with other options' demo "$work/short"
refused 'makes its problems' demo "$work/other" --set-rl problems=some.jsonl
refused 'unknown generator\|no generator' demo "$work/short" --task sorting:1

# Asked to stop: the stage saves, the exit code is 130, the same command goes on.
for signal in INT TERM; do
  exec_demo "$work/asked-$signal" --base "$work/whole/run" >/dev/null 2>"$work/err" &
  pid=$!
  met "$work/asked-$signal/rl" $pid
  kill -$signal $pid
  code=0
  wait $pid || code=$?
  [ $code -eq 130 ] || fail "SIG$signal: exit code $code, $(tail -3 "$work/err")"
  jq -e '.outcome == "stopped"' "$work/asked-$signal/rl/run.json" >/dev/null || fail "SIG$signal: $(jq -c .outcome "$work/asked-$signal/rl/run.json")"
  demo "$work/asked-$signal" --base "$work/whole/run" >/dev/null 2>&1 || fail "SIG$signal, then on"
  [ "$(weights_hash "$work/asked-$signal/rl")" = "$(weights_hash "$work/whole/rl")" ] || fail "SIG$signal: other weights"
done
