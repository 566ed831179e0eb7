#!/usr/bin/env bash
# A full disk and a directory that cannot be written: a clear error, and the old checkpoint stays whole.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
prepare
mkdir "$work/closed"
chmod 555 "$work/closed"
if [ "$(id -u)" -ne 0 ]; then
  train "$work/closed/run" >/dev/null 2>"$work/err" && fail "an unwritable directory was accepted"
  grep -qi 'permission' "$work/err" || fail "unwritable: $(cat "$work/err")"
fi
# A file size limit stands for the full disk: writes fail in the middle of a checkpoint.
train "$work/run" --set steps=3 --set save_every=3 >/dev/null
(
  ulimit -f 100
  trap '' XFSZ
  code=0
  train "$work/limited" >/dev/null 2>"$work/err" || code=$?
  [ $code -eq 2 ] || fail "a full disk: exit code $code"
)
grep -q 'write' "$work/err" || fail "a full disk: $(cat "$work/err")"
train "$work/limited" --resume >/dev/null || fail "with room again the run does not go on"
train "$work/whole" >/dev/null
[ "$(weights_hash "$work/limited")" = "$(weights_hash "$work/whole")" ] || fail "other weights after a full disk"
echo "a full disk is an error, and the run goes on after it"
