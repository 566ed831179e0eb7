#!/usr/bin/env bash
# The command lines that others script against: what they accept, what they print, their exit codes.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
prepare
train "$work/run" --set steps=3 >/dev/null

# expect CODE PATTERN COMMAND...: the exit code, and an extended regular expression in what is printed.
expect() {
  local code=$1 pattern=$2 got=0
  shift 2
  timeout 60 "$@" >"$work/said" 2>&1 </dev/null || got=$?
  [ "$got" -eq "$code" ] || fail "$*: exit code $got instead of $code: $(head -c 600 "$work/said")"
  grep -qE -- "$pattern" "$work/said" || fail "$*: '$pattern' is not in: $(head -c 600 "$work/said")"
}
model=$work/run

expect 2 'unknown verb "tokeniser" \(did you mean "tokenizer"\?\)' "$nuri" tokeniser train
expect 2 'unknown verb "tokenizer trian" \(did you mean "train"\?\)' "$nuri" tokenizer trian
expect 2 'subcommand is required' "$nuri"
expect 0 'nuri 0' "$nuri" --version
expect 0 'Exit codes: 0 done; 1 ' "$nuri" --help

# Tokenizer: the smallest vocabulary, one that the text cannot fill, rows that are none.
expect 2 'allowed are 276' "$nuri" tokenizer train "$work/text.jsonl" --vocab-size 275 --out "$work/t"
expect 0 '276 ids \(0 learned' "$nuri" tokenizer train "$work/text.jsonl" --vocab-size 276 --out "$work/t"
expect 0 '100000 ids .* placeholders' "$nuri" tokenizer train "$work/text.jsonl" --vocab-size 100000 --out "$work/t"
printf 'a 9' >"$work/short.txt"
expect 0 '^[0-9]+ [0-9]+ [0-9]+$' "$nuri" tokenizer encode "$work/t" "$work/short.txt"
printf '{"text": "good row"}\n{bad\n{"text": 3}\n' >"$work/rows.jsonl"
expect 0 'rows.jsonl: line 2: no valid JSON' "$nuri" tokenizer train "$work/rows.jsonl" --vocab-size 300 --out "$work/t"
grep -q '2 bad rows' "$work/said" || fail "bad rows are not counted: $(cat "$work/said")"
printf '안녕 <｜User｜>👨‍👩‍👧 x' >"$work/text.txt"
for form in '' --json; do
  # shellcheck disable=SC2086
  "$nuri" tokenizer encode "$work/tokenizer" "$work/text.txt" $form >"$work/ids"
  "$nuri" tokenizer decode "$work/tokenizer" "$work/ids" >"$work/back"
  cmp -s "$work/text.txt" "$work/back" || fail "ids $form do not decode to the text"
done
printf '1 x' >"$work/ids"
expect 2 'ids: line 1: found "x"' "$nuri" tokenizer decode "$work/tokenizer" "$work/ids"

# Scores: ids in every writing, options before the model, places that are wrong.
expect 0 'over 2 tokens' "$nuri" score "$model" --tokens 1,2,3
cp "$work/said" "$work/first"
expect 0 'over 2 tokens' "$nuri" score --tokens '[1, 2, 3]' "$model"
cmp -s "$work/first" "$work/said" || fail "the same ids have other scores"
expect 2 'found "512"' "$nuri" score "$model" --tokens 1,512
expect 2 'at least two' "$nuri" score "$model" --tokens ''
expect 2 'at least two' "$nuri" score "$model" --text ''
expect 2 'exactly one' "$nuri" score "$model" --text a --tokens 1,2

# Replies do not depend on their batch; bad settings are refused.
printf '{"prompt": "더하기"}\n\n{"prompt": "The sum"}\n' >"$work/prompts.jsonl"
"$nuri" generate "$model" --file "$work/prompts.jsonl" --max-tokens 8 --temperature 1 --seed 3 >"$work/together" 2>/dev/null
"$nuri" generate "$model" --file "$work/prompts.jsonl" --max-tokens 8 --temperature 1 --seed 3 --batch 1 >"$work/alone" 2>/dev/null
cmp -s "$work/together" "$work/alone" || fail "replies depend on the batch"
[ "$(wc -l <"$work/together")" -eq 2 ] || fail "one JSON line per reply is expected"
expect 2 'not in range' "$nuri" generate "$model" --prompt a --max-tokens 0
expect 2 'temperature is -1' "$nuri" generate "$model" --prompt a --temperature -1
expect 2 'line 1: the key "prompt" is missing' "$nuri" generate "$model" --file "$work/text.jsonl"

# A chat outlives its context, a question that is no text, and forgets on demand.
{
  for i in 1 2 3 4 5 6 7 8; do printf 'The sum of %s and 2 is, as you know from page %s, what number exactly, please?\n' $i $i; done
  printf '\xff\xfe\n/clear\n더하기\n'
} >"$work/questions"
code=0
timeout 60 "$nuri" chat "$model" --max-tokens 30 <"$work/questions" >"$work/said" 2>"$work/err" || code=$?
[ $code -eq 2 ] || fail "chat: exit code $code: $(cat "$work/err")"
[ "$(grep -c . "$work/err")" -eq 1 ] || fail "chat: one question is bad, not these: $(cat "$work/err")"

# What a run knows of its data, and the end of it.
"$nuri" train "$work/recipe.toml" --data="$work/data" --out "$work/other" --quiet --set steps=2 >/dev/null
expect 0 'text.jsonl:' "$nuri" data show --run "$work/other" --step 2
expect 2 'ended with step 2' "$nuri" data show --run "$work/other" --step 3

# Sizes are refused before memory is taken.
expect 2 'at most 134217728 tokens' "$nuri" train "$work/recipe.toml" --data "$work/data" --out "$work/huge" \
  --set length=1000000 --set batch_rows=1000000
expect 2 'at least .* of memory' "$nuri" train "$work/recipe.toml" --data "$work/data" --out "$work/huge" \
  --set length=100000 --set batch_rows=1000 --memory 1G
echo "command lines do what they say"
