#!/usr/bin/env bash
# What other programs script against: --json of every verb that prints numbers parses and has its keys (of those that
# measure: measures_test.sh), exit codes are 0, 1 and 2, --help names units and defaults, and generate --file prints one
# line of JSON for each prompt.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
nuri=$(realpath "$nuri")
cd "$(dirname "$0")/../.." # plan reads recipes/
make_text
make_recipe

# The road from text to a model, each step with --json.
json 0 "$(numbers documents bytes pieces pieces_left_out least_count vocab_size learned placeholders seconds mb_per_s)" \
  tokenizer train "$work/text.jsonl" --vocab-size 512 --out "$work/tokenizer" --json
printf '12 더하기 3은 15이다.' >"$work/line.txt"
json 0 'type == "array" and all(type == "number")' tokenizer encode "$work/tokenizer" "$work/line.txt" --json
code 0 tokenizer encode "$work/tokenizer" "$work/line.txt"
grep -qx '[0-9]*\( [0-9]*\)*' "$work/out" || fail "tokenizer encode: $(cat "$work/out")"
cp "$work/out" "$work/ids.txt"
code 0 tokenizer decode "$work/tokenizer" "$work/ids.txt"
cmp -s "$work/out" "$work/line.txt" || fail "tokenizer decode: $(cat "$work/out")"
json 0 '(.sources | length) == 1 and .tokenizer.vocab_size == 512 and .train.tokens > 0 and .validation.documents > 0' \
  data build "$work/text.jsonl" --tokenizer "$work/tokenizer" --out "$work/data" --validation 0.1 --json
json 0 "$(numbers steps total_steps tokens flops seconds tokens_per_s memory_planned_bytes memory_peak_bytes loss) and .mfu == null and
  .outcome == \"finished\" and .steps == 4 and (.weights_hash | test(\"^[0-9a-f]{16}\$\")) and .validation.bits_per_byte > 0" \
  train "$work/recipe.toml" --data "$work/data" --out "$work/run" --set steps=4 --quiet --json
json 0 'length > 0 and all(has("row") and has("begin") and has("end") and has("source") and has("file") and has("line") and
  has("language") and has("offset") and has("text"))' data show --run "$work/run" --step 2 --json
code 0 train "$work/recipe.toml" --print-config
grep -q '^batch_rows = 4 *# rows; .*\[.*recipe.toml\]' "$work/out" || fail "--print-config: $(cat "$work/out")"
code 0 report "$work/run"
[ -s "$(cat "$work/out")" ] || fail "report: $(cat "$work/out")"

# Plans.
v3=(plan train recipes/v3 --tokens 14.8T --batch 62.9M --hardware H800 --devices 2048 --precision fp8)
json 0 "$(numbers devices device_hours days flops goodput energy_mwh rent_usd_hour won_per_usd) and (.stages | length) == 1 and (.stages[0].runners_up | length) == 10 and
  .stages[0].layouts_evaluated >= 20000 and .predicted and .memory_bytes_per_device.total > 0 and .usd.rent > 0" "${v3[@]}" --json
