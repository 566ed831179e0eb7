#!/usr/bin/env bash
# NaN and Inf stop a run with exit code 2 and a message that names where they come from; checkpoints stay as they were.
# Planted are a NaN in a checkpoint (refused by its tensor's name), weights so large that the step overflows (named by op
# and layer), and a learning rate that makes the run diverge by itself.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
prepare

# plant FILE TENSOR BYTES [COUNT]: writes BYTES (printf escapes) COUNT times over the tensor's first elements.
plant() {
  local file=$1 tensor=$2 bytes=$3 count=${4:-1} header begin
  header=$(od -An -t u8 -N 8 "$file" | tr -d ' ')
  begin=$(head -c $((8 + header)) "$file" | tail -c "$header" | jq --arg t "$tensor" '.[$t].data_offsets[0]')
  [ "$begin" != null ] || fail "no $tensor in $file"
  for _ in $(seq 1 "$count"); do printf '%b' "$bytes"; done |
    dd of="$file" bs=1 seek=$((8 + header + begin)) conv=notrunc status=none
}
files_hash() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) }

# refused RUN WHAT PATTERN: resuming fails with exit code 2 and says PATTERN; the checkpoints stay as they are.
refused() {
  local run=$1 what=$2 pattern=$3 code=0
  files_hash "$run/checkpoints" >"$work/before"
  train "$run" --resume >/dev/null 2>"$work/err" || code=$?
  [ $code -eq 2 ] || fail "$what: exit code $code"
  grep -q "$pattern" "$work/err" || fail "$what: $(cat "$work/err")"
  files_hash "$run/checkpoints" | cmp -s - "$work/before" || fail "$what: the checkpoints changed"
}

# A run with a checkpoint in the middle.
exec_train "$work/run" --set steps=100000 >/dev/null 2>"$work/err" &
pid=$!
for _ in $(seq 1 200); do
  [ -d "$work/run/checkpoints/step-000003" ] && break
  sleep 0.05
done
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "SIGTERM: exit code $code, $(cat "$work/err")"
sed -i 's/^steps = .*/steps = 100000/' "$work/recipe.toml"
newest=$(find "$work/run/checkpoints" -mindepth 1 -maxdepth 1 -name 'step-*' -printf '%f\n' | LC_ALL=C sort | tail -n 1)

# BF16 NaN in a weight, FP32 Inf in a moment.
cp -a "$work/run" "$work/nan"
plant "$work/nan/checkpoints/$newest/model.safetensors" model.layers.1.mlp.gate.weight '\xc0\x7f'
refused "$work/nan" "a NaN in a weight" 'model.layers.1.mlp.gate.weight .*element 0 is NaN or Inf'
code=0
"$nuri" score "$work/nan/checkpoints/$newest" --tokens 1,2,3 >/dev/null 2>"$work/err" || code=$?
[ $code -eq 2 ] || fail "scoring with a NaN in a weight: exit code $code"
grep -q 'model.layers.1.mlp.gate.weight' "$work/err" || fail "scoring with a NaN in a weight: $(cat "$work/err")"
cp -a "$work/run" "$work/inf"
plant "$work/inf/checkpoints/$newest/trainer/optimizer.safetensors" square.lm_head.weight '\x00\x00\x80\x7f'
refused "$work/inf" "an Inf in a moment" 'square.lm_head.weight .*element 0 is NaN or Inf'

# The largest finite BF16 numbers, 3.39e38, in the whole first projection: its product overflows.
cp -a "$work/run" "$work/huge"
plant "$work/huge/checkpoints/$newest/model.safetensors" model.layers.1.self_attn.q_a_proj.weight '\x7f\x7f' $((16 * 32))
refused "$work/huge" "an overflow" 'step [0-9]*: the loss is .* comes out of linear of model.layers.1.self_attn'
grep -q '"outcome": "failed"' "$work/huge/run.json" || fail "an overflow: run.json does not say failed"
grep -q '"reason": ".*linear of model.layers.1.self_attn' "$work/huge/run.json" || fail "an overflow: run.json does not say why"

# A run that diverges: weights grow 10,000-fold a step. Whatever it saved before holds finite numbers.
code=0
train "$work/diverging" --set lr=100 --set weight_decay=100 --set warmup_steps=0 --set save_every=1 --set keep_last=100 \
  --set eval_every=0 >/dev/null 2>"$work/err" || code=$?
[ $code -eq 2 ] || fail "a diverging run: exit code $code"
grep -q 'step [0-9]*: .*\(comes out of [a-z_ ]* of \|holds NaN or Inf after the update\)' "$work/err" ||
  fail "a diverging run: $(cat "$work/err")"
saved=0
for checkpoint in "$work/diverging"/checkpoints/step-*; do
  [ -d "$checkpoint" ] || continue
  "$nuri" score "$checkpoint" --tokens 1,2 >/dev/null 2>"$work/err" || fail "$checkpoint: $(cat "$work/err")"
  saved=$((saved + 1))
done
echo "NaN and Inf are named; a diverging run left $saved checkpoints, all finite"
