#!/usr/bin/env bash
# Options of the optimizer and the batch: each run, stopped by signals and continued, ends with the bits of the run that
# nobody touched, and the log of both says the same of every step.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
prepare

# stopped OUT [options]: SIGTERM after a while, then --resume, until the run is finished.
stopped() {
  local out=$1 code attempt pid
  shift
  for attempt in 1 2 3; do
    exec_train "$out" --resume "$@" >/dev/null 2>"$work/err" &
    pid=$!
    for _ in $(seq 1 200); do
      [ "$(grep -c '"kind":"step"' "$out/log.jsonl" 2>/dev/null || true)" -ge $((attempt * 9)) ] 2>/dev/null && break
      sleep 0.01
    done
    kill -TERM $pid 2>/dev/null || true
    code=0
    wait $pid || code=$?
    [ $code -eq 0 ] && return
    [ $code -eq 130 ] || fail "code $code: $(cat "$work/err")"
  done
  train "$out" --resume "$@" >/dev/null
}

# What every step did, without times.
steps_of() { grep '"kind":"step"' "$1/log.jsonl" | sed 's/"seconds":[^,]*,//'; }

# check NAME [options]: prints the hash of the weights.
check() {
  local name=$1
  shift
  train "$work/$name" --set steps=40 "$@" >/dev/null
  NURI_THREADS=3 stopped "$work/$name-stopped" --set steps=40 "$@"
  [ "$(weights_hash "$work/$name")" = "$(weights_hash "$work/$name-stopped")" ] || fail "$name: stopped and resumed, other weights"
  cmp <(steps_of "$work/$name") <(steps_of "$work/$name-stopped") || fail "$name: stopped and resumed, another log"
  weights_hash "$work/$name"
}

check plain >"$work/plain.hash"
check muon --set optimizer=muon >"$work/muon.hash"
cmp -s "$work/plain.hash" "$work/muon.hash" && fail "muon: the weights of AdamW"
grep -q momentum <("$nuri" inspect "$work/muon/checkpoints/step-000040/trainer/optimizer.safetensors" 2>/dev/null ||
  strings "$work/muon/checkpoints/step-000040/trainer/optimizer.safetensors") || fail "muon: no momentum in its checkpoint"

ramp=(--set batch_rows=8 --set batch_rows_start=2 --set batch_ramp_tokens=2000)
check ramp "${ramp[@]}" >/dev/null
# 48 tokens a row: 41 rows of ramp in three levels of 2, 4 and 6 rows.
tokens=$(grep -o '"step_tokens":[0-9]*' "$work/ramp/log.jsonl" | cut -d: -f2 | uniq -c | awk '{ printf "%s x %s;", $1, $2 }')
[ "$tokens" = "7 x 96;4 x 192;2 x 288;27 x 384;" ] || fail "ramp: steps of $tokens"
grep -q '"rows": 258' "$work/ramp/checkpoints/step-000040/trainer/state.json" || fail "ramp: $(cat "$work/ramp/checkpoints/step-000040/trainer/state.json")"
[ "$("$nuri" data show --run "$work/ramp" --step 8 --json | grep -c '"row"')" -gt 0 ] || fail "ramp: data show"
grep -q '>Batch<' "$work/ramp/report.html" || fail "ramp: no chart of the batch"
# By tokens: as many whole steps as fit.
train "$work/by-tokens" "${ramp[@]}" --set steps=0 --set tokens=4000 >/dev/null
[ "$(grep '"kind":"step"' "$work/by-tokens/log.jsonl" | tail -n 1 | grep -o '"tokens":[0-9]*')" = '"tokens":3936' ] || fail "ramp: $(tail -n 1 "$work/by-tokens/log.jsonl" | cut -c1-80)"
train "$work/ramp" --resume --set batch_rows=8 --set steps=41 >/dev/null 2>"$work/err" && fail "ramp: resumed without it"
# A run whose micro-batches end unevenly has the same bits.
train "$work/uneven" --set steps=40 "${ramp[@]}" --set micro_rows=3 >/dev/null
[ "$(weights_hash "$work/uneven")" = "$(weights_hash "$work/ramp")" ] || fail "ramp: micro_rows shows in the bits"

ema_hash() { grep -o '"ema": "[0-9a-f]*"' "$1/run.json" | cut -d'"' -f4; }
check ema --set ema_decay=0.9 >"$work/ema.hash"
cmp -s "$work/plain.hash" "$work/ema.hash" || fail "ema: keeping an average changes the weights"
[ -n "$(ema_hash "$work/ema")" ] && [ "$(ema_hash "$work/ema")" = "$(ema_hash "$work/ema-stopped")" ] || fail "ema: stopped and resumed, another average"
"$nuri" diff "$work/ema/ema" "$work/ema-stopped/ema" >/dev/null || fail "ema: OUT/ema differs"
"$nuri" diff "$work/ema" "$work/ema/ema" >/dev/null && fail "ema: the average is the weights"
"$nuri" generate "$work/ema/ema" --prompt "1" --max-tokens 2 --temperature 0 >/dev/null || fail "ema: OUT/ema does not generate"
grep -q '"bits_per_byte_ema"' "$work/ema/run.json" || fail "ema: not evaluated"
grep '"kind":"eval"' "$work/ema/log.jsonl" | tail -n 1 | grep -q '"ema":true' || fail "ema: its evaluation is not in the log"
check all --set optimizer=muon --set ema_decay=0.9 --set qk_clip=0.05 "${ramp[@]}" --set grad_shards=2 >/dev/null
[ "$(ema_hash "$work/all")" = "$(ema_hash "$work/all-stopped")" ] || fail "all: stopped and resumed, another average"
check f32 --set precision=f32 --set mla_form=absorbed --set optimizer=muon --set ema_decay=0.9 --set qk_clip=0.05 >/dev/null

check clip --set qk_clip=0.05 >/dev/null
grep -q '"clipped_heads":[1-9]' "$work/clip/log.jsonl" || fail "qk_clip: no head was clipped"
echo "options: $(cat "$work/plain.hash") $(cat "$work/muon.hash")"