cp "$work/out" "$work/plan.json"
code 0 "${v3[@]}" --layout "pp=16 ep=64 schedule=dualpipe recompute=selective" --html "$work/plan.html" --compare "$work/plan.json" --staff 100000 --failed-runs 0.3 --buy 50000
grep -q 'failed and trial runs' "$work/out" || fail "plan train: $(cat "$work/out")"
[ -s "$work/plan.html" ] || fail "plan train wrote no page"
"$nuri" "${v3[@]}" --layout "pp=16 ep=64 recompute=selective" --draw >"$work/out"
[ "$(grep -cE '^ *[0-9]+ [FB.]{110}$' "$work/out")" -eq 16 ] || fail "the pipeline is not drawn: $(cat "$work/out")"
"$nuri" "${v3[@]}" --layout "pp=16 ep=64 schedule=dualpipe recompute=selective" --draw >"$work/out"
[ "$(grep -cE '^ *[0-9]+ [.]*F[FBW&.]*&&[FBW&.]*W$' "$work/out")" -eq 16 ] || fail "DualPipe is not drawn: $(cat "$work/out")"
# Each option of prices and assumptions moves what it should, and by how much.
set_layout=("${v3[@]}" --layout "pp=16 ep=64 recompute=selective" --buy 50000 --json)
"$nuri" "${set_layout[@]}" >"$work/base.json"
moves() { # FILTER OPTION VALUE: of [the plan with the option, the plan without]
  "$nuri" "${set_layout[@]}" "$2" "$3" | jq -es --slurpfile base "$work/base.json" '[.[0], $base[0]] | '"$1" >/dev/null || fail "plan train $2 $3: not ($1)"
}
near='def near($a; $b): ($a / $b - 1 | fabs) < 1e-9;'
moves "$near near(.[0].usd.power; 2 * .[1].usd.power)" --kwh 0.24
moves "$near near(.[0].krw.rent; 2 * .[1].krw.rent) and .[0].usd.rent == .[1].usd.rent" --won 2900
moves "$near near(.[0].usd.purchase; .[1].usd.purchase / 2)" --years 10
moves "$near near(.[0].usd.purchase; 2 * .[1].usd.purchase)" --use 0.35
moves "$near near(.[0].energy_mwh; 2 * .[1].energy_mwh)" --pue 2.6
moves '.[0].goodput < .[1].goodput and .[0].device_hours > .[1].device_hours and .[0].interruptions > 4 * .[1].interruptions' --mtbf 10000
json 0 '.stages[0] | .layouts_evaluated > 0 and .runners_up == []' "${v3[@]}" --rank 0 --json
json 0 '.stages[0].step_parts_seconds.offload > 0 and (.warnings | any(test("host")))' "${v3[@]}" --layout "pp=4 ep=16" --offload --json
json 0 '.stages[0].step_parts_seconds.offload == 0 and (.warnings | any(test("raise pp")))' "${v3[@]}" --layout "pp=4 ep=16" --json
json 0 "$near "'.stages[0] | .batch_tokens == 62.9e6 and (.ramp | .first_batch_tokens == 12.6e6 and .tokens == 469e9 and .days > 0) and
  near(.ramp.steps; 469e9 / 50.3e6 * (62.9 / 12.6 | log))' "${v3[@]}" --ramp 12.6M:469B --json
cp "$work/out" "$work/ramp.json"
json 0 ".stages[0].ramp == $(jq -c '.stages[0].ramp' "$work/ramp.json")" \
  plan train recipes/v3 --stage training=14.8T:4096:12.6M-62.9M/469B --hardware H800 --devices 2048 --precision fp8 --json
several=(plan train recipes/v3 --tokens 14.8T --batch 62.9M --hardware H800 --precision fp8 --devices "512,1024,2048")
json 0 '.ranked_by == "time" and .devices == 2048 and (.by_devices | length) == 3 and .by_devices[2].loses == 0 and .days == .by_devices[2].days' "${several[@]}" --json
json 0 '.ranked_by == "money" and .devices == 1024 and .days <= 120 and .usd.rent == .by_devices[1].usd and (.by_devices[0] | .in_time | not)' \
  "${several[@]}" --rank-by money --days 120 --json
code 0 "${several[@]}" --rank-by money --staff 1000000 --html "$work/plan.html"
grep -q 'USD: rent, staff' "$work/out" || fail "plan train --rank-by money: $(cat "$work/out")"
json 0 'has("by_devices") | not' "${v3[@]}" --rank-by money --json
code 0 plan hardware
code 0 plan hardware --csv
cp "$work/out" "$work/hardware.csv"
code 0 plan train recipes/v3 --tokens 1T --hardware-file "$work/hardware.csv" --hardware H800-SXM-80GB --devices 2048
printf 'id,model,architecture,seq_len,tokens,precision,gpu,n_gpus,parallelism,global_batch_tokens,tokens_per_s_per_gpu,mbs,confidence,row_kind,source_group\n' >"$work/runs.csv"
printf 'a,m,type=dense;L=32;d=4096;h=32;kv=8;ff=14336;vocab=128256,8192,,bf16,H100-SXM-80GB,8,dp=8,1048576,10000,1,high,throughput-benchmark,a\n' >>"$work/runs.csv"
json 0 '.left_out.rows == 1 and (.constants | length) == 25 and (.predicted_rows | length) == 1' plan published "$work/runs.csv" --json
json 0 '.errors.rows == 1 and .constants_fixed' plan published "$work/runs.csv" --fixed --json
code 0 plan published "$work/runs.csv" --rows --constants

