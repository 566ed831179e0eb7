#!/usr/bin/env bash
# nuri profile records any verb without options of its own: steps where the verb takes enough of them, all of it where it takes
# fewer or none, which one line says; the verb ends as it would alone. Steps of what a step calls are part of it.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
prepare
train "$work/run" --set steps=4 >/dev/null
seq 9 | jq -c '{query: "\(.) 더하기 1은", choices: [" \(. + 1)", " \(. + 2)"], gold: 0}' >"$work/choices.jsonl"

# profiled STEPS LINE FILTER VERB...: so many steps recorded, a line that matches LINE (or none of its kind, where it is empty),
# and a filter that is true for the rows.
profiled() {
  local steps=$1 line=$2 filter=$3
  shift 3
  rm -f "$work/trace.json" "$work/rows.json"
  code 0 profile --trace "$work/trace.json" --json "$work/rows.json" "${options[@]}" -- "$@"
  jq -e ".steps == $steps and ($filter)" "$work/rows.json" >/dev/null || fail "profile $*: $(head -c 2000 "$work/rows.json")"
  jq -e '[.traceEvents[] | select(.ph == "X")] | all(.ts >= 0 and .dur >= 0)' "$work/trace.json" >/dev/null || fail "profile $*: its trace"
  if [ -n "$line" ]; then
    grep -qx "$line" "$work/err" || fail "profile $*: $(cat "$work/err")"
  else
    grep -q 'is recorded$\|are recorded$' "$work/err" && fail "profile $*: $(cat "$work/err")"
  fi
  return 0
}
options=()
some='(.whole | not) and (.kernels | length) > 5'
all='.whole and (.kernels | length) > 5'
text='.whole and (.kernels | length) >= 1'

profiled 1 '' "$some" generate "$work/run" --prompt "1 더하기" --max-tokens 6
profiled 1 '' "$some and any(.kernels[]; .kernel == \"adamw\")" train "$work/recipe.toml" --data "$work/data" --out "$work/a" --set steps=4
# Validation and samples between the steps are not steps.
profiled 1 '' "$some and any(.kernels[]; .kernel == \"adamw\")" train "$work/recipe.toml" --data "$work/data" --out "$work/b" --set steps=4 --set eval_every=1 \
  --set sample_every=1 --set sample_prompts=1
profiled 2 'steps of train: 2, no more than the 2 to skip (--skip): all of it is recorded' "$all" \
  train "$work/recipe.toml" --data "$work/data" --out "$work/c" --set steps=2 --set save_every=0
profiled 1 'steps of score: 1, no more than the 2 to skip (--skip): all of it is recorded' "$all" score "$work/run" --tokens 1,2,3
profiled 1 'steps of eval: 1, no more than the 2 to skip (--skip): all of it is recorded' "$all" eval "$work/run" --choices "$work/choices.jsonl"
profiled 1 'steps of data: 1, no more than the 2 to skip (--skip): all of it is recorded' "$text and any(.kernels[]; .kernel == \"tokenise\")" \
  data build "$work/text.jsonl" --tokenizer "$work/tokenizer" --out "$work/shards"
profiled 0 'tokenizer has no steps: all of it is recorded' "$text and any(.kernels[]; .kernel == \"count pieces\")" \
  tokenizer train "$work/text.jsonl" --vocab-size 400 --out "$work/other"
jq -e 'any(.traceEvents[]; .name == "learn merges" and .dur > 0)' "$work/trace.json" >/dev/null || fail "no phase of tokenizer train"
profiled 0 'inspect has no steps: all of it is recorded' '.whole and .kernels == []' inspect "$work/run"
golden=$(dirname "$0")/../../../shared/golden/deepseek_v3
if [ -d "$golden" ]; then
  profiled 0 'check has no steps: all of it is recorded' "$all" check "$golden"
fi
options=(--skip 1 --steps 9)
profiled 3 'steps of train: 4, of which 3 after those to skip (--skip) are recorded' "$some" \
  train "$work/recipe.toml" --data "$work/data" --out "$work/d" --set steps=4
# Errors and exit codes are the verb's.
rm -f "$work/trace.json"
code 2 profile --trace "$work/trace.json" -- score "$work/run" --tokens 1
[ ! -e "$work/trace.json" ] || fail "a verb that failed at once has a trace"
echo "every verb is recorded: its steps, or all of it"
