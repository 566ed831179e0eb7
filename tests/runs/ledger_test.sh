#!/usr/bin/env bash
# The ledger: runs that finish, are stopped, killed, resumed and fail stand in it with what they took; several write at once;
# a run's chain is verified, with steps made again, and a changed byte is found; a damaged ledger is reported and left.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
export NURI_LEDGER=$work/ledger/l.sqlite NURI_PROJECT=trial
ledger() { "$nuri" ledger "$@"; }
# holds FILTER: of the ledger as JSON.
holds() { ledger list --json | jq -e "$1" >/dev/null || fail "the ledger: not ($1): $(ledger list)"; }
trained='[.runs[] | select(.kind == "train")]'

refused 'no ledger yet' ledger list
prepare_chats 200
holds '.runs | map(.kind) == ["tokenizer", "data"] and all(.outcome == "finished") and .[0].hashes.tokenizer == .[1].hashes.tokenizer and
  (.[1].data_manifest_sha256 | length) > 0 and .[1].tokens > 0'
"$nuri" tokenizer train "$work/text.jsonl" --vocab-size 100 --out "$work/few" >/dev/null 2>&1 && fail "100 ids"
holds '.runs | length == 3 and (.[2] | .outcome == "failed" and (.reason | test("vocab")) and (.places | length) == 1)'
train "$work/base" --set steps=12 --set save_every=4 --set keep_every=4 >/dev/null
holds "$trained"' | length == 1 and (.[0] | .kind == "train" and .project == "trial" and .outcome == "finished" and .steps == 12 and .tokens > 0 and .flops > 0 and
  .device_seconds > 0 and .energy == "predicted" and (.run_id | test("^[0-9a-f]{32}$")) and (.hashes.chain | length) == 64 and .who != "" and .host != "")'

# From that model: a run with a parent. A failed one, one stopped by a signal and resumed, two at once, one killed.
train "$work/next" --init-from "$work/base" --set steps=2 >/dev/null
train "$work/fails" --set steps=60 --set lr=100 --set weight_decay=100 --set warmup_steps=0 >/dev/null 2>&1 && fail "a rate of 100 did not fail"
holds "$trained"' | map(select(.outcome == "failed")) | length == 1 and (.[0].reason | length) > 0'
exec_train "$work/killed" --set steps=100000 --set save_every=5 >/dev/null 2>&1 &
pid=$!
train "$work/beside" --set steps=6 --set save_every=1 >/dev/null
for _ in $(seq 1 200); do
  [ -d "$work/killed/checkpoints/step-000005" ] && break
  sleep 0.05
done
holds '[.runs[] | select(.outcome == "running")] | length == 1'
kill -KILL $pid
wait $pid 2>/dev/null || true
holds '[.runs[] | select(.outcome == "killed")] | length == 1'
holds "$trained"' | length == 5'
exec_train "$work/killed" --set steps=100000 --set save_every=5 --resume >/dev/null 2>&1 &
pid=$!
began=$(wc -l <"$work/killed/log.jsonl")
for _ in $(seq 1 400); do
  [ "$(wc -l <"$work/killed/log.jsonl")" -gt $((began + 3)) ] && break
  sleep 0.05
done
kill -TERM $pid
wait $pid 2>/dev/null || true
holds '[.runs[] | select(.outcome == "stopped")] | length == 1 and .[0].sessions == 2'
holds "$trained"' | length == 5'
holds '(.sums.outcome | map(.runs) | add) == 8 and ([.sums.project[] | select(.name == "trial")] | length) == 1 and (.sums.family[0] | .share_of_1e26_flops > 0 and .training_runs == 5 and .training_flops <= .flops)'

# Generation in bulk and evaluation.
printf '{"prompt": "더하기"}\n{"prompt": "The sum"}\n' >"$work/prompts.jsonl"
"$nuri" generate "$work/base" --file "$work/prompts.jsonl" --max-tokens 4 >/dev/null 2>&1
holds '[.runs[] | select(.kind == "generate")] | length == 1 and .[0].tokens > 8 and .[0].flops > 0 and .[0].outcome == "finished"'

