#!/usr/bin/env bash
# test_run.sh BUILD_DIR [--offline] [--all] -- [ctest arguments]: runs the tests of a built folder; the summary is last.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
dir=$1
shift
offline='' all=''
while [ "$1" != -- ]; do
  case $1 in
    --offline) offline=1 ;;
    --all) all=1 ;;
  esac
  shift
done
shift

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export LC_ALL=C.UTF-8

extra=$(mktemp)  # results of what runs outside ctest: "passed|failed|skipped<TAB>name<TAB>reason"
trap 'rm -f "$extra"' EXIT
report() { printf '%s\t%s\t%s\n' "$@" >>"$extra"; }

# A network namespace without interfaces: as root directly, else inside a user namespace.
inside=()
if [ -n "$offline" ]; then
  if unshare -n true 2>/dev/null; then
    inside=(unshare -n)
  elif unshare -Urn true 2>/dev/null; then
    inside=(unshare -Urn)
  else
    report skipped offline "the kernel forbids network namespaces here"
  fi
  if [ ${#inside[@]} -gt 0 ]; then
    others=$("${inside[@]}" cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' ' | grep -vx -e lo -e 'sit0' -e 'ip6tnl0' -e 'tunl0' | tr '\n' ' ' || true)
    if [ -z "$others" ]; then report passed offline ""; else report failed offline "interfaces seen inside: $others"; fi
  fi
fi

start=$SECONDS
status=0
"${inside[@]}" ctest --test-dir "$dir" --output-on-failure --no-tests=error -j "$(nproc)" --output-junit junit.xml \
  "$@" || status=$?

if [ -n "$all" ]; then
  say "debug build (GCC, not optimised) for nuri selftest"
  if cmake --preset debug >/dev/null && ninja -C build-debug --quiet nuri && "${inside[@]}" build-debug/nuri selftest; then
    report passed debug_selftest ""
  else
    report failed debug_selftest "the debug build or its self-test failed (messages above)"
  fi
fi

tools/test_summary.sh "$dir/junit.xml" "$extra" "$status" $((SECONDS - start))
