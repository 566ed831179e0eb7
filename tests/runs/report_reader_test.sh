#!/usr/bin/env bash
# A report read while a run goes on is whole at every instant, though the run (asked by SIGUSR1) and a second process write it
# again and again.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
prepare
run=$work/run
exec_train "$run" --set steps=100000 --set save_every=0 --set eval_every=0 >/dev/null 2>"$work/err" &
pid=$!
cleanup() {
  {
    kill -9 $pid
    wait # also for the writers, which end without the run
  } 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
for _ in $(seq 1 500); do
  grep -q '"kind":"step"' "$run/log.jsonl" 2>/dev/null && break
  kill -0 $pid 2>/dev/null || fail "the run ended: $(cat "$work/err")"
  sleep 0.02
done
(while kill -USR1 $pid 2>/dev/null; do sleep 0.05; done) &
(while kill -0 $pid 2>/dev/null; do "$nuri" report "$run" >/dev/null || echo failed >>"$work/failed"; done) &
reads=0 versions=0 before=
for _ in $(seq 1 5000); do
  kill -0 $pid 2>/dev/null || fail "the run ended: $(cat "$work/err")"
  [ -f "$run/report.html" ] || { sleep 0.02; continue; }
  page=$(<"$run/report.html") || fail "report.html cannot be read"
  [[ $page == '<!DOCTYPE html>'* && $page == *'</html>' ]] ||
    fail "read $((reads + 1)): a torn report of ${#page} characters: ${page:0:60} ... ${page: -60}"
  reads=$((reads + 1))
  [ "$page" = "$before" ] || versions=$((versions + 1))
  before=$page
  [ $reads -lt 300 ] || [ $versions -lt 20 ] || break
done
[ $reads -ge 300 ] && [ $versions -ge 20 ] || fail "only $reads reads of $versions reports"
[ ! -e "$work/failed" ] || fail "nuri report failed beside the run"
kill -0 $pid || fail "the run ended: $(cat "$work/err")"
# A page that cannot be written ends no run.
until rm -f "$run/report.html" && mkdir "$run/report.html" 2>/dev/null; do :; done # both writers go on
for _ in $(seq 1 500); do
  grep -q 'warning: report.html cannot be written' "$work/err" && break
  sleep 0.02
done
grep -q 'warning: report.html cannot be written' "$work/err" || fail "it is not said that the page cannot be written: $(cat "$work/err")"
kill -0 $pid || fail "the run ended for its page: $(cat "$work/err")"
echo "$reads reads of $versions reports beside the run, none torn"
