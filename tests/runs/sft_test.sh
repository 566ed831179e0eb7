#!/usr/bin/env bash
# Fine-tuning on chats as a user does it: a base model, worked solutions, `nuri sft`. What is held out becomes likelier;
# killed and resumed with other numbers of threads the weights are the same; patience ends a run early and the best model
# is the one published; wrong rows are named by file and line.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
prepare_chats 300
train "$work/base" --set steps=60 >/dev/null

# sft OUT [options]: as JSON.
sft() {
  local out=$1
  shift
  "$nuri" sft --init-from "$work/base" --chats "$work/chats.jsonl" --out "$out" --set length=128 --set batch_rows=4 \
    --set lr=3e-3 --quiet --json "$@"
}
sft "$work/whole" >"$work/summary"
jq -e '.outcome == "finished" and .validation.bits_per_byte > 0 and (.validation.by_source | keys) == ["chats"]' "$work/summary" >/dev/null ||
  fail "sft: $(cat "$work/summary")"
expected=$(weights_hash "$work/whole")
first=$(jq -s 'map(select(.kind == "eval")) | .[0].bits_per_byte' "$work/whole/log.jsonl")
jq -e ".validation.bits_per_byte < 0.8 * $first" "$work/summary" >/dev/null || fail "sft: $first, then $(cat "$work/summary")"
jq -s -e 'map(select(.kind == "sample")) | length > 0 and all(.prompt != "" and (.text | type == "string"))' "$work/whole/log.jsonl" >/dev/null ||
  fail "sft: no samples of held-out questions"
jq -e '.hashes.initial_weights | test("^[0-9a-f]{16}$")' "$work/whole/run.json" >/dev/null || fail "run.json does not say where the weights began"
[ "$(jq -r .hashes.initial_weights "$work/whole/run.json")" = "$(weights_hash "$work/base")" ] || fail "the run did not begin as the base"
echo "user: 3 1 2" | "$nuri" chat "$work/whole" --max-tokens 8 >/dev/null || fail "chat"

# The precision is the model's, however it is named.
"$nuri" sft --print-config --init-from "$work/base" >"$work/printed" || fail "sft --print-config"
grep -q '^precision = "bf16"' "$work/printed" || fail "the precision of a BF16 model"
mkdir "$work/float"
jq '.torch_dtype = "float32"' "$work/base/config.json" >"$work/float/config.json"
printf 'init_from = "float"\n' >"$work/float.toml"
"$nuri" sft "$work/float.toml" --print-config >"$work/printed" || fail "sft --print-config, FP32"
grep -q '^precision = "f32"' "$work/printed" || fail "the precision of an FP32 model"

# What the run would take, before it; nothing is written.
"$nuri" sft --init-from "$work/base" --chats "$work/chats.jsonl" --set length=128 --set batch_rows=4 --predict --json >"$work/printed" ||
  fail "sft --predict"
jq -e '.steps > 0 and .tokens > 0 and .step_seconds_predicted > 0 and .seconds_predicted > 0 and .memory_planned_bytes > 0' "$work/printed" >/dev/null ||
  fail "sft --predict: $(cat "$work/printed")"

# Killed once and again at other numbers of threads.
kills=0
for delay in 0.15 0.3 0.45 0.6; do
  kills=$((kills + 1))
  (NURI_THREADS=$((kills % 3 + 1)) exec "$nuri" sft --init-from "$work/base" --chats "$work/chats.jsonl" --out "$work/killed" \
    --set length=128 --set batch_rows=4 --set lr=3e-3 --quiet --resume >/dev/null 2>&1) &
  pid=$!
  sleep "$delay"
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
done
NURI_THREADS=3 sft "$work/killed" --resume >/dev/null 2>"$work/err" || grep -q 'is finished' "$work/err" || fail "$(cat "$work/err")"
[ "$(weights_hash "$work/killed")" = "$expected" ] || fail "killed: $(weights_hash "$work/killed"), untouched: $expected"
[ "$(jq -r .hashes.initial_weights "$work/killed/run.json")" = "$(weights_hash "$work/base")" ] || fail "resumed: the beginning was forgotten"

