#!/usr/bin/env bash
# lint.sh [--tidy | --tidy-all | --fix]: formatting, shell scripts and the rules of profile x1; --tidy adds clang-tidy on
# the sources changed since the last commit, --tidy-all on all; --fix formats in place.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
mode=${1:-}
case $mode in '' | --tidy | --tidy-all | --fix) ;; *) wrong_use "lint: unknown option '$mode' (allowed: --tidy, --tidy-all, --fix)" ;; esac
wrong=0
mapfile -t sources < <(find src tests -name '*.h' -o -name '*.cpp' | LC_ALL=C sort)
mapfile -t scripts < <(find run .ci/run tools tests -type f \( -name '*.sh' -o -name run \) | LC_ALL=C sort)

if [ "$mode" = --fix ]; then clang-format-14 -i "${sources[@]}"; fi
mapfile -t unformatted < <(printf '%s\0' "${sources[@]}" |
  xargs -0 -P "$(nproc)" -n 16 clang-format-14 --dry-run 2>&1 | grep -oE '^[^: ]+:[0-9]+' | cut -d: -f1 | LC_ALL=C sort -u)
if [ ${#unformatted[@]} -gt 0 ]; then
  say "not formatted ('./run lint --fix' formats): ${unformatted[*]}"
  wrong=1
fi
shellcheck -x -S warning "${scripts[@]}" || wrong=1
tools/lint_x1.sh || wrong=1

if [ "$mode" = --tidy ] || [ "$mode" = --tidy-all ]; then
  [ -f build/compile_commands.json ] || cmake --preset release >/dev/null
  if [ "$mode" = --tidy ]; then
    mapfile -t sources < <({ git diff --name-only HEAD && git ls-files --others --exclude-standard; } | grep -E '^src/.*\.cpp$' || true)
  fi
  # Tests and benches are left out: the macros of their libraries are not ours to mend.
  printf '%s\n' "${sources[@]}" | grep -E '^src/.*\.cpp$' | grep -vE '_(test|bench|fuzz)\.cpp$|/kernels/' |
    xargs -r -P "$(nproc)" -n 1 clang-tidy-14 -p build --quiet --extra-arg=-Wno-unknown-warning-option || wrong=1
fi
[ "$wrong" -ne 0 ] || say "lint: ${#sources[@]} sources and ${#scripts[@]} scripts are clean"
exit "$wrong"