# Problems and rewards.
json 0 '(.generators | length) > 0 and (.scorers | length) > 0 and all(.generators[]; has("name") and has("means") and has("reward"))' \
  tasks list --json
code 0 tasks make word --count 6 --difficulty 2 --seed 3 --out "$work/problems.jsonl"
jq -es 'length == 6 and all(has("id") and has("prompt") and has("answer") and has("solution")) and
  (map(.language) | unique) == ["en", "ko"]' "$work/problems.jsonl" >/dev/null || fail "tasks make: $(cat "$work/problems.jsonl")"
code 0 tasks make word --count 2 --first 3 --difficulty 2 --seed 3
cmp -s <(sed -n 4,5p "$work/problems.jsonl") "$work/out" || fail "tasks make --first 3: $(cat "$work/out")"
jq -c '{text: "<think>\(.solution)</think>\(.answer)", tokens: 9}' "$work/problems.jsonl" >"$work/answers.jsonl"
json 0 '.categories.all.answers == 6 and .categories.all.reward == 1.5 and .categories.word.scores == [1, 1] and (.rows | length) == 6 and
  all(.rows[]; .reward == 1.5)' tasks score 'numeric=1, format=0.5' --problems "$work/problems.jsonl" --answers "$work/answers.jsonl" --json
code 0 tasks score exact --problems "$work/problems.jsonl" --answers "$work/answers.jsonl"
grep -q '^all  *6 ' "$work/out" || fail "tasks score: $(cat "$work/out")"
code 0 tasks make arithmetic --count 2 --held-out --chat --language ko
jq -es 'length == 2 and all(.messages | map(.role) == ["user", "assistant"])' "$work/out" >/dev/null || fail "tasks make --chat: $(cat "$work/out")"

# The model in use.
json 0 '.parameters.main > 0 and .weights.tensors > 0 and .config.d_model == 32 and .tokenizer.vocab_size == 512 and
  (.provenance.config_sha256 | length) == 64 and .provenance.steps == 4' inspect "$work/run" --json
json 0 '(.tensors | length) > 20 and (.tensors[0] | has("name") and has("shape") and has("role") and has("type")) and
  (.provenance.weights_sha256 | length) == 64' inspect "$work/run" --tensors --hash --json
json 0 '.equal_bits == true and .first == null and .differences == []' diff "$work/run" "$work/run" --json
train "$work/other" --set steps=3 >/dev/null
json 1 '.equal_bits == false and (.first | type == "string") and .largest.largest > 0 and (.differences | length) > 0' \
  diff "$work/run" "$work/other" --json
json 0 '.tokens == [1, 2, 3] and (.log_probabilities | length) == 2 and (.hex | length) == 2 and
  (.hex[0] | test("^-0x")) and .sum < 0' score "$work/run" --tokens 1,2,3 --json
json 0 '(.tokens | length) - (.log_probabilities | length) == 1' score "$work/run" --file "$work/line.txt" --json
bits=$(jq .results.bits_per_byte "$work/run/run.json") # the trainer's validation at the end of the run
json 0 ".length == 48 and .all.bits_per_byte == $bits and .all.trigram_bits_per_byte > 0 and .all.tokens > 0 and
  (.by_source | length) == 1 and all(.by_source[]; .bytes > 0 and .trigram_bits_per_byte > 0) and (.by_language | length) > 0" \
  score "$work/run" --data "$work/data" --length 48 --trigram --json
code 0 score "$work/run" --data "$work/data"
grep -q '^all ' "$work/out" || fail "score --data: $(cat "$work/out")"
json 0 '.prompt == "1 더하기" and (.text | type == "string") and (.tokens | length) == 5 and
  (.log_probabilities | length) == 5 and .finish == "length"' \
  generate "$work/run" --prompt '1 더하기' --max-tokens 5 --temperature 0 --json