# A rate that does damage: validation rises, patience ends the run, and the model of the directory is the best one.
sft "$work/wild" --set lr=0.3 --set epochs=20 --set schedule=wsd --set decay_fraction=0 --set eval_every=2 >"$work/wild.json"
jq -e '.outcome == "finished" and .out_of_patience and .steps < .total_steps and .published_step < .steps' "$work/wild.json" >/dev/null ||
  fail "patience: $(cat "$work/wild.json")"
best=$(jq -s 'map(select(.kind == "eval")) | min_by(.bits_per_byte) | .step' "$work/wild/log.jsonl")
[ "$(jq .published_step "$work/wild.json")" = "$best" ] || fail "published is not the best step, $best: $(cat "$work/wild.json")"
"$nuri" diff "$work/wild" "$work/wild/checkpoints/$(printf 'step-%06d' "$best")" >/dev/null || fail "the directory does not hold the best model"
jq -e --argjson best "$(jq -s 'map(select(.kind == "eval").bits_per_byte) | min' "$work/wild/log.jsonl")" \
  '.validation.bits_per_byte == $best' "$work/wild.json" >/dev/null || fail "the summary is not of the best model"

# Another vocabulary: rows of new tokens are said; a recipe with config.json of its own.
"$nuri" tokenizer train "$work/text.jsonl" --vocab-size 520 --out "$work/longer" >/dev/null
sed 's/"vocab_size": 512/"vocab_size": 520/' "$work/config.json" >"$work/longer.json"
printf 'config = "longer.json"\nsteps = 2\n' >"$work/longer.toml"
"$nuri" sft "$work/longer.toml" --init-from "$work/base" --tokenizer "$work/longer" --chats "$work/chats.jsonl" --out "$work/grown" \
  --quiet >/dev/null 2>"$work/err" || fail "another vocabulary: $(cat "$work/err")"
grep -q 'of 520 rows of embedding and head are new' "$work/err" || fail "new rows are not said: $(cat "$work/err")"

# Rows that are longer than the context are counted, whichever becomes of them: in the summary, the record and the page.
for kind in cut drop; do
  sft "$work/$kind" --set length=38 --set too_long=$kind --set steps=2 --set patience=0 --set publish=last >"$work/summary_$kind" ||
    fail "too_long=$kind: $(cat "$work/summary_$kind")"
  jq -e --slurpfile run "$work/$kind/run.json" '.data as $n | ($n | keys) == ["chats", "chats_cut", "chats_left_out", "held_out_chats",
    "held_out_chats_cut", "held_out_chats_left_out"] and all($n | to_entries[]; $run[0].results[.key] == .value)' "$work/summary_$kind" >/dev/null ||
    fail "counts of chats: $(cat "$work/summary_$kind") $(jq -c .results "$work/$kind/run.json")"
done
jq -e '.data.chats_cut > 0' "$work/summary_cut" >/dev/null || fail "none cut: $(cat "$work/summary_cut")"
jq -e --argjson cut "$(jq .data "$work/summary_cut")" '.data.chats_cut == 0 and .data.held_out_chats_cut == 0 and
  .data.chats_left_out == $cut.chats_left_out + $cut.chats_cut and .data.chats + .data.chats_left_out == $cut.chats + $cut.chats_left_out' \
  "$work/summary_drop" >/dev/null || fail "left out: $(cat "$work/summary_drop"), cut: $(cat "$work/summary_cut")"
grep -q 'chats to train on longer than length, cut' "$work/cut/report.html" && grep -q 'chats to train on left out' "$work/drop/report.html" ||
  fail "the pages do not count chats"