# Lineage, money, exports.
ledger lineage "$work/next" >"$work/out"
grep -q 'shards made by data ' "$work/out" || fail "lineage: $(cat "$work/out")"
grep -q 'tokenizer made by tokenizer ' "$work/out" || fail "lineage: $(cat "$work/out")"
grep -q "text=$work/text.jsonl" "$work/out" || fail "lineage: $(cat "$work/out")"
grep -q "from $work/base" "$work/out" || fail "lineage: $(cat "$work/out")"
[ "$(grep -c '^train ' "$work/out")" -eq 2 ] || fail "lineage shows other than two runs: $(cat "$work/out")"
ledger set --price 0.05 --won 1400 --date 2020-01-01 >/dev/null
ledger set --won 1500 --date 2020-06-01 >/dev/null
holds "$trained"' | .[0].usd > 0 and ((.[0].krw / .[0].usd) - 1500 | fabs) < 1e-6'
refused 'a day is needed' ledger set --won 1400 --date 2020-13-01
ledger list --csv "$work/l.csv" --html "$work/l.html" --last 3 >/dev/null
[ "$(wc -l <"$work/l.csv")" -eq 4 ] || fail "CSV: $(cat "$work/l.csv")"
[ -s "$work/l.html" ] || fail "no page"
ledger check >/dev/null

# Planned beside actual: by the same verb or by the planner; a plan of another run, or none, is refused.
train "$work/planned" --set steps=4 --predict --json >"$work/plan.json"
train "$work/planned" --set steps=4 --plan "$work/plan.json" >/dev/null
holds '[.runs[] | select(.directory | endswith("planned"))][0] | .seconds_planned > 0 and .usd_planned == 0'
[ "$(jq .seconds_predicted "$work/plan.json")" = "$(jq .seconds_planned "$work/planned/run.json")" ] || fail "another time than the plan's"
ledger lineage "$work/planned" >"$work/out"
grep -q 'time planned .*, taken .* %' "$work/out" || fail "lineage: $(cat "$work/out")"
"$nuri" plan train "$work/recipe.toml" --hardware this --set steps=4 --price 3 --json >"$work/plan.json"
train "$work/bought" --set steps=4 --plan "$work/plan.json" >/dev/null
holds '[.runs[] | select(.directory | endswith("bought"))][0] | .seconds_planned > 0 and .energy_wh_planned > 0 and .usd_planned > 0'
refused 'the plan is of 768 tokens.*this run of 960' train "$work/other" --set steps=5 --plan "$work/plan.json"
refused 'leave out --plan' train "$work/other" --set steps=4 --predict --plan "$work/plan.json"
jq '.stages[0].flops *= 2' "$work/plan.json" >"$work/model.json"
refused 'the plan is of 768 tokens and' train "$work/other" --set steps=4 --plan "$work/model.json"
jq '.stages = []' "$work/plan.json" >"$work/empty.json"
refused 'has no stages' train "$work/other" --set steps=4 --plan "$work/empty.json"
"$nuri" plan train "$work/config.json" --tokens 768 --seq 48 --batch 192 --hardware H800 --devices 1 --json >"$work/gpu.json"
refused 'the plan is of H800' train "$work/other" --set steps=4 --plan "$work/gpu.json"
refused 'this is no plan' train "$work/other" --plan "$work/config.json"

# A run that is not quiet measures the machine's peak: what it computed is below time x peak.
"$nuri" train "$work/recipe.toml" --data "$work/data" --out "$work/loud" --set steps=2 >/dev/null 2>&1
holds '[.runs[] | select(.directory | endswith("loud"))][0] | .flops > 0 and .flops < .flops_bound_by_time_x_peak'
holds '.sums.family[0] | .training_runs_with_peak == 1 and .training_flops_bound_by_time_x_peak > 0'

# The chain, and steps made again.
ledger verify "$work/base" >"$work/out" || fail "verify: $(cat "$work/out")"
for _ in 1 2 3 4 5 6; do # from the seed or a checkpoint, by chance
  ledger verify "$work/base" --replay 5 >"$work/out" || fail "replay: $(cat "$work/out")"
  grep -q '^ok .*steps made again' "$work/out" || fail "replay: $(cat "$work/out")"