cp "$work/out" "$work/alone"
printf '{"prompt": "1 더하기"}\n\n{"id": 7, "prompt": "The sum"}\n{"prompt": "문서"}' >"$work/prompts.jsonl"
code 0 generate "$work/run" --file "$work/prompts.jsonl" --max-tokens 5 --temperature 0
[ "$(wc -l <"$work/out")" -eq 3 ] || fail "generate --file: $(wc -l <"$work/out") lines for 3 prompts"
[ "$(jq -r .prompt "$work/out" | paste -sd/)" = '1 더하기/The sum/문서' ] || fail "generate --file: $(cat "$work/out")"
[ "$(head -n 1 "$work/out")" = "$(cat "$work/alone")" ] || fail "generate: a file and a prompt differ"
golden=${NURI_SHARED:-../shared}/golden/deepseek_v3
[ ! -d "$golden" ] || json 0 '.passed == true and (.rows | length) > 0 and all(.rows[]; has("what") and has("measured") and
  has("bound") and .passed) and (.absent | type) == "array" and (.notes | type) == "array"' check "$golden" --json
code 0 chat "$work/run" --max-tokens 2

# The self-test.
json 0 '.passed == true and has("level") and .profile == "x1" and (.lines | length) > 0 and
  (.lines[0] | has("name") and has("hash") and .verdict == "equal")' selftest --ops --json
json 0 '.passed == true and .lines == []' selftest --prefix no_such_entry --json

# A choice that a recipe does not have: the message names those it has.
bad_choice() {
  code 2 train "$work/recipe.toml" --data "$work/data" --out "$work/none" --set "$1"
  grep -q "$2" "$work/err" || fail "train --set $1: $(cat "$work/err")"
}
bad_choice recompute=all 'recompute = .all.; allowed are auto'
bad_choice save=never 'save = .never.; allowed are auto, background and foreground'

# Wrong use and bad input: 2, a message that begins with the program's name or the option, nothing on standard output.
bad() {
  code 2 "$@"
  [ -s "$work/err" ] || [ -s "$work/out" ] || fail "nuri $*: no message"
}
bad
bad no_such_verb
bad info --no-such-option
bad tokenizer
bad tokenizer encode "$work/tokenizer" "$work/absent.txt"
bad data build "$work/absent" --tokenizer "$work/tokenizer" --out "$work/data2"
bad train "$work/absent.toml"
bad train "$work/recipe.toml" --data "$work/data"
bad train "$work/recipe.toml" --data "$work/data" --out "$work/run"
bad inspect "$work/absent"
bad diff "$work/run"
bad diff "$work/run" "$work/absent"
bad score "$work/run"
bad tasks
bad tasks make wrod
bad tasks make word --count 0
bad tasks make word --difficulty 9
bad tasks score nummeric --problems "$work/problems.jsonl" --answers "$work/answers.jsonl"
bad tasks score countdown --problems "$work/problems.jsonl" --answers "$work/answers.jsonl"
bad tasks score exact --problems "$work/problems.jsonl" --answers "$work/absent.jsonl"
bad tasks score exact --problems "$work/problems.jsonl" --answers "$work/text.jsonl"
bad score "$work/run" --tokens 1
bad score "$work/run" --tokens 1,2 --trigram
bad score "$work/run" --data "$work/data" --length 257
bad score "$work/run" --data "$work/absent"
bad score "$work/run" --tokens 1,512
bad score "$work/run" --tokens 1,x
bad generate "$work/run"
bad generate "$work/run" --prompt a --max-tokens 0
bad generate "$work/run" --prompt a --temperature -1
bad generate "$work/run" --prompt a --top-p 2
bad generate "$work/run" --file "$work/text.jsonl" --max-tokens 1
bad plan
bad plan train
bad plan train recipes/v3 --hardware H800 --devices 8 # no tokens
bad plan train recipes/v3 --tokens 1T --hardware H800 # no devices
bad plan train recipes/v3 --stage a=1T:4096:4M --batch 4M --hardware H800 --devices 8 # the stage has a batch of its own
bad "${v3[@]}" --ramp 63M:469B # above the batch
bad "${v3[@]}" --ramp 12.6M
bad "${v3[@]}" --ramp 12.6M:469B --layout "pp=16 ep=64 schedule=dualpipe" # too few micro-batches at first
bad plan train recipes/v3 --tokens 1T --ramp 1M:1B --hardware H800 --devices 2048 # to which batch?
bad plan train recipes/v3 --stage a=1T:4096:4M --ramp 1M:1B --hardware H800 --devices 2048
bad plan train "$work/recipe.toml" --hardware this --ramp 1M:1B
bad "${several[@]}" --days 10 # none ends in time
bad "${several[@]}" --rank-by price
bad plan train recipes/v3 --tokens 1T --hardware H20-96GB --devices 2048,4096 --rank-by money # no price is known
bad plan train recipes/v3 --tokens 1T --hardware H800 --devices 8,16                         # neither fits
bad plan train recipes/v3 --tokens 1T --hardware H800 --devices 2048,
bad plan train "$work/recipe.toml" --hardware this --rank-by money
bad plan train "$work/recipe.toml" --hardware this --days 3
bad plan train recipes/v3 --tokens 1T --hardware H800 --devices 2048 --json --draw    # two outputs
bad plan train "$work/recipe.toml" --hardware this --precision fp8                   # the recipe's
bad plan train recipes/v3 --tokens 1T --hardware this # no recipe
bad plan train "$work/recipe.toml" --hardware this --batch 1M
bad plan train recipes/v3 --tokens 1T --hardware H800 --devices 8 --set lr=1
bad plan profile --disk "$work/absent"
bad plan train recipes/v3 --tokens 1T --hardware H100 --devices 8 # several are meant
bad plan train recipes/v3 --tokens 1T --hardware H9000 --devices 8
bad plan train recipes/v3 --tokens 1T --hardware H800 --devices 8 # does not fit
bad plan train recipes/v3 --tokens 1T --hardware H800 --devices 2048 --layout tp=3
bad plan train recipes/v3 --tokens 1T --hardware H800 --devices 0
bad plan train recipes/v3 --tokens 1X --hardware H800 --devices 2048
bad plan train recipes/v3 --tokens 1T --seq 0 --hardware H800 --devices 2048
bad plan train "$work/absent" --tokens 1T --hardware H800 --devices 2048
bad plan train recipes/v3 --tokens 1T --hardware H800 --devices 2048 --precision fp7
bad plan train recipes/v3 --tokens 1T --batch 1M --hardware H800 --devices 2048 --compare "$work/recipe.toml"
bad plan published "$work/absent.csv"
bad plan published "$work/recipe.toml"
bad check "$work/absent"
bad check "$work/run" # holds nothing to compare
bad bench --preset huge
bad profile
bad profile -- profile -- info
bad profile -- no_such_verb
bad bench text
bad bench text --text "$work/absent.txt"
bad --threads 0 info
NURI_CPU=sse bad selftest
NURI_THREADS=none bad selftest