# What is refused, with its reason.
printf '{"prompt": "a", "completion": "b"}\n{"prompt": "a"}\n' >"$work/bad.jsonl"
refused 'bad.jsonl: line 2' "$nuri" sft --init-from "$work/base" --chats "$work/bad.jsonl" --out "$work/bad"
refused '--init-from is missing' "$nuri" sft --chats "$work/chats.jsonl" --out "$work/bad"
refused '--chats is missing' "$nuri" sft --init-from "$work/base" --out "$work/bad"
refused 'context of 256 tokens' sft "$work/bad" --set length=512
refused 'chosen by the weights' sft "$work/bad" --set ema_decay=0.9
refused 'nothing is held out' sft "$work/bad" --set held_out_share=0
endless=(sft --init-from "$work/base" --chats "$work/chats.jsonl" --out "$work/endless" --set length=128 --set epochs=1000 --set save_every=1)
"$nuri" "${endless[@]}" --quiet >/dev/null 2>&1 &
pid=$!
for _ in $(seq 1 100); do
  [ -f "$work/endless/config.json" ] && break
  sleep 0.05
done
kill -KILL $pid
wait $pid 2>/dev/null || true
refused 'other data' "$nuri" "${endless[@]}" --set learn_thought=false --resume
refused 'lr: ' "$nuri" "${endless[@]}" --set lr=1e-3 --resume
refused 'of chats' train "$work/bad" --set too_long=drop
sft "$work/last" --set held_out_share=0 --set patience=0 --set publish=last --set steps=2 >/dev/null || fail "nothing held out"
mkdir "$work/plain"
cp "$work/base"/*.json "$work/base"/*.safetensors "$work/plain"
jq 'del(.chat_template)' "$work/base/tokenizer_config.json" >"$work/plain/tokenizer_config.json"
refused 'no chat template' "$nuri" sft --init-from "$work/plain" --chats "$work/chats.jsonl" --out "$work/bad"
jq '.chat_template = "{% for m in messages %}{{ \"<|im_start|>\" + m[\"role\"] + m[\"content\"] }}{% endfor %}"' "$work/base/tokenizer_config.json" >"$work/plain/tokenizer_config.json"
refused 'of DeepSeek-V3, R1 and its distilled models (a user message .* is missing)' "$nuri" sft --init-from "$work/plain" --chats "$work/chats.jsonl" --out "$work/bad"

# Rows as the interfaces of OpenAI and DeepSeek have them: other keys are counted in one line, the thought stands apart.
printf '%s\n' '{"messages": [{"role": "user", "content": [{"type": "text", "text": "1+1?"}], "name": "n"}, {"role": "assistant", "reasoning_content": "easy", "content": "2", "id": 7}], "tools": null}' \
  '{"messages": [{"role": "user", "content": "1+1?", "name": "n"}, {"role": "assistant", "content": null, "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": "[1, 1]"}}]}]}' >"$work/keys.jsonl"
"$nuri" sft --init-from "$work/base" --chats "$work/keys.jsonl" --out "$work/keys" --set length=128 --set steps=1 --set held_out_share=0 --set patience=0 \
  --set publish=last >/dev/null 2>"$work/err" || fail "keys: $(cat "$work/err")"
[ "$(grep -c 'not read.*: id (1), name (2)$' "$work/err")" = 1 ] || fail "keys that are not read are not told: $(cat "$work/err")"
jq .messages "$work/keys.jsonl" | jq -s '.[0]' >"$work/messages.json"
"$nuri" tokenizer chat "$work/base" "$work/messages.json" 2>&1 >/dev/null | grep -q 'id (1), name (1)' || fail "tokenizer chat tells nothing of keys"

# Continued pre-training of another model is the same key.
train "$work/further" --set steps=1 --set lr=0 --set bias_update_speed=0 --init-from "$work/base" >/dev/null
"$nuri" diff "$work/base" "$work/further" >/dev/null || fail "train --init-from does not begin as the base"
echo "bits per byte of held-out answers: $first at first, $(jq .validation.bits_per_byte "$work/summary") at the end; weights $expected"