done
ledger verify "$(jq -r .run_id "$work/base/run.json" | cut -c1-8)" >"$work/out" || fail "by its id: $(cat "$work/out")"
train "$work/one" --set steps=3 --set keep_last=1 >/dev/null
ledger verify "$work/one" --replay 2 >"$work/out" || fail "replay: $(cat "$work/out")"
grep -q '^ok .*2 steps made again from the beginning' "$work/out" || fail "replay from the seed: $(cat "$work/out")"
ledger verify "$work/killed" --replay 3 >"$work/out" || fail "a killed and resumed run: $(cat "$work/out")"
ledger verify "$work/next" --replay 2 >"$work/out" || fail "a run from a model: $(cat "$work/out")"
grep -q '^ok .*the weights of .*base.* are those it began with' "$work/out" || fail "a run from a model: $(cat "$work/out")"
holds "$trained"' | length == 9' # steps made again are no run

# Fine-tuning and rewards made again: from the beginning and from checkpoints, with the reference among what is kept; with
# the chats elsewhere; not where the model that a run began as has changed.
"$nuri" sft --init-from "$work/base" --chats "$work/chats.jsonl" --out "$work/sft" --set length=128 --set batch_rows=4 --set lr=3e-3 \
  --set steps=9 --set save_every=3 --set keep_every=3 --quiet >/dev/null
(cd "$work" && "$nuri" rl --init-from sft --set tasks=sort:1 --set "reward=exact=1, format=0.1" --set length=160 --set answer_tokens=24 \
  --set prompts=2 --set samples=3 --set lr=3e-3 --set loss=grpo --set kl=0.02 --set reference_every=2 --set steps=6 --set eval_problems=4 \
  --set eval_every=2 --set sample_every=2 --set save_every=2 --set keep_every=2 --out rl --quiet >/dev/null)
for run in sft rl; do
  for _ in 1 2 3 4; do
    ledger verify "$work/$run" --replay 3 >"$work/out" || fail "$run made again: $(cat "$work/out")"
    grep -q '^ok .*steps made again' "$work/out" || fail "$run made again: $(cat "$work/out")"
  done
done
grep -q 'rewards and answers' "$work/out" || fail "rl made again: $(cat "$work/out")"
mv "$work/chats.jsonl" "$work/moved.jsonl"
refused 'moved\|chats.jsonl' ledger verify "$work/sft" --replay 1
ledger verify "$work/sft" --replay 1 --data "$work/moved.jsonl" >"$work/out" || fail "with the chats elsewhere: $(cat "$work/out")"
head -n 150 "$work/moved.jsonl" >"$work/fewer.jsonl"
refused 'other data' ledger verify "$work/sft" --replay 1 --data "$work/fewer.jsonl"
mv "$work/moved.jsonl" "$work/chats.jsonl"
refused 'go with --replay' ledger verify "$work/sft" --data "$work/chats.jsonl"
refused 'makes its problems itself' ledger verify "$work/rl" --replay 1 --data "$work/chats.jsonl"
refused 'the shards of this run have theirs' ledger verify "$work/base" --replay 1 --tokenizer "$work/tokenizer"
# changed LOG-FILTER WORDS: every line of rl's log through the filter, some steps made again: what was changed is found.
changed() {
  cp "$work/rl/log.jsonl" "$work/log"
  jq -c "$1" "$work/log" >"$work/rl/log.jsonl"
  local found=
  for _ in $(seq 1 12); do # the start is drawn; from the last but one checkpoint only steps are compared
    ledger verify "$work/rl" --replay 5 >"$work/out" || found=1
    [ -z "$found" ] || break
  done
  [ -n "$found" ] || fail "not found: $1"
  grep -q "^NOT .*$2" "$work/out" || fail "$1: $(cat "$work/out")"
  cp "$work/log" "$work/rl/log.jsonl"
}
changed 'if .kind == "policy" then .reward += 1 else . end' 'steps made again'
changed 'if .kind == "solve" then .pass_1 = 0.99 else . end' 'validations and samples'
changed 'if .kind == "sample" then .text = "x" else . end' 'validations and samples'
changed 'select(.kind != "solve")' 'validations and samples'
changed 'if .kind == "step" then ., . else . end' 'steps made again'
mv "$work/base" "$work/elsewhere"
ledger verify "$work/sft" --replay 2 >"$work/out" || fail "without the model it began as: $(cat "$work/out")"
grep -q '^-- .*not there any more' "$work/out" || fail "without the model it began as: $(cat "$work/out")"
grep -q '^ok .*made again from the checkpoint' "$work/out" || fail "without the model it began as: $(cat "$work/out")"
mv "$work/elsewhere" "$work/base"
refused 'learns from problems instead of shards' "$nuri" data show --run "$work/rl"
refused 'there is no chain' ledger verify "$work/data" --replay 1