# --help: of each verb and its parts, exit code 0; an option with a number says its default (or is required, or a list).
code 0 --version
code 0 --help
mapfile -t verbs < <(awk '/^Subcommands:/ { on = 1; next } on && NF { print $1 }' "$work/out" | grep -v '^ *$')
[ "${#verbs[@]}" -ge 14 ] || fail "--help lists ${#verbs[@]} verbs"
help() {
  code 0 "$@" --help
  awk '/^ +-/ { if (line) print line; line = $0; next } substr($0, 1, 20) ~ /^ *$/ && NF { line = line $0; next } { if (line) print line; line = "" }
       END { if (line) print line }' "$work/out" |
    grep -E ' (INT|UINT|FLOAT)[: ]' | grep -vE 'default|REQUIRED|separated by commas' >"$work/bare" &&
    fail "nuri $* --help: without a default: $(cat "$work/bare")"
  return 0
}
for verb in "${verbs[@]}"; do help "$verb"; done
for part in "tokenizer train" "tokenizer encode" "tokenizer decode" "data build" "data show" "plan train" "plan published" "plan hardware" "plan profile" "ledger list" "ledger lineage" "ledger import" "ledger verify" "ledger set" "ledger check"; do
  # shellcheck disable=SC2086
  help $part
done
code 0 generate --help
grep -q 'longest reply, tokens (default 256)' "$work/out" || fail "generate --help: $(cat "$work/out")"
code 0 train --help
grep -q 'length = 256; tokens; ' "$work/out" || fail "train --help names no unit of length"
for verb in info selftest check score generate diff inspect bench train; do
  code 0 "$verb" --help
  grep -q -e --json "$work/out" || fail "$verb takes no --json"
done
echo "${#verbs[@]} verbs: JSON, exit codes and help are as promised"
