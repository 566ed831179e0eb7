#!/usr/bin/env bash
# lint_x1.sh [ROOT]: what profile x1 forbids where its arithmetic lives. Prints each offending line; exit code 1 if there
# is one. lint_x1.sh --objects LIBRARY...: the same of compiled code, by the libm functions that it calls.
set -euo pipefail

# libm's functions whose bits differ between CPUs or versions; fma, sqrt, fabs, floor and their like are exact.
inexact='exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|cbrt|hypot|sin|cos|tan|sincos|asin|acos|atan|atan2|sinh|cosh|tanh|asinh|acosh|atanh|erf|erfc|tgamma|lgamma'

if [ "${1:-}" = --objects ]; then
  shift
  if nm -A -u -- "$@" 2>/dev/null | grep -E "[: ]U ($inexact)[fl]?(@.*)?$"; then
    echo 'these objects call libm functions that are not exact (profile x1, rule 2)'
    exit 1
  fi
  echo "$# libraries call no inexact function of libm"
  exit 0
fi

cd "${1:-$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/..}"
wrong=0
folders=()
for folder in base tensor backend autograd ops nn optim models infer; do
  [ ! -d "src/$folder" ] || folders+=("src/$folder")
done
mapfile -t sources < <(find "${folders[@]}" -type f \( -name '*.h' -o -name '*.cpp' \) \
  ! -name '*_test.cpp' ! -name '*_bench.cpp' ! -name '*_fuzz.cpp' ! -name '*test_support.h' | LC_ALL=C sort)
mapfile -t builds < <(find . -path ./.git -prune -o -path './build*' -prune -o -type f \
  \( -name CMakeLists.txt -o -name '*.cmake' -o -name CMakePresets.json -o -path ./run -o -path ./.ci/run \) -print | LC_ALL=C sort)

# report REASON LINES: nothing where there are no lines
report() {
  [ -n "$2" ] || return 0
  printf '%s\n  -> %s\n' "$2" "$1"
  wrong=1
}
# forbid REASON PATTERN FILE...: lines that match the pattern outside of comments
forbid() {
  local reason=$1 pattern=$2
  shift 2
  [ $# -gt 0 ] || return 0
  report "$reason" "$(awk -v pattern="$pattern" '{
    line = $0
    if (FILENAME ~ /\.(h|cpp)$/) sub(/\/\/.*/, "", line); else sub(/(^|[[:space:]])#.*/, "", line)
    if (line ~ pattern) print FILENAME ":" FNR ": " $0
  }' "$@")"
}

before='(^|[^A-Za-z0-9_:.>])'
forbid 'a libm function that is not exact: use base/x1.h' "(std::|[^A-Za-z0-9_]::)($inexact)[fl]?[[:space:]]*\\(" "${sources[@]}"
mapfile -t outside < <(printf '%s\n' "${sources[@]}" | grep -vE '^src/base/x1\.(h|cpp)$|^src/backend/cpu/kernels/')
forbid 'write x1::, so that libm cannot be meant' "$before($inexact)[fl]?[[:space:]]*\\([^)]" "${outside[@]}"
forbid 'a libm function that is not exact: use base/x1.h' "__builtin_($inexact)[fl]?[[:space:]]*\\(" "${sources[@]}"
mapfile -t kernels < <(printf '%s\n' "${sources[@]}" | grep -E '^src/backend/cpu/kernels/' || true)
[ ${#kernels[@]} -eq 0 ] ||
  report 'kernel sources include no header with inline functions: the linker could merge them across levels' \
    "$(grep -HnE '#[[:space:]]*include[[:space:]]*<' "${kernels[@]}" | grep -vE '<(immintrin|stddef|stdint)\.h>' || true)"
forbid 'std:: distributions and engines differ between libraries: use base/philox.h' \
  'std::[a-z_]*_distribution|std::(mt19937|random_device|default_random_engine|minstd_rand)' "${sources[@]}"
forbid 'the order of std::shuffle and std::sample differs between libraries: use base/philox.h' \
  'std::(ranges::)?(shuffle|random_shuffle|sample)[[:space:]]*[(<]' "${sources[@]}"
forbid 'the order of additions must not depend on threads' \
  'pragma[[:space:]]+omp.*reduction|std::(transform_)?reduce[[:space:]]*[(<]|std::execution::' "${sources[@]}"
forbid 'no float atomics: threads own outputs' 'atomic(_ref)?[[:space:]]*<[[:space:]]*(float|double)' "${sources[@]}"
forbid 'approximate reciprocals differ between CPUs' '_mm[0-9]*_[a-z_]*(rsqrt|rcp)[0-9]*_|__builtin_ia32_(rsqrt|rcp)' "${sources[@]}"
forbid 'a flag that changes the bits' \
  '-ffast-math|-Ofast|-march=native|-mtune=native|-funsafe-math|-fassociative-math|-ffp-contract=(fast|on)|-freciprocal-math' \
  "${builds[@]}"
grep -qs -- '-ffp-contract=off' cmake/flags.cmake ||
  report 'compilers contract by default (profile x1, rule 2)' 'cmake/flags.cmake: -ffp-contract=off is missing'
[ "$wrong" -ne 0 ] || echo "${#sources[@]} sources and ${#builds[@]} build files keep profile x1"
exit "$wrong"