cp -r "$work/base" "$work/changed"
# What the chain does not hold but a run goes on by; a chain made anew with a checkpoint left out, whole or of a killed run.
sed -i 's/^lr = [^ ]*/lr = 0.5/' "$work/changed/recipe.toml"
ledger verify "$work/changed" >"$work/out" && fail "a changed recipe.toml was not found"
jq --rawfile recipe "$work/changed/recipe.toml" '.recipe = $recipe' "$work/base/run.json" >"$work/changed/run.json"
ledger verify "$work/changed" >"$work/out" && fail "a changed recipe was not found"
grep -q 'NOT .*made by another recipe: lr' "$work/out" || fail "a changed recipe: $(cat "$work/out")"
cp "$work/base/run.json" "$work/base/recipe.toml" "$work/changed"
sed -i 's/"rms_norm_eps": *[^,]*/"rms_norm_eps": 1e-3/' "$work/changed/checkpoints/step-000004/config.json"
ledger verify "$work/changed" >"$work/out" && fail "a changed config.json of a checkpoint was not found"
grep -q 'NOT .*made by another recipe.*config.json' "$work/out" || fail "a changed config.json: $(cat "$work/out")"
rm -rf "$work/changed" && cp -r "$work/base" "$work/changed"
# relink CHAIN STEP: without the row of this step, each link computed again (train/chain.h).
relink() {
  local before='' row rows
  mapfile -t rows < <(jq -c --argjson step "$2" 'select(.step != $step)' "$1")
  for row in "${rows[@]}"; do
    before=$(jq -j --arg before "$before" '"\($before)\n\(.step)\n" + (.facts | to_entries | sort_by(.key) | map("\(.key | length) \(.key)\n\(.value)\n") | add)' \
      <<<"$row" | sha256sum | cut -d' ' -f1)
    jq -c --arg link "$before" '.link = $link' <<<"$row"
  done >"$1.new"
  mv "$1.new" "$1"
}
cp "$work/changed/chain.jsonl" "$work/chain"
relink "$work/changed/chain.jsonl" 999 # no row left out: the links that were there
[ "$(jq -r .link "$work/changed/chain.jsonl")" = "$(jq -r .link "$work/chain")" ] || fail "the links are not as documented"
relink "$work/changed/chain.jsonl" 8
rm -r "$work/changed/checkpoints/step-000008"
ledger verify "$work/changed" >"$work/out" && fail "a checkpoint left out was not found"
grep -q 'NOT .*run.json names the last link' "$work/out" || fail "a checkpoint left out: $(cat "$work/out")"
grep -q 'NOT .*checkpoints that the ledger names' "$work/out" || fail "a checkpoint left out: $(cat "$work/out")"
rm -rf "$work/changed" && cp -r "$work/base" "$work/changed"
# Another seed in the record of the beginning; then a changed weight, with its size as before.
sed -i 's/"seed":"0"/"seed":"1"/' "$work/changed/chain.jsonl"
ledger verify "$work/changed" >"$work/out" && fail "a changed seed was not found"
cp "$work/base/chain.jsonl" "$work/changed/chain.jsonl"
printf '\x01' | dd of="$work/changed/checkpoints/step-000004/model.safetensors" bs=1 seek=4000 conv=notrunc 2>/dev/null
ledger verify "$work/changed" >"$work/out" && fail "a changed weight was not found"
grep -q 'NOT .*step 4' "$work/out" || fail "verify: $(cat "$work/out")"

# A damaged chain stops no run, and is kept.
cp -r "$work/killed" "$work/unchained"
echo '{' >"$work/unchained/chain.jsonl"
exec_train "$work/unchained" --set steps=100000 --set save_every=5 --resume >/dev/null 2>"$work/err" &
pid=$!
for _ in $(seq 1 400); do
  [ -f "$work/unchained/chain.jsonl.damaged" ] && grep -q link "$work/unchained/chain.jsonl" && break
  sleep 0.05
done
kill -TERM $pid
wait $pid 2>/dev/null || true
grep -q 'a new chain begins here' "$work/err" || fail "no word of the damaged chain: $(cat "$work/err")"
ledger verify "$work/unchained" >"$work/out" && fail "a chain without its beginning was verified"
grep -q 'NOT .*chain begins at the checkpoint' "$work/out" || fail "verify: $(cat "$work/out")"
rm -rf "$work/unchained"

# Runs are imported once, however often; a ledger that is none is reported and left as it is, and runs go on.
ledger import "$work" >/dev/null
before=$(ledger list --json | jq '.runs | length')
ledger import "$work" >/dev/null
[ "$(ledger list --json | jq '.runs | length')" -eq "$before" ] || fail "imported twice"
head -c 5000 /dev/urandom >"$work/bad.sqlite"
cp "$work/bad.sqlite" "$work/bad.copy"
refused 'damaged.*left as it is' "$nuri" ledger list --ledger "$work/bad.sqlite"
NURI_LEDGER=$work/bad.sqlite train "$work/anyway" --set steps=2 >/dev/null 2>"$work/err" || fail "a damaged ledger ended a run: $(cat "$work/err")"
[ "$(grep -c 'not noted in the ledger' "$work/err")" -eq 1 ] || fail "no warning, or many: $(cat "$work/err")"
cmp -s "$work/bad.sqlite" "$work/bad.copy" || fail "a damaged ledger was changed"
ledger import --ledger "$work/new.sqlite" "$work/base" >/dev/null
[ "$(ledger list --ledger "$work/new.sqlite" --json | jq '.runs | length')" -eq 1 ] || fail "no new ledger"

# An import replaces no run that finished, and takes no other JSON for a run.
mkdir -p "$work/forged" "$work/other.json"
jq '.seconds += 1 | .tokens = 5' "$work/base/run.json" >"$work/forged/run.json"
echo '{"name": "x", "tokens": 123}' >"$work/other.json/run.json"
ledger import "$work/forged" >/dev/null
ledger import "$work/other.json" >/dev/null 2>"$work/err" && fail "any JSON is a run"
grep -q 'no record of a run' "$work/err" || fail "import: $(cat "$work/err")"
holds '[.runs[] | select(.tokens == 5)] | length == 0'
# What fails in the directory of a run does not hide it.
"$nuri" data build "$work/none.jsonl" --tokenizer "$work/tokenizer" --out "$work/base" >/dev/null 2>&1 && fail "no text"
ledger verify "$work/base" >"$work/out" || fail "behind a failed build: $(cat "$work/out")"
grep -q 'the ledger names the last link' "$work/out" || fail "behind a failed build: $(cat "$work/out")"
# With a damaged ledger a witness is missing, no more.
ledger verify "$work/base" --ledger "$work/bad.sqlite" >"$work/out" 2>/dev/null || fail "with a damaged ledger: $(cat "$work/out")"
"$nuri" score "$work/base" --data "$work/data" >/dev/null
holds '[.runs[] | select(.kind == "eval")] | length == 1 and .[0].tokens > 100 and .[0].flops > 0'

# Seven writers at once, one killed: the ledger is whole and has all that ended.
for i in $(seq 1 6); do
  exec_train "$work/many-$i" --set steps=2 >/dev/null 2>&1 &
  pids[i]=$!
done
exec_train "$work/many-7" --set steps=5000 --set save_every=1 >/dev/null 2>&1 &
pid=$!
for i in $(seq 1 6); do wait "${pids[i]}" || fail "a run beside others failed"; done
kill -KILL $pid
wait $pid 2>/dev/null || true
[ "$(ledger check | tail -c 3)" = ok ] || fail "the ledger is not whole: $(ledger check)"
[ "$(ledger list --json | jq '[.runs[] | select(.directory | test("many-[1-6]$")) | select(.outcome == "finished")] | length')" -eq 6 ] || fail "runs are missing: $(ledger list)"
NURI_LEDGER=none train "$work/silent" --set steps=2 >/dev/null
ledger list --json | jq -e '[.runs[] | select(.directory | endswith("silent"))] | length == 0' >/dev/null || fail "noted though switched off"
echo "$before runs noted, verified, imported; killed writers left the ledger whole"
